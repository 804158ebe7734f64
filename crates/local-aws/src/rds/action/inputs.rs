//! Inputs that AWS knows and this simulation does not look at: each is refused, or ignored for a reason. What passes here
//! unlooked at would make a drill prove what its authors believe.

use crate::rds::fields::Fields;
use crate::rds::refusal::{Outcome, Refusal};

/// Every input of each action that is simulated, with the kind of its value: `s`tring, `i`nteger, `b`oolean, `d`ate, `l`ist or
/// s`t`ructure. Made of the service model 2014-10-31, without what is of the SDKs alone (SourceRegion).
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/Welcome.html>
const MODEL: &str = include_str!("inputs.tsv");

/// Those that are not looked at; with a reason they are ignored, without one refused. A test compares this list with what the
/// actions read.
const UNREAD: &str = include_str!("unread.tsv");

/// The inputs of an action, each with the kind of its value.
fn of(action: &str) -> impl Iterator<Item = (&'static str, char)> {
    let line = MODEL
        .lines()
        .find_map(|line| line.strip_prefix(action)?.strip_prefix('\t'));
    let inputs = line.unwrap_or_default().split_ascii_whitespace();
    inputs.filter_map(|input| {
        let (name, kind) = input.split_once(':')?;
        Some((name, kind.chars().next()?))
    })
}

/// The unread ones: action, input, reason.
fn unread() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    UNREAD.lines().filter_map(|line| {
        let (action, rest) = line.split_once('\t')?;
        let (input, reason) = rest.split_once('\t').unwrap_or((rest, ""));
        Some((action, input, reason))
    })
}

/// Refuses inputs that AWS does not know, and those that this simulation neither looks at nor ignores for a reason.
pub(crate) fn check(action: &str, fields: &Fields) -> Outcome<()> {
    for name in fields.names() {
        if !of(action).any(|(known, _)| known == name) {
            return Err(Refusal::new(
                "InvalidQueryParameter",
                format!("{action} has no input {name}."),
            ));
        }
        let mut unread = unread().filter(|(of, input, _)| *of == action && *input == name);
        if unread.any(|(_, _, reason)| reason.is_empty()) {
            return Err(Refusal::not_simulated(&format!("{name} of {action}")));
        }
    }
    Ok(())
}

/// Parts of the names of actions on clusters, proxies and subscriptions, which are the base's. No other action is, those that AWS
/// has only since included: the base knows nothing of the instances, snapshots and groups of this simulation.
const OF_THE_BASE: [&str; 8] = [
    "Cluster",
    "DBProxies",
    "DBProxy",
    "EventCategories",
    "HttpEndpoint",
    "ServerlessV2",
    "ShardGroup",
    "Subscription",
];

/// Whether an action is on what the base has, and this simulation has not.
pub(crate) fn is_of_the_base(action: &str) -> bool {
    OF_THE_BASE.iter().any(|part| action.contains(part))
}

#[cfg(test)]
mod tests;
