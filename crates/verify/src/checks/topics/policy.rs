//! Who a topic's policy lets in.
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html>

use report::finding::{Observation, Unobserved};

use crate::policy::{Policy, Principal, Statement, Terms, covers};

const CLOUDWATCH: &str = "cloudwatch.amazonaws.com";

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

/// Whether alarms of this account may publish to the topic.
pub(super) fn alarms_publish(policy: &Policy, topic: &str) -> Observation<(bool, String)> {
    let mut allowed = false;
    let mut unclear = None;
    let about = policy.statements.iter().filter(|it| it.fits(topic));
    for statement in about {
        match (statement.allows, statement.holds(topic)) {
            (_, Holds::WithoutTls) => {}
            (false, Holds::Always | Holds::ForOurs) => {
                return Ok((false, format!("{} denies it", statement.name())));
            }
            (true, Holds::Always | Holds::ForOurs) => allowed = true,
            (_, Holds::Unclear) => unclear = Some(statement.name()),
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
pub(super) fn nobody_else(policy: &Policy, topic: &str) -> (bool, String) {
    let others: Vec<String> = policy
        .allowing()
        .filter(|statement| {
            let ours = statement.holds(topic) == Holds::ForOurs;
            !(ours && (statement.is_for_cloudwatch_alone() || statement.is_of_owner()))
        })
        .map(|statement| format!("{} lets {} in", statement.name(), statement.whom()))
        .collect();
    if others.is_empty() {
        return (true, "nobody else".to_owned());
    }
    (false, others.join("; "))
}

impl Statement {
    /// Whether it may be about CloudWatch publishing to this topic.
    fn fits(&self, topic: &str) -> bool {
        let principal = match &self.principals {
            Some(Terms::Only(all)) => all
                .iter()
                .any(|who| who.is_everybody() || is_cloudwatch(who)),
            _ => false,
        };
        let resource = match &self.resources {
            Some(Terms::Only(all)) => all.iter().any(|wide| covers(wide, topic)),
            _ => true,
        };
        self.is_negated() || principal && self.names("sns:publish") && resource
    }

    fn is_negated(&self) -> bool {
        matches!(self.principals, Some(Terms::AllBut(_)))
            || matches!(self.actions, Terms::AllBut(_))
            || matches!(self.resources, Some(Terms::AllBut(_)))
    }

    /// The statement that AWS gives every topic: everybody, as far as the owner's account is the one that acts.
    fn is_of_owner(&self) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.any(|condition| condition.key == "aws:sourceowner")
    }

    fn is_for_cloudwatch_alone(&self) -> bool {
        matches!(&self.principals, Some(Terms::Only(all)) if all.iter().all(is_cloudwatch))
            && matches!(&self.actions, Terms::Only(all) if all.iter().all(|one| one == "sns:publish"))
    }

    fn whom(&self) -> String {
        match &self.principals {
            Some(Terms::Only(all)) => {
                let all = all.iter().map(|who| format!("{} {}", who.kind, who.name));
                all.collect::<Vec<_>>().join(", ")
            }
            Some(Terms::AllBut(_)) | None => "all but some".to_owned(),
        }
    }

    fn holds(&self, topic: &str) -> Holds {
        if self.is_negated() {
            return Holds::Unclear;
        }
        let mut holds = Holds::Always;
        let mut parts = topic.split(':').skip(3);
        let (region, account) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let is_our_alarm = |arn: &String| {
            let mut parts = arn.split(':').skip(2);
            parts.next() == Some("cloudwatch")
                && parts.next() == Some(region)
                && parts.next() == Some(account)
        };
        for condition in &self.conditions {
            let values = &condition.values;
            let ours = match (condition.operator.as_str(), condition.key.as_str()) {
                ("Bool", "aws:securetransport") if values.iter().all(|value| value == "false") => {
                    holds = Holds::WithoutTls;
                    continue;
                }
                ("StringEquals", "aws:sourceaccount" | "aws:sourceowner") => {
                    values.iter().all(|value| value == account)
                }
                ("ArnEquals" | "ArnLike" | "StringEquals" | "StringLike", "aws:sourcearn") => {
                    values.iter().all(is_our_alarm)
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
        holds
    }
}

fn is_cloudwatch(who: &Principal) -> bool {
    who.kind == "Service" && who.name == CLOUDWATCH
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const TOPIC: &str = "arn:aws:sns:ca-central-1:123456789012:alerts";

    fn judged(statements: &str) -> (Option<bool>, bool) {
        let text = format!(r#"{{"Version": "2012-10-17", "Statement": {statements}}}"#);
        let policy = Policy::parse(&text).unwrap();
        let publish = alarms_publish(&policy, TOPIC).ok().map(|(may, _)| may);
        (publish, nobody_else(&policy, TOPIC).0)
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
        assert_eq!(judged(ours), (Some(true), true));
        let by_arn = other(&|it| {
            it["Condition"] = serde_json::json!({"ArnLike": {"aws:SourceArn":
                "arn:aws:cloudwatch:ca-central-1:123456789012:alarm:*"}});
        });
        assert_eq!(judged(&by_arn), (Some(true), true));
        // Any account's alarms could publish.
        let open = other(&|it| it["Condition"] = serde_json::json!({}));
        assert_eq!(judged(&open), (Some(true), false));
        // Another account's alarms: whether ours may is not clear from this.
        let foreign = other(&|it| {
            it["Condition"]["StringEquals"]["aws:SourceAccount"] = "999999999999".into();
        });
        assert_eq!(judged(&foreign), (None, false));
        let events = other(&|it| it["Principal"]["Service"] = "events.amazonaws.com".into());
        assert_eq!(judged(&events), (Some(false), false));
        let public = other(&|it| it["Principal"] = "*".into());
        assert_eq!(judged(&public), (Some(true), false));
        let listens =
            other(&|it| it["Action"] = serde_json::json!(["sns:Publish", "sns:Subscribe"]));
        assert_eq!(judged(&listens), (Some(true), false));
        let elsewhere = other(&|it| it["Resource"] = "arn:aws:sns:ca-central-1:1:x".into());
        assert_eq!(judged(&elsewhere), (Some(false), true));
        let tls = r#"{"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}"#;
        assert_eq!(judged(&format!("[{ours}, {tls}]")), (Some(true), true));
        let denied = r#"{"Effect": "Deny", "Principal": "*", "Action": "sns:*", "Resource": "*"}"#;
        assert_eq!(judged(&format!("[{ours}, {denied}]")), (Some(false), true));
        let but = r#"{"Effect": "Deny", "NotPrincipal": {"AWS": "x"}, "Action": "sns:*", "Resource": "*"}"#;
        assert_eq!(judged(&format!("[{ours}, {but}]")), (None, true));
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
        assert_eq!(judged(&default("123456789012")), (Some(true), true));
        assert_eq!(judged(&default("999999999999")), (None, false));
    }
}
