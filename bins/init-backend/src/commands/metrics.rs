use cli::{Exit, Failure, GlobalArgs};

pub(crate) async fn run(global: &GlobalArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    let Some(metrics) = backend.replication_metrics(cli::now()).await else {
        let error = anyhow::anyhow!("the settings have no DR region that S3 replicates to");
        return Err(Failure::new(Exit::Usage, error).hint("set [state.dr] in the configuration"));
    };
    cli::print(global, &metrics)?;
    Ok(super::status::exit(metrics.health))
}
