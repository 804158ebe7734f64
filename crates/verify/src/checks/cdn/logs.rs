use std::collections::BTreeSet;

use aws_sdk_cloudfront::types::Distribution;
use report::finding::{Observation, Unobserved};

use super::super::Context;

/// Where a distribution's access logs go: ARNs of buckets, log groups or streams.
///
/// There are two kinds of logging. The older is part of the distribution; the newer is a delivery of CloudWatch Logs
/// in us-east-1, made of a source (the distribution), a destination and the delivery between them:
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging.html>.
pub(super) async fn targets(
    context: Context<'_>,
    distribution: &Distribution,
) -> Observation<BTreeSet<String>> {
    let mut targets = BTreeSet::new();
    let config = distribution.distribution_config.as_ref();
    let older = config.and_then(|config| config.logging.as_ref());
    if let Some(older) = older.filter(|older| older.enabled) {
        let bucket = older.bucket.split(".s3.").next().unwrap_or_default();
        let partition = context.wanted.region.partition();
        targets.insert(format!("arn:{partition}:s3:::{bucket}"));
    }
    match newer(context, &distribution.arn).await {
        Ok(newer) => targets.extend(newer),
        // The older kind is enough.
        Err(unobserved) if targets.is_empty() => return Err(unobserved),
        Err(_) => {}
    }
    Ok(targets)
}

async fn newer(context: Context<'_>, arn: &str) -> Observation<Vec<String>> {
    let logs = &context.clients.global_logs;
    let call = |operation| {
        context
            .clients
            .global_call("CloudWatch Logs", operation, arn)
    };
    let sources = async {
        let pages = logs.describe_delivery_sources().into_paginator();
        let found: Result<Vec<_>, _> = pages.items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeDeliverySources").failed(error)))
    };
    let deliveries = async {
        let pages = logs.describe_deliveries().into_paginator();
        let found: Result<Vec<_>, _> = pages.items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeDeliveries").failed(error)))
    };
    let destinations = async {
        let pages = logs.describe_delivery_destinations().into_paginator();
        let found: Result<Vec<_>, _> = pages.items().send().collect().await;
        found.map_err(|error| Unobserved::from(call("DescribeDeliveryDestinations").failed(error)))
    };
    let (sources, deliveries, destinations) = tokio::join!(sources, deliveries, destinations);
    let (sources, deliveries, destinations) = (sources?, deliveries?, destinations?);
    let names: Vec<&str> = sources
        .iter()
        .filter(|source| source.log_type() == Some("ACCESS_LOGS"))
        .filter(|source| source.resource_arns().iter().any(|of| of == arn))
        .filter_map(|source| source.name())
        .collect();
    let to: Vec<&str> = deliveries
        .iter()
        .filter(|delivery| {
            delivery
                .delivery_source_name()
                .is_some_and(|name| names.contains(&name))
        })
        .filter_map(|delivery| delivery.delivery_destination_arn())
        .collect();
    Ok(destinations
        .iter()
        .filter(|destination| destination.arn().is_some_and(|arn| to.contains(&arn)))
        .filter_map(|destination| destination.delivery_destination_configuration())
        .map(|configuration| configuration.destination_resource_arn.clone())
        .collect())
}
