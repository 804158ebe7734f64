use http::Request;

use super::*;

mod s3;

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

/// Service, protocol, request line, header, body, operation, resource; two spaces apart, `-` for none.
const OTHERS: &str = r#"
    dynamodb        Json      POST /  x-amz-target=DynamoDB_20120810.PutItem         {"Item":{},"TableName":"locks"}  PutItem  locks
    dynamodb        Json      POST /  x-amz-target=DynamoDB_20120810.BatchWriteItem  {"RequestItems":{"a":[],"b":[]}}  BatchWriteItem  a,b
    dynamodb        Json      POST /  x-amz-target=DynamoDB_20120810.TransactWriteItems  {"TransactItems":[{"Put":{"TableName":"a"}},{"Put":{"TableName":"a"}},{"Delete":{"TableName":"b"}}]}  TransactWriteItems  a,b
    dynamodb        Json      POST /  x-amz-target=DynamoDB_20120810.TagResource     {"ResourceArn":"arn:aws:dynamodb:::table/t","Tags":[]}  TagResource  arn:aws:dynamodb:::table/t
    dynamodb        Json      POST /  x-amz-target=DynamoDB_20120810.ListTables      {}  ListTables  -
    dynamodb        Json      POST /  x-amz-target=DynamoDB_20120810.ListTables      not-json  ListTables  -
    kms             Json      POST /  x-amz-target=TrentService.DescribeKey          {"KeyId":"alias/aws/s3"}  DescribeKey  alias/aws/s3
    secretsmanager  Json      POST /  x-amz-target=secretsmanager.GetSecretValue     {"SecretId":"db"}  GetSecretValue  db
    logs            Json      POST /  x-amz-target=Logs_20140328.CreateLogGroup      {"logGroupName":"/app"}  CreateLogGroup  /app
    iam             Query     POST /  form  Action=PutRolePolicy&Version=2010-05-08&PolicyName=p&RoleName=r  PutRolePolicy  r
    iam             Query     POST /  form  Action=CreateRole&Version=2010-05-08&RoleName=my%2Brole&AssumeRolePolicyDocument=%7B%7D  CreateRole  my+role
    sts             Query     POST /  form  Action=GetCallerIdentity&Version=2011-06-15  GetCallerIdentity  -
    sts             Query     GET /?Action=GetCallerIdentity&Version=2011-06-15  -  -  GetCallerIdentity  -
    rds             Query     POST /  form  Action=CopyDBSnapshot&SourceDBSnapshotIdentifier=arn&TargetDBSnapshotIdentifier=copy  CopyDBSnapshot  copy
    rds             Query     POST /  form  Action=DescribeDBInstances&DBInstanceIdentifier=db  DescribeDBInstances  db
    monitoring      Cbor      POST /service/GraniteServiceVersion20100801/operation/GetMetricData  smithy-protocol=rpc-v2-cbor  -  GetMetricData  -
    lambda          RestJson  GET /2015-03-31/functions/copier    -  -  GET /2015-03-31/functions/copier    /2015-03-31/functions/copier
    cloudfront      RestXml   GET /2020-05-31/distribution        -  -  GET /2020-05-31/distribution        /2020-05-31/distribution
    route53         RestXml   POST /2013-04-01/hostedzone         -  -  POST /2013-04-01/hostedzone         /2013-04-01/hostedzone
"#;

#[test]
fn operations_of_other_services() {
    let mut seen = 0;
    for row in OTHERS.lines().filter(|row| !row.is_empty()) {
        let columns: Vec<&str> = row
            .split("  ")
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        let &[service, protocol, line, header, body, operation, resource] = &columns[..] else {
            panic!("{row}")
        };
        let (method, uri) = line.split_once(' ').unwrap();
        let authorization = signed(service, "us-east-1");
        let mut headers = vec![("authorization", authorization.as_str())];
        headers.extend(match header {
            "-" => None,
            "form" => Some((
                "content-type",
                "application/x-www-form-urlencoded; charset=utf-8",
            )),
            header => header.split_once('='),
        });
        let call = call(method, uri, &headers, body);
        let found = (
            call.service.as_str(),
            call.operation.as_str(),
            call.resource.as_deref().unwrap_or("-"),
        );
        assert_eq!(found, (service, operation, resource), "{row}");
        assert_eq!(format!("{:?}", call.protocol), protocol, "{row}");
        assert!(call.target.is_none());
        seen += 1;
    }
    assert_eq!(seen, 19);
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
