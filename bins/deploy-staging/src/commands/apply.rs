mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use cost::Verdict;
use jiff::Timestamp;
use report::{Document, Mark, Report, ShellCommand};
use serde::Serialize;
use serde_json::Value;
use terraform::{
    ApplyContext, ApplyError, Approval, ApprovalError, ApprovedDeployment, ChangeCounts,
    Deployment, PlannedDeployment, Standing, StateVersion,
};
use tokio::sync::watch::Receiver;

use self::watch::Watch;
use super::context::{Context, shown, stopped};
use super::failure;
use super::plan::{self, cost::Pricing};
use super::status::{Happened, with_folder};
use crate::args::apply::ApplyArgs;

pub(super) async fn run(
    global: &GlobalArgs,
    args: &ApplyArgs,
    stop: Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global, &args.folder, &args.runs).await?;
    let (deployment, planned) = context.deployment(args.deployment.as_deref())?;
    if args.if_changed && planned.review.is_empty() && !planned.destroys_all {
        cli::print(global, &Applied::nothing(&context, planned))?;
        return Ok(Exit::Fine);
    }
    no_other(&context, &planned)?;
    let pricing = Pricing::new(&args.limit)?;
    let mut approval = Approval {
        digest: args.digest.clone(),
        typed: args.confirm.clone(),
    };
    // Everything but the name, before anything of the plan is believed.
    refuse_unless_named(deployment.clone().approve(&approval))?;
    within_limits(&context, &deployment, &pricing).await?;
    ask(global, args, &planned, &mut approval)?;
    let approved = deployment.approve(&approval).map_err(not_approved)?;
    carry_out(global, &context, args.runs.lock_timeout, approved, stop).await
}

/// Applies, and says what there is afterwards.
pub(super) async fn carry_out(
    global: &GlobalArgs,
    context: &Context,
    wait_for_lock: Duration,
    approved: ApprovedDeployment,
    stop: Receiver<bool>,
) -> Result<Exit, Failure> {
    let planned = approved.planned().clone();
    let deployment = approved.deployment().clone();
    let watch = Watch::new(context, &planned)?;
    let with = ApplyContext {
        terraform: &context.terraform,
        machine: &context.machine,
        by: &cli::operator(),
        wait_for_lock,
        now: &cli::now,
    };
    let applied = approved
        .apply(with, stopped(stop), |event| watch.event(event))
        .await;
    match applied {
        Ok(finished) => {
            discard_older(context, &planned)?;
            let applied = Applied::look(context, planned, finished.changes).await;
            cli::print(global, &applied)?;
            Ok(applied.exit())
        }
        Err(ApplyError::Terraform(error)) => {
            let failed = context.failed("apply", error);
            let happened = Happened::look(context, &deployment, planned).await?;
            // Of two JSON documents only the error would be printed.
            match global.output {
                OutputFormat::Table => cli::print(global, &happened)?,
                OutputFormat::Json => cli::tell(&happened),
            }
            Err(failed.hint("`deploy-staging resume` puts in order what is left, and plans anew"))
        }
        Err(error @ ApplyError::Begun { .. }) => {
            Err(Failure::new(Exit::Refused, error)
                .hint("`deploy-staging status` shows where it is"))
        }
        Err(ApplyError::Record(error)) => Err(failure::record(error)),
    }
}

/// Plans that were made before this one was applied are refused from now on; what they hold of variables goes.
fn discard_older(context: &Context, applied: &PlannedDeployment) -> Result<(), Failure> {
    for (deployment, planned) in context.deployments()? {
        if planned.id != applied.id
            && planned.workspace == applied.workspace
            && let Err(error) = deployment.discard_plan()
        {
            cli::note(&format!("an older plan is still there: {error}"));
        }
    }
    Ok(())
}

/// Refuses beside another apply, and on top of what one has left.
fn no_other(context: &Context, planned: &PlannedDeployment) -> Result<(), Failure> {
    if context.root.join(terraform::ERRORED_STATE).exists() {
        let error = anyhow!("a state that an earlier apply could not write is not pushed");
        return Err(Failure::new(Exit::Refused, error)
            .hint("`deploy-staging resume` looks at it and pushes it"));
    }
    for (other, of) in context.deployments()? {
        let state = other.state(&context.machine).map_err(failure::record)?;
        if of.id != planned.id && state.standing == Standing::Applying {
            let error = anyhow!("{} is being applied by this machine", of.id);
            return Err(Failure::new(Exit::Refused, error)
                .hint("`deploy-staging status` shows where it is"));
        }
        // What was applied since has changed what the plan was made from.
        let later = state.intent.filter(|intent| intent.at > planned.at);
        if let Some(later) =
            later.filter(|_| of.id != planned.id && of.workspace == planned.workspace)
        {
            let error = anyhow!(
                "{} was planned at {}, and {} was applied after that, at {}",
                planned.id,
                planned.at,
                of.id,
                later.at
            );
            return Err(Failure::new(Exit::Refused, error)
                .hint("`deploy-staging plan` makes one from what is there now"));
        }
    }
    Ok(())
}

/// That a name was not typed yet is asked for later.
fn refuse_unless_named(approved: Result<ApprovedDeployment, ApprovalError>) -> Result<(), Failure> {
    match approved {
        Ok(_) | Err(ApprovalError::NotConfirmed { .. }) => Ok(()),
        Err(error) => Err(not_approved(error)),
    }
}

pub(super) fn not_approved(error: ApprovalError) -> Failure {
    let hint = match &error {
        ApprovalError::Record(_) => {
            return Failure::new(Exit::Unchecked, error)
                .hint("`deploy-staging plan` makes a plan that is whole");
        }
        ApprovalError::PlanChanged { .. } => {
            "somebody has written the plan file: `deploy-staging plan` makes another".to_owned()
        }
        ApprovalError::OtherPlan { .. } => {
            "`deploy-staging plan` shows the digest of each plan; what was reviewed is applied, and nothing else"
                .to_owned()
        }
        ApprovalError::AppliedBefore { .. } => {
            "`deploy-staging status` shows what became of it, `deploy-staging plan` makes another plan"
                .to_owned()
        }
        ApprovalError::NotConfirmed { environment, .. } | ApprovalError::OtherName { environment, .. } => {
            let confirm = ShellCommand::new("--confirm").word(environment);
            format!("nothing was changed; `{confirm}` agrees to what is destroyed")
        }
    };
    Failure::new(Exit::Refused, error).hint(hint)
}

/// Prices the plan again: nobody has to have looked at it before.
async fn within_limits(
    context: &Context,
    deployment: &Deployment,
    pricing: &Pricing,
) -> Result<(), Failure> {
    let json = context
        .terraform
        .show_json(Some(&deployment.plan_path()))
        .await;
    let json = json.map_err(|error| context.failed("read the plan", error))?;
    let protected = plan::protected(&plan::parsed(&json)?, &context.settings);
    if !protected.is_empty() {
        return Err(plan::protects(&protected));
    }
    let priced = match pricing.price(&json, &context.settings) {
        Ok(priced) => priced,
        Err(error) if pricing.limit.is_some() => {
            return Err(Failure::new(Exit::Unchecked, error).hint(
                "nothing was changed: without a price nobody knows whether the limit is kept",
            ));
        }
        Err(error) => {
            cli::note(&format!("the plan has no price: {error}"));
            return Ok(());
        }
    };
    let today = cli::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let abroad = plan::abroad(&priced, &context.settings.residency, today);
    if let Some(first) = abroad.first() {
        let error = anyhow!("{first}, where data may not lie");
        return Err(Failure::new(Exit::Refused, error)
            .hint("data residency is a decision: an exception is written down under [residency]"));
    }
    let Some(increase) = priced.increase else {
        return Ok(());
    };
    match increase.verdict {
        Verdict::Within => Ok(()),
        Verdict::Over => {
            let error = anyhow!(
                "a month would get dearer by {}, and the limit is {}",
                increase.usd,
                increase.limit
            );
            Err(Failure::new(Exit::Refused, error)
                .hint("nothing was changed; `deploy-staging plan` shows which lines it is"))
        }
        Verdict::Unknown => {
            let error =
                anyhow!("something in the plan has no price, so that the increase is not known");
            Err(Failure::new(Exit::Unchecked, error).hint(
                "nothing was changed; `verify-staging cost estimate` names what has no price",
            ))
        }
    }
}

/// Asks for the environment's name where something is destroyed, else for yes or no.
fn ask(
    global: &GlobalArgs,
    args: &ApplyArgs,
    planned: &PlannedDeployment,
    approval: &mut Approval,
) -> Result<(), Failure> {
    let name = planned.environment.as_str();
    if planned.is_destructive() {
        if approval.typed.is_none() {
            // `--yes` is a habit, and no answer to this.
            let asking = GlobalArgs {
                yes: false,
                ..global.clone()
            };
            let destroyed = planned.review.destructive();
            let destroyed: Vec<&str> = destroyed.map(|change| change.address.as_str()).collect();
            let question = format!("{} will be destroyed.", destroyed.join(", "));
            let confirm = ShellCommand::new("--confirm").word(name);
            cli::confirm_name(&asking, &question, name).map_err(|_| {
                let error = anyhow!("{question} The name {name} was not typed");
                Failure::new(Exit::Refused, error).hint(format!(
                    "nothing was changed; `{confirm}` agrees to what is destroyed"
                ))
            })?;
            approval.typed = Some(name.to_owned());
        }
        return Ok(());
    }
    if args.auto_approve {
        return Ok(());
    }
    let question = format!(
        "Apply {} to {name}, as {} has it?",
        planned.review.summary(),
        planned.id
    );
    cli::confirm(global, &question)
}

/// Asks for the environment's name, unless it was given: `--yes` is a habit, and no answer to this.
pub(super) fn ask_name(
    global: &GlobalArgs,
    planned: &PlannedDeployment,
    approval: &mut Approval,
) -> Result<(), Failure> {
    if approval.typed.is_some() {
        return Ok(());
    }
    let name = planned.environment.as_str();
    let asking = GlobalArgs {
        yes: false,
        ..global.clone()
    };
    let destroyed = planned.review.destructive();
    let destroyed: Vec<&str> = destroyed.map(|change| change.address.as_str()).collect();
    let question = format!("{} will be destroyed.", destroyed.join(", "));
    let confirm = ShellCommand::new("--confirm").word(name);
    cli::confirm_name(&asking, &question, name).map_err(|failure| match failure.exit() {
        Exit::Interrupted => failure,
        _ => {
            let error = anyhow!("{question} The name {name} was not typed");
            Failure::new(Exit::Refused, error).hint(format!(
                "nothing was changed; `{confirm}` agrees to what is destroyed"
            ))
        }
    })?;
    approval.typed = Some(name.to_owned());
    Ok(())
}

/// What there is after an apply.
#[derive(Debug, Serialize)]
struct Applied {
    deployment: String,
    environment: String,
    changed: bool,
    changes: Option<ChangeCounts>,
    serial_before: Option<u64>,
    serial_after: Option<u64>,
    resources: Option<usize>,
    /// By name; null where terraform hides the value.
    outputs: BTreeMap<String, Value>,
    at: Timestamp,
    /// What could not be read back.
    unknown: Vec<String>,
    next: Vec<String>,
}

impl Applied {
    fn nothing(context: &Context, planned: PlannedDeployment) -> Self {
        let serial = planned.state.map(|state| state.serial);
        Self {
            deployment: planned.id,
            environment: planned.environment,
            changed: false,
            changes: None,
            serial_before: serial,
            serial_after: serial,
            resources: None,
            outputs: BTreeMap::new(),
            at: cli::now(),
            unknown: Vec::new(),
            next: vec![next(context)],
        }
    }

    async fn look(
        context: &Context,
        planned: PlannedDeployment,
        changes: Option<ChangeCounts>,
    ) -> Self {
        let mut unknown = Vec::new();
        let mut applied = Self {
            changed: true,
            changes,
            ..Self::nothing(context, planned)
        };
        match context.terraform.state_pull().await {
            Ok(state) => {
                let version = state.as_deref().and_then(StateVersion::of);
                applied.serial_after = version.map(|version| version.serial);
            }
            Err(error) => unknown.push(format!("the state: {error}")),
        }
        match context.terraform.state_list().await {
            Ok(list) => applied.resources = Some(list.len()),
            // After everything was destroyed there may be none.
            Err(_) if applied.serial_after.is_some() => {}
            Err(error) => unknown.push(format!("resources: {error}")),
        }
        match context.terraform.output().await {
            Ok(outputs) => {
                let shown = outputs.0.into_iter().map(|(name, output)| {
                    let value = match output.sensitive {
                        true => Value::Null,
                        false => output.value,
                    };
                    (name, value)
                });
                applied.outputs = shown.collect();
            }
            Err(error) => unknown.push(format!("outputs: {error}")),
        }
        applied.unknown = unknown;
        applied
    }

    fn exit(&self) -> Exit {
        match self.unknown.is_empty() {
            true => Exit::Fine,
            false => Exit::Unchecked,
        }
    }
}

fn next(context: &Context) -> String {
    with_folder(
        ShellCommand::new("deploy-staging next"),
        &shown(&context.root),
    )
    .into()
}

impl Report for Applied {
    const KIND: &'static str = "deployment-applied";

    fn document(&self) -> Document {
        let mut document = Document::new();
        let serial =
            |serial: Option<u64>| serial.map_or("none".to_owned(), |serial| serial.to_string());
        document = match (self.changed, self.changes) {
            (false, _) => document.heading(format!("{}: nothing to change", self.environment)),
            (true, Some(counts)) => document.heading(format!(
                "{} applied: {} added, {} changed, {} destroyed",
                self.environment, counts.add, counts.change, counts.remove
            )),
            (true, None) => document.heading(format!("{} applied", self.environment)),
        };
        document = document
            .fact(Mark::Plain, "Deployment", self.deployment.as_str())
            .fact(
                Mark::Plain,
                "Serial of the state",
                format!(
                    "{} before, {} now",
                    serial(self.serial_before),
                    serial(self.serial_after)
                ),
            );
        if let Some(resources) = self.resources {
            document = document.fact(
                Mark::Plain,
                "In the state",
                report::counted(resources, "resource"),
            );
        }
        for unknown in &self.unknown {
            document = document.fact(Mark::Unknown, "Not known", unknown.as_str());
        }
        let rows = self.outputs.iter().map(|(name, value)| {
            let value = match value {
                Value::Null => "hidden".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            (Mark::Plain, vec![name.clone(), value])
        });
        document = document.table(["Output", "Value"], rows.collect());
        for command in &self.next {
            document = document.text(format!("next: `{command}`"));
        }
        document
    }
}
