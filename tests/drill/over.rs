//! A move while both regions serve, at 200 rows a second: given up once, killed once, and nothing is lost.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::Programs;
use jiff::Timestamp;
use local_aws::LocalAws;
use report::{Document, Mark, Report};
use serde::Serialize;
use serde_json::Value;

use crate::back::{fail_back_undisturbed, objects_lost, plan_both};
use crate::steps::{DEADLINE, Log, Loss, Roots, Step, belong_together, count_records, find};
use crate::world::{World, lost_rows};
use crate::writers::{Confirmed, Writers};

/// 200 rows a second.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the application writes before the move begins, and in the DR region.
const USED: Duration = Duration::from_secs(2);
/// The switchover is killed once it has this many records more than when writers stood still.
const KILLED_AFTER: usize = 8;

/// What the move measured.
#[derive(Debug, Serialize)]
pub(crate) struct Moved {
    pub(crate) finished: Timestamp,
    /// Whether nothing was lost, within the objectives.
    pub(crate) passed: bool,
    primary: String,
    dr: String,
    steps: Vec<Step>,
    losses: Vec<Loss>,
    /// As the report of the run has it.
    writers_stood_still_seconds: Option<u64>,
    /// Rows that were committed in each second until writers stood still.
    rows_per_second: u64,
    without_rows: Option<String>,
    page: PathBuf,
}

/// What is moved.
pub(crate) struct Scene<'a> {
    pub(crate) aws: &'a LocalAws,
    pub(crate) world: &'a World,
    pub(crate) programs: &'a Programs,
    pub(crate) roots: &'a Roots,
    pub(crate) folder: &'a Path,
}

pub(crate) async fn move_over(log: &mut Log<'_>, scene: &Scene<'_>, page: &Path) -> Result<Moved> {
    let world = scene.world;
    let rds = scene.aws.rds().context("the local AWS has no RDS")?.clone();
    let without_rows = rds.data_missing().map(|why| why.to_string());
    let database = match &without_rows {
        None => Some((world.application().await?, rds)),
        Some(_) => None,
    };
    let buckets = world.settings.buckets.iter();
    let buckets = buckets.map(|pair| pair.name.to_string()).collect();
    let phase = (0, "home", PAUSE);
    let writing = Instant::now();
    let writers = Writers::start(database, world.primary.clone(), buckets, phase);
    tokio::time::sleep(USED).await;
    begin(log, scene).await?;
    let wrote = writing.elapsed();
    let written = drain(log, writers).await?;
    give_up(log, scene).await?;
    let run = switch_over(log, scene).await?;
    let report = &run["steps"]["report"]["outcome"]["result"];
    let mut losses = Vec::new();
    count(scene, &written, ("rows", "objects"), &run, &mut losses).await?;
    if without_rows.is_none() {
        belong_together(log, world, &run, None).await?;
    }
    let found = find(&scene.folder.join("state/dr-runbook"), "run.html");
    let found = found.context("the run has no page")?;
    std::fs::copy(&found, page).with_context(|| format!("failed to write {}", page.display()))?;
    plan_dr(log, scene).await?;
    fail_back_undisturbed(log, scene.programs).await?;
    let at_home = world.objects_at_home().await?;
    losses.push(objects_lost(
        "objects, there and back",
        &written.objects,
        &at_home,
    ));
    if without_rows.is_none() {
        let found = world.rows_at_home().await?;
        losses.push(Loss {
            kind: "rows, there and back",
            confirmed: written.rows.len(),
            lost: lost_rows(&found, written.rows.len())?,
            measured: None,
            claimed: None,
        });
    }
    plan_both(log, scene.roots).await?;
    let is_whole = losses.iter().all(|loss| loss.lost == 0);
    let rows_per_second = written.rows.len() as u64 * 1000 / wrote.as_millis().max(1) as u64;
    Ok(Moved {
        finished: Timestamp::now(),
        passed: is_whole && report["meets_objectives"] == true,
        primary: world.settings.regions.primary.to_string(),
        dr: world.settings.regions.dr.to_string(),
        steps: std::mem::take(&mut log.steps),
        losses,
        writers_stood_still_seconds: report["writers_stood_still_seconds"].as_u64(),
        rows_per_second,
        without_rows,
        page: page.to_owned(),
    })
}

fn run(scene: &Scene<'_>, arguments: &[&str], code: i32) -> Result<Value> {
    let all = [arguments, &["--output", "json"]].concat();
    let ended = tokio::task::block_in_place(|| scene.programs.run("dr-runbook", &all))?;
    ended.exits(code)?.json()
}

/// Agrees to a step of the run that is not over.
fn agree(scene: &Scene<'_>, run: &str, step: &str) -> Result<()> {
    let approve = ["runs", "approve", run, step, "--by", "drill"];
    let ended = tokio::task::block_in_place(|| scene.programs.run("dr-runbook", &approve))?;
    ended.exits(0).map(drop)
}

fn id(run: &Value) -> Result<String> {
    let id = run["plan"]["run"].as_str();
    Ok(id.context("the run has no name")?.to_owned())
}

const BEGIN: [&str; 6] = ["failover", "--mode", "planned", "--window", "2s", "--yes"];

/// Up to the question whether nothing writes.
async fn begin(log: &mut Log<'_>, scene: &Scene<'_>) -> Result<()> {
    log.step(
        "dr-runbook failover --mode planned, while everybody writes",
        async {
            let mut begun = run(scene, &BEGIN, 4)?;
            let name = id(&begun)?;
            if begun["steps"]["regions"]["status"] == "waits-for-approval" {
                agree(scene, &name, "regions")?;
                begun = run(scene, &["runs", "resume"], 4)?;
            }
            let drain = &begun["steps"]["drain"];
            ensure!(drain["status"] == "waits-for-approval", "drain: {drain:#}");
            Ok(((), "it waits until nothing writes any more".to_owned()))
        },
    )
    .await
}

async fn drain(log: &mut Log<'_>, writers: Writers) -> Result<Confirmed> {
    log.step("writers stand still", async {
        let written = writers.end().await?;
        let told = format!(
            "{} rows and {} objects were confirmed",
            written.rows.len(),
            written.objects.len()
        );
        Ok((written, told))
    })
    .await
}

/// Up to the cut-over, and back: the DR environment is a pilot light as before.
async fn give_up(log: &mut Log<'_>, scene: &Scene<'_>) -> Result<()> {
    let name = log
        .step("dr-runbook runs resume, up to the cut-over", async {
            let shown = run(scene, &["runs", "show"], 0)?;
            let name = id(&shown)?;
            agree(scene, &name, "drain")?;
            let stopped = run(scene, &["runs", "resume"], 4)?;
            let cut_over = &stopped["steps"]["cut-over"];
            ensure!(
                cut_over["status"] == "waits-for-approval",
                "it stopped elsewhere: {:#}",
                stopped["steps"]
            );
            Ok((
                name,
                "the DR region is ready, and the primary one serves".to_owned(),
            ))
        })
        .await?;
    log.step("dr-runbook runs abandon puts it back", async {
        let abandon = [
            "runs",
            "abandon",
            &name,
            "--by",
            "drill",
            "--reason",
            "to see it undone",
            "--yes",
        ];
        let undone = run(scene, &abandon, 4)?;
        let database = scene.world.database()?.id.to_string();
        agree(scene, &id(&undone)?, &format!("retire-dr/{database}"))?;
        let undone = run(scene, &["runs", "resume", "--approve", "auto"], 0)?;
        let light = &undone["steps"]["pilot-light"]["status"];
        ensure!(light == "done", "pilot light: {light}");
        ensure!(
            scene.world.dr_status().await?.is_none(),
            "the DR region still has an instance"
        );
        Ok(((), "the restored instance is gone".to_owned()))
    })
    .await?;
    plan_both(log, scene.roots).await
}

/// Once more, killed in the middle, and gone on with to its end.
async fn switch_over(log: &mut Log<'_>, scene: &Scene<'_>) -> Result<Value> {
    let state = scene.folder.join("state/dr-runbook");
    log.step(
        "it is begun again, and killed with -9 in the middle",
        async {
            let begin = [&BEGIN[..], &["--approve", "auto"]].concat();
            let before = count_records(&state);
            let mut child = scene.programs.start("dr-runbook", &begin)?;
            let begun = Instant::now();
            loop {
                let records = count_records(&state);
                if records >= before + KILLED_AFTER {
                    break;
                }
                if let Some(status) = child.try_wait()? {
                    anyhow::bail!("it ended with {status} after {records} records");
                }
                ensure!(begun.elapsed() < DEADLINE, "it has {records} records");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            child.kill()?;
            child.wait()?;
            Ok(((), format!("killed after {KILLED_AFTER} records")))
        },
    )
    .await?;
    log.step("dr-runbook runs resume", async {
        let run = run(scene, &["runs", "resume", "--approve", "auto"], 0)?;
        let still = &run["steps"]["report"]["outcome"]["result"]["writers_stood_still_seconds"];
        let dr = scene.world.settings.regions.dr;
        let told = format!("{dr} serves, writers stood still for {still} s");
        Ok((run, told))
    })
    .await
}

/// What is there of what was confirmed.
async fn count(
    scene: &Scene<'_>,
    written: &Confirmed,
    (rows, objects): (&'static str, &'static str),
    run: &Value,
    losses: &mut Vec<Loss>,
) -> Result<()> {
    let world = scene.world;
    if !written.rows.is_empty() {
        let found = world.rows().await?;
        let report = &run["steps"]["report"]["outcome"]["result"];
        let database = &report["databases"][world.database()?.id.as_str()];
        losses.push(Loss {
            kind: rows,
            confirmed: written.rows.len(),
            lost: lost_rows(&found, written.rows.len())?,
            measured: Some(Duration::ZERO),
            claimed: database["rpo_seconds"].as_u64().map(Duration::from_secs),
        });
    }
    let copies = world.copies().await?;
    losses.push(objects_lost(objects, &written.objects, &copies));
    Ok(())
}

async fn plan_dr(log: &mut Log<'_>, scene: &Scene<'_>) -> Result<()> {
    log.step("terraform plan in the DR region", async {
        tokio::task::block_in_place(|| {
            let dr = &scene.roots.dr;
            dr.run(&["plan", "-detailed-exitcode", "-no-color"])?
                .exits(0)?;
            let mode = dr.run(&["output", "-raw", "mode"])?.exits(0)?.stdout();
            ensure!(mode == "full", "the DR environment is in mode {mode}");
            anyhow::Ok(())
        })?;
        Ok(((), "no changes, the environment is full".to_owned()))
    })
    .await
}

impl Report for Moved {
    const KIND: &'static str = "drill-planned";

    fn document(&self) -> Document {
        let rows = self.steps.iter().map(|step| {
            let at = format!("{:.2} s", step.at.as_secs_f64());
            (Mark::Ok, vec![at, step.what.clone(), step.result.clone()])
        });
        let losses = self.losses.iter().map(|loss| {
            let cells = vec![
                loss.kind.to_owned(),
                loss.confirmed.to_string(),
                loss.lost.to_string(),
            ];
            (Mark::Plain, cells)
        });
        let still = self
            .writers_stood_still_seconds
            .map_or_else(|| "not measured".to_owned(), |still| format!("{still} s"));
        let document = Document::new()
            .heading("Drill: an environment moves while both regions serve")
            .table(["At", "Step", "Result"], rows.collect())
            .table(["What", "Confirmed", "Lost"], losses.collect())
            .text(format!(
                "{} rows a second until writers stood still, which lasted {still} from {} to {}.",
                self.rows_per_second, self.primary, self.dr
            ))
            .text(format!("The page of the run: {}", self.page.display()));
        match &self.without_rows {
            Some(why) => document.text(format!("No rows: {why}.")),
            None => document,
        }
    }
}
