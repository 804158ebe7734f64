use cli::{Exit, Failure, GlobalArgs};
use report::escape::quoted;
use report::{Document, Report, ShellCommand};
use serde::Serialize;
use state_backend::{Backend, RepairError, SideName, StateId, StateRestore};

use super::repair::{not_repaired, with_context};
use crate::args::RestoreArgs;

/// What `restore` prints.
#[derive(Serialize)]
struct Restored {
    #[serde(flatten)]
    restore: StateRestore,
    restored: bool,
}

impl Report for Restored {
    const KIND: &'static str = StateRestore::KIND;

    fn document(&self) -> Document {
        self.restore.document().text(match self.restored {
            true => "Brought back; what was there stays as an older version.",
            false => "Nothing was changed.",
        })
    }
}

/// What it prints where the version is what is there.
#[derive(Serialize)]
struct Current {
    state: StateId,
    side: SideName,
    restored: bool,
}

impl Report for Current {
    const KIND: &'static str = StateRestore::KIND;

    fn document(&self) -> Document {
        let Self { state, side, .. } = self;
        Document::new().text(format!(
            "{state}: the {side} side has the content of that version already. Nothing was changed."
        ))
    }
}

pub(crate) async fn run(global: &GlobalArgs, args: &RestoreArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let (side, state) = (SideName::from(args.side), StateId::new(&args.state));
    let restore = match backend.plan_restore(side, &state, &args.version).await {
        Ok(restore) => restore,
        Err(RepairError::Current { state }) => {
            let restored = false;
            cli::print(
                global,
                &Current {
                    state,
                    side,
                    restored,
                },
            )?;
            return Ok(Exit::Fine);
        }
        Err(error) => return Err(not_restored(&backend, error)),
    };
    let mut restored = false;
    if !args.dry_run {
        let serial = restore
            .version
            .content
            .as_ref()
            .map_or(0, |content| content.serial());
        let question = format!(
            "Terraform will work with serial {serial} of {}, and knows nothing of what was made since. Bring it back?",
            quoted(&args.state),
        );
        if restore.changes_lineage() {
            let question =
                format!("What is there now has another lineage: it is another state. {question}");
            cli::confirm_name(global, &question, &args.state)?;
        } else {
            cli::confirm(global, &question)?;
        }
        backend
            .restore_state(&restore)
            .await
            .map_err(|error| not_restored(&backend, error))?;
        restored = true;
    }
    cli::print(global, &Restored { restore, restored })?;
    Ok(Exit::Fine)
}

fn not_restored(backend: &Backend, error: RepairError) -> Failure {
    let (exit, hint) = match &error {
        RepairError::NoVersion { state, side, .. } => {
            let versions = ShellCommand::new("aws s3api list-object-versions");
            // Without the side there would be another error.
            let versions = match backend.spec().side(*side) {
                Some(side) => versions
                    .option("--region", side.region.as_str())
                    .option("--bucket", side.bucket.as_str()),
                None => versions,
            };
            let versions = versions.option("--prefix", state.object());
            (
                Exit::Usage,
                format!("`{versions}` lists the versions of the state"),
            )
        }
        RepairError::Locked { .. } => (
            Exit::Refused,
            "`init-backend locks` shows who holds it; bring the version back when that run has ended, which would write \
             over it"
                .to_owned(),
        ),
        _ => return not_repaired(error),
    };
    Failure::new(exit, with_context(error)).hint(hint)
}
