//! What of a plan is changed through a control plane that a region has for the whole partition.

use serde_json::Value;
use settings::Region;
use terraform::{Action, ResourceChange};

/// What is managed by a control plane in one region of the partition, whatever the region that it is used in
/// (<https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/global-services.html>).
const GLOBAL: [&str; 8] = [
    "aws_iam_",
    "aws_cloudfront_",
    "aws_route53_",
    "aws_organizations_",
    "aws_account_",
    "aws_shield_",
    "aws_globalaccelerator_",
    "aws_networkmanager_",
];

/// Whether something is made, changed or destroyed.
pub(crate) fn is_change(change: &ResourceChange) -> bool {
    let actions = change.change.actions.iter();
    change.mode != "data"
        && !actions
            .clone()
            .all(|action| matches!(action, Action::NoOp | Action::Read))
}

/// The addresses of what cannot be changed while `control_plane` is lost: global, or in that region by itself.
pub(crate) fn changed_through(changes: &[ResourceChange], control_plane: Region) -> Vec<&str> {
    let needs = |change: &&ResourceChange| {
        let after = change.change.after.as_ref();
        let region = after.and_then(|after| after.get("region"));
        let is_there = region.and_then(Value::as_str) == Some(control_plane.as_str());
        is_change(change) && (is_there || GLOBAL.iter().any(|kind| change.kind.starts_with(kind)))
    };
    let needed = changes.iter().filter(needs);
    needed.map(|change| change.address.as_str()).collect()
}
