//! What is wrong with the values of variables. Nothing is run, and no value of a sensitive variable is repeated.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use report::finding::{Finding, Unobserved};
use serde_json::Value;

use super::network::Network;
use super::{DeclaredVariable, DeclaredVariables, VariableFile};
use crate::root_module::RootModuleError;

/// What every finding about a file, and about a variable, is called.
const FILE: &str = "variable file";
const VARIABLE: &str = "variable";

/// Judges the files of values, in the order in which terraform reads them: a later value wins. `given` are the names of
/// variables that come from elsewhere, as from `TF_VAR_…`.
///
/// A name says what a value has to be: one with `email` is an address, one with `cidr` a network or several; those of
/// subnets must not overlap, and lie within `vpc_cidr` where both are given.
pub fn judge_variables(
    declared: &DeclaredVariables,
    files: &[Result<VariableFile, RootModuleError>],
    given: &BTreeSet<String>,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = files.iter().map(file).collect();
    let read: Vec<&VariableFile> = files.iter().flatten().collect();
    let is_whole = files.len() == read.len();
    findings.extend(read.iter().flat_map(|file| unknown(declared, file)));
    let mut values: BTreeMap<&str, &Value> = BTreeMap::new();
    for variable in read.iter().flat_map(|file| &file.variables) {
        if let Some(value) = &variable.value {
            values.insert(&variable.name, value);
        }
    }
    findings.extend(missing(declared, &read, given, is_whole));
    for (name, value) in &values {
        let Some(of) = declared.variables.get(*name) else {
            continue;
        };
        findings.extend(of_kind(name, of, value));
        findings.extend(of_name(name, of, value));
    }
    findings.extend(subnets(&values));
    findings
}

/// Whether a file can be read, and is what it should be.
fn file(read: &Result<VariableFile, RootModuleError>) -> Finding {
    let expected = "values of variables";
    let (path, seen) = match read {
        Ok(file) => (shown(&file.path), Ok(fault(file))),
        Err(error) => (shown(path(error)), Err(error)),
    };
    let seen = match seen {
        Ok(None) => Ok((true, "values".to_owned())),
        Ok(Some(fault)) => Ok((false, fault)),
        // What cannot be parsed, terraform cannot parse either: files of values have no functions.
        Err(error @ (RootModuleError::Syntax { .. } | RootModuleError::TooDeep { .. })) => {
            Ok((false, error.to_string()))
        }
        Err(error) => {
            let source = std::error::Error::source(error).map(|source| format!(": {source}"));
            Err(Unobserved::because(format!(
                "{error}{}",
                source.unwrap_or_default()
            )))
        }
    };
    let fix = format!("put {path} right, a line NAME = VALUE for each variable");
    Finding::new(FILE, path, expected, seen).fix(fix)
}

/// What terraform refuses of a file whatever the code declares.
fn fault(file: &VariableFile) -> Option<String> {
    if file.blocks > 0 {
        return Some("it has blocks, as code has them".to_owned());
    }
    let computed = file.variables.iter().find(|of| of.value.is_none());
    computed.map(|of| {
        format!(
            "{} is computed, and a value here needs nothing but itself",
            of.name
        )
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn path(error: &RootModuleError) -> &Path {
    match error {
        RootModuleError::Read { path, .. }
        | RootModuleError::TooLarge { path, .. }
        | RootModuleError::TooDeep { path }
        | RootModuleError::Syntax { path, .. }
        | RootModuleError::Duplicate { path } => path,
    }
}

/// At least so much alike, by Jaro-Winkler, is a name that was meant.
const LIKENESS: f64 = 0.75;

fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    names
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name.as_str())
}

/// Names that the code does not declare: terraform warns, and takes the default instead.
fn unknown(declared: &DeclaredVariables, file: &VariableFile) -> Vec<Finding> {
    let names = file.variables.iter().map(|of| &of.name);
    let unknown = names.filter(|name| !declared.variables.contains_key(*name));
    unknown
        .map(|name| {
            let resource = format!("{name} in {}", shown(&file.path));
            let near = nearest(name, declared.variables.keys());
            let seen = match declared.unread.first() {
                Some(error) => Err(Unobserved::because(error.to_string())),
                None => Ok((false, "no variable has this name".to_owned())),
            };
            let fix = match near {
                Some(near) => format!("did you mean {near}?"),
                None => "take the line out, or declare the variable".to_owned(),
            };
            Finding::new(VARIABLE, resource, "declared in the code", seen).fix(fix)
        })
        .collect()
}

/// Variables without a default that nobody gives.
fn missing(
    declared: &DeclaredVariables,
    read: &[&VariableFile],
    given: &BTreeSet<String>,
    is_whole: bool,
) -> Vec<Finding> {
    let set: BTreeSet<&String> = read
        .iter()
        .flat_map(|file| &file.variables)
        .map(|of| &of.name)
        .collect();
    let needed = declared.variables.iter().filter(|(_, of)| !of.has_default);
    needed
        .filter(|(name, _)| !set.contains(name) && !given.contains(*name))
        .map(|(name, _)| {
            let seen = match is_whole {
                true => Ok((false, "no file gives it".to_owned())),
                false => Err(Unobserved::because(
                    "a file that may give it cannot be read",
                )),
            };
            Finding::new(VARIABLE, name, "a value", seen)
                .fix(format!("give {name} a value in terraform.tfvars"))
        })
        .collect()
}

/// Lists for texts, and the like; what terraform converts passes.
fn of_kind(name: &str, of: &DeclaredVariable, value: &Value) -> Option<Finding> {
    let kind = of.kind.as_deref()?;
    let outer = kind.split(['(', ' ']).next().unwrap_or_default();
    let fits = match (outer, value) {
        (_, Value::Null) => true,
        ("string", value) => !value.is_array() && !value.is_object(),
        ("number", Value::String(text)) => text.trim().parse::<f64>().is_ok(),
        ("number", value) => value.is_number(),
        ("bool", Value::String(text)) => ["true", "false"].contains(&text.as_str()),
        ("bool", value) => value.is_boolean(),
        ("list" | "set" | "tuple", value) => value.is_array(),
        ("map" | "object", value) => value.is_object(),
        _ => true,
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    };
    (!fits).then(|| {
        Finding::new(VARIABLE, name, kind, Ok((false, found.to_owned())))
            .fix(format!("give {name} a value of the type {outer}"))
    })
}

/// What the name of a variable says that its value is.
fn of_name(name: &str, of: &DeclaredVariable, value: &Value) -> Vec<Finding> {
    let shown = |text: &str| match of.is_sensitive {
        true => "a sensitive value".to_owned(),
        false => text.to_owned(),
    };
    let judged = |expected: &'static str, judge: &dyn Fn(&str) -> Result<(), String>| {
        texts(value)
            .into_iter()
            .map(|text| {
                let seen = match judge(text) {
                    Ok(()) => (true, shown(text)),
                    Err(_) if of.is_sensitive => (false, shown(text)),
                    Err(why) => (false, format!("{text:?}: {why}")),
                };
                Finding::new(VARIABLE, name, expected, Ok(seen))
                    .fix(format!("give {name} {expected}"))
            })
            .collect::<Vec<_>>()
    };
    let has = |part: &str| {
        name.split('_')
            .any(|word| word == part || word == format!("{part}s"))
    };
    if has("email") {
        judged("an e-mail address that somebody reads", &email)
    } else if has("cidr") {
        judged("a network such as 10.0.0.0/16", &|text| {
            text.parse::<Network>()
                .map(drop)
                .map_err(|error| error.to_string())
        })
    } else {
        Vec::new()
    }
}

/// A text, or those of a list or map of them. An empty one is nobody's value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) if text.is_empty() => Vec::new(),
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// As SNS takes an address. Domains of documentation (RFC 2606) reach nobody.
fn email(text: &str) -> Result<(), String> {
    let (local, domain) = text
        .rsplit_once('@')
        .ok_or_else(|| "it has no @".to_owned())?;
    let plain = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    };
    let labels: Vec<&str> = domain.split('.').collect();
    let is_domain = labels.len() > 1
        && labels
            .iter()
            .all(|label| plain(label, "-") && !label.starts_with('-') && !label.ends_with('-'));
    if !plain(local, ".!#$%&'*+/=?^_`{|}~-") || local.starts_with('.') || local.ends_with('.') {
        return Err("what stands before the @ is no mailbox".to_owned());
    }
    if !is_domain {
        return Err("what stands behind the @ is no domain".to_owned());
    }
    let documentation = ["example.com", "example.org", "example.net"];
    let domain = domain.to_ascii_lowercase();
    if documentation
        .iter()
        .any(|of| domain == *of || domain.ends_with(&format!(".{of}")))
    {
        return Err("it is the address of an example, which nobody reads".to_owned());
    }
    Ok(())
}

/// Subnets that overlap, or lie outside the network that they are to be part of.
fn subnets(values: &BTreeMap<&str, &Value>) -> Vec<Finding> {
    let networks = |name: &str| -> Vec<Network> {
        let value = values.get(name).into_iter();
        value
            .flat_map(|value| texts(value))
            .filter_map(|text| text.parse().ok())
            .collect()
    };
    let names = values
        .keys()
        .filter(|name| name.contains("subnet") && name.contains("cidr"));
    let all: Vec<(&str, Network)> = names
        .flat_map(|name| {
            networks(name)
                .into_iter()
                .map(move |network| (*name, network))
        })
        .collect();
    let mut findings = Vec::new();
    for (index, (name, network)) in all.iter().enumerate() {
        for (other, earlier) in &all[..index] {
            if network.overlaps(*earlier) {
                let seen = format!("{network} overlaps {earlier} of {other}");
                findings.push(
                    Finding::new(VARIABLE, *name, "networks apart", Ok((false, seen)))
                        .fix("give each subnet addresses of its own"),
                );
            }
        }
    }
    if let [vpc] = networks("vpc_cidr").as_slice() {
        for (name, network) in all.iter().filter(|(_, network)| !vpc.contains(*network)) {
            let seen = format!("{network} is not within {vpc}");
            findings.push(
                Finding::new(VARIABLE, *name, "within vpc_cidr", Ok((false, seen)))
                    .fix("take a part of vpc_cidr"),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::fs;

    use report::finding::Status;

    use super::*;

    const CODE: &str = r#"
variable "alarm_email" { type = string }
variable "vpc_cidr" {
  type    = string
  default = "10.0.0.0/16"
}
variable "subnet_cidrs" {
  type    = list(string)
  default = []
}
variable "admin_email" {
  type      = string
  default   = ""
  sensitive = true
}
variable "nodes" {
  type    = number
  default = 2
  validation {
    condition     = alltrue([for node in [var.nodes] : node > 0])
    error_message = "nodes: one or more."
  }
}
"#;

    fn judged(values: &str, given: &[&str]) -> Vec<Finding> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("variables.tf"), CODE).unwrap();
        fs::write(folder.path().join("terraform.tfvars"), values).unwrap();
        let declared = DeclaredVariables::read(folder.path()).unwrap();
        assert!(declared.unread.is_empty(), "{:?}", declared.unread);
        let files = VariableFile::of_folder(folder.path()).unwrap();
        let files: Vec<_> = files.iter().map(|path| VariableFile::read(path)).collect();
        let given = given.iter().map(|name| (*name).to_owned()).collect();
        judge_variables(&declared, &files, &given)
    }

    /// What is wrong, and nothing else.
    fn wrong(values: &str) -> Vec<String> {
        let findings = judged(values, &[]);
        let wrong = findings.iter().filter(|of| of.status != Status::Ok);
        wrong
            .map(|of| {
                format!(
                    "{} | {} | {}",
                    of.resource.split(' ').next().unwrap_or_default(),
                    of.seen.clone().or(of.reason.clone()).unwrap_or_default(),
                    of.fix.clone().unwrap_or_default()
                )
            })
            .collect()
    }

    #[test]
    fn judge_variables_of_good_values_finds_nothing_wrong() {
        let good = "alarm_email = \"ops@berthcare.ca\"\nvpc_cidr = \"10.0.0.0/16\"\nnodes = \"3\"\n\
                    subnet_cidrs = [\"10.0.1.0/24\", \"10.0.2.0/24\"]\n";
        assert_eq!(wrong(good), Vec::<String>::new());
    }

    #[test]
    fn judge_variables_names_each_mistake() {
        let email = "alarm_email = \"ops@berthcare.ca\"\n";
        let rows = [
            (
                "alarm_email = \"your-email@example.com\"\n".to_owned(),
                "the address of an example",
            ),
            ("alarm_email = \"ops\"\n".to_owned(), "it has no @"),
            ("alarm_email = \"o ps@b.ca\"\n".to_owned(), "no mailbox"),
            ("alarm_email = \"ops@localhost\"\n".to_owned(), "no domain"),
            (
                format!("{email}vpc_cidr = \"10.0.5.0/16\"\n"),
                "the network is 10.0.0.0/16",
            ),
            (
                format!("{email}vpc_cidr = \"10.0.0.0\"\n"),
                "it is no network",
            ),
            (
                format!("{email}vpc_cidrr = \"10.0.0.0/16\"\n"),
                "did you mean vpc_cidr?",
            ),
            (format!("{email}nodes = [1]\n"), "a list"),
            (format!("{email}nodes = var.x\n"), "nodes is computed"),
            (format!("{email}{email}"), "cannot be parsed at line 2"),
            (
                format!("{email}nodes = = 2\n"),
                "cannot be parsed at line 2",
            ),
            (format!("{email}variable \"x\" {{}}\n"), "it has blocks"),
            ("nodes = 2\n".to_owned(), "no file gives it"),
            (
                format!("{email}subnet_cidrs = [\"10.0.1.0/24\", \"10.0.1.128/25\"]\n"),
                "10.0.1.128/25 overlaps 10.0.1.0/24 of subnet_cidrs",
            ),
            (
                format!("{email}vpc_cidr = \"10.1.0.0/16\"\nsubnet_cidrs = [\"10.0.1.0/24\"]\n"),
                "10.0.1.0/24 is not within 10.1.0.0/16",
            ),
        ];
        for (values, told) in rows {
            let found = wrong(&values);
            assert!(
                found.iter().any(|line| line.contains(told)),
                "{values}: {found:?}"
            );
        }
    }

    #[test]
    fn judge_variables_repeats_no_sensitive_value() {
        let findings = judged("alarm_email = \"a@b.ca\"\nadmin_email = \"hunter2\"\n", &[]);
        assert!(
            findings
                .iter()
                .any(|of| of.resource == "admin_email" && of.status == Status::Wrong)
        );
        assert!(!format!("{findings:?}").contains("hunter2"));
    }

    #[test]
    fn judge_variables_takes_what_the_environment_gives() {
        let findings = judged("", &["alarm_email"]);
        assert!(
            findings.iter().all(|of| of.status == Status::Ok),
            "{findings:?}"
        );
    }

    #[test]
    fn judge_variables_beside_code_that_cannot_be_parsed_does_not_know_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.tf"), "variable \"x\" {{").unwrap();
        fs::write(folder.path().join("a.auto.tfvars"), "y = 1").unwrap();
        let declared = DeclaredVariables::read(folder.path()).unwrap();
        let files = VariableFile::of_folder(folder.path()).unwrap();
        let files: Vec<_> = files.iter().map(|path| VariableFile::read(path)).collect();
        let findings = judge_variables(&declared, &files, &BTreeSet::new());
        let status: Vec<_> = findings.iter().map(|of| of.status).collect();
        assert_eq!(status, [Status::Ok, Status::Unknown]);
    }

    #[test]
    fn declared_variables_of_the_environments_can_be_read() {
        for environment in ["staging", "dr"] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform/environments");
            let declared = DeclaredVariables::read(&root.join(environment)).unwrap();
            assert!(declared.unread.is_empty(), "{:?}", declared.unread);
            assert!(declared.variables.len() > 10, "{environment}");
            let example = root.join(environment).join("terraform.tfvars.example");
            let values = VariableFile::read(&example);
            let judged = judge_variables(&declared, &[values], &BTreeSet::new());
            let wrong: Vec<_> = judged.iter().filter(|of| of.status != Status::Ok).collect();
            // The example's address is there to be replaced.
            assert!(
                wrong.iter().all(|of| of.resource == "alarm_email"),
                "{wrong:#?}"
            );
        }
    }
}
