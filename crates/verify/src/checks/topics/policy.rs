//! Who a topic's policy lets in.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html>

use report::finding::{Observation, Unobserved};
use serde::Deserialize;
use serde_json::{Map, Value};

const CLOUDWATCH: &str = "cloudwatch.amazonaws.com";

/// The policy of a topic.
pub(super) struct Policy<'a> {
    statements: Vec<Statement>,
    topic: &'a str,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "Statement")]
    statements: OneOrMany<Statement>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    Many(Vec<T>),
    One(T),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: Option<String>,
    effect: String,
    principal: Option<Value>,
    action: Option<Value>,
    resource: Option<Value>,
    #[serde(default)]
    condition: Map<String, Value>,
    not_principal: Option<Value>,
    not_action: Option<Value>,
    not_resource: Option<Value>,
}

/// What a statement's conditions mean for alarms of this account.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// There are none.
    Always,
    /// For this account's alarms.
    ForOurs,
    /// Only without TLS, which CloudWatch uses.
    WithoutTls,
    /// Nobody here can say.
    Unclear,
}

impl<'a> Policy<'a> {
    pub(super) fn read(text: &str, topic: &'a str) -> Observation<Self> {
        // The text itself is not repeated.
        let document: Document = serde_json::from_str(text)
            .map_err(|_| Unobserved::because("the topic's policy is not what IAM documents"))?;
        let statements = match document.statements {
            OneOrMany::Many(statements) => statements,
            OneOrMany::One(statement) => vec![statement],
        };
        Ok(Self { statements, topic })
    }

    /// Whether alarms of this account may publish.
    pub(super) fn alarms_publish(&self) -> Observation<(bool, String)> {
        let mut allowed = false;
        let mut unclear = None;
        for statement in self
            .statements
            .iter()
            .filter(|statement| statement.fits(self.topic))
        {
            let holds = statement.holds(self.topic);
            match (statement.effect.as_str(), holds) {
                ("Deny", Holds::WithoutTls) => {}
                ("Deny", Holds::Always | Holds::ForOurs) => {
                    return Ok((false, format!("{} denies it", statement.name())));
                }
                ("Allow", Holds::Always | Holds::ForOurs) => allowed = true,
                ("Allow", Holds::WithoutTls) => {}
                _ => unclear = Some(statement.name()),
            }
        }
        match unclear {
            Some(name) => Err(Unobserved::because(format!(
                "{name} has conditions that cannot be judged"
            ))),
            None if allowed => Ok((true, CLOUDWATCH.to_owned())),
            None => Ok((false, "CloudWatch may not".to_owned())),
        }
    }

    /// Whether nobody but alarms of this account is let in.
    pub(super) fn nobody_else(&self) -> Observation<(bool, String)> {
        let others: Vec<String> = self
            .statements
            .iter()
            .filter(|statement| statement.effect != "Deny")
            .filter(|statement| {
                let ours = statement.holds(self.topic) == Holds::ForOurs;
                !(ours && (statement.is_for_cloudwatch_alone() || statement.is_of_owner()))
            })
            .map(|statement| {
                let who = statement
                    .principal
                    .as_ref()
                    .map_or_else(|| "all but some".to_owned(), Value::to_string);
                format!("{} lets {who} in", statement.name())
            })
            .collect();
        if others.is_empty() {
            return Ok((true, "nobody else".to_owned()));
        }
        Ok((false, others.join("; ")))
    }
}

impl Statement {
    fn name(&self) -> &str {
        self.sid.as_deref().unwrap_or("a statement without a Sid")
    }

    /// Whether it may be about CloudWatch publishing to this topic.
    fn fits(&self, topic: &str) -> bool {
        let negated = self.not_principal.is_some()
            || self.not_action.is_some()
            || self.not_resource.is_some();
        let principal = match &self.principal {
            Some(Value::String(all)) => all == "*",
            Some(Value::Object(kinds)) => {
                kinds
                    .get("Service")
                    .is_some_and(|services| has(services, CLOUDWATCH))
                    || kinds.get("AWS").is_some_and(|accounts| has(accounts, "*"))
            }
            _ => false,
        };
        let action = self.action.as_ref().is_some_and(|actions| {
            ["sns:publish", "sns:*", "*"]
                .iter()
                .any(|action| has(actions, action))
        });
        let resource = self
            .resource
            .as_ref()
            .is_none_or(|resources| has(resources, topic) || has(resources, "*"));
        negated || principal && action && resource
    }

    /// The statement that AWS gives every topic: everybody, as far as the owner's account is the one that acts.
    fn is_of_owner(&self) -> bool {
        let keys = self.condition.values().filter_map(Value::as_object);
        let mut keys = keys.flat_map(Map::keys);
        keys.any(|key| key.eq_ignore_ascii_case("aws:SourceOwner"))
    }

    fn is_for_cloudwatch_alone(&self) -> bool {
        let Some(Value::Object(kinds)) = &self.principal else {
            return false;
        };
        let only = match kinds.get("Service") {
            Some(Value::String(service)) => service == CLOUDWATCH,
            Some(Value::Array(services)) => services.iter().all(|service| service == CLOUDWATCH),
            _ => false,
        };
        let publish = match &self.action {
            Some(Value::String(action)) => action.eq_ignore_ascii_case("sns:Publish"),
            Some(Value::Array(actions)) => actions.iter().all(|action| {
                action
                    .as_str()
                    .is_some_and(|action| action.eq_ignore_ascii_case("sns:Publish"))
            }),
            _ => false,
        };
        kinds.len() == 1 && only && publish
    }

    fn holds(&self, topic: &str) -> Holds {
        if self.not_principal.is_some() || self.not_action.is_some() || self.not_resource.is_some()
        {
            return Holds::Unclear;
        }
        let mut holds = Holds::Always;
        let account = topic.split(':').nth(4).unwrap_or_default();
        for (operator, keys) in &self.condition {
            let Some(keys) = keys.as_object() else {
                return Holds::Unclear;
            };
            for (key, value) in keys {
                let key = key.to_ascii_lowercase();
                let ours = match (operator.as_str(), key.as_str()) {
                    ("Bool", "aws:securetransport") if is_false(value) => {
                        holds = Holds::WithoutTls;
                        continue;
                    }
                    ("StringEquals", "aws:sourceaccount" | "aws:sourceowner") => value == account,
                    ("ArnEquals" | "ArnLike" | "StringEquals" | "StringLike", "aws:sourcearn") => {
                        value.as_str().is_some_and(|arn| {
                            let mut parts = arn.split(':').skip(2);
                            parts.next() == Some("cloudwatch")
                                && parts.next() == topic.split(':').nth(3)
                                && parts.next() == Some(account)
                        })
                    }
                    _ => false,
                };
                if !ours {
                    return Holds::Unclear;
                }
                if holds == Holds::Always {
                    holds = Holds::ForOurs;
                }
            }
        }
        holds
    }
}

fn is_false(value: &Value) -> bool {
    *value == Value::Bool(false) || value == "false"
}

/// Whether a text, or one of several, is `wanted`, in whatever case.
fn has(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text.eq_ignore_ascii_case(wanted),
        Value::Array(texts) => texts.iter().any(|text| has(text, wanted)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "arn:aws:sns:ca-central-1:123456789012:alerts";

    fn judged(statements: &str) -> (Option<bool>, Option<bool>) {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#);
        let policy = Policy::read(&text, TOPIC).unwrap();
        let right = |shown: Observation<(bool, String)>| shown.ok().map(|(right, _)| right);
        (right(policy.alarms_publish()), right(policy.nobody_else()))
    }

    #[test]
    fn who_may_publish_is_read_from_all_statements_together() {
        let ours = r#"{"Sid": "Ours", "Effect": "Allow", "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish", "Resource": "arn:aws:sns:ca-central-1:123456789012:alerts",
            "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}"#;
        let other = |change: &dyn Fn(&mut Value)| {
            let mut statement: Value = serde_json::from_str(ours).unwrap();
            change(&mut statement);
            statement.to_string()
        };
        assert_eq!(judged(ours), (Some(true), Some(true)));
        let by_arn = other(&|it| {
            it["Condition"] = serde_json::json!({"ArnLike": {"aws:SourceArn":
                "arn:aws:cloudwatch:ca-central-1:123456789012:alarm:*"}});
        });
        assert_eq!(judged(&by_arn), (Some(true), Some(true)));
        // Any account's alarms could publish.
        let open = other(&|it| it["Condition"] = serde_json::json!({}));
        assert_eq!(judged(&open), (Some(true), Some(false)));
        // Another account's alarms: whether ours may is not clear from this.
        let foreign = other(&|it| {
            it["Condition"]["StringEquals"]["aws:SourceAccount"] = "999999999999".into();
        });
        assert_eq!(judged(&foreign), (None, Some(false)));
        let events = other(&|it| it["Principal"]["Service"] = "events.amazonaws.com".into());
        assert_eq!(judged(&events), (Some(false), Some(false)));
        let public = other(&|it| it["Principal"] = "*".into());
        assert_eq!(judged(&public), (Some(true), Some(false)));
        let listens =
            other(&|it| it["Action"] = serde_json::json!(["sns:Publish", "sns:Subscribe"]));
        assert_eq!(judged(&listens), (Some(true), Some(false)));
        let elsewhere = other(&|it| it["Resource"] = "arn:aws:sns:ca-central-1:1:x".into());
        assert_eq!(judged(&elsewhere), (Some(false), Some(true)));
        let tls = r#"{"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}"#;
        assert_eq!(
            judged(&format!("[{ours}, {tls}]")),
            (Some(true), Some(true))
        );
        let denied = r#"{"Effect": "Deny", "Principal": "*", "Action": "sns:*", "Resource": "*"}"#;
        assert_eq!(
            judged(&format!("[{ours}, {denied}]")),
            (Some(false), Some(true))
        );
        let but = r#"{"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "sns:*", "Resource": "*"}"#;
        assert_eq!(judged(&format!("[{ours}, {but}]")), (None, Some(true)));
        assert!(Policy::read("{}", TOPIC).is_err());
    }

    #[test]
    fn the_policy_that_aws_gives_every_topic_lets_in_its_owner_alone() {
        let default = |owner: &str| {
            format!(
                r#"[{{"Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {{"AWS": "*"}},
                "Action": ["SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:Publish", "SNS:Subscribe"],
                "Resource": "{TOPIC}", "Condition": {{"StringEquals": {{"AWS:SourceOwner": "{owner}"}}}}}}]"#
            )
        };
        assert_eq!(judged(&default("123456789012")), (Some(true), Some(true)));
        assert_eq!(judged(&default("999999999999")), (None, Some(false)));
    }
}
