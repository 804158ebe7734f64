//! The DR environment brought back to the pilot light, by a plan that destroys nothing outside of the DR region.

use serde_json::Value;
use settings::Region;
use terraform::{Action, All, Document, ResourceChange};

use super::PlannedMove;
use crate::steps::backend::{self, root};
use crate::steps::terraform as root_module;
use crate::{Check, Host, StepContext, StepError, Store};

const STAYS: &str = "the settings do not say what it is to be (failback.pilot_light)";

fn stays<S: Store, H: Host>(of: &PlannedMove<'_, S, H>) -> bool {
    of.settings.failback.pilot_light.is_empty()
}

/// The root is turned as well where it stays as it is: its state is at home in the primary region.
pub(super) fn check_root<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
) -> Result<Check, StepError> {
    backend::check(&of.home)
}

pub(super) async fn check<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    context: &StepContext<'_>,
) -> Result<Check, StepError> {
    let view = &of.home;
    let Some(root) = root(view)? else {
        return Ok(Check::NotApplicable(backend::NO_ROOT.to_owned()));
    };
    if stays(of) {
        return Ok(Check::NotApplicable(STAYS.to_owned()));
    }
    let check = root_module::check(view, context).await?;
    let Check::Todo { what, .. } = check else {
        return Ok(check);
    };
    let file = root_module::plan_file(view);
    let plan = root.terraform.show::<All>(Some(&file));
    let Document::Plan(plan) = plan.await.map_err(StepError::wrong)? else {
        return Err(StepError::wrong("terraform shows no plan"));
    };
    let touched = touched(&plan.resource_changes, of.both.dr.region());
    if !touched.elsewhere.is_empty() {
        return Err(StepError::refused(format!(
            "the plan would destroy what is not of {}: {}",
            of.both.dr.region(),
            touched.elsewhere.join(", ")
        ))
        .hint("look at the plan in the DR environment's root module; the environment serves without this step"));
    }
    // That it has a place is not shown by everything: a route has no ARN.
    let unproven = match touched.unproven.is_empty() {
        true => String::new(),
        false => format!(
            "; not proven to be of the DR region: {}",
            touched.unproven.join(", ")
        ),
    };
    Ok(Check::Todo {
        what: format!("{what}{unproven}"),
        needs_approval: !unproven.is_empty(),
    })
}

/// What a plan touches outside of the DR region.
#[derive(Debug, Default, PartialEq, Eq)]
struct Touched {
    elsewhere: Vec<String>,
    unproven: Vec<String>,
}

fn touched(changes: &[ResourceChange], dr: Region) -> Touched {
    let mut touched = Touched::default();
    for change in changes {
        let is_destroyed = change.change.does(&Action::Delete);
        if !is_destroyed && !change.change.does(&Action::Update) {
            continue;
        }
        match place(change) {
            Place::In(region) if region != dr.as_str() => touched
                .elsewhere
                .push(format!("{} ({region})", change.address)),
            Place::Global if is_destroyed => touched
                .elsewhere
                .push(format!("{} (global)", change.address)),
            Place::Unknown if is_destroyed => touched.unproven.push(change.address.clone()),
            _ => {}
        }
    }
    touched
}

/// Where a resource is.
enum Place {
    /// It is in the state alone.
    Nowhere,
    In(String),
    /// An ARN without a region.
    Global,
    Unknown,
}

/// Resources of these kinds lie nowhere but in the state.
const LOCAL: [&str; 5] = ["null", "random", "terraform", "time", "tls"];

fn place(change: &ResourceChange) -> Place {
    let provider = change.kind.split('_').next().unwrap_or_default();
    if LOCAL.contains(&provider) {
        return Place::Nowhere;
    }
    let before = change.change.before.as_ref();
    let text = |name: &str| {
        before
            .and_then(|before| before.get(name))
            .and_then(Value::as_str)
    };
    let arn = text("arn").and_then(|arn| arn.split(':').nth(3));
    match (arn.filter(|region| !region.is_empty()), text("region")) {
        (Some(region), _) | (None, Some(region)) => Place::In(region.to_owned()),
        // Of a bucket too, whose region the provider tells beside.
        (None, None) if arn.is_some() => Place::Global,
        (None, None) => Place::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(kind: &str, actions: &[&str], before: Value) -> Value {
        json!({
            "address": format!("{kind}.this"),
            "type": kind,
            "change": {"actions": actions, "before": before, "after": null},
        })
    }

    #[test]
    fn touched_tells_what_is_of_another_region_or_nobody_knows_where() {
        let arn = |region: &str| json!({"arn": format!("arn:aws:x:{region}:000000000000:y")});
        let bucket = json!({"arn": "arn:aws:s3:::photos", "region": "ca-west-1"});
        let changes = json!([
            change("terraform_data", &["delete"], json!({"id": "x"})),
            change("aws_eip", &["delete"], arn("ca-west-1")),
            change("aws_s3_bucket", &["delete"], bucket),
            change("aws_route", &["delete"], json!({"id": "r-1"})),
            change("aws_sns_topic", &["update"], arn("ca-central-1")),
            change("aws_iam_role", &["delete"], arn("")),
            change(
                "aws_nat_gateway",
                &["delete", "create"],
                arn("ca-central-1")
            ),
            change("aws_cloudwatch_dashboard", &["update"], arn("")),
            change("aws_instance", &["no-op"], arn("ca-central-1")),
        ]);
        let changes: Vec<Value> = serde_json::from_value(changes).unwrap();
        let changes: Vec<ResourceChange> = changes
            .into_iter()
            .map(|change| serde_json::from_value(change).unwrap())
            .collect();
        let found = touched(&changes, "ca-west-1".parse().unwrap());
        assert_eq!(found.unproven, ["aws_route.this"]);
        assert_eq!(
            found.elsewhere,
            [
                "aws_sns_topic.this (ca-central-1)",
                "aws_iam_role.this (global)",
                "aws_nat_gateway.this (ca-central-1)",
            ]
        );
    }
}
