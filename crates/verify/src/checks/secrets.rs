//! Item 10: the secrets. Values are read for their shape only and leave `look` in no form.

use std::collections::BTreeSet;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::StatusType;
use futures::future::join_all;
use report::finding::{Observation, Severity, Unobserved};
use serde_json::{Map, Value};
use settings::DatabaseSecrets;

use super::{Context, listed};
use crate::check::{Answer, Check};
use crate::policy::{Policy, nobody_or};

const fn secret(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    why: &'static str,
    fix: &'static str,
) -> Check {
    Check {
        id,
        item: Some(10),
        severity,
        title,
        why,
        fix,
    }
}

static EXISTS: Check = secret(
    "secrets-exist",
    Severity::Critical,
    "the secret is there and is not scheduled for deletion",
    "tasks do not start: they have no credentials",
    "aws secretsmanager restore-secret, or terraform apply",
);
static KEY: Check = secret(
    "secrets-key",
    Severity::High,
    "encrypted with the stack's key",
    "it is under a key that the stack does not control",
    "terraform apply",
);
static SHAPE: Check = secret(
    "secrets-shape",
    Severity::High,
    "it has every field that the application reads, none of them empty",
    "tasks start and cannot connect",
    "terraform apply; docs/terraform.md has the fields",
);
static ADDRESS: Check = secret(
    "secrets-address",
    Severity::High,
    "it leads to this stack's database or Redis",
    "the application talks to another one",
    "terraform apply",
);
static ROTATION: Check = secret(
    "secrets-rotation",
    Severity::High,
    "it is rotated",
    "a password that was once seen is good for ever",
    "terraform apply; RDS rotates a secret that it manages",
);
static REPLICAS: Check = secret(
    "secrets-replicas",
    Severity::High,
    "its copies in other regions are in sync",
    "after a region is lost the application has an old secret, or none",
    "aws secretsmanager replicate-secret-to-regions; look at the key of the copy",
);

static OUTSIDERS: Check = secret(
    "secrets-outsiders",
    Severity::Critical,
    "its policy lets nobody of other accounts in",
    "others read the password",
    "aws secretsmanager delete-resource-policy --secret-id SECRET; look in CloudTrail for who read it, and rotate it",
);

pub(super) static CHECKS: &[&Check] = &[
    &EXISTS, &KEY, &SHAPE, &ADDRESS, &ROTATION, &REPLICAS, &OUTSIDERS,
];

/// A secret of the stack. <../../../../docs/terraform.md#secrets>
struct Kind {
    /// The output that names it.
    output: &'static str,
    fields: &'static [&'static str],
    /// Fields that have to say what an output says: where it leads, and as whom.
    leads: &'static [(&'static str, &'static str)],
    rotated: bool,
}

static KINDS: [Kind; 4] = [
    Kind {
        output: "db_credentials_secret_arn",
        fields: &["username", "password", "engine", "host", "port", "dbname"],
        // The master user's name here would hand the application the whole server.
        leads: &[
            ("host", "db_address"),
            ("port", "db_port"),
            ("username", "db_username"),
            ("engine", "db_engine"),
            ("dbname", "db_name"),
        ],
        rotated: false,
    },
    Kind {
        output: "db_master_secret_arn",
        fields: &["username", "password"],
        leads: &[],
        rotated: true,
    },
    Kind {
        output: "db_connection_secret_arn",
        fields: &[
            "engine",
            "host",
            "port",
            "dbname",
            "username",
            "password_secret_arn",
        ],
        leads: &[
            ("host", "db_address"),
            ("port", "db_port"),
            ("username", "db_master_username"),
            ("engine", "db_engine"),
            ("dbname", "db_name"),
        ],
        rotated: false,
    },
    Kind {
        output: "redis_credentials_secret_arn",
        fields: &["auth_token", "host", "port", "engine"],
        leads: &[
            ("host", "redis_endpoint"),
            ("port", "redis_port"),
            ("engine", "redis_engine"),
        ],
        rotated: false,
    },
];

/// Those that there are not where one secret has everything.
const OF_SPLIT: [&str; 2] = ["db_master_secret_arn", "db_connection_secret_arn"];

/// What a field has to say; `None` where nobody says what that is.
fn told(context: Context<'_>, role: &str) -> Option<String> {
    let expect = &context.wanted.expect;
    match role {
        "db_engine" => Some(expect.db_engine.clone()),
        "redis_engine" => Some("redis".to_owned()),
        role => context.located.value(role).ok().map(text),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What may be known of a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    /// No JSON object.
    Formless,
    Fields {
        /// Wanted, and not there or empty.
        lacks: Vec<&'static str>,
        /// Of these it is said that they are not the stack's.
        elsewhere: Vec<&'static str>,
    },
}

/// What Secrets Manager shows of a secret.
struct Picture {
    secret: DescribeSecretOutput,
    shape: Observation<Shape>,
    /// `None`: it has none.
    policy: Observation<Option<Policy>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let wanted = context.wanted.expect.db_secrets;
    let kinds = KINDS.iter().filter(|kind| match wanted {
        DatabaseSecrets::Split => true,
        DatabaseSecrets::One => !OF_SPLIT.contains(&kind.output),
    });
    let all = kinds.map(|kind| async move {
        match observe(context, kind).await {
            Ok(picture) => judge(context, kind, &picture),
            Err(unobserved) => {
                let checks: Vec<&'static Check> = CHECKS
                    .iter()
                    .copied()
                    .filter(|check| kind.is_asked(check))
                    .collect();
                super::unseen(&checks, kind.name(), &unobserved)
            }
        }
    });
    join_all(all).await.into_iter().flatten().collect()
}

impl Kind {
    /// The secret in words, the same whether it is there or not.
    fn name(&self) -> &'static str {
        self.output.trim_end_matches("_arn")
    }

    fn is_asked(&self, check: &Check) -> bool {
        match check.id {
            id if id == ADDRESS.id => !self.leads.is_empty(),
            id if id == ROTATION.id => self.rotated,
            _ => true,
        }
    }
}

async fn observe(context: Context<'_>, kind: &Kind) -> Observation<Picture> {
    let arn = context.located.text(kind.output)?;
    let secrets = &context.clients.secrets;
    let call = |operation| context.clients.call("Secrets Manager", operation, arn);
    let secret = secrets
        .describe_secret()
        .secret_id(arn)
        .send()
        .await
        .map_err(|error| Unobserved::from(call("DescribeSecret").failed(error)))?;
    if let Some(date) = secret.deleted_date() {
        return Err(Unobserved::absent(format!(
            "it is scheduled for deletion: {date}"
        )));
    }
    let shape = match secrets.get_secret_value().secret_id(arn).send().await {
        Ok(value) => Ok(look(context, kind, value.secret_string())),
        Err(error) => Err(Unobserved {
            // The secret itself is there.
            absent: false,
            ..Unobserved::from(call("GetSecretValue").failed(error))
        }),
    };
    let policy = async {
        let answer = secrets.get_resource_policy().secret_id(arn).send().await;
        let answer = answer.map_err(|error| Unobserved {
            absent: false,
            ..Unobserved::from(call("GetResourcePolicy").failed(error))
        })?;
        // The ARN is in every answer; the policy where somebody has put one.
        let lacks = || Unobserved::missing("Secrets Manager", "ARN");
        answer.arn().ok_or_else(lacks)?;
        let text = answer.resource_policy().filter(|text| !text.is_empty());
        text.map(Policy::parse).transpose()
    };
    Ok(Picture {
        secret,
        shape,
        policy: policy.await,
    })
}

/// Whether a value has the wanted fields, and leads where it should.
fn look(context: Context<'_>, kind: &Kind, value: Option<&str>) -> Shape {
    let fields: Option<Map<String, Value>> =
        value.and_then(|value| serde_json::from_str(value).ok());
    let Some(fields) = fields else {
        return Shape::Formless;
    };
    let filled = |name: &&str| match fields.get(*name) {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(_)) => true,
        _ => false,
    };
    let lacks: Vec<&'static str> = kind
        .fields
        .iter()
        .copied()
        .filter(|name| !filled(name))
        .collect();
    let mut elsewhere = Vec::new();
    let one = context.wanted.expect.db_secrets == DatabaseSecrets::One;
    for (name, output) in kind.leads {
        let found = fields.get(*name).map(text);
        let differs = match (told(context, output), *output) {
            // Whatever the application's user is called, it is not the one that may do everything.
            (None, "db_username") if one => false,
            (None, "db_username") => found == told(context, "db_master_username"),
            (Some(_), "db_username") if one => false,
            (wanted, _) => wanted.is_some() && found != wanted,
        };
        if filled(name) && differs {
            elsewhere.push(*name);
        }
    }
    Shape::Fields { lacks, elsewhere }
}

fn judge(context: Context<'_>, kind: &Kind, picture: &Picture) -> Vec<Answer> {
    let located = context.located;
    let name = kind.name();
    let secret = &picture.secret;
    let said = |name: &str| located.terraform(name);
    let mut answers = vec![
        EXISTS.answer(
            name,
            "there",
            said(kind.output),
            secret
                .arn()
                .map(|arn| (Some(arn) == located.text(kind.output).ok(), arn.to_owned()))
                .ok_or_else(|| Unobserved::missing("Secrets Manager", "ARN")),
        ),
    ];
    let key = located.text("kms_key_arn").map(|wanted| {
        // Left out where it is Secrets Manager's own key.
        let key = secret
            .kms_key_id()
            .unwrap_or("with Secrets Manager's own key");
        (is_key(key, wanted), key.to_owned())
    });
    answers.push(KEY.answer(name, "the stack's key", said("kms_key_arn"), key));
    let shape = picture.shape.clone().map(|shape| match shape {
        Shape::Formless => (false, "no JSON object".to_owned()),
        Shape::Fields { lacks, .. } if lacks.is_empty() => (true, "all of them".to_owned()),
        Shape::Fields { lacks, .. } => (
            false,
            format!("without {}", listed(&lacks.into_iter().collect())),
        ),
    });
    answers.push(SHAPE.answer(name, kind.fields.join(", "), None, shape));
    if let Some((_, host)) = kind.leads.first() {
        answers.push(address(context, kind, picture, host));
    }
    if kind.rotated {
        answers.push(ROTATION.answer(name, "rotated", None, Ok(rotation(secret))));
    }
    answers.push(replicas(name, secret));
    let outsiders = picture.policy.as_ref().map_err(Clone::clone);
    let outsiders = outsiders.and_then(|policy| match policy {
        None => Ok((true, "no policy".to_owned())),
        Some(policy) => policy
            .outsiders(context.account)
            .map(|found| nobody_or(&found)),
    });
    answers.push(OUTSIDERS.answer(name, "nobody", None, outsiders));
    answers
}

/// A key may be shown by its id alone.
fn is_key(key: &str, wanted: &str) -> bool {
    key == wanted || wanted.rsplit('/').next() == Some(key)
}

fn address(context: Context<'_>, kind: &Kind, picture: &Picture, host: &str) -> Answer {
    // The first is where it leads to; whatever else nobody says is not compared.
    let known = context.located.value(host);
    // Without these nobody knows; the others are missed by their shape.
    let leading = |lack: &&str| ["host", "port", "username"].contains(lack);
    let shown = known
        .and(picture.shape.clone())
        .and_then(|shape| match shape {
            Shape::Formless => Err(Unobserved::because("it is no JSON object")),
            Shape::Fields { elsewhere, .. } if !elsewhere.is_empty() => Ok((
                false,
                format!("another {}", listed(&elsewhere.into_iter().collect())),
            )),
            Shape::Fields { lacks, .. } if lacks.iter().any(leading) => {
                let lacks = lacks.into_iter().filter(leading);
                let lacks = listed(&lacks.collect());
                Err(Unobserved::because(format!("it has no {lacks}")))
            }
            Shape::Fields { .. } => Ok((true, "as terraform says".to_owned())),
        });
    let terraform = context.located.terraform(host);
    let expected: Vec<&str> = kind.leads.iter().map(|(_, output)| *output).collect();
    ADDRESS.answer(kind.name(), expected.join(", "), terraform, shown)
}

fn rotation(secret: &DescribeSecretOutput) -> (bool, String) {
    let days = secret
        .rotation_rules()
        .and_then(|rules| rules.automatically_after_days);
    // Left out where rotation was never on.
    match (secret.rotation_enabled, days) {
        (Some(true), Some(days)) => (true, format!("every {days} days")),
        (Some(true), None) => (true, "on a schedule".to_owned()),
        _ => (false, "off".to_owned()),
    }
}

fn replicas(name: &str, secret: &DescribeSecretOutput) -> Answer {
    let replicas = secret.replication_status();
    if replicas.is_empty() {
        return REPLICAS.skipped(name, "it has no copies in other regions");
    }
    let mut fine = true;
    let mut shown = BTreeSet::new();
    for replica in replicas {
        let status = replica.status().map_or("?", StatusType::as_str);
        fine &= replica.status() == Some(&StatusType::InSync);
        shown.insert(format!("{} {status}", replica.region().unwrap_or("?")));
    }
    let shown: BTreeSet<&str> = shown.iter().map(String::as_str).collect();
    REPLICAS.answer(name, "in sync", None, Ok((fine, listed(&shown))))
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::types::{ReplicationStatusType, RotationRulesType};
    use report::finding::Status;
    use serde_json::json;

    use super::super::asked::Asked;
    use super::*;

    const KEY: &str = "arn:aws:kms:ca-central-1:123456789012:key/1";

    async fn asked() -> Asked {
        Asked::new(&[
            ("db_credentials_secret_arn", "arn:app".into()),
            ("db_master_secret_arn", "arn:db".into()),
            ("db_username", "berthcare_app".into()),
            ("db_address", "db.example.ca".into()),
            ("redis_credentials_secret_arn", "arn:redis".into()),
            ("redis_endpoint", "redis.example.ca".into()),
            ("redis_port", json!(6379)),
            ("kms_key_arn", KEY.into()),
        ])
        .await
    }

    #[tokio::test]
    async fn a_value_is_told_by_its_fields_alone() {
        let asked = asked().await;
        let look = |value| look(asked.context(), &KINDS[3], value);
        let fields = |lacks: &[&'static str], elsewhere: &[&'static str]| Shape::Fields {
            lacks: lacks.to_vec(),
            elsewhere: elsewhere.to_vec(),
        };
        let whole = r#"{"auth_token": "hunter2", "host": "redis.example.ca", "port": 6379, "engine": "redis"}"#;
        assert_eq!(look(Some(whole)), fields(&[], &[]));
        let text = r#"{"auth_token": "hunter2", "host": "other", "port": "6379", "engine": ""}"#;
        assert_eq!(look(Some(text)), fields(&["engine"], &["host"]));
        let application = |user: &str| {
            let value = format!(
                r#"{{"username": "{user}", "password": "hunter2", "engine": "postgres",
                "host": "db.example.ca", "port": 5432, "dbname": "berthcare"}}"#
            );
            super::look(asked.context(), &KINDS[0], Some(&value))
        };
        assert_eq!(application("berthcare_app"), fields(&[], &[]));
        assert_eq!(application("berthcare_admin"), fields(&[], &["username"]));
        for value in [None, Some("hunter2"), Some("[\"hunter2\"]")] {
            assert_eq!(look(value), Shape::Formless);
        }
        let all = format!("{:?}", [look(Some(whole)), look(Some(text))]);
        assert!(!all.contains("hunter2"), "{all}");
    }

    #[tokio::test]
    async fn a_secret_that_is_not_rotated_or_not_in_sync_is_noticed() {
        let asked = asked().await;
        let status = |rotated: Option<bool>, copy: Option<StatusType>, shape| {
            let rules = RotationRulesType::builder().automatically_after_days(7);
            let copy = copy.map(|status| {
                let copy = ReplicationStatusType::builder().region("ca-west-1");
                copy.status(status).build()
            });
            let secret = DescribeSecretOutput::builder()
                .arn("arn:db")
                .kms_key_id(KEY)
                .set_rotation_enabled(rotated)
                .rotation_rules(rules.build())
                .set_replication_status(copy.map(|copy| vec![copy]));
            let picture = Picture {
                secret: secret.build(),
                shape,
                policy: Ok(None),
            };
            judge(asked.context(), &KINDS[1], &picture)
                .into_iter()
                .filter(|answer| answer.status != Status::Ok)
                .map(|answer| (answer.check.id, answer.status))
                .collect::<Vec<_>>()
        };
        let whole = || {
            Ok(Shape::Fields {
                lacks: Vec::new(),
                elsewhere: Vec::new(),
            })
        };
        let alone = ("secrets-replicas", Status::Skipped);
        assert_eq!(status(Some(true), None, whole()), [alone]);
        for off in [None, Some(false)] {
            let off = status(off, None, whole());
            assert_eq!(off, [("secrets-rotation", Status::Wrong), alone]);
        }
        assert_eq!(status(Some(true), Some(StatusType::InSync), whole()), []);
        for bad in [StatusType::Failed, StatusType::InProgress] {
            let bad = status(Some(true), Some(bad), whole());
            assert_eq!(bad, [("secrets-replicas", Status::Wrong)]);
        }
        let denied = status(Some(true), None, Err(Unobserved::because("denied")));
        assert_eq!(denied, [("secrets-shape", Status::Unknown), alone]);
    }

    #[tokio::test]
    async fn a_secret_of_another_user_engine_or_database_is_noticed() {
        let mut asked = Asked::new(&[
            ("db_address", "db.example.ca".into()),
            ("db_name", "berthcare".into()),
            ("db_master_username", "root_user".into()),
        ])
        .await;
        let of = |asked: &Asked, user: &str, engine: &str, name: &str| {
            let value = format!(
                r#"{{"username": "{user}", "password": "hunter2", "engine": "{engine}",
                "host": "db.example.ca", "port": 5432, "dbname": "{name}"}}"#
            );
            match look(asked.context(), &KINDS[0], Some(&value)) {
                Shape::Fields { elsewhere, .. } => elsewhere,
                Shape::Formless => panic!("no fields"),
            }
        };
        assert!(of(&asked, "app", "postgres", "berthcare").is_empty());
        assert_eq!(of(&asked, "app", "mysql", "berthcare"), ["engine"]);
        assert_eq!(of(&asked, "app", "postgres", "other"), ["dbname"]);
        // Nobody says what the application's user is called, but it is not this one; with one secret it may be.
        assert_eq!(
            of(&asked, "root_user", "postgres", "berthcare"),
            ["username"]
        );
        asked.wanted.expect.db_secrets = DatabaseSecrets::One;
        assert!(of(&asked, "root_user", "postgres", "berthcare").is_empty());
        assert!(!OF_SPLIT.contains(&KINDS[0].output));
    }

    #[test]
    fn a_key_may_be_shown_by_its_id() {
        assert!(is_key(KEY, KEY));
        assert!(is_key("1", KEY));
        assert!(!is_key("2", KEY));
        assert!(!is_key("", KEY));
    }
}
