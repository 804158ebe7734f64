use cli::{Exit, Failure, GlobalArgs};
use report::Report;
use report::escape::quoted;
use serde::Serialize;
use state_backend::{DigestRepair, NotAState, RepairError, SideName, StateId, WhyNotAState};

use crate::args::RepairDigestArgs;

/// What `repair digest` prints.
#[derive(Serialize)]
struct Repaired {
    #[serde(flatten)]
    repair: DigestRepair,
    written: bool,
}

impl Report for Repaired {
    const KIND: &'static str = DigestRepair::KIND;

    fn document(&self) -> report::Document {
        self.repair.document().text(match self.written {
            true => "Written.",
            false => "Nothing was changed.",
        })
    }
}

/// What it prints where the row is right.
#[derive(Serialize)]
struct Right {
    state: StateId,
    side: SideName,
    written: bool,
}

impl Report for Right {
    const KIND: &'static str = DigestRepair::KIND;

    fn document(&self) -> report::Document {
        let Self { state, side, .. } = self;
        report::Document::new().text(format!(
            "{state}: the {side} side's digest row is that of the state already. Nothing was changed."
        ))
    }
}

pub(crate) async fn digest(global: &GlobalArgs, args: &RepairDigestArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let side = SideName::from(args.side);
    let repair = backend
        .plan_digest_repair(side, &StateId::new(&args.state))
        .await;
    let repair = match repair {
        Ok(repair) => repair,
        Err(RepairError::Matches { state }) => {
            let written = false;
            cli::print(
                global,
                &Right {
                    state,
                    side,
                    written,
                },
            )?;
            return Ok(Exit::Fine);
        }
        Err(error) => return Err(not_repaired(error)),
    };
    let mut written = false;
    if !args.dry_run {
        let question = format!(
            "The row {} of {} will be the MD5 of serial {} of {}, and Terraform will read that state. Is it the one you want?",
            quoted(&repair.row),
            repair.table,
            repair.serial,
            quoted(&args.state),
        );
        cli::confirm(global, &question)?;
        backend.repair_digest(&repair).await.map_err(not_repaired)?;
        written = true;
    }
    cli::print(global, &Repaired { repair, written })?;
    Ok(Exit::Fine)
}

/// What helps where a state was asked for that is none.
pub(crate) fn not_a_state(error: &NotAState) -> &'static str {
    match error.why {
        WhyNotAState::OtherKey => {
            "add its key to `[state] keys` in the configuration, or leave `keys` out for every state of the bucket"
        }
        WhyNotAState::Own => "`init-backend integrity` lists every state by its key",
    }
}

pub(crate) fn not_repaired(error: RepairError) -> Failure {
    let (exit, hint) = match &error {
        RepairError::NoSide { .. } | RepairError::NoTable { .. } => (
            Exit::Usage,
            "`init-backend status` shows both sides and their tables",
        ),
        RepairError::NotAState(error) => (Exit::Usage, not_a_state(error)),
        RepairError::NoSuchState { .. } => (
            Exit::Usage,
            "`init-backend integrity` lists every state by its key",
        ),
        RepairError::NoState { .. } => (
            Exit::Refused,
            "a row for a state that is gone would have Terraform begin with an empty one; bring the version back first",
        ),
        RepairError::Unreadable { .. } => (
            Exit::Refused,
            "`init-backend integrity` shows both copies; bring back a version that is a state",
        ),
        RepairError::Locked { .. } => (
            Exit::Refused,
            "`init-backend locks` shows who holds it; a run that is at work writes the row itself",
        ),
        RepairError::Changed { .. } => (
            Exit::Refused,
            "somebody else has written it; `init-backend integrity` shows how it is now",
        ),
        _ => (Exit::Unchecked, "`init-backend status` shows what answers"),
    };
    Failure::new(exit, with_context(error)).hint(hint)
}

pub(super) fn with_context(error: RepairError) -> anyhow::Error {
    anyhow::Error::new(error).context("failed to make the state right")
}
