use cli::{Exit, Failure, GlobalArgs};
use state_backend::Health;

pub(crate) async fn run(global: &GlobalArgs) -> Result<Exit, Failure> {
    let status = super::connect(global).await?.status(cli::now()).await;
    cli::print(global, &status)?;
    Ok(match status.health() {
        Health::Ok => Exit::Fine,
        Health::Degraded => Exit::Wrong,
        Health::Unknown => Exit::Unchecked,
    })
}
