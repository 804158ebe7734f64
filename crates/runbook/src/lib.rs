//! What a person does when a region is gone, as a run that survives its own death.
//!
//! A [`Plan`] is fixed before the run and is the first record of its [`Journal`]. Each [`PlannedStep`] is checked,
//! applied and verified by whoever knows how ([`Steps`]); an intent is recorded before every effect and an outcome after
//! it. Records lie in numbered slots that are written once: who finds a slot taken by another is fenced
//! ([`JournalError::Fenced`]). A [`Lease`] tells a second operator who runs. Another machine goes on from the records
//! alone.
//!
//! Nothing here reads the environment, and time, random bits and processes come from a [`Host`].

mod approval;
mod commit;
mod consistency;
mod drill_record;
mod engine;
mod export;
mod facts;
mod failback;
mod failover;
mod host;
mod isolated;
mod journal;
mod lease;
mod ledger;
mod loss;
mod officers;
mod plan;
mod planned;
mod preflight;
mod record;
mod run;
mod state;
mod status;
mod steps;
mod store;
mod switchover;
mod view;

pub use approval::{Answer, Approver, Gate, Policy};
pub use commit::{CommitInputs, CommitRequest, carry_records, difference, plan_commit};
pub use consistency::{
    Consistency, DatabaseConsistency, Looked, ObjectsOfRows, RowsAndObjects, SchemaFound,
    SequenceAdvanced, SequenceLeft, SequencesAdvanced,
};
pub use drill_record::{DrillRecord, FoundDrill, GivenUp, MadeIn, Practised, Purpose, read_drills};
pub use engine::{
    Check, EngineError, RunOptions, StepContext, StepError, StepErrorKind, Steps, Watch, carry_on,
};
pub use export::Export;
pub use facts::{HourlyCost, OutsideCountry, Returned, RunFacts, returned};
pub use failback::{
    BucketSurvey, DatabaseSurvey, Decisions, DecisionsError, FailbackRequest, StateSurvey, Survey,
    keep_decisions, leftovers, not_known, plan_failback, read_decisions,
};
pub use failover::{FailoverRequest, plan_failover};
pub use host::{Holder, Host};
pub use isolated::{
    DRILL, DrillCost, DrillId, DrillIdError, DrillThing, Isolated, IsolatedError, Leftover,
    Leftovers, find_drills,
};
pub use journal::{Journal, JournalError, JournalSeal, read_records};
pub use lease::{Lease, LeaseError, LeaseState, LeaseTimes, SeenLease};
pub use ledger::{
    Achieved, AlarmRequest, AlarmsError, Day, LedgerError, LedgerSummary, LookRequest, Measure,
    Measured, Overdue, Sample, Series, SeriesDays, WindowAchieved, Worst, append_to_file,
    bring_to_store, keep_alarms, measure, publish, read_ledger, read_ledger_file,
};
pub use loss::{Declaration, Declared, Evidence, Loss, LossWindow, Round, Unhealthy, Verdict};
pub use officers::{
    Abandonment, BucketAccount, DatabaseAccount, Decision, FoundLater, OfficersReport, PutBack,
    RecordCheck, RecordsAccount, Unavailability, read_officers_report,
};
pub use plan::{Goals, Mode, Plan, PlannedStep, ResidencyNotes, RunId, RunIdError, StepId};
pub use planned::TurnedSettings;
pub use preflight::{
    Area, Item, KeptPreflight, Preflight, PreflightRequest, Reach, kept_preflights, last_preflight,
    preflight,
};
pub use record::{Digest, Event, Outcome, Record};
pub use run::{OpenError, OpenRun, approve_step, list_runs, read_lease, read_run};
pub use state::{GivenApproval, RunState, RunStatus, StepState, StepStatus};
pub use status::{PreflightSummary, RunSummary, RunbookStatus, SlowerStep};
pub use steps::{
    Clocks, Commit, DataKind, DatabaseLoss, EnvironmentRoot, HookPlace, KindLoss, MARKER, Marker,
    ObjectRuns, PlannedMove, RegionLoss, RunReport,
};
pub use store::{Created, ETag, FolderStore, S3Store, Store, StoreError, Stored};
pub use switchover::{SwitchoverRequest, UndoRequest, not_possible, plan_switchover, plan_undo};
pub use view::{RunAndLease, RunEntry, RunList, resume_command, waiting};
