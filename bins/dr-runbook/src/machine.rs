//! This machine, as runs need it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use aws_env::{AwsEnv, CallCount};
use jiff::Timestamp;
use runbook::{Holder, Host};
use settings::Region;
use terraform::ChildId;

/// This process on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    holder: Holder,
    aws: Arc<OnceLock<(CallCount, Option<String>)>>,
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
            aws: Arc::default(),
        }
    }

    /// From here on records say how many calls there were, and who answered them.
    pub(crate) fn works_with(&self, env: &AwsEnv) {
        let stand_in = || env.endpoints().stand_in().map(str::to_owned);
        self.aws.get_or_init(|| (env.calls().clone(), stand_in()));
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
        let aws = self.aws.get();
        aws.map(|(calls, _)| calls.by_region()).unwrap_or_default()
    }

    fn stand_in(&self) -> Option<String> {
        self.aws.get()?.1.clone()
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
