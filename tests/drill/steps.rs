//! The drill itself.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use end_to_end::{EXAMPLE, Programs, Terraform};
use local_aws::{LocalAws, RegionState};
use report::{Observer, Outcome};
use serde::Serialize;
use serde_json::Value;

const PRIMARY: &str = "ca-central-1";
const DR: &str = "us-east-1";
/// The guide's recovery time objective for the whole region.
const RTO_OBJECTIVE: Duration = Duration::from_secs(45 * 60);
/// Replication on a local AWS is a matter of milliseconds; this only ends a drill that went wrong.
const REPLICATION_DEADLINE: Duration = Duration::from_secs(60);

/// A step that succeeded.
#[derive(Debug, Serialize)]
pub(crate) struct Step {
    /// Since the drill began, in seconds.
    #[serde(serialize_with = "seconds")]
    pub(crate) at: Duration,
    pub(crate) what: String,
    pub(crate) result: String,
}

/// What the drill measured.
#[derive(Debug, Serialize)]
pub(crate) struct Drilled {
    pub(crate) finished: jiff::Timestamp,
    pub(crate) primary: &'static str,
    pub(crate) dr: &'static str,
    pub(crate) steps: Vec<Step>,
    #[serde(serialize_with = "seconds")]
    pub(crate) rto: Duration,
    #[serde(serialize_with = "seconds")]
    pub(crate) rto_objective: Duration,
    pub(crate) writes: u64,
    pub(crate) writes_lost: u64,
    #[serde(serialize_with = "seconds")]
    pub(crate) age_at_loss: Duration,
    #[serde(serialize_with = "seconds")]
    pub(crate) replicated_after: Duration,
    pub(crate) calls_to_lost_region: usize,
}

impl Drilled {
    pub(crate) fn passed(&self) -> bool {
        self.writes_lost == 0 && self.rto <= self.rto_objective
    }
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

struct Log<'a> {
    begun: Instant,
    steps: Vec<Step>,
    observer: &'a dyn Observer,
}

impl Log<'_> {
    fn step<T>(&mut self, what: &str, work: impl FnOnce() -> Result<(T, String)>) -> Result<T> {
        let step_begun = Instant::now();
        self.observer.started(what);
        let done = work();
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

pub(crate) async fn run(observer: &dyn Observer) -> Result<Drilled> {
    let mut log = Log {
        begun: Instant::now(),
        steps: Vec::new(),
        observer,
    };
    observer.started("start a local AWS");
    let starting = Instant::now();
    let aws = LocalAws::start()
        .await
        .context("failed to start a local AWS")?;
    observer.finished("start a local AWS", Outcome::Done, starting.elapsed());
    log.steps.push(Step {
        at: log.begun.elapsed(),
        what: "start a local AWS".to_owned(),
        result: aws.endpoint().to_owned(),
    });
    // The programs block; the local AWS is served by the other threads meanwhile.
    let drilled = tokio::task::block_in_place(|| play(&mut log, &aws));
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

fn play(log: &mut Log<'_>, aws: &LocalAws) -> Result<Drilled> {
    let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
    std::fs::write(folder.path().join("infra.toml"), EXAMPLE)
        .context("failed to write infra.toml")?;
    let executable = std::env::current_exe().context("failed to find this program")?;
    let programs = Programs::new(executable, folder.path(), aws);
    let terraform = Terraform::new(&programs, folder.path())?;
    let init_backend = |arguments: &[&str]| programs.run("init-backend", arguments);

    log.step("init-backend apply", || {
        let applied = init_backend(&["apply", "--yes", "--output", "json"])?
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
    })?;
    log.step("init-backend verify", || {
        let verified = init_backend(&["verify", "--output", "json"])?
            .exits(0)?
            .json()?;
        Ok((
            (),
            format!(
                "{} ok, {} wrong, {} unknown",
                verified["ok"], verified["wrong"], verified["unknown"]
            ),
        ))
    })?;
    log.step("terraform init, in the primary region", || {
        init_backend(&["render", "primary", "--out", "primary.s3.tfbackend"])?.exits(0)?;
        terraform.init("primary.s3.tfbackend", &[])?;
        Ok((
            (),
            format!("backend s3 in {PRIMARY}, locked in DynamoDB and S3"),
        ))
    })?;
    let mut written = Instant::now();
    for note in ["first", "second"] {
        log.step(&format!("terraform apply, {note} write"), || {
            let variable = format!("-var=note={note}");
            terraform
                .run(&["apply", "-auto-approve", "-no-color", &variable])?
                .exits(0)?;
            Ok(((), "state written and unlocked".to_owned()))
        })?;
        written = Instant::now();
    }
    let (serial, replicated_after) =
        log.step("wait until the state is in the DR region", || {
            let status = replicated(&programs, written)?;
            let after = written.elapsed();
            let serial = serial(&status, 1).context("the DR region has no state")?;
            Ok((
                (serial, after),
                format!("serial {serial} in {DR}, byte for byte the primary's"),
            ))
        })?;

    log.step(&format!("{PRIMARY} goes off"), || {
        aws.set_region(PRIMARY, RegionState::Refuse);
        Ok(((), "every call to it is refused".to_owned()))
    })?;
    let lost = Instant::now();
    let age_at_loss = lost.duration_since(written);
    let calls_before = calls_to_primary(aws);
    let calls_before_loss = aws.log().len();

    log.step("init-backend status", || {
        let status = init_backend(&["status", "--output", "json"])?
            .exits(3)?
            .json()?;
        let class = &status["states"][0]["copies"][0]["problem"]["class"];
        ensure!(
            class == "unreachable",
            "the primary region is not reported as unreachable: {status:#}"
        );
        Ok((
            (),
            format!(
                "{PRIMARY} unreachable, {DR} has serial {}",
                status["states"][0]["copies"][1]["content"]["serial"]
            ),
        ))
    })?;
    let resources = log.step(
        "terraform init -reconfigure and state list, in the DR region",
        || {
            init_backend(&["render", "dr", "--out", "dr.s3.tfbackend"])?.exits(0)?;
            terraform.init("dr.s3.tfbackend", &["-reconfigure"])?;
            let listed = terraform
                .run(&["state", "list", "-no-color"])?
                .exits(0)?
                .stdout();
            let count = listed.lines().count();
            ensure!(count == 3, "terraform lists {count} resources:\n{listed}");
            Ok((count, format!("{count} resources, served from {DR}")))
        },
    )?;
    let rto = lost.elapsed();
    log.step("terraform plan, in the DR region", || {
        terraform.run(&["plan", "-detailed-exitcode", "-no-color", "-var=note=second"])?.exits(0)?;
        let note = terraform.run(&["output", "-raw", "note"])?.exits(0)?.stdout();
        ensure!(note == "second", "the state in the DR region is an older one: {note}");
        Ok(((), format!("lock taken and released, no changes, the second write is there ({resources} resources)")))
    })?;
    let kept = log.step("read the state's serial again", || {
        let status = init_backend(&["status", "--output", "json"])?
            .exits(3)?
            .json()?;
        let kept = self::serial(&status, 1).context("the DR region has no state")?;
        Ok((kept, format!("serial {kept}")))
    })?;
    let asked = aws.log().into_iter().skip(calls_before_loss);
    for entry in asked.filter(|entry| entry.region.as_deref() == Some(PRIMARY)) {
        ensure!(
            ["GetCallerIdentity", "ListBuckets", "ListTables"].contains(&entry.operation.as_str()),
            "the lost region was asked for {}",
            entry.operation
        );
    }
    Ok(Drilled {
        finished: jiff::Timestamp::now(),
        primary: PRIMARY,
        dr: DR,
        steps: std::mem::take(&mut log.steps),
        rto,
        rto_objective: RTO_OBJECTIVE,
        writes: serial,
        writes_lost: serial.saturating_sub(kept),
        age_at_loss,
        replicated_after,
        calls_to_lost_region: calls_to_primary(aws) - calls_before,
    })
}

/// By its entry in /proc; where there is none, nothing can be said and nothing is claimed.
fn is_running(process: u32) -> bool {
    std::path::Path::new("/proc")
        .join(process.to_string())
        .exists()
}

/// Asks until both regions have the same state.
fn replicated(programs: &Programs, since: Instant) -> Result<Value> {
    loop {
        let status = programs
            .run("init-backend", &["status", "--output", "json"])?
            .json()?;
        if status["states"][0]["relation"] == "same" && serial(&status, 1).is_some() {
            return Ok(status);
        }
        ensure!(
            since.elapsed() < REPLICATION_DEADLINE,
            "the state was not replicated: {status:#}"
        );
    }
}

fn serial(status: &Value, side: usize) -> Option<u64> {
    status["states"][0]["copies"][side]["content"]["serial"].as_u64()
}

fn calls_to_primary(aws: &LocalAws) -> usize {
    aws.log()
        .iter()
        .filter(|entry| entry.region.as_deref() == Some(PRIMARY))
        .count()
}
