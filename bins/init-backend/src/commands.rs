mod apply;
mod locks;
mod plan;
mod render;
mod status;
mod verify;

use cli::{Exit, Failure, GlobalArgs};
use report::{Document, Report, Section};
use serde::Serialize;
use state_backend::{Backend, Canary};

use crate::{Cli, Command};

pub(crate) async fn run(cli: Cli) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Plan(args) => plan::run(&global, &args).await,
        Command::Apply(args) => apply::run(&global, &args).await,
        Command::Verify(args) => verify::run(&global, &args).await,
        Command::Render(args) => render::run(&global, &args).await,
        Command::Status => status::run(&global).await,
        Command::Locks => locks::list(&global).await,
        Command::Unlock(args) => locks::release(&global, &args).await,
        Command::Completion(args) => {
            cli::print_completion::<Cli>(&args);
            Ok(Exit::Fine)
        }
    }
}

/// A result, and the canary that was flown for it: null when none was.
#[derive(Serialize)]
struct Proven<R> {
    #[serde(flatten)]
    result: R,
    canary: Option<Canary>,
}

impl<R: Report> Report for Proven<R> {
    fn document(&self) -> Document {
        let document = self.result.document();
        let Some(canary) = &self.canary else {
            return document;
        };
        canary
            .document()
            .sections()
            .iter()
            .fold(document, |document, section| match section {
                Section::Text(text) => document.text(text.clone()),
                _ => document,
            })
    }
}

async fn connect(global: &GlobalArgs) -> Result<Backend, Failure> {
    let settings = cli::load_settings(global)?;
    cli::residency_notes(&settings);
    let env = cli::aws_env().await?;
    Backend::connect(
        &settings,
        &env.both(settings.regions.primary, settings.regions.dr),
    )
    .await
    .map_err(|error| Failure::aws("reach AWS", error))
}
