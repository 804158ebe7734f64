//! What a failover and a failback need to know of the environment besides its data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use crate::document::{Field, Section};
use crate::settings::bucket_of_its_own;
use crate::{Bucket, BucketName, RoleName};

/// What a failover brings up in the DR region besides the state, the databases and the buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// The root module of the DR environment, beside the settings' file where the path is relative. Without it a failover
    /// leaves the infrastructure to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terraform: Option<PathBuf>,
    /// The variables of the root module that a failover sets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, VariableValue>,
    /// The variable that takes the identifier of the restored database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_database: Option<String>,
    /// The bucket in the DR region whose object `failed-over` says that this region serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker_bucket: Option<BucketName>,
    /// The role that people work with when the primary region is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<RoleName>,
}

/// What a failback brings up in the primary region besides the state, the databases and the buckets, and what it leaves of
/// the DR environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EnvironmentFailback {
    /// The root module of the primary environment, beside the settings' file where the path is relative. Without it a
    /// failback leaves the infrastructure to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terraform: Option<PathBuf>,
    /// The variables of that root module that a failback sets.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, VariableValue>,
    /// The variable of it that takes the identifier of the restored database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_database: Option<String>,
    /// The variables that the DR environment's root module has from the failback on, in the place of those of the failover.
    /// Where there are none the DR environment stays as it is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pilot_light: BTreeMap<String, VariableValue>,
}

impl EnvironmentFailback {
    pub(crate) fn read(section: Section<'_>) -> Option<EnvironmentFailback> {
        let terraform = section.optional("terraform", "\"terraform/environments/staging\"");
        let variables = section.optional("variables", "{ run = \"{run}\" }");
        let restored = section.optional("restored_database", "\"restored_database\"");
        let pilot_light = section.optional("pilot_light", "{ mode = \"pilot-light\" }");
        section.close();
        Some(EnvironmentFailback {
            terraform: read_folder(terraform)?,
            variables: read_optional_variables(variables)?,
            restored_database: read_variable_name(restored)?,
            pilot_light: read_optional_variables(pilot_light)?,
        })
    }
}

/// A value of a variable of Terraform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VariableValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

impl Failover {
    pub(crate) fn read(section: Section<'_>, buckets: &[Bucket]) -> Option<Failover> {
        let terraform = section.optional("terraform", "\"terraform/environments/dr\"");
        let variables = section.optional("variables", "{ mode = \"full\" }");
        let restored = section.optional("restored_database", "\"restored_database\"");
        let marker = section.optional("marker_bucket", "\"berthcare-failover-staging-dr\"");
        let break_glass = section.optional("break_glass", "\"berthcare-break-glass\"");
        section.close();
        Some(Failover {
            terraform: read_folder(terraform)?,
            variables: read_optional_variables(variables)?,
            restored_database: read_variable_name(restored)?,
            marker_bucket: match marker {
                // What replication or a failback brings there would turn traffic.
                Some(field) => Some(bucket_of_its_own(
                    &field,
                    buckets,
                    "give a bucket of its own in the DR region",
                )?),
                None => None,
            },
            break_glass: match break_glass {
                Some(field) => Some(field.parse()?),
                None => None,
            },
        })
    }
}

/// `None` for what is wrong; `Some(None)` where there is none.
fn read_folder(field: Option<Field<'_>>) -> Option<Option<PathBuf>> {
    match field {
        Some(field) => Some(Some(PathBuf::from(field.text()?))),
        None => Some(None),
    }
}

fn read_variable_name(field: Option<Field<'_>>) -> Option<Option<String>> {
    match field {
        Some(field) => Some(Some(is_variable(&field, field.string()?)?)),
        None => Some(None),
    }
}

fn read_optional_variables(field: Option<Field<'_>>) -> Option<BTreeMap<String, VariableValue>> {
    match field {
        Some(field) => read_variables(field.section()?),
        None => Some(BTreeMap::new()),
    }
}

fn read_variables(section: Section<'_>) -> Option<BTreeMap<String, VariableValue>> {
    let entries = section.entries();
    let variables = entries.into_iter().map(|(name, field)| {
        let name = is_variable(&field, name)?;
        let value = match field.value() {
            DeValue::Boolean(value) => VariableValue::Boolean(*value),
            DeValue::Integer(_) => VariableValue::Integer(i64::try_from(field.integer()?).ok()?),
            DeValue::String(text) => VariableValue::Text(text.to_string()),
            _ => return field.wrong_type("a string, a number or true or false"),
        };
        Some((name, value))
    });
    // All of them are looked at, so that each problem is told.
    let variables: Vec<_> = variables.collect();
    variables.into_iter().collect()
}

/// An identifier of Terraform: letters, digits, underscores and hyphens, a letter or underscore first.
fn is_variable(field: &Field<'_>, name: &str) -> Option<String> {
    let mut chars = name.chars();
    let begins = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    match begins && chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        true => Some(name.to_owned()),
        false => field.invalid(
            format!("{name:?} is not the name of a variable"),
            "write it as the root module's variable block has it",
        ),
    }
}
