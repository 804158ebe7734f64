use cli::{Exit, Failure, GlobalArgs};
use verify::evidence::Folder;

use super::evidence;
use crate::args::log::LogArgs;

pub(super) fn run(global: &GlobalArgs, args: &LogArgs) -> Result<Exit, Failure> {
    let folder = Folder::new(&args.evidence.dir);
    let log = folder.log().map_err(evidence::failed)?;
    evidence::show(global, &log, args.markdown)?;
    Ok(if log.is_signed() {
        Exit::Fine
    } else {
        Exit::Wrong
    })
}
