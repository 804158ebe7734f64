//! Item 6: the distribution that serves photos, documents and signatures.

mod catalog;
mod judge;
mod logs;
mod viewers;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudfront::types::{Distribution, OriginAccessControlConfig};
use futures::future::join_all;
use report::finding::{Observation, Unobserved};

use super::Context;
use super::buckets::{self, DATA};
use crate::check::Answer;
use crate::policy::Policy;

pub(super) use catalog::CHECKS;

/// What AWS shows of the distribution.
struct Picture {
    distribution: Distribution,
    /// How CloudFront signs its requests to origins, by the id that origins name.
    controls: BTreeMap<String, Observation<OriginAccessControlConfig>>,
    /// Policies of the data buckets, by name.
    policies: BTreeMap<String, Observation<Policy>>,
    /// Where access logs are delivered to: ARNs.
    logs: Observation<BTreeSet<String>>,
}

pub(super) async fn answers(context: Context<'_>) -> Vec<Answer> {
    let id = match context.located.text("cloudfront_distribution_id") {
        Ok(id) => id,
        Err(unobserved) => return judge::nothing("distribution", None, &unobserved),
    };
    match observe(context, id).await {
        Ok(picture) => judge::all(context, id, &picture),
        Err(unobserved) => judge::nothing(id, Some(id), &unobserved),
    }
}

async fn observe(context: Context<'_>, id: &str) -> Observation<Picture> {
    let cloudfront = &context.clients.cloudfront;
    let call = |operation, of: String| context.clients.global_call("CloudFront", operation, of);
    let policies = join_all(DATA.iter().filter_map(|kind| {
        let bucket = context.located.text(kind.output).ok()?;
        Some(async move { (bucket.to_owned(), buckets::policy(context, bucket).await) })
    }));
    let distribution = async {
        let answer = cloudfront.get_distribution().id(id).send().await;
        let answer = answer.map_err(|error| {
            Unobserved::from(call("GetDistribution", format!("distribution {id}")).failed(error))
        })?;
        answer
            .distribution
            .ok_or_else(|| Unobserved::because("CloudFront answered without a distribution"))
    };
    let (distribution, policies) = tokio::join!(distribution, policies);
    let distribution = distribution?;
    let origins = distribution
        .distribution_config
        .as_ref()
        .and_then(|config| config.origins.as_ref())
        .map(|origins| origins.items.as_slice())
        .unwrap_or_default();
    let named: BTreeSet<&str> = origins
        .iter()
        .filter_map(|origin| origin.origin_access_control_id.as_deref())
        .filter(|id| !id.is_empty())
        .collect();
    let controls = join_all(named.into_iter().map(async |id| {
        let answer = cloudfront.get_origin_access_control().id(id).send().await;
        let control = match answer {
            Ok(answer) => answer
                .origin_access_control
                .and_then(|control| control.origin_access_control_config)
                .ok_or_else(|| {
                    Unobserved::because("CloudFront answered without the origin access control")
                }),
            Err(error) => {
                let of = format!("origin access control {id}");
                Err(Unobserved::from(
                    call("GetOriginAccessControl", of).failed(error),
                ))
            }
        };
        (id.to_owned(), control)
    }));
    let (controls, logs) = tokio::join!(controls, logs::targets(context, &distribution));
    Ok(Picture {
        controls: controls.into_iter().collect(),
        policies: policies.into_iter().collect(),
        logs,
        distribution,
    })
}
