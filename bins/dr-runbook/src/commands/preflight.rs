use std::path::Path;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs};
use evidence::Redactor;
use files::Secrecy;
use report::finding::Status;
use runbook::{
    Export, Preflight, PreflightRequest, Reach, RunState, last_preflight, list_runs, preflight,
    read_run,
};
use settings::Resources;

use super::failover::{settings_digest, versions};
use super::records::{Context, Places, Records};
use crate::args::{ExportArgs, LookArgs, PreflightArgs, PreflightCommand};
use crate::machine::Machine;

/// The guides that are exported.
const GUIDES: [(&str, &str); 2] = [
    (
        "failover.md",
        include_str!("../../../../docs/runbooks/failover.md"),
    ),
    (
        "preflight.md",
        include_str!("../../../../docs/runbooks/preflight.md"),
    ),
];
/// As many bytes as a settings' file has at most.
const MOST_SETTINGS: u64 = 4 << 20;

pub(crate) async fn run(global: &GlobalArgs, args: &PreflightArgs) -> Result<Exit, Failure> {
    match &args.command {
        Some(PreflightCommand::Export(args)) => export(global, args).await,
        None => look(global, &args.look).await,
    }
}

async fn look(global: &GlobalArgs, args: &LookArgs) -> Result<Exit, Failure> {
    // Who we are is one of the things that are looked at.
    let context = Context::unasked(global).await?;
    context.protected(Exit::Wrong)?;
    let places = Places::of(&context, &args.records)?;
    let found = Box::pin(found(global, &context, &places, args.alone)).await?;
    cli::print_in_form(global, &args.form, &found, &found)?;
    Ok(exit(found.verdict()))
}

/// What a preflight finds.
pub(super) async fn found(
    global: &GlobalArgs,
    context: &Context,
    places: &Places,
    alone: bool,
) -> Result<Preflight, Failure> {
    let regions = context.settings.regions;
    let both = (!alone).then(|| context.env.both(regions.primary, regions.dr));
    let sign_in = context.env.sign_in().await;
    let request = PreflightRequest {
        settings: &context.settings,
        settings_digest: settings_digest(context)?,
        reach: match &both {
            Some(both) => Reach::Both(both),
            None => Reach::Alone(&context.dr),
        },
        sign_in: sign_in.map_err(|error| error.to_string()),
        store: &places.records,
        host: &Machine::new(),
        root: super::carry::dr_root(global, context).await,
        folder: places.folder.join("preflight"),
        beside: super::carry::beside(global)?,
        versions: versions(),
    };
    Ok(Box::pin(preflight(request)).await)
}

fn exit(verdict: Status) -> Exit {
    match verdict {
        Status::Ok => Exit::Fine,
        Status::Wrong => Exit::Wrong,
        Status::Unknown | Status::Skipped => Exit::Unchecked,
    }
}

async fn export(global: &GlobalArgs, args: &ExportArgs) -> Result<Exit, Failure> {
    let folder = &args.folder;
    if folder.exists() {
        let error = anyhow!("{} is there already", folder.display());
        return Err(
            Failure::new(Exit::Usage, error).hint("name a new folder: nothing is written over")
        );
    }
    let context = Context::unasked(global).await?;
    let records = Places::of(&context, &args.records)?.records;
    let unread = |error| Failure::new(Exit::Unchecked, anyhow::Error::new(error));
    let last = last_preflight(&records).await.map_err(unread)?;
    let Some(last) = last else {
        let error = anyhow!("no preflight is kept beside the records of runs");
        return Err(Failure::new(Exit::Unchecked, error).hint("`dr-runbook preflight` makes one"));
    };
    let found = last.found.map_err(|problem| {
        Failure::new(Exit::Unchecked, anyhow!("{problem}"))
            .hint("`dr-runbook preflight` makes a new one")
    })?;
    let settings = cli::read_text(&global.config, MOST_SETTINGS);
    let settings = settings.map_err(|error| Failure::new(Exit::Usage, error))?;
    let run = last_run(&records).await?;
    let export = Export {
        settings: &context.settings,
        root: context.settings.failover.terraform.as_deref(),
        settings_text: &without_secrets(&settings),
        preflight: &found,
        run: run.as_ref(),
        guides: &GUIDES,
        at: cli::now(),
    };
    let files = export.files();
    let files = files.map_err(|error| Failure::new(Exit::Unchecked, error))?;
    write(folder, &files)?;
    cli::note(&format!("open {}", folder.join("index.html").display()));
    Ok(Exit::Fine)
}

async fn last_run(records: &Records) -> Result<Option<RunState>, Failure> {
    let runs = list_runs(records).await;
    let runs = runs.map_err(|error| Failure::new(Exit::Unchecked, error))?;
    match runs.first() {
        None => Ok(None),
        Some(run) => {
            let read = read_run(records, run).await;
            Ok(Some(read.map_err(super::not_opened)?.0))
        }
    }
}

/// Line by line, so that it stays the file that it is.
fn without_secrets(settings: &str) -> String {
    let redactor = Redactor::for_display(None);
    let lines = settings.lines().map(|line| {
        // The names of secrets are none: only the key sounds as if something of one followed.
        match key(line) {
            Some(key) if names_secrets(key) => {
                let (start, value) = line.split_at(line.find('=').unwrap_or(0));
                format!("{start}{}\n", redactor.sentence(value))
            }
            _ => redactor.sentence(line) + "\n",
        }
    });
    lines.collect()
}

/// The key of a line, also of one that is commented out.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.trim_start_matches(['#', ' ']).split_once('=')?;
    Some(key.trim_end())
}

/// Whether it is a field of the settings with names or ARNs of secrets, or says how they are kept.
fn names_secrets(key: &str) -> bool {
    let mut resources = Resources::ROLES.iter().map(|role| role.name);
    ["secrets", "db_secrets"].contains(&key) || resources.any(|name| name == key)
}

fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Failure> {
    let unwritten = |error| Failure::new(Exit::Usage, anyhow::Error::new(error));
    files::create_secret_folder(folder).map_err(unwritten)?;
    for (name, bytes) in files {
        files::write_new_file(&folder.join(name), bytes, Secrecy::Secret).map_err(unwritten)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_secrets_leaves_the_settings_that_hold_none_as_they_are() {
        let example = include_str!("../../../../examples/berthcare-staging/infra.toml");
        assert_eq!(without_secrets(example), example);
        let planted = "secrets = [{ name = \"a\", password = \"hunter2-correct-horse\" }]\n";
        let shown = without_secrets(planted);
        assert!(!shown.contains("hunter2"), "{shown}");
        let planted = "variables = { db_password = \"hunter2-correct-horse\", mode = \"full\" }\n";
        let shown = without_secrets(planted);
        assert!(
            !shown.contains("hunter2") && shown.contains("mode = \"full\""),
            "{shown}"
        );
    }
}
