mod watch;

use cli::{Exit, Failure, GlobalArgs, Progress};
use evidence::Redacted;
use report::finding::Status;
use report::{Document, Report};
use serde::Serialize;
use settings::Settings;
use tokio::sync::watch::Sender;
use verify::{Answer, Catalog, Checked, EnvironmentClients, Selection, Wanted};

use super::resources::Resources;
use super::side::Sided;
use super::{exit, resources, waivers};
use crate::args::check::{CheckArgs, FailOn};

pub(super) async fn run(
    global: &GlobalArgs,
    args: &CheckArgs,
    so_far: &Sender<Option<Exit>>,
) -> Result<Exit, Failure> {
    let selection = Selection {
        only: args.only.clone(),
        skip: args.skip.clone(),
    };
    if args.list {
        cli::print(global, &Catalog::new(&selection))?;
        return Ok(Exit::Fine);
    }
    if args.watch.is_some() && args.form.format.is_some() && args.form.out.is_none() {
        let error = anyhow::anyhow!("--format prints one document, and --watch has many");
        return Err(Failure::new(Exit::Usage, error).hint("write each to a file with --out FILE"));
    }
    let waivers = waivers::read(global, &args.waivers)?;
    let sided = Sided::find(global, args.side).await?;
    let mut known = resources::of_terraform(&args.source, &sided).await?;
    let clients = sided.reach().await?.clients();
    resources::of_backend(&args.source, &clients, &sided, &mut known).await?;
    let asking = Asking {
        clients,
        wanted: Wanted {
            waivers,
            ..sided.wanted()
        },
        settings: sided.settings,
        selection,
        known,
    };
    if let Some(interval) = args.watch {
        return watch::run(global, args, &asking, interval, so_far).await;
    }
    let checked = asking.once(&Progress::on_terminal()).await;
    show(global, args, &checked)?;
    Ok(ends(&checked, FailOn::new(&args.fail_on)))
}

/// All that a run needs; the same for each of several.
struct Asking {
    clients: EnvironmentClients,
    settings: Settings,
    known: Resources,
    wanted: Wanted,
    selection: Selection,
}

impl Asking {
    async fn once(&self, progress: &Progress) -> Redacted<Checked> {
        let (clients, wanted) = (&self.clients, &self.wanted);
        let sources = self.known.sources(&self.settings);
        let now = cli::now();
        verify::check_observed(clients, sources, wanted, &self.selection, now, progress).await
    }
}

fn show(global: &GlobalArgs, args: &CheckArgs, checked: &Checked) -> Result<(), Failure> {
    let all = global.verbose > 0;
    cli::print_in_form(global, &args.form, checked, &Shown { checked, all })
}

/// For people only what needs them, unless they want everything; for programs everything.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown<'a> {
    checked: &'a Checked,
    #[serde(skip)]
    all: bool,
}

impl Report for Shown<'_> {
    const KIND: &'static str = "check";

    fn document(&self) -> Document {
        self.checked.summary(self.all)
    }
}

/// Only failed checks that `fail_on` names count.
fn ends(checked: &Checked, fail_on: FailOn) -> Exit {
    let counts = |answer: &&Answer| answer.status != Status::Wrong || fail_on.counts(answer.check);
    let answers = checked.answers.iter().filter(counts);
    exit::of(answers.map(|answer| answer.status))
}
