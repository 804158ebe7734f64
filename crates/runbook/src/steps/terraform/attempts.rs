//! What is on record of the applies of a run: which processes they were, what they began and what they made.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use terraform::{Action, ChildId, Event, Transcript};

/// What a terraform did since the note before.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Resources that it began to make.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    begun: BTreeSet<String>,
    /// Those that it has made, with what the provider calls them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    made: BTreeMap<String, Option<String>>,
    /// Those that it has deleted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    deleted: BTreeSet<String>,
}

/// A note of the step.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "apply")]
pub(super) enum Note {
    /// On record before terraform does anything.
    Began {
        child: ChildId,
        machine: String,
        /// The name of the file, in the run's folder on that machine, with all that it tells.
        transcript: String,
        /// Resources that the plan makes, and that the state did not have before.
        creates: BTreeSet<String>,
    },
    /// While it works.
    Progress(Progress),
    /// When it has ended, and its process has been waited for.
    Ended {
        /// Whether the state holds what it made.
        wrote_state: bool,
    },
}

impl Progress {
    /// What an event adds; `false` when that is nothing.
    pub(super) fn add(&mut self, event: &Event) -> bool {
        match event {
            Event::Started {
                address,
                action: Action::Create,
            } => self.begun.insert(address.clone()),
            Event::Completed {
                address,
                action: Action::Create,
                id,
                ..
            } => self.made.insert(address.clone(), id.clone()).is_none(),
            Event::Completed {
                address,
                action: Action::Delete,
                ..
            } => self.deleted.insert(address.clone()),
            _ => false,
        }
    }
}

/// An apply, as far as its run has it on record.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) child: ChildId,
    pub(super) machine: String,
    pub(super) transcript: String,
    creates: BTreeSet<String>,
    done: Progress,
    /// `None` while no end is on record.
    wrote_state: Option<bool>,
}

/// All applies of a run.
#[derive(Debug, Default)]
pub(super) struct Attempts(Vec<Attempt>);

/// What may be there and not in the state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Orphans {
    /// Made, with what the provider calls them.
    pub(super) made: BTreeMap<String, Option<String>>,
    /// Begun, as far as anybody knows, and no end heard of.
    pub(super) unknown: BTreeSet<String>,
}

impl Attempts {
    pub(super) fn of(notes: &[Value]) -> Self {
        let mut attempts: Vec<Attempt> = Vec::new();
        for note in notes {
            match (Note::deserialize(note), attempts.last_mut()) {
                (
                    Ok(Note::Began {
                        child,
                        machine,
                        transcript,
                        creates,
                    }),
                    _,
                ) => attempts.push(Attempt {
                    child,
                    machine,
                    transcript,
                    creates,
                    done: Progress::default(),
                    wrote_state: None,
                }),
                (Ok(Note::Progress(more)), Some(last)) => {
                    last.done.begun.extend(more.begun);
                    last.done.made.extend(more.made);
                    last.done.deleted.extend(more.deleted);
                }
                (Ok(Note::Ended { wrote_state }), Some(last)) => {
                    last.wrote_state = Some(wrote_state);
                }
                _ => {}
            }
        }
        Self(attempts)
    }

    /// Adds what the transcripts on this machine tell: what had not come to be noted, and what a terraform did after the death
    /// of its parent.
    pub(super) fn add_transcripts(&mut self, read: impl Fn(&str) -> Option<Transcript>) {
        for attempt in &mut self.0 {
            if attempt.wrote_state == Some(true) {
                continue;
            }
            for event in read(&attempt.transcript)
                .into_iter()
                .flat_map(|one| one.events)
            {
                attempt.done.add(&event);
            }
        }
    }

    /// The applies whose end is not on record: their processes may run.
    pub(super) fn without_end(&self) -> impl Iterator<Item = &Attempt> {
        let attempts = self.0.iter();
        attempts.filter(|attempt| attempt.wrote_state.is_none())
    }

    /// Whether the last one may have left its state unwritten.
    pub(super) fn was_cut_off(&self) -> bool {
        let last = self.0.last();
        last.is_some_and(|last| last.wrote_state != Some(true))
    }

    /// What may be there although the state does not have it. What the state has is no orphan, whatever is here.
    pub(super) fn orphans(&self) -> Orphans {
        let mut orphans = Orphans::default();
        for attempt in &self.0 {
            let done = &attempt.done;
            for address in &done.deleted {
                orphans.made.remove(address);
            }
            // What it looked at is in the state by now, or was agreed to be made anew.
            for address in &attempt.creates {
                orphans.made.remove(address);
                orphans.unknown.remove(address);
            }
            if attempt.wrote_state == Some(true) {
                continue;
            }
            let made = done.made.iter();
            orphans
                .made
                .extend(made.map(|(address, id)| (address.clone(), id.clone())));
            // What a process that is gone has begun, it may not have told any more.
            let begun = match attempt.wrote_state {
                Some(_) => &done.begun,
                None => &attempt.creates,
            };
            let unheard = begun
                .iter()
                .filter(|address| !done.made.contains_key(*address));
            orphans.unknown.extend(unheard.cloned());
        }
        orphans
    }

    /// Whether an apply of this run began to make the resource, and nobody heard that it was made: one that is tainted is
    /// so by that.
    pub(super) fn has_half_made(&self, address: &str) -> bool {
        self.0.iter().any(|attempt| {
            attempt.creates.contains(address) && !attempt.done.made.contains_key(address)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn began(creates: &[&str]) -> Value {
        let child = ChildId {
            pid: 7,
            started_ticks: Some(1),
        };
        json!(Note::Began {
            child,
            machine: "here".to_owned(),
            transcript: "t.jsonl".to_owned(),
            creates: creates.iter().map(|&address| address.to_owned()).collect(),
        })
    }

    fn ended(wrote_state: bool) -> Value {
        json!(Note::Ended { wrote_state })
    }

    fn progress(events: &[Event]) -> Value {
        let mut progress = Progress::default();
        for event in events {
            progress.add(event);
        }
        json!(Note::Progress(progress))
    }

    fn started(address: &str) -> Event {
        Event::Started {
            address: address.to_owned(),
            action: Action::Create,
        }
    }

    fn completed(address: &str, action: Action) -> Event {
        Event::Completed {
            address: address.to_owned(),
            id: (action == Action::Create).then(|| format!("id-of-{address}")),
            action,
            elapsed: Duration::ZERO,
        }
    }

    fn orphans(notes: &[Value]) -> (Vec<String>, Vec<String>) {
        let orphans = Attempts::of(notes).orphans();
        let unknown = orphans.unknown.into_iter().collect();
        (orphans.made.into_keys().collect(), unknown)
    }

    #[test]
    fn orphans_are_what_an_apply_made_that_did_not_write_its_state() {
        let made = progress(&[started("a"), started("b"), completed("a", Action::Create)]);
        let clean = [began(&["a", "b", "c"]), made.clone(), ended(true)];
        assert_eq!(orphans(&clean), (vec![], vec![]));
        assert!(!Attempts::of(&clean).was_cut_off());
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        // Its parent heard everything that it told.
        let killed = [began(&["a", "b", "c"]), made.clone(), ended(false)];
        assert_eq!(orphans(&killed), (names(&["a"]), names(&["b"])));
        assert!(Attempts::of(&killed).was_cut_off());
        // Its parent is gone too.
        let gone = [began(&["a", "b", "c"]), made];
        assert_eq!(orphans(&gone), (names(&["a"]), names(&["b", "c"])));
        assert_eq!(Attempts::of(&gone).without_end().count(), 1);
        // A later one took all of it up.
        let later = [&gone[..], &[began(&["b", "c"]), ended(true)]].concat();
        assert_eq!(orphans(&later), (names(&["a"]), vec![]));
        let deleted = progress(&[completed("a", Action::Delete)]);
        let replaced = [&gone[..], &[began(&["b", "c"]), deleted, ended(true)]].concat();
        assert_eq!(orphans(&replaced), (vec![], vec![]));
    }

    #[test]
    fn transcripts_tell_what_was_not_noted() {
        let gone = [began(&["a", "b"])];
        let mut attempts = Attempts::of(&gone);
        attempts.add_transcripts(|name| {
            (name == "t.jsonl").then(|| Transcript {
                events: vec![completed("a", Action::Create)],
                is_whole: false,
            })
        });
        let orphans = attempts.orphans();
        assert_eq!(orphans.made["a"].as_deref(), Some("id-of-a"));
        assert_eq!(orphans.unknown, ["b".to_owned()].into());
    }

    #[test]
    fn has_half_made_is_of_what_was_begun_and_not_heard_to_be_made() {
        let notes = [
            began(&["a", "b"]),
            progress(&[completed("a", Action::Create)]),
        ];
        let attempts = Attempts::of(&notes);
        assert!(attempts.has_half_made("b"));
        assert!(!attempts.has_half_made("a"), "somebody else tainted it");
        assert!(!attempts.has_half_made("c"));
    }

    #[test]
    fn notes_of_other_kinds_are_left_alone() {
        let notes = [json!({"target": "x"}), ended(true), json!(7)];
        assert!(Attempts::of(&notes).0.is_empty());
    }
}
