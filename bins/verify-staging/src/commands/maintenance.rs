use std::path::Path;

use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use report::Report as _;
use verify::maintenance::{Context, DrillRecord, Period, maintain};

use super::exit;
use super::side::Sided;
use crate::args::maintenance::{MaintenanceArgs, PeriodArg};

/// A record is small; what is larger is something else.
const MOST_BYTES: u64 = 4 << 20;

pub(super) async fn run(global: &GlobalArgs, args: &MaintenanceArgs) -> Result<Exit, Failure> {
    let drills = match &args.drills {
        Some(folder) => drills(folder).map_err(|error| Failure::new(Exit::Usage, error))?,
        None => Vec::new(),
    };
    let sided = Sided::find(global, args.side).await?;
    let outputs = sided.outputs(&args.source).await?;
    let clients = sided.reach().await?.clients();
    let folder = sided.folder(args.source.chdir.as_deref());
    let folder = folder.display().to_string();
    let context = Context {
        clients: &clients,
        outputs: &outputs,
        settings: &sided.settings,
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
