//! A run that is killed at one of its requests: before that arrives, or after AWS has acted and before the answer comes.

use std::time::Duration;

use local_aws::{Fault, FaultId, FaultKind, LocalAws};

/// When a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The request never arrives.
    Before,
    /// AWS has acted, and its answer is lost.
    After,
}

pub(crate) const MOMENTS: [Moment; 2] = [Moment::Before, Moment::After];

const HELD: Duration = Duration::from_secs(600);

/// A request that is held until the run is killed.
pub(crate) struct KillAt {
    held: FaultId,
    lost: Option<FaultId>,
}

impl KillAt {
    /// Request number `nth` from now on.
    pub(crate) fn new(aws: &LocalAws, nth: u64, moment: Moment) -> Self {
        let hold = Fault::new(FaultKind::Latency(HELD));
        match moment {
            Moment::Before => Self {
                held: aws.add_fault(hold.nth(nth)),
                lost: None,
            },
            // Asked again, or anything else by then, it waits for the kill.
            Moment::After => Self {
                lost: Some(aws.add_fault(Fault::new(FaultKind::ResponseLost).nth(nth))),
                held: aws.add_fault(hold.nth(nth + 1)),
            },
        }
    }

    fn is_held(&self, aws: &LocalAws) -> bool {
        let mut faults = aws.faults().into_iter();
        faults.any(|(id, fault)| id == self.held && fault.times == Some(0))
    }

    /// Runs `run` until its request comes, and drops it then; `true` if it came to its end before.
    pub(crate) async fn runs_to_its_end(self, aws: &LocalAws, run: impl Future) -> bool {
        let held = async {
            while !self.is_held(aws) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let ended = tokio::select! {
            _ = run => true,
            () = held => false,
        };
        for fault in self.lost.into_iter().chain([self.held]) {
            aws.remove_fault(fault);
        }
        ended
    }
}
