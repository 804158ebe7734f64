use std::path::Path;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use evidence::Outputs;
use probe::{ApplicationUserError, ApplicationUserOptions, ProbeClients};
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::{Region, Settings};

use super::{caller, probe::trust, side, terraform};
use crate::args::db_user::DbUserArgs;

pub(super) async fn run(global: &GlobalArgs, args: &DbUserArgs) -> Result<Exit, Failure> {
    let settings = cli::load_settings(global)?;
    let options = ApplicationUserOptions {
        via: args.via.clone(),
        trust: trust(args.ca.as_deref())?,
        timeout: args.timeout,
    };
    let source = &args.source;
    let folder = source
        .chdir
        .as_deref()
        .unwrap_or(Path::new(side::PRIMARY_FOLDER));
    let outputs = terraform::outputs(source.outputs.as_deref(), folder).await?;
    let region = region(&settings, &outputs)?;
    let env = cli::aws_env(Some(&settings)).await?;
    let region = env.access(region);
    caller::known(&region).await?;
    let clients = ProbeClients::new(&region);
    let planned = probe::plan_application_user(&clients, &outputs, options);
    let planned = planned.await.map_err(failed)?;
    let plan = planned.plan().clone();
    let ends = plan.is_empty() || args.dry_run;
    if ends || global.output == OutputFormat::Table {
        cli::print(global, &plan)?;
    }
    if ends {
        return Ok(Exit::Fine);
    }
    let question = format!("Change the user {} of {}?", plan.user, plan.server);
    cli::confirm_name(global, &question, &plan.database)?;
    let made = probe::apply_application_user(planned.approve()).await;
    cli::print(global, &Made(made.map_err(failed)?))?;
    Ok(Exit::Fine)
}

/// The region of the secrets: the environment's, or that of its recovery, and no other.
fn region(settings: &Settings, outputs: &Outputs) -> Result<Region, Failure> {
    let arn = outputs
        .text("db_credentials_secret_arn")
        .map_err(|unobserved| {
            let error =
                anyhow!(unobserved.reason).context("failed to find the application's secret");
            Failure::new(Exit::Usage, error)
        })?;
    let regions = [settings.regions.primary, settings.regions.dr];
    let of_arn = arn.split(':').nth(3);
    let found = regions
        .into_iter()
        .find(|region| Some(region.as_str()) == of_arn);
    found.ok_or_else(|| {
        let why = anyhow!(
            "refused, and nothing was changed: the secret {arn} is in neither region of the settings"
        );
        Failure::new(Exit::Refused, why).hint("give the outputs of this environment with --outputs")
    })
}

fn failed(error: ApplicationUserError) -> Failure {
    let context = "failed to make the application's user";
    match error {
        ApplicationUserError::Refused(why) => Failure::new(
            Exit::Refused,
            anyhow!("refused, and nothing was changed: {why}"),
        ),
        ApplicationUserError::Server { why, fix } => {
            let failure = Failure::new(Exit::Wrong, anyhow!(why).context(context));
            match fix {
                "" => failure,
                fix => failure.hint(fix),
            }
        }
        error @ ApplicationUserError::Remains(_) => {
            Failure::new(Exit::Wrong, anyhow::Error::new(error).context(context))
        }
        error @ ApplicationUserError::Unobserved(_) => {
            Failure::new(Exit::Unchecked, anyhow::Error::new(error).context(context))
        }
    }
}

/// What was changed, and looked at afterwards.
#[derive(Serialize)]
#[serde(transparent)]
struct Made(probe::ApplicationUserPlan);

impl Report for Made {
    const KIND: &'static str = "application-user";

    fn document(&self) -> Document {
        let steps = self.0.steps.iter();
        let rows = steps.map(|step| (Mark::Ok, vec![step.clone()])).collect();
        Document::new()
            .heading("Done, and looked at afterwards")
            .table(["Change"], rows)
    }
}
