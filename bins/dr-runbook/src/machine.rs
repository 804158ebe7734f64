//! This machine, as runs need it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_env::CallCount;
use jiff::Timestamp;
use runbook::{Holder, Host};
use settings::Region;
use terraform::ChildId;

/// This process on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    holder: Holder,
    calls: Arc<OnceLock<CallCount>>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let this = ChildId::of(std::process::id());
        Self {
            holder: Holder {
                operator: cli::operator(),
                machine: cli::machine(),
                pid: this.pid,
                started_ticks: this.started_ticks,
            },
            calls: Arc::default(),
        }
    }

    /// From here on records say how many calls there were.
    pub(crate) fn count(&self, calls: &CallCount) {
        self.calls.get_or_init(|| calls.clone());
    }
}

impl Host for Machine {
    fn now(&self) -> Timestamp {
        cli::now()
    }

    fn random(&self) -> u64 {
        rand::random()
    }

    fn holder(&self) -> &Holder {
        &self.holder
    }

    fn is_alive(&self, holder: &Holder) -> Option<bool> {
        let is_here = holder.machine == self.holder.machine;
        let process = ChildId {
            pid: holder.pid,
            started_ticks: holder.started_ticks,
        };
        is_here.then(|| process.is_running()).flatten()
    }

    fn calls(&self) -> BTreeMap<Region, u64> {
        let calls = self.calls.get();
        calls.map(CallCount::by_region).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_alive_knows_processes_of_this_machine_alone() {
        let machine = Machine::new();
        let this = machine.holder().clone();
        assert_eq!(machine.is_alive(&this), Some(true));
        let earlier = Holder {
            started_ticks: this.started_ticks.map(|ticks| ticks - 1),
            ..this.clone()
        };
        assert_eq!(machine.is_alive(&earlier), Some(false));
        let elsewhere = Holder {
            machine: "another".to_owned(),
            ..this
        };
        assert_eq!(machine.is_alive(&elsewhere), None);
    }
}
