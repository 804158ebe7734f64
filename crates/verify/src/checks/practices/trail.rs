//! Whether CloudTrail records who changes what.

use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::types::{AdvancedEventSelector, EventSelector, ReadWriteType, Trail};
use report::finding::{Observation, Unobserved};

use super::super::Context;

/// Without the calls for keys a trail does not tell who lets the data be lost.
const KEYS: &str = "kms.amazonaws.com";

/// What a trail that records this region does.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Records,
    /// As far as can be seen from here.
    OfOrganization,
    Stopped,
    /// The bucket does not take the records: CloudTrail's word for why.
    Undelivered(String),
    /// Only calls for data, or only those that read, or none for keys.
    Partial,
    /// Not those of IAM and CloudFront, nor those of the DR region.
    OneRegion,
}

pub(super) async fn look(context: Context<'_>) -> Observation<(bool, String)> {
    let answer = context.clients.cloudtrail.describe_trails().send().await;
    let answer = answer.map_err(|error| {
        let call = context
            .clients
            .call("CloudTrail", "DescribeTrails", "this account");
        Unobserved::from(call.failed(error))
    })?;
    let mut found = Vec::new();
    // Trails of other regions that record this one are among them.
    for trail in answer.trail_list() {
        let name = trail.name().unwrap_or("a trail without a name");
        found.push((name.to_owned(), state(context, trail, name).await));
    }
    judge(&found)
}

async fn state(context: Context<'_>, trail: &Trail, name: &str) -> Observation<State> {
    let client = &context.clients.cloudtrail;
    let call = |operation| context.clients.call("CloudTrail", operation, name);
    let arn = trail.trail_arn();
    let arn = arn.ok_or_else(|| Unobserved::missing("CloudTrail", "TrailARN"))?;
    let status = client.get_trail_status().name(arn).send().await;
    let status = status.map_err(|error| Unobserved::from(call("GetTrailStatus").failed(error)))?;
    // What another account's trail selects only that account is told.
    if is_of_organization(trail, context.account) {
        return told(trail, &status, None);
    }
    let selectors = client.get_event_selectors().trail_name(arn).send().await;
    let selectors =
        selectors.map_err(|error| Unobserved::from(call("GetEventSelectors").failed(error)))?;
    told(trail, &status, Some(&selectors))
}

/// The trail that the management account has made for all accounts of the organization.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/creating-trail-organization.html>
fn is_of_organization(trail: &Trail, account: &str) -> bool {
    let of = trail.trail_arn().and_then(|arn| arn.split(':').nth(4));
    trail.is_organization_trail() == Some(true) && of.is_some_and(|of| of != account)
}

/// `None`: it is the organization's, and selects what nobody here is told.
fn told(
    trail: &Trail,
    status: &GetTrailStatusOutput,
    selectors: Option<&GetEventSelectorsOutput>,
) -> Observation<State> {
    let missing = |field| move || Unobserved::missing("CloudTrail", field);
    let everywhere = trail.is_multi_region_trail();
    let everywhere = everywhere.ok_or_else(missing("IsMultiRegionTrail"))?;
    let logging = status.is_logging().ok_or_else(missing("IsLogging"))?;
    let undelivered = status.latest_delivery_error().unwrap_or_default();
    let changes = match selectors {
        None => true,
        Some(selectors) => {
            let classic = selectors.event_selectors();
            let advanced = selectors.advanced_event_selectors();
            if classic.is_empty() && advanced.is_empty() {
                return Err(missing("EventSelectors")());
            }
            classic.iter().any(selects) || advanced.iter().any(selects_in_detail)
        }
    };
    Ok(if !logging {
        State::Stopped
    } else if !undelivered.is_empty() {
        State::Undelivered(undelivered.to_owned())
    } else if !changes {
        State::Partial
    } else if !everywhere {
        State::OneRegion
    } else if selectors.is_none() {
        State::OfOrganization
    } else {
        State::Records
    })
}

/// Whether changes are recorded, those of keys too:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html>
fn selects(selector: &EventSelector) -> bool {
    let excluded = selector.exclude_management_event_sources();
    selector.include_management_events() == Some(true)
        && selector.read_write_type() != Some(&ReadWriteType::ReadOnly)
        && !excluded.iter().any(|source| source == KEYS)
}

/// The same by fields. What narrows in a way that is not understood is taken for too narrow.
fn selects_in_detail(selector: &AdvancedEventSelector) -> bool {
    let mut management = false;
    for field in selector.field_selectors() {
        let is = |value: &str| field.equals() == [value];
        let whole = match field.field() {
            "eventCategory" => {
                management = is("Management");
                management
            }
            "readOnly" => is("false"),
            // Only with these left out can something be recorded of all others.
            "eventSource" => {
                let out = field.not_equals();
                !out.is_empty() && field.equals().is_empty() && !out.iter().any(|out| out == KEYS)
            }
            _ => false,
        };
        if !whole {
            return false;
        }
    }
    management
}

impl State {
    fn told(&self, name: &str) -> String {
        match self {
            Self::Records => format!("{name} does"),
            Self::OfOrganization => {
                format!("{name} of the organization does; which events, its account knows")
            }
            Self::Stopped => format!("{name} is stopped"),
            Self::Undelivered(error) => format!("{name} cannot deliver: {error}"),
            Self::Partial => format!("{name} leaves changes out"),
            Self::OneRegion => {
                format!("{name} records one region, and nothing of IAM and CloudFront")
            }
        }
    }
}

fn judge(trails: &[(String, Observation<State>)]) -> Observation<(bool, String)> {
    for (name, state) in trails {
        if let Ok(state @ (State::Records | State::OfOrganization)) = state {
            return Ok((true, state.told(name)));
        }
    }
    let told: Vec<String> = trails
        .iter()
        .map(|(name, state)| Ok(state.as_ref().map_err(Clone::clone)?.told(name)))
        .collect::<Observation<_>>()?;
    match told.is_empty() {
        true => Ok((false, "no trail".to_owned())),
        false => Ok((false, told.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudtrail::types::AdvancedFieldSelector;

    use super::*;

    fn trail() -> Trail {
        Trail::builder().is_multi_region_trail(true).build()
    }

    fn status() -> GetTrailStatusOutput {
        GetTrailStatusOutput::builder().is_logging(true).build()
    }

    fn classic(change: impl Fn(EventSelector) -> EventSelector) -> GetEventSelectorsOutput {
        let usual = EventSelector::builder()
            .read_write_type(ReadWriteType::All)
            .include_management_events(true)
            .build();
        GetEventSelectorsOutput::builder()
            .event_selectors(change(usual))
            .build()
    }

    fn field(name: &str, equals: &[&str], not_equals: &[&str]) -> AdvancedFieldSelector {
        let texts = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            (!texts.is_empty()).then_some(texts)
        };
        AdvancedFieldSelector::builder()
            .field(name)
            .set_equals(texts(equals))
            .set_not_equals(texts(not_equals))
            .build()
            .unwrap()
    }

    fn advanced(fields: &[AdvancedFieldSelector]) -> GetEventSelectorsOutput {
        let selector = AdvancedEventSelector::builder()
            .set_field_selectors(Some(fields.to_vec()))
            .build()
            .unwrap();
        GetEventSelectorsOutput::builder()
            .advanced_event_selectors(selector)
            .build()
    }

    fn of(selectors: &GetEventSelectorsOutput) -> State {
        told(&trail(), &status(), Some(selectors)).unwrap()
    }

    #[test]
    fn the_trail_of_the_organization_counts_as_far_as_it_is_seen() {
        let of = |account: &str, organization| {
            Trail::builder()
                .trail_arn(format!("arn:aws:cloudtrail:us-east-1:{account}:trail/all"))
                .is_organization_trail(organization)
                .is_multi_region_trail(true)
                .build()
        };
        assert!(is_of_organization(
            &of("999999999999", true),
            "123456789012"
        ));
        assert!(!is_of_organization(
            &of("123456789012", true),
            "123456789012"
        ));
        assert!(!is_of_organization(
            &of("999999999999", false),
            "123456789012"
        ));
        let seen = told(&of("999999999999", true), &status(), None);
        assert_eq!(seen, Ok(State::OfOrganization));
        assert!(judge(&[("all".to_owned(), seen)]).unwrap().0);
        let stopped = GetTrailStatusOutput::builder().is_logging(false).build();
        let stopped = told(&of("999999999999", true), &stopped, None);
        assert!(!judge(&[("all".to_owned(), stopped)]).unwrap().0);
    }

    #[test]
    fn changes_and_keys_have_to_be_recorded() {
        assert_eq!(of(&classic(|usual| usual)), State::Records);
        for narrow in [
            |mut usual: EventSelector| {
                usual.read_write_type = Some(ReadWriteType::ReadOnly);
                usual
            },
            |mut usual: EventSelector| {
                usual.include_management_events = Some(false);
                usual
            },
            |mut usual: EventSelector| {
                usual.exclude_management_event_sources = Some(vec![KEYS.to_owned()]);
                usual
            },
        ] {
            assert_eq!(of(&classic(narrow)), State::Partial);
        }
        let management = || field("eventCategory", &["Management"], &[]);
        let rds = "rdsdata.amazonaws.com";
        for (fields, expected) in [
            (vec![management()], State::Records),
            (
                vec![management(), field("readOnly", &["false"], &[])],
                State::Records,
            ),
            (
                vec![management(), field("eventSource", &[], &[rds])],
                State::Records,
            ),
            (vec![field("eventCategory", &["Data"], &[])], State::Partial),
            (
                vec![management(), field("readOnly", &["true"], &[])],
                State::Partial,
            ),
            (
                vec![management(), field("eventSource", &[], &[KEYS])],
                State::Partial,
            ),
            (
                vec![management(), field("eventSource", &[rds], &[])],
                State::Partial,
            ),
            (
                vec![management(), field("eventName", &["PutKeyPolicy"], &[])],
                State::Partial,
            ),
        ] {
            assert_eq!(of(&advanced(&fields)), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_trail_has_to_log_deliver_and_be_of_all_regions() {
        let usual = classic(|usual| usual);
        let one = Trail::builder().is_multi_region_trail(false).build();
        assert_eq!(
            told(&one, &status(), Some(&usual)).unwrap(),
            State::OneRegion
        );
        let stopped = GetTrailStatusOutput::builder().is_logging(false).build();
        assert_eq!(
            told(&trail(), &stopped, Some(&usual)).unwrap(),
            State::Stopped
        );
        let denied = GetTrailStatusOutput::builder()
            .is_logging(true)
            .latest_delivery_error("AccessDenied")
            .build();
        let denied = told(&trail(), &denied, Some(&usual)).unwrap();
        assert_eq!(denied, State::Undelivered("AccessDenied".to_owned()));
    }

    #[test]
    fn what_cloudtrail_does_not_show_is_unknown() {
        let usual = classic(|usual| usual);
        assert!(told(&Trail::builder().build(), &status(), Some(&usual)).is_err());
        let silent = GetTrailStatusOutput::builder().build();
        assert!(told(&trail(), &silent, Some(&usual)).is_err());
        let nothing = GetEventSelectorsOutput::builder().build();
        assert!(told(&trail(), &status(), Some(&nothing)).is_err());
    }

    #[test]
    fn one_trail_that_records_is_enough() {
        let of = |states: Vec<Observation<State>>| {
            let named = states.into_iter().enumerate();
            judge(
                &named
                    .map(|(at, state)| (format!("t{at}"), state))
                    .collect::<Vec<_>>(),
            )
        };
        let unobserved = || Err(Unobserved::because("denied"));
        assert_eq!(of(vec![]).unwrap(), (false, "no trail".to_owned()));
        assert!(of(vec![unobserved(), Ok(State::Records)]).unwrap().0);
        assert!(of(vec![Ok(State::Stopped), unobserved()]).is_err());
        let (right, shown) = of(vec![Ok(State::Stopped), Ok(State::OneRegion)]).unwrap();
        assert!(!right && shown.starts_with("t0 is stopped, t1 records one region"));
    }
}
