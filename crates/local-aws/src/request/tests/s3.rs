//! S3 operations, as its API model has them.

use super::*;

/// Method, target, operation, resource, and a header where it matters, two spaces apart.
const OPERATIONS: &str = "
    GET      /                                 ListBuckets                                   -
    GET      /?x-id=ListBuckets                ListBuckets                                   -
    HEAD     /b                                HeadBucket                                    b
    HEAD     /b/                               HeadBucket                                    b
    PUT      /b                                CreateBucket                                  b
    PUT      /b/                               CreateBucket                                  b
    DELETE   /b                                DeleteBucket                                  b
    GET      /b                                ListObjects                                   b
    GET      /b?prefix=x&delimiter=/           ListObjects                                   b
    GET      /b?list-type=2&prefix=acl         ListObjectsV2                                 b
    GET      /b/?list-type=2                   ListObjectsV2                                 b
    GET      /b?versions                       ListObjectVersions                            b
    GET      /b?versions=&prefix=a             ListObjectVersions                            b
    GET      /b?uploads                        ListMultipartUploads                          b
    GET      /b?location                       GetBucketLocation                             b
    GET      /b?versioning                     GetBucketVersioning                           b
    PUT      /b?versioning                     PutBucketVersioning                           b
    GET      /b?encryption                     GetBucketEncryption                           b
    PUT      /b?encryption                     PutBucketEncryption                           b
    DELETE   /b?encryption                     DeleteBucketEncryption                        b
    GET      /b?publicAccessBlock              GetPublicAccessBlock                          b
    PUT      /b?publicAccessBlock              PutPublicAccessBlock                          b
    DELETE   /b?publicAccessBlock              DeletePublicAccessBlock                       b
    GET      /b?ownershipControls              GetBucketOwnershipControls                    b
    PUT      /b?ownershipControls              PutBucketOwnershipControls                    b
    GET      /b?policy                         GetBucketPolicy                               b
    PUT      /b?policy                         PutBucketPolicy                               b
    DELETE   /b?policy                         DeleteBucketPolicy                            b
    GET      /b?policyStatus                   GetBucketPolicyStatus                         b
    GET      /b?lifecycle                      GetBucketLifecycleConfiguration               b
    PUT      /b?lifecycle                      PutBucketLifecycleConfiguration               b
    DELETE   /b?lifecycle                      DeleteBucketLifecycle                         b
    GET      /b?replication                    GetBucketReplication                          b
    PUT      /b?replication                    PutBucketReplication                          b
    DELETE   /b?replication                    DeleteBucketReplication                       b
    GET      /b?tagging                        GetBucketTagging                              b
    PUT      /b?tagging                        PutBucketTagging                              b
    DELETE   /b?tagging                        DeleteBucketTagging                           b
    GET      /b?acl                            GetBucketAcl                                  b
    GET      /b?cors                           GetBucketCors                                 b
    GET      /b?website                        GetBucketWebsite                              b
    GET      /b?logging                        GetBucketLogging                              b
    GET      /b?notification                   GetBucketNotificationConfiguration            b
    PUT      /b?notification                   PutBucketNotificationConfiguration            b
    GET      /b?object-lock                    GetObjectLockConfiguration                    b
    PUT      /b?object-lock                    PutObjectLockConfiguration                    b
    GET      /b?requestPayment                 GetBucketRequestPayment                       b
    GET      /b?accelerate                     GetBucketAccelerateConfiguration              b
    GET      /b?metrics&id=all                 GetBucketMetricsConfiguration                 b
    GET      /b?metrics                        ListBucketMetricsConfigurations               b
    PUT      /b?metrics&id=all                 PutBucketMetricsConfiguration                 b
    DELETE   /b?metrics&id=all                 DeleteBucketMetricsConfiguration              b
    GET      /b?inventory                      ListBucketInventoryConfigurations             b
    GET      /b?analytics&id=x                 GetBucketAnalyticsConfiguration               b
    GET      /b?intelligent-tiering            ListBucketIntelligentTieringConfigurations    b
    GET      /b?session                        CreateSession                                 b
    POST     /b?delete                         DeleteObjects                                 b
    POST     /b                                PostObject                                    b    form
    OPTIONS  /b/k                              Options                                       b/k
    PUT      /b/k?x-id=PutObject               PutObject                                     b/k
    PUT      /b/deep/er/k                      PutObject                                     b/deep/er/k
    PUT      /b//k                             PutObject                                     b//k
    PUT      /b/k                              CopyObject                                    b/k    copy
    GET      /b/k?x-id=GetObject               GetObject                                     b/k
    GET      /b/k?versionId=v                  GetObject                                     b/k
    GET      /b/k?partNumber=1                 GetObject                                     b/k
    HEAD     /b/k                              HeadObject                                    b/k
    DELETE   /b/k?versionId=v                  DeleteObject                                  b/k
    GET      /b/k?attributes                   GetObjectAttributes                           b/k
    GET      /b/k?tagging                      GetObjectTagging                              b/k
    PUT      /b/k?tagging                      PutObjectTagging                              b/k
    DELETE   /b/k?tagging                      DeleteObjectTagging                           b/k
    GET      /b/k?acl                          GetObjectAcl                                  b/k
    PUT      /b/k?retention                    PutObjectRetention                            b/k
    GET      /b/k?legal-hold                   GetObjectLegalHold                            b/k
    POST     /b/k?uploads                      CreateMultipartUpload                         b/k
    PUT      /b/k?partNumber=1&uploadId=u      UploadPart                                    b/k
    PUT      /b/k?partNumber=1&uploadId=u      UploadPartCopy                                b/k    copy
    GET      /b/k?uploadId=u                   ListParts                                     b/k
    POST     /b/k?uploadId=u                   CompleteMultipartUpload                       b/k
    DELETE   /b/k?uploadId=u                   AbortMultipartUpload                          b/k
    POST     /b/k?restore                      RestoreObject                                 b/k
    POST     /b/k?select&select-type=2         SelectObjectContent                           b/k
    GET      /b/caf%C3%A9%20%2B%25             GetObject                                     b/café +%
    GET      /k                                GetObject                                     b/k    host=b.s3.ca-central-1.amazonaws.com
    GET      /?list-type=2                     ListObjectsV2                                 b.with.dots    host=b.with.dots.s3.localhost:4566
    GET      /b/k                              GetObject                                     b/k    host=127.0.0.1:4566
    GET      /                                 ListBuckets                                   -    host=s3.ca-central-1.amazonaws.com
";

#[test]
fn s3_operations() {
    let authorization = signed("s3", "ca-central-1");
    let mut seen = 0;
    for row in OPERATIONS.lines().filter(|row| !row.is_empty()) {
        let columns: Vec<&str> = row
            .split("  ")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        let (&[method, uri, operation, resource], more) = columns.split_first_chunk().unwrap();
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(more.iter().map(|more| match *more {
            "copy" => ("x-amz-copy-source", "/from/key"),
            "form" => ("content-type", "multipart/form-data; boundary=x"),
            host => host.split_once('=').unwrap(),
        }));
        let call = call(method, uri, &headers, "");
        let found = (
            call.operation.as_str(),
            call.resource.as_deref().unwrap_or("-"),
        );
        assert_eq!(found, (operation, resource), "{row}");
        assert_eq!(
            (call.service.as_str(), call.region.as_deref()),
            ("s3", Some("ca-central-1"))
        );
        assert_eq!(call.protocol, Protocol::S3);
        seen += 1;
    }
    assert_eq!(seen, 88);
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
fn expected_owners_are_read_where_the_operation_has_them() {
    let owners = [
        ("x-amz-expected-bucket-owner", "111122223333"),
        ("x-amz-source-expected-bucket-owner", "444455556666"),
        ("x-amz-copy-source", "from/key"),
    ];
    for (method, uri, headers, expected, source) in [
        (
            "PUT",
            "/b/k",
            &owners[..],
            Some("111122223333"),
            Some("444455556666"),
        ),
        ("PUT", "/b/k", &owners[..2], Some("111122223333"), None),
        ("HEAD", "/b", &owners[..1], Some("111122223333"), None),
        ("PUT", "/b", &owners[..1], None, None),
        ("GET", "/", &owners[..1], None, None),
        ("GET", "/b?session", &owners[..1], None, None),
        (
            "GET",
            "/b/k?x-amz-expected-bucket-owner=111122223333",
            &[],
            Some("111122223333"),
            None,
        ),
    ] {
        let call = call(method, uri, headers, "");
        assert_eq!(call.expected_owner.as_deref(), expected, "{method} {uri}");
        assert_eq!(
            call.expected_source_owner.as_deref(),
            source,
            "{method} {uri}"
        );
    }
}
