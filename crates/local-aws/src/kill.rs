//! A run that is killed at one of its requests: before that arrives, or after AWS has acted and before the answer comes.

use std::time::Duration;

use crate::{Fault, FaultId, FaultKind, LocalAws};

/// When a run is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The request never arrives.
    Before,
    /// AWS has acted, and its answer is lost.
    After,
}

impl Moment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Before, Self::After];
}

/// For as long as no test takes.
const HELD: Duration = Duration::from_secs(600);
/// How often it is looked whether the request has come.
const EVERY: Duration = Duration::from_millis(1);

/// A request that is held until the run is killed.
#[derive(Debug)]
pub struct KillAt {
    held: FaultId,
    lost: Option<FaultId>,
}

impl KillAt {
    /// Request number `nth` from now on, from 1.
    pub fn new(aws: &LocalAws, nth: u64, moment: Moment) -> Self {
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

    /// Runs `run` until its request comes, and drops it then; what it ended with if it came to its end before.
    pub async fn run<T>(self, aws: &LocalAws, run: impl Future<Output = T>) -> Option<T> {
        let held = async {
            while !self.is_held(aws) {
                tokio::time::sleep(EVERY).await;
            }
        };
        let ended = tokio::select! {
            ended = run => Some(ended),
            () = held => None,
        };
        for fault in self.lost.into_iter().chain([self.held]) {
            aws.remove_fault(fault);
        }
        ended
    }
}
