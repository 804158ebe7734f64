//! The environment's folder: its values, judged before terraform sees them.

use std::collections::BTreeSet;

use report::finding::{Finding, Unobserved};
use serde_json::Value;
use settings::Settings;
use terraform::{DeclaredVariables, Environment, RootModuleError, VariableFile, judge_variables};

use crate::args::root::RootArgs;

/// Variables whose value the settings have as well.
const OF_SETTINGS: [&str; 3] = ["project_name", "environment", "aws_region"];

/// What terraform runs in: the environment of this process.
pub(super) fn environment() -> Environment {
    Environment::new(std::env::vars_os())
}

/// What is wrong with the values of variables.
pub(super) fn judge_values(root: &RootArgs, settings: &Settings) -> Vec<Finding> {
    let read = || -> Result<_, RootModuleError> {
        let declared = DeclaredVariables::read(&root.folder.chdir)?;
        let mut paths = VariableFile::of_folder(&root.folder.chdir)?;
        paths.extend(root.var_file.iter().cloned());
        Ok((declared, paths))
    };
    let (declared, paths) = match read() {
        Ok(read) => read,
        Err(error) => {
            let folder = root.folder.chdir.display().to_string();
            let seen = Err(Unobserved::absent(error.to_string()));
            return vec![
                Finding::new("environment's folder", folder, "code of terraform", seen)
                    .fix("name the folder with --chdir DIR"),
            ];
        }
    };
    let files: Vec<_> = paths.iter().map(|path| VariableFile::read(path)).collect();
    let mut findings = judge_variables(&declared, &files, &given());
    let values = files.iter().flatten().flat_map(|file| &file.variables);
    let values: Vec<_> = values.collect();
    for name in OF_SETTINGS {
        // A later value wins.
        let set = values.iter().rev().find(|set| set.name == name);
        let Some(Value::String(value)) = set.and_then(|set| set.value.as_ref()) else {
            continue;
        };
        findings.push(of_settings(name, value, settings));
    }
    findings
}

/// Variables that the process's environment gives.
fn given() -> BTreeSet<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names
        .filter_map(|name| name.strip_prefix("TF_VAR_").map(str::to_owned))
        .collect()
}

/// Two names for one environment are two environments, half of each.
fn of_settings(name: &'static str, value: &str, settings: &Settings) -> Finding {
    let wanted = match name {
        "project_name" => settings.project.to_string(),
        "environment" => settings.environment.to_string(),
        _ => settings.regions.primary.to_string(),
    };
    let is_dr = name == "aws_region" && value == settings.regions.dr.as_str();
    let seen = Ok((value == wanted || is_dr, value.to_owned()));
    Finding::new(
        "variable",
        name,
        format!("{wanted}, as in the settings"),
        seen,
    )
    .fix(format!(
        "give {name} the value {wanted:?}, or name other settings with --config"
    ))
}
