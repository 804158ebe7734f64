use std::path::Path;

use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use report::Report as _;
use report::finding::{Observation, Unobserved};
use runbook::{FolderStore, Practised, S3Store, read_drills};
use settings::RUNS;
use verify::maintenance::{Context, Period, maintain};

use super::side::{Reached, Sided};
use super::{exit, resources};
use crate::args::maintenance::{MaintenanceArgs, PeriodArg};

pub(super) async fn run(global: &GlobalArgs, args: &MaintenanceArgs) -> Result<Exit, Failure> {
    let sided = Sided::find(global, args.side).await?;
    let mut known = resources::of_terraform(&args.source, &sided).await?;
    let reached = sided.reach().await?;
    let clients = reached.clients();
    resources::of_backend(&args.source, &clients, &sided, &mut known).await?;
    let located = known.located(&clients, &sided).await;
    let folder = sided.folder(args.source.outputs.chdir.as_deref());
    let folder = folder.display().to_string();
    let practised = match args.period {
        PeriodArg::Quarterly => practised(&sided, &reached, args.drills.as_deref()).await?,
        _ => Err(Unobserved::because("it is looked at every quarter")),
    };
    let context = Context {
        clients: &clients,
        located: &located,
        settings: &sided.settings,
        folder: &folder,
        practised: &practised,
        at: cli::now(),
    };
    let period = match args.period {
        PeriodArg::Weekly => Period::Weekly,
        PeriodArg::Monthly => Period::Monthly,
        PeriodArg::Quarterly => Period::Quarterly,
    };
    let maintained = maintain(context, period).await;
    if args.markdown {
        cli::print_text(&maintained.document().to_markdown());
    } else {
        cli::print_in_form(global, &args.form, &*maintained, &maintained)?;
    }
    Ok(exit::of(
        maintained.findings.iter().map(|finding| finding.status),
    ))
}

/// Whether a failover has been practised, by the records of a folder, or else of the bucket in which runs are recorded.
async fn practised(
    sided: &Sided,
    reached: &Reached,
    folder: Option<&Path>,
) -> Result<Observation<(bool, String)>, Failure> {
    let settings = &sided.settings;
    let environment = settings.name();
    let found = match (folder, settings.journals()) {
        (Some(folder), _) => {
            // A folder that is not there has no records, and is a slip.
            std::fs::read_dir(folder)
                .with_context(|| format!("failed to read the records in {}", folder.display()))
                .map_err(|error| Failure::new(Exit::Usage, error))?;
            read_drills(&FolderStore::new(folder)).await
        }
        (None, Some(bucket)) => {
            let records = match settings.unprotected {
                Some(_) => reached.region(),
                None => reached.dr(),
            };
            let clients = records.clients();
            let prefix = format!("{RUNS}{environment}/");
            read_drills(&S3Store::new(clients, bucket.as_str(), prefix)).await
        }
        (None, None) => {
            return Ok(Err(Unobserved::because(
                "the settings have no bucket in which runs are recorded: name a folder with --drills",
            )));
        }
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return Ok(Err(Unobserved::because(error.to_string()))),
    };
    let account = match &settings.account {
        Some(account) => Some(account.to_string()),
        None => reached.region().clients().account_id().await.ok(),
    };
    let asked = Practised {
        environment: &environment,
        account: account.as_deref(),
        at: cli::now(),
        in_emulator: false,
    };
    Ok(asked.judge(&found))
}
