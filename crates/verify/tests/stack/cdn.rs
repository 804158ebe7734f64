//! The distribution and the delivery of its logs, and the ways of breaking them.

use crate::Stack;
use crate::mutation::{ByUnitTest, Mutation, show};
use aws_sdk_cloudfront::types::{
    CacheBehavior, DefaultCacheBehavior, DistributionConfig, GeoRestrictionType,
    MinimumProtocolVersion, TrustedSigners, ViewerCertificate, ViewerProtocolPolicy,
};
use futures::FutureExt as _;
use local_aws::stack::cdn::{key_groups, restrictions};

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
