//! The distribution and the delivery of its logs.

use super::Resource;
use super::Stack;
use aws_sdk_cloudfront::types::builders::DistributionConfigBuilder;
use aws_sdk_cloudfront::types::{
    AllowedMethods, CacheBehavior, CacheBehaviors, CachedMethods, DefaultCacheBehavior,
    DistributionConfig, DistributionConfigWithTags, GeoRestriction, GeoRestrictionType, Method,
    Origin, OriginAccessControlConfig, Origins, PriceClass, Restrictions, S3OriginConfig, Tag,
    Tags, TrustedKeyGroups, TrustedSigners, ViewerCertificate, ViewerProtocolPolicy,
};
use aws_sdk_cloudwatchlogs::types::{DeliveryDestinationConfiguration, OutputFormat};
use serde_json::Value;

pub(crate) async fn build(stack: &mut Stack) {
    let cloudfront = stack.clients.cloudfront.clone();
    for control in stack.state.of("aws_cloudfront_origin_access_control") {
        let config = OriginAccessControlConfig::builder()
            .name(control.text("name"))
            .description(control.text("description"))
            .signing_behavior(control.text("signing_behavior").into())
            .signing_protocol(control.text("signing_protocol").into())
            .origin_access_control_origin_type(
                control.text("origin_access_control_origin_type").into(),
            );
        let made = cloudfront.create_origin_access_control();
        let config = config.build().expect("a configuration");
        let made = made.origin_access_control_config(config).send().await;
        let made = made
            .expect("an origin access control")
            .origin_access_control;
        stack
            .state
            .became(&control, "id", made.expect("what was made").id);
    }
    for distribution in stack.state.of("aws_cloudfront_distribution") {
        let tags = distribution.tags().into_iter().map(|(key, value)| {
            let tag = Tag::builder().key(key).value(value);
            tag.build().expect("a tag")
        });
        let config = DistributionConfigWithTags::builder()
            .distribution_config(config(&distribution))
            .tags(Tags::builder().set_items(Some(tags.collect())).build());
        let made = cloudfront.create_distribution_with_tags();
        let config = config.build();
        let made = made.distribution_config_with_tags(config).send().await;
        let made = made.expect("a distribution").distribution;
        let made = made.expect("what was made");
        stack.state.became(&distribution, "arn", made.arn);
        stack.state.became(&distribution, "id", made.id);
        stack
            .state
            .became(&distribution, "domain_name", made.domain_name);
    }
    delivery(stack).await;
}

async fn delivery(stack: &mut Stack) {
    let logs = stack.clients.global_logs.clone();
    let source = stack.state.one("aws_cloudwatch_log_delivery_source", "cdn");
    let put = logs.put_delivery_source().name(source.text("name"));
    let put = put.log_type(source.text("log_type"));
    let put = put.resource_arn(source.text("resource_arn")).send().await;
    put.expect("a source");
    let destination = stack
        .state
        .one("aws_cloudwatch_log_delivery_destination", "cdn");
    let target =
        destination.block("delivery_destination_configuration")["destination_resource_arn"]
            .as_str();
    let target = DeliveryDestinationConfiguration::builder()
        .destination_resource_arn(target.expect("a target"));
    let put = logs
        .put_delivery_destination()
        .name(destination.text("name"))
        .output_format(OutputFormat::from(destination.text("output_format")))
        .delivery_destination_configuration(target.build().expect("a target"));
    let made = put.send().await.expect("a destination");
    let made = made.delivery_destination.and_then(|made| made.arn);
    stack
        .state
        .became(&destination, "arn", made.expect("its ARN"));
    let delivery = stack.state.one("aws_cloudwatch_log_delivery", "cdn");
    let create = logs
        .create_delivery()
        .delivery_source_name(delivery.text("delivery_source_name"))
        .delivery_destination_arn(delivery.text("delivery_destination_arn"));
    let made = create.send().await.expect("a delivery");
    let made = made.delivery.and_then(|made| made.id);
    stack.state.became(&delivery, "id", made.expect("its id"));
}

fn config(of: &Resource) -> DistributionConfig {
    let text = |value: &Value, name: &str| value[name].as_str().expect("a text").to_owned();
    let origins = of.values["origin"].as_array().expect("origins");
    let origins = origins.iter().map(|origin| {
        Origin::builder()
            .id(text(origin, "origin_id"))
            .domain_name(text(origin, "domain_name"))
            .origin_access_control_id(text(origin, "origin_access_control_id"))
            // Empty where an origin access control takes the place of an identity.
            .s3_origin_config(S3OriginConfig::builder().origin_access_identity("").build())
            .build()
            .expect("an origin")
    });
    let origins: Vec<Origin> = origins.collect();
    let methods = || {
        let both = [Method::Get, Method::Head].to_vec();
        let cached = CachedMethods::builder().quantity(2);
        let cached = cached
            .set_items(Some(both.clone()))
            .build()
            .expect("methods");
        let allowed = AllowedMethods::builder().quantity(2);
        let allowed = allowed.set_items(Some(both)).cached_methods(cached);
        allowed.build().expect("methods")
    };
    let default = of.block("default_cache_behavior");
    let policy =
        |value: &Value| ViewerProtocolPolicy::from(text(value, "viewer_protocol_policy").as_str());
    let others = of.values["ordered_cache_behavior"].as_array();
    let others: Vec<CacheBehavior> = others
        .into_iter()
        .flatten()
        .map(|behaviour| {
            CacheBehavior::builder()
                .path_pattern(text(behaviour, "path_pattern"))
                .target_origin_id(text(behaviour, "target_origin_id"))
                .viewer_protocol_policy(policy(behaviour))
                .allowed_methods(methods())
                .compress(behaviour["compress"].as_bool().expect("compress"))
                .trusted_key_groups(trusted(behaviour))
                .trusted_signers(nobody())
                .cache_policy_id(MANAGED_CACHE)
                .build()
                .expect("a behaviour")
        })
        .collect();
    let geo = &of.block("restrictions")["geo_restriction"][0];
    let countries = geo["locations"].as_array().expect("countries");
    let countries: Vec<String> = countries
        .iter()
        .map(|country| country.as_str().expect("a country").to_owned())
        .collect();
    builder(of.text("caller_reference"))
        .comment(of.text("comment"))
        .enabled(of.flag("enabled"))
        .http_version(of.text("http_version").into())
        .is_ipv6_enabled(of.flag("is_ipv6_enabled"))
        .price_class(PriceClass::from(of.text("price_class")))
        .default_root_object(of.text("default_root_object"))
        .origins(origins_of(origins))
        .default_cache_behavior(
            DefaultCacheBehavior::builder()
                .target_origin_id(text(default, "target_origin_id"))
                .viewer_protocol_policy(policy(default))
                .allowed_methods(methods())
                .compress(default["compress"].as_bool().expect("compress"))
                .trusted_key_groups(trusted(default))
                .trusted_signers(nobody())
                .cache_policy_id(MANAGED_CACHE)
                .build()
                .expect("a behaviour"),
        )
        .cache_behaviors(
            CacheBehaviors::builder()
                .quantity(i32::try_from(others.len()).expect("few"))
                .set_items(Some(others))
                .build()
                .expect("behaviours"),
        )
        .restrictions(restrictions(
            text(geo, "restriction_type").as_str().into(),
            &countries,
        ))
        .viewer_certificate(
            ViewerCertificate::builder()
                .cloud_front_default_certificate(true)
                .build(),
        )
        .build()
        .expect("a configuration")
}

/// The key groups of a behaviour.
fn trusted(behaviour: &Value) -> TrustedKeyGroups {
    let groups = behaviour["trusted_key_groups"].as_array();
    let groups = groups.into_iter().flatten();
    let groups: Vec<String> = groups
        .map(|group| group.as_str().expect("an id").to_owned())
        .collect();
    key_groups(groups)
}

/// Trust in these key groups.
pub fn key_groups(items: Vec<String>) -> TrustedKeyGroups {
    TrustedKeyGroups::builder()
        .enabled(!items.is_empty())
        .quantity(i32::try_from(items.len()).expect("few"))
        .set_items(Some(items))
        .build()
        .expect("key groups")
}

/// CloudFront tells of both kinds, used or not.
fn nobody() -> TrustedSigners {
    let signers = TrustedSigners::builder().enabled(false).quantity(0);
    signers.build().expect("signers")
}

/// `Managed-CachingOptimized`, the same everywhere.
const MANAGED_CACHE: &str = "658327ea-f89d-4fab-a63d-7e88639e58f6";

fn builder(reference: &str) -> DistributionConfigBuilder {
    DistributionConfig::builder().caller_reference(reference)
}

fn origins_of(items: Vec<Origin>) -> Origins {
    let quantity = i32::try_from(items.len()).expect("few");
    let origins = Origins::builder().quantity(quantity);
    origins.set_items(Some(items)).build().expect("origins")
}

/// In which countries viewers may be.
pub fn restrictions(kind: GeoRestrictionType, countries: &[String]) -> Restrictions {
    let geo = GeoRestriction::builder()
        .restriction_type(kind)
        .quantity(i32::try_from(countries.len()).expect("few"))
        .set_items(Some(countries.to_vec()));
    let restrictions = Restrictions::builder();
    restrictions
        .geo_restriction(geo.build().expect("a restriction"))
        .build()
}
