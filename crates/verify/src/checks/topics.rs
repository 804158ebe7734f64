//! Item 13: the topics that alarms are told to, in the environment's region and, for CloudFront's, in us-east-1.

use std::collections::BTreeMap;

use aws_sdk_sns::types::Subscription;
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};
use crate::policy::Policy;

mod policy;

static EXISTS: Check = Check {
    id: "sns-exists",
    item: Some(13),
    severity: Severity::High,
    title: "the topic is there",
    why: "no alarm reaches anybody",
    fix: "terraform apply",
};
static ENCRYPTED: Check = Check {
    id: "sns-encrypted",
    item: Some(13),
    severity: Severity::Medium,
    title: "encrypted with a key that alarms may use",
    why: "messages lie open, or alarms cannot publish: they may not use SNS's own key",
    fix: "terraform apply",
};
static SUBSCRIBED: Check = Check {
    id: "sns-subscribed",
    item: Some(13),
    severity: Severity::High,
    title: "somebody has confirmed to get its e-mail",
    why: "alarms ring and nobody hears them",
    fix: "confirm the link in the e-mail; after three days: terraform apply -replace the subscription",
};
static PUBLISHES: Check = Check {
    id: "sns-alarms-publish",
    item: Some(13),
    severity: Severity::High,
    title: "its policy lets CloudWatch publish",
    why: "no alarm reaches anybody",
    fix: "terraform apply",
};
static NOBODY_ELSE: Check = Check {
    id: "sns-nobody-else",
    item: Some(13),
    severity: Severity::Medium,
    title: "its policy lets nobody but this account's alarms in",
    why: "others send false alarms, or listen",
    fix: "terraform apply",
};

/// All but the first are asked only of a topic that is there.
pub(super) static CHECKS: &[&Check] = &[&EXISTS, &ENCRYPTED, &SUBSCRIBED, &PUBLISHES, &NOBODY_ELSE];

/// What SNS shows of a topic.
struct Picture {
    attributes: BTreeMap<String, String>,
    subscriptions: Observation<Vec<Subscription>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let (home, global) = tokio::join!(topic(context, false), topic(context, true));
    [home, global].concat()
}

async fn topic(context: Context<'_>, global: bool) -> Vec<Answer> {
    let (resource, output) = if global {
        ("topic of us-east-1", "sns_global_alerts_topic_arn")
    } else {
        ("topic", "sns_alerts_topic_arn")
    };
    let arn = match context.located.text(output) {
        Ok(arn) => arn,
        Err(unobserved) => return super::unseen(CHECKS, resource, &unobserved),
    };
    match observe(context, arn, global).await {
        Ok(picture) => judge(context, arn, global, &picture),
        Err(unobserved) => super::unseen(CHECKS, arn, &unobserved),
    }
}

async fn observe(context: Context<'_>, arn: &str, global: bool) -> Observation<Picture> {
    let clients = context.clients;
    let (client, call) = if global {
        let call = clients.global_call("SNS", "GetTopicAttributes", arn);
        (&clients.global_sns, call)
    } else {
        (&clients.sns, clients.call("SNS", "GetTopicAttributes", arn))
    };
    let attributes = client.get_topic_attributes().topic_arn(arn).send();
    let pages = client.list_subscriptions_by_topic().topic_arn(arn);
    let subscriptions = pages.into_paginator().items().send().collect();
    let (attributes, subscriptions): (_, Result<Vec<_>, _>) =
        tokio::join!(attributes, subscriptions);
    let attributes = attributes
        .map_err(|error| Unobserved::from(call.clone().failed(error)))?
        .attributes
        .ok_or_else(|| Unobserved::missing("SNS", "Attributes"))?;
    let subscriptions = subscriptions.map_err(|error| {
        let call = aws_env::Call {
            operation: "ListSubscriptionsByTopic",
            ..call
        };
        Unobserved::from(call.failed(error))
    });
    Ok(Picture {
        attributes: attributes.into_iter().collect(),
        subscriptions,
    })
}

fn judge(context: Context<'_>, arn: &str, global: bool, picture: &Picture) -> Vec<Answer> {
    let terraform = Some(arn.to_owned());
    let attribute = |name: &str| picture.attributes.get(name).map(String::as_str);
    // Left out where the topic is not encrypted.
    let key = attribute("KmsMasterKeyId").filter(|key| !key.is_empty());
    let key_arn = context.located.text("kms_key_arn");
    let encrypted = if global {
        // A key is of one region; names of alarms and numbers are all that is in there.
        let own = key.is_some_and(|key| key.ends_with("alias/aws/sns"));
        let shown = key.unwrap_or("not encrypted: names of alarms and numbers only");
        let terraform = None;
        ENCRYPTED.answer(
            arn,
            "not with SNS's own key",
            terraform,
            Ok((!own, shown.to_owned())),
        )
    } else {
        let shown = key_arn.clone().map(|wanted| {
            let shown = key.unwrap_or("not encrypted");
            (shown == wanted, shown.to_owned())
        });
        let terraform = context.located.terraform("kms_key_arn");
        ENCRYPTED.answer(arn, "with the stack's key", terraform, shown)
    };
    let policy = attribute("Policy")
        .ok_or_else(|| Unobserved::missing("SNS", "Policy"))
        .and_then(Policy::parse);
    let policy = policy.as_ref().map_err(Clone::clone);
    let subscribed = picture.subscriptions.as_ref().map_err(Clone::clone);
    vec![
        EXISTS.answer(arn, "there", terraform, Ok((true, "there".to_owned()))),
        encrypted,
        SUBSCRIBED.answer(
            arn,
            "one or more, none pending",
            None,
            subscribed.and_then(|all| subscriptions(all)),
        ),
        PUBLISHES.answer(
            arn,
            "cloudwatch.amazonaws.com",
            None,
            policy
                .clone()
                .and_then(|policy| policy::alarms_publish(policy, arn)),
        ),
        NOBODY_ELSE.answer(
            arn,
            "alarms of this account only",
            None,
            policy.map(|policy| policy::nobody_else(policy, arn)),
        ),
    ]
}

/// Counts only: whose address it is does not matter here.
fn subscriptions(all: &[Subscription]) -> Observation<(bool, String)> {
    let (mut confirmed, mut pending) = (0, 0);
    for subscription in all {
        let arn = subscription
            .subscription_arn()
            .ok_or_else(|| Unobserved::missing("SNS", "SubscriptionArn"))?;
        let protocol = subscription
            .protocol()
            .ok_or_else(|| Unobserved::missing("SNS", "Protocol"))?;
        if !matches!(protocol, "email" | "email-json") {
            continue;
        }
        // In the place of an ARN: not confirmed yet, or on its way out.
        match arn {
            "PendingConfirmation" => pending += 1,
            "Deleted" => {}
            _ => confirmed += 1,
        }
    }
    Ok((
        confirmed > 0 && pending == 0,
        format!("{confirmed} confirmed, {pending} pending"),
    ))
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::super::asked::Asked;
    use super::*;

    const ARN: &str = "arn:aws:sns:ca-central-1:123456789012:alerts";

    #[tokio::test]
    async fn what_sns_does_not_show_is_unknown() {
        let asked = Asked::new(&[("sns_alerts_topic_arn", ARN.into())]).await;
        let picture = Picture {
            attributes: BTreeMap::new(),
            subscriptions: Err(Unobserved::because("denied")),
        };
        for answer in judge(asked.context(), ARN, false, &picture) {
            let expected = match answer.check.id {
                "sns-exists" => Status::Ok,
                _ => Status::Unknown,
            };
            assert_eq!(answer.status, expected, "{}", answer.check.id);
        }
    }

    #[test]
    fn only_a_confirmed_e_mail_counts() {
        let counted = |arns: &[(&str, &str)]| {
            let all: Vec<Subscription> = arns
                .iter()
                .map(|(protocol, arn)| {
                    let subscription = Subscription::builder().protocol(*protocol);
                    subscription.subscription_arn(*arn).build()
                })
                .collect();
            subscriptions(&all).unwrap().0
        };
        let arn = "arn:aws:sns:ca-central-1:123456789012:alerts:1";
        assert!(counted(&[("email", arn)]));
        assert!(counted(&[("email", arn), ("email", "Deleted")]));
        assert!(!counted(&[]));
        assert!(!counted(&[("email", "Deleted")]));
        assert!(!counted(&[("sqs", arn)]));
        assert!(!counted(&[
            ("email", arn),
            ("email-json", "PendingConfirmation")
        ]));
        let unshown = Subscription::builder().protocol("email").build();
        assert!(subscriptions(&[unshown]).is_err());
    }
}
