mod check;
mod context;
mod failure;
mod plan;
mod root;

use cli::{Exit, Failure};
use tokio::sync::watch;

use crate::args::{Cli, Command};

pub(crate) async fn run(cli: Cli, stop: watch::Receiver<bool>) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Check(args) => check::run(&global, &args).await,
        Command::Plan(args) => plan::run(&global, &args, stop).await,
        Command::Completion(args) => cli::print_completion::<Cli>(&global, &args),
    }
}
