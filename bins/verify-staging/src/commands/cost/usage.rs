use cli::{Exit, Failure, GlobalArgs, OutputFormat, Progress};
use cost::Measurement;

use super::source;
use crate::args::cost::UsageArgs;

pub(super) async fn run(global: &GlobalArgs, args: &UsageArgs) -> Result<Exit, Failure> {
    let inventory = if args.live {
        source::live(global).await?
    } else {
        source::read(global, args.plan.as_deref(), args.region, None)?
    };
    let measured = if args.from_cloudwatch {
        let env = cli::aws_env(None).await?;
        let client = |region| env.region(region).cloudwatch;
        let days = u32::from(args.days);
        cost::aws::measure(client, &inventory, days, source::today(), &Progress::new())
            .await
            .map_err(|error| Failure::aws("measure what was used", error))?
    } else {
        Measurement::of_defaults(&inventory)
    };
    match &args.write {
        Some(path) => {
            source::write(path, &measured.to_yaml())?;
            cli::print(global, &measured)?;
        }
        None if global.output == OutputFormat::Json => cli::print(global, &measured)?,
        None => cli::print_data(&measured.to_yaml()),
    }
    Ok(Exit::Fine)
}
