//! What undoing one change takes, by what the journal says and what S3 has. Nothing is called here.

use serde::{Deserialize, Serialize};

use super::super::entry::ETag;
use super::super::journal::{Action, Change, Intent, Outcome};
use super::super::versions::Version;

/// One thing to undo. Keys are whole keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Step {
    pub(in super::super) key: String,
    /// What is there now: what the run left.
    pub(in super::super) current: String,
    pub(in super::super) work: Work,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Work {
    /// Take away the delete marker.
    Revive,
    /// Copy this version forward.
    Restore { version: String },
    /// Put a delete marker on it.
    Remove { etag: ETag },
}

impl Work {
    /// As the log calls it.
    pub(in super::super) fn name(&self) -> &'static str {
        match self {
            Self::Revive => "undo deletion",
            Self::Restore { .. } => "undo overwriting",
            Self::Remove { .. } => "undo creation",
        }
    }
}

pub(in super::super) enum Found {
    Step(Step),
    /// This step, if the content that is there now is what the run was to copy. Its ETag does not tell.
    IfContent(Step),
    /// Nothing, if the content that is there now, as the version `current`, is that of the version `before`: an undo has put it
    /// back already. Else it is somebody else's.
    IfAsBefore {
        current: String,
        before: String,
    },
    Nothing,
    Conflict,
    Impossible(&'static str),
}

/// The id of what was written while the bucket kept no versions: the next write of that kind replaces it.
const NULL: &str = "null";

/// Decides about one change. Pure.
pub(in super::super) fn decide(change: &Change, versions: &[Version]) -> Found {
    let Change { intent, outcome } = change;
    let current = versions.first().filter(|version| version.latest);
    let is_before = |version: Option<&Version>| match (version, &intent.before) {
        (Some(version), Some(before)) => version.id == *before,
        (None, None) => true,
        // A key that was created over an old delete marker had no current object before.
        (Some(version), None) => version.etag.is_none() && intent.action == Action::Create,
        (None, Some(_)) => false,
    };
    if *outcome == Outcome::NotMade {
        return Found::Nothing;
    }
    if intent.before.as_deref() == Some(NULL) && is_before(current) {
        return decide_unversioned(change, versions);
    }
    let kept_before = intent.before.as_ref().is_some_and(|id| id != NULL);
    if intent.action == Action::Delete && !kept_before && left_null(outcome) {
        return Found::Impossible(NOT_KEPT);
    }
    if is_before(current) {
        return Found::Nothing;
    }
    let Some(current) = current else {
        return Found::Conflict;
    };
    // Killed in between: ours when it is what the run meant to write, right on top of what was there.
    let mut by_content = false;
    let ours = match outcome {
        Outcome::Made {
            after: Some(after), ..
        } => current.id == *after,
        Outcome::Made { after: None, .. } => {
            return Found::Impossible(NOT_KEPT);
        }
        _ if intent.action == Action::Delete => {
            current.etag.is_none() && is_before(versions.get(1))
        }
        _ => {
            by_content = true;
            current.etag.is_some() && is_before(versions.get(1))
        }
    };
    if !ours {
        return not_ours(intent, current, versions);
    }
    let work = match (intent.action, &intent.before, &current.etag) {
        (Action::Create, _, Some(etag)) => Work::Remove { etag: etag.clone() },
        (Action::Delete, _, None) => Work::Revive,
        (Action::Replace, Some(before), Some(_)) => {
            if !versions.iter().any(|version| version.id == *before) {
                return Found::Impossible("the old version is gone");
            }
            Work::Restore {
                version: before.clone(),
            }
        }
        (Action::Replace, None, _) => return Found::Impossible(NOT_KEPT),
        _ => return Found::Conflict,
    };
    let step = Step {
        key: intent.key.clone(),
        current: current.id.clone(),
        work,
    };
    match by_content {
        true => Found::IfContent(step),
        false => Found::Step(step),
    }
}

const NOT_KEPT: &str = "the bucket kept no versions";

/// The current version is not the one that the run left.
fn not_ours(intent: &Intent, current: &Version, versions: &[Version]) -> Found {
    let before = intent
        .before
        .as_ref()
        .filter(|_| intent.action == Action::Replace);
    let before = before.and_then(|id| versions.iter().find(|version| version.id == *id));
    match (before, &current.etag) {
        (Some(before), Some(etag)) if before.etag.as_ref() == Some(etag) => Found::Nothing,
        (Some(before), Some(_)) if before.etag.is_some() => Found::IfAsBefore {
            current: current.id.clone(),
            before: before.id.clone(),
        },
        _ => Found::Conflict,
    }
}

fn left_null(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Made { after, .. } if after.as_deref() == Some(NULL))
}

/// Before and now the version is `null`, which need not be the same object.
fn decide_unversioned(change: &Change, versions: &[Version]) -> Found {
    let lost = Found::Impossible(NOT_KEPT);
    let current = versions.first().and_then(|version| version.etag.as_ref());
    match &change.outcome {
        outcome if left_null(outcome) => lost,
        // What the run wrote lies below: somebody has written since, while versions were suspended.
        Outcome::Made {
            after: Some(after), ..
        } if versions.iter().any(|version| version.id == *after) => Found::Conflict,
        Outcome::Unknown if current == change.intent.etag.as_ref() => lost,
        _ => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::entry::Modified;
    use super::super::super::journal::Intent;
    use super::*;

    fn change(action: Action, before: Option<&str>, outcome: Outcome) -> Change {
        Change {
            intent: Intent {
                key: "k".to_owned(),
                action,
                etag: (action != Action::Delete).then(|| ETag::parse("new")),
                size: None,
                before: before.map(str::to_owned),
            },
            outcome,
        }
    }

    fn version(id: &str, etag: Option<&str>, latest: bool) -> Version {
        Version {
            id: id.to_owned(),
            etag: etag.map(ETag::parse),
            modified: Modified::default(),
            latest,
        }
    }

    fn made(after: &str) -> Outcome {
        Outcome::Made {
            after: Some(after.to_owned()),
            etag: None,
        }
    }

    fn work(found: Found) -> Option<Work> {
        match found {
            Found::Step(step) | Found::IfContent(step) => Some(step.work),
            _ => None,
        }
    }

    #[test]
    fn decide_of_a_change_undoes_only_what_the_run_left() {
        let replaced = change(Action::Replace, Some("v1"), made("v2"));
        let (v1, v2) = (
            version("v1", Some("old"), false),
            version("v2", Some("new"), true),
        );
        let restore = Work::Restore {
            version: "v1".to_owned(),
        };
        assert_eq!(
            work(decide(&replaced, &[v2.clone(), v1.clone()])),
            Some(restore)
        );
        let v3 = version("v3", Some("newer"), true);
        let older = version("v2", Some("new"), false);
        let found = decide(&replaced, &[v3, older.clone(), v1.clone()]);
        assert!(matches!(
            found,
            Found::IfAsBefore { current, before } if (current.as_str(), before.as_str()) == ("v3", "v1")
        ));
        // An undo has put it back already.
        let again = version("v3", Some("old"), true);
        let found = decide(&replaced, &[again, older.clone(), v1.clone()]);
        assert!(matches!(found, Found::Nothing));
        // Deleted since, or with nothing left to compare.
        let marker = version("m", None, true);
        let found = decide(&replaced, &[marker, older.clone(), v1.clone()]);
        assert!(matches!(found, Found::Conflict));
        let found = decide(&replaced, &[version("v3", Some("newer"), true), older]);
        assert!(matches!(found, Found::Conflict));
        assert!(matches!(decide(&replaced, &[v2]), Found::Impossible(_)));
        assert!(matches!(decide(&replaced, &[]), Found::Conflict));
        assert!(matches!(
            decide(&replaced, &[version("v1", Some("old"), true)]),
            Found::Nothing
        ));
    }

    #[test]
    fn decide_after_a_kill_asks_for_the_content_of_what_lies_on_what_was_there() {
        let replaced = change(Action::Replace, Some("v1"), Outcome::Unknown);
        let v1 = version("v1", Some("old"), false);
        let on_top = version("v2", Some("any"), true);
        let found = decide(&replaced, &[on_top.clone(), v1.clone()]);
        assert!(matches!(found, Found::IfContent(_)));
        // Two have been written since: the current one is not the run's.
        let between = version("v3", Some("new"), false);
        let found = decide(&replaced, &[on_top, between, v1]);
        assert!(matches!(found, Found::IfAsBefore { .. }));
        let deleted = change(Action::Delete, Some("v1"), Outcome::Unknown);
        let v1 = version("v1", Some("old"), false);
        let found = decide(&deleted, &[version("m", None, true), v1.clone()]);
        assert!(matches!(&found, Found::Step(step) if step.work == Work::Revive));
        let written = version("v2", Some("new"), true);
        assert!(matches!(decide(&deleted, &[written, v1]), Found::Conflict));
    }

    #[test]
    fn decide_of_what_was_overwritten_without_versions_is_impossible() {
        let null = |etag: Option<&str>| version(NULL, etag, true);
        let replaced = |outcome| change(Action::Replace, Some(NULL), outcome);
        let found = decide(&replaced(made(NULL)), &[null(Some("new"))]);
        assert!(matches!(found, Found::Impossible(_)));
        let deleted = change(Action::Delete, Some(NULL), made(NULL));
        assert!(matches!(
            decide(&deleted, &[null(None)]),
            Found::Impossible(_)
        ));
        let deleted = change(Action::Delete, None, made(NULL));
        assert!(matches!(
            decide(&deleted, &[null(None)]),
            Found::Impossible(_)
        ));
        // Its old version lies below the marker.
        let deleted = change(Action::Delete, Some("v1"), made(NULL));
        let v1 = version("v1", Some("old"), false);
        assert_eq!(
            work(decide(&deleted, &[null(None), v1])),
            Some(Work::Revive)
        );
        // Killed in between: only the content tells.
        let killed = replaced(Outcome::Unknown);
        let found = decide(&killed, &[null(Some("new"))]);
        assert!(matches!(found, Found::Impossible(_)));
        let found = decide(&killed, &[null(Some("old"))]);
        assert!(matches!(found, Found::Nothing));
        // Versions were kept then and are suspended now, and somebody has written since.
        let ours = version("v2", Some("new"), false);
        let found = decide(&replaced(made("v2")), &[null(Some("theirs")), ours]);
        assert!(matches!(found, Found::Conflict));
        // Versions are kept: what was there before them is still there.
        let (ours, before) = (
            version("v2", Some("new"), true),
            version(NULL, Some("old"), false),
        );
        assert!(work(decide(&replaced(made("v2")), &[ours, before])).is_some());
    }

    #[test]
    fn decide_of_what_was_created_over_a_delete_marker_removes_it() {
        let created = change(Action::Create, None, made("v2"));
        let versions = [version("v2", Some("new"), true), version("m", None, false)];
        assert!(matches!(
            work(decide(&created, &versions)),
            Some(Work::Remove { .. })
        ));
        assert!(matches!(
            decide(&created, &[version("m", None, true)]),
            Found::Nothing
        ));
    }
}
