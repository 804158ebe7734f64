use cli::{Exit, Failure, GlobalArgs};

use crate::args::IntegrityArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &IntegrityArgs) -> Result<Exit, Failure> {
    let mut inventory = super::connect(global).await?.inventory(cli::now()).await;
    if let Some(key) = &args.state {
        inventory.retain(|state| state.object() == *key);
        if inventory.states.is_empty() {
            let error = anyhow::anyhow!("failed to find the state {key:?}: neither region has it");
            return Err(Failure::new(Exit::Usage, error)
                .hint("`init-backend integrity` lists every state by its key"));
        }
    }
    cli::print(global, &inventory)?;
    Ok(super::status::exit(inventory.health()))
}
