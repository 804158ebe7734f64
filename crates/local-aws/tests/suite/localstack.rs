//! LocalStack as the base; runs where `LOCAL_AWS_LOCALSTACK` is set.

use local_aws::{Base, RegionState};

use crate::clients::{create_bucket, iam, kms, s3, start_or_return};

#[test]
fn localstack_is_a_base_by_its_name() {
    assert_eq!("localstack".parse::<Base>().unwrap(), Base::Localstack);
    assert_eq!(Base::Localstack.to_string(), "localstack");
    let unknown = "localstack-pro".parse::<Base>().unwrap_err().to_string();
    assert!(
        unknown.contains("\"localstack-pro\" is no base"),
        "{unknown}"
    );
}

#[tokio::test]
async fn localstack_has_buckets_roles_and_keys_and_loses_regions() {
    let aws = start_or_return!(Base::Localstack);
    let (primary, dr) = (s3(&aws, "ca-central-1"), s3(&aws, "us-east-1"));
    create_bucket(&primary, "ca-central-1", "state").await;
    let role = iam(&aws).create_role().role_name("replication");
    let role = role.assume_role_policy_document("{\"Version\":\"2012-10-17\",\"Statement\":[]}");
    role.send().await.unwrap();
    let key = kms(&aws, "ca-central-1").create_key().send().await.unwrap();
    let arn = key.key_metadata.unwrap().arn.unwrap();
    assert!(
        arn.starts_with("arn:aws:kms:ca-central-1:000000000000:key/"),
        "{arn}"
    );

    aws.set_region("ca-central-1", RegionState::Refuse);
    primary
        .head_bucket()
        .bucket("state")
        .send()
        .await
        .unwrap_err();
    dr.list_buckets().send().await.unwrap();
    iam(&aws)
        .get_role()
        .role_name("replication")
        .send()
        .await
        .unwrap();
    aws.set_region("ca-central-1", RegionState::Up);
    primary.head_bucket().bucket("state").send().await.unwrap();
    aws.stop().await;
}
