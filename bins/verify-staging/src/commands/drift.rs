use std::path::Path;

use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use evidence::drift::{Drift, Rules};
use evidence::{Folder, Kept, Salt};
use jiff::civil::Date;

use super::{capture, chain};
use crate::args::drift::DriftArgs;

/// Rules are never this long.
const MOST_RULES: u64 = 1 << 20;

pub(super) async fn run(global: &GlobalArgs, args: &DriftArgs) -> Result<Exit, Failure> {
    let rules = rules(args)?;
    let today = cli::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let drift = match &args.plan {
        Some(path) => of_plan(path, &rules, today)?,
        None => of_captures(global, args, &rules, today).await?,
    };
    chain::show(global, &drift, args.markdown)?;
    Ok(if drift.found() > 0 {
        Exit::Wrong
    } else if drift.unknown() > 0 {
        Exit::Unchecked
    } else {
        Exit::Fine
    })
}

fn of_plan(path: &Path, rules: &Rules, today: Date) -> Result<Drift, Failure> {
    let json = cli::read_input(path, Drift::MOST_PLAN_BYTES)?;
    let name = path.display().to_string();
    Drift::of_plan(&name, &json, rules, today)
        .with_context(|| format!("failed to use {name}"))
        .map_err(|error| {
            Failure::new(Exit::Usage, error).hint(
                "write it with `terraform plan -out=tfplan`, then `terraform show -json tfplan`",
            )
        })
}

async fn of_captures(
    global: &GlobalArgs,
    args: &DriftArgs,
    rules: &Rules,
    today: Date,
) -> Result<Drift, Failure> {
    let folder = Folder::new(&args.evidence.dir);
    let open = |path: &Path| {
        // A name alone is one of the folder.
        let inside = folder.path().join(path);
        let path = if path.exists() { path } else { &inside };
        Folder::open(path).map_err(chain::failed)
    };
    let before: Kept = match &args.before {
        Some(path) => open(path)?,
        None => folder.newest().map_err(chain::failed)?,
    };
    let earlier = (before.link.file.as_str(), &before.capture);
    let checks = !args.source.no_check;
    if let Some(path) = &args.after {
        let after = open(path)?;
        let later = (after.link.file.as_str(), &after.capture);
        return Ok(Drift::between(earlier, later, checks, rules, today));
    }
    let path = args.source.salt.clone().unwrap_or(folder.salt_path());
    // Without the salt, or with one that was made since, secrets cannot be compared, and everything else can.
    let salt = Folder::salt(&path).map_err(chain::failed)?;
    let salt = salt.unwrap_or_else(Salt::random);
    let (now, _) = capture::draft(global, &args.source, &salt, before.capture.redaction).await?;
    let later = ("what there is now", now.capture());
    Ok(Drift::between(earlier, later, checks, rules, today))
}

fn rules(args: &DriftArgs) -> Result<Rules, Failure> {
    let usual = args.evidence.dir.join("drift.toml");
    let path = match &args.rules {
        Some(path) => path,
        None if usual.exists() => &usual,
        None => return Ok(Rules::default()),
    };
    let read =
        || -> anyhow::Result<Rules> { Ok(Rules::parse(&cli::read_text(path, MOST_RULES)?)?) };
    read()
        .with_context(|| format!("failed to use {}", path.display()))
        .map_err(|error| {
            Failure::new(Exit::Usage, error).hint("docs/evidence.md shows how a rule is written")
        })
}
