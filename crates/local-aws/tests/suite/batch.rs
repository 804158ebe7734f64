//! Jobs of S3 Batch Replication, and what S3 refuses of them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::StorageClass;
use local_aws::{Base, LocalAws};

use crate::clients::{create_bucket, s3};
use crate::replication::Replicated;

/// Status and body of an answer of S3 Control in a region.
fn ask(aws: &LocalAws, region: &str, line: &str, body: &str) -> (u16, String) {
    let host = aws.endpoint().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    let credential = format!("test/20260101/{region}/s3/aws4_request");
    let request = format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\nx-amz-account-id: 000000000000\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential={credential}, SignedHeaders=host, Signature=0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned());
    (status, body.unwrap_or_default())
}

fn text<'a>(body: &'a str, tag: &str) -> &'a str {
    let after = body.split_once(&format!("<{tag}>")).map(|(_, after)| after);
    let found = after.and_then(|after| Some(after.split_once(&format!("</{tag}>"))?.0));
    found.unwrap_or_default()
}

const OPERATION: &str = "<Operation><S3ReplicateObject/></Operation>";
const ROLE: &str = "<RoleArn>arn:aws:iam::000000000000:role/batch</RoleArn>";
const REPORT: &str = "<Report><Enabled>true</Enabled><Bucket>arn:aws:s3:::state</Bucket>\
    <Format>Report_CSV_20180820</Format><Prefix>reports</Prefix><ReportScope>AllTasks</ReportScope></Report>";

fn generator(bucket: &str, filter: &str) -> String {
    format!(
        "<ManifestGenerator><S3JobManifestGenerator><SourceBucket>arn:aws:s3:::{bucket}</SourceBucket>\
         <EnableManifestOutput>false</EnableManifestOutput><Filter>\
         <EligibleForReplication>true</EligibleForReplication>{filter}</Filter>\
         </S3JobManifestGenerator></ManifestGenerator>"
    )
}

fn job(token: &str, confirm: bool, parts: &[&str]) -> String {
    let parts = parts.concat();
    format!(
        "<CreateJobRequest><ConfirmationRequired>{confirm}</ConfirmationRequired>\
         <ClientRequestToken>{token}</ClientRequestToken><Priority>1</Priority>{parts}</CreateJobRequest>"
    )
}

const NOT_YET: &str = "<ObjectReplicationStatuses><member>NONE</member><member>FAILED</member>\
    </ObjectReplicationStatuses>";
const HOME: &str = "ca-central-1";

fn create(aws: &LocalAws, body: &str) -> (u16, String) {
    ask(aws, HOME, "POST /v20180820/jobs", body)
}

/// Asks until the job has ended.
fn ended(aws: &LocalAws, id: &str) -> String {
    for _ in 0..10 {
        let (_, body) = ask(aws, HOME, &format!("GET /v20180820/jobs/{id}"), "");
        if ["Complete", "Failed", "Cancelled"].contains(&text(&body, "Status")) {
            return body;
        }
    }
    panic!("the job {id} does not end")
}

// aws-behaviour: 13
#[tokio::test(flavor = "multi_thread")]
async fn batch_replication_brings_versions_that_the_rule_has_not_seen() {
    let Some(aws) = crate::clients::start(Base::Ministack).await else {
        return;
    };
    let primary = s3(&aws, HOME);
    create_bucket(&primary, HOME, "state").await;
    let put = async |key: &str, class: StorageClass, body: &'static str| {
        let put = primary.put_object().bucket("state").key(key);
        let put = put.storage_class(class);
        put.body(ByteStream::from_static(body.as_bytes()))
            .send()
            .await
            .unwrap()
    };
    put("before versions", StorageClass::Standard, "1").await;
    let pair = Replicated::between(aws).await;
    let rules = pair.primary.get_bucket_replication().bucket("state").send();
    let rules = rules.await.unwrap().replication_configuration;
    let off = pair.primary.delete_bucket_replication().bucket("state");
    off.send().await.unwrap();
    for body in ["a", "ab"] {
        put("k", StorageClass::Standard, body).await;
    }
    put("archived", StorageClass::Glacier, "x").await;
    let on = pair.primary.put_bucket_replication().bucket("state");
    let on = on.set_replication_configuration(rules);
    on.send().await.unwrap();
    put("seen by the rule", StorageClass::Standard, "x").await;

    let parts = [OPERATION, ROLE, REPORT, &generator("state", NOT_YET)];
    let request = job("one", false, &parts);
    let (status, made) = create(&pair.aws, &request);
    assert_eq!(status, 200, "{made}");
    let id = text(&made, "JobId").to_owned();
    // The same request makes no second one; another one with its token is refused.
    assert_eq!(text(&create(&pair.aws, &request).1, "JobId"), id);
    let other = job("one", true, &parts);
    let (status, refused) = create(&pair.aws, &other);
    assert_eq!(
        (status, text(&refused, "Code")),
        (400, "IdempotencyException")
    );

    let done = ended(&pair.aws, &id);
    let number = |tag: &str| text(&done, tag).parse::<u32>().unwrap();
    let numbers = [
        "TotalNumberOfTasks",
        "NumberOfTasksSucceeded",
        "NumberOfTasksFailed",
    ];
    assert_eq!(numbers.map(number), [4, 3, 1], "{done}");
    assert_eq!(pair.replica("k").await, Ok("ab".to_owned()));
    assert_eq!(pair.replica("before versions").await, Ok("1".to_owned()));
    assert_eq!(pair.replica("archived").await, Err(404));
    let versions = async |client: &aws_sdk_s3::Client, bucket: &str| {
        let list = client.list_object_versions().bucket(bucket).prefix("k");
        let list = list.send().await.unwrap();
        let ids = list
            .versions()
            .iter()
            .map(|version| version.version_id.clone());
        ids.collect::<Vec<_>>()
    };
    let of_source = versions(&pair.primary, "state").await;
    assert_eq!(versions(&pair.dr, "state-dr").await, of_source);
    // The report names what failed.
    let reports = pair.primary.list_objects_v2().bucket("state");
    let reports = reports.prefix(format!("reports/job-{id}/results/"));
    let reports = reports.send().await.unwrap();
    let report = pair.primary.get_object().bucket("state");
    let report = report.key(reports.contents()[0].key().unwrap()).send();
    let report = report.await.unwrap().body.collect().await.unwrap();
    let report = String::from_utf8(report.to_vec()).unwrap();
    assert!(
        report.contains("state,archived,") && report.contains(",failed,"),
        "{report}"
    );
    assert_eq!(report.matches(",succeeded,").count(), 3, "{report}");
    // What has been replicated is in no second manifest.
    let (_, again) = create(&pair.aws, &job("two", false, &parts));
    let again = ended(&pair.aws, text(&again, "JobId"));
    assert_eq!(text(&again, "TotalNumberOfTasks"), "1", "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_replication_waits_for_its_confirmation_and_ends_when_it_is_cancelled() {
    let Some(pair) = Replicated::start().await else {
        return;
    };
    let parts = [OPERATION, ROLE, REPORT, &generator("state", NOT_YET)];
    let status = |id: &str| {
        let (_, body) = ask(&pair.aws, HOME, &format!("GET /v20180820/jobs/{id}"), "");
        text(&body, "Status").to_owned()
    };
    let change = |id: &str, to: &str| {
        let line = format!("POST /v20180820/jobs/{id}/status?requestedJobStatus={to}");
        ask(&pair.aws, HOME, &line, "")
    };
    let (_, made) = create(&pair.aws, &job("confirmed", true, &parts));
    let id = text(&made, "JobId").to_owned();
    assert_eq!(
        (status(&id), status(&id)),
        ("Suspended".to_owned(), "Suspended".to_owned())
    );
    assert_eq!(change(&id, "Ready").0, 200);
    assert_eq!(text(&ended(&pair.aws, &id), "Status"), "Complete");
    let (code, refused) = change(&id, "Cancelled");
    assert_eq!((code, text(&refused, "Code")), (400, "JobStatusException"));

    let (_, made) = create(&pair.aws, &job("cancelled", true, &parts));
    let cancelled = text(&made, "JobId").to_owned();
    assert_eq!(change(&cancelled, "Cancelled").0, 200);
    assert_eq!(status(&cancelled), "Cancelled");
    let list = |query: &str| ask(&pair.aws, HOME, &format!("GET /v20180820/jobs{query}"), "").1;
    assert_eq!(list("").matches("<member>").count(), 2);
    let only = list("?jobStatuses=Cancelled");
    assert_eq!(text(&only, "JobId"), cancelled, "{only}");
    // Jobs are of one region.
    let (code, elsewhere) = ask(
        &pair.aws,
        "us-east-1",
        &format!("GET /v20180820/jobs/{id}"),
        "",
    );
    assert_eq!((code, text(&elsewhere, "Code")), (404, "NoSuchJob"));
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_replication_that_s3_does_not_take_is_refused() {
    let Some(pair) = Replicated::start().await else {
        return;
    };
    create_bucket(&pair.primary, HOME, "alone").await;
    let made = generator("state", NOT_YET);
    let elsewhere = generator("state-dr", NOT_YET);
    let without_rule = generator("alone", NOT_YET);
    let missing = generator("nowhere", NOT_YET);
    let odd = generator(
        "state",
        "<ObjectReplicationStatuses><member>LATE</member></ObjectReplicationStatuses>",
    );
    let manifest = "<Manifest></Manifest>";
    let no_report = "<Report><Enabled>true</Enabled></Report>";
    let user = "<RoleArn>arn:aws:iam::000000000000:user/jo</RoleArn>";
    let copy = "<Operation><S3PutObjectCopy/></Operation>";
    let rows: [(&str, Vec<&str>, &str); 10] = [
        (
            "bucket of another region",
            vec![OPERATION, ROLE, REPORT, &elsewhere],
            "InvalidRequest",
        ),
        (
            "no replication",
            vec![OPERATION, ROLE, REPORT, &without_rule],
            "InvalidRequest",
        ),
        (
            "no bucket",
            vec![OPERATION, ROLE, REPORT, &missing],
            "InvalidRequest",
        ),
        (
            "unknown status",
            vec![OPERATION, ROLE, REPORT, &odd],
            "InvalidRequest",
        ),
        (
            "no manifest",
            vec![OPERATION, ROLE, REPORT],
            "InvalidRequest",
        ),
        (
            "two manifests",
            vec![OPERATION, ROLE, REPORT, &made, manifest],
            "InvalidRequest",
        ),
        ("no role", vec![OPERATION, REPORT, &made], "InvalidRequest"),
        (
            "no role's ARN",
            vec![OPERATION, user, REPORT, &made],
            "InvalidRequest",
        ),
        (
            "report without a place",
            vec![OPERATION, ROLE, no_report, &made],
            "InvalidRequest",
        ),
        (
            "another operation",
            vec![copy, ROLE, REPORT, &made],
            "NotImplemented",
        ),
    ];
    for (what, parts, code) in rows {
        let (_, refused) = create(&pair.aws, &job(what, false, &parts));
        assert_eq!(text(&refused, "Code"), code, "{what}: {refused}");
    }
    let (status, refused) = create(&pair.aws, "no XML");
    assert_eq!((status, text(&refused, "Code")), (400, "MalformedXML"));
    let (_, none) = ask(&pair.aws, HOME, "GET /v20180820/jobs", "");
    assert!(!none.contains("<member>"), "{none}");
}
