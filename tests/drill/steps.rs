//! The drill itself.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{Programs, Terraform};
use jiff::{Timestamp, Zoned};
use local_aws::{LocalAws, RdsClock, RdsData, RdsOptions, RegionState};
use report::{Observer, Outcome};
use serde::Serialize;
use serde_json::Value;
use settings::Settings;

use crate::back::{Scene, go_home};
use crate::over;
use crate::world::{World, lost_rows};
use crate::writers::{PAUSE, Writers};

/// How much faster the simulated RDS is than AWS's: an instance takes minutes there.
const FASTER: u32 = 40;
/// Logs are archived every five minutes
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html>): what is newer can be lost.
const ARCHIVED_EVERY: Duration = Duration::from_secs(5 * 60);
/// The failover is killed once it has this many records.
const KILLED_AT: usize = 12;
/// The line of the settings after which those of what the restored database is asked come.
const DATABASE: &str =
    "# Which copied snapshots are kept in the DR region: the newest, and all that are younger.\n";
/// What the restored database is asked.
const INTEGRITY: &str = r#"
[[databases.secrets]]
name = "berthcare-staging/database"
[databases.integrity]
ca = "authorities.pem"
[[databases.integrity.objects]]
bucket = "berthcare-photos-staging"
keys = "SELECT object_key FROM written"
prefix = ""
[databases.integrity.sequences]
margin = 10000
"#;
/// This only ends a drill that went wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// A step that succeeded.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// Since the drill began, in seconds.
    #[serde(serialize_with = "seconds")]
    pub(crate) at: Duration,
    pub(crate) what: String,
    pub(crate) result: String,
}

/// What was lost of one kind, by whoever wrote it, beside what the run claims.
#[derive(Debug, Serialize)]
pub(crate) struct Loss {
    pub(crate) kind: &'static str,
    /// What the writers were told to be safe.
    pub(crate) confirmed: usize,
    pub(crate) lost: usize,
    /// How old what was lost is at most, as the writers measured it.
    #[serde(serialize_with = "some_seconds")]
    pub(crate) measured: Option<Duration>,
    /// The same as the report of the run has it.
    #[serde(serialize_with = "some_seconds")]
    pub(crate) claimed: Option<Duration>,
}

/// What the drill measured.
#[derive(Debug, Serialize)]
pub(crate) struct Drilled {
    pub(crate) finished: Timestamp,
    /// Whether the environment came back within its objectives; whoever keeps records of drills reads this.
    pub(crate) passed: bool,
    pub(crate) primary: String,
    pub(crate) dr: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) losses: Vec<Loss>,
    /// From the loss until the failover had verified everything, as measured here.
    #[serde(serialize_with = "seconds")]
    pub(crate) rto: Duration,
    /// The same as the report of the run has it, from the first look without an answer until it was verified.
    #[serde(serialize_with = "some_seconds")]
    pub(crate) rto_claimed: Option<Duration>,
    #[serde(serialize_with = "seconds")]
    pub(crate) rto_objective: Duration,
    pub(crate) calls_to_lost_region: usize,
    /// Why there are no rows, where there are none.
    pub(crate) without_rows: Option<String>,
    pub(crate) page: PathBuf,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

fn some_seconds<S: serde::Serializer>(
    time: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => seconds(time, serializer),
        None => serializer.serialize_none(),
    }
}

pub(crate) struct Log<'a> {
    begun: Instant,
    pub(crate) steps: Vec<Step>,
    observer: &'a dyn Observer,
}

impl Log<'_> {
    pub(crate) async fn step<T>(
        &mut self,
        what: &str,
        work: impl Future<Output = Result<(T, String)>>,
    ) -> Result<T> {
        let step_begun = Instant::now();
        self.observer.started(what);
        let done = work.await;
        let outcome = if done.is_ok() {
            Outcome::Done
        } else {
            Outcome::Failed
        };
        self.observer.finished(what, outcome, step_begun.elapsed());
        let (value, result) = done.with_context(|| format!("failed at: {what}"))?;
        self.steps.push(Step {
            at: self.begun.elapsed(),
            what: what.to_owned(),
            result,
        });
        Ok(value)
    }
}

/// Runs the drill; its page goes to the file `page`. A quick one ends in the DR region.
pub(crate) async fn run(observer: &dyn Observer, page: &Path, quick: bool) -> Result<Drilled> {
    on_local_aws(observer, async |log, aws| play(log, aws, page, quick).await).await
}

/// Moves the environment while both regions serve, and back.
pub(crate) async fn run_planned(observer: &dyn Observer, page: &Path) -> Result<over::Moved> {
    on_local_aws(observer, async |log, aws| {
        let set = Set::make(aws).await?;
        build(log, aws, &set.world, &set.programs, &set.roots).await?;
        let scene = over::Scene {
            aws,
            world: &set.world,
            programs: &set.programs,
            roots: &set.roots,
            folder: set.folder.path(),
        };
        over::move_over(log, &scene, page).await
    })
    .await
}

async fn on_local_aws<T>(
    observer: &dyn Observer,
    play: impl AsyncFnOnce(&mut Log<'_>, &LocalAws) -> Result<T>,
) -> Result<T> {
    let mut log = Log {
        begun: Instant::now(),
        steps: Vec::new(),
        observer,
    };
    let aws = log
        .step("start a local AWS", async {
            let options = RdsOptions {
                clock: RdsClock::Running { factor: FASTER },
                data: RdsData::WhereInstalled,
                ..RdsOptions::default()
            };
            let aws = LocalAws::builder().rds(options).start().await;
            let aws = aws.context("failed to start a local AWS")?;
            let endpoint = aws.endpoint().to_owned();
            Ok((aws, endpoint))
        })
        .await?;
    let drilled = play(&mut log, &aws).await;
    let emulator = aws.process_id();
    aws.stop().await;
    let drilled = drilled?;
    if let Some(id) = emulator {
        ensure!(
            !is_running(id),
            "the emulator, process {id}, is still running"
        );
    }
    Ok(drilled)
}

/// What both environments of Terraform hold: the one that is lost, and the one that takes over.
pub(crate) struct Roots {
    pub(crate) staging: Terraform,
    pub(crate) dr: Terraform,
}

/// An environment that is to be built.
struct Set {
    folder: tempfile::TempDir,
    programs: Programs,
    roots: Roots,
    world: World,
}

impl Set {
    async fn make(aws: &LocalAws) -> Result<Self> {
        let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
        let settings = end_to_end::settings().replace("../../terraform/environments/dr", "dr");
        let mut settings = settings.replace("../../terraform/environments/staging", "stack");
        let rds = aws.rds().context("the local AWS has no RDS")?;
        if let Some(authority) = rds.authority() {
            settings = settings.replace(DATABASE, &format!("{DATABASE}{INTEGRITY}"));
            std::fs::write(folder.path().join("authorities.pem"), authority)
                .context("failed to write the authority of the database servers")?;
        }
        std::fs::write(folder.path().join("infra.toml"), &settings)
            .context("failed to write infra.toml")?;
        let settings = Settings::parse(&settings, Zoned::now().date())?;
        let executable = std::env::current_exe().context("failed to find this program")?;
        let programs = Programs::new(executable, folder.path(), aws);
        let roots = Roots {
            staging: Terraform::new(&programs, folder.path())?,
            dr: Terraform::dr(&programs, folder.path())?,
        };
        let world = World::new(aws, settings).await?;
        Ok(Self {
            folder,
            programs,
            roots,
            world,
        })
    }
}

async fn play(log: &mut Log<'_>, aws: &LocalAws, page: &Path, quick: bool) -> Result<Drilled> {
    let Set {
        folder,
        programs,
        roots,
        world,
    } = Set::make(aws).await?;
    let (primary, dr) = (world.settings.regions.primary, world.settings.regions.dr);
    let objective = world.settings.objectives.rto;
    build(log, aws, &world, &programs, &roots).await?;
    let rds = aws.rds().context("the local AWS has no RDS")?.clone();
    let without_rows = rds.data_missing();
    let database = match &without_rows {
        None => Some((world.application().await?, rds.clone())),
        Some(_) => None,
    };
    let buckets = world.settings.buckets.iter();
    let buckets = buckets.map(|pair| pair.name.to_string()).collect();
    let writers = Writers::start(database, world.primary.clone(), buckets, (0, "home", PAUSE));
    log.step(
        "rows and objects are written, logs are archived",
        until_archived(&world),
    )
    .await?;

    aws.set_region(primary.as_str(), RegionState::Refuse);
    let (lost, lost_at) = (Instant::now(), rds.now());
    let lost_here = Timestamp::now();
    let asked_before = aws.log().len();
    let confirmed = writers.end().await?;
    log.steps.push(Step {
        at: log.begun.elapsed(),
        what: format!("{primary} goes off in the middle of writing"),
        result: format!(
            "{} rows and {} objects were confirmed",
            confirmed.rows.len(),
            confirmed.objects.len()
        ),
    });
    begin_failover(log, &programs, folder.path()).await?;
    // The loss is counted to some moment between these two: RDS's clock, as the plan read it.
    let planned_by = rds.now();
    let run = resume_failover(log, &programs).await?;
    let rto = lost.elapsed();
    let report = &run["steps"]["report"]["outcome"]["result"];
    let rto_claimed = rto_claimed(report, (lost_here, Timestamp::now()))?;

    let mut losses = Vec::new();
    let mut kept = 0;
    if without_rows.is_none() {
        let found = world
            .rows()
            .await
            .context("failed to read the restored rows")?;
        kept = found.len();
        let reported = &report["databases"][world.database()?.id.as_str()];
        let claimed = reported["rpo_seconds"].as_u64();
        let newest = found
            .len()
            .checked_sub(1)
            .and_then(|last| confirmed.rows.get(last));
        let measured = newest.map(|at| since(*at, lost_at));
        let claimed = claimed.map(Duration::from_secs);
        if let (Some(newest), Some(measured), Some(claimed)) = (newest, measured, claimed) {
            let data_time = reported["data_time"].as_str().unwrap_or_default();
            let data_time: Timestamp = data_time
                .parse()
                .with_context(|| format!("the report has the data time {data_time:?}"))?;
            let second = Duration::from_secs(1);
            let fits = since(data_time, lost_at).saturating_sub(second)
                ..=since(data_time, planned_by) + second;
            ensure!(
                fits.contains(&claimed)
                    && measured.abs_diff(since(data_time, lost_at)) <= ARCHIVED_EVERY,
                "the report claims {claimed:?} of the database from {data_time}, and {measured:?} are lost from {newest}"
            );
        }
        losses.push(Loss {
            kind: "rows",
            confirmed: confirmed.rows.len(),
            lost: lost_rows(&found, confirmed.rows.len())?,
            measured,
            claimed,
        });
    }
    let copies = world.copies().await?;
    let missing = confirmed
        .objects
        .iter()
        .filter(|object| !copies.contains(object));
    losses.push(Loss {
        kind: "objects",
        confirmed: confirmed.objects.len(),
        lost: missing.count(),
        measured: None,
        claimed: None,
    });
    if without_rows.is_none() {
        // Numbers that were given out and lost are not given out again.
        let given = i64::try_from(confirmed.rows.len())?;
        belong_together(log, &world, &run, Some(given)).await?;
    }
    log.step("terraform plan in the DR region", async {
        let terraform = &roots.dr;
        terraform
            .run(&["plan", "-detailed-exitcode", "-no-color"])?
            .exits(0)?;
        let mode = terraform
            .run(&["output", "-raw", "mode"])?
            .exits(0)?
            .stdout();
        ensure!(mode == "full", "the DR environment is in mode {mode}");
        Ok(((), "no changes, the environment is full".to_owned()))
    })
    .await?;
    let found = folder.path().join("state/dr-runbook");
    let written = find(&found, "run.html").context("the run has no page")?;
    std::fs::copy(&written, page).with_context(|| format!("failed to write {}", page.display()))?;

    let asked: Vec<_> = aws.log().into_iter().skip(asked_before).collect();
    let asked: Vec<_> = asked
        .into_iter()
        .filter(|entry| entry.region.as_deref() == Some(primary.as_str()))
        .collect();
    let questions = ["GetCallerIdentity", "ListBuckets", "ListTables"];
    for entry in &asked {
        // What a writer had begun when the region went.
        let is_writer = entry.operation == "PutObject" && entry.status.is_none();
        ensure!(
            is_writer || questions.contains(&entry.operation.as_str()),
            "the lost region was asked for {}",
            entry.operation
        );
    }
    let mut passed = rto <= objective && report["meets_objectives"] == true;
    if !quick {
        let scene = Scene {
            aws,
            world: &world,
            programs: &programs,
            roots: &roots,
            folder: folder.path(),
            rows: kept,
        };
        let back = go_home(log, &scene).await?;
        passed &= back.passed;
        losses.extend(back.losses);
    }
    Ok(Drilled {
        finished: Timestamp::now(),
        passed,
        primary: primary.to_string(),
        dr: dr.to_string(),
        steps: std::mem::take(&mut log.steps),
        losses,
        rto,
        rto_claimed: Some(rto_claimed),
        rto_objective: objective,
        calls_to_lost_region: asked.len(),
        without_rows: without_rows.map(|why| why.to_string()),
        page: page.to_owned(),
    })
}

/// The report's RTO. It is what was measured here, but for what lies before the first look and behind the verification, and these
/// lie between the loss and the end of the program.
fn rto_claimed(report: &Value, (lost, ended): (Timestamp, Timestamp)) -> Result<Duration> {
    let moment = |name: &str| -> Result<Timestamp> {
        let told = report["clocks"][name].as_str().unwrap_or_default();
        told.parse()
            .with_context(|| format!("the report has the time {name} {told:?}"))
    };
    let (detected, verified) = (moment("detected")?, moment("verified")?);
    ensure!(
        lost <= detected && detected <= verified && verified <= ended,
        "lost at {lost}, over at {ended}, and the report says {:#}",
        report["clocks"]
    );
    let claimed = report["rto_from_detection_seconds"].as_u64();
    let claimed = Duration::from_secs(claimed.context("the report has no RTO")?);
    let second = Duration::from_secs(1);
    ensure!(
        claimed.abs_diff(since(detected, verified)) <= second,
        "an RTO of {claimed:?} is claimed from {detected} to {verified}"
    );
    Ok(claimed)
}

/// What the run says of rows and objects of the first bucket, beside what is there. The next number is beyond all that were `given`,
/// where something was lost.
pub(crate) async fn belong_together(
    log: &mut Log<'_>,
    world: &World,
    run: &Value,
    given: Option<i64>,
) -> Result<()> {
    log.step("rows and objects are put side by side", async {
        let step = format!("consistency/{}", world.database()?.id);
        let found = &run["steps"][&step]["outcome"]["result"];
        let bucket = world.settings.buckets.first().context("no bucket")?;
        let of_bucket = format!("{}/", bucket.name);
        let copies = world.copies().await?;
        let objects: Vec<&str> = copies
            .iter()
            .filter_map(|object| object.strip_prefix(&of_bucket))
            .collect();
        let rows = world.named_objects().await?;
        let lost = rows.iter().filter(|key| !objects.contains(&key.as_str()));
        let unnamed = objects
            .iter()
            .filter(|key| !rows.iter().any(|row| row == *key));
        let counted = [rows.len(), objects.len(), lost.count(), unnamed.count()];
        let told = &found["objects"][0];
        let without = |which: &str| told[which]["objects"][""].as_u64().unwrap_or(0);
        let told = [
            told["rows"].as_u64().unwrap_or(u64::MAX),
            told["objects"].as_u64().unwrap_or(u64::MAX),
            without("rows_without_object"),
            without("objects_without_row"),
        ];
        ensure!(
            counted.map(|count| count as u64) == told && counted[2] > 0,
            "rows, objects, and what of each is alone: {counted:?}, and the run says {found:#}"
        );
        let mut result = format!(
            "{} of {} rows name an object that is not there, as the run says",
            counted[2], counted[0]
        );
        if let Some(given) = given {
            let next = world.next_number().await?;
            ensure!(
                next > given,
                "the number {next} is given out again: the last one was {given}"
            );
            result.push_str(&format!("; after {given} numbers the next one is {next}"));
        }
        Ok(((), result))
    })
    .await
}

/// Until there is a backup, and something that no archive has.
pub(crate) async fn until_archived(world: &World) -> Result<((), String)> {
    let begun = Instant::now();
    let enough = 2 * ARCHIVED_EVERY / FASTER;
    while !world.has_backup().await? || begun.elapsed() < enough {
        ensure!(
            begun.elapsed() < DEADLINE,
            "the DR region has no backup of the database"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let dr = world.settings.regions.dr;
    Ok(((), format!("a restore can be made in {dr}")))
}

pub(crate) fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// The environment, as it is before anything is lost.
async fn build(
    log: &mut Log<'_>,
    aws: &LocalAws,
    world: &World,
    programs: &Programs,
    roots: &Roots,
) -> Result<()> {
    let blocking = |arguments: &[&str]| {
        tokio::task::block_in_place(|| programs.run("init-backend", arguments))
    };
    log.step("init-backend apply", async {
        let applied = blocking(&["apply", "--yes", "--output", "json"])?
            .exits(0)?
            .json()?;
        let changed = applied["steps"].as_array().map_or(0, Vec::len);
        let canary = &applied["canary"]["replicated_ms"];
        ensure!(
            canary.is_number(),
            "the canary was not replicated: {applied:#}"
        );
        Ok((
            (),
            format!("{changed} settings made and read back, canary replicated in {canary} ms"),
        ))
    })
    .await?;
    log.step(
        "buckets under KMS, a database with a replicated backup",
        async {
            world.make_buckets().await?;
            world.make_database(aws).await?;
            world.make_secret().await?;
            let enable = ["backups", "enable", "--yes"];
            tokio::task::block_in_place(|| programs.run("dr-replicate", &enable))?.exits(0)?;
            Ok((
                (),
                format!("{} buckets, 1 database", world.settings.buckets.len()),
            ))
        },
    )
    .await?;
    log.step(
        "terraform apply of both environments, in the primary region",
        async {
            tokio::task::block_in_place(|| {
                for (root, folder) in [(&roots.staging, "stack"), (&roots.dr, "dr")] {
                    let file = format!("{folder}/primary.s3.tfbackend");
                    let render = ["render", "primary", "--dir", folder, "--out", &file];
                    blocking(&render)?.exits(0)?;
                    root.init(&file, &[])?;
                    root.run(&["apply", "-auto-approve", "-no-color"])?
                        .exits(0)?;
                }
                anyhow::Ok(())
            })?;
            Ok(((), "two states, written and unlocked".to_owned()))
        },
    )
    .await?;
    log.step("wait until the states are in the DR region", async {
        let begun = Instant::now();
        loop {
            let status = blocking(&["status", "--output", "json"])?.json()?;
            let states = status["states"].as_array().map_or(&[][..], Vec::as_slice);
            if states.len() == 2 && states.iter().all(|state| state["relation"] == "same") {
                return Ok(((), "byte for byte the primary's".to_owned()));
            }
            ensure!(
                begun.elapsed() < DEADLINE,
                "the states were not replicated: {status:#}"
            );
        }
    })
    .await
}

/// The failover, killed in the middle, and gone on with.
async fn begin_failover(log: &mut Log<'_>, programs: &Programs, folder: &Path) -> Result<()> {
    let runs = folder.join("state/dr-runbook");
    log.step("dr-runbook failover, killed with -9 in the middle", async {
        let arguments = ["failover", "--window", "2s", "--approve", "auto", "--yes"];
        let mut child = programs.start("dr-runbook", &arguments)?;
        let begun = Instant::now();
        let records = loop {
            let records = count_records(&runs);
            if records >= KILLED_AT {
                break records;
            }
            if let Some(status) = child.try_wait()? {
                anyhow::bail!("the failover ended with {status} after {records} records");
            }
            ensure!(
                begun.elapsed() < DEADLINE,
                "the failover has {records} records"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        child.kill()?;
        child.wait()?;
        Ok(((), format!("killed after {records} records")))
    })
    .await
}

async fn resume_failover(log: &mut Log<'_>, programs: &Programs) -> Result<Value> {
    log.step("dr-runbook runs resume", async {
        let arguments = [
            "runs",
            "resume",
            "--approve",
            "auto",
            "--yes",
            "--output",
            "json",
        ];
        let resumed = tokio::task::block_in_place(|| programs.run("dr-runbook", &arguments))?;
        let run = resumed.exits(0)?.json()?;
        let steps = run["steps"].as_object().map_or(0, serde_json::Map::len);
        let openings = &run["openings"];
        Ok((
            run.clone(),
            format!("{steps} steps settled, carried by {openings} processes"),
        ))
    })
    .await
}

pub(crate) fn count_records(runs: &Path) -> usize {
    let mut count = 0;
    visit(runs, &mut |path| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let digits = name.strip_suffix(".json").unwrap_or("x");
        count += usize::from(digits.bytes().all(|byte| byte.is_ascii_digit()));
    });
    count
}

pub(crate) fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut found = None;
    visit(folder, &mut |path| {
        if path.file_name().is_some_and(|file| file == name) {
            found = Some(path.to_owned());
        }
    });
    found
}

/// Each file below a folder; a folder that is not there has none.
fn visit(folder: &Path, see: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            visit(&path, see);
        } else {
            see(&path);
        }
    }
}

/// By its entry in /proc; where there is none, nothing can be said and nothing is claimed.
fn is_running(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}
