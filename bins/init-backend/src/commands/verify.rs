use cli::{Exit, Failure, GlobalArgs, Progress};
use state_backend::StateCopies;

use crate::args::VerifyArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &VerifyArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let verification = backend.verify(cli::now()).await;
    let (_, wrong, unknown) = verification.counts();
    let states = verification.states().iter().map(StateCopies::condition);
    let states = super::status::exit(states.collect());
    let canary = match args.canary {
        true => {
            let timeout = args.canary_options.canary_timeout;
            Some(super::run_canary(&backend, timeout, &Progress::new()).await)
        }
        false => None,
    };
    super::print_with_canary(global, verification, canary)?;
    let ends = [(wrong, Exit::Wrong), (unknown, Exit::Unchecked)];
    Ok(ends
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(_, exit)| exit)
        .chain([states])
        .collect())
}
