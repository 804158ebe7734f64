use cli::{Exit, Failure, GlobalArgs};
use dr::objects::{Finding, ParityOptions, parity};
use report::Report as _;

use super::connect;
use crate::args::ParityArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &ParityArgs) -> Result<Exit, Failure> {
    let pair = connect::pair(global, &args.places).await?;
    pair.reach().await?;
    let options = ParityOptions {
        mode: args.compare.compare.into(),
        headers: args.compare.headers,
        listings: usize::from(args.compare.listings),
        sample: args.sample,
        // Another sample every time.
        seed: u64::try_from(cli::now().as_microsecond()).unwrap_or_default(),
    };
    let parity = parity(&pair.source, &pair.destination, &options)
        .await
        .map_err(|error| super::sync::walk_failure("compare the buckets", error))?;
    if args.markdown {
        cli::print_text(&parity.document().to_markdown());
    } else {
        cli::print(global, &parity)?;
    }
    Ok(match parity.finding {
        Finding::Same => Exit::Fine,
        Finding::Different => Exit::Wrong,
        Finding::Unknown => Exit::Unchecked,
    })
}
