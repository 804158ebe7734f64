use cli::{Exit, Failure, GlobalArgs};
use report::finding::Status;
use runbook::{PreflightRequest, Reach, preflight};

use super::failover::{settings_digest, versions};
use super::records::{Context, Places};
use crate::args::PreflightArgs;
use crate::machine::Machine;

pub(crate) async fn run(global: &GlobalArgs, args: &PreflightArgs) -> Result<Exit, Failure> {
    // Who we are is one of the things that are looked at.
    let context = Context::unasked(global).await?;
    let places = Places::of(&context, &args.records)?;
    let regions = context.settings.regions;
    let both = (!args.alone).then(|| context.env.both(regions.primary, regions.dr));
    let sign_in = context.env.sign_in().await;
    let request = PreflightRequest {
        settings: &context.settings,
        settings_digest: settings_digest(&context)?,
        reach: match &both {
            Some(both) => Reach::Both(both),
            None => Reach::Alone(&context.dr),
        },
        sign_in: sign_in.map_err(|error| error.to_string()),
        store: &places.records,
        host: &Machine::new(),
        root: super::carry::dr_root(global, &context).await,
        folder: places.folder.join("preflight"),
        versions: versions(),
    };
    let found = Box::pin(preflight(request)).await;
    cli::print_in_form(global, &args.form, &found, &found)?;
    Ok(exit(found.verdict()))
}

fn exit(verdict: Status) -> Exit {
    match verdict {
        Status::Ok => Exit::Fine,
        Status::Wrong => Exit::Wrong,
        Status::Unknown | Status::Skipped => Exit::Unchecked,
    }
}
