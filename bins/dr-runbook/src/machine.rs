//! This machine, as runs need it.

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use runbook::{Holder, Host};

/// This process on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Machine(Holder);

impl Machine {
    pub(crate) fn new() -> Self {
        let pid = std::process::id();
        Self(Holder {
            operator: cli::operator(),
            machine: machine(),
            pid,
            started_ticks: started_ticks(pid),
        })
    }
}

/// The machine since its last start, and the namespace in which process IDs count. Where the system tells neither, no
/// other process knows it again.
fn machine() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{} {}", boot.trim(), namespace.display())
}

/// When a process began (proc(5), field 22 of `stat`); none of one that has ended.
fn started_ticks(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold both spaces and parentheses.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let ticks = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(ticks)
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
        let is_here = holder.machine == self.0.machine && holder.machine.trim().len() > 8;
        if !is_here || !Path::new("/proc/self/stat").exists() {
            return None;
        }
        holder.started_ticks?;
        Some(started_ticks(holder.pid) == holder.started_ticks)
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
