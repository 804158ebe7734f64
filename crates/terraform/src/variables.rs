//! Variables of a root module: which its code declares, which values files give them, and what is wrong with those before
//! terraform is asked.

mod judge;
mod network;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hcl::{Block, Structure};
use serde_json::Value;

use crate::root_module::{
    RootModuleError, code_files, constant, files_of, json_error, parse_hcl, read_text,
};

pub use judge::judge_variables;

/// A `variable` block.
#[derive(Clone, PartialEq)]
pub struct DeclaredVariable {
    /// Its type as the code has it, as in `list(string)`; `None` where any will do.
    pub kind: Option<String>,
    /// Nobody has to give it.
    pub has_default: bool,
    /// What it is then, where that needs nothing but itself.
    pub default: Option<Value>,
    /// Terraform hides it from people.
    pub is_sensitive: bool,
}

/// The variables of a root module.
#[derive(Debug, Default)]
pub struct DeclaredVariables {
    /// By name.
    pub variables: BTreeMap<String, DeclaredVariable>,
    /// Files that may declare others, and cannot be read.
    pub unread: Vec<RootModuleError>,
}

/// A value that a file gives a variable.
#[derive(Clone, PartialEq)]
pub struct SetVariable {
    /// The variable.
    pub name: String,
    /// Its value; `None` where it is computed, which terraform refuses.
    pub value: Option<Value>,
}

/// A file with values of variables.
#[derive(Debug, Clone)]
pub struct VariableFile {
    /// The file.
    pub path: PathBuf,
    /// In the order of the file; the parser refuses a name that is there twice.
    pub variables: Vec<SetVariable>,
    /// How many blocks it has: it is code, and no file of values.
    pub blocks: usize,
}

/// A default may be a secret.
impl std::fmt::Debug for DeclaredVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = self.kind.as_deref().unwrap_or("any");
        write!(f, "DeclaredVariable({kind})")
    }
}

/// Values may be secrets.
impl std::fmt::Debug for SetVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetVariable({})", self.name)
    }
}

impl DeclaredVariables {
    /// Reads the `variable` blocks of a folder's code. A file that cannot be parsed is kept in `unread`: the parser may not
    /// know what terraform does.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn read(folder: &Path) -> Result<Self, RootModuleError> {
        let mut declared = Self::default();
        for (path, form) in code_files(folder)? {
            let read = || -> Result<Vec<(String, DeclaredVariable)>, RootModuleError> {
                let Some(text) = read_text(&path)?.filter(|text| text.contains("variable")) else {
                    return Ok(Vec::new());
                };
                match form.is_json {
                    true => of_json(&path, &text),
                    false => of_hcl(&path, &text),
                }
            };
            match read() {
                Ok(found) => declared.variables.extend(found),
                Err(error) => declared.unread.push(error),
            }
        }
        Ok(declared)
    }
}

fn of_hcl(path: &Path, text: &str) -> Result<Vec<(String, DeclaredVariable)>, RootModuleError> {
    let body = parse_hcl(path, text)?;
    let blocks = body.into_blocks();
    let variables = blocks.filter(|block| block.identifier.as_str() == "variable");
    Ok(variables
        .filter_map(|block| {
            let name = block.labels.first()?.as_str().to_owned();
            Some((name, declared(&block)))
        })
        .collect())
}

fn declared(block: &Block) -> DeclaredVariable {
    let argument = |name: &str| {
        let mut attributes = block.body.attributes();
        attributes.find(|attribute| attribute.key.as_str() == name)
    };
    DeclaredVariable {
        kind: argument("type").map(|kind| kind.expr.to_string()),
        has_default: argument("default").is_some(),
        default: argument("default").and_then(|default| constant(&default.expr)),
        is_sensitive: argument("sensitive")
            .is_some_and(|is| constant(&is.expr) == Some(Value::Bool(true))),
    }
}

fn of_json(path: &Path, text: &str) -> Result<Vec<(String, DeclaredVariable)>, RootModuleError> {
    let root: Value = serde_json::from_str(text).map_err(|error| json_error(path, &error))?;
    let variables = root["variable"].as_object().into_iter().flatten();
    Ok(variables
        .map(|(name, block)| {
            let block = block.get(0).unwrap_or(block);
            let declared = DeclaredVariable {
                kind: block["type"].as_str().map(str::to_owned),
                has_default: block.get("default").is_some(),
                default: block.get("default").cloned(),
                is_sensitive: block["sensitive"] == Value::Bool(true),
            };
            (name.clone(), declared)
        })
        .collect())
}

impl VariableFile {
    /// Reads a `.tfvars` or `.tfvars.json` file.
    ///
    /// # Errors
    /// When it cannot be read or parsed, or is not there.
    pub fn read(path: &Path) -> Result<Self, RootModuleError> {
        let text = read_text(path)?.ok_or_else(|| RootModuleError::Read {
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })?;
        let is_json = path
            .extension()
            .is_some_and(|extension| extension == "json");
        let (variables, blocks) = match is_json {
            true => (values_of_json(path, &text)?, 0),
            false => values_of_hcl(path, &text)?,
        };
        Ok(Self {
            path: path.to_owned(),
            variables,
            blocks,
        })
    }

    /// The files that terraform reads by itself in a folder, in its order: a later value wins.
    /// <https://developer.hashicorp.com/terraform/language/values/variables>
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, RootModuleError> {
        let name = |path: &Path| {
            path.file_name()
                .and_then(|name| name.to_str().map(str::to_owned))
        };
        let all = files_of(folder)?;
        let ends =
            |name: &str| name.ends_with(".auto.tfvars") || name.ends_with(".auto.tfvars.json");
        let mut own: Vec<PathBuf> = all
            .iter()
            .filter(|path| name(path).is_some_and(|name| ends(&name)))
            .cloned()
            .collect();
        own.sort();
        let usual = ["terraform.tfvars", "terraform.tfvars.json"];
        let usual = usual.into_iter().map(|name| folder.join(name));
        let found = usual.filter(|path| all.contains(path));
        Ok(found.chain(own).collect())
    }
}

fn values_of_hcl(path: &Path, text: &str) -> Result<(Vec<SetVariable>, usize), RootModuleError> {
    let body = parse_hcl(path, text)?;
    let (mut variables, mut blocks) = (Vec::new(), 0);
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => variables.push(SetVariable {
                name: attribute.key.to_string(),
                value: constant(&attribute.expr),
            }),
            Structure::Block(_) => blocks += 1,
        }
    }
    Ok((variables, blocks))
}

fn values_of_json(path: &Path, text: &str) -> Result<Vec<SetVariable>, RootModuleError> {
    let root: BTreeMap<String, Value> =
        serde_json::from_str(text).map_err(|error| json_error(path, &error))?;
    Ok(root
        .into_iter()
        .map(|(name, value)| SetVariable {
            name,
            value: Some(value),
        })
        .collect())
}
