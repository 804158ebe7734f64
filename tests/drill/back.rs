//! The way home, a second loss, and the way home from there.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::Programs;
use local_aws::{LocalAws, RegionState};
use serde_json::Value;

use crate::steps::{DEADLINE, Log, Loss, Roots, count_records, find, until_archived};
use crate::world::{World, lost_rows};
use crate::writers::{Confirmed, PAUSE, Writers};

/// How long the application writes in the DR region.
const USED: Duration = Duration::from_secs(2);
/// The failback is killed once it has this many records more.
const KILLED_AFTER: usize = 14;
/// An object that both regions write.
const BOTH: &str = "both.jpg";
/// An object that the lost region delivers late.
const LATE: &str = "late.jpg";

/// An environment that is failed over.
pub(crate) struct Scene<'a> {
    pub(crate) aws: &'a LocalAws,
    pub(crate) world: &'a World,
    pub(crate) programs: &'a Programs,
    pub(crate) roots: &'a Roots,
    pub(crate) folder: &'a Path,
    /// How many rows the database of the DR region has.
    pub(crate) rows: usize,
}

/// What both ways home and the second loss between them showed.
pub(crate) struct Home {
    pub(crate) passed: bool,
    pub(crate) losses: Vec<Loss>,
}

pub(crate) async fn go_home(log: &mut Log<'_>, scene: &Scene<'_>) -> Result<Home> {
    let (world, aws) = (scene.world, scene.aws);
    let primary = world.settings.regions.primary;
    let pair = world.settings.buckets.first().context("no bucket")?;
    let used = use_in_dr(log, scene, (scene.rows, "dr")).await?;
    log.step("the region is back, and delivers late", async {
        aws.set_region(primary.as_str(), RegionState::Up);
        for (key, body) in [(LATE, "late"), (BOTH, "of the primary region")] {
            put(&world.primary, pair.name.as_ref(), key, body).await?;
        }
        put(&world.dr, pair.dr.as_ref(), BOTH, "of the DR region").await?;
        let copies = world.copies().await?;
        let late = format!("{}/{LATE}", pair.name);
        ensure!(!copies.contains(&late), "the fence let {late} in");
        Ok((
            (),
            "nothing of it lies over what was written in DR".to_owned(),
        ))
    })
    .await?;
    let run = fail_back(log, scene).await?;
    let mut losses = Vec::new();
    let report = &run["steps"]["report"]["outcome"]["result"];
    let mut rows = scene.rows;
    if !used.rows.is_empty() {
        rows += used.rows.len();
        let found = world.rows_at_home().await?;
        let database = world.database()?.id.to_string();
        losses.push(Loss {
            kind: "rows, on the way home",
            confirmed: rows,
            lost: lost_rows(&found, rows)?,
            measured: Some(Duration::ZERO),
            claimed: report["databases"][&database]["rpo_seconds"]
                .as_u64()
                .map(Duration::from_secs),
        });
    }
    let at_home = world.objects_at_home().await?;
    let mut written: Vec<String> = used.objects.clone();
    written.extend([LATE, BOTH].map(|key| format!("{}/{key}", pair.name)));
    losses.push(objects_lost("objects, on the way home", &written, &at_home));
    let both = world.read_at_home(pair.name.as_ref(), BOTH).await?;
    ensure!(
        both == "of the DR region",
        "decided for DR, and the primary has {both:?}"
    );
    ensure!(
        world.dr_status().await?.is_none(),
        "the DR region still has an instance"
    );
    let mut passed = losses.iter().all(|loss| loss.lost == 0) && report["meets_objectives"] == true;
    plan_both(log, scene.roots).await?;
    let (kept, at_home) = lose_again(log, scene, rows, &mut losses).await?;
    written.extend(at_home);
    let again = go_home_again(log, scene, kept, written).await?;
    passed &= again.iter().all(|loss| loss.lost == 0);
    losses.extend(again);
    Ok(Home { passed, losses })
}

/// The way home of the second loss, which nothing disturbs. What the primary region was written to stays, what the DR region was
/// written to comes, and nothing of the first time is gone.
async fn go_home_again(
    log: &mut Log<'_>,
    scene: &Scene<'_>,
    kept: usize,
    mut written: Vec<String>,
) -> Result<Vec<Loss>> {
    let world = scene.world;
    let used = use_in_dr(log, scene, (kept, "dr-again")).await?;
    let primary = world.settings.regions.primary;
    log.step("the region is back again", async {
        scene.aws.set_region(primary.as_str(), RegionState::Up);
        Ok(((), primary.to_string()))
    })
    .await?;
    fail_back_undisturbed(log, scene.programs).await?;
    let mut losses = Vec::new();
    if !used.rows.is_empty() {
        let rows = kept + used.rows.len();
        losses.push(Loss {
            kind: "rows, on the second way home",
            confirmed: rows,
            lost: lost_rows(&world.rows_at_home().await?, rows)?,
            measured: None,
            claimed: None,
        });
    }
    written.extend(used.objects);
    let at_home = world.objects_at_home().await?;
    losses.push(objects_lost(
        "objects, on the second way home",
        &written,
        &at_home,
    ));
    ensure!(
        world.dr_status().await?.is_none(),
        "the DR region still has an instance"
    );
    plan_both(log, scene.roots).await?;
    Ok(losses)
}

async fn put(clients: &aws_env::RegionClients, bucket: &str, key: &str, body: &str) -> Result<()> {
    let put = clients.s3.put_object().bucket(bucket).key(key);
    put.body(body.as_bytes().to_vec().into()).send().await?;
    Ok(())
}

pub(crate) fn objects_lost(kind: &'static str, written: &[String], found: &[String]) -> Loss {
    let missing = written.iter().filter(|object| !found.contains(object));
    Loss {
        kind,
        confirmed: written.len(),
        lost: missing.count(),
        measured: None,
        claimed: None,
    }
}

/// The application goes on in the DR region, and is stopped. What it wrote to the copies is called after the buckets.
async fn use_in_dr(
    log: &mut Log<'_>,
    scene: &Scene<'_>,
    (rows, phase): (usize, &'static str),
) -> Result<Confirmed> {
    let world = scene.world;
    log.step("rows and objects are written in the DR region", async {
        let rds = scene.aws.rds().context("the local AWS has no RDS")?;
        let database = match rds.data_missing() {
            None => Some((world.application_in_dr().await?, rds.clone())),
            Some(_) => None,
        };
        let copies = world.settings.buckets.iter();
        let copies = copies.map(|pair| pair.dr.to_string()).collect();
        let phase = (rows, phase, PAUSE);
        let writers = Writers::start(database, world.dr.clone(), copies, phase);
        tokio::time::sleep(USED).await;
        let mut used = writers.end().await?;
        for pair in &world.settings.buckets {
            let of_copy = format!("{}/", pair.dr);
            for object in &mut used.objects {
                if let Some(key) = object.strip_prefix(&of_copy) {
                    *object = format!("{}/{key}", pair.name);
                }
            }
        }
        let told = format!(
            "{} rows and {} objects",
            used.rows.len(),
            used.objects.len()
        );
        Ok((used, told))
    })
    .await
}

/// The failback: stopped by a conflict, decided, killed, and gone on with.
async fn fail_back(log: &mut Log<'_>, scene: &Scene<'_>) -> Result<Value> {
    let programs = scene.programs;
    let state = scene.folder.join("state/dr-runbook");
    let decisions = scene.folder.join("decisions.jsonl");
    let bucket = scene.world.settings.buckets.first().context("no bucket")?;
    log.step("dr-runbook failback names what both regions wrote", async {
        let failback = ["failback", "--window", "2s", "--approve", "auto", "--yes"];
        tokio::task::block_in_place(|| programs.run("dr-runbook", &failback))?.exits(1)?;
        let list = format!("undecided-{}.jsonl", bucket.name);
        let list = find(&state, &list).context("nothing tells what is undecided")?;
        let undecided = std::fs::read_to_string(list)?;
        ensure!(undecided.lines().count() == 1, "undecided: {undecided}");
        std::fs::write(
            &decisions,
            undecided.replace("\"keep\":\"\"", "\"keep\":\"dr\""),
        )?;
        Ok(((), "decided for the DR region".to_owned()))
    })
    .await?;
    let decisions = decisions.display().to_string();
    let resume = [
        "runs",
        "resume",
        "--conflicts",
        &decisions,
        "--approve",
        "auto",
        "--output",
        "json",
    ];
    log.step(
        "dr-runbook runs resume, killed with -9 in the middle",
        async {
            let before = count_records(&state);
            let mut child = programs.start("dr-runbook", &resume)?;
            let begun = Instant::now();
            loop {
                let records = count_records(&state);
                if records >= before + KILLED_AFTER {
                    break;
                }
                if let Some(status) = child.try_wait()? {
                    anyhow::bail!("the failback ended with {status} after {records} records");
                }
                ensure!(
                    begun.elapsed() < DEADLINE,
                    "the failback has {records} records"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            child.kill()?;
            child.wait()?;
            Ok(((), format!("killed after {KILLED_AFTER} records")))
        },
    )
    .await?;
    log.step("dr-runbook runs resume", async {
        let resume = ["runs", "resume", "--approve", "auto", "--output", "json"];
        let resumed = tokio::task::block_in_place(|| programs.run("dr-runbook", &resume))?;
        let run = resumed.exits(0)?.json()?;
        let still = &run["steps"]["report"]["outcome"]["result"]["writers_stood_still_seconds"];
        let told = format!("the primary region serves, writers stood still for {still} s");
        Ok((run, told))
    })
    .await
}

/// The failback, which nothing disturbs.
pub(crate) async fn fail_back_undisturbed(log: &mut Log<'_>, programs: &Programs) -> Result<()> {
    log.step("dr-runbook failback", async {
        let failback = ["failback", "--window", "2s", "--approve", "auto", "--yes"];
        tokio::task::block_in_place(|| programs.run("dr-runbook", &failback))?.exits(0)?;
        Ok(((), "the primary region serves again".to_owned()))
    })
    .await
}

/// Both plans are empty, and the DR environment is the pilot light.
pub(crate) async fn plan_both(log: &mut Log<'_>, roots: &Roots) -> Result<()> {
    log.step("terraform plan of both environments", async {
        tokio::task::block_in_place(|| {
            for root in [&roots.staging, &roots.dr] {
                root.run(&["plan", "-detailed-exitcode", "-no-color"])?
                    .exits(0)?;
            }
            let mode = roots.dr.run(&["output", "-raw", "mode"])?;
            let mode = mode.exits(0)?.stdout();
            ensure!(
                mode == "pilot-light",
                "the DR environment is in mode {mode}"
            );
            anyhow::Ok(())
        })?;
        Ok((
            (),
            "no changes, the DR environment is a pilot light".to_owned(),
        ))
    })
    .await
}

/// How many rows the DR region has then, and the objects that the primary one was left with.
async fn lose_again(
    log: &mut Log<'_>,
    scene: &Scene<'_>,
    rows: usize,
    losses: &mut Vec<Loss>,
) -> Result<(usize, Vec<String>)> {
    let (world, aws) = (scene.world, scene.aws);
    let primary = world.settings.regions.primary;
    let rds = aws.rds().context("the local AWS has no RDS")?;
    let has_rows = rds.data_missing().is_none();
    let database = match has_rows {
        true => Some((world.application_at_home().await?, rds.clone())),
        false => None,
    };
    let buckets = world.settings.buckets.iter();
    let buckets = buckets.map(|pair| pair.name.to_string()).collect();
    let writers = Writers::start(
        database,
        world.primary.clone(),
        buckets,
        (rows, "again", PAUSE),
    );
    log.step(
        "rows and objects are written at home",
        until_archived(world),
    )
    .await?;
    aws.set_region(primary.as_str(), RegionState::Refuse);
    let confirmed = writers.end().await?;
    log.step("a second dr-runbook failover", async {
        let failover = ["failover", "--window", "2s", "--approve", "auto", "--yes"];
        tokio::task::block_in_place(|| scene.programs.run("dr-runbook", &failover))?.exits(0)?;
        Ok(((), format!("{} serves again", world.settings.regions.dr)))
    })
    .await?;
    let mut kept = 0;
    if has_rows {
        let found = world.rows().await?;
        kept = found.len();
        let all = rows + confirmed.rows.len();
        ensure!(
            found.len() >= rows,
            "rows that came home are lost: {} of {rows}",
            found.len()
        );
        losses.push(Loss {
            kind: "rows, of the second loss",
            confirmed: all,
            lost: lost_rows(&found, all)?,
            measured: None,
            claimed: None,
        });
    }
    let copies = world.copies().await?;
    losses.push(objects_lost(
        "objects, of the second loss",
        &confirmed.objects,
        &copies,
    ));
    Ok((kept, confirmed.objects))
}
