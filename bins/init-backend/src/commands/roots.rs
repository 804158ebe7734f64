//! Root modules whose backend is turned with the states.

use std::path::{Path, PathBuf};

use cli::{Exit, Failure, GlobalArgs, Interrupts, OutputFormat, Progress};
use report::{Document, Report, ShellCommand};
use serde::Serialize;
use settings::Settings;
use state_backend::{
    ApprovedRoot, Handover, LockHolder, NotReady, RootError, RootPlan, RootPlans, SideName,
    TurnError, TurnedRoot, TurnedRoots,
};
use terraform::{Environment, RootModule, Terraform};

use crate::args::RootArgs;

/// What becomes of a probe's lock that is left, if nobody does anything.
const NEXT: &str = "the same command again removes";

/// The roots of a command, with the terraform that they are turned with: none where there are no roots.
pub(super) struct Roots {
    plans: RootPlans,
    terraform: Option<Terraform>,
}

/// A result, and what becomes of the roots beside it: none where no folder was named.
#[derive(Serialize)]
struct WithRoots<'a, R, T> {
    #[serde(flatten)]
    result: &'a R,
    roots: &'a T,
    /// What helps against problems that a command of this program takes away.
    hints: Vec<String>,
}

impl<R: Report, T: Report> Report for WithRoots<'_, R, T> {
    const KIND: &'static str = R::KIND;

    fn document(&self) -> Document {
        let document = self.result.document();
        let hints = self.hints.iter().cloned();
        let document = hints.fold(document, Document::text);
        document.append(self.roots.document())
    }
}

/// The folders as they were first named: a folder may be given twice, or through a link to it.
fn without_repetitions(folders: &[PathBuf]) -> Vec<&Path> {
    let mut known: Vec<(PathBuf, &Path)> = Vec::new();
    for folder in folders {
        // Of a folder that is not there, its name is told later.
        let place = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        match known.iter().find(|(other, _)| *other == place) {
            Some((_, first)) => cli::note(&format!(
                "{} is the folder {}, which is turned once",
                folder.display(),
                first.display()
            )),
            None => known.push((place, folder)),
        }
    }
    known.into_iter().map(|(_, folder)| folder).collect()
}

impl Roots {
    /// Reads the folders, and finds terraform, before anything is changed.
    pub(super) async fn plan(
        args: &RootArgs,
        settings: &Settings,
        endpoints: &aws_env::Endpoints,
        side: SideName,
    ) -> Result<Self, Failure> {
        let Some(first) = args.dir.first() else {
            return Ok(Self {
                plans: RootPlans(Vec::new()),
                terraform: None,
            });
        };
        let environment = Environment::new(std::env::vars_os());
        let folders = without_repetitions(&args.dir);
        let roots = folders.into_iter().map(|folder| {
            RootModule::read(folder, &environment).map_err(|source| {
                let folder = folder.to_owned();
                not_turned(RootError::Code { folder, source })
            })
        });
        let roots = roots.collect::<Result<Vec<_>, _>>()?;
        let plans = RootPlan::all(settings, endpoints, side, &roots, &environment);
        let plans = plans.map_err(not_turned)?;
        let terraform = Terraform::find(first, environment).await;
        let terraform = terraform.map_err(|error| no_terraform(error, first))?;
        Ok(Self {
            plans: RootPlans(plans),
            terraform: Some(terraform),
        })
    }

    /// These roots beside a failover or failback that is planned.
    pub(super) fn beside_plan(self, handover: &Handover) -> Self {
        let plans = self.plans.beside(handover);
        Self { plans, ..self }
    }

    /// Shows a plan with these roots, and asks whether it may be carried out. What the command ends with where there is
    /// nothing to carry out, or nothing is to be.
    pub(super) fn agree<R: Report>(
        &self,
        global: &GlobalArgs,
        dry_run: bool,
        plan: (&R, &Handover),
        side: SideName,
        from_now_on: &str,
    ) -> Result<Option<Exit>, Failure> {
        let (plan, handover) = plan;
        let planned = handover.planned();
        let shown = self.beside(plan, super::hints(handover, side));
        if dry_run || planned + self.len() == 0 {
            cli::print(global, &shown)?;
            return Ok(Some(super::exit_of(handover).worst(self.exit())));
        }
        match global.output {
            OutputFormat::Table => cli::print(global, &shown)?,
            OutputFormat::Json => cli::tell(&shown),
        }
        // Where all of it stays there is nothing to agree to.
        if planned + self.planned() > 0 {
            let (region, roots) = (handover.to, self.question());
            cli::confirm(
                global,
                &format!(
                    "Terraform will work in {region} {from_now_on}. {}{roots}?",
                    match planned {
                        0 => "Change no state".to_owned(),
                        1 => "Make this state ready".to_owned(),
                        more => format!("Make these {more} states ready"),
                    }
                ),
            )?;
        }
        Ok(None)
    }

    /// How many are named.
    fn len(&self) -> usize {
        self.plans.0.len()
    }

    /// How many are to be turned: the others stay, each with the reason.
    fn planned(&self) -> usize {
        let plans = self.plans.0.iter();
        plans.filter(|plan| plan.stays.is_none()).count()
    }

    /// What a plan with these roots ends with.
    fn exit(&self) -> Exit {
        let stay = self.plans.0.iter().filter_map(|plan| plan.stays.as_ref());
        stay.map(exit_of_state).collect()
    }

    /// What a question about the states has to say of the roots.
    fn question(&self) -> String {
        match self.planned() {
            0 => String::new(),
            1 => ", and turn this root to that region".to_owned(),
            more => format!(", and turn these {more} roots to that region"),
        }
    }

    fn beside<'a, R: Report>(
        &'a self,
        result: &'a R,
        hints: Vec<String>,
    ) -> WithRoots<'a, R, RootPlans> {
        WithRoots {
            result,
            roots: &self.plans,
            hints,
        }
    }

    /// These roots, of which none is turned: the run was interrupted before.
    pub(super) fn interrupted(self, handover: &Handover) -> TurnedRoots {
        let plans = self.plans.0.into_iter();
        let stay = plans.map(|plan| match plan.approve_after(handover, true) {
            Ok(root) => root.interrupted(),
            Err(stays) => *stays,
        });
        TurnedRoots(stay.collect())
    }

    /// Turns them, one after the other, if their states are ready; one that fails does not stop the next. Whoever agreed to the plan has agreed to
    /// the files that it replaces.
    pub(super) async fn turn(
        self,
        handover: &Handover,
        interrupts: &Interrupts,
        progress: &Progress,
        turn: impl AsyncFn(&ApprovedRoot, &Terraform, &LockHolder, &Progress) -> TurnedRoot,
    ) -> TurnedRoots {
        let mut turned = Vec::new();
        let Some(terraform) = self.terraform else {
            return TurnedRoots(turned);
        };
        let holder = super::lock_holder();
        let held = holder.held.clone();
        interrupts.leave(move || super::locks_left(&held, NEXT));
        for plan in self.plans.0 {
            turned.push(match plan.approve_after(handover, true) {
                Ok(root) => turn(&root, &terraform, &holder, progress).await,
                Err(stays) => *stays,
            });
        }
        TurnedRoots(turned)
    }
}

/// Prints what was done, and says what the command ends with.
pub(super) fn print_done<R: Report>(
    global: &GlobalArgs,
    (result, handover): (&R, &Handover),
    side: SideName,
    roots: &TurnedRoots,
) -> Result<Exit, Failure> {
    let hints = super::hints(handover, side);
    let printed = WithRoots {
        result,
        roots,
        hints,
    };
    cli::print(global, &printed)?;
    Ok(super::exit_of(handover).worst(exit_of(roots)))
}

/// What a command ends with after its roots.
fn exit_of(roots: &TurnedRoots) -> Exit {
    let failed = roots.0.iter().filter_map(|root| root.failed.as_ref());
    failed
        .map(|failed| match &failed.error {
            TurnError::Locked { .. } | TurnError::Terraform(terraform::Error::Locked { .. }) => {
                Exit::Refused
            }
            TurnError::NotReady { why, .. } => exit_of_state(why),
            TurnError::Interrupted => Exit::Interrupted,
            TurnError::Unknown(_) | TurnError::Call(_) | TurnError::Release(_) => Exit::Unchecked,
            _ => Exit::Wrong,
        })
        .collect()
}

/// A root stays for the same reason as its state, and ends the program alike.
fn exit_of_state(why: &NotReady) -> Exit {
    match why {
        NotReady::Unknown { .. } => Exit::Unchecked,
        NotReady::Left { left } => super::exit_of_left(left),
        _ => Exit::Wrong,
    }
}

fn not_turned(error: RootError) -> Failure {
    let hint = match &error {
        RootError::NoBackend { .. } => {
            "a root whose states are to be in the bucket has `terraform { backend \"s3\" {} }`"
        }
        RootError::NoKey { .. } => {
            "write `key` into the backend block, or run `terraform init` with the root's own configuration once"
        }
        RootError::Fixed { .. } => {
            "take it out of the code, and give it with -backend-config where it is needed"
        }
        RootError::Variable { .. } => {
            "unset it: AWS_ENDPOINT_URL_S3 and the like lead all programs alike"
        }
        RootError::NotAState { source, .. } => super::repair::not_a_state(source),
        RootError::OtherBucket { .. } => {
            "the root belongs to other settings: name their infra.toml with --config"
        }
        _ => "leave the folder out, and turn it by hand: `init-backend render dr --help`",
    };
    Failure::new(
        Exit::Usage,
        anyhow::Error::new(error).context("failed to turn a root"),
    )
    .hint(hint)
}

fn no_terraform(error: terraform::Error, folder: &Path) -> Failure {
    let terraform = ShellCommand::new("terraform").words("version");
    let context = format!("failed to ask terraform in {}", folder.display());
    Failure::new(Exit::Usage, anyhow::Error::new(error).context(context)).hint(format!(
        "terraform {} or later has to be on the PATH (`{terraform}`); without --dir it is not needed",
        Terraform::OLDEST
    ))
}
