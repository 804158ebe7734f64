//! What the runs of these tests work on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use aws_env::{Call, CallPermit, Error};
use jiff::{SignedDuration, Timestamp};
use runbook::{
    Answer, Approver, Check, Created, Declared, Digest, ETag, Gate, Goals, Holder, Host,
    LeaseTimes, Mode, Plan, PlannedStep, ResidencyNotes, RunId, RunState, StepContext, StepError,
    StepId, Steps, Store, StoreError, Stored, Watch,
};
use serde_json::{Value, json};
use settings::{Objectives, Region};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

/// Milliseconds before a request is sent, and before its answer is there.
const LONGEST_PAUSE: u64 = 2000;

/// How a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    /// It is refused, and nothing happens.
    Fails,
    /// It is acted upon, and its answer is lost.
    AnswerLost,
    /// The process dies before it is sent.
    DeathBefore,
    /// The process dies after it was acted upon.
    DeathAfter,
}

/// An effect on AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) epoch: u64,
    pub(crate) thing: String,
}

/// Everything outside of the processes.
#[derive(Default)]
pub(crate) struct World {
    objects: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    writes: Cell<u64>,
    /// What was made on AWS, in order.
    pub(crate) effects: RefCell<Vec<Effect>>,
    /// What may be found of it.
    things: RefCell<BTreeMap<String, u64>>,
}

/// What happens to the requests of one process.
pub(crate) struct Process {
    pub(crate) world: Rc<World>,
    holder: Holder,
    seed: Cell<u64>,
    pub(crate) requests: Cell<u64>,
    fate: Box<dyn Fn(u64) -> Fate>,
    pub(crate) death: Rc<Notify>,
    began: Instant,
    /// By how much its clock is wrong.
    skew: SignedDuration,
    pub(crate) is_dead: Cell<bool>,
    /// Of all processes: who is dead, as machines know of their own processes.
    dead: Option<Rc<RefCell<Vec<u32>>>>,
}

pub(crate) type Shared = Rc<Process>;

impl Process {
    pub(crate) fn new(world: &Rc<World>, pid: u32, seed: u64) -> Self {
        Self {
            world: world.clone(),
            holder: Holder {
                operator: format!("jo{pid}@laptop"),
                machine: format!("machine-{pid}"),
                pid,
                started_ticks: Some(7),
            },
            seed: Cell::new(seed | 1),
            requests: Cell::new(0),
            fate: Box::new(|_| Fate::Arrives),
            death: Rc::default(),
            began: Instant::now(),
            skew: SignedDuration::ZERO,
            is_dead: Cell::new(false),
            dead: None,
        }
    }

    pub(crate) fn with_fate(mut self, fate: impl Fn(u64) -> Fate + 'static) -> Self {
        self.fate = Box::new(fate);
        self
    }

    pub(crate) fn with_skew(mut self, skew: SignedDuration) -> Self {
        self.skew = skew;
        self
    }

    /// All on one machine, which knows which of its processes are dead.
    pub(crate) fn on_one_machine(mut self, dead: &Rc<RefCell<Vec<u32>>>) -> Self {
        self.holder.machine = "machine".to_owned();
        self.dead = Some(dead.clone());
        self
    }

    pub(crate) fn die(&self) {
        self.is_dead.set(true);
        if let Some(dead) = &self.dead {
            dead.borrow_mut().push(self.holder.pid);
        }
        self.death.notify_one();
    }

    /// One request: what it does happens or not, and its answer comes or not. The process can be stopped before it is
    /// sent, and while it waits for the answer.
    pub(crate) async fn request<T>(&self, act: impl FnOnce() -> T) -> Result<T, Error> {
        let permit = CallPermit::default();
        permit.extend(Instant::now() + Duration::from_secs(1 << 30));
        self.request_under(&permit, act).await
    }

    /// One request that is sent only if `permit` holds at that moment, as the HTTP client has it.
    pub(crate) async fn request_under<T>(
        &self,
        permit: &CallPermit,
        act: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let number = self.requests.get();
        self.requests.set(number + 1);
        self.pause().await;
        if !permit.holds() {
            return Err(lost());
        }
        let answer = self.arrive(number, act).await;
        self.pause().await;
        answer
    }

    async fn pause(&self) {
        let millis = Seat::next(&self.seed) % LONGEST_PAUSE;
        sleep(Duration::from_millis(millis)).await;
    }

    async fn arrive<T>(&self, number: u64, act: impl FnOnce() -> T) -> Result<T, Error> {
        match (self.fate)(number) {
            Fate::Arrives => Ok(act()),
            Fate::Fails => Err(lost()),
            Fate::AnswerLost => {
                act();
                Err(lost())
            }
            Fate::DeathBefore => {
                self.die();
                pending().await
            }
            Fate::DeathAfter => {
                act();
                self.die();
                pending().await
            }
        }
    }
}

fn lost() -> Error {
    let call = Call {
        region: "ca-west-1".parse().unwrap(),
        service: "S3",
        operation: "PutObject",
        resource: "simulated".to_owned(),
    };
    Error::unexpected(call, "no answer")
}

/// The process as host and store of its run.
#[derive(Clone)]
pub(crate) struct Seat(pub(crate) Shared);

impl Seat {
    /// Marsaglia's xorshift.
    fn next(state: &Cell<u64>) -> u64 {
        let mut seed = state.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        state.set(seed);
        seed
    }
}

impl Host for Seat {
    fn now(&self) -> Timestamp {
        let begin: Timestamp = "2026-11-30T03:15:00Z".parse().unwrap();
        let since = SignedDuration::try_from(self.0.began.elapsed()).unwrap();
        begin + since + self.0.skew
    }

    fn random(&self) -> u64 {
        Self::next(&self.0.seed)
    }

    fn holder(&self) -> &Holder {
        &self.0.holder
    }

    fn is_alive(&self, holder: &Holder) -> Option<bool> {
        let dead = self.0.dead.as_ref()?;
        (holder.machine == self.0.holder.machine).then(|| !dead.borrow().contains(&holder.pid))
    }

    fn calls(&self) -> BTreeMap<Region, u64> {
        [("ca-west-1".parse().unwrap(), self.0.requests.get())].into()
    }
}

impl Store for Seat {
    async fn create(&self, key: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        let world = self.0.world.clone();
        let act = move || {
            let mut objects = world.objects.borrow_mut();
            if objects.contains_key(key) {
                return Created::Taken;
            }
            world.writes.set(world.writes.get() + 1);
            objects.insert(key.to_owned(), (bytes.to_vec(), world.writes.get()));
            Created::Written(ETag(world.writes.get().to_string()))
        };
        Ok(self.0.request(act).await?)
    }

    async fn replace(
        &self,
        key: &str,
        bytes: &[u8],
        seen: &ETag,
    ) -> Result<Option<ETag>, StoreError> {
        let world = self.0.world.clone();
        let act = move || {
            let mut objects = world.objects.borrow_mut();
            let there = objects.get_mut(key)?;
            if there.1.to_string() != seen.0 {
                return None;
            }
            world.writes.set(world.writes.get() + 1);
            *there = (bytes.to_vec(), world.writes.get());
            Some(ETag(there.1.to_string()))
        };
        Ok(self.0.request(act).await?)
    }

    async fn read(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        let world = self.0.world.clone();
        let act = move || {
            let objects = world.objects.borrow();
            let (bytes, version) = objects.get(key)?;
            Some(Stored {
                bytes: bytes.clone(),
                etag: ETag(version.to_string()),
                is_replica: false,
            })
        };
        Ok(self.0.request(act).await?)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let world = self.0.world.clone();
        let act = move || {
            let objects = world.objects.borrow();
            let keys = objects.keys().filter(|key| key.starts_with(prefix));
            keys.cloned().collect()
        };
        Ok(self.0.request(act).await?)
    }

    fn place(&self, key: &str) -> String {
        format!("simulated://{key}")
    }
}

/// The steps of the tests: each makes a thing on AWS that can be found by its name, and made twice by whoever does not
/// look.
pub(crate) struct Makes {
    pub(crate) process: Shared,
    pub(crate) permit: CallPermit,
}

impl Makes {
    async fn find(&self, thing: &str) -> Result<Option<u64>, StepError> {
        let world = self.process.world.clone();
        let found = move || world.things.borrow().get(thing).copied();
        Ok(self.process.request(found).await?)
    }
}

impl Steps for Makes {
    async fn check(&self, step: &PlannedStep, _: &StepContext<'_>) -> Result<Check, StepError> {
        if step.id.kind() == "none" {
            return Ok(Check::NotApplicable("there is none".to_owned()));
        }
        Ok(match self.find(&step.id.0).await? {
            Some(number) => Check::Done(json!({"number": number})),
            None => Check::Todo {
                what: format!("make {}", step.id),
                needs_approval: false,
            },
        })
    }

    async fn apply(&self, step: &PlannedStep, context: &StepContext<'_>) -> Result<(), StepError> {
        context.note(json!({"about to make": step.id.0})).await?;
        let world = self.process.world.clone();
        let epoch = context.epoch();
        let thing = step.id.0.clone();
        let make = move || {
            let mut effects = world.effects.borrow_mut();
            effects.push(Effect {
                epoch,
                thing: thing.clone(),
            });
            world
                .things
                .borrow_mut()
                .insert(thing, effects.len() as u64);
        };
        Ok(self.process.request_under(&self.permit, make).await?)
    }

    async fn verify(&self, step: &PlannedStep, _: &StepContext<'_>) -> Result<Value, StepError> {
        match self.find(&step.id.0).await? {
            Some(number) => Ok(json!({"number": number})),
            None => Err(StepError::wrong(format!("{} is not there", step.id))),
        }
    }
}

/// Nobody is there to be asked.
pub(crate) struct Nobody;

impl Approver for Nobody {
    async fn ask(&self, _: &Gate) -> Answer {
        Answer::Nobody
    }
}

pub(crate) struct Unseen;

impl Watch for Unseen {
    fn recorded(&self, _: &RunState) {}
}

pub(crate) const TIMES: fn() -> LeaseTimes = LeaseTimes::default;

pub(crate) fn plan(host: &impl Host) -> Plan {
    let step = |id: &str, after: &[&str]| PlannedStep {
        id: StepId::new(id),
        title: format!("make {id}"),
        after: after.iter().copied().map(StepId::new).collect(),
        gate: None,
        inputs: Value::Null,
    };
    let now = host.now();
    Plan {
        run: RunId::new(host),
        mode: Mode::RegionLoss,
        environment: "berthcare-staging".to_owned(),
        drill: None,
        undoes: None,
        account: None,
        primary: "ca-central-1".parse().unwrap(),
        dr: "ca-west-1".parse().unwrap(),
        declared: Declared {
            lost: vec!["ca-central-1".parse().unwrap()],
            evidence: Vec::new(),
            declaration: None,
            declared: now,
            exercise: false,
        },
        residency: ResidencyNotes::default(),
        fault: None,
        planned: now,
        operator: host.holder().operator.clone(),
        settings: Digest::of(b"settings"),
        versions: BTreeMap::new(),
        objectives: Goals::from(Objectives::default()),
        steps: vec![
            step("declare", &[]),
            step("fence", &["declare"]),
            step("restore/app", &["declare"]),
            step("restore/reports", &["declare"]),
            step("none", &[]),
            step("state", &["fence"]),
            step(
                "terraform",
                &["state", "restore/app", "restore/reports", "none"],
            ),
            step("report", &["terraform"]),
        ],
    }
}

/// Everything that the plan makes, whose order does not matter.
pub(crate) fn made(world: &World) -> Vec<String> {
    let mut things: Vec<String> = world.things.borrow().keys().cloned().collect();
    things.sort();
    things
}

pub(crate) const ALL: [&str; 7] = [
    "declare",
    "fence",
    "report",
    "restore/app",
    "restore/reports",
    "state",
    "terraform",
];

/// Nothing was made twice, and nobody made anything after somebody had taken over.
pub(crate) fn check_effects(world: &World, of: &str) {
    let effects = world.effects.borrow();
    let mut things: Vec<&str> = effects.iter().map(|effect| effect.thing.as_str()).collect();
    things.sort_unstable();
    let count = things.len();
    things.dedup();
    assert_eq!(things.len(), count, "{of}: made twice: {effects:?}");
    assert!(
        effects.is_sorted_by_key(|effect| effect.epoch),
        "{of}: an old epoch acted after a new one: {effects:?}"
    );
}
