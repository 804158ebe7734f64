use cli::{Exit, Failure, GlobalArgs, Progress};

use crate::args::VerifyArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &VerifyArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let verification = backend.plan().await.into_verification();
    let flown = if args.fly {
        Some(super::apply::fly(&backend, args.canary.canary_timeout, &Progress::new()).await)
    } else {
        None
    };
    if let Some(Err(failure)) = flown {
        if global.output == cli::OutputFormat::Table {
            cli::print(global, &verification)?;
        }
        return Err(failure);
    }
    cli::print(global, &verification)?;
    let (_, wrong, unknown) = verification.counts();
    Ok(match (wrong, unknown) {
        (0, 0) => Exit::Fine,
        (0, _) => Exit::Unchecked,
        _ => Exit::Wrong,
    })
}
