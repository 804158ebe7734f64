//! The distribution and the delivery of its logs, and the ways of breaking them.

use aws_sdk_cloudfront::types::builders::DistributionConfigBuilder;
use aws_sdk_cloudfront::types::{
    AllowedMethods, CacheBehavior, CacheBehaviors, CachedMethods, DefaultCacheBehavior,
    DistributionConfig, DistributionConfigWithTags, GeoRestriction, GeoRestrictionType, Method,
    MinimumProtocolVersion, Origin, OriginAccessControlConfig, Origins, PriceClass, Restrictions,
    S3OriginConfig, Tag, Tags, TrustedKeyGroups, TrustedSigners, ViewerCertificate,
    ViewerProtocolPolicy,
};
use aws_sdk_cloudwatchlogs::types::{DeliveryDestinationConfiguration, OutputFormat};
use futures::FutureExt as _;
use serde_json::Value;

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use crate::state::Resource;

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

fn key_groups(items: Vec<String>) -> TrustedKeyGroups {
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

fn restrictions(kind: GeoRestrictionType, countries: &[String]) -> Restrictions {
    let geo = GeoRestriction::builder()
        .restriction_type(kind)
        .quantity(i32::try_from(countries.len()).expect("few"))
        .set_items(Some(countries.to_vec()));
    let restrictions = Restrictions::builder();
    restrictions
        .geo_restriction(geo.build().expect("a restriction"))
        .build()
}

/// Changes the distribution's settings.
async fn change(stack: &Stack, change: impl FnOnce(&mut DistributionConfig)) {
    let cloudfront = &stack.clients.cloudfront;
    let distribution = stack.state.one("aws_cloudfront_distribution", "cdn");
    let id = distribution.text("id");
    let found = cloudfront.get_distribution_config().id(id).send().await;
    let found = found.expect("settings");
    let mut config = found.distribution_config.expect("settings");
    change(&mut config);
    let update = cloudfront.update_distribution().id(id);
    let update = update.set_if_match(found.e_tag).distribution_config(config);
    update.send().await.expect("an update");
}

/// Changes the behaviour of a path.
fn behaviour(config: &mut DistributionConfig, path: &str, change: impl Fn(&mut CacheBehavior)) {
    let others = config
        .cache_behaviors
        .as_mut()
        .and_then(|others| others.items.as_mut());
    for item in others.expect("behaviours") {
        if item.path_pattern == path {
            change(item);
        }
    }
}

fn default(config: &mut DistributionConfig) -> &mut DefaultCacheBehavior {
    config.default_cache_behavior.as_mut().expect("a behaviour")
}

fn limit(config: &mut DistributionConfig, kind: GeoRestrictionType, countries: &[&str]) {
    let countries: Vec<String> = countries
        .iter()
        .map(|country| (*country).to_owned())
        .collect();
    config.restrictions = Some(restrictions(kind, &countries));
}

/// All that is asked of the distribution besides whether it exists. With its own certificate there is no TLS
/// version to ask about, before and after.
const GONE: &[&str] = &[
    "cloudfront-deployed",
    "cloudfront-enabled",
    "cloudfront-https",
    "cloudfront-viewers",
    "cloudfront-countries",
    "cloudfront-origins",
    "cloudfront-oac",
    "cloudfront-compression",
    "cloudfront-logs",
    "cloudfront-bucket-access",
    "tags-cdn",
];

macro_rules! mutation {
    ($name:literal, $breaks:expr, |$stack:ident| $body:expr) => {
        Mutation {
            name: $name,
            item: Some(6),
            breaks: $breaks,
            apply: |$stack| async move { $body }.boxed(),
        }
    };
}

pub(crate) fn mutations() -> Vec<Mutation> {
    vec![
        mutation!("the distribution is deleted", GONE, |stack| {
            change(stack, |config| config.enabled = false).await;
            let cloudfront = &stack.clients.cloudfront;
            let distribution = stack.state.one("aws_cloudfront_distribution", "cdn");
            let id = distribution.text("id");
            let found = cloudfront.get_distribution_config().id(id).send().await;
            let delete = cloudfront.delete_distribution().id(id);
            let delete = delete.set_if_match(found.expect("settings").e_tag);
            delete.send().await.expect("deleted");
        }),
        mutation!(
            "the distribution is disabled",
            &["cloudfront-enabled"],
            |stack| {
                change(stack, |config| config.enabled = false).await;
            }
        ),
        mutation!(
            "the default behaviour takes plain HTTP",
            &["cloudfront-https"],
            |stack| {
                change(stack, |config| {
                    default(config).viewer_protocol_policy = ViewerProtocolPolicy::AllowAll;
                })
                .await;
            }
        ),
        mutation!(
            "one path takes plain HTTP",
            &["cloudfront-https"],
            |stack| {
                change(stack, |config| {
                    behaviour(config, "/signatures/*", |item| {
                        item.viewer_protocol_policy = ViewerProtocolPolicy::AllowAll;
                    });
                })
                .await;
            }
        ),
        mutation!(
            "everybody may read what has no path of its own",
            &["cloudfront-viewers"],
            |stack| {
                change(stack, |config| {
                    default(config).trusted_key_groups = Some(key_groups(Vec::new()));
                })
                .await;
            }
        ),
        mutation!(
            "everybody who has a URL may read signatures",
            &["cloudfront-viewers"],
            |stack| {
                change(stack, |config| {
                    behaviour(config, "/signatures/*", |item| {
                        item.trusted_key_groups = Some(key_groups(Vec::new()));
                    });
                })
                .await;
            }
        ),
        mutation!(
            "another account signs URLs",
            &["cloudfront-viewers"],
            |stack| {
                change(stack, |config| {
                    let signers = TrustedSigners::builder().enabled(true).quantity(1);
                    let signers = signers.items("999999999999").build().expect("signers");
                    behaviour(config, "/photos/*", |item| {
                        item.trusted_signers = Some(signers.clone());
                    });
                })
                .await;
            }
        ),
        mutation!(
            "the own certificate takes TLS 1.0",
            &["cloudfront-tls-version"],
            |stack| {
                change(stack, |config| {
                let own = ViewerCertificate::builder()
                    .acm_certificate_arn("arn:aws:acm:us-east-1:123456789012:certificate/11111111-2222-3333-4444-555555555555")
                    .ssl_support_method("sni-only".into())
                    .minimum_protocol_version(MinimumProtocolVersion::TlSv1);
                config.viewer_certificate = Some(own.build());
            })
            .await;
            }
        ),
        mutation!(
            "viewers of every country are answered",
            &["cloudfront-countries"],
            |stack| {
                change(stack, |config| limit(config, GeoRestrictionType::None, &[])).await;
            }
        ),
        mutation!(
            "viewers of one more country are answered",
            &["cloudfront-countries"],
            |stack| {
                change(stack, |config| {
                    limit(config, GeoRestrictionType::Whitelist, &["CA", "US", "MX"]);
                })
                .await;
            }
        ),
        mutation!(
            "viewers of Canada are locked out",
            &["cloudfront-countries"],
            |stack| {
                change(stack, |config| {
                    limit(config, GeoRestrictionType::Blacklist, &["CA"]);
                })
                .await;
            }
        ),
        mutation!(
            "one origin is another bucket",
            &["cloudfront-origins"],
            |stack| {
                change(stack, |config| {
                    let origins = config.origins.as_mut().expect("origins");
                    origins.items[0].domain_name =
                        "elsewhere.s3.ca-central-1.amazonaws.com".to_owned();
                })
                .await;
            }
        ),
        mutation!(
            "one origin is a bucket of another region",
            &["cloudfront-origins"],
            |stack| {
                change(stack, |config| {
                    let origins = config.origins.as_mut().expect("origins");
                    origins.items[0].domain_name = origins.items[0]
                        .domain_name
                        .replace("ca-central-1", "us-east-1");
                })
                .await;
            }
        ),
        mutation!(
            "requests to one bucket are not signed",
            &["cloudfront-oac"],
            |stack| {
                change(stack, |config| {
                    let origins = config.origins.as_mut().expect("origins");
                    origins.items[1].origin_access_control_id = None;
                })
                .await;
            }
        ),
        mutation!("requests are never signed", &["cloudfront-oac"], |stack| {
            let control = stack
                .state
                .one("aws_cloudfront_origin_access_control", "cdn");
            let id = control.text("id");
            let cloudfront = &stack.clients.cloudfront;
            let found = cloudfront
                .get_origin_access_control_config()
                .id(id)
                .send()
                .await;
            let found = found.expect("a configuration");
            let mut config = found.origin_access_control_config.expect("a configuration");
            config.signing_behavior = "never".into();
            let update = cloudfront.update_origin_access_control().id(id);
            let update = update
                .set_if_match(found.e_tag)
                .origin_access_control_config(config);
            update.send().await.expect("an update");
        }),
        mutation!(
            "one path is not compressed",
            &["cloudfront-compression"],
            |stack| {
                change(stack, |config| {
                    behaviour(config, "/documents/*", |item| item.compress = Some(false));
                })
                .await;
            }
        ),
        mutation!(
            "the delivery of access logs is deleted",
            &["cloudfront-logs"],
            |stack| {
                let delivery = stack.state.one("aws_cloudwatch_log_delivery", "cdn");
                let delete = stack.clients.global_logs.delete_delivery();
                let delete = delete.id(delivery.text("id")).send().await;
                delete.expect("deleted");
            }
        ),
    ]
}

pub(crate) const ELSEWHERE: &[ByUnitTest] = &[ByUnitTest {
    name: "a change of the distribution is still under way",
    item: Some(6),
    breaks: &["cloudfront-deployed"],
    test: "a_distribution_that_is_being_changed_is_not_deployed",
}];

#[tokio::test]
async fn each_way_of_breaking_the_distribution_is_noticed() {
    show(mutations()).await;
}
