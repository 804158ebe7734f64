use cli::{Exit, Failure, GlobalArgs};
use evidence::Folder;

use super::chain;
use crate::args::log::LogArgs;

pub(super) fn run(global: &GlobalArgs, args: &LogArgs) -> Result<Exit, Failure> {
    let folder = Folder::new(&args.evidence.dir);
    let log = folder.log().map_err(chain::failed)?;
    chain::show(global, &log, args.markdown)?;
    Ok(if log.is_signed() {
        Exit::Fine
    } else {
        Exit::Wrong
    })
}
