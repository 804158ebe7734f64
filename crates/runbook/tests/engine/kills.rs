//! Killed at every request.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use runbook::{
    OpenRun, Policy, RunId, RunOptions, RunState, RunStatus, carry_on, list_runs, read_records,
};
use tokio::sync::watch;

use crate::world::{
    ALL, Fate, Makes, Nobody, Process, Seat, Shared, TIMES, Unseen, World, check_effects, made,
    plan,
};

pub(crate) fn auto() -> RunOptions {
    RunOptions {
        policy: Policy::Auto,
        operator: "jo@laptop".to_owned(),
        skip: Default::default(),
        only: BTreeSet::new(),
    }
}

/// Carries a run until it ends, or its process dies.
pub(crate) async fn carry(
    process: &Shared,
    run: Option<&RunId>,
) -> Option<Result<RunState, String>> {
    let work = async {
        let seat = Seat(process.clone());
        let open = match run {
            Some(run) => OpenRun::resume(seat.clone(), None, seat.clone(), TIMES(), run).await,
            None => OpenRun::begin(seat.clone(), None, seat.clone(), TIMES(), plan(&seat)).await,
        };
        let open = open.map_err(|error| error.to_string())?;
        let steps = Makes {
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

/// The run as its records have it afterwards.
async fn runs(world: &Rc<World>) -> Vec<RunId> {
    let reader = Seat(Rc::new(Process::new(world, 99, 99)));
    list_runs(&reader).await.unwrap()
}

async fn finish(world: &Rc<World>, dead: &Rc<RefCell<Vec<u32>>>, of: &str) {
    // The run that was begun, or a new one where not even its first record is there.
    let next = Rc::new(Process::new(world, 2, 77).on_one_machine(dead));
    let begun = runs(world).await.into_iter().next();
    let ended = carry(&next, begun.as_ref()).await.unwrap();
    match ended {
        Ok(state) => assert_eq!(state.status, RunStatus::Finished, "{of}: {state:?}"),
        // Its last record was written before it died.
        Err(error) => assert!(error.contains("is over: it was finished"), "{of}: {error}"),
    }
    assert_eq!(made(world), ALL, "{of}");
    check_effects(world, of);
    let reader = Seat(Rc::new(Process::new(world, 99, 99)));
    for run in runs(world).await {
        read_records(&reader, &run).await.unwrap();
    }
}

async fn requests_of_a_whole_run() -> u64 {
    let world = Rc::new(World::default());
    let process = Rc::new(Process::new(&world, 1, 5));
    let state = carry(&process, None).await.unwrap().unwrap();
    assert_eq!(state.status, RunStatus::Finished);
    assert_eq!(made(&world), ALL);
    process.requests.get()
}

#[tokio::test(start_paused = true)]
async fn run_killed_at_every_request_ends_the_same() {
    let requests = requests_of_a_whole_run().await;
    assert!(requests > 40, "{requests}");
    let mut kills = 0;
    for at in 0..requests {
        for fate in [Fate::DeathBefore, Fate::DeathAfter] {
            let of = format!("{fate:?} {at}");
            let world = Rc::new(World::default());
            let dead = Rc::default();
            let first = Process::new(&world, 1, 5).on_one_machine(&dead);
            let first = Rc::new(first.with_fate(move |number| match number == at {
                true => fate,
                false => Fate::Arrives,
            }));
            assert!(carry(&first, None).await.is_none(), "{of}: it did not die");
            kills += 1;
            finish(&world, &dead, &of).await;
        }
    }
    println!(
        "{kills} kills, at each of {requests} requests before it arrived and after it was acted upon"
    );
}

#[tokio::test(start_paused = true)]
async fn run_with_every_request_refused_or_its_answer_lost_ends_the_same() {
    let requests = requests_of_a_whole_run().await;
    for at in 0..requests {
        for fate in [Fate::Fails, Fate::AnswerLost] {
            let of = format!("{fate:?} {at}");
            let world = Rc::new(World::default());
            let dead = Rc::default();
            let first = Process::new(&world, 1, 5).on_one_machine(&dead);
            let first = Rc::new(first.with_fate(move |number| match number == at {
                true => fate,
                false => Fate::Arrives,
            }));
            let ended = carry(&first, None).await.unwrap();
            if matches!(&ended, Ok(state) if state.status == RunStatus::Finished) {
                assert_eq!(made(&world), ALL, "{of}");
                check_effects(&world, &of);
            } else {
                // It ended by itself: its process is gone.
                first.die();
                finish(&world, &dead, &of).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn process_that_lives_and_is_silent_loses_its_run() {
    let world = Rc::new(World::default());
    // Whom the first takes for dead the second takes for alive: it is stopped.
    let first = Process::new(&world, 1, 5).on_one_machine(&Rc::default());
    let first = Rc::new(first.with_fate(|number| match number {
        20 => Fate::DeathBefore,
        _ => Fate::Arrives,
    }));
    assert!(carry(&first, None).await.is_none());
    let dead = Rc::default();
    finish(&world, &dead, "a stopped process").await;
    // One that renews its lease keeps it.
    let world = Rc::new(World::default());
    let alive = Rc::new(Process::new(&world, 1, 5).on_one_machine(&dead));
    let other = Rc::new(Process::new(&world, 2, 9).on_one_machine(&dead));
    let (kept, refused) = tokio::join!(carry(&alive, None), async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        let run = runs(&world).await.remove(0);
        carry(&other, Some(&run)).await
    });
    assert_eq!(kept.unwrap().unwrap().status, RunStatus::Finished);
    let refused = refused.unwrap().unwrap_err();
    assert!(
        refused.contains("jo1@laptop, process 1 carries run"),
        "{refused}"
    );
}
