//! Whether CloudTrail records who changes what.

use aws_sdk_cloudtrail::types::{EventSelector, ReadWriteType, Trail};

use super::super::Question;
use crate::check::{Blind, Seen};

/// What a trail that counts for this region does.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Records,
    Stopped,
    /// The bucket does not take the records: CloudTrail's word for why.
    Undelivered(String),
    /// Only calls for data, or only those that read.
    Partial,
}

pub(super) async fn look(question: Question<'_>) -> Seen<(bool, String)> {
    let client = &question.sites.cloudtrail;
    let call = |operation, of: &str| question.sites.call("CloudTrail", operation, of);
    // Trails of other regions that record this one are among them.
    let answer = client.describe_trails().send().await;
    let answer = answer
        .map_err(|error| Blind::from(call("DescribeTrails", "this account").failed(error)))?;
    let here = |trail: &&Trail| {
        trail.is_multi_region_trail() == Some(true)
            || trail.home_region() == Some(question.wanted.region.as_str())
    };
    let mut found = Vec::new();
    for trail in answer.trail_list().iter().filter(here) {
        let arn = trail.trail_arn();
        let arn = arn.ok_or_else(|| Blind::missing("CloudTrail", "TrailARN"))?;
        let name = trail.name().unwrap_or(arn);
        let status = client.get_trail_status().name(arn).send().await;
        let status =
            status.map_err(|error| Blind::from(call("GetTrailStatus", name).failed(error)))?;
        let logging = status.is_logging();
        let logging = logging.ok_or_else(|| Blind::missing("CloudTrail", "IsLogging"))?;
        let undelivered = status.latest_delivery_error().unwrap_or_default();
        let state = if !logging {
            State::Stopped
        } else if !undelivered.is_empty() {
            State::Undelivered(undelivered.to_owned())
        // Without selectors of its own a trail records every change.
        } else if trail.has_custom_event_selectors() == Some(true)
            && !selects_changes(question, arn, name).await?
        {
            State::Partial
        } else {
            State::Records
        };
        found.push((name.to_owned(), state));
    }
    Ok(judge(&found))
}

/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html>
async fn selects_changes(question: Question<'_>, arn: &str, name: &str) -> Seen<bool> {
    let asked = question.sites.cloudtrail.get_event_selectors();
    let answer = asked.trail_name(arn).send().await.map_err(|error| {
        let call = question.sites.call("CloudTrail", "GetEventSelectors", name);
        Blind::from(call.failed(error))
    })?;
    let classic = |selector: &EventSelector| {
        selector.include_management_events() != Some(false)
            && selector.read_write_type() != Some(&ReadWriteType::ReadOnly)
    };
    let advanced = answer.advanced_event_selectors().iter().any(|selector| {
        let fields = selector.field_selectors();
        let named = |name: &str, value: &str| {
            let mut fields = fields.iter().filter(|field| field.field() == name);
            fields.any(|field| field.equals().iter().any(|found| found == value))
        };
        named("eventCategory", "Management") && !named("readOnly", "true")
    });
    Ok(advanced || answer.event_selectors().iter().any(classic))
}

fn judge(trails: &[(String, State)]) -> (bool, String) {
    let recording = trails.iter().find(|(_, state)| *state == State::Records);
    if let Some((name, _)) = recording {
        return (true, format!("{name} does"));
    }
    let told: Vec<String> = trails
        .iter()
        .map(|(name, state)| match state {
            State::Records => format!("{name} does"),
            State::Stopped => format!("{name} is stopped"),
            State::Undelivered(error) => format!("{name} cannot deliver: {error}"),
            State::Partial => format!("{name} leaves changes out"),
        })
        .collect();
    match told.is_empty() {
        true => (false, "no trail".to_owned()),
        false => (false, told.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trail_that_records_is_enough() {
        let of = |states: Vec<State>| {
            let named = states.into_iter().enumerate();
            judge(
                &named
                    .map(|(at, state)| (format!("t{at}"), state))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(of(vec![]), (false, "no trail".to_owned()));
        assert_eq!(
            of(vec![State::Stopped, State::Records]),
            (true, "t1 does".to_owned())
        );
        let denied = State::Undelivered("AccessDenied".to_owned());
        assert_eq!(
            of(vec![State::Stopped, denied, State::Partial]),
            (
                false,
                "t0 is stopped, t1 cannot deliver: AccessDenied, t2 leaves changes out".to_owned()
            )
        );
    }
}
