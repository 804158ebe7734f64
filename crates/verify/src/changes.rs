//! What is different from one run to the next.

use std::collections::BTreeMap;

use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::Serialize;

use crate::check::{Answer, Checked};

/// An answer that is not what it was.
#[derive(Debug, Clone, Serialize)]
pub struct Change {
    /// The answer before; `None` when nobody had asked about the resource.
    pub before: Option<Answer>,
    /// The answer now; `None` when nobody asks about the resource any more.
    pub now: Option<Answer>,
}

/// What changed between two runs.
#[derive(Debug, Clone, Serialize)]
pub struct Changes {
    /// When the later one was.
    pub at: Timestamp,
    /// By item, check and resource.
    pub changes: Vec<Change>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

impl Checked {
    /// What changed since `before`.
    pub fn since(&self, before: &Self) -> Changes {
        type Key<'a> = (Option<u8>, &'static str, &'a str);
        fn key(answer: &Answer) -> Key<'_> {
            let item = answer.check.item;
            (item, answer.check.id, &answer.resource)
        }
        let mut pairs: BTreeMap<Key<'_>, (Option<&Answer>, Option<&Answer>)> = BTreeMap::new();
        for answer in &before.answers {
            pairs.entry(key(answer)).or_default().0 = Some(answer);
        }
        for answer in &self.answers {
            pairs.entry(key(answer)).or_default().1 = Some(answer);
        }
        let changed = pairs
            .into_values()
            .filter(|(before, now)| !same(*before, *now));
        Changes {
            at: self.at,
            changes: changed
                .map(|(before, now)| Change {
                    before: before.cloned(),
                    now: now.cloned(),
                })
                .collect(),
        }
    }
}

/// Reasons are left out: each failed call has another id in them.
fn same(before: Option<&Answer>, now: Option<&Answer>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => {
            (
                before.status,
                &before.expected,
                &before.terraform,
                &before.aws,
            ) == (now.status, &now.expected, &now.terraform, &now.aws)
        }
        (None, None) => true,
        _ => false,
    }
}

impl Report for Changes {
    const KIND: &'static str = "check-changes";

    fn document(&self) -> Document {
        let rows = self.changes.iter().filter_map(|change| {
            let answer = change.now.as_ref().or(change.before.as_ref())?;
            let word = |answer: &Option<Answer>| match answer {
                Some(answer) => answer.status.word(),
                None => "not asked",
            };
            let shown = change.now.as_ref().map(Answer::shown).unwrap_or_default();
            let mark = change
                .now
                .as_ref()
                .map_or(Mark::Plain, |now| now.status.mark());
            let cells = vec![
                word(&change.now).to_owned(),
                word(&change.before).to_owned(),
                format!("{}: {}", answer.check.id, answer.resource),
                shown,
            ];
            Some((mark, cells))
        });
        let rows: Vec<_> = rows.collect();
        Document::new()
            .heading(self.at.to_string())
            .table(["Now", "Before", "Check", "AWS"], rows)
    }
}

#[cfg(test)]
mod tests {
    use report::finding::Unobserved;

    use super::*;
    use crate::sample::sample;

    #[test]
    fn only_what_changed_is_told() {
        let before = sample();
        assert!(before.since(&before).is_empty());
        let mut now = before.clone();
        // Another request id, the same answer.
        now.answers[2].reason = Some("denied, request 2".to_owned());
        assert!(now.since(&before).is_empty());
        let check = now.answers[0].check;
        now.answers[0] = check.answer(
            "db-1",
            "a standby",
            Some("true".into()),
            Ok((true, "yes".into())),
        );
        let gone = now.answers.remove(1);
        now.answers.push(check.answer(
            "db-9",
            "a standby",
            None,
            Err(Unobserved::because("denied")),
        ));
        let changes = now.since(&before);
        let told: Vec<_> = changes
            .changes
            .iter()
            .map(|change| {
                let word = |answer: &Option<Answer>| answer.as_ref().map(|a| a.status.word());
                (word(&change.before), word(&change.now))
            })
            .collect();
        assert_eq!(
            told,
            [
                (Some("wrong"), Some("ok")),
                (Some("ok"), None),
                (None, Some("unknown"))
            ]
        );
        assert_eq!(gone.resource, "db-2");
        let text = changes.document().to_terminal(Some(100), false);
        assert!(
            text.contains("rds-multi-az: db-9") && text.contains("not asked"),
            "{text}"
        );
    }
}
