use cli::{Exit, Failure, GlobalArgs};
use report::escape::quoted;
use report::{Document, Report};
use serde::Serialize;
use state_backend::{RepairError, SideName, StateId, StateRestore};

use super::repair::not_repaired;
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

pub(crate) async fn run(global: &GlobalArgs, args: &RestoreArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let (side, state) = (SideName::from(args.side), StateId::new(&args.state));
    let restore = match backend.plan_restore(side, &state, &args.version).await {
        Ok(restore) => restore,
        Err(RepairError::Current { .. }) => {
            cli::note("the state has the content of that version already: nothing to do");
            return Ok(Exit::Fine);
        }
        Err(error) => return Err(not_repaired(error)),
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
            .map_err(not_repaired)?;
        restored = true;
    }
    cli::print(global, &Restored { restore, restored })?;
    Ok(Exit::Fine)
}
