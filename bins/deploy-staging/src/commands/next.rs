//! The guide's steps after an apply: what is done, what is open, and the command of each.

mod steps;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cli::{Exit, Failure, GlobalArgs, Progress, Secrecy};
use evidence::{Folder, Outputs};
use jiff::Timestamp;
use report::finding::{Status, Unobserved};
use report::{Document, Report};
use serde::{Deserialize, Serialize};
use terraform::StateVersion;
use verify::{EnvironmentClients, Pattern, Selection, Sources, Wanted};

use self::steps::{Capture, Observed, Step};
use super::context::{Context, shown};
use super::failure;
use crate::args::next::NextArgs;

/// Checks of which steps speak.
const CHECKS: [&str; 4] = [
    "sns-subscribed",
    "dashboard-exists",
    "account-guardduty",
    "account-config",
];
/// An environment file is never longer, in bytes.
const MOST_ENVIRONMENT: u64 = 1 << 20;
/// What was marked by hand.
const MARKS: &str = "next.json";

/// Who has said that a step is done, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MarkedDone {
    pub(super) by: String,
    pub(super) at: Timestamp,
}

pub(super) type Marks = BTreeMap<String, MarkedDone>;

/// The steps after an apply.
#[derive(Debug, Serialize)]
struct Next {
    environment: String,
    at: Timestamp,
    steps: Vec<Step>,
}

pub(super) async fn run(global: &GlobalArgs, args: &NextArgs) -> Result<Exit, Failure> {
    let context = Context::open(global, &args.folder, &args.runs).await?;
    let marks = marked(&context.runs.join(MARKS), args)?;
    let outputs = context.terraform.output().await;
    let outputs = outputs.map_err(|error| context.failed("read the outputs", error))?;
    let state = context.terraform.state_pull().await;
    let state = state.map_err(|error| context.failed("read the state", error))?;
    let state = state.as_deref().and_then(StateVersion::of);
    let steps = match (state, outputs.0.is_empty()) {
        (Some(state), false) => {
            let outputs = Outputs::new(outputs);
            let outputs = outputs.map_err(|error| Failure::new(Exit::Unchecked, error))?;
            let observed = Observed {
                settings: &context.settings,
                folder: shown(&context.root),
                checks: Box::pin(checks(&context, &outputs)).await,
                environment_file: environment_file(&args.env_file),
                environment_path: args.env_file.display().to_string(),
                capture: capture(&args.evidence),
                evidence: args.evidence.display().to_string(),
                outputs: &outputs,
                state,
                marks,
            };
            steps::steps(&observed)
        }
        _ => steps::before_apply(&shown(&context.root)),
    };
    let next = Next {
        environment: context.settings.name(),
        at: cli::now(),
        steps,
    };
    cli::print(global, &next)?;
    let exit = |step: &Step| match step.status {
        Status::Ok | Status::Skipped => Exit::Fine,
        Status::Wrong => Exit::Wrong,
        Status::Unknown => Exit::Unchecked,
    };
    Ok(next.steps.iter().map(exit).collect())
}

/// What was marked as done, with what is now.
fn marked(path: &Path, args: &NextArgs) -> Result<Marks, Failure> {
    let unreadable = |error: anyhow::Error| Failure::new(Exit::Unchecked, error);
    let mut marks: Marks = match path.exists() {
        false => Marks::new(),
        true => {
            let text = cli::read_text(path, MOST_ENVIRONMENT).map_err(unreadable)?;
            serde_json::from_str(&text).map_err(|error| unreadable(error.into()))?
        }
    };
    if let (Some(step), Some(by)) = (args.done, &args.by) {
        let at = cli::now();
        marks.insert(
            steps::id(step).to_owned(),
            MarkedDone { by: by.clone(), at },
        );
        let folder = path.parent().map(PathBuf::from).unwrap_or_default();
        let made = files::create_secret_folder(&folder);
        made.map_err(|error| failure::record(error.into()))?;
        let text = serde_json::to_vec_pretty(&marks);
        let text = text.map_err(|error| unreadable(error.into()))?;
        cli::write_file(path, &text, Secrecy::Secret)?;
    }
    Ok(marks)
}

/// What AWS answers to those checks, the worst of each.
async fn checks(context: &Context, outputs: &Outputs) -> BTreeMap<&'static str, (Status, String)> {
    let both = context.both();
    let clients = EnvironmentClients::new(&both.primary, &both.global);
    let only: Vec<Pattern> = CHECKS.iter().filter_map(|id| id.parse().ok()).collect();
    let selection = Selection {
        only,
        skip: Vec::new(),
    };
    let wanted = Wanted::new(&context.settings);
    let progress = Progress::on_terminal();
    let checked = verify::check_observed(
        &clients,
        Sources {
            settings: &context.settings,
            state: None,
            outputs: Some(outputs),
        },
        &wanted,
        &selection,
        cli::now(),
        &progress,
    )
    .await;
    let mut found: BTreeMap<&'static str, (Status, String)> = BTreeMap::new();
    for answer in &checked.answers {
        let told = [answer.aws.clone(), answer.reason.clone()];
        let told: Vec<String> = told.into_iter().flatten().collect();
        let told = (answer.status, told.join(": "));
        let worse = |known: &(Status, String)| {
            known.0 == Status::Wrong || (known.0 == Status::Unknown && told.0 != Status::Wrong)
        };
        match found.get(answer.check.id) {
            Some(known) if worse(known) => {}
            _ => drop(found.insert(answer.check.id, told)),
        }
    }
    found
}

/// The text of the file; `None` where there is none.
fn environment_file(path: &Path) -> Result<Option<String>, Unobserved> {
    if !path.exists() {
        return Ok(None);
    }
    cli::read_text(path, MOST_ENVIRONMENT)
        .map(Some)
        .map_err(|error| Unobserved::because(error.to_string()))
}

/// The newest capture; `None` where there is none.
fn capture(folder: &Path) -> Result<Option<Capture>, Unobserved> {
    if !folder.exists() {
        return Ok(None);
    }
    match Folder::new(folder).newest() {
        Ok(kept) => Ok(Some(Capture {
            file: kept.link.file,
            serial: kept.capture.origin.state.map(|state| state.serial),
        })),
        Err(evidence::EvidenceError::Empty { .. }) => Ok(None),
        Err(error) => Err(Unobserved::because(error.to_string())),
    }
}

impl Report for Next {
    const KIND: &'static str = "deployment-next";

    fn document(&self) -> Document {
        let count = |status| {
            self.steps
                .iter()
                .filter(|step| step.status == status)
                .count()
        };
        let rows = self.steps.iter().map(|step| {
            let cells = vec![
                step.word().to_owned(),
                step.title.to_owned(),
                step.seen.clone(),
                step.commands.join("; "),
            ];
            (step.status.mark(), cells)
        });
        Document::new()
            .heading(format!(
                "{}: {} done, {} open, {} not known",
                self.environment,
                count(Status::Ok),
                count(Status::Wrong),
                count(Status::Unknown)
            ))
            .table(["", "Step", "Seen", "Command"], rows.collect())
            .text(
                "What nothing here can see is marked by hand: `deploy-staging next --done migrations --by NAME`.",
            )
    }
}
