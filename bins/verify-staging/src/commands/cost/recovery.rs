use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use cost::{MeasuredRun, Recovery};
use runbook::{DataKind, DrillRecord, FolderStore, FoundDrill, MadeIn, Mode, S3Store, read_drills};
use rust_decimal::Decimal;
use settings::RUNS;

use super::{show_charted, source};
use crate::args::cost::RecoveryArgs;

pub(super) async fn run(global: &GlobalArgs, args: &RecoveryArgs) -> Result<Exit, Failure> {
    let of = &args.estimate;
    let source::Pricing {
        usage,
        book,
        options,
    } = source::Pricing::new(&of.pricing)?;
    let inventory = source::stack(global, of).await?;
    let drill = Decimal::from(args.drill_hours);
    let recovery = Recovery::new(&inventory, &usage, &book, options, drill).map_err(|error| {
        let error = anyhow::anyhow!("failed to {error}");
        Failure::new(Exit::Usage, error).hint("name the regions with --region and --dr-region")
    })?;
    let recovery = recovery.with_runs(measured(global, args).await?);
    show_charted(global, &recovery, &of.pricing)?;
    Ok(Exit::Fine)
}

/// What failovers measured, by the records that their journals bear out. Those that do not count are told.
async fn measured(global: &GlobalArgs, args: &RecoveryArgs) -> Result<Vec<MeasuredRun>, Failure> {
    let found = match &args.drills {
        Some(folder) => {
            // A folder that is not there has no records, and is a slip.
            std::fs::read_dir(folder)
                .with_context(|| format!("failed to read the records in {}", folder.display()))
                .map_err(|error| Failure::new(Exit::Usage, error))?;
            read_drills(&FolderStore::new(folder)).await
        }
        None if args.estimate.live => {
            let settings = cli::load_settings(global)?;
            let Some(bucket) = settings.journals() else {
                return Ok(Vec::new());
            };
            let env = cli::aws_env(Some(&settings)).await?;
            let access = env.access(settings.regions.dr);
            let prefix = format!("{RUNS}{}/", settings.name());
            read_drills(&S3Store::new(access.clients(), bucket.as_str(), prefix)).await
        }
        None => return Ok(Vec::new()),
    };
    let found = found.map_err(|error| {
        let error = anyhow::Error::new(error).context("failed to list the records of runs");
        Failure::new(Exit::Unchecked, error)
    })?;
    let environment = match global.config.exists() {
        false => None,
        true => {
            let settings = cli::load_settings(global)?;
            Some(settings.name())
        }
    };
    let mut runs = Vec::new();
    for FoundDrill { name, record } in found {
        match record.and_then(|record| of_failover(record, environment.as_deref())) {
            Ok(run) => runs.push(run),
            Err(why) => cli::note(&format!("{name} does not count: {why}")),
        }
    }
    Ok(runs)
}

fn of_failover(record: DrillRecord, environment: Option<&str>) -> Result<MeasuredRun, String> {
    let measured = record.measured;
    if !matches!(measured.mode, Mode::RegionLoss | Mode::Planned) {
        return Err("it is of no failover".to_owned());
    }
    if let Some(given_up) = record.given_up {
        return Err(format!("it was given up by {}", given_up.by));
    }
    if environment.is_some_and(|of| of != measured.environment) {
        return Err(format!("it is of {}", measured.environment));
    }
    let (made_in, on_an_emulator) = match record.made_in {
        MadeIn::Account { id } => (format!("account {id}"), false),
        MadeIn::Emulator { .. } => ("an emulator".to_owned(), true),
        MadeIn::NotKnown => return Err("it does not say in which account it was made".to_owned()),
    };
    let databases = measured.databases.values();
    let losses: Option<Vec<u64>> = databases.map(|loss| loss.rpo_seconds).collect();
    let objects = measured.kinds.get(&DataKind::Objects);
    let clocks = measured.clocks;
    Ok(MeasuredRun {
        run: measured.run.to_string(),
        at: clocks.verified.unwrap_or(clocks.declared),
        made_in,
        on_an_emulator,
        rto_seconds: measured
            .rto_from_fault_seconds
            .or(measured.rto_from_declaration_seconds),
        rpo_database_seconds: losses.and_then(|losses| losses.into_iter().max()),
        rpo_objects_seconds: objects.and_then(|loss| loss.rpo_seconds),
        meets_objectives: measured.meets_objectives,
    })
}
