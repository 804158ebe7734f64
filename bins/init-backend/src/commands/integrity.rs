use cli::{Exit, Failure, GlobalArgs};

use crate::args::IntegrityArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &IntegrityArgs) -> Result<Exit, Failure> {
    let backend = super::connect(global).await?;
    if let Some(key) = &args.state
        && let Err(error) = backend.spec().states.find(key)
    {
        let hint = super::repair::not_a_state(&error);
        let error = anyhow::Error::new(error).context("failed to find the state");
        return Err(Failure::new(Exit::Usage, error).hint(hint));
    }
    let mut inventory = backend.inventory(cli::now()).await;
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
