use http::Request;

use super::*;

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn signed(service: &str, region: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20261122/{region}/{service}/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=00"
    )
}

fn call(method: &str, uri: &str, headers: &[(&str, &str)], body: &str) -> Call {
    match Call::read(&parts(method, uri, headers)) {
        Read::Complete(call) => call,
        Read::Body(mut call) => {
            call.read_body(body.as_bytes());
            call
        }
    }
}

#[test]
fn scope_of_every_kind_of_signature() {
    let scope = |uri: &str, authorization: Option<&str>| {
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("authorization", *value))
            .collect();
        let scope = Scope::read(&parts("GET", uri, &headers));
        let text = |field: Option<String>| field.unwrap_or_else(|| "-".into());
        format!(
            "{} {} {}",
            text(scope.access_key),
            text(scope.region),
            text(scope.service)
        )
    };
    let rows = [
        (
            "/",
            Some(
                "AWS4-HMAC-SHA256 Credential=AKID/20261122/ca-central-1/s3/aws4_request, SignedHeaders=host, Signature=0",
            ),
            "AKID ca-central-1 s3",
        ),
        (
            "/",
            Some(
                "AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/iam/aws4_request,SignedHeaders=host,Signature=0",
            ),
            "AKID us-east-1 iam",
        ),
        (
            "/",
            Some(
                "AWS4-HMAC-SHA256 SignedHeaders=host, Credential=AKID/20261122/eu-west-1/kms/aws4_request, Signature=0",
            ),
            "AKID eu-west-1 kms",
        ),
        (
            "/",
            Some("AWS4-ECDSA-P256-SHA256 Credential=AKID/20261122/s3/aws4_request, Signature=0"),
            "AKID - s3",
        ),
        (
            "/",
            Some(
                "AWS4-HMAC-SHA256 Credential=with/slash/20261122/us-east-1/s3/aws4_request, Signature=0",
            ),
            "with/slash us-east-1 s3",
        ),
        ("/", Some("AWS AKID:c2ln"), "AKID - -"),
        ("/", Some("Bearer token"), "- - -"),
        (
            "/",
            Some("AWS4-HMAC-SHA256 Credential=nonsense, Signature=0"),
            "- - -",
        ),
        (
            "/",
            Some("AWS4-HMAC-SHA256 Credential=AKID/today/us-east-1/s3/aws4_request"),
            "- - -",
        ),
        (
            "/b/k?X-Amz-Credential=AKID%2F20261122%2Fca-central-1%2Fs3%2Faws4_request&X-Amz-Signature=0",
            None,
            "AKID ca-central-1 s3",
        ),
        (
            "/b/k?X-Amz-Credential=AKID/20261122/ca-central-1/s3/aws4_request",
            None,
            "AKID ca-central-1 s3",
        ),
        ("/b/k", None, "- - -"),
    ];
    for (uri, authorization, expected) in rows {
        assert_eq!(
            scope(uri, authorization),
            expected,
            "{uri} {authorization:?}"
        );
    }
}

#[test]
fn s3_operations() {
    let copy = ("x-amz-copy-source", "/from/key");
    let rows: &[(&str, &str, &[(&str, &str)], &str, &str)] = &[
        ("GET", "/", &[], "ListBuckets", "-"),
        ("GET", "/?x-id=ListBuckets", &[], "ListBuckets", "-"),
        ("HEAD", "/b", &[], "HeadBucket", "b"),
        ("HEAD", "/b/", &[], "HeadBucket", "b"),
        ("PUT", "/b", &[], "CreateBucket", "b"),
        ("PUT", "/b/", &[], "CreateBucket", "b"),
        ("DELETE", "/b", &[], "DeleteBucket", "b"),
        ("GET", "/b", &[], "ListObjects", "b"),
        ("GET", "/b?prefix=x&delimiter=/", &[], "ListObjects", "b"),
        (
            "GET",
            "/b?list-type=2&prefix=acl",
            &[],
            "ListObjectsV2",
            "b",
        ),
        ("GET", "/b/?list-type=2", &[], "ListObjectsV2", "b"),
        ("GET", "/b?versions", &[], "ListObjectVersions", "b"),
        (
            "GET",
            "/b?versions=&prefix=a",
            &[],
            "ListObjectVersions",
            "b",
        ),
        ("GET", "/b?uploads", &[], "ListMultipartUploads", "b"),
        ("GET", "/b?location", &[], "GetBucketLocation", "b"),
        ("GET", "/b?versioning", &[], "GetBucketVersioning", "b"),
        ("PUT", "/b?versioning", &[], "PutBucketVersioning", "b"),
        ("GET", "/b?encryption", &[], "GetBucketEncryption", "b"),
        ("PUT", "/b?encryption", &[], "PutBucketEncryption", "b"),
        (
            "DELETE",
            "/b?encryption",
            &[],
            "DeleteBucketEncryption",
            "b",
        ),
        (
            "GET",
            "/b?publicAccessBlock",
            &[],
            "GetPublicAccessBlock",
            "b",
        ),
        (
            "PUT",
            "/b?publicAccessBlock",
            &[],
            "PutPublicAccessBlock",
            "b",
        ),
        (
            "DELETE",
            "/b?publicAccessBlock",
            &[],
            "DeletePublicAccessBlock",
            "b",
        ),
        (
            "GET",
            "/b?ownershipControls",
            &[],
            "GetBucketOwnershipControls",
            "b",
        ),
        (
            "PUT",
            "/b?ownershipControls",
            &[],
            "PutBucketOwnershipControls",
            "b",
        ),
        ("GET", "/b?policy", &[], "GetBucketPolicy", "b"),
        ("PUT", "/b?policy", &[], "PutBucketPolicy", "b"),
        ("DELETE", "/b?policy", &[], "DeleteBucketPolicy", "b"),
        ("GET", "/b?policyStatus", &[], "GetBucketPolicyStatus", "b"),
        (
            "GET",
            "/b?lifecycle",
            &[],
            "GetBucketLifecycleConfiguration",
            "b",
        ),
        (
            "PUT",
            "/b?lifecycle",
            &[],
            "PutBucketLifecycleConfiguration",
            "b",
        ),
        ("DELETE", "/b?lifecycle", &[], "DeleteBucketLifecycle", "b"),
        ("GET", "/b?replication", &[], "GetBucketReplication", "b"),
        ("PUT", "/b?replication", &[], "PutBucketReplication", "b"),
        (
            "DELETE",
            "/b?replication",
            &[],
            "DeleteBucketReplication",
            "b",
        ),
        ("GET", "/b?tagging", &[], "GetBucketTagging", "b"),
        ("PUT", "/b?tagging", &[], "PutBucketTagging", "b"),
        ("DELETE", "/b?tagging", &[], "DeleteBucketTagging", "b"),
        ("GET", "/b?acl", &[], "GetBucketAcl", "b"),
        ("GET", "/b?cors", &[], "GetBucketCors", "b"),
        ("GET", "/b?website", &[], "GetBucketWebsite", "b"),
        ("GET", "/b?logging", &[], "GetBucketLogging", "b"),
        (
            "GET",
            "/b?notification",
            &[],
            "GetBucketNotificationConfiguration",
            "b",
        ),
        (
            "PUT",
            "/b?notification",
            &[],
            "PutBucketNotificationConfiguration",
            "b",
        ),
        (
            "GET",
            "/b?object-lock",
            &[],
            "GetObjectLockConfiguration",
            "b",
        ),
        (
            "PUT",
            "/b?object-lock",
            &[],
            "PutObjectLockConfiguration",
            "b",
        ),
        (
            "GET",
            "/b?requestPayment",
            &[],
            "GetBucketRequestPayment",
            "b",
        ),
        (
            "GET",
            "/b?accelerate",
            &[],
            "GetBucketAccelerateConfiguration",
            "b",
        ),
        (
            "GET",
            "/b?metrics&id=all",
            &[],
            "GetBucketMetricsConfiguration",
            "b",
        ),
        (
            "GET",
            "/b?metrics",
            &[],
            "ListBucketMetricsConfigurations",
            "b",
        ),
        (
            "PUT",
            "/b?metrics&id=all",
            &[],
            "PutBucketMetricsConfiguration",
            "b",
        ),
        (
            "DELETE",
            "/b?metrics&id=all",
            &[],
            "DeleteBucketMetricsConfiguration",
            "b",
        ),
        (
            "GET",
            "/b?inventory",
            &[],
            "ListBucketInventoryConfigurations",
            "b",
        ),
        (
            "GET",
            "/b?analytics&id=x",
            &[],
            "GetBucketAnalyticsConfiguration",
            "b",
        ),
        (
            "GET",
            "/b?intelligent-tiering",
            &[],
            "ListBucketIntelligentTieringConfigurations",
            "b",
        ),
        ("GET", "/b?session", &[], "CreateSession", "b"),
        ("POST", "/b?delete", &[], "DeleteObjects", "b"),
        (
            "POST",
            "/b",
            &[("content-type", "multipart/form-data; boundary=x")],
            "PostObject",
            "b",
        ),
        ("OPTIONS", "/b/k", &[], "Options", "b/k"),
        ("PUT", "/b/k?x-id=PutObject", &[], "PutObject", "b/k"),
        ("PUT", "/b/deep/er/k", &[], "PutObject", "b/deep/er/k"),
        ("PUT", "/b//k", &[], "PutObject", "b//k"),
        ("PUT", "/b/k", &[copy], "CopyObject", "b/k"),
        ("GET", "/b/k?x-id=GetObject", &[], "GetObject", "b/k"),
        ("GET", "/b/k?versionId=v", &[], "GetObject", "b/k"),
        ("GET", "/b/k?partNumber=1", &[], "GetObject", "b/k"),
        ("HEAD", "/b/k", &[], "HeadObject", "b/k"),
        ("DELETE", "/b/k?versionId=v", &[], "DeleteObject", "b/k"),
        ("GET", "/b/k?attributes", &[], "GetObjectAttributes", "b/k"),
        ("GET", "/b/k?tagging", &[], "GetObjectTagging", "b/k"),
        ("PUT", "/b/k?tagging", &[], "PutObjectTagging", "b/k"),
        ("DELETE", "/b/k?tagging", &[], "DeleteObjectTagging", "b/k"),
        ("GET", "/b/k?acl", &[], "GetObjectAcl", "b/k"),
        ("PUT", "/b/k?retention", &[], "PutObjectRetention", "b/k"),
        ("GET", "/b/k?legal-hold", &[], "GetObjectLegalHold", "b/k"),
        ("POST", "/b/k?uploads", &[], "CreateMultipartUpload", "b/k"),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=u",
            &[],
            "UploadPart",
            "b/k",
        ),
        (
            "PUT",
            "/b/k?partNumber=1&uploadId=u",
            &[copy],
            "UploadPartCopy",
            "b/k",
        ),
        ("GET", "/b/k?uploadId=u", &[], "ListParts", "b/k"),
        (
            "POST",
            "/b/k?uploadId=u",
            &[],
            "CompleteMultipartUpload",
            "b/k",
        ),
        (
            "DELETE",
            "/b/k?uploadId=u",
            &[],
            "AbortMultipartUpload",
            "b/k",
        ),
        ("POST", "/b/k?restore", &[], "RestoreObject", "b/k"),
        (
            "POST",
            "/b/k?select&select-type=2",
            &[],
            "SelectObjectContent",
            "b/k",
        ),
        (
            "GET",
            "/b/caf%C3%A9%20%2B%25",
            &[],
            "GetObject",
            "b/café +%",
        ),
        (
            "GET",
            "/k",
            &[("host", "b.s3.ca-central-1.amazonaws.com")],
            "GetObject",
            "b/k",
        ),
        (
            "GET",
            "/?list-type=2",
            &[("host", "b.with.dots.s3.localhost:4566")],
            "ListObjectsV2",
            "b.with.dots",
        ),
        (
            "GET",
            "/b/k",
            &[("host", "127.0.0.1:4566")],
            "GetObject",
            "b/k",
        ),
        (
            "GET",
            "/",
            &[("host", "s3.ca-central-1.amazonaws.com")],
            "ListBuckets",
            "-",
        ),
    ];
    let authorization = signed("s3", "ca-central-1");
    for (method, uri, headers, operation, resource) in rows {
        let headers: Vec<_> = headers
            .iter()
            .copied()
            .chain([("authorization", authorization.as_str())])
            .collect();
        let call = call(method, uri, &headers, "");
        assert_eq!(
            (
                call.operation.as_str(),
                call.resource.as_deref().unwrap_or("-")
            ),
            (*operation, *resource),
            "{method} {uri}"
        );
        assert_eq!(
            (call.service.as_str(), call.region.as_deref()),
            ("s3", Some("ca-central-1"))
        );
        assert_eq!(call.protocol, Protocol::S3);
    }
}

#[test]
fn the_source_of_a_copy_is_known() {
    for (source, bucket) in [
        ("/from/key", Some("from")),
        ("from/a/b?versionId=v", Some("from")),
        ("%2Ffrom%2Fkey", Some("from")),
        ("/", None),
    ] {
        let call = call("PUT", "/to/key", &[("x-amz-copy-source", source)], "");
        assert_eq!(call.source_bucket.as_deref(), bucket, "{source}");
    }
}

#[test]
fn the_region_of_a_new_bucket_is_in_the_body() {
    for (body, location) in [
        (
            "<CreateBucketConfiguration><LocationConstraint>ca-central-1</LocationConstraint></CreateBucketConfiguration>",
            Some("ca-central-1"),
        ),
        (
            "<a:C xmlns:a=\"x\"><a:LocationConstraint xmlns=\"y\"> ca-west-1 </a:LocationConstraint></a:C>",
            Some("ca-west-1"),
        ),
        (
            "<C><LocationConstraint>EU</LocationConstraint></C>",
            Some("eu-west-1"),
        ),
        ("<C><LocationConstraint/></C>", None),
        ("<C><LocationConstraint></LocationConstraint></C>", None),
        ("LocationConstraint", None),
        ("", None),
    ] {
        assert_eq!(
            call("PUT", "/b", &[], body).location.as_deref(),
            location,
            "{body}"
        );
    }
}

#[test]
fn operations_of_other_services() {
    let form = (
        "content-type",
        "application/x-www-form-urlencoded; charset=utf-8",
    );
    let json = ("content-type", "application/x-amz-json-1.0");
    type Row<'a> = (
        &'a str,
        &'a str,
        &'a str,
        &'a [(&'a str, &'a str)],
        &'a str,
        Protocol,
        &'a str,
        &'a str,
    );
    let rows: &[Row<'_>] = &[
        (
            "dynamodb",
            "POST",
            "/",
            &[json, ("x-amz-target", "DynamoDB_20120810.PutItem")],
            r#"{"Item":{},"TableName":"locks"}"#,
            Protocol::Json,
            "PutItem",
            "locks",
        ),
        (
            "dynamodb",
            "POST",
            "/",
            &[json, ("x-amz-target", "DynamoDB_20120810.BatchWriteItem")],
            r#"{"RequestItems":{"a":[],"b":[]}}"#,
            Protocol::Json,
            "BatchWriteItem",
            "a,b",
        ),
        (
            "dynamodb",
            "POST",
            "/",
            &[
                json,
                ("x-amz-target", "DynamoDB_20120810.TransactWriteItems"),
            ],
            r#"{"TransactItems":[{"Put":{"TableName":"a"}},{"Put":{"TableName":"a"}},{"Delete":{"TableName":"b"}}]}"#,
            Protocol::Json,
            "TransactWriteItems",
            "a,b",
        ),
        (
            "dynamodb",
            "POST",
            "/",
            &[json, ("x-amz-target", "DynamoDB_20120810.TagResource")],
            r#"{"ResourceArn":"arn:aws:dynamodb:::table/t","Tags":[]}"#,
            Protocol::Json,
            "TagResource",
            "arn:aws:dynamodb:::table/t",
        ),
        (
            "dynamodb",
            "POST",
            "/",
            &[json, ("x-amz-target", "DynamoDB_20120810.ListTables")],
            "{}",
            Protocol::Json,
            "ListTables",
            "-",
        ),
        (
            "dynamodb",
            "POST",
            "/",
            &[json, ("x-amz-target", "DynamoDB_20120810.ListTables")],
            "not json",
            Protocol::Json,
            "ListTables",
            "-",
        ),
        (
            "kms",
            "POST",
            "/",
            &[("x-amz-target", "TrentService.DescribeKey")],
            r#"{"KeyId":"alias/aws/s3"}"#,
            Protocol::Json,
            "DescribeKey",
            "alias/aws/s3",
        ),
        (
            "secretsmanager",
            "POST",
            "/",
            &[("x-amz-target", "secretsmanager.GetSecretValue")],
            r#"{"SecretId":"db"}"#,
            Protocol::Json,
            "GetSecretValue",
            "db",
        ),
        (
            "logs",
            "POST",
            "/",
            &[("x-amz-target", "Logs_20140328.CreateLogGroup")],
            r#"{"logGroupName":"/app"}"#,
            Protocol::Json,
            "CreateLogGroup",
            "/app",
        ),
        (
            "iam",
            "POST",
            "/",
            &[form],
            "Action=PutRolePolicy&Version=2010-05-08&PolicyName=p&RoleName=r",
            Protocol::Query,
            "PutRolePolicy",
            "r",
        ),
        (
            "iam",
            "POST",
            "/",
            &[form],
            "Action=CreateRole&Version=2010-05-08&RoleName=my%2Brole&AssumeRolePolicyDocument=%7B%7D",
            Protocol::Query,
            "CreateRole",
            "my+role",
        ),
        (
            "sts",
            "POST",
            "/",
            &[form],
            "Action=GetCallerIdentity&Version=2011-06-15",
            Protocol::Query,
            "GetCallerIdentity",
            "-",
        ),
        (
            "sts",
            "GET",
            "/?Action=GetCallerIdentity&Version=2011-06-15",
            &[],
            "",
            Protocol::Query,
            "GetCallerIdentity",
            "-",
        ),
        (
            "rds",
            "POST",
            "/",
            &[form],
            "Action=CopyDBSnapshot&SourceDBSnapshotIdentifier=arn&TargetDBSnapshotIdentifier=copy",
            Protocol::Query,
            "CopyDBSnapshot",
            "copy",
        ),
        (
            "rds",
            "POST",
            "/",
            &[form],
            "Action=DescribeDBInstances&DBInstanceIdentifier=db",
            Protocol::Query,
            "DescribeDBInstances",
            "db",
        ),
        (
            "monitoring",
            "POST",
            "/service/GraniteServiceVersion20100801/operation/GetMetricData",
            &[("smithy-protocol", "rpc-v2-cbor")],
            "",
            Protocol::Cbor,
            "GetMetricData",
            "-",
        ),
        (
            "lambda",
            "GET",
            "/2015-03-31/functions/copier",
            &[],
            "",
            Protocol::RestJson,
            "GET /2015-03-31/functions/copier",
            "/2015-03-31/functions/copier",
        ),
        (
            "cloudfront",
            "GET",
            "/2020-05-31/distribution",
            &[],
            "",
            Protocol::RestXml,
            "GET /2020-05-31/distribution",
            "/2020-05-31/distribution",
        ),
        (
            "route53",
            "POST",
            "/2013-04-01/hostedzone",
            &[],
            "",
            Protocol::RestXml,
            "POST /2013-04-01/hostedzone",
            "/2013-04-01/hostedzone",
        ),
    ];
    for (service, method, uri, headers, body, protocol, operation, resource) in rows {
        let authorization = signed(service, "us-east-1");
        let headers: Vec<_> = headers
            .iter()
            .copied()
            .chain([("authorization", authorization.as_str())])
            .collect();
        let call = call(method, uri, &headers, body);
        assert_eq!(
            (
                call.service.as_str(),
                call.operation.as_str(),
                call.resource.as_deref().unwrap_or("-"),
                call.protocol
            ),
            (*service, *operation, *resource, *protocol),
            "{method} {uri} {body}"
        );
        assert!(call.target.is_none());
    }
    let control = call(
        "GET",
        "/v20180820/jobs",
        &[("authorization", &signed("s3", "us-east-1"))],
        "",
    );
    assert_eq!(
        (control.service.as_str(), control.protocol),
        ("s3-control", Protocol::RestXml)
    );
}

#[test]
fn unsigned_requests_are_read_by_their_shape() {
    let row = |method, uri, headers: &[(&str, &str)], body| {
        let call = call(method, uri, headers, body);
        assert_eq!(call.region, None);
        format!("{} {}", call.service, call.operation)
    };
    assert_eq!(row("GET", "/b/k", &[], ""), "s3 GetObject");
    assert_eq!(
        row("GET", "/_ministack/health", &[], ""),
        "emulator GET /_ministack/health"
    );
    assert_eq!(
        row(
            "POST",
            "/",
            &[("x-amz-target", "DynamoDB_20120810.PutItem")],
            "{}"
        ),
        "dynamodb_20120810 PutItem"
    );
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(
        row("POST", "/", &form, "Action=AssumeRoleWithWebIdentity"),
        "unknown AssumeRoleWithWebIdentity"
    );
}
