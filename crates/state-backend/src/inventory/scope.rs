//! Which objects of the buckets are states, and of which key and workspace.

use std::collections::BTreeSet;
use std::fmt;

use settings::{State, StateKey};

use super::read::may_be_state;
use super::{StateId, WORKSPACE_KEY_PREFIX};
use crate::lock::LOCK_OBJECT_SUFFIX;

/// Why an object is none of the states.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object} {why}")]
#[non_exhaustive]
pub struct NotAState {
    /// The object's key.
    pub object: String,
    /// What speaks against it.
    pub why: WhyNotAState,
}

/// What speaks against an object's being a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyNotAState {
    /// The settings name the keys that count, and this is in none of them.
    OtherKey,
    /// Terraform, a console or this project writes it for something else.
    Own,
}

impl fmt::Display for WhyNotAState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherKey => "is not among the settings' `keys`",
            Self::Own => "is a lock, a folder or this program's own, and no state",
        })
    }
}

/// Which objects of the buckets are states: all that may be one, or those of the keys that the settings name.
#[derive(Debug, Clone)]
pub struct StateScope {
    /// The keys that are looked for, whether there is an object or not.
    named: BTreeSet<String>,
    /// Whether there are states of no other key.
    is_complete: bool,
    /// `workspace_key_prefix`.
    prefix: String,
}

impl StateScope {
    /// All states of the bucket, and in any case that of `key`.
    pub(crate) fn of_bucket(key: &StateKey) -> Self {
        Self {
            named: BTreeSet::from([key.as_str().to_owned()]),
            is_complete: false,
            prefix: WORKSPACE_KEY_PREFIX.to_owned(),
        }
    }

    pub(crate) fn new(state: &State) -> Self {
        let named = state.keys.iter().flatten().chain([&state.key]);
        Self {
            named: named.map(|key| key.as_str().to_owned()).collect(),
            is_complete: state.keys.is_some(),
            prefix: state.workspace_key_prefix.as_str().to_owned(),
        }
    }

    /// The state that an object is; `None` of a lock, of what this project itself writes, and of what has none of the keys
    /// that the settings name.
    pub fn state(&self, object: &str) -> Option<StateId> {
        // What is named is a state, whatever it looks like.
        if self.is_named(object) {
            return Some(StateId::new(object));
        }
        let state = StateId::of_object(object, [self.prefix.as_str()]);
        let is_ours = match self.is_complete {
            true => state.workspace.is_some() && self.named.contains(&state.key),
            false => may_be_state(object),
        };
        is_ours.then_some(state)
    }

    /// The state that an object is.
    ///
    /// # Errors
    /// When it is none, with the reason.
    pub fn find(&self, object: &str) -> Result<StateId, NotAState> {
        self.state(object).ok_or_else(|| NotAState {
            object: object.to_owned(),
            why: match may_be_state(object) {
                true => WhyNotAState::OtherKey,
                false => WhyNotAState::Own,
            },
        })
    }

    /// Whether the settings name all keys that count.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether an object may be a state of a key that the settings do not name, where they name all that count.
    pub(crate) fn leaves_out(&self, object: &str) -> bool {
        self.is_complete && may_be_state(object) && self.state(object).is_none()
    }

    /// The keys that the settings name, `state.key` among them.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(String::as_str)
    }

    /// Whether the settings name a key, so that something has to be there.
    pub fn is_named(&self, key: &str) -> bool {
        self.named.contains(key)
    }

    /// `workspace_key_prefix`.
    pub fn workspace_key_prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether an object is the lock of a state.
    pub(crate) fn is_lock(&self, object: &str) -> bool {
        let of = object.strip_suffix(LOCK_OBJECT_SUFFIX);
        !self.is_named(object) && of.is_some_and(|state| self.may_lock(state))
    }

    /// Whether a lock of this object would be one of ours. Without named keys any is: Terraform takes the lock before
    /// there is a state.
    pub(crate) fn may_lock(&self, object: &str) -> bool {
        !self.is_complete || self.state(object).is_some()
    }

    /// The states among the objects that were found, and those that have to be there: of a key without any state, that of
    /// the default workspace.
    pub(crate) fn objects(&self, found: impl IntoIterator<Item = String>) -> BTreeSet<String> {
        let mut objects = BTreeSet::new();
        let mut without = self.named.clone();
        for object in found {
            if let Some(state) = self.state(&object) {
                // That of `state.key` is looked at even if there are workspaces.
                if self.is_complete {
                    without.remove(&state.key);
                }
                objects.insert(object);
            }
        }
        objects.extend(without);
        objects
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");

    fn scope(keys: &str, prefix: &str) -> StateScope {
        let key = "key = \"staging/terraform.tfstate\"";
        let text = EXAMPLE
            .replace(key, &format!("{key}\n{keys}"))
            .replace("\"env:\"", &format!("{prefix:?}"));
        let settings = Settings::parse(&text, date(2026, 11, 22));
        StateScope::new(&settings.unwrap().state)
    }

    fn workspace(scope: &StateScope, object: &str) -> Option<(String, Option<String>)> {
        let state = scope.state(object)?;
        Some((state.key, state.workspace.map(|workspace| workspace.name)))
    }

    #[test]
    fn scope_without_keys_is_every_object_that_may_be_a_state() {
        let scope = scope("", "team/ws");
        let state = |key: &str, name: Option<&str>| Some((key.to_owned(), name.map(str::to_owned)));
        let rows = [
            ("a/b/c.json", state("a/b/c.json", None)),
            ("team/ws/prod/net/k", state("net/k", Some("prod"))),
            ("env:/prod/net/k", state("env:/prod/net/k", None)),
            ("a.tflock", None),
            ("folder/", None),
            ("init-backend/replication-canary", None),
            (".dr-journal/x", None),
        ];
        for (object, wanted) in rows {
            assert_eq!(workspace(&scope, object), wanted, "{object}");
        }
        assert!(scope.is_lock("x.tflock") && scope.may_lock("anything"));
        assert!(!scope.leaves_out("a/b/c.json"), "every object is one");
        let objects = scope.objects(["b".to_owned(), "b.tflock".to_owned()]);
        assert_eq!(
            objects,
            BTreeSet::from(["b", "staging/terraform.tfstate"].map(str::to_owned))
        );
    }

    #[test]
    fn scope_of_named_keys_is_those_in_every_workspace_whatever_they_look_like() {
        let keys = "keys = [\"staging/terraform.tfstate\", \"net.tflock\", \"init-backend/k\", \"env:/a/b\", \"c-md5\"]";
        let scope = scope(keys, "env:");
        for (object, key, name) in [
            ("net.tflock", "net.tflock", None),
            ("env:/prod/net.tflock", "net.tflock", Some("prod")),
            ("init-backend/k", "init-backend/k", None),
            ("env:/a/b", "env:/a/b", None),
            ("env:/x/env:/a/b", "env:/a/b", Some("x")),
            ("env:/x/c-md5", "c-md5", Some("x")),
        ] {
            let wanted = (key.to_owned(), name.map(str::to_owned));
            assert_eq!(workspace(&scope, object), Some(wanted), "{object}");
        }
        for other in [
            "net",
            "team/k",
            "env:/x/team/k",
            "env:/x/b",
            "net.tflock.tflock",
        ] {
            assert_eq!(workspace(&scope, other), None, "{other}");
        }
        assert!(scope.is_lock("net.tflock.tflock"));
        assert!(!scope.is_lock("net.tflock"));
        assert!(!scope.is_lock("net.tflock.tflock.tflock"));
        assert!(!scope.may_lock("team/k"));
        assert!(scope.leaves_out("team/k") && scope.leaves_out("env:/x/b"));
        for left in [
            "team/k.tflock",
            "folder/",
            "init-backend/canary",
            "net.tflock",
        ] {
            assert!(!scope.leaves_out(left), "{left}");
        }

        let found = ["env:/x/c-md5", "team/k", "net.tflock"].map(str::to_owned);
        let objects = scope.objects(found);
        let wanted = [
            "env:/a/b",
            "env:/x/c-md5",
            "init-backend/k",
            "net.tflock",
            "staging/terraform.tfstate",
        ];
        assert_eq!(objects, BTreeSet::from(wanted.map(str::to_owned)));
    }
}
