//! Which backend a root module has: what its code says of it, and what `terraform init` remembered.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hcl::eval::{Context, Evaluate as _};
use hcl::{Block, Body};
use serde::Deserialize;
use serde_json::Value;

use crate::environment::Environment;

/// A root module as its folder shows it. Nothing is run.
#[derive(Debug, Clone)]
pub struct RootModule {
    /// Its folder.
    pub folder: PathBuf,
    /// The backend of its code; `None` where the code has none.
    pub code: Option<BackendConfig>,
    /// The backend that `terraform init` last set up; `None` before the first one.
    pub remembered: Option<BackendConfig>,
    /// The workspace that is selected; `None` for the default one.
    pub workspace: Option<String>,
}

/// A backend's type and arguments.
#[derive(Clone, PartialEq)]
pub struct BackendConfig {
    /// Its type, as in `s3`; `cloud` of a `cloud` block.
    pub kind: String,
    arguments: BTreeMap<String, Option<Value>>,
}

/// An argument of a backend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Argument<'a> {
    /// It is not set.
    Unset,
    /// It has this value.
    Value(&'a Value),
    /// It is computed from something else, of which only terraform knows what it is.
    NotConstant,
}

/// Why a folder does not say which backend its root module has.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootModuleError {
    /// A file or the folder cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Code that is this long is none.
    #[error("{} has {bytes} bytes, and at most {} are read", path.display(), RootModule::MAX_BYTES)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// Brackets within brackets, deeper than code of people has them.
    #[error("{} has brackets nested more than {} deep", path.display(), MAX_DEPTH)]
    TooDeep {
        /// The file.
        path: PathBuf,
    },
    /// A file that may say what the backend is, and cannot be parsed. The reason quotes nothing of the file.
    #[error("{} cannot be parsed{}", path.display(), at(*line))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where it is known.
        line: Option<usize>,
    },
    /// Terraform refuses a second one.
    #[error("{} has a backend beside the one of another file", path.display())]
    Duplicate {
        /// The file with the second one.
        path: PathBuf,
    },
}

fn at(line: Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" at line {line}"))
}

/// Deeper nesting would be too much for a parser that calls itself.
const MAX_DEPTH: usize = 128;
/// What terraform takes for the name of the folder in which it keeps what it remembers.
const DATA_FOLDER: &str = ".terraform";
/// The workspace that nobody has chosen.
const DEFAULT_WORKSPACE: &str = "default";

impl RootModule {
    /// Code files are never this long, in bytes.
    pub const MAX_BYTES: u64 = 4 << 20;

    /// Reads the `.tf` and `.tf.json` files of a folder and what `terraform init` left there, or in `TF_DATA_DIR` of
    /// `environment`. `TF_WORKSPACE` chooses the workspace, as it does for terraform.
    ///
    /// # Errors
    /// When a file cannot be read or parsed, or there are two backends.
    pub fn read(folder: &Path, environment: &Environment) -> Result<Self, RootModuleError> {
        let data = match environment.get("TF_DATA_DIR") {
            Some(data) if !data.is_empty() => folder.join(data),
            _ => folder.join(DATA_FOLDER),
        };
        let chosen = environment.get("TF_WORKSPACE");
        let workspace = match chosen.and_then(|chosen| chosen.to_str()) {
            Some(chosen) if !chosen.is_empty() => Some(chosen.to_owned()),
            _ => read_text(&data.join("environment"))?.map(|text| text.trim().to_owned()),
        };
        Ok(Self {
            folder: folder.to_owned(),
            code: backend_of_code(folder)?,
            remembered: remembered(&data.join("terraform.tfstate"))?,
            workspace: workspace.filter(|name| !name.is_empty() && name != DEFAULT_WORKSPACE),
        })
    }
}

impl BackendConfig {
    /// What an argument is.
    pub fn argument(&self, name: &str) -> Argument<'_> {
        match self.arguments.get(name) {
            None | Some(Some(Value::Null)) => Argument::Unset,
            Some(Some(value)) => Argument::Value(value),
            Some(None) => Argument::NotConstant,
        }
    }
}

/// Names alone: values may be keys.
impl fmt::Debug for BackendConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendConfig")
            .field("kind", &self.kind)
            .field("arguments", &self.arguments.keys())
            .finish()
    }
}

/// The text of a file, `None` where there is none.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, RootModuleError> {
    let failed = |source| RootModuleError::Read {
        path: path.to_owned(),
        source,
    };
    let bytes = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if bytes > RootModule::MAX_BYTES {
        let path = path.to_owned();
        return Err(RootModuleError::TooLarge { path, bytes });
    }
    fs::read_to_string(path).map(Some).map_err(failed)
}

/// What init wrote: a state of format 3 that has a backend and nothing else.
fn remembered(path: &Path) -> Result<Option<BackendConfig>, RootModuleError> {
    #[derive(Deserialize)]
    struct Remembered {
        backend: Option<Backend>,
    }
    #[derive(Deserialize)]
    struct Backend {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        config: BTreeMap<String, Value>,
    }
    let Some(text) = read_text(path)? else {
        return Ok(None);
    };
    let read: Remembered = serde_json::from_str(&text).map_err(|error| json_error(path, &error))?;
    Ok(read.backend.map(|backend| BackendConfig {
        kind: backend.kind,
        arguments: backend
            .config
            .into_iter()
            .map(|(name, value)| (name, Some(value)))
            .collect(),
    }))
}

pub(crate) fn json_error(path: &Path, error: &serde_json::Error) -> RootModuleError {
    RootModuleError::Syntax {
        path: path.to_owned(),
        line: Some(error.line()),
    }
}

/// The backend of all files: of those that override (`override.tf`, `…_override.tf`), the last one that has any, else
/// of the others, of which one may.
/// <https://developer.hashicorp.com/terraform/language/files/override>
fn backend_of_code(folder: &Path) -> Result<Option<BackendConfig>, RootModuleError> {
    let (mut code, mut overriding) = (None, None);
    for (path, form) in code_files(folder)? {
        let Some(text) = read_text(&path)? else {
            continue;
        };
        let found = match form.is_json {
            true => of_json(&path, &text)?,
            false => of_hcl(&path, &text)?,
        };
        for found in found {
            if form.overrides {
                overriding = Some(found);
            } else if code.replace(found).is_some() {
                return Err(RootModuleError::Duplicate { path });
            }
        }
    }
    Ok(overriding.or(code))
}

/// The files of a folder in which terraform reads code, in the order of the alphabet.
pub(crate) fn code_files(folder: &Path) -> Result<Vec<(PathBuf, Form)>, RootModuleError> {
    let mut files: Vec<(PathBuf, Form)> = files_of(folder)?
        .into_iter()
        .filter_map(|path| {
            let form = Form::of(path.file_name()?.to_str()?)?;
            Some((path, form))
        })
        .collect();
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(files)
}

/// What a folder holds.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<PathBuf>, RootModuleError> {
    let failed = |source| RootModuleError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = fs::read_dir(folder).map_err(failed)?;
    entries
        .map(|entry| Ok(entry.map_err(failed)?.path()))
        .collect()
}

/// What kind of code a file is.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    pub(crate) is_json: bool,
    overrides: bool,
}

impl Form {
    /// `None` of what terraform does not read, the leftovers of editors among it.
    fn of(name: &str) -> Option<Self> {
        let (stem, is_json) = match name.strip_suffix(".tf.json") {
            Some(stem) => (stem, true),
            None => (name.strip_suffix(".tf")?, false),
        };
        (!name.starts_with(['.', '#'])).then(|| Self {
            is_json,
            overrides: stem == "override" || stem.ends_with("_override"),
        })
    }
}

/// The backends of native syntax. A file in which neither block can be is not parsed: of its syntax nothing has to be
/// known.
fn of_hcl(path: &Path, text: &str) -> Result<Vec<BackendConfig>, RootModuleError> {
    if !text.contains("backend") && !text.contains("cloud") {
        return Ok(Vec::new());
    }
    let body = parse_hcl(path, text)?;
    let terraform = body
        .blocks()
        .filter(|block| block.identifier.as_str() == "terraform");
    let backends = terraform.flat_map(|block| block.body.blocks());
    Ok(backends
        .filter_map(|block| {
            let kind = match (block.identifier.as_str(), block.labels.first()) {
                ("backend", Some(label)) => label.as_str(),
                ("cloud", _) => "cloud",
                _ => return None,
            };
            Some(BackendConfig {
                kind: kind.to_owned(),
                arguments: arguments(block),
            })
        })
        .collect())
}

/// The code of a file in native syntax.
pub(crate) fn parse_hcl(path: &Path, text: &str) -> Result<Body, RootModuleError> {
    if depth(text) > MAX_DEPTH {
        let path = path.to_owned();
        return Err(RootModuleError::TooDeep { path });
    }
    hcl::from_str(text).map_err(|error| RootModuleError::Syntax {
        path: path.to_owned(),
        line: match error {
            hcl::Error::Parse(error) => Some(error.location().line()),
            _ => None,
        },
    })
}

/// The value of an expression that needs nothing but itself.
pub(crate) fn constant(expression: &hcl::Expression) -> Option<Value> {
    let value = expression.evaluate(&Context::new()).ok()?;
    serde_json::to_value(value).ok()
}

fn arguments(block: &Block) -> BTreeMap<String, Option<Value>> {
    block
        .body
        .attributes()
        .map(|attribute| (attribute.key.to_string(), constant(&attribute.expr)))
        .collect()
}

/// The most brackets that are open at once. Those within strings count, which makes it no smaller.
fn depth(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}

/// The backends of JSON syntax, where a block is an object or an array of objects.
/// <https://developer.hashicorp.com/terraform/language/syntax/json>
fn of_json(path: &Path, text: &str) -> Result<Vec<BackendConfig>, RootModuleError> {
    fn members(value: Option<&Value>) -> Vec<(&String, &Value)> {
        match value {
            Some(Value::Object(members)) => members.iter().collect(),
            Some(Value::Array(all)) => all.iter().flat_map(|one| members(Some(one))).collect(),
            _ => Vec::new(),
        }
    }
    let root: Value = serde_json::from_str(text).map_err(|error| json_error(path, &error))?;
    let mut found = Vec::new();
    for (name, value) in members(root.get("terraform")) {
        let blocks = match name.as_str() {
            "backend" => members(Some(value)),
            "cloud" => vec![(name, value)],
            _ => continue,
        };
        found.extend(blocks.into_iter().map(|(kind, body)| {
            BackendConfig {
                kind: kind.clone(),
                arguments: members(Some(body))
                    .into_iter()
                    .map(|(name, value)| (name.clone(), constant_of_json(value)))
                    .collect(),
            }
        }));
    }
    Ok(found)
}

/// A string is a template in JSON syntax, too.
fn constant_of_json(value: &Value) -> Option<Value> {
    let Value::String(text) = value else {
        return Some(value.clone());
    };
    if !text.contains("${") && !text.contains("%{") {
        return Some(value.clone());
    }
    let template: hcl::Template = text.parse().ok()?;
    let text = template.evaluate(&Context::new()).ok()?;
    Some(Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files<'a> = &'a [(&'a str, &'a str)];

    fn folder(files: Files) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn read(files: Files) -> Result<RootModule, RootModuleError> {
        let folder = folder(files);
        RootModule::read(folder.path(), &Environment::default())
    }

    /// The type, and the argument `key`.
    fn backend(files: Files) -> Option<(String, String)> {
        let code = read(files).unwrap().code?;
        let key = match code.argument("key") {
            Argument::Unset => "unset".to_owned(),
            Argument::NotConstant => "not constant".to_owned(),
            Argument::Value(value) => value.as_str().unwrap().to_owned(),
        };
        Some((code.kind, key))
    }

    #[test]
    fn root_module_code_in_either_syntax_names_its_backend() {
        let nested = format!("x = {}1{}", "[".repeat(9_000), "]".repeat(9_000));
        let rows: &[(Files, Option<(&str, &str)>)] = &[
            (&[("main.tf", "variable \"a\" {}")], None),
            (
                &[("main.tf", "terraform {\n  backend \"s3\" {}\n}")],
                Some(("s3", "unset")),
            ),
            (
                &[(
                    "main.tf",
                    "terraform {\n backend \"s3\" {\n  key = \"a$${b}/\\u0063\"\n }\n}",
                )],
                Some(("s3", "a${b}/c")),
            ),
            (
                &[(
                    "a.tf",
                    "terraform {\n backend \"s3\" {\n  key = \"${var.a}/k\"\n }\n}",
                )],
                Some(("s3", "not constant")),
            ),
            (
                &[("a.tf", "terraform {\n cloud {\n }\n}")],
                Some(("cloud", "unset")),
            ),
            (
                &[(
                    "a.tf.json",
                    r#"{"terraform": [{"backend": {"s3": {"key": "k"}}}]}"#,
                )],
                Some(("s3", "k")),
            ),
            (
                &[(
                    "a.tf.json",
                    r#"{"terraform": {"backend": [{"s3": [{"key": "${var.k}"}]}]}}"#,
                )],
                Some(("s3", "not constant")),
            ),
            // An overriding file replaces the whole block, and others hold no code.
            (
                &[
                    (
                        "main.tf",
                        "terraform {\n backend \"s3\" {\n  key = \"a\"\n }\n}",
                    ),
                    ("z_override.tf", "terraform {\n backend \"local\" {}\n}"),
                    (".hidden.tf", "terraform {\n backend \"gcs\" {}\n}"),
                    (
                        "main.tf.json.bak",
                        r#"{"terraform": {"backend": {"gcs": {}}}}"#,
                    ),
                ],
                Some(("local", "unset")),
            ),
            // Of a file that says nothing of backends the syntax does not matter.
            (
                &[
                    ("new.tf", "from the future <<<"),
                    ("deep.tf", &nested),
                    ("main.tf", "terraform {\n backend \"s3\" {}\n}"),
                ],
                Some(("s3", "unset")),
            ),
        ];
        for (files, wanted) in rows {
            let found = backend(files);
            let found = found
                .as_ref()
                .map(|(kind, key)| (kind.as_str(), key.as_str()));
            assert_eq!(found, *wanted, "{files:?}");
        }
    }

    #[test]
    fn root_module_code_that_does_not_tell_its_backend_is_an_error_with_the_file() {
        let two = "terraform {\n backend \"s3\" {}\n}";
        let deep = format!("backend = {}1", "[".repeat(100_000));
        let rows: &[(Files, &str)] = &[
            (
                &[("a.tf", two), ("b.tf", two)],
                "b.tf has a backend beside the one of another file",
            ),
            (
                &[("a.tf", "terraform {\n backend \"s3\" { key = }\n}")],
                "a.tf cannot be parsed at line 2",
            ),
            (
                &[("a.tf.json", "{\n]")],
                "a.tf.json cannot be parsed at line 2",
            ),
            (
                &[("a.tf", &deep)],
                "a.tf has brackets nested more than 128 deep",
            ),
        ];
        for (files, wanted) in rows {
            let error = read(files).unwrap_err().to_string();
            assert!(error.ends_with(wanted), "{error}");
        }
        let error = RootModule::read(Path::new("/nowhere/at/all"), &Environment::default());
        assert!(error.unwrap_err().to_string().contains("/nowhere/at/all"));
    }

    #[test]
    fn root_module_remembers_what_init_left_and_never_shows_it() {
        let left = r#"{"version": 3, "backend": {"type": "s3", "config":
            {"bucket": "b", "key": "env/k", "region": null, "secret_key": "hunter2"}, "hash": 1}}"#;
        let files = [
            (".terraform/terraform.tfstate", left),
            (".terraform/environment", "prod\n"),
            ("main.tf", ""),
        ];
        let root = read(&files).unwrap();
        let remembered = root.remembered.as_ref().unwrap();
        let key = Value::String("env/k".to_owned());
        assert_eq!(remembered.argument("key"), Argument::Value(&key));
        assert_eq!(remembered.argument("region"), Argument::Unset);
        assert_eq!(root.workspace.as_deref(), Some("prod"));
        assert!(!format!("{root:?}").contains("hunter2"));

        let elsewhere = folder(&[("data/environment", "default"), ("main.tf", "")]);
        let environment = Environment::default().with("TF_DATA_DIR", "data");
        let root = RootModule::read(elsewhere.path(), &environment).unwrap();
        assert!(root.remembered.is_none());
        assert_eq!(root.workspace, None);
        let environment = environment.with("TF_WORKSPACE", "dev");
        let root = RootModule::read(elsewhere.path(), &environment).unwrap();
        assert_eq!(root.workspace.as_deref(), Some("dev"));
    }
}
