//! The mark that says that the environment is failed over: what deletes or copies on its own looks at it first.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Region, Regions};

use super::RegionLoss;
use crate::run::read_run;
use crate::store::overwrite;
use crate::{Check, Host, RunId, StepContext, StepError, Store};

/// The mark's key, beside the folder of the runs.
pub const MARKER: &str = "failed-over.json";

/// What the mark says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// Whether the environment is in its DR region. The mark stays after a failback, and says no.
    pub failed_over: bool,
    /// The run that wrote it.
    pub run: RunId,
    /// The epoch of the run at that moment: what acts for an older one is out of date.
    pub epoch: u64,
    /// Where the environment was.
    pub primary: Region,
    /// Where it is, if it is failed over.
    pub dr: Region,
    /// When that was declared.
    pub declared: Timestamp,
}

impl Marker {
    /// The mark that an object under [`MARKER`] is.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Why settings with these regions are not those of this environment any more; `None` where they are. It may have been
    /// committed to its DR region since they were written.
    pub fn contradicts(&self, regions: Regions) -> Option<String> {
        if (self.primary, self.dr) == (regions.primary, regions.dr) {
            return None;
        }
        Some(format!(
            "since run {} the primary region is {} and the DR region {}, and the settings have {} and {}",
            self.run, self.primary, self.dr, regions.primary, regions.dr
        ))
    }

    /// The region that serves.
    pub fn serves(&self) -> Region {
        match self.failed_over {
            true => self.dr,
            false => self.primary,
        }
    }

    /// The mark of the environment whose records `store` has; `None` where it was never failed over.
    ///
    /// # Errors
    /// When it cannot be read: then nobody knows.
    pub async fn read(store: &impl Store) -> Result<Option<Self>, StepError> {
        let stored = store.read(MARKER).await.map_err(StepError::unchecked)?;
        let marker = stored.map(|stored| Self::parse(&stored.bytes));
        marker.transpose().map_err(|error| {
            StepError::wrong(format!("{} is not a mark: {error}", store.place(MARKER)))
        })
    }
}

pub(super) async fn check<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let run = context.state().plan.run;
    let mut instead = String::new();
    let marker = Marker::read(&of.store).await?;
    if let Some(marker) = &marker
        && marker.failed_over
        && marker.run != run
        && is_given_up(of, marker).await?
    {
        instead = format!(", in the place of run {}, which was given up", marker.run);
    }
    match marker {
        Some(marker) if marker.failed_over && marker.run == run => Ok(Check::Done(json!(marker))),
        Some(marker) if marker.failed_over && instead.is_empty() => {
            Err(StepError::refused(format!(
                "the environment is failed over to {} already, by run {}",
                marker.dr, marker.run
            ))
            .hint("what is lost now is that region; a failover leads from the primary region"))
        }
        Some(marker) if marker.contradicts(of.settings.regions).is_some() => {
            Err(outdated(&marker, of.settings.regions))
        }
        _ => Ok(Check::Todo {
            what: format!(
                "mark {} as failed over to {}{instead}",
                context.state().plan.environment,
                of.dr.region().region()
            ),
            needs_approval: false,
        }),
    }
}

/// Whether the failover that wrote the mark was given up: what it did not come to another one does.
async fn is_given_up<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    marker: &Marker,
) -> Result<bool, StepError> {
    let (run, _) = read_run(&of.store, &marker.run)
        .await
        .map_err(StepError::unchecked)?;
    Ok(run.can_be_followed())
}

/// Settings of before a commit.
pub(super) fn outdated(marker: &Marker, regions: Regions) -> StepError {
    let why = marker.contradicts(regions).unwrap_or_default();
    StepError::refused(why).hint("give this run up with `dr-runbook runs abandon`")
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    write(of, context, true).await
}

/// The mark says that the environment is in its primary region again.
pub(super) async fn turn_back<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    write(of, context, false).await
}

async fn write<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
    failed_over: bool,
) -> Result<(), StepError> {
    let plan = context.state().plan;
    let marker = Marker {
        failed_over,
        run: plan.run,
        epoch: context.epoch(),
        primary: plan.primary,
        dr: plan.dr,
        declared: plan.declared.declared,
    };
    // Two texts and two numbers are always written.
    let bytes = serde_json::to_vec_pretty(&marker).map_err(StepError::wrong)?;
    // Whose mark lies there after a lost answer, verifying tells.
    let written = overwrite(&of.store, MARKER, &bytes).await;
    written.map(|_| ()).map_err(StepError::unchecked)
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    match check(of, context).await? {
        Check::Done(marker) => Ok(marker),
        _ => Err(StepError::wrong(format!(
            "{} was written and is not there",
            of.store.place(MARKER)
        ))),
    }
}
