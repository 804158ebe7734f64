use std::path::Path;

use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use report::Report as _;
use verify::EnvironmentClients;
use verify::maintenance::{Context, DrillRecord, Period, maintain};

use super::{caller, exit, terraform};
use crate::args::maintenance::{MaintenanceArgs, PeriodArg};

/// A record is small; what is larger is something else.
const MOST_BYTES: u64 = 4 << 20;

pub(super) async fn run(global: &GlobalArgs, args: &MaintenanceArgs) -> Result<Exit, Failure> {
    let settings = cli::load_settings(global)?;
    let drills = match &args.drills {
        Some(folder) => drills(folder).map_err(|error| Failure::new(Exit::Usage, error))?,
        None => Vec::new(),
    };
    let outputs = terraform::outputs(&args.source).await?;
    let env = cli::aws_env(Some(&settings)).await?;
    caller::known(&env, settings.regions.primary).await?;
    let clients = EnvironmentClients::new(
        &env.access(settings.regions.primary),
        &env.global(settings.regions.primary),
    );
    let folder = args.source.chdir.display().to_string();
    let context = Context {
        clients: &clients,
        outputs: &outputs,
        settings: &settings,
        folder: &folder,
        drills: &drills,
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

fn drills(folder: &Path) -> anyhow::Result<Vec<DrillRecord>> {
    let read = || format!("failed to read the records in {}", folder.display());
    let mut records = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(read)? {
        let entry = entry.with_context(read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let data = entry.metadata().with_context(read)?;
        if data.is_file() && name.ends_with(".json") && data.len() <= MOST_BYTES {
            let json = std::fs::read(entry.path()).with_context(read)?;
            records.push(DrillRecord::read(name, &json));
        }
    }
    Ok(records)
}
