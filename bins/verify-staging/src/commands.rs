mod audit;
mod caller;
mod capture;
mod chain;
mod check;
mod cost;
mod db_user;
mod doctor;
mod drift;
mod env;
mod exit;
mod log;
mod maintenance;
mod origin;
mod probe;
mod resources;
mod side;
mod sign;
mod terraform;
mod waivers;

use cli::{Exit, Failure};
use tokio::sync::watch::Sender;

use crate::{Cli, Command};

/// `so_far` is told how the program ends if it is interrupted.
pub(crate) async fn run(cli: Cli, so_far: Sender<Option<Exit>>) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Check(args) => check::run(&global, &args, &so_far).await,
        Command::DbUser(args) => db_user::run(&global, &args).await,
        Command::Doctor(args) => doctor::run(&global, &args).await,
        Command::Env(args) => env::run(&global, &args).await,
        Command::Maintenance(args) => maintenance::run(&global, &args).await,
        Command::Probe(args) => probe::run(&global, &args).await,
        Command::Capture(args) => capture::run(&global, &args).await,
        Command::Log(args) => log::run(&global, &args),
        Command::Sign(args) => sign::run(&global, &args),
        Command::Audit(args) => audit::run(&global, &args),
        Command::Drift(args) => drift::run(&global, &args).await,
        Command::Cost(command) => cost::run(&global, &command).await,
        Command::Completion(args) => cli::print_completion(&global, &args, crate::command()),
        Command::Man(args) => cli::print_man(&global, &args, crate::command()),
    }
}
