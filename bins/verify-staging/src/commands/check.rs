mod watch;

use cli::{Exit, Failure, GlobalArgs, Progress};
use evidence::{Outputs, Redacted};
use report::finding::{Severity, Status};
use report::{Document, Report};
use serde::Serialize;
use tokio::sync::watch::Sender;
use verify::{Answer, Catalog, Checked, EnvironmentClients, Selection, Wanted};

use super::exit;
use super::side::Sided;
use crate::args::check::CheckArgs;

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
    let sided = Sided::find(global, args.side).await?;
    let outputs = sided.outputs(&args.source).await?;
    let asking = Asking {
        clients: sided.reach().await?.clients(),
        wanted: sided.wanted(),
        selection,
        outputs,
    };
    if let Some(interval) = args.watch {
        return watch::run(global, args, &asking, interval, so_far).await;
    }
    let checked = asking.once(&Progress::on_terminal()).await;
    show(global, args, &checked)?;
    Ok(ends(&checked, args.fail_on.into()))
}

/// All that a run needs; the same for each of several.
struct Asking {
    clients: EnvironmentClients,
    outputs: Outputs,
    wanted: Wanted,
    selection: Selection,
}

impl Asking {
    async fn once(&self, progress: &Progress) -> Redacted<Checked> {
        let (clients, outputs, wanted) = (&self.clients, &self.outputs, &self.wanted);
        let now = cli::now();
        verify::check_observed(clients, outputs, wanted, &self.selection, now, progress).await
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

/// Failed checks of a lower severity than `least` do not count.
fn ends(checked: &Checked, least: Severity) -> Exit {
    let counts =
        |answer: &&Answer| answer.status != Status::Wrong || answer.check.severity >= least;
    let answers = checked.answers.iter().filter(counts);
    exit::of(answers.map(|answer| answer.status))
}
