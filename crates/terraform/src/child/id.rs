use std::fs;

use serde::{Deserialize, Serialize};

/// Which process terraform is. It can be written down, and recognised by another process later on: process IDs are used
/// again, and the time at which one began tells whether it still is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildId {
    /// Process ID, also that of its process group.
    pub pid: u32,
    /// When it began, in clock ticks since the system started (proc(5), field 22 of `stat`); `None` where the system
    /// does not tell.
    pub started_ticks: Option<u64>,
}

impl ChildId {
    /// The process that has this ID now.
    pub fn of(pid: u32) -> Self {
        Self {
            pid,
            started_ticks: stat(pid).map(|stat| stat.started_ticks),
        }
    }

    /// Whether it still runs; `None` where the system does not tell. An ended process that its parent has not waited
    /// for does not run.
    pub fn is_running(&self) -> Option<bool> {
        let started = self.started_ticks?;
        let Some(stat) = stat(self.pid) else {
            return Some(false);
        };
        Some(stat.started_ticks == started && !stat.is_zombie)
    }
}

struct Stat {
    started_ticks: u64,
    is_zombie: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold both spaces and parentheses.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let started_ticks = fields.nth(18)?.parse().ok()?;
    Some(Stat {
        started_ticks,
        is_zombie: matches!(state, "Z" | "X"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn child_id_of_another_start_is_not_running() {
        let this = ChildId::of(std::process::id());
        assert_eq!(this.is_running(), Some(true));
        let earlier = ChildId {
            started_ticks: this.started_ticks.map(|ticks| ticks - 1),
            ..this
        };
        assert_eq!(earlier.is_running(), Some(false));
        let unknown = ChildId {
            started_ticks: None,
            ..this
        };
        assert_eq!(unknown.is_running(), None);
        let text = serde_json::to_string(&this).unwrap();
        assert_eq!(serde_json::from_str::<ChildId>(&text).unwrap(), this);
    }
}
