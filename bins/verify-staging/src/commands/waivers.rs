use cli::{Exit, Failure, GlobalArgs};
use settings::Waivers;

use crate::args::waivers::WaiverArgs;

/// More is no list that anybody reviews.
const MOST_BYTES: u64 = 1 << 20;

/// The file that is named, or the one beside the settings.
pub(super) fn read(global: &GlobalArgs, args: &WaiverArgs) -> Result<Waivers, Failure> {
    let beside = global.config.with_file_name("waivers.toml");
    let path = match &args.waivers {
        Some(path) => path,
        None if beside.exists() => &beside,
        None => return Ok(Waivers::default()),
    };
    let unusable = |error: anyhow::Error| {
        let context = format!("failed to use the waivers in {}", path.display());
        Failure::new(Exit::Usage, error.context(context))
    };
    let text = cli::read_text(path, MOST_BYTES).map_err(unusable)?;
    Waivers::parse(&text).map_err(|error| unusable(error.into()))
}
