use cli::{Exit, Failure, GlobalArgs};
use verify::evidence::Secrets;
use verify::{Checked, Selection, Sites, Status, Wanted};

use super::terraform;
use crate::args::check::CheckArgs;

pub(super) async fn run(global: &GlobalArgs, args: &CheckArgs) -> Result<Exit, Failure> {
    let settings = cli::load_settings(global)?;
    let outputs = terraform::outputs(&args.source).await?;
    let env = cli::aws_env().await?;
    let sites = Sites::new(&env, settings.regions.primary);
    let selection = Selection {
        only: args.only.clone(),
        skip: args.skip.clone(),
    };
    let wanted = Wanted::new(&settings);
    let mut checked = verify::check(&sites, &outputs, &wanted, &selection, cli::now()).await;
    checked.residency = settings
        .exceptions_in_use()
        .iter()
        .map(ToString::to_string)
        .collect();
    checked.hide(&Secrets::of(&outputs));
    cli::print(global, &checked)?;
    Ok(exit(&checked))
}

fn exit(checked: &Checked) -> Exit {
    if checked.count(Status::Wrong) > 0 {
        Exit::Wrong
    } else if checked.count(Status::Unknown) > 0 {
        Exit::Unchecked
    } else {
        Exit::Fine
    }
}
