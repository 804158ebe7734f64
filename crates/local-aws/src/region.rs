//! Which regions are reachable, and the gate that every byte of a request and its answer passes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

mod known;

pub use known::{UnknownRegion, known_region};

/// How clients see a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegionState {
    /// Requests are served.
    #[default]
    Up,
    /// The connection is reset: clients see a network failure at once.
    Refuse,
    /// Requests are held without an answer until the client gives up or the region is up again,
    /// as when packets are lost on the way.
    BlackHole,
}

/// The request may not go on: its connection is reset.
#[derive(Debug, thiserror::Error)]
#[error("connection reset by the simulated network")]
pub(crate) struct Cut;

/// The regions that are not up, and how often that has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Down {
    pub(crate) number: u64,
    pub(crate) regions: BTreeMap<String, RegionState>,
}

impl Down {
    fn state(&self, region: &str) -> RegionState {
        self.regions.get(region).copied().unwrap_or_default()
    }
}

/// State of all regions.
#[derive(Debug, Default)]
pub(crate) struct Regions(watch::Sender<Down>);

impl Regions {
    pub(crate) fn set(&self, region: &str, state: RegionState) {
        self.0.send_modify(|down| {
            down.number += 1;
            if state == RegionState::Up {
                down.regions.remove(region);
            } else {
                down.regions.insert(region.to_owned(), state);
            }
        });
    }

    pub(crate) fn state(&self, region: &str) -> RegionState {
        self.0.borrow().state(region)
    }

    pub(crate) fn down(&self) -> Down {
        self.0.borrow().clone()
    }

    /// A gate for one request to `region`; `reset` is set when it cuts the connection.
    pub(crate) fn gate(&self, region: Option<&str>, reset: &Arc<AtomicBool>) -> Gate {
        Gate(region.map(|region| {
            let receiver = self.0.subscribe();
            let now = receiver.borrow().state(region);
            Watch {
                region: region.to_owned(),
                now,
                next: Box::pin(changed(receiver, region.to_owned(), now)),
                regions: self.0.clone(),
                reset: reset.clone(),
            }
        }))
    }
}

type Changed = Pin<Box<dyn Future<Output = (watch::Receiver<Down>, RegionState)> + Send>>;

/// Resolves when the region is in another state than `last`; never once the instance is gone.
async fn changed(
    mut receiver: watch::Receiver<Down>,
    region: String,
    last: RegionState,
) -> (watch::Receiver<Down>, RegionState) {
    loop {
        let now = receiver.borrow_and_update().state(&region);
        if now != last {
            return (receiver, now);
        }
        if receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Lets one request through while its region is up.
pub(crate) struct Gate(Option<Watch>);

struct Watch {
    region: String,
    now: RegionState,
    next: Changed,
    regions: watch::Sender<Down>,
    reset: Arc<AtomicBool>,
}

impl Clone for Gate {
    fn clone(&self) -> Self {
        Self(self.0.as_ref().map(|watch| Watch {
            region: watch.region.clone(),
            now: watch.now,
            next: Box::pin(changed(
                watch.regions.subscribe(),
                watch.region.clone(),
                watch.now,
            )),
            regions: watch.regions.clone(),
            reset: watch.reset.clone(),
        }))
    }
}

impl Gate {
    /// Pending in a black hole, `Cut` when the region refuses.
    pub(crate) fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        let Some(watch) = &mut self.0 else {
            return Poll::Ready(Ok(()));
        };
        while let Poll::Ready((receiver, now)) = watch.next.as_mut().poll(context) {
            watch.now = now;
            watch.next = Box::pin(changed(receiver, watch.region.clone(), now));
        }
        match watch.now {
            RegionState::Up => Poll::Ready(Ok(())),
            RegionState::BlackHole => Poll::Pending,
            RegionState::Refuse => {
                watch.reset.store(true, Ordering::Release);
                Poll::Ready(Err(Cut))
            }
        }
    }

    /// Waits until the region is up.
    pub(crate) async fn open(&mut self) -> Result<(), Cut> {
        std::future::poll_fn(|context| self.poll_open(context)).await
    }

    /// Runs `work`, standing still while the region is a black hole.
    pub(crate) async fn during<F: Future>(&mut self, work: F) -> Result<F::Output, Cut> {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| {
            ready!(self.poll_open(context))?;
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn poll(gate: &mut Gate) -> Poll<Result<(), Cut>> {
        gate.poll_open(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_gate_follows_its_region_only() {
        let regions = Regions::default();
        let reset = Arc::new(AtomicBool::new(false));
        let mut here = regions.gate(Some("ca-central-1"), &reset);
        let mut there = regions.gate(Some("us-east-1"), &reset);
        let mut unsigned = regions.gate(None, &reset);

        regions.set("ca-central-1", RegionState::BlackHole);
        assert!(poll(&mut here).is_pending());
        assert!(matches!(poll(&mut there), Poll::Ready(Ok(()))));
        assert!(matches!(poll(&mut unsigned), Poll::Ready(Ok(()))));

        regions.set("ca-central-1", RegionState::Up);
        assert!(matches!(poll(&mut here), Poll::Ready(Ok(()))));
        assert!(!reset.load(Ordering::Acquire));

        regions.set("ca-central-1", RegionState::Refuse);
        assert!(matches!(poll(&mut here.clone()), Poll::Ready(Err(Cut))));
        assert!(matches!(poll(&mut here), Poll::Ready(Err(Cut))));
        assert!(reset.load(Ordering::Acquire));
        assert_eq!(
            (regions.down().number, regions.down().regions.len()),
            (3, 1)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_black_hole_holds_until_the_region_is_back() {
        let regions = Regions::default();
        let mut gate = regions.gate(Some("ca-central-1"), &Arc::default());
        regions.set("ca-central-1", RegionState::BlackHole);
        let day = std::time::Duration::from_secs(86_400);
        tokio::time::timeout(day, gate.open()).await.unwrap_err();
        let (answer, ()) = tokio::join!(gate.during(async { 7 }), async {
            regions.set("ca-central-1", RegionState::Up);
        });
        assert_eq!(answer.unwrap(), 7);
    }
}
