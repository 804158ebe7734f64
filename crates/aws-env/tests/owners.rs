//! The account that a bucket has to belong to is part of every call that names one.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, BucketOwners, Error, ErrorClass, Options, RegionAccess};
use aws_sdk_s3::Client;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;

const OURS: &str = "111122223333";
const THEIRS: &str = "999999999999";
const OWNER: &str = "x-amz-expected-bucket-owner";
const SOURCE_OWNER: &str = "x-amz-source-expected-bucket-owner";

/// Stands in for the network: keeps what is sent, and answers with a status and nothing else, which many operations
/// take for no answer.
#[derive(Debug, Clone)]
struct Network {
    sent: Arc<Mutex<Vec<HttpRequest>>>,
    status: u16,
}

impl HttpConnector for Network {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.sent.lock().unwrap().push(request);
        let status = self.status.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::empty())))
    }
}

impl Network {
    fn new(status: u16) -> Self {
        Self {
            sent: Arc::default(),
            status,
        }
    }

    fn client(&self, access: &RegionAccess) -> Client {
        let network = self.clone();
        let http: SharedHttpClient =
            http_client_fn(move |_, _| SharedHttpConnector::new(network.clone()));
        aws_env::client!(aws_sdk_s3, access, |config| config
            .http_client(http)
            .force_path_style(true))
    }

    /// The value of a header in each request, and nothing where it has none.
    fn sent(&self, header: &str) -> Vec<Option<String>> {
        let sent = self.sent.lock().unwrap();
        let value = |request: &HttpRequest| request.headers().get(header).map(str::to_owned);
        sent.iter().map(value).collect()
    }
}

/// STS is at the discard port: nobody answers.
async fn access(owners: BucketOwners) -> RegionAccess {
    let env = AwsEnv::load(Options {
        endpoint_url: Some("http://127.0.0.1:9".to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "test")),
        attempts: Some(1),
        ..Options::default()
    });
    let env = env.await.unwrap().with_owners(owners);
    env.access("ca-central-1".parse().unwrap())
}

fn ours() -> BucketOwners {
    BucketOwners::default().with_account(OURS.parse().unwrap())
}

fn named(account: &str) -> Option<String> {
    Some(account.to_owned())
}

fn put_failed(
    access: &RegionAccess,
    error: aws_sdk_s3::error::SdkError<aws_sdk_s3::operation::put_object::PutObjectError>,
) -> Error {
    access.call("S3", "PutObject", "photos/a").failed(error)
}

#[tokio::test]
async fn call_that_names_a_bucket_names_its_owner_and_the_header_is_signed() {
    let network = Network::new(200);
    let s3 = network.client(&access(ours()).await);
    let put = s3.put_object().bucket("photos").key("a").send();
    put.await.ok();
    s3.head_bucket().bucket("photos").send().await.ok();
    let list = s3.list_object_versions().bucket("photos").send();
    list.await.ok();
    assert_eq!(network.sent(OWNER), vec![named(OURS); 3]);
    for signature in network.sent("authorization") {
        assert!(signature.unwrap().contains(OWNER), "it is signed");
    }
}

#[tokio::test]
async fn copy_names_the_owner_of_both_buckets() {
    let owners = ours().with_bucket("photos".parse().unwrap(), THEIRS.parse().unwrap());
    let network = Network::new(200);
    let s3 = network.client(&access(owners).await);
    let copy = s3.copy_object().bucket("photos-dr").key("a");
    copy.copy_source("photos/a%2Fb?versionId=1")
        .send()
        .await
        .ok();
    let part = s3.upload_part_copy().bucket("photos-dr").key("a");
    let part = part.upload_id("u").part_number(1).copy_source("/photos/a");
    part.send().await.ok();
    s3.get_object().bucket("photos").key("a").send().await.ok();
    assert_eq!(
        network.sent(OWNER),
        [named(OURS), named(OURS), named(THEIRS)]
    );
    let sources = [named(THEIRS), named(THEIRS), None];
    assert_eq!(network.sent(SOURCE_OWNER), sources);
}

#[tokio::test]
async fn operation_that_takes_no_owner_names_none() {
    let network = Network::new(200);
    let s3 = network.client(&access(ours()).await);
    s3.create_bucket().bucket("photos").send().await.ok();
    s3.list_buckets().send().await.ok();
    assert_eq!(network.sent(OWNER), [None, None]);
}

#[tokio::test]
async fn owner_that_the_caller_names_stays() {
    let network = Network::new(200);
    let s3 = network.client(&access(ours()).await);
    let head = s3.head_bucket().bucket("photos");
    head.expected_bucket_owner(THEIRS).send().await.ok();
    assert_eq!(network.sent(OWNER), [named(THEIRS)]);
}

#[tokio::test]
async fn call_without_a_known_account_is_not_sent() {
    let network = Network::new(200);
    let access = access(BucketOwners::default()).await;
    let s3 = network.client(&access);
    let put = s3.put_object().bucket("photos").key("a").send();
    let error = put_failed(&access, put.await.unwrap_err());
    assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
    assert!(error.is_owner_unknown());
    assert_eq!(
        error.message.as_deref(),
        Some(
            "which account photos has to belong to is not known: STS GetCallerIdentity of this account in \
             ca-central-1: cannot be reached"
        )
    );
    assert_eq!(network.sent(OWNER), [], "nothing was sent");
    // What names no bucket needs no owner: whether S3 answers is known without STS.
    s3.list_buckets().send().await.ok();
}

#[tokio::test]
async fn copy_to_a_bucket_whose_owner_is_named_has_the_account_of_its_source_asked_for() {
    let named =
        BucketOwners::default().with_bucket("photos-dr".parse().unwrap(), THEIRS.parse().unwrap());
    let access = access(named).await;
    let s3 = Network::new(200).client(&access);
    let copy = s3
        .copy_object()
        .bucket("photos-dr")
        .key("a")
        .copy_source("photos/a");
    let error = access
        .call("S3", "CopyObject", "photos-dr/a")
        .failed(copy.send().await.unwrap_err());
    // STS has been asked, and nobody is there.
    assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
    let message = error.message.unwrap_or_default();
    assert!(message.starts_with("which account photos has"), "{message}");
}

#[tokio::test]
async fn credentials_that_say_their_account_need_no_sts() {
    let credentials = Credentials::builder()
        .access_key_id("test")
        .secret_access_key("test")
        .account_id(OURS)
        .provider_name("test");
    let env = AwsEnv::load(Options {
        endpoint_url: Some("http://127.0.0.1:9".to_owned()),
        credentials: Some(credentials.build()),
        ..Options::default()
    });
    let network = Network::new(200);
    let access = env.await.unwrap().access("ca-central-1".parse().unwrap());
    let s3 = network.client(&access);
    s3.head_bucket().bucket("photos").send().await.ok();
    assert_eq!(network.sent(OWNER), [named(OURS)]);
}

#[tokio::test]
async fn refusal_says_which_owner_was_expected() {
    let network = Network::new(403);
    let access = access(ours()).await;
    let put = network
        .client(&access)
        .put_object()
        .bucket("photos")
        .key("a");
    let error = put_failed(&access, put.send().await.unwrap_err());
    assert_eq!(error.class, ErrorClass::Denied);
    assert_eq!(
        error.to_string(),
        "S3 PutObject of photos/a in ca-central-1: access denied (needs s3:PutObject, expected owner 111122223333)"
    );
}

#[tokio::test]
async fn client_of_s3_under_another_name_calls_no_bucket() {
    use aws_sdk_s3 as renamed;
    let network = Network::new(200);
    let access = access(BucketOwners::default()).await;
    let http = network.clone();
    let http: SharedHttpClient = http_client_fn(move |_, _| SharedHttpConnector::new(http.clone()));
    let s3 = aws_env::client!(renamed, &access, |config| config.http_client(http));
    let put = s3.put_object().bucket("photos").key("a").send();
    let error = put_failed(&access, put.await.unwrap_err());
    let message = error.message.unwrap_or_default();
    assert!(message.ends_with("STS has not been asked"), "{message}");
    assert_eq!(network.sent(OWNER), []);
}
