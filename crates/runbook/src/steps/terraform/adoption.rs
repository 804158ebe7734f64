//! What an apply made and did not write into the state, taken into it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use files::Secrecy;
use terraform::{Action, Plan, ResourceChange, import_block};

use super::attempts::Orphans;
use crate::StepError;

/// The file with the import blocks, while terraform plans.
const FILE: &str = "dr_runbook_adopted.tf";
const HEADER: &str = "# Written by dr-runbook for one plan; it may be deleted.\n";

/// Kinds that are nothing outside of the state: what of them is not in it is not there.
const OF_STATE_ALONE: [&str; 4] = ["random_", "time_", "tls_", "aws_acm_certificate_validation"];

/// Kinds that the provider imports by something else than their attribute `id`
/// (<https://registry.terraform.io/providers/hashicorp/aws/latest/docs>). AWS has none of them twice: they belong to two
/// things, or have a name.
const NOT_BY_ID: [&str; 8] = [
    "aws_appautoscaling_policy",
    "aws_appautoscaling_target",
    "aws_cloudwatch_event_target",
    "aws_ecs_service",
    "aws_iam_role_policy_attachment",
    "aws_lambda_permission",
    "aws_route",
    "aws_route_table_association",
];

/// Kinds that the provider imports by a name that the code gives them, and its attribute: what of them may be there can be
/// looked for.
const BY_NAME: [(&str, &str); 15] = [
    ("aws_cloudwatch_dashboard", "dashboard_name"),
    ("aws_cloudwatch_log_group", "name"),
    ("aws_cloudwatch_metric_alarm", "alarm_name"),
    ("aws_db_instance", "identifier"),
    ("aws_db_parameter_group", "name"),
    ("aws_db_subnet_group", "name"),
    ("aws_ecr_repository", "name"),
    ("aws_ecs_cluster", "name"),
    ("aws_elasticache_parameter_group", "name"),
    ("aws_elasticache_replication_group", "replication_group_id"),
    ("aws_elasticache_subnet_group", "name"),
    ("aws_iam_role", "name"),
    ("aws_kms_alias", "name"),
    ("aws_lambda_function", "function_name"),
    ("aws_s3_bucket", "bucket"),
];

/// What becomes of what may be there and not in the state.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Adoption {
    /// Imported, by address.
    pub(super) imports: BTreeMap<String, String>,
    /// Made and not imported: AWS refuses a second one.
    pub(super) left: BTreeSet<String>,
    /// Perhaps made, under a name that nobody knows.
    pub(super) unknown: BTreeSet<String>,
}

impl Adoption {
    /// Of what a plan would make.
    pub(super) fn of(orphans: &Orphans, plan: &Plan) -> Self {
        let mut adoption = Self::default();
        let changes = plan.resource_changes.iter();
        let created = changes.filter(|change| change.change.actions == [Action::Create]);
        for resource in created {
            let (address, kind) = (&resource.address, resource.kind.as_str());
            if OF_STATE_ALONE.iter().any(|prefix| kind.starts_with(prefix)) {
                continue;
            }
            match orphans.made.get(address) {
                Some(Some(id)) if !NOT_BY_ID.contains(&kind) => {
                    adoption.imports.insert(address.clone(), id.clone());
                }
                Some(_) => {
                    adoption.left.insert(address.clone());
                }
                // Without its end on record nothing outside was made of it: it is in the state, or nowhere.
                None if kind == "terraform_data" => {}
                None if orphans.unknown.contains(address) => match name(resource) {
                    Some(name) => {
                        adoption.imports.insert(address.clone(), name);
                    }
                    None => {
                        adoption.unknown.insert(address.clone());
                    }
                },
                None => {}
            }
        }
        adoption
    }

    /// Leaves out what terraform has not found; `false` when that is nothing.
    pub(super) fn leave_out_absent(&mut self, error: &terraform::Error) -> bool {
        let before = self.imports.len();
        self.imports
            .retain(|address, _| !error.says_absent(address));
        self.imports.len() < before
    }
}

/// The name that a resource would get, where it is imported by that.
fn name(resource: &ResourceChange) -> Option<String> {
    let mut kinds = BY_NAME.iter();
    let (_, attribute) = kinds.find(|(kind, _)| *kind == resource.kind)?;
    let name = resource.change.after.as_ref()?.get(attribute)?.as_str()?;
    Some(name.to_owned())
}

/// The import blocks in the root module's folder, as long as this lives.
#[derive(Debug)]
pub(super) struct ImportFile(PathBuf);

impl ImportFile {
    pub(super) fn write(
        folder: &Path,
        imports: &BTreeMap<String, String>,
    ) -> Result<Self, StepError> {
        let blocks: String = imports
            .iter()
            .map(|(address, id)| import_block(address, id))
            .collect();
        let path = folder.join(FILE);
        let text = format!("{HEADER}{blocks}");
        files::write_file(&path, text.as_bytes(), Secrecy::Public).map_err(StepError::unchecked)?;
        Ok(Self(path))
    }

    /// Removes one that a process has left which died while it planned.
    pub(super) fn remove_left(folder: &Path) {
        let path = folder.join(FILE);
        if fs::read_to_string(&path).is_ok_and(|text| text.starts_with(HEADER)) {
            drop(Self(path));
        }
    }
}

impl Drop for ImportFile {
    fn drop(&mut self) {
        // One that stays imports what is there already: that changes nothing.
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!("{} is left: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(changes: &[(&str, &str, &[&str])]) -> Plan {
        let changes: Vec<_> = changes
            .iter()
            .map(|(address, kind, actions)| {
                json!({"address": address, "mode": "managed", "type": kind, "name": "x",
                    "change": {"actions": actions, "after": {"bucket": "b"}}})
            })
            .collect();
        let plan =
            json!({"format_version": "1.2", "planned_values": {}, "resource_changes": changes});
        let document = terraform::Document::parse(plan.to_string().as_bytes()).unwrap();
        match document {
            terraform::Document::Plan(plan) => *plan,
            terraform::Document::State(_) => panic!("it has changes"),
        }
    }

    #[test]
    fn adoption_is_of_what_would_be_made_again() {
        let create = &["create"][..];
        let plan = plan(&[
            ("aws_eip.known", "aws_eip", create),
            ("aws_eip.begun", "aws_eip", create),
            ("aws_s3_bucket.begun", "aws_s3_bucket", create),
            ("aws_eip.in_state", "aws_eip", &["no-op"]),
            ("aws_eip.replaced", "aws_eip", &["delete", "create"]),
            ("aws_eip.new", "aws_eip", create),
            ("aws_route.known", "aws_route", create),
            ("random_password.known", "random_password", create),
            ("terraform_data.begun", "terraform_data", create),
            ("terraform_data.known", "terraform_data", create),
        ]);
        let known = [
            "aws_eip.known",
            "aws_eip.in_state",
            "aws_eip.replaced",
            "aws_route.known",
            "random_password.known",
            "terraform_data.known",
        ];
        let orphans = Orphans {
            made: known
                .iter()
                .map(|&address| (address.to_owned(), Some("i".to_owned())))
                .collect(),
            unknown: [
                "aws_eip.begun",
                "aws_s3_bucket.begun",
                "terraform_data.begun",
            ]
            .map(str::to_owned)
            .into(),
        };
        let adoption = Adoption::of(&orphans, &plan);
        let imports: Vec<_> = adoption.imports.iter().collect();
        let imports: Vec<_> = imports
            .iter()
            .map(|(to, id)| format!("{to} {id}"))
            .collect();
        let wanted = [
            "aws_eip.known i",
            "aws_s3_bucket.begun b",
            "terraform_data.known i",
        ];
        assert_eq!(imports, wanted);
        assert_eq!(adoption.left, ["aws_route.known".to_owned()].into());
        assert_eq!(adoption.unknown, ["aws_eip.begun".to_owned()].into());
    }

    #[test]
    fn import_file_is_there_while_it_lives_and_nobody_elses_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let imports = [("a.b".to_owned(), "i".to_owned())].into();
        let file = ImportFile::write(folder.path(), &imports).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.ends_with("import {\n  to = a.b\n  id = \"i\"\n}\n"),
            "{text}"
        );
        // As by a process that dies.
        std::mem::forget(file);
        ImportFile::remove_left(folder.path());
        assert!(!path.exists());
        fs::write(&path, "# mine").unwrap();
        ImportFile::remove_left(folder.path());
        assert!(path.exists());
    }
}
