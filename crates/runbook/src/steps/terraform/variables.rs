//! What a run sets of a root module's variables: the same in the file that a failover writes, and in the plan by which a
//! preflight shows what it would do.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use settings::{Failover, VariableValue};
use terraform::DeclaredVariables;

use crate::plan::RunId;

/// In a text of the settings: the run, as a last part of names that AWS takes once.
const RUN: &str = "{run}";
/// The variable that takes the reason why a run goes on although an exception from the residency policy has run out.
const DESPITE_RESIDENCY: &str = "despite_residency";
/// The variable that says of a plan that nothing was restored yet, and that it is never applied.
const REHEARSAL: &str = "rehearsal";

/// There is one variable for the database, and more than one database.
#[derive(Debug, thiserror::Error)]
#[error("the variable {variable} takes one database, and {} were restored", restored.join(", "))]
pub(crate) struct TooManyDatabases {
    variable: String,
    restored: Vec<String>,
}

impl TooManyDatabases {
    /// What to do.
    pub(crate) const HINT: &str =
        "take failover.restored_database out of the settings, and import them in the root module";
}

/// Values by the names of variables.
#[derive(Debug, Default)]
pub(crate) struct RunVariables(BTreeMap<String, Value>);

impl RunVariables {
    /// What the settings say, and which instance the database was restored as.
    pub(crate) fn new(
        failover: &Failover,
        run: &str,
        restored: &[String],
    ) -> Result<Self, TooManyDatabases> {
        let value = |value: &VariableValue| match value {
            VariableValue::Text(text) => json!(text.replace(RUN, run)),
            other => json!(other),
        };
        let given = failover.variables.iter();
        let mut set: BTreeMap<String, Value> =
            given.map(|(name, of)| (name.clone(), value(of))).collect();
        if let Some(variable) = &failover.restored_database {
            match restored {
                [] => {}
                [one] => drop(set.insert(variable.clone(), json!(one))),
                several => {
                    return Err(TooManyDatabases {
                        variable: variable.clone(),
                        restored: several.to_vec(),
                    });
                }
            }
        }
        Ok(Self(set))
    }

    /// The same with the reason of a run that goes on although data may not lie in a region any more, where the root module in
    /// `folder` has a variable for it.
    pub(crate) fn despite_residency(mut self, reason: Option<&str>, folder: &Path) -> Self {
        if let Some(reason) = reason
            && declares(folder, DESPITE_RESIDENCY)
        {
            self.0.insert(DESPITE_RESIDENCY.to_owned(), json!(reason));
        }
        self
    }

    /// The same for a plan that is never applied, where the root module in `folder` has a variable that says so.
    pub(crate) fn rehearsed(mut self, folder: &Path) -> Self {
        if declares(folder, REHEARSAL) {
            self.0.insert(REHEARSAL.to_owned(), json!(true));
        }
        self
    }

    pub(crate) fn to_json(&self) -> Value {
        json!(self.0)
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a file that people read.
    pub(crate) fn to_file(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(&self.0)
    }
}

/// What cannot be read declares nothing: terraform then says why.
fn declares(folder: &Path, variable: &str) -> bool {
    let declared = DeclaredVariables::read(folder).unwrap_or_default();
    declared.variables.contains_key(variable)
}

/// A run as the last part of a name of AWS: its second, in small letters.
pub(crate) fn last_part(run: &RunId) -> String {
    let second = run.as_str().split('-').next().unwrap_or_default();
    second.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failover(restored_database: Option<&str>) -> Failover {
        Failover {
            variables: BTreeMap::from([
                ("mode".to_owned(), VariableValue::Text("full".to_owned())),
                ("run".to_owned(), VariableValue::Text("q4-{run}".to_owned())),
                ("tasks".to_owned(), VariableValue::Boolean(true)),
            ]),
            restored_database: restored_database.map(str::to_owned),
            ..Failover::default()
        }
    }

    #[test]
    fn run_variables_have_the_run_and_the_one_database_that_was_restored() {
        let run: RunId = "20261130T031500Z-0123456789abcdef".parse().unwrap();
        let restored = ["a-dr".to_owned(), "b-dr".to_owned()];
        let set = |restored: &[String]| {
            RunVariables::new(&failover(Some("restored")), &last_part(&run), restored)
        };
        let mut wanted = json!({"mode": "full", "run": "q4-20261130t031500z", "tasks": true});
        assert_eq!(set(&[]).unwrap().to_json(), wanted);
        wanted["restored"] = json!("a-dr");
        assert_eq!(set(&restored[..1]).unwrap().to_json(), wanted);
        let refused = set(&restored).unwrap_err().to_string();
        assert!(
            refused.contains("restored") && refused.contains("a-dr, b-dr"),
            "{refused}"
        );
        // Without a variable for it, there may be any number.
        assert!(RunVariables::new(&failover(None), "x", &restored).is_ok());
    }

    #[test]
    fn run_variables_set_what_the_root_module_declares_alone() {
        let folder = tempfile::tempdir().unwrap();
        let set = || RunVariables::default().rehearsed(folder.path());
        let despite = |reason| set().despite_residency(reason, folder.path()).to_json();
        assert!(set().is_empty() && despite(Some("patients")) == json!({}));
        let code = "variable \"rehearsal\" {\n}\nvariable \"despite_residency\" {\n}\n";
        std::fs::write(folder.path().join("variables.tf"), code).unwrap();
        assert_eq!(despite(None), json!({"rehearsal": true}));
        let both = json!({"rehearsal": true, "despite_residency": "patients"});
        assert_eq!(despite(Some("patients")), both);
    }
}
