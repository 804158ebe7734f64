use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// The environment in which terraform runs. It has this one and no other: a library does not read its own.
///
/// `TF_WORKSPACE`, `TF_DATA_DIR`, `TF_VAR_…` and the like belong here, and what the providers need (`AWS_…`, `HOME`).
#[derive(Clone, Default)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// From names and values, as `std::env::vars_os` gives them.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        let name = name.into();
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, value.into()));
        self
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_os_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Text with the values of those variables hidden that hold secrets by their name.
    pub fn redact(&self, text: &str) -> String {
        /// Shorter ones are no secrets, and stand in many other words.
        const SHORTEST: usize = 8;
        let is_secret = |name: &str| {
            let name = name.to_ascii_uppercase();
            let words = ["SECRET", "TOKEN", "PASSWORD", "PASSWD"];
            words.iter().any(|word| name.contains(word)) && !name.ends_with("_FILE")
        };
        let mut secrets: Vec<&str> = self
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .filter(|(name, value)| value.len() >= SHORTEST && is_secret(name))
            .map(|(_, value)| value)
            .collect();
        // One may be part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret, "[redacted]")
        })
    }

    /// The first file called `name` in the folders of `PATH` that may be executed.
    pub(crate) fn find_program(&self, name: &str) -> Option<PathBuf> {
        std::env::split_paths(self.get("PATH")?)
            .map(|folder| folder.join(name))
            .find(|path| is_executable(path))
    }
}

fn is_executable(path: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path)
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Names alone: values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}
