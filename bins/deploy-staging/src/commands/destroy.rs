use cli::{Exit, Failure, GlobalArgs, OutputFormat};
use report::{Document, Mark, Report};
use serde::Serialize;
use terraform::{Approval, PlannedDeployment, ReviewedChange};
use tokio::sync::watch;

use super::apply::{ask_name, carry_out, not_approved};
use super::context::Context;
use super::plan::{self, Request, cost::Pricing};
use crate::args::destroy::DestroyArgs;
use crate::args::plan::LimitArgs;

pub(super) async fn run(
    global: &GlobalArgs,
    args: &DestroyArgs,
    stop: watch::Receiver<bool>,
) -> Result<Exit, Failure> {
    let context = Context::open(global, &args.root.folder, &args.runs).await?;
    let pricing = Pricing::new(&LimitArgs::default())?;
    let request = Request {
        root: &args.root,
        runs: &args.runs,
        destroys_all: true,
    };
    let made = plan::make(&context, request, &pricing, stop.clone()).await?;
    let protected = made.protected.clone();
    let planned = made.planned;
    let destruction = Destruction::new(&planned, protected);
    match (global.output, args.dry_run) {
        (OutputFormat::Json, false) => cli::tell(&destruction),
        _ => cli::print(global, &destruction)?,
    }
    if !destruction.protected.is_empty() {
        return Err(plan::protects(&destruction.protected));
    }
    if args.dry_run || planned.review.is_empty() {
        return Ok(Exit::Fine);
    }
    let mut approval = Approval {
        digest: Some(planned.digest.clone()),
        typed: args.confirm.clone(),
    };
    ask_name(global, &planned, &mut approval)?;
    let (deployment, _) = context.deployment(Some(&planned.id))?;
    let approved = deployment.approve(&approval).map_err(not_approved)?;
    carry_out(global, &context, args.runs.lock_timeout, approved, stop).await
}

/// What is destroyed, and what is not.
#[derive(Debug, Serialize)]
struct Destruction {
    deployment: String,
    environment: String,
    destroyed: Vec<String>,
    /// Keys: AWS deletes them after their waiting time, and what they encrypted cannot be read from then on.
    keys: Vec<String>,
    /// Buckets: AWS deletes them only when they are empty, unless the code empties them.
    buckets: Vec<String>,
    /// What the settings protect: nothing is destroyed while it is among the rest.
    protected: Vec<String>,
}

impl Destruction {
    fn new(planned: &PlannedDeployment, protected: Vec<String>) -> Self {
        let of = |kind: &str| {
            let changes = planned.review.destructive();
            let changes =
                changes.filter(|change: &&ReviewedChange| kind.is_empty() || change.kind == kind);
            changes
                .map(|change| change.address.clone())
                .collect::<Vec<_>>()
        };
        Self {
            deployment: planned.id.clone(),
            environment: planned.environment.clone(),
            destroyed: of(""),
            keys: of("aws_kms_key"),
            buckets: of("aws_s3_bucket"),
            protected,
        }
    }
}

impl Report for Destruction {
    const KIND: &'static str = "deployment-destruction";

    fn document(&self) -> Document {
        let mut document = Document::new().heading(format!(
            "Destroying {}: {}",
            self.environment,
            report::counted(self.destroyed.len(), "resource")
        ));
        let rows = self
            .destroyed
            .iter()
            .map(|address| (Mark::Wrong, vec![address.clone()]));
        document = document.table(["Destroyed"], rows.collect());
        for protected in &self.protected {
            document = document.fact(Mark::Wrong, "Protected by the settings", protected.as_str());
        }
        if !self.keys.is_empty() {
            document = document.text(format!(
                "Keys are kept for their waiting time, 7 to 30 days: `aws kms cancel-key-deletion` brings one back until \
                 then, and afterwards nobody reads what it encrypted: {}.",
                self.keys.join(", ")
            ));
        }
        if !self.buckets.is_empty() {
            document = document.text(format!(
                "Buckets go after what uses them, and only when they are empty, unless the code says force_destroy: {}.",
                self.buckets.join(", ")
            ));
        }
        document.text(
            "The state's buckets and lock tables are not part of it: `init-backend` keeps them.",
        )
    }
}
