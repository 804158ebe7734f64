//! What the lines of a journal come to: each change with its outcome.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;

use super::lines::RecordSink;
use super::{Change, Outcome, ReplayedJob};
use crate::objects::journal::{Intent, JournalError, Record, Run};
use crate::objects::spool::Spool;

/// Intents that may be without an outcome yet. A run writes some hundred steps ahead of those that are queued and
/// under way, at most 4,096 each, so that an outcome comes before so many more intents.
const WINDOW: usize = 10_000;
/// Changes that are written at once.
const BATCH: usize = 1_000;
/// Batch jobs of one run: one for each storage class and manifest.
const JOBS: usize = 10_000;

/// Puts lines together as they come.
pub(super) struct Collector {
    pub(super) begun: Option<Run>,
    pub(super) jobs: Vec<ReplayedJob>,
    pub(super) has_ended: bool,
    pub(super) changes: Spool<Change>,
    /// Intents without an outcome, each with its number.
    open: HashMap<String, (usize, Intent)>,
    /// The numbers and keys of the last intents. A run that goes on after a kill may have two for one key.
    window: VecDeque<(usize, String)>,
    ready: Vec<Change>,
    pub(super) lines: usize,
}

impl Collector {
    pub(super) fn new(changes: PathBuf) -> Result<Self, JournalError> {
        Ok(Self {
            begun: None,
            jobs: Vec::new(),
            has_ended: false,
            changes: Spool::create(changes)?,
            open: HashMap::new(),
            window: VecDeque::new(),
            ready: Vec::new(),
            lines: 0,
        })
    }

    fn give_up_oldest(&mut self) -> Result<(), JournalError> {
        let Some((number, key)) = self.window.pop_front() else {
            return Ok(());
        };
        match self.open.entry(key) {
            Entry::Occupied(open) if open.get().0 == number => {
                let (_, intent) = open.remove();
                self.known(intent, Outcome::Unknown)
            }
            _ => Ok(()),
        }
    }

    fn ended(&mut self, place: &str, key: String, outcome: Outcome) -> Result<(), JournalError> {
        match self.open.remove(&key) {
            Some((_, intent)) => self.known(intent, outcome),
            None => Err(JournalError::Stray {
                place: place.to_owned(),
                key,
            }),
        }
    }

    fn known(&mut self, intent: Intent, outcome: Outcome) -> Result<(), JournalError> {
        self.ready.push(Change { intent, outcome });
        if self.ready.len() >= BATCH {
            self.changes.write(&self.ready)?;
            self.ready.clear();
        }
        Ok(())
    }

    /// Writes what is left: nothing more will be told about it.
    pub(super) fn finish(&mut self) -> Result<(), JournalError> {
        while !self.window.is_empty() {
            self.give_up_oldest()?;
        }
        self.changes.write(&self.ready)?;
        self.ready.clear();
        Ok(())
    }
}

impl RecordSink for Collector {
    fn take(&mut self, place: &str, record: Record) -> Result<(), JournalError> {
        self.lines += 1;
        match record {
            Record::Run(run) => self.begun = Some(run),
            Record::Intent(intent) => {
                if self.window.len() >= WINDOW {
                    self.give_up_oldest()?;
                }
                self.window.push_back((self.lines, intent.key.clone()));
                self.open.insert(intent.key.clone(), (self.lines, intent));
            }
            Record::Done {
                key, after, etag, ..
            } => {
                self.ended(place, key, Outcome::Made { after, etag })?;
            }
            // Told after the end of all jobs. Of what is far behind, an undo finds out by itself.
            Record::Copied {
                key, after, etag, ..
            } => {
                if let Some((_, intent)) = self.open.remove(&key) {
                    let (after, etag) = (Some(after), Some(etag));
                    self.known(intent, Outcome::Made { after, etag })?;
                }
            }
            Record::NotCopied { key } => {
                if let Some((_, intent)) = self.open.remove(&key) {
                    self.known(intent, Outcome::NotMade)?;
                }
            }
            Record::Failed { key, .. } => self.ended(place, key, Outcome::NotMade)?,
            Record::JobRequested { .. } if self.jobs.len() >= JOBS => {
                return Err(JournalError::TooManyJobs {
                    place: place.to_owned(),
                    limit: JOBS,
                });
            }
            Record::JobRequested { token } => self.jobs.push(ReplayedJob { token, id: None }),
            Record::Job { token, id } => {
                let mut jobs = self.jobs.iter_mut();
                if let Some(job) = jobs.find(|job| job.token == token) {
                    job.id = Some(id);
                }
            }
            // About these only the next run on the same machine wants to know.
            Record::Upload { .. } | Record::UploadEnd { .. } => {}
            Record::End { .. } => self.has_ended = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Text;
    use super::*;
    use crate::objects::journal::{Action, LINE};

    fn intent(key: &str) -> Record {
        Record::Intent(Intent {
            key: key.to_owned(),
            action: Action::Replace,
            etag: None,
            size: None,
            before: Some("v1".to_owned()),
        })
    }

    fn done(key: &str) -> Record {
        Record::Done {
            key: key.to_owned(),
            after: Some("v2".to_owned()),
            etag: None,
            from: None,
        }
    }

    fn collect(
        records: impl IntoIterator<Item = Record>,
    ) -> Result<(Collector, usize), JournalError> {
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl"))?;
        let mut most = 0;
        for record in records {
            collector.take("here", record)?;
            most = most.max(collector.open.len() + collector.window.len() + collector.ready.len());
        }
        collector.finish()?;
        Ok((collector, most))
    }

    fn outcomes(replayed: &Collector) -> Vec<(String, Outcome)> {
        let changes = replayed.changes.read().unwrap();
        let changes = changes.map(|change| change.unwrap());
        changes
            .map(|change| (change.intent.key, change.outcome))
            .collect()
    }

    #[test]
    fn collector_of_a_run_that_was_killed_leaves_its_last_outcomes_unknown() {
        let failed = Record::Failed {
            key: "b".into(),
            problem: "x".into(),
        };
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl")).unwrap();
        for record in [intent("a"), intent("b"), intent("c"), done("a"), failed] {
            collector.take("here", record).unwrap();
        }
        collector.finish().unwrap();
        let made = Outcome::Made {
            after: Some("v2".into()),
            etag: None,
        };
        let expected = [
            ("a".to_owned(), made),
            ("b".to_owned(), Outcome::NotMade),
            ("c".to_owned(), Outcome::Unknown),
        ];
        assert_eq!(outcomes(&collector), expected);
        assert!(!collector.has_ended);
    }

    // A run that went on after it was killed, or after it had failed.
    #[test]
    fn collector_of_a_second_intent_of_a_key_is_not_confused_by_the_first() {
        let mut records = vec![intent("again")];
        records.push(Record::Failed {
            key: "again".into(),
            problem: "x".into(),
        });
        let both = |n: usize| [intent(&n.to_string()), done(&n.to_string())];
        records.extend((0..WINDOW - 2).flat_map(both));
        records.push(intent("again"));
        records.extend((WINDOW..WINDOW + 10).flat_map(both));
        records.push(done("again"));
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl")).unwrap();
        for record in records {
            collector.take("here", record).unwrap();
        }
        collector.finish().unwrap();
        let outcomes = outcomes(&collector);
        let again = outcomes.iter().filter(|(key, _)| key == "again");
        let again: Vec<&Outcome> = again.map(|(_, outcome)| outcome).collect();
        assert!(matches!(
            again[..],
            [Outcome::NotMade, Outcome::Made { .. }]
        ));
    }

    #[test]
    fn collector_of_an_outcome_without_an_intent_fails() {
        let ended = collect([intent("a"), done("b")]);
        assert!(matches!(ended, Err(JournalError::Stray { key, .. }) if key == "b"));
    }

    // A batch job tells no outcomes, so that every change of its run stays open to the end.
    #[test]
    fn collector_of_many_changes_keeps_few_in_memory() {
        let number = 5 * WINDOW;
        let (_, most) = collect((0..number).map(|n| intent(&n.to_string()))).unwrap();
        assert!(most <= 2 * WINDOW + BATCH, "{most}");
        let both = |n: usize| [intent(&n.to_string()), done(&n.to_string())];
        let (_, most) = collect((0..number).flat_map(both)).unwrap();
        assert!(most <= WINDOW + BATCH + 1, "{most}");
    }

    #[test]
    fn collector_of_jobs_knows_them_by_their_tokens() {
        let requested = |token: &str| Record::JobRequested {
            token: token.to_owned(),
        };
        let made = Record::Job {
            token: "r-0".to_owned(),
            id: "job".to_owned(),
        };
        let (replayed, _) = collect([requested("r-0"), made, requested("r-1")]).unwrap();
        let ids: Vec<_> = replayed.jobs.iter().map(|job| job.id.as_deref()).collect();
        assert_eq!(ids, [Some("job"), None]);
    }

    fn read(text: &str, whole: bool) -> Result<usize, JournalError> {
        let directory = tempfile::tempdir().unwrap();
        let mut collector = Collector::new(directory.path().join("changes.jsonl")).unwrap();
        let mut of = Text::new("f".to_owned(), whole);
        // In pieces, as they come over a network.
        for bytes in text.as_bytes().chunks(7) {
            collector.feed(&mut of, bytes)?;
        }
        collector.end(&mut of)?;
        Ok(collector.lines)
    }

    #[test]
    fn feed_of_half_a_line_passes_over_it_on_disk_only() {
        let line = serde_json::to_string(&intent("a")).unwrap();
        let text = format!("{line}\n{{\"record\":\"int");
        assert_eq!(read(&text, false).unwrap(), 1);
        let error = read(&text, true).unwrap_err();
        assert!(matches!(error, JournalError::Line { line: 2, .. }));
        assert_eq!(read(&format!("{line}\n{line}"), true).unwrap(), 2);
    }

    #[test]
    fn feed_of_a_line_without_end_keeps_no_more_than_the_limit() {
        let line = serde_json::to_string(&intent("a")).unwrap();
        let error = read(&format!("{line}\n{}", "x".repeat(LINE + 1)), false).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2 of f has more than 16384 bytes, and at most 16384 are read"
        );
    }

    #[test]
    fn longest_line_of_a_run_is_read_back() {
        let worst = "\u{1}".repeat(1_024);
        let failed = Record::Failed {
            key: worst.clone(),
            problem: "\u{1}".repeat(1 << 20),
        };
        for record in [intent(&worst), failed] {
            let line = serde_json::to_string(&record).unwrap();
            assert!(line.len() <= LINE, "{}", line.len());
        }
    }
}
