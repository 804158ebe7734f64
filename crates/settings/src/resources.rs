//! Which resource of the account is meant by which role in the environment.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::de::DeValue;

use crate::document::{Field, Section};

/// Something that the environment has one of, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceRole {
    /// As in the settings, and as this repository's Terraform calls the output.
    pub name: &'static str,
    /// An ID, a name or an ARN, as AWS gives it.
    pub example: &'static str,
    /// Whether there are several.
    pub several: bool,
}

const fn one(name: &'static str, example: &'static str) -> ResourceRole {
    ResourceRole {
        name,
        example,
        several: false,
    }
}

const fn several(name: &'static str, example: &'static str) -> ResourceRole {
    ResourceRole {
        several: true,
        ..one(name, example)
    }
}

/// A resource that the settings name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum NamedResource {
    /// By its own name.
    One(String),
    /// By their own names.
    Several(Vec<String>),
    /// By the output of Terraform that has its name.
    Output {
        /// The output.
        output: String,
    },
}

/// Resources that the settings name: for accounts in which they cannot be told by their use, or in which another output
/// has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resources(BTreeMap<&'static str, NamedResource>);

impl Resources {
    /// Everything that can be named.
    pub const ROLES: [ResourceRole; 29] = [
        one("vpc_id", "\"vpc-0a1b2c3d\""),
        several("public_subnet_ids", "[\"subnet-0a1b\", \"subnet-0c2d\"]"),
        several("private_subnet_ids", "[\"subnet-0e3f\", \"subnet-0a4b\"]"),
        one("alb_security_group_id", "\"sg-0a1b2c3d\""),
        one("ecs_tasks_security_group_id", "\"sg-0a1b2c3e\""),
        one("rds_security_group_id", "\"sg-0a1b2c3f\""),
        one("redis_security_group_id", "\"sg-0a1b2c40\""),
        one("db_identifier", "\"berthcare-staging-postgres\""),
        one(
            "db_credentials_secret_arn",
            "{ output = \"application_secret\" }",
        ),
        one(
            "db_connection_secret_arn",
            "{ output = \"connection_secret\" }",
        ),
        one("db_master_secret_arn", "{ output = \"master_secret\" }"),
        one("db_monitoring_role_arn", "{ output = \"monitoring_role\" }"),
        one("redis_replication_group_id", "\"berthcare-staging-redis\""),
        one(
            "redis_credentials_secret_arn",
            "{ output = \"redis_secret\" }",
        ),
        one("kms_key_arn", "{ output = \"main_key_arn\" }"),
        one("s3_bucket_photos", "\"berthcare-photos-staging\""),
        one("s3_bucket_documents", "\"berthcare-documents-staging\""),
        one("s3_bucket_signatures", "\"berthcare-signatures-staging\""),
        one("s3_bucket_logs", "\"berthcare-logs-staging\""),
        one("cloudfront_distribution_id", "\"E1ABCDEF2GHIJK\""),
        one("cloudwatch_dashboard_name", "\"berthcare-staging\""),
        several("cloudwatch_alarm_names", "[\"berthcare-staging-rds-cpu\"]"),
        one("sns_alerts_topic_arn", "{ output = \"alerts_topic\" }"),
        one(
            "sns_global_alerts_topic_arn",
            "{ output = \"alerts_topic_us_east_1\" }",
        ),
        one("flow_log_id", "\"fl-0a1b2c3d\""),
        one(
            "flow_log_group_name",
            "\"/vpc/berthcare-staging/flow-logs\"",
        ),
        one("flow_log_role_arn", "{ output = \"flow_log_role\" }"),
        one(
            "ecs_task_execution_role_arn",
            "{ output = \"execution_role\" }",
        ),
        one("ecs_task_role_arn", "{ output = \"task_role\" }"),
    ];

    /// What the settings say of a role.
    pub fn get(&self, role: &str) -> Option<&NamedResource> {
        self.0.get(role)
    }

    /// Whether they name nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn read(section: Section<'_>) -> Option<Self> {
        let fields = Self::ROLES.map(|role| (role, section.optional(role.name, role.example)));
        section.close();
        let named = fields
            .into_iter()
            .filter_map(|(role, field)| Some((role, field?)));
        // All of them are looked at, so that each problem is told.
        let named: Vec<_> = named
            .map(|(role, field)| Some((role.name, read_one(role, &field)?)))
            .collect();
        let named: Option<BTreeMap<_, _>> = named.into_iter().collect();
        named.map(Self)
    }
}

fn read_one(role: ResourceRole, field: &Field<'_>) -> Option<NamedResource> {
    match field.value() {
        DeValue::Table(_) => {
            let section = field.section()?;
            let output = section
                .entries()
                .into_iter()
                .find(|(name, _)| *name == "output");
            let Some((_, output)) = output else {
                return field.invalid("it names no output", "write { output = \"NAME\" }");
            };
            let output = name(&output)?;
            Some(NamedResource::Output { output })
        }
        DeValue::Array(_) if role.several => {
            let names: Option<Vec<String>> = field.array()?.iter().map(name).collect();
            let names = names?;
            if names.is_empty() {
                return field.invalid("it names nothing", "name one or more, or leave it out");
            }
            Some(NamedResource::Several(names))
        }
        _ if role.several => field.wrong_type("an array, or a table with an output"),
        _ => name(field).map(NamedResource::One),
    }
}

/// AWS's names have no white space in them.
fn name(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.contains(' ') {
        return field.invalid(
            format!("{text:?} has white space in it"),
            "give the name as AWS has it",
        );
    }
    Some(text)
}
