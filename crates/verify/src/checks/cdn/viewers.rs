//! Who is served: those whose URLs or cookies a trusted key has signed, and everybody where a reason is written down.

use std::collections::BTreeSet;

use aws_sdk_cloudfront::types::{DistributionConfig, TrustedSigners};
use report::finding::{Observation, Unobserved};

use super::super::Context;
use super::catalog::VIEWERS;
use super::judge::{Behaviour, behaviours, original};
use crate::check::Answer;

pub(super) fn answer(context: Context<'_>, id: &str, config: &DistributionConfig) -> Answer {
    let accepted: Vec<&str> = context
        .wanted
        .public_read
        .keys()
        .map(String::as_str)
        .collect();
    let expected = if accepted.is_empty() {
        "a signature for every path".to_owned()
    } else {
        format!(
            "a signature for every path but those of {}",
            accepted.join(", ")
        )
    };
    VIEWERS.answer(id, expected, None, found(context, config))
}

fn found(context: Context<'_>, config: &DistributionConfig) -> Observation<(bool, String)> {
    let mut open = Vec::new();
    let mut public = BTreeSet::new();
    for behaviour in behaviours(config)? {
        let Some(flaw) = unsigned(behaviour, context.account)? else {
            continue;
        };
        match reasons(context, config, behaviour.target) {
            Some(reasons) => public.extend(reasons),
            None => open.push(format!("{}: {flaw}", behaviour.path)),
        }
    }
    Ok(match (open.is_empty(), public.is_empty()) {
        (false, _) => (false, open.join(", ")),
        (true, true) => (true, "every path".to_owned()),
        (true, false) => {
            let public: Vec<String> = public.into_iter().collect();
            (
                true,
                format!("every path but those of {}", public.join(", ")),
            )
        }
    })
}

/// Why a path is served to others than those for whom this account has signed; nothing when it is not.
fn unsigned(behaviour: Behaviour<'_>, account: &str) -> Observation<Option<String>> {
    let path = behaviour.path;
    let lacks = |what| Unobserved::because(format!("CloudFront does not say {what} of {path}"));
    let groups = behaviour
        .key_groups
        .ok_or_else(|| lacks("the trusted key groups"))?;
    let signers = behaviour
        .signers
        .ok_or_else(|| lacks("the trusted signers"))?;
    // Whoever signs for one of the two is let in.
    if let Some(foreign) = foreign(signers, account).ok_or_else(|| lacks("who the signers are"))? {
        return Ok(Some(format!("account {foreign} signs for it")));
    }
    let signed = |enabled: bool, quantity: i32| enabled && quantity > 0;
    let keys = signed(groups.enabled, groups.quantity) || signed(signers.enabled, signers.quantity);
    Ok((!keys).then(|| "open to everybody".to_owned()))
}

/// The first signer of another account; `None` where the signers are not told.
fn foreign<'a>(signers: &'a TrustedSigners, account: &str) -> Option<Option<&'a str>> {
    let items = signers.items.as_deref().unwrap_or_default();
    let told = usize::try_from(signers.quantity) == Ok(items.len());
    if !signers.enabled {
        return Some(None);
    }
    let mut names = items.iter().map(String::as_str);
    told.then(|| names.find(|name| *name != "self" && *name != account))
}

/// The buckets behind a behaviour with the reasons why everybody may read them; `None` unless each has one.
fn reasons(
    context: Context<'_>,
    config: &DistributionConfig,
    target: &str,
) -> Option<BTreeSet<String>> {
    let groups = config.origin_groups.as_ref();
    let groups = groups.and_then(|groups| groups.items.as_deref());
    let group = groups
        .unwrap_or_default()
        .iter()
        .find(|group| group.id == target);
    let targets: Vec<&str> = match group {
        Some(group) => {
            let members = group.members.as_ref()?.items.iter();
            members.map(|member| member.origin_id.as_str()).collect()
        }
        None => vec![target],
    };
    let origins = &config.origins.as_ref()?.items;
    let reasons: Option<BTreeSet<String>> = targets
        .iter()
        .map(|target| {
            let origin = origins.iter().find(|origin| origin.id == *target)?;
            let bucket = original(origin, context.wanted)?;
            let reason = context.wanted.public_read.get(bucket)?;
            Some(format!("{bucket} ({reason})"))
        })
        .collect();
    reasons.filter(|reasons| !reasons.is_empty())
}
