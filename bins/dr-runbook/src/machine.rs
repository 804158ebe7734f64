//! This machine, as runs need it.

use jiff::Timestamp;
use runbook::{Holder, Host};
use terraform::ChildId;

/// This process on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine(Holder);

impl Machine {
    pub(crate) fn new() -> Self {
        let this = ChildId::of(std::process::id());
        Self(Holder {
            operator: cli::operator(),
            machine: cli::machine(),
            pid: this.pid,
            started_ticks: this.started_ticks,
        })
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
        &self.0
    }

    fn is_alive(&self, holder: &Holder) -> Option<bool> {
        let is_here = holder.machine == self.0.machine;
        let process = ChildId {
            pid: holder.pid,
            started_ticks: holder.started_ticks,
        };
        is_here.then(|| process.is_running()).flatten()
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
