use cli::{Exit, Failure, GlobalArgs};
use state_backend::Health;

/// What a program ends with that looked at something and found it so.
pub(crate) fn exit(health: Health) -> Exit {
    match health {
        Health::Ok => Exit::Fine,
        Health::Degraded => Exit::Wrong,
        Health::Unknown => Exit::Unchecked,
    }
}

pub(crate) async fn run(global: &GlobalArgs) -> Result<Exit, Failure> {
    let status = super::connect(global).await?.status(cli::now()).await;
    cli::print(global, &status)?;
    Ok(exit(status.health()))
}
