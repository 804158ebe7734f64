//! Item 14: the VPC's flow log, whether it delivers, and where to.

use aws_sdk_cloudwatchlogs::types::{LogGroup, OrderBy};
use aws_sdk_ec2::types::{Filter, FlowLog};
use jiff::Timestamp;
use report::finding::{Observation, Severity, Unobserved};

use super::Context;
use crate::check::{Answer, Check};

static ACTIVE: Check = Check {
    id: "flow-logs-active",
    item: Some(14),
    severity: Severity::High,
    title: "the VPC has its flow log, and it is active",
    why: "nobody can tell afterwards who talked to whom",
    fix: "terraform apply",
};
static TRAFFIC: Check = Check {
    id: "flow-logs-traffic",
    item: Some(14),
    severity: Severity::Medium,
    title: "it records accepted and rejected traffic",
    why: "either what got through or what tried to is missing",
    fix: "terraform apply, which makes the flow log anew",
};
static DESTINATION: Check = Check {
    id: "flow-logs-destination",
    item: Some(14),
    severity: Severity::Medium,
    title: "it writes to the environment's log group",
    why: "records are somewhere else, under other rules",
    fix: "terraform apply, which makes the flow log anew",
};
static DELIVERING: Check = Check {
    id: "flow-logs-delivering",
    item: Some(14),
    severity: Severity::High,
    title: "its records are delivered",
    why: "an active flow log that cannot write keeps nothing",
    fix: "look at the flow log's role and log group; terraform apply makes both as they were",
};
static RECENT: Check = Check {
    id: "flow-logs-recent",
    item: Some(14),
    severity: Severity::Medium,
    title: "records have arrived lately",
    why: "the way from the network to the log group is broken, whatever its parts say",
    fix: "look at the flow log's DeliverLogsErrorMessage, and at the policy of its role",
};
static GROUP: Check = Check {
    id: "flow-logs-group",
    item: Some(14),
    severity: Severity::High,
    title: "its log group is there",
    why: "records have nowhere to go",
    fix: "terraform apply",
};
static RETENTION: Check = Check {
    id: "flow-logs-retention",
    item: Some(14),
    severity: Severity::Low,
    title: "records are kept for a year, and not for ever",
    why: "an incident is often found months later; what is kept for ever is paid for for ever",
    fix: "terraform apply",
};
static ENCRYPTED: Check = Check {
    id: "flow-logs-encrypted",
    item: Some(14),
    severity: Severity::Medium,
    title: "records are encrypted with the environment's key",
    why: "who may read them is not decided by the key's policy",
    fix: "terraform apply",
};

pub(super) static CHECKS: &[&Check] = &[
    &ACTIVE,
    &TRAFFIC,
    &DESTINATION,
    &DELIVERING,
    &RECENT,
    &GROUP,
    &RETENTION,
    &ENCRYPTED,
];

/// CloudWatch Logs brings a stream's time of the last event up to date within an hour as a rule, "in rare
/// situations" later: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogStream.html>.
const RECENT_HOURS: i64 = 3;

struct Picture {
    log: Observation<FlowLog>,
    group: Observation<LogGroup>,
    /// When the newest record was made; `None` while there is none.
    newest: Observation<Option<Timestamp>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let (vpc, id, name) = (
        context.located.text("vpc_id"),
        context.located.text("flow_log_id"),
        context.located.text("flow_log_group_name"),
    );
    let log = async { flow_log(context, vpc?, id.clone()?).await };
    let group = async { log_group(context, name.clone()?).await };
    let newest = async { newest(context, name.clone()?).await };
    let (log, group, newest) = tokio::join!(log, group, newest);
    let picture = Picture { log, group, newest };
    judge(context, &picture)
}

async fn flow_log(context: Context<'_>, vpc: &str, id: &str) -> Observation<FlowLog> {
    let of_vpc = Filter::builder().name("resource-id").values(vpc).build();
    let pages = context.clients.ec2.describe_flow_logs().filter(of_vpc);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let call = || context.clients.call("EC2", "DescribeFlowLogs", id);
    found
        .map_err(|error| Unobserved::from(call().failed(error)))?
        .into_iter()
        .find(|log| log.flow_log_id() == Some(id))
        .ok_or_else(|| Unobserved::absent(format!("the VPC has no flow log {id}")))
}

/// Names that begin alike are on the same pages.
async fn log_group(context: Context<'_>, name: &str) -> Observation<LogGroup> {
    let pages = context.clients.logs.describe_log_groups();
    let pages = pages.log_group_name_prefix(name).into_paginator().items();
    let found: Result<Vec<_>, _> = pages.send().collect().await;
    let call = || {
        context
            .clients
            .call("CloudWatch Logs", "DescribeLogGroups", name)
    };
    found
        .map_err(|error| Unobserved::from(call().failed(error)))?
        .into_iter()
        .find(|group| group.log_group_name() == Some(name))
        .ok_or_else(|| Unobserved::absent(format!("there is no log group {name}")))
}

/// The first page has the newest stream first.
async fn newest(context: Context<'_>, name: &str) -> Observation<Option<Timestamp>> {
    let call = || {
        let clients = context.clients;
        clients.call("CloudWatch Logs", "DescribeLogStreams", name)
    };
    let streams = context.clients.logs.describe_log_streams();
    let answer = streams
        .log_group_name(name)
        .order_by(OrderBy::LastEventTime)
        .descending(true)
        .limit(1)
        .send()
        .await
        .map_err(|error| Unobserved::from(call().failed(error)))?;
    let newest = answer
        .log_streams()
        .iter()
        .filter_map(|stream| stream.last_event_timestamp())
        .max();
    newest
        .map(Timestamp::from_millisecond)
        .transpose()
        .map_err(|_| Unobserved::because("CloudWatch Logs shows a time that is none"))
}

fn judge(context: Context<'_>, picture: &Picture) -> Vec<Answer> {
    let located = context.located;
    let text = |name| located.terraform(name);
    let id = located.text("flow_log_id").unwrap_or("flow log");
    let name = located.text("flow_log_group_name").unwrap_or("log group");
    let log = picture.log.as_ref().map_err(Clone::clone);
    let lacks = |what: &str| Unobserved::because(format!("EC2's answer has no {what} in it"));

    let active = log.clone().and_then(|log| {
        let status = log.flow_log_status().ok_or_else(|| lacks("status"))?;
        Ok((status == "ACTIVE", status.to_owned()))
    });
    let mut answers = vec![ACTIVE.answer(id, "ACTIVE", text("flow_log_id"), active)];
    if log.as_ref().is_err_and(|unobserved| unobserved.absent) {
        for check in [&TRAFFIC, &DESTINATION, &DELIVERING] {
            answers.push(check.skipped(id, "the flow log does not exist"));
        }
    } else {
        let traffic = log.clone().and_then(|log| {
            let traffic = log.traffic_type().ok_or_else(|| lacks("traffic type"))?;
            Ok((traffic.as_str() == "ALL", traffic.to_string()))
        });
        answers.push(TRAFFIC.answer(id, "ALL", None, traffic));
        let destination = log.clone().and_then(|log| {
            let group = group_of(log).ok_or_else(|| lacks("log group"))?;
            Ok((group == name, group.to_owned()))
        });
        let terraform = text("flow_log_group_name");
        answers.push(DESTINATION.answer(id, name, terraform, destination));
        let delivering = log.and_then(|log| {
            // Absent until the first delivery was tried.
            let status = log.deliver_logs_status();
            let status = status.ok_or_else(|| lacks("status of deliveries"))?;
            let error = log.deliver_logs_error_message();
            let error = error.map(|error| format!(": {error}")).unwrap_or_default();
            Ok((status == "SUCCESS", format!("{status}{error}")))
        });
        answers.push(DELIVERING.answer(id, "SUCCESS", None, delivering));
    }
    answers.extend(group(context, name, picture));
    answers
}

/// EC2 gives the group by its name, or as an ARN: `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, with `:*` or not.
fn group_of(log: &FlowLog) -> Option<&str> {
    log.log_group_name().or_else(|| {
        let arn = log.log_destination()?;
        let (_, name) = arn.split_once(":log-group:")?;
        Some(name.strip_suffix(":*").unwrap_or(name))
    })
}

fn group(context: Context<'_>, name: &str, picture: &Picture) -> Vec<Answer> {
    let group = picture.group.as_ref().map_err(Clone::clone);
    let terraform = context.located.terraform("flow_log_group_name");
    let there = group.clone().map(|_| (true, "there".to_owned()));
    let exists = GROUP.answer(name, "there", terraform, there);
    if group.as_ref().is_err_and(|unobserved| unobserved.absent) {
        let gone = "the log group does not exist";
        let others = [&RECENT, &RETENTION, &ENCRYPTED];
        let skipped = others.into_iter().map(|check| check.skipped(name, gone));
        return std::iter::once(exists).chain(skipped).collect();
    }
    let recent = picture.newest.clone().and_then(|newest| {
        let newest = newest.ok_or_else(|| Unobserved::because("no record has arrived yet"))?;
        let age = context.at.duration_since(newest);
        Ok((
            age.as_hours() < RECENT_HOURS,
            format!("the newest is of {newest}"),
        ))
    });
    let days = context.wanted.expect.flow_log_days;
    let retention = group.clone().map(|group| match group.retention_in_days() {
        Some(kept) => (kept >= days, format!("{kept} days")),
        // CloudWatch Logs leaves it out when nothing ever expires.
        None => (false, "for ever".to_owned()),
    });
    let key = context.located.text("kms_key_arn");
    let encrypted = key.clone().and_then(|key| {
        let used = group?.kms_key_id();
        let shown = used.unwrap_or("the key of CloudWatch Logs");
        Ok((used == Some(key), shown.to_owned()))
    });
    let key = key.unwrap_or("the environment's key");
    vec![
        exists,
        RECENT.answer(
            name,
            format!("in the last {RECENT_HOURS} hours"),
            None,
            recent,
        ),
        RETENTION.answer(name, format!("{days} days or more"), None, retention),
        ENCRYPTED.answer(name, key, Some(key.to_owned()), encrypted),
    ]
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::TrafficType;
    use report::finding::Status;

    use super::super::asked::Asked;
    use super::*;

    const KEY: &str = "arn:aws:kms:ca-central-1:123456789012:key/1";

    fn picture() -> Picture {
        let log = FlowLog::builder()
            .flow_log_id("fl-1")
            .flow_log_status("ACTIVE")
            .traffic_type(TrafficType::All)
            .log_destination("arn:aws:logs:ca-central-1:123456789012:log-group:/vpc/x:*")
            .deliver_logs_status("SUCCESS");
        let group = LogGroup::builder()
            .log_group_name("/vpc/x")
            .retention_in_days(365);
        Picture {
            log: Ok(log.build()),
            group: Ok(group.kms_key_id(KEY).build()),
            newest: Ok(Some("2026-11-01T11:50:00Z".parse().unwrap())),
        }
    }

    /// The checks that are not ok, with what they are instead.
    async fn not_ok(change: impl FnOnce(&mut Picture)) -> Vec<(&'static str, Status)> {
        let outputs = [
            ("flow_log_id", "fl-1".into()),
            ("flow_log_group_name", "/vpc/x".into()),
            ("kms_key_arn", KEY.into()),
        ];
        let asked = Asked::new(&outputs).await;
        let mut picture = picture();
        change(&mut picture);
        let answers = judge(asked.context(), &picture);
        assert_eq!(answers.len(), CHECKS.len());
        let answers = answers
            .into_iter()
            .map(|answer| (answer.check.id, answer.status));
        answers
            .filter(|(_, status)| *status != Status::Ok)
            .collect()
    }

    fn log(picture: &mut Picture) -> &mut FlowLog {
        picture.log.as_mut().unwrap()
    }

    #[tokio::test]
    async fn each_part_of_a_flow_log_has_its_check() {
        assert_eq!(not_ok(|_| ()).await, []);
        let rejected = |picture: &mut _| log(picture).traffic_type = Some(TrafficType::Reject);
        assert_eq!(not_ok(rejected).await, [(TRAFFIC.id, Status::Wrong)]);
        let other = |picture: &mut _| log(picture).log_group_name = Some("/vpc/y".to_owned());
        assert_eq!(not_ok(other).await, [(DESTINATION.id, Status::Wrong)]);
        let failed = |picture: &mut _| {
            log(picture).deliver_logs_status = Some("FAILED".to_owned());
        };
        assert_eq!(not_ok(failed).await, [(DELIVERING.id, Status::Wrong)]);
        let old = |picture: &mut Picture| {
            picture.newest = Ok(Some("2026-11-01T09:00:00Z".parse().unwrap()));
        };
        assert_eq!(not_ok(old).await, [(RECENT.id, Status::Wrong)]);
    }

    #[tokio::test]
    async fn no_data_is_unknown() {
        let silent = |picture: &mut Picture| {
            log(picture).deliver_logs_status = None;
            picture.newest = Ok(None);
        };
        let unknown = [
            (DELIVERING.id, Status::Unknown),
            (RECENT.id, Status::Unknown),
        ];
        assert_eq!(not_ok(silent).await, unknown);
    }
}
