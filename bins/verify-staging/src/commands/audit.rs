use cli::{Exit, Failure, GlobalArgs};
use evidence::Folder;

use super::chain;
use crate::args::audit::AuditArgs;

pub(super) fn run(global: &GlobalArgs, args: &AuditArgs) -> Result<Exit, Failure> {
    let folder = Folder::new(&args.evidence.dir);
    let audit = folder.audit(args.noted.as_deref()).map_err(chain::failed)?;
    chain::show(global, &audit, args.markdown)?;
    Ok(if audit.findings.is_empty() {
        Exit::Fine
    } else {
        Exit::Wrong
    })
}
