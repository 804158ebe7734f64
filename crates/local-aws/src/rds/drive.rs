//! Moves the model through time, and does with servers what the model says.

use std::time::Duration;

use jiff::Timestamp;

use super::action::Work;
use super::clock::RdsClock;
use super::model::time::Event;
use super::model::{Key, Then};
use super::{Rds, lock};

/// How often a running clock is looked at.
const LOOK: Duration = Duration::from_millis(20);

impl Rds {
    /// Follows the clock and the regions until dropped.
    pub(crate) async fn run(self) {
        let runs = matches!(self.0.kind, RdsClock::Running { .. });
        loop {
            if runs {
                // A region's change is seen at the next look.
                tokio::time::sleep(LOOK).await;
            } else {
                self.0.regions.notified().await;
            }
            let _order = self.0.order.lock().await;
            let until = lock(&self.0.clock).at(Timestamp::now());
            self.advance(until).await;
        }
    }

    /// Lets everything happen that is due until then.
    pub(super) async fn advance(&self, until: Timestamp) {
        loop {
            let event = {
                let mut model = self.model();
                let event = model.next_event(until);
                let reached = event.as_ref().map_or(until, |(due, _)| *due);
                model.now = model.now.max(reached);
                event
            };
            match event {
                Some((at, event)) => self.happen(at, event).await,
                None => return,
            }
        }
    }

    async fn happen(&self, at: Timestamp, event: Event) {
        tracing::trace!(%at, ?event, "RDS");
        match event {
            Event::Instance(key) => self.end_phase(&key).await,
            Event::Snapshot(key) => self.model().finish_snapshot(&key),
            Event::Arrival(arn) => self.model().arrive(&arn, at),
            Event::Daily(key) => {
                if self.model().backs_up_now(&key).is_some() {
                    self.back_up(&key).await;
                }
                self.model().end_daily(&key);
            }
            Event::Maintenance(key) => self.model().maintain(&key),
            Event::Tick => {
                let logging = self.model().logging();
                let uploaded = logging
                    .into_iter()
                    .map(|(_, resource_id)| (resource_id, None))
                    .collect();
                self.model().tick(at, uploaded);
            }
        }
    }

    async fn end_phase(&self, key: &Key) {
        let then = {
            let mut model = self.model();
            let Some(instance) = model.instances.get_mut(key) else {
                return;
            };
            if instance.status == "creating" && instance.endpoint.is_none() {
                let (place, id) = key;
                let address = format!("{id}.local.{}.rds.amazonaws.com", place.region);
                instance.endpoint = Some((address, instance.settings.port));
            }
            let then = instance.phase.as_ref().map(|phase| phase.then);
            model.finish_phase(key);
            then
        };
        let backs_up = self
            .model()
            .instances
            .get(key)
            .is_some_and(|instance| instance.status == "backing-up");
        if backs_up && matches!(then, Some(Then::BackUp | Then::Promote)) {
            self.back_up(key).await;
        }
    }

    async fn back_up(&self, key: &Key) {
        self.model().backed_up(key, None);
    }

    /// What a request asked the servers to do.
    pub(super) async fn work(&self, work: &[Work]) {
        let _ = work;
    }
}
