//! What is made from the access to one region calls no other.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Call, CallPermit, ErrorClass, Options};
use tokio::time::{Duration, Instant, advance};

const DR: &str = "ca-west-1";
const LOST: &str = "ca-central-1";

async fn env() -> AwsEnv {
    AwsEnv::load(Options {
        // Port 9 is "discard": what gets past the wall is refused by the machine itself.
        endpoint_url: Some("http://127.0.0.1:9".to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "test")),
        attempts: Some(1),
        ..Options::default()
    })
    .await
    .unwrap()
}

fn call() -> Call {
    Call {
        region: DR.parse().unwrap(),
        service: "STS",
        operation: "GetCallerIdentity",
        resource: "this account".to_owned(),
    }
}

// aws-behaviour: 5
#[tokio::test]
async fn client_turned_to_the_lost_region_is_refused_before_it_calls() {
    let dr_only = env().await.dr_only(DR.parse().unwrap());
    let turned = aws_env::client!(aws_sdk_sts, dr_only.region(), |config| config
        .region(Region::new(LOST)));
    let refused = turned.get_caller_identity().send().await.unwrap_err();
    let refused = call().failed(refused);
    assert_eq!(refused.class, ErrorClass::Invalid, "{refused}");
    let causes = std::iter::successors(Some(&refused as &dyn std::error::Error), |e| e.source());
    let told: Vec<String> = causes.map(ToString::to_string).collect();
    let wanted = "the request is signed for ca-central-1, and only ca-west-1 may be called here";
    assert!(told.iter().any(|cause| cause == wanted), "{told:?}");
}

#[tokio::test]
async fn client_of_its_own_region_calls() {
    let dr_only = env().await.dr_only(DR.parse().unwrap());
    let own = aws_env::client!(aws_sdk_sts, dr_only.region());
    let unreached = own.get_caller_identity().send().await.unwrap_err();
    assert_eq!(call().failed(unreached).class, ErrorClass::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn call_after_its_permit_has_ended_is_not_sent() {
    let permit = CallPermit::default();
    let dr_only = env().await.dr_only(DR.parse().unwrap()).under(&permit);
    let own = aws_env::client!(aws_sdk_sts, dr_only.region());
    let class = async || {
        let answer = own.get_caller_identity().send().await.unwrap_err();
        call().failed(answer).class
    };
    assert_eq!(class().await, ErrorClass::Invalid);
    permit.extend(Instant::now() + Duration::from_secs(40));
    assert_eq!(class().await, ErrorClass::Unreachable);
    advance(Duration::from_secs(40)).await;
    assert_eq!(class().await, ErrorClass::Invalid);
    permit.extend(Instant::now() + Duration::from_secs(40));
    permit.revoke();
    assert_eq!(class().await, ErrorClass::Invalid);
}

#[tokio::test]
async fn calls_are_counted_by_region_once_they_are_sent() {
    let env = env().await;
    let (dr, lost) = (DR.parse().unwrap(), LOST.parse().unwrap());
    let permit = CallPermit::default();
    let ask = async |access: &aws_env::RegionAccess, region: &'static str| {
        let sts = aws_env::client!(aws_sdk_sts, access, |config| config
            .region(Region::new(region)));
        sts.get_caller_identity().send().await.unwrap_err();
    };
    assert!(env.calls().by_region().is_empty());
    ask(&env.access(dr), DR).await;
    ask(&env.access(dr), DR).await;
    ask(&env.access(lost), LOST).await;
    // Neither of these is sent.
    ask(&env.access(dr), LOST).await;
    ask(&env.access(dr).under(&permit), DR).await;
    let counted: Vec<_> = env.calls().by_region().into_iter().collect();
    assert_eq!(counted, [(lost, 1), (dr, 2)]);
}

// aws-behaviour: 42
#[tokio::test]
async fn iam_is_outside_a_region_that_is_not_its_own() {
    // With AWS's own endpoints IAM signs for the region of its control plane, whatever its configuration names.
    let env = AwsEnv::load(Options {
        credentials: Some(Credentials::new("test", "test", None, None, "test")),
        attempts: Some(1),
        ..Options::default()
    });
    let dr_only = env.await.unwrap().dr_only(DR.parse().unwrap());
    let iam = aws_env::client!(aws_sdk_iam, dr_only.region());
    let refused = iam.get_role().role_name("r").send().await.unwrap_err();
    assert_eq!(call().failed(refused).class, ErrorClass::Invalid);
}

#[tokio::test]
async fn global_services_beside_the_dr_region_are_reached_only_where_it_has_them() {
    let class = async |dr: &str| {
        let global = env().await.dr_only(dr.parse().unwrap()).global();
        assert_eq!(global.region().as_str(), "us-east-1");
        let iam = aws_env::client!(aws_sdk_iam, &global);
        let answer = iam.get_role().role_name("r").send().await.unwrap_err();
        // CloudFront's alarms are looked for where they are, and not in the DR region.
        let alarms = aws_env::client!(aws_sdk_cloudwatch, &global);
        let alarms = alarms.describe_alarms().send().await.unwrap_err();
        let pool = global.connections().pool();
        let s3 = aws_env::client!(aws_sdk_s3, &global, |config| config
            .http_client(global.connections().http_client(&pool)));
        let buckets = s3.list_buckets().send().await.unwrap_err();
        [
            call().failed(answer).class,
            call().failed(alarms).class,
            call().failed(buckets).class,
        ]
    };
    assert_eq!(class(DR).await, [ErrorClass::Invalid; 3]);
    assert_eq!(class("us-east-1").await, [ErrorClass::Unreachable; 3]);
}
