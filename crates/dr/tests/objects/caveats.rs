//! What copies do not keep, as the buckets tell before anything is copied.

use aws_sdk_s3::types::{
    IndexDocument, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, WebsiteConfiguration,
};
use local_aws::{Fault, FaultKind};

use crate::stage::options;

#[tokio::test]
async fn plan_from_a_bucket_with_more_than_copies_keep_says_what_is_not_kept() {
    let stage = stage!();
    stage.put_source("a", b"x").await;
    let told = stage.plan(&options()).await;
    assert_eq!(told.plan().caveats, [""; 0]);

    let index = IndexDocument::builder().suffix("index.html");
    let website = WebsiteConfiguration::builder().index_document(index.build().unwrap());
    let put = stage.from.s3.put_bucket_website().bucket("photos");
    let put = put.website_configuration(website.build());
    put.send().await.unwrap();
    let twice = ServerSideEncryptionByDefault::builder()
        .sse_algorithm(ServerSideEncryption::AwsKmsDsse)
        .build()
        .unwrap();
    let rule = ServerSideEncryptionRule::builder().apply_server_side_encryption_by_default(twice);
    let rules = ServerSideEncryptionConfiguration::builder().rules(rule.build());
    let put = stage.from.s3.put_bucket_encryption().bucket("photos");
    let put = put.server_side_encryption_configuration(rules.build().unwrap());
    put.send().await.unwrap();
    let told = stage.plan(&options()).await.plan().caveats.concat();
    for part in ["the source is a website", "(DSSE-KMS), and the copies"] {
        assert!(told.contains(part), "{told}");
    }

    // What nobody tells is told.
    for operation in ["GetObjectLock*", "GetBucketWebsite", "GetBucketEncryption"] {
        let denied = Fault::new(FaultKind::Denied).operation(operation);
        stage.aws.add_fault(denied.resource("photos"));
    }
    let told = stage.plan(&options()).await;
    let unknown = told.plan().caveats.iter();
    let unknown = unknown.filter(|told| told.contains("is not known: "));
    assert_eq!(unknown.count(), 3, "{:?}", told.plan().caveats);
}
