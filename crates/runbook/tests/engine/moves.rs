//! Planned moves and losses of the primary region, there and back, by the steps of their real plans in their real order:
//! operators at once, deaths, faults, late replicas and a lost region that comes and goes, as a seed says. What the steps do to
//! the two regions is simulated; an application writes all the while, and counts what it was told to be safe.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Both, CallPermit, Options};
use dr::database::At;
use dr::objects::JournalKey;
use futures::future::join_all;
use jiff::SignedDuration;
use jiff::civil::date;
use runbook::{
    Check, Decisions, Declared, Digest, FailbackRequest, FailoverRequest, LeaseTimes, Mode,
    ObjectRuns, OpenRun, Plan, PlannedStep, RunId, RunState, RunStatus, StepContext, StepError,
    Steps, SwitchoverRequest, carry_on, plan_failback, plan_failover, plan_switchover,
};
use serde_json::{Value, json};
use settings::Settings;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::kills::auto;
use crate::schedules::{Seeded, Stoppable, not_over, seeds};
use crate::world::{Fate, Nobody, Process, Seat, Shared, Unseen, World};

const OPERATORS: u32 = 2;
const HOME: usize = 0;
const DR: usize = 1;
/// Of a run that was begun when another one had just ended.
const ALREADY: &str = "it is there already";
/// From one write of the application to the next.
const WRITE: Duration = Duration::from_millis(700);
/// From a write in the primary region until its replica arrives.
const REPLICATED: Duration = Duration::from_secs(5);

const SETTINGS: &str = r#"
project = "berthcare"
environment = "staging"
regions = { primary = "ca-central-1", dr = "ca-west-1" }
[state]
bucket = "state"
key = "staging/terraform.tfstate"
locking = ["s3"]
[state.dr]
bucket = "state-dr"
role = "replicate-state"
[[buckets]]
name = "photos"
dr = "photos-dr"
[[databases]]
id = "app"
dr_id = "app-dr"
[databases.restore]
multi_az = false
subnet_group = "dr"
parameter_group = "dr-postgres"
security_groups = ["sg-0f1e2d3c4b5a69788"]
[databases.failback.restore]
multi_az = false
subnet_group = "home"
parameter_group = "home-postgres"
security_groups = ["sg-0f1e2d3c4b5a69788"]
"#;

/// A database of one region.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Database {
    rows: BTreeSet<u64>,
    is_stopped: bool,
}

/// Both regions.
struct Regions {
    databases: [RefCell<Option<Database>>; 2],
    objects: [RefCell<BTreeSet<u64>>; 2],
    /// By run: the last snapshot, and its copy in the other region.
    snapshots: RefCell<BTreeMap<(RunId, &'static str), BTreeSet<u64>>>,
    is_fenced: Cell<bool>,
    /// The region that the mark names.
    marked: Cell<usize>,
    /// The region that traffic goes to; nowhere while writers stand still.
    writes_to: Cell<Option<usize>>,
    /// Whether the primary region answers.
    is_up: Cell<bool>,
    /// The run that has declared its loss.
    declared_by: RefCell<Option<RunId>>,
    /// Rows of the primary region that the DR region has a backup of.
    backed_up: RefCell<BTreeSet<u64>>,
    confirmed_rows: RefCell<BTreeSet<u64>>,
    confirmed_objects: RefCell<BTreeSet<u64>>,
    next: Cell<u64>,
    of: String,
}

impl Regions {
    fn new(of: String) -> Self {
        let home = Database {
            rows: BTreeSet::new(),
            is_stopped: false,
        };
        Self {
            databases: [RefCell::new(Some(home)), RefCell::new(None)],
            objects: Default::default(),
            snapshots: RefCell::default(),
            is_fenced: Cell::new(false),
            marked: Cell::new(HOME),
            writes_to: Cell::new(Some(HOME)),
            is_up: Cell::new(true),
            declared_by: RefCell::default(),
            backed_up: RefCell::default(),
            confirmed_rows: RefCell::default(),
            confirmed_objects: RefCell::default(),
            next: Cell::new(0),
            of,
        }
    }

    /// One row and one object, where somebody takes them.
    fn write(self: &Rc<Self>) {
        let Some(region) = self.writes_to.get() else {
            return;
        };
        // An application that is cut off and comes back writes where traffic is, until that is turned.
        let is_lost = self.declared_by.borrow().is_some();
        assert!(
            region == self.marked.get() || is_lost && region == HOME,
            "{}: two regions are written",
            self.of
        );
        if region == HOME && !self.is_up.get() {
            return;
        }
        let number = self.next.get();
        self.next.set(number + 1);
        if let Some(database) = &mut *self.databases[region].borrow_mut()
            && !database.is_stopped
        {
            database.rows.insert(number);
            self.confirmed_rows.borrow_mut().insert(number);
        }
        self.objects[region].borrow_mut().insert(number);
        self.confirmed_objects.borrow_mut().insert(number);
    }

    /// What the primary region delivers, unless it is kept out.
    fn deliver(&self, number: u64) {
        if !self.is_fenced.get() {
            let serves = self.writes_to.get() == Some(DR);
            assert!(!serves, "{}: delivered over what is written", self.of);
            self.objects[DR].borrow_mut().insert(number);
        }
        self.backed_up.borrow_mut().insert(number);
    }

    /// What is in the DR region from now on is all that there is; what had come over by `before` has to be among it.
    fn settle_loss(&self, (rows, objects): &(BTreeSet<u64>, BTreeSet<u64>)) {
        let there = self.databases[DR].borrow();
        let there = &there.as_ref().unwrap().rows;
        assert!(rows.is_subset(there), "{}: rows are lost", self.of);
        let kept = self.objects[DR].borrow();
        assert!(objects.is_subset(&kept), "{}: objects are lost", self.of);
        self.confirmed_rows.replace(there.clone());
        self.confirmed_objects.replace(kept.clone());
        self.declared_by.replace(None);
    }

    /// What was confirmed is where the mark says; checked whenever it is turned.
    fn check(&self) {
        let region = self.marked.get();
        let other = &self.databases[1 - region];
        let is_shut = other.borrow().as_ref().is_none_or(|other| other.is_stopped);
        assert!(is_shut, "{}: two databases can be written", self.of);
        let there = self.databases[region].borrow();
        let there = there.as_ref().map(|there| &there.rows);
        let rows = self.confirmed_rows.borrow();
        assert_eq!(there, Some(&*rows), "{}: rows are lost", self.of);
        let objects = self.objects[region].borrow();
        let lost = self.confirmed_objects.borrow();
        let lost: Vec<_> = lost.difference(&objects).collect();
        assert!(lost.is_empty(), "{}: objects are lost: {lost:?}", self.of);
    }
}

/// The steps of a move, on simulated regions.
struct Moves {
    regions: Rc<Regions>,
    process: Shared,
    permit: CallPermit,
}

impl Moves {
    /// Asks the regions for something: a request that may fail.
    async fn ask<T>(&self, act: impl FnOnce(&Regions) -> T) -> Result<T, StepError> {
        let regions = self.regions.clone();
        Ok(self.process.request(move || act(&regions)).await?)
    }

    /// Changes them, under the permit of the lease.
    async fn change(&self, act: impl FnOnce(&Regions)) -> Result<(), StepError> {
        let (regions, permit) = (self.regions.clone(), &self.permit);
        let changed = self.process.request_under(permit, move || act(&regions));
        Ok(changed.await?)
    }
}

/// From where to where.
fn way(plan: &Plan) -> (usize, usize) {
    match plan.mode {
        Mode::Failback => (DR, HOME),
        _ => (HOME, DR),
    }
}

impl Steps for Moves {
    async fn check(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Check, StepError> {
        let plan = context.state().plan;
        let (_, to) = way(&plan);
        let run = plan.run.clone();
        if step.id.kind() == "declare" {
            let run = run.clone();
            let is_other = move |of: &Regions| {
                of.marked.get() == to && of.declared_by.borrow().as_ref() != Some(&run)
            };
            if self.ask(is_other).await? {
                return Err(StepError::refused(ALREADY));
            }
        }
        if matches!(step.id.kind(), "regions" | "primary")
            && self.ask(move |of| of.marked.get() == to).await?
        {
            return Err(StepError::refused(ALREADY));
        }
        let done = match step.id.kind() {
            kind @ ("snapshot" | "copy") => {
                let kind = if kind == "copy" { "copy" } else { "snapshot" };
                let taken = move |of: &Regions| of.snapshots.borrow().contains_key(&(run, kind));
                self.ask(taken).await?
            }
            "restore" => {
                let there = move |of: &Regions| of.databases[to].borrow().is_some();
                self.ask(there).await?
            }
            _ => self.ask(|_| false).await?,
        };
        Ok(match done {
            true => Check::Done(Value::Null),
            false => Check::Todo {
                what: step.title.clone(),
                needs_approval: false,
            },
        })
    }

    async fn apply(&self, step: &PlannedStep, context: &StepContext<'_>) -> Result<(), StepError> {
        let plan = context.state().plan;
        let (from, to) = way(&plan);
        let run = plan.run.clone();
        match step.id.kind() {
            "declare" => {
                self.change(move |of| {
                    of.marked.set(to);
                    of.declared_by.replace(Some(run));
                })
                .await
            }
            "fence" if plan.mode == Mode::RegionLoss => {
                self.change(|of| of.is_fenced.set(true)).await
            }
            "restore" if plan.mode == Mode::RegionLoss => {
                self.change(|of| {
                    let rows = of.backed_up.borrow().clone();
                    let mut there = of.databases[DR].borrow_mut();
                    assert!(there.is_none(), "{}: restored twice", of.of);
                    *there = Some(Database {
                        rows,
                        is_stopped: false,
                    });
                })
                .await
            }
            "traffic" if plan.mode == Mode::RegionLoss => {
                self.change(|of| {
                    let is_there = of.databases[DR].borrow().is_some();
                    assert!(is_there && of.is_fenced.get(), "{}: too early", of.of);
                    of.writes_to.set(Some(DR));
                })
                .await
            }
            "objects" | "last-objects" => {
                self.change(move |of| {
                    let source = of.objects[from].borrow().clone();
                    of.objects[to].borrow_mut().extend(source);
                })
                .await
            }
            // Whoever agrees has stopped the application.
            "drain" => self.change(|of| of.writes_to.set(None)).await,
            "snapshot" => {
                self.change(move |of| {
                    let rows = of.databases[from].borrow().as_ref().unwrap().rows.clone();
                    let mut snapshots = of.snapshots.borrow_mut();
                    assert!(snapshots.insert((run, "snapshot"), rows).is_none());
                })
                .await
            }
            "copy" => {
                self.change(move |of| {
                    let mut snapshots = of.snapshots.borrow_mut();
                    let rows = snapshots[&(run.clone(), "snapshot")].clone();
                    assert!(snapshots.insert((run, "copy"), rows).is_none());
                })
                .await
            }
            "retire" => {
                self.change(|of| *of.databases[HOME].borrow_mut() = None)
                    .await
            }
            "restore" => {
                self.change(move |of| {
                    let rows = of.snapshots.borrow()[&(run, "copy")].clone();
                    let mut there = of.databases[to].borrow_mut();
                    assert!(there.is_none(), "{}: restored twice", of.of);
                    *there = Some(Database {
                        rows,
                        is_stopped: false,
                    });
                })
                .await
            }
            "cut-over" => self.cut_over(from, to).await,
            // In a switchover traffic is a step of its own.
            "traffic" => self.change(move |of| of.writes_to.set(Some(to))).await,
            "retire-dr" => {
                self.change(|of| *of.databases[DR].borrow_mut() = None)
                    .await
            }
            _ => self.change(|_| {}).await,
        }
    }

    async fn verify(
        &self,
        step: &PlannedStep,
        context: &StepContext<'_>,
    ) -> Result<Value, StepError> {
        let plan = context.state().plan;
        let (from, to) = way(&plan);
        match step.id.kind() {
            "last-objects" => {
                let is_equal = move |of: &Regions| {
                    of.objects[from]
                        .borrow()
                        .is_subset(&of.objects[to].borrow())
                };
                match self.ask(is_equal).await? {
                    true => Ok(Value::Null),
                    false => Err(StepError::wrong("something was written since")),
                }
            }
            _ => self.ask(|_| json!(null)).await,
        }
    }
}

impl Moves {
    async fn cut_over(&self, from: usize, to: usize) -> Result<(), StepError> {
        if self.ask(move |of| of.marked.get() == to).await? {
            // Of an attempt before: the application may be writing by now.
        } else {
            self.change(move |of| {
                of.databases[from].borrow_mut().as_mut().unwrap().is_stopped = true;
            })
            .await?;
            self.change(move |of| of.is_fenced.set(to == DR)).await?;
            self.change(move |of| {
                of.marked.set(to);
                of.check();
            })
            .await?;
        }
        match to {
            HOME => self.change(|of| of.writes_to.set(Some(HOME))).await,
            _ => Ok(()),
        }
    }
}

/// The plans of both ways, by steps and order as they really are. Nothing answers what they ask: what cannot be known is in
/// the inputs, which these steps do not look at.
struct Plans {
    settings: Settings,
    both: Both,
    folder: tempfile::TempDir,
}

impl Plans {
    async fn new() -> Self {
        let env = AwsEnv::load(Options {
            endpoint_url: Some("http://127.0.0.1:1".to_owned()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            ..Options::default()
        });
        let settings = Settings::parse(SETTINGS, date(2026, 11, 30)).unwrap();
        let regions = settings.regions;
        Self {
            both: env.await.unwrap().both(regions.primary, regions.dr),
            settings,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn declared() -> Declared {
        Declared {
            lost: Vec::new(),
            evidence: Vec::new(),
            declaration: None,
            declared: "2026-11-30T03:15:00Z".parse().unwrap(),
            exercise: false,
        }
    }

    async fn over(&self, host: &Seat) -> Plan {
        let request = SwitchoverRequest {
            settings: &self.settings,
            settings_digest: Digest::of(b"settings"),
            account: None,
            declared: Self::declared(),
            not_ready: Vec::new(),
            despite_residency: None,
            versions: BTreeMap::new(),
        };
        Box::pin(plan_switchover(request, &self.both, host)).await
    }

    async fn lost(&self, host: &Seat) -> Plan {
        let request = FailoverRequest {
            settings: &self.settings,
            settings_digest: Digest::of(b"settings"),
            account: None,
            declared: Self::declared(),
            despite_residency: None,
            fault: None,
            at: At::Latest,
            versions: BTreeMap::new(),
        };
        Box::pin(plan_failover(request, &self.both.dr_only(), host)).await
    }

    async fn back(&self, host: &Seat, failover: &RunState) -> Plan {
        let objects = ObjectRuns {
            folder: self.folder.path().to_owned(),
            key: JournalKey::new([7; 32]),
            concurrency: 1,
        };
        let request = FailbackRequest {
            settings: &self.settings,
            settings_digest: Digest::of(b"settings"),
            account: None,
            declared: Self::declared(),
            failover,
            objects: &objects,
            decisions: &Decisions::default(),
            versions: BTreeMap::new(),
        };
        Box::pin(plan_failback(request, &self.both, host)).await
    }
}

/// A plan as another run has it.
fn renamed(plan: &Plan, host: &Seat) -> Plan {
    Plan {
        run: RunId::new(host),
        ..plan.clone()
    }
}

/// Carries the move until it ends, or its process dies. A run that is not over is gone on with, else one is begun.
async fn carry(
    process: &Shared,
    regions: &Rc<Regions>,
    plan: &Plan,
) -> Option<Result<RunState, String>> {
    let work = async {
        let seat = Seat(process.clone());
        let (times, own) = (LeaseTimes::default(), seat.clone());
        let open = match not_over(&process.world).await {
            Some(run) => OpenRun::resume(seat.clone(), None, own, times, &run).await,
            None => {
                let plan = renamed(plan, &seat);
                OpenRun::begin(seat.clone(), None, own, times, plan).await
            }
        };
        let open = open.map_err(|error| error.to_string())?;
        let steps = Moves {
            regions: regions.clone(),
            process: process.clone(),
            permit: open.lease().permit(),
        };
        let (_stop, stopped) = watch::channel(false);
        let ended = carry_on(&open, &steps, &Nobody, &auto(), &Unseen, stopped).await;
        ended.map_err(|error| error.to_string())
    };
    tokio::select! {
        biased;
        () = process.death.notified() => None,
        ended = work => Some(ended),
    }
}

async fn operator(world: Rc<World>, regions: Rc<Regions>, plan: Plan, (number, seed): (u32, u64)) {
    let mut seeded = Seeded(seed.wrapping_add(u64::from(number).wrapping_mul(0x9E37_79B9)));
    sleep(Duration::from_millis(seeded.below(60_000))).await;
    for turn in 0..2_u32 {
        // Whoever comes when it is over begins no second one.
        if way(&plan).1 == regions.marked.get() && not_over(&world).await.is_none() {
            return;
        }
        let pid = number * 10 + turn;
        let (death, fails, lost) = (seeded.below(300), seeded.below(40), seeded.below(40));
        let skew = SignedDuration::from_secs(seeded.below(1200) as i64 - 600);
        let process = Process::new(&world, pid, seed ^ u64::from(pid)).with_skew(skew);
        let process = Rc::new(process.with_fate(move |number| {
            if number == death {
                Fate::DeathBefore
            } else if number == death + 1 {
                Fate::DeathAfter
            } else if number % 41 == fails {
                Fate::Fails
            } else if number % 43 == lost {
                Fate::AnswerLost
            } else {
                Fate::Arrives
            }
        }));
        let work = async {
            carry(&process, &regions, &plan).await;
        };
        let before = Duration::from_millis(seeded.below(30_000));
        let asleep = Duration::from_millis(seeded.below(300_000));
        let stops = seeded.below(3) == 0;
        let stop = stops.then_some((before, asleep));
        Stoppable::new(work).run(stop).await;
        sleep(Duration::from_millis(seeded.below(90_000))).await;
    }
}

/// One move by operators at once; whatever they leave, an undisturbed process ends it.
async fn play(world: &Rc<World>, regions: &Rc<Regions>, plan: &Plan, seed: u64) {
    let operators = (1..=OPERATORS).map(|number| {
        let seed = (number, seed);
        operator(world.clone(), regions.clone(), plan.clone(), seed)
    });
    join_all(operators).await;
    let (_, to) = way(plan);
    let of = &regions.of;
    while regions.marked.get() != to || not_over(world).await.is_some() {
        let last = Rc::new(Process::new(world, 98, 98 + seed));
        let ended = carry(&last, regions, plan).await.unwrap();
        let ended = ended.map_err(|error| format!("{of}: {error}")).unwrap();
        if ended.status == RunStatus::Finished {
            continue;
        }
        // A second one that was begun when the first had just ended: whoever began it gives it up.
        let failed = format!("{:?}", ended.steps);
        assert!(failed.contains(ALREADY), "{of}: {failed}");
        let seat = Seat(last);
        let times = LeaseTimes::default();
        let run = &ended.plan.run;
        let open = OpenRun::resume(seat.clone(), None, seat, times, run).await;
        open.unwrap().abandon("Kim", "it was there").await.unwrap();
    }
    assert_eq!(regions.writes_to.get(), Some(to), "{of}");
}

/// The primary region is lost while it is written, and comes and goes from then on until the DR region serves.
async fn lose(world: &Rc<World>, regions: &Rc<Regions>, plan: &Plan, seed: u64) {
    let mut seeded = Seeded(seed ^ 0x5DEE_CE66);
    sleep(Duration::from_secs(20 + seeded.below(20))).await;
    regions.is_up.set(false);
    let (rows, objects) = (&regions.backed_up, &regions.objects[DR]);
    let came_over = (rows.borrow().clone(), objects.borrow().clone());
    assert!(came_over.0.len() > 10, "{}", regions.of);
    let flaps = async {
        loop {
            sleep(Duration::from_millis(seeded.below(60_000))).await;
            regions.is_up.set(!regions.is_up.get());
        }
    };
    tokio::select! {
        never = flaps => never,
        () = play(world, regions, plan, seed) => {}
    }
    regions.settle_loss(&came_over);
    regions.is_up.set(true);
}

async fn schedule(seed: u64, plans: &(Plan, Plan)) {
    let regions = Rc::new(Regions::new(format!("seed {seed}")));
    let writer = async {
        loop {
            sleep(WRITE).await;
            let number = regions.next.get();
            regions.write();
            if regions.writes_to.get() == Some(HOME) && regions.next.get() > number {
                let regions = regions.clone();
                tokio::task::spawn_local(async move {
                    sleep(REPLICATED).await;
                    while !regions.is_up.get() {
                        sleep(WRITE).await;
                    }
                    regions.deliver(number);
                });
            }
        }
    };
    let moves = async {
        let (over, back) = plans;
        let world = Rc::new(World::default());
        match over.mode {
            Mode::RegionLoss => lose(&world, &regions, over, seed).await,
            _ => play(&world, &regions, over, seed).await,
        }
        sleep(Duration::from_secs(60)).await;
        play(&world, &regions, back, seed.wrapping_mul(31)).await;
        sleep(Duration::from_secs(60)).await;
        assert!(regions.databases[DR].borrow().is_none(), "{}", regions.of);
        regions.check();
        assert!(regions.confirmed_rows.borrow().len() > 10, "{}", regions.of);
    };
    tokio::select! {
        never = writer => never,
        () = moves => {}
    }
}

/// There by `over`, and back. What the failback looks for in the records of the failover is not there, and it says so.
async fn seeded_schedules(over: impl AsyncFnOnce(&Plans, &Seat) -> Plan) {
    let plans = Plans::new().await;
    let host = Seat(Rc::new(Process::new(&Rc::new(World::default()), 1, 1)));
    let over = over(&plans, &host).await;
    let failover = state_of(&over).await;
    let back = plans.back(&host, &failover).await;
    let plans = (over, back);
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            for seed in seeds(50) {
                schedule(seed, &plans).await;
            }
        })
        .await;
}

/// `RUNBOOK_SEEDS=1000` runs that many, `RUNBOOK_SEED` one again.
#[tokio::test(start_paused = true)]
async fn moves_by_operators_at_once_lose_nothing_and_never_write_in_two_regions() {
    seeded_schedules(Plans::over).await;
}

#[tokio::test(start_paused = true)]
async fn losses_of_a_region_that_comes_and_goes_lose_nothing_that_had_come_over() {
    seeded_schedules(Plans::lost).await;
}

/// A run of which nothing was done but its plan.
async fn state_of(plan: &Plan) -> RunState {
    let world = Rc::new(World::default());
    let seat = Seat(Rc::new(Process::new(&world, 3, 3)));
    let times = LeaseTimes::default();
    let open = OpenRun::begin(seat.clone(), None, seat.clone(), times, plan.clone()).await;
    open.unwrap().state()
}
