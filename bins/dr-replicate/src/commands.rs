mod backups;
mod batch;
mod carry_out;
mod connect;
mod databases;
mod each;
mod errors;
mod estimate;
mod parity;
mod promote;
mod reconcile;
mod recovery_points;
mod restore;
mod runs;
mod snapshots;
mod sync;
mod undo;

use cli::{Exit, Failure};
use tokio::sync::watch;

use crate::{Cli, Command};

pub(crate) async fn run(cli: Cli, stop: watch::Receiver<bool>) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Sync(args) => sync::run(&global, &args, stop).await,
        Command::Parity(args) => parity::run(&global, &args).await,
        Command::Estimate(args) => estimate::run(&global, &args).await,
        Command::Undo(args) => undo::run(&global, &args).await,
        Command::Manifest(args) => reconcile::capture(&global, &args).await,
        Command::Reconcile(args) => reconcile::run(&global, &args, stop).await,
        Command::Runs(command) => runs::run(&global, &command).await,
        Command::Backups(command) => backups::run(&global, &command).await,
        Command::Snapshots(command) => snapshots::run(&global, &command, stop).await,
        Command::RecoveryPoints(args) => recovery_points::run(&global, &args).await,
        Command::Restore(args) => restore::run(&global, &args, stop).await,
        Command::Promote(args) => promote::run(&global, &args, stop).await,
        Command::Completion(args) => cli::print_completion(&global, &args, crate::command()),
        Command::Man(args) => cli::print_man(&global, &args, crate::command()),
    }
}
