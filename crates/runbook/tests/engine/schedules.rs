//! Operators that begin, resume, are stopped, wake up and die, as a seed says.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{LocalBoxFuture, join_all};
use jiff::SignedDuration;
use runbook::{RunId, RunStatus, read_lease, read_run};
use tokio::time::sleep;

use crate::kills::carry;
use crate::world::{ALL, Fate, Process, Seat, World, check_effects, made};

const SEEDS: u64 = 1000;
const OPERATORS: u32 = 3;

pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // Multiplicative congruence with Knuth's constants; the high bits are good.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A process that can be stopped (SIGSTOP): nothing of it runs until it is woken up.
pub(crate) struct Stoppable<'a> {
    inner: LocalBoxFuture<'a, ()>,
    stopped: Rc<Cell<bool>>,
}

impl<'a> Stoppable<'a> {
    pub(crate) fn new(work: impl Future<Output = ()> + 'a) -> Self {
        Self {
            inner: work.boxed_local(),
            stopped: Rc::default(),
        }
    }

    /// Runs to its end; where `stop` says so it is stopped after the first time, and sleeps for the second. Whether it ended
    /// before.
    pub(crate) async fn run(mut self, stop: Option<(Duration, Duration)>) -> bool {
        let stopped = self.stopped.clone();
        if let Some((before, asleep)) = stop {
            tokio::select! {
                biased;
                () = &mut self => return true,
                () = sleep(before) => {}
            }
            stopped.set(true);
            sleep(asleep).await;
            stopped.set(false);
        }
        self.await;
        false
    }
}

impl Future for Stoppable<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.stopped.get() {
            return Poll::Pending;
        }
        self.inner.poll_unpin(context)
    }
}

/// The run that has to be carried on, if there is one.
pub(crate) async fn not_over(world: &Rc<World>) -> Option<RunId> {
    let reader = Seat(Rc::new(Process::new(world, 99, 99)));
    let run = read_lease(&reader).await.unwrap()?.run;
    let (state, _) = read_run(&reader, &run).await.ok()?;
    (!state.status.is_over()).then_some(run)
}

async fn operator(world: Rc<World>, number: u32, seed: u64) {
    let mut seeded = Seeded(seed.wrapping_add(u64::from(number).wrapping_mul(0x9E37_79B9)));
    // Some come while another works, some long after.
    sleep(Duration::from_millis(seeded.below(90_000))).await;
    for turn in 0..3_u32 {
        let pid = number * 10 + turn;
        let death = seeded.below(160);
        let fails = seeded.below(40);
        let lost = seeded.below(40);
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
        let run = not_over(&world).await;
        let work = Stoppable::new(carry(&process, run.as_ref()).map(|_| ()));
        let stops = seeded.below(3) == 0;
        let before = Duration::from_millis(seeded.below(30_000));
        let asleep = Duration::from_millis(seeded.below(300_000));
        if work.run(stops.then_some((before, asleep))).await {
            continue;
        }
        sleep(Duration::from_millis(seeded.below(120_000))).await;
    }
}

async fn schedule(seed: u64) {
    let world = Rc::new(World::default());
    join_all((0..OPERATORS).map(|number| operator(world.clone(), number + 1, seed))).await;
    let of = format!("seed {seed}");
    check_effects(&world, &of);
    // Whatever they left, an undisturbed run ends it.
    let run = not_over(&world).await;
    let last = Rc::new(Process::new(&world, 98, 98));
    let ended = carry(&last, run.as_ref()).await.unwrap();
    match ended {
        Ok(state) => assert_eq!(state.status, RunStatus::Finished, "{of}"),
        Err(error) => assert!(error.contains("is over: it was finished"), "{of}: {error}"),
    }
    assert_eq!(made(&world), ALL, "{of}");
    check_effects(&world, &of);
}

/// `RUNBOOK_SEED` alone, else as many as `RUNBOOK_SEEDS` says, else `usual`.
pub(crate) fn seeds(usual: u64) -> std::ops::Range<u64> {
    let read = |name: &str| std::env::var(name).ok().map(|set| set.parse().unwrap());
    match read("RUNBOOK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..read("RUNBOOK_SEEDS").unwrap_or(usual),
    }
}

/// `RUNBOOK_SEED` runs one seed again.
#[tokio::test(start_paused = true)]
async fn operators_at_once_never_act_against_each_other() {
    for seed in seeds(SEEDS) {
        schedule(seed).await;
    }
}
