use std::fs;

use rustix::process::{Pid, Signal, kill_process_group};
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

    /// Ends what is left of its process group when it has ended itself: providers and commands that a terraform which was
    /// killed has left behind, which would go on making things that nobody hears of. Whether nothing is left; `None` where
    /// the system does not tell. One that still runs is left alone.
    pub fn end_group(&self) -> Option<bool> {
        let started = self.started_ticks?;
        match stat(self.pid) {
            Some(stat) if stat.started_ticks != started => return Some(true),
            Some(stat) if !stat.is_zombie => return Some(false),
            _ => {}
        }
        // The number of a group is given to no other process while one is in it. What has it without its leader is of
        // this one.
        if !has_members(self.pid)? {
            return Some(true);
        }
        let group = Pid::from_raw(self.pid.cast_signed())?;
        // The last may have ended just now.
        let _ = kill_process_group(group, Signal::KILL);
        Some(!has_members(self.pid)?)
    }
}

/// Signals to its whole process group, while it runs itself: the group's number is its own then.
impl ChildId {
    /// Asks everything in it to end.
    pub fn terminate_group(&self) {
        self.signal_group(Signal::TERM);
    }

    /// Ends everything in it.
    pub fn kill_group(&self) {
        self.signal_group(Signal::KILL);
    }

    fn signal_group(&self, signal: Signal) {
        if self.is_running() == Some(true)
            && let Some(group) = Pid::from_raw(self.pid.cast_signed())
        {
            // It may have ended just now.
            let _ = kill_process_group(group, signal);
        }
    }
}

/// Whether a process that runs is in the group.
fn has_members(group: u32) -> Option<bool> {
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut stats = pids.filter_map(stat);
    Some(stats.any(|stat| stat.group == group && !stat.is_zombie))
}

struct Stat {
    group: u32,
    started_ticks: u64,
    is_zombie: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold both spaces and parentheses.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let started_ticks = fields.nth(16)?.parse().ok()?;
    Some(Stat {
        group,
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
