//! Which state an object is.

use std::fmt;

use serde::{Serialize, Serializer};

/// Where Terraform keeps the states of workspaces, unless `workspace_key_prefix` says otherwise.
pub const WORKSPACE_KEY_PREFIX: &str = "env:";

/// A state of a bucket: the key of its backend's configuration, and the workspace.
///
/// Terraform keeps the default workspace's state under the key itself and any other under
/// `PREFIX/WORKSPACE/KEY`:
/// <https://developer.hashicorp.com/terraform/language/backend/s3#workspace_key_prefix>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateId {
    /// The `key` of the backend.
    pub key: String,
    /// The workspace; `None` for the default one.
    pub workspace: Option<Workspace>,
}

/// A workspace other than the default one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Workspace {
    /// `workspace_key_prefix`: [`WORKSPACE_KEY_PREFIX`], or what the backend sets.
    pub prefix: String,
    /// As `terraform workspace select` takes it.
    pub name: String,
}

impl StateId {
    /// The default workspace's state of `key`.
    pub fn new(key: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            workspace: None,
        }
    }

    /// The state whose object has this key. `prefixes` are the workspace prefixes that backends of this bucket use; one
    /// may have several levels (`team-a/workspaces`), and the longest that fits counts.
    pub fn of_object<'a>(object: &str, prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let workspace = prefixes
            .into_iter()
            .filter_map(|prefix| {
                let rest = object.strip_prefix(prefix)?.strip_prefix('/')?;
                // Workspaces' names have no slash: what comes after the first one is the key.
                let (name, key) = rest.split_once('/')?;
                (!name.is_empty() && !key.is_empty()).then_some((prefix, name, key))
            })
            .max_by_key(|(prefix, ..)| prefix.len());
        match workspace {
            Some((prefix, name, key)) => Self {
                key: key.to_owned(),
                workspace: Some(Workspace {
                    prefix: prefix.to_owned(),
                    name: name.to_owned(),
                }),
            },
            None => Self::new(object),
        }
    }

    /// The key of its object.
    pub fn object(&self) -> String {
        match &self.workspace {
            Some(Workspace { prefix, name }) => format!("{prefix}/{name}/{}", self.key),
            None => self.key.clone(),
        }
    }
}

impl fmt::Display for StateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.object())
    }
}

impl Serialize for StateId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut id = serializer.serialize_struct("StateId", 3)?;
        id.serialize_field("object", &self.object())?;
        id.serialize_field("key", &self.key)?;
        let workspace = self.workspace.as_ref().map(|workspace| &workspace.name);
        id.serialize_field("workspace", &workspace)?;
        id.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PREFIXES: [&str; 3] = [WORKSPACE_KEY_PREFIX, "team", "team/workspaces"];

    // aws-behaviour: 44
    #[test]
    fn state_id_of_an_object_knows_key_and_workspace() {
        let rows = [
            (
                "staging/terraform.tfstate",
                "staging/terraform.tfstate",
                None,
            ),
            (
                "env:/prod/net/terraform.tfstate",
                "net/terraform.tfstate",
                Some(("env:", "prod")),
            ),
            ("team/workspaces/a/k", "k", Some(("team/workspaces", "a"))),
            ("team/a/k", "k", Some(("team", "a"))),
            // No workspace: nothing after its name, or no name.
            ("env:/prod", "env:/prod", None),
            ("env://k", "env://k", None),
            ("environment/prod/k", "environment/prod/k", None),
        ];
        for (object, key, workspace) in rows {
            let id = StateId::of_object(object, PREFIXES);
            assert_eq!(id.key, key, "{object}");
            let found = id.workspace.as_ref();
            let found = found.map(|found| (found.prefix.as_str(), found.name.as_str()));
            assert_eq!(found, workspace, "{object}");
        }
    }

    proptest! {
        #[test]
        fn state_id_of_any_object_gives_its_key_back(object in "(env:|team|[a-z/.:]{0,6})(/[a-z./]{0,8}){0,4}") {
            prop_assert_eq!(StateId::of_object(&object, PREFIXES).object(), object);
        }
    }
}
