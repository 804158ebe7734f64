use std::collections::BTreeMap;

use aws_sdk_cloudfront::types::builders::DistributionConfigBuilder;
use aws_sdk_cloudfront::types::{
    CacheBehavior, CacheBehaviors, DefaultCacheBehavior, Distribution, OriginAccessControlConfig,
    OriginGroup, OriginGroupFailoverCriteria, OriginGroupMember, OriginGroupMembers, OriginGroups,
    Origins, StatusCodes, ViewerCertificate,
};
use report::finding::Status;
use serde_json::json;

use super::super::super::asked::Asked;
use super::*;
use crate::check::Check;

const ARN: &str = "arn:aws:cloudfront::123456789012:distribution/E1";

fn config() -> DistributionConfigBuilder {
    let default = DefaultCacheBehavior::builder()
        .target_origin_id("photos")
        .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
        .compress(true);
    let photos = Origin::builder()
        .id("photos")
        .domain_name("berthcare-photos-staging.s3.ca-central-1.amazonaws.com")
        .origin_access_control_id("C1");
    let origins = Origins::builder()
        .quantity(1)
        .items(photos.build().unwrap());
    DistributionConfig::builder()
        .caller_reference("r")
        .comment("c")
        .enabled(true)
        .default_cache_behavior(default.build().unwrap())
        .origins(origins.build().unwrap())
}

fn picture(config: Option<DistributionConfig>) -> Picture {
    let distribution = Distribution::builder()
        .id("E1")
        .arn(ARN)
        .status("Deployed")
        .last_modified_time(aws_sdk_cloudfront::primitives::DateTime::from_secs(0))
        .in_progress_invalidation_batches(0)
        .domain_name("d1.cloudfront.net")
        .set_distribution_config(config);
    Picture {
        distribution: distribution.build().unwrap(),
        controls: BTreeMap::new(),
        policies: BTreeMap::new(),
        logs: Err(Unobserved::because("denied")),
    }
}

async fn judged(config: DistributionConfigBuilder, check: &Check) -> Answer {
    let asked = Asked::new(&[
        ("s3_bucket_photos", json!("berthcare-photos-staging")),
        ("s3_bucket_documents", json!("berthcare-documents-staging")),
        (
            "s3_bucket_signatures",
            json!("berthcare-signatures-staging"),
        ),
        ("s3_bucket_logs", json!("berthcare-logs-staging")),
    ])
    .await;
    let picture = picture(Some(config.build().unwrap()));
    let mut answers = all(asked.context(), "E1", &picture);
    answers.retain(|answer| answer.check == check);
    answers.remove(0)
}

fn own(version: Option<MinimumProtocolVersion>) -> DistributionConfigBuilder {
    let certificate = ViewerCertificate::builder()
        .acm_certificate_arn("arn:aws:acm:us-east-1:123456789012:certificate/1")
        .set_minimum_protocol_version(version);
    config().viewer_certificate(certificate.build())
}

#[tokio::test]
async fn the_default_certificate_is_not_called_tls_1_2() {
    let default = ViewerCertificate::builder()
        .cloud_front_default_certificate(true)
        .minimum_protocol_version(MinimumProtocolVersion::TlSv1);
    let answer = judged(config().viewer_certificate(default.build()), &TLS).await;
    assert_eq!(answer.status, Status::Skipped);
    assert!(answer.reason.unwrap().contains("TLSv1, and cannot be set"));
    for (version, expected) in [
        (Some("TLSv1.2_2021"), Status::Ok),
        (Some("TLSv1.3_2025"), Status::Ok),
        (Some("TLSv1.1_2016"), Status::Wrong),
        (Some("SSLv3"), Status::Wrong),
        // One that is not known here is not known to be better.
        (Some("TLSv0.9_2030"), Status::Wrong),
        (None, Status::Unknown),
    ] {
        let answer = judged(own(version.map(MinimumProtocolVersion::from)), &TLS).await;
        assert_eq!(answer.status, expected, "{version:?}");
    }
    assert_eq!(judged(config(), &TLS).await.status, Status::Unknown);
}

#[tokio::test]
async fn behaviours_that_are_not_told_are_unknown() {
    assert_eq!(judged(config(), &HTTPS).await.status, Status::Ok);
    assert_eq!(judged(config(), &COMPRESSION).await.status, Status::Ok);
    let more = |quantity: i32, compress: Option<bool>| {
        let item = CacheBehavior::builder()
            .path_pattern("/a/*")
            .target_origin_id("photos")
            .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
            .set_compress(compress)
            .build()
            .unwrap();
        let more = CacheBehaviors::builder().quantity(quantity).items(item);
        config().cache_behaviors(more.build().unwrap())
    };
    assert_eq!(
        judged(more(1, Some(true)), &COMPRESSION).await.status,
        Status::Ok
    );
    assert_eq!(
        judged(more(1, None), &COMPRESSION).await.status,
        Status::Unknown
    );
    assert_eq!(
        judged(more(2, Some(true)), &HTTPS).await.status,
        Status::Unknown
    );
    let none = DistributionConfig::builder()
        .caller_reference("r")
        .comment("c")
        .enabled(true);
    assert_eq!(judged(none, &HTTPS).await.status, Status::Unknown);
}

#[tokio::test]
async fn origins_are_buckets_of_the_region_and_signed_for_by_what_exists() {
    // Two of the three are missing.
    assert_eq!(judged(config(), &ORIGINS).await.status, Status::Wrong);
    let origin = |host: &str| {
        let origin = Origin::builder().id("o").domain_name(host);
        origin.origin_access_control_id("C1").build().unwrap()
    };
    let asked = Asked::new(&[("other", json!(1))]).await;
    let mut wanted = asked.context().wanted.clone();
    wanted.replicas.insert("b".to_owned(), "b-of-dr".to_owned());
    let name = |host: &str| original(&origin(host), &wanted).map(str::to_owned);
    assert_eq!(
        name("b.s3.ca-central-1.amazonaws.com").as_deref(),
        Some("b")
    );
    // The copy that a group falls back on stands for its bucket.
    assert_eq!(
        name("b-of-dr.s3.ca-west-1.amazonaws.com").as_deref(),
        Some("b")
    );
    for host in [
        "b.s3.us-east-1.amazonaws.com",
        "b-of-dr.s3.amazonaws.com",
        "b-of-dr.s3.x.example.amazonaws.com",
        "b.s3.amazonaws.com",
        "b.example.org",
        "b.s3.ca-central-1.example.org",
    ] {
        assert_eq!(name(host), None, "{host}");
    }
    let signed = |control: Option<Observation<OriginAccessControlConfig>>| {
        let mut picture = picture(None);
        picture
            .controls
            .extend(control.map(|control| ("C1".to_owned(), control)));
        unsigned(&origin("b"), &picture)
    };
    let control = |behaviour: &str| {
        OriginAccessControlConfig::builder()
            .name("c")
            .signing_protocol(OriginAccessControlSigningProtocols::Sigv4)
            .signing_behavior(behaviour.into())
            .origin_access_control_origin_type(OriginAccessControlOriginTypes::S3)
            .build()
            .unwrap()
    };
    assert_eq!(signed(Some(Ok(control("always")))), Ok(None));
    for behaviour in ["never", "no-override"] {
        assert!(
            signed(Some(Ok(control(behaviour)))).unwrap().is_some(),
            "{behaviour}"
        );
    }
    assert!(
        signed(Some(Err(Unobserved::absent("404"))))
            .unwrap()
            .is_some()
    );
    assert!(signed(Some(Err(Unobserved::because("denied")))).is_err() && signed(None).is_err());
}

#[tokio::test]
async fn a_distribution_that_is_being_changed_is_not_deployed() {
    let asked = Asked::new(&[("s3_bucket_logs", json!("logs"))]).await;
    let mut picture = picture(None);
    picture.distribution.status = "InProgress".to_owned();
    let answers = all(asked.context(), "E1", &picture);
    for answer in &answers {
        let expected = if answer.check == &DEPLOYED {
            Status::Wrong
        } else {
            Status::Unknown
        };
        assert_eq!(answer.status, expected, "{}", answer.check.id);
    }
    assert_eq!(answers.len(), CHECKS.len());
    let gone = nothing("E1", None, &Unobserved::absent("404"));
    let wrong = gone.iter().filter(|answer| answer.status == Status::Wrong);
    assert_eq!(wrong.count(), 1);
    let unseen = nothing("E1", None, &Unobserved::because("denied"));
    assert!(unseen.iter().all(|answer| answer.status == Status::Unknown));
}

fn key_groups(items: &[&str]) -> TrustedKeyGroups {
    TrustedKeyGroups::builder()
        .enabled(!items.is_empty())
        .quantity(i32::try_from(items.len()).unwrap())
        .set_items(Some(items.iter().map(|item| (*item).to_owned()).collect()))
        .build()
        .unwrap()
}

fn signers(items: &[&str]) -> TrustedSigners {
    TrustedSigners::builder()
        .enabled(!items.is_empty())
        .quantity(i32::try_from(items.len()).unwrap())
        .set_items(Some(items.iter().map(|item| (*item).to_owned()).collect()))
        .build()
        .unwrap()
}

/// The default behaviour, which reaches the photos, with these.
fn served(
    key_groups: Option<TrustedKeyGroups>,
    signers: Option<TrustedSigners>,
) -> DistributionConfigBuilder {
    let default = DefaultCacheBehavior::builder()
        .target_origin_id("photos")
        .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
        .compress(true)
        .set_trusted_key_groups(key_groups)
        .set_trusted_signers(signers);
    config().default_cache_behavior(default.build().unwrap())
}

#[tokio::test]
async fn viewers_without_a_signature_are_noticed_and_what_is_not_told_is_unknown() {
    let (keys, none) = (|| Some(key_groups(&["K1"])), || Some(key_groups(&[])));
    let mut empty = key_groups(&["K1"]);
    (empty.quantity, empty.items) = (0, None);
    let mut untold = signers(&["self"]);
    untold.items = None;
    for (groups, signed, expected) in [
        (keys(), Some(signers(&[])), Status::Ok),
        (none(), Some(signers(&["self"])), Status::Ok),
        (none(), Some(signers(&["123456789012"])), Status::Ok),
        (none(), Some(signers(&[])), Status::Wrong),
        (Some(empty), Some(signers(&[])), Status::Wrong),
        // An account that is not ours signs what it likes, our own keys or not.
        (
            keys(),
            Some(signers(&["self", "999999999999"])),
            Status::Wrong,
        ),
        (none(), Some(untold), Status::Unknown),
        (None, Some(signers(&[])), Status::Unknown),
        (keys(), None, Status::Unknown),
        (None, None, Status::Unknown),
    ] {
        let told = format!("{groups:?} {signed:?}");
        let answer = judged(served(groups, signed), &VIEWERS).await;
        assert_eq!(answer.status, expected, "{told}");
    }
}

#[tokio::test]
async fn one_unsigned_path_is_enough_and_hides_behind_no_group_of_origins() {
    let path = |target: &str| {
        let item = CacheBehavior::builder()
            .path_pattern("/a/*")
            .target_origin_id(target)
            .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
            .trusted_key_groups(key_groups(&[]))
            .trusted_signers(signers(&[]))
            .build()
            .unwrap();
        CacheBehaviors::builder()
            .quantity(1)
            .items(item)
            .build()
            .unwrap()
    };
    let member = |id: &str| OriginGroupMember::builder().origin_id(id).build().unwrap();
    let members = OriginGroupMembers::builder()
        .quantity(2)
        .items(member("photos"))
        .items(member("elsewhere"));
    let codes = StatusCodes::builder()
        .quantity(1)
        .items(500)
        .build()
        .unwrap();
    let group = OriginGroup::builder()
        .id("both")
        .members(members.build().unwrap())
        .failover_criteria(
            OriginGroupFailoverCriteria::builder()
                .status_codes(codes)
                .build(),
        )
        .build()
        .unwrap();
    let groups = OriginGroups::builder()
        .quantity(1)
        .items(group)
        .build()
        .unwrap();
    let reason = "Pictures of a demonstration";
    let asked = async |target: &str, public: bool| {
        let mut asked = Asked::new(&[("s3_bucket_logs", json!("logs"))]).await;
        if public {
            let bucket = "berthcare-photos-staging".to_owned();
            asked.wanted.public_read.insert(bucket, reason.to_owned());
        }
        let config = served(Some(key_groups(&["K1"])), Some(signers(&[])))
            .cache_behaviors(path(target))
            .origin_groups(groups.clone())
            .build()
            .unwrap();
        viewers::answer(asked.context(), "E1", &config)
    };
    let open = asked("photos", false).await;
    assert_eq!(open.status, Status::Wrong);
    assert_eq!(open.aws.as_deref(), Some("/a/*: open to everybody"));
    let public = asked("photos", true).await;
    assert_eq!(public.status, Status::Ok);
    assert!(public.aws.unwrap().contains(reason));
    // One of the two has no reason, the other target does not exist.
    for target in ["both", "gone"] {
        assert_eq!(asked(target, true).await.status, Status::Wrong, "{target}");
    }
}
