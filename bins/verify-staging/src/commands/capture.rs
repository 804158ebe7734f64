use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use evidence::{
    CheckResults, Draft, Folder, Hold, Kept, LockMode, Redacted, RedactionPolicy, S3Location, Salt,
    StoreError, Stored,
};
use report::finding::Status;
use report::{Document, Mark, Report};
use serde::Serialize;
use verify::{Selection, Sources, Wanted};

use super::side::Sided;
use super::{chain, origin, terraform, waivers};
use crate::args::capture::{CaptureArgs, Destination, SourceArgs};

pub(super) async fn run(global: &GlobalArgs, args: &CaptureArgs) -> Result<Exit, Failure> {
    let folder = Folder::new(&args.evidence.dir);
    let salt_path = args.source.salt.clone().unwrap_or(folder.salt_path());
    let salt = Folder::salt_or_new(&salt_path).map_err(chain::failed)?;
    let (draft, sided) = draft(global, &args.source, &salt, args.redaction()).await?;
    let kept = folder.keep(draft).map_err(chain::failed)?;
    let mut captured = Captured::new(&kept, &folder);
    if let Some(to) = &args.to {
        match put(global, args, to, &kept, &sided).await {
            Ok(stored) => captured.stored = Some(stored),
            Err(failure) => {
                // With JSON, the failure is the one document.
                if global.output != OutputFormat::Json {
                    cli::print(global, &captured)?;
                }
                return Err(failure);
            }
        }
    }
    cli::print(global, &captured)?;
    Ok(exit(kept.capture.checks.as_ref()))
}

async fn put(
    global: &GlobalArgs,
    args: &CaptureArgs,
    to: &Destination,
    kept: &Kept,
    sided: &Sided,
) -> Result<Stored, Failure> {
    let clients = sided.reach().await?.region().clients();
    let location = S3Location {
        bucket: &to.bucket,
        prefix: &to.prefix,
        retain_days: args.retain_days,
        lock_mode: args.lock_mode.into(),
    };
    let here = args.evidence.dir.join(&kept.link.file);
    let kept_here = || format!("the capture is kept in {}", here.display());
    let failed = |error| match error {
        StoreError::Aws(error) => Failure::aws("put the capture in S3", error).hint(kept_here()),
        StoreError::NoObjectLock { .. } => Failure::new(
            Exit::Refused,
            anyhow::anyhow!("failed to {error}"),
        )
        .hint("Object Lock is switched on when a bucket is made, or for one that keeps versions")
        .hint(kept_here()),
        StoreError::Differs { .. } | StoreError::Unlocked { .. } | StoreError::Weaker { .. } => {
            Failure::new(Exit::Wrong, anyhow::anyhow!("failed to {error}")).hint(kept_here())
        }
    };
    let now = cli::now();
    let hold = evidence::plan_hold(&clients, location, now).await;
    let hold = hold.map_err(failed)?;
    agree(global, &hold, location).map_err(|failure| failure.hint(kept_here()))?;
    let stored = evidence::store(&clients, location, kept, &hold, now).await;
    stored.map_err(failed)
}

/// What nobody can undo is said before, and asked where it is not what the bucket does with every object anyway.
fn agree(global: &GlobalArgs, hold: &Hold, location: S3Location<'_>) -> Result<(), Failure> {
    if hold.mode() != Some(LockMode::Compliance) {
        return Ok(());
    }
    let until = match hold.until() {
        Some(until) => format!("until {until}"),
        None => "for the time of the bucket's default".to_owned(),
    };
    cli::note(&format!(
        "{} holds it in COMPLIANCE mode {until}: nobody can delete it before or shorten the time, the account's root user and AWS included",
        location.bucket
    ));
    match hold.until() {
        Some(_) => cli::confirm_name(
            global,
            "Hold the capture so that nobody can undo it?",
            location.bucket,
        ),
        None => Ok(()),
    }
}

/// What there is now, as it may be written down, and of which side it is.
pub(super) async fn draft(
    global: &GlobalArgs,
    args: &SourceArgs,
    salt: &Salt,
    redaction: RedactionPolicy,
) -> Result<(Draft, Sided), Failure> {
    let at = cli::now();
    let waivers = waivers::read(global, &args.waivers)?;
    let sided = match args.no_check {
        true => Sided::unasked(global, args.side)?,
        false => Sided::find(global, args.side).await?,
    };
    let folder = sided.folder(args.chdir.as_deref());
    let (outputs, terraform) = match &args.from {
        Some(path) => (terraform::of_file(path)?, None),
        None => {
            let terraform = terraform::find(&folder).await?;
            let outputs = terraform::of_folder(&terraform, &folder).await?;
            (outputs, Some(terraform))
        }
    };
    let sided = sided.agreed(&outputs)?;
    let wanted = Wanted {
        waivers,
        ..sided.wanted()
    };
    let checks: Option<Redacted<CheckResults>> = if args.no_check {
        None
    } else {
        let clients = sided.reach().await?.clients();
        let all = Selection::default();
        let sources = Sources {
            settings: &sided.settings,
            state: None,
            outputs: Some(&outputs),
        };
        let checked = verify::check(&clients, sources, &wanted, &all, at).await;
        Some(checked.converted())
    };
    let draft = Draft::new(
        &wanted.name,
        wanted.region.as_str(),
        at,
        concat!("verify-staging ", env!("CARGO_PKG_VERSION")),
        origin::find(args, &folder, terraform.as_ref()).await,
        &outputs,
        checks.as_ref(),
        (salt, redaction),
    );
    Ok((draft, sided))
}

/// A capture is evidence of what is wrong, too: it is kept, and the program ends as `check` does.
fn exit(checks: Option<&CheckResults>) -> Exit {
    let found = |status| checks.is_some_and(|checks| checks.count(status) > 0);
    super::exit::of(
        [Status::Wrong, Status::Unknown]
            .into_iter()
            .filter(|status| found(*status)),
    )
}

/// What was kept.
#[derive(Debug, Serialize)]
struct Captured {
    file: String,
    sha256: String,
    number: u64,
    outputs: usize,
    hidden: Vec<(String, String)>,
    checks: Option<Counts>,
    unknown: Vec<String>,
    stored: Option<Stored>,
}

#[derive(Debug, Serialize)]
struct Counts {
    ok: usize,
    wrong: usize,
    unknown: usize,
    skipped: usize,
}

impl Captured {
    fn new(kept: &Kept, folder: &Folder) -> Self {
        let capture = &kept.capture;
        let hidden = capture
            .outputs
            .values()
            .flat_map(|output| &output.hidden)
            .map(|hidden| (hidden.at.clone(), hidden.why.clone()));
        Self {
            file: folder.path().join(&kept.link.file).display().to_string(),
            sha256: kept.link.sha256.clone(),
            number: capture.number,
            outputs: capture.outputs.len(),
            hidden: hidden.collect(),
            checks: capture.checks.as_ref().map(|checks| Counts {
                ok: checks.count(Status::Ok),
                wrong: checks.count(Status::Wrong),
                unknown: checks.count(Status::Unknown),
                skipped: checks.count(Status::Skipped),
            }),
            unknown: capture.origin.unknown.clone(),
            stored: None,
        }
    }
}

impl Report for Captured {
    const KIND: &'static str = "capture";

    fn document(&self) -> Document {
        let mut document = Document::new()
            .heading(format!("Capture {}: {}", self.number, self.file))
            .text(format!("SHA-256 {}", self.sha256));
        document = document.text(match &self.checks {
            Some(checks) => format!(
                "{} outputs; checks: {} ok, {} wrong, {} unknown, {} skipped",
                self.outputs, checks.ok, checks.wrong, checks.unknown, checks.skipped
            ),
            None => format!("{} outputs; AWS was not asked", self.outputs),
        });
        if let Some(stored) = &self.stored {
            let locked = match &stored.locked {
                Some(lock) => format!("locked until {} ({})", lock.until, lock.mode),
                None => "not locked: the bucket has no Object Lock".to_owned(),
            };
            document = document.text(format!("{}, read back; {locked}", stored.url));
        }
        for unknown in &self.unknown {
            document = document.text(format!("not known: {unknown}"));
        }
        let rows = self
            .hidden
            .iter()
            .map(|(at, why)| (Mark::Plain, vec![at.clone(), why.clone()]));
        document.table(["Hidden", "Why"], rows.collect())
    }
}
