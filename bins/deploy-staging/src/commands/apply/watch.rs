//! What is seen of an apply: each resource, since when it is made, and how long that usually takes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use cli::{Failure, Progress};
use report::{Observer as _, Outcome};
use terraform::{Action, Event, PlannedDeployment, ResourceStanding};

use super::super::context::Context;
use super::super::failure;

/// What takes minutes, and how many by the staging guide.
const SLOW: [(&str, &str); 3] = [
    ("aws_db_instance", "10 to 12 minutes"),
    ("aws_elasticache_replication_group", "5 to 7 minutes"),
    ("aws_cloudfront_distribution", "5 to 10 minutes"),
];

pub(super) struct Watch {
    progress: Progress,
    /// Types of what is changed, by address.
    kinds: BTreeMap<String, String>,
    /// How long each took the last time.
    earlier: BTreeMap<String, u64>,
    /// What is shown of each that is under way.
    labels: RefCell<BTreeMap<String, String>>,
}

impl Watch {
    pub(super) fn new(context: &Context, planned: &PlannedDeployment) -> Result<Self, Failure> {
        let mut earlier = BTreeMap::new();
        // The newest first: the first that is found counts.
        for (deployment, _) in context.deployments()? {
            let state = deployment
                .state(&context.machine)
                .map_err(failure::record)?;
            for of in state.resources {
                if let (ResourceStanding::Done, Some(seconds)) = (of.standing, of.seconds) {
                    earlier.entry(of.address).or_insert(seconds);
                }
            }
        }
        let changes = planned.review.changes.iter();
        Ok(Self {
            progress: Progress::new(),
            kinds: changes
                .map(|change| (change.address.clone(), change.kind.clone()))
                .collect(),
            earlier,
            labels: RefCell::default(),
        })
    }

    /// How long it may take, where that is worth a word.
    fn usual(&self, address: &str) -> Option<String> {
        let kind = self.kinds.get(address)?;
        let (_, guide) = SLOW.iter().find(|(slow, _)| kind == slow)?;
        Some(match self.earlier.get(address) {
            Some(seconds) => format!(
                "{} the last time",
                report::duration(Duration::from_secs(*seconds))
            ),
            None => format!("usually {guide}"),
        })
    }

    pub(super) fn event(&self, event: &Event) {
        match event {
            Event::Started { address, action } => {
                let label = match action {
                    // A replacement is two: which of them takes its time is worth a word.
                    Action::Delete => format!("{address} (delete)"),
                    _ => address.clone(),
                };
                self.progress.started(&label);
                if let Some(usual) = self.usual(address) {
                    cli::note(&format!("{label} takes its time: {usual}"));
                }
                self.labels.borrow_mut().insert(address.clone(), label);
            }
            Event::Waiting { address, elapsed } => {
                let so_far = report::duration(*elapsed);
                let told = match self.usual(address) {
                    Some(usual) => format!("{so_far}, {usual}"),
                    None => so_far,
                };
                if let Some(label) = self.labels.borrow().get(address) {
                    self.progress.waiting(label, &told);
                }
            }
            Event::Completed {
                address, elapsed, ..
            } => self.ended(address, Outcome::Done, *elapsed),
            Event::Errored {
                address, elapsed, ..
            } => self.ended(address, Outcome::Failed, *elapsed),
            _ => {}
        }
    }

    fn ended(&self, address: &str, outcome: Outcome, elapsed: Duration) {
        let label = self.labels.borrow_mut().remove(address);
        let label = label.unwrap_or_else(|| address.to_owned());
        self.progress.finished(&label, outcome, elapsed);
    }
}
