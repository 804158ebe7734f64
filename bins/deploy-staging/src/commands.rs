mod apply;
mod check;
mod context;
mod destroy;
mod failure;
mod init;
mod next;
mod plan;
mod resume;
mod root;
mod status;

use cli::{Exit, Failure};
use tokio::sync::watch;

use crate::args::{Cli, Command};

pub(crate) async fn run(cli: Cli, stop: watch::Receiver<bool>) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Init(args) => init::run(&global, &args).await,
        Command::Check(args) => check::run(&global, &args).await,
        Command::Plan(args) => plan::run(&global, &args, stop).await,
        Command::Apply(args) => apply::run(&global, &args, stop).await,
        Command::Status(args) => status::run(&global, &args).await,
        Command::Resume(args) => resume::run(&global, &args, stop).await,
        Command::Next(args) => next::run(&global, &args).await,
        Command::Destroy(args) => destroy::run(&global, &args, stop).await,
        Command::Completion(args) => cli::print_completion(&global, &args, crate::command()),
        Command::Man(args) => cli::print_man(&global, &args, crate::command()),
    }
}
