mod check;
mod cost;
mod terraform;

use cli::{Exit, Failure};
use tokio::sync::watch::Sender;

use crate::{Cli, Command};

/// `so_far` is told how the program ends if it is interrupted.
pub(crate) async fn run(cli: Cli, so_far: Sender<Option<Exit>>) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Check(args) => check::run(&global, &args, &so_far).await,
        Command::Cost(command) => cost::run(&global, &command),
        Command::Completion(args) => {
            cli::print_completion::<Cli>(&args);
            Ok(Exit::Fine)
        }
    }
}
