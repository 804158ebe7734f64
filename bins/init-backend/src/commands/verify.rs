use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};

use super::Proven;
use crate::args::VerifyArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &VerifyArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let verification = backend.plan().await.into_verification();
    let (_, wrong, unknown) = verification.counts();
    let flown = match args.fly {
        true => super::apply::fly(&backend, args.canary.canary_timeout, &Progress::new())
            .await
            .map(Some),
        false => Ok(None),
    };
    let (canary, failure) = match flown {
        Ok(canary) => (canary, None),
        Err(failure) => (None, Some(failure)),
    };
    let result = Proven {
        result: verification,
        canary,
    };
    match failure {
        // The error is the one JSON document then.
        Some(failure) if global.output == OutputFormat::Json => return Err(failure),
        Some(failure) => {
            cli::print(global, &result)?;
            return Err(failure);
        }
        None => cli::print(global, &result)?,
    }
    let ends = [(wrong, Exit::Wrong), (unknown, Exit::Unchecked)];
    Ok(ends
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(_, exit)| exit)
        .collect())
}
