//! Alarms: their state, and how often they rang.

use aws_env::Call;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{HistoryItemType, MetricAlarm, StateValue};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};

use super::{Context, sdk};

/// Days of history.
const DAYS: i64 = 7;
/// As many names as DescribeAlarms takes at once.
const NAMES: usize = 100;

pub(super) async fn review(context: Context<'_>) -> Vec<Finding> {
    let names = match context.located.texts("cloudwatch_alarm_names") {
        Ok(names) if !names.is_empty() => names,
        Ok(_) => {
            let why = Unobserved::absent("terraform's output cloudwatch_alarm_names is empty");
            return vec![Finding::new("alarm", "all alarms", "alarms", Err(why))];
        }
        Err(unobserved) => {
            return vec![Finding::new(
                "alarm",
                "all alarms",
                "alarms",
                Err(unobserved),
            )];
        }
    };
    // Those of CloudFront are in us-east-1.
    let clients = context.clients;
    let (here, there): (Vec<&str>, Vec<&str>) = names
        .iter()
        .partition(|name| !name.contains("-cloudfront-"));
    let home = Desk {
        client: &clients.home.cloudwatch,
        call: &|operation, name| clients.call("CloudWatch", operation, name),
    };
    let global = Desk {
        client: &clients.global_cloudwatch,
        call: &|operation, name| clients.global_call("CloudWatch", operation, name),
    };
    let (mut findings, more) =
        tokio::join!(of(context, &home, &here), of(context, &global, &there));
    findings.extend(more);
    findings
}

/// CloudWatch of one region.
struct Desk<'a> {
    client: &'a Client,
    call: &'a (dyn Fn(&'static str, String) -> Call + Sync),
}

async fn of(context: Context<'_>, desk: &Desk<'_>, names: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for names in names.chunks(NAMES) {
        let alarms = alarms(desk, names).await;
        for name in names {
            let alarm = alarms.as_ref().map_err(Clone::clone).and_then(|alarms| {
                alarms
                    .iter()
                    .find(|alarm| alarm.alarm_name() == Some(name))
                    .ok_or_else(|| Unobserved::absent("CloudWatch knows no such alarm"))
            });
            let there = alarm.clone().map(drop);
            let state = alarm.and_then(state);
            findings.push(
                Finding::new("alarm", *name, "OK", state).fix(
                    ShellCommand::new("aws cloudwatch describe-alarm-history")
                        .option("--alarm-name", name),
                ),
            );
            // Silence of an alarm that is not there says nothing.
            let rang = match there {
                Ok(()) => rang(context, desk, name).await,
                Err(unobserved) => Err(Unobserved::because(unobserved.reason)),
            };
            findings.push(Finding::new(
                "alarm-history",
                *name,
                format!("quiet for {DAYS} days"),
                rang,
            ));
        }
    }
    findings
}

async fn alarms(desk: &Desk<'_>, names: &[&str]) -> Observation<Vec<MetricAlarm>> {
    let mut pages = desk
        .client
        .describe_alarms()
        .set_alarm_names(Some(names.iter().map(|name| (*name).to_owned()).collect()))
        .into_paginator()
        .send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            Unobserved::from((desk.call)("DescribeAlarms", names.join(", ")).failed(error))
        })?;
        alarms.extend(page.metric_alarms.unwrap_or_default());
    }
    Ok(alarms)
}

/// An alarm without data says nothing about what it watches.
fn state(alarm: &MetricAlarm) -> Observation<(bool, String)> {
    match alarm.state_value() {
        Some(StateValue::Ok) => Ok((true, "OK".to_owned())),
        Some(StateValue::Alarm) => {
            let since = alarm.state_updated_timestamp().map(ToString::to_string);
            Ok((false, format!("ALARM since {}", since.unwrap_or_default())))
        }
        Some(state) => Err(Unobserved::because(state.as_str().to_owned())),
        None => Err(Unobserved::because("CloudWatch tells no state")),
    }
}

async fn rang(context: Context<'_>, desk: &Desk<'_>, name: &str) -> Observation<(bool, String)> {
    let mut pages = desk
        .client
        .describe_alarm_history()
        .alarm_name(name)
        .history_item_type(HistoryItemType::StateUpdate)
        .start_date(sdk(context.ago(DAYS)))
        .end_date(sdk(context.at))
        .into_paginator()
        .send();
    let (mut changes, mut times) = (0, Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| {
            Unobserved::from((desk.call)("DescribeAlarmHistory", name.to_owned()).failed(error))
        })?;
        for item in page.alarm_history_items() {
            changes += 1;
            // "Alarm updated from OK to ALARM"
            if item
                .history_summary()
                .is_some_and(|text| text.ends_with("to ALARM"))
            {
                times.extend(item.timestamp().map(ToString::to_string));
            }
        }
    }
    Ok(match times.is_empty() {
        true => (true, format!("{changes} changes, none to ALARM")),
        false => (
            false,
            format!("rang {} times: {}", times.len(), times.join(", ")),
        ),
    })
}
