//! Who is no client of AWS: pages in a browser, other processes, code in functions.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use local_aws::{Base, Execution, LocalAws};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::clients::{create_bucket, s3, start_or_return};

/// Sends a request as it is to a port of this machine; returns the whole answer.
pub(crate) async fn ask(address: &str, request: &str, headers: &[&str], body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let host = if headers.iter().any(|header| header.starts_with("host:")) {
        String::new()
    } else {
        format!("host: {address}\r\n")
    };
    let more: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    let length = body.len();
    let text = format!(
        "{request} HTTP/1.1\r\n{host}{more}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let mut answer = Vec::new();
    // Who refuses a request need not have read all of it.
    let written = stream.write_all(text.as_bytes()).await;
    let read = stream.read_to_end(&mut answer).await;
    assert!(
        written.and(read).is_ok() || text.len() > 100_000,
        "{request}"
    );
    String::from_utf8_lossy(&answer).to_lowercase()
}

/// The header that control pages want.
fn token(aws: &LocalAws) -> String {
    let environment = aws.environment();
    let token = environment
        .iter()
        .find(|(name, _)| *name == "LOCAL_AWS_TOKEN");
    format!("x-local-aws-token: {}", token.unwrap().1)
}

pub(crate) fn address(aws: &LocalAws) -> &str {
    aws.endpoint().trim_start_matches("http://")
}

#[tokio::test]
async fn requests_of_pages_and_of_names_that_lead_here_are_refused() {
    let aws = start_or_return!();
    for header in [
        "origin: http://evil.example",
        "origin: null",
        "sec-fetch-site: cross-site",
        "host: evil.example",
        "host: 127.0.0.1.evil.example:80",
    ] {
        for request in [
            "GET /",
            "PUT /bucket",
            "OPTIONS /bucket",
            "POST /2015-03-31/functions",
            "GET /_local-aws/status",
            "DELETE /_local-aws/log",
            "POST /_local-aws/stop",
        ] {
            let answer = ask(address(&aws), request, &[header], "").await;
            assert!(
                answer.starts_with("http/1.1 403 "),
                "{header} {request}: {answer}"
            );
            assert!(!answer.contains("access-control-"), "{answer}");
        }
    }
    assert_eq!(aws.log(), [], "nothing has reached AWS");
    for host in ["localhost", "bucket.s3.localhost:80", "[::1]"] {
        let host = format!("host: {host}");
        let headers = [host.as_str(), &token(&aws)];
        let answer = ask(address(&aws), "GET /_local-aws/status", &headers, "").await;
        assert!(answer.starts_with("http/1.1 200 "), "{host}: {answer}");
    }
}

/// The ports on which a process listens, from what Linux shows of it.
fn ports_of(process: u32) -> Vec<u16> {
    let mut sockets = Vec::new();
    let files = fs::read_dir(format!("/proc/{process}/fd"));
    for entry in files.into_iter().flatten().flatten() {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        let inode = target
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        sockets.extend(inode.map(str::to_owned));
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables = tables.map(|path| fs::read_to_string(path).unwrap_or_default());
    let port = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let listens = fields.get(3) == Some(&"0A");
        let inode = fields.get(9)?;
        let own = sockets.iter().any(|socket| socket == inode);
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        (listens && own).then(|| u16::from_str_radix(port, 16).ok())?
    };
    tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(port)
        .collect()
}

#[expect(clippy::print_stderr, reason = "the reason why a test is skipped")]
async fn emulator_answers_nobody_else(base: Base) {
    let aws = start_or_return!(base);
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    let ports = ports_of(aws.process_id().unwrap());
    if ports.is_empty() {
        eprintln!("skipped: this system does not show which ports a process has");
        return;
    }
    assert_eq!(ports.len(), 1, "it has one port only: {ports:?}");
    let port = ports[0];
    let emulator = format!("127.0.0.1:{port}");
    for headers in [&[][..], &["x-local-aws-secret: guessed"]] {
        for request in [
            "GET /",
            "GET /objects",
            "PUT /objects/k",
            "GET /_ministack/health",
            "GET /_localstack/health",
        ] {
            let answer = ask(&emulator, request, headers, "").await;
            assert!(answer.starts_with("http/1.1 403 "), "{request}: {answer}");
        }
    }
    let list = client
        .list_objects_v2()
        .bucket("objects")
        .send()
        .await
        .unwrap();
    assert!(list.contents().is_empty());
    // What it would tell pages does not get through.
    let scope =
        "authorization: AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/s3/aws4_request";
    let answer = ask(address(&aws), "GET /objects", &[scope], "").await;
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
    assert!(!answer.contains("access-control-"), "{answer}");
}

#[tokio::test]
async fn emulator_answers_nobody_else_with_ministack() {
    emulator_answers_nobody_else(Base::Ministack).await;
}

#[tokio::test]
async fn emulator_answers_nobody_else_with_moto() {
    emulator_answers_nobody_else(Base::Moto).await;
}

#[tokio::test]
async fn emulator_answers_nobody_else_with_localstack() {
    emulator_answers_nobody_else(Base::Localstack).await;
}

/// `f.py`: `def h(event, context): return "it ran"`, as a ZIP file in Base64.
pub(crate) const CODE: &str = "UEsDBBQAAAAAAAAAIQA9UoVEKwAAACsAAAAEAAAAZi5weWRlZiBoKGV2ZW50LCBjb250ZXh0KToKICAgIHJldHVybiAiaXQgcmFuIgpQSwECFAMUAAAAAAAAACEAPVKFRCsAAAArAAAABAAAAAAAAAAAAAAApAEAAAAAZi5weVBLBQYAAAAAAQABADIAAABNAAAAAAA=";

/// What an invocation of a new function answers.
async fn invoked(aws: &LocalAws) -> String {
    let scope =
        "authorization: AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/lambda/aws4_request";
    let create = serde_json::json!({
        "FunctionName": "f", "Runtime": "python3.12", "Handler": "f.h", "Code": { "ZipFile": CODE },
        "Role": "arn:aws:iam::000000000000:role/f",
    });
    let functions = "POST /2015-03-31/functions";
    let made = ask(address(aws), functions, &[scope], &create.to_string()).await;
    assert!(made.starts_with("http/1.1 201 "), "{made}");
    let invoke = format!("{functions}/f/invocations");
    ask(address(aws), &invoke, &[scope], "{}").await
}

#[tokio::test]
async fn code_of_functions_runs_only_where_it_is_asked_for() {
    let aws = start_or_return!();
    let answer = invoked(&aws).await;
    assert!(!answer.contains("it ran"), "{answer}");
    assert!(
        answer.contains("--allow-execution lambda"),
        "it is said why: {answer}"
    );
    aws.stop().await;

    let allowing = |of| LocalAws::builder().allow_execution(of);
    for (of, runs) in [(Execution::Glue, false), (Execution::Lambda, true)] {
        let Some(aws) = allowing(of).start_or_skip().await.unwrap() else {
            return;
        };
        let answer = invoked(&aws).await;
        assert_eq!(answer.contains("it ran"), runs, "{of}: {answer}");
        aws.stop().await;
    }
    for base in [
        Base::Moto,
        Base::Localstack,
        Base::Url("http://127.0.0.1:1".into()),
    ] {
        let refused = allowing(Execution::Lambda).base(base.clone()).start().await;
        let error = refused.unwrap_err().to_string();
        let expected =
            format!("have {base} run the code of lambda: only ministack and docker do that");
        assert_eq!(error, expected);
    }
    assert_eq!("lambda".parse::<Execution>().unwrap(), Execution::Lambda);
    let unknown = "ecs".parse::<Execution>().unwrap_err().to_string();
    assert_eq!(
        unknown,
        "\"ecs\" runs no code here: those that can are lambda and glue"
    );
}

#[tokio::test]
async fn control_pages_want_the_token() {
    let aws = start_or_return!();
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    aws.clear_log();
    let control = aws.control();
    let token = token(&aws).split_off("x-local-aws-token: ".len());
    for given in [
        "",
        "x-local-aws-token: ",
        "x-local-aws-token: 00000000000000000000000000000000",
    ] {
        let headers: Vec<&str> = [given]
            .into_iter()
            .filter(|given| !given.is_empty())
            .collect();
        for request in [
            "GET /_local-aws/status",
            "GET /_local-aws/log",
            "PUT /_local-aws/regions/us-east-1",
            "POST /_local-aws/stop",
            "POST /_ministack/reset",
            "GET /_ministack/state",
            "POST /_aws/cloudwatch",
            "POST /moto-api/reset",
            "GET /_localstack/health",
        ] {
            let answer = ask(address(&aws), request, &headers, "").await;
            assert!(
                answer.starts_with("http/1.1 403 "),
                "{given} {request}: {answer}"
            );
            assert!(
                answer.contains("local_aws_token") && !answer.contains(&token),
                "{answer}"
            );
        }
    }
    assert_eq!(aws.log(), []);
    client.head_bucket().bucket("objects").send().await.unwrap();
    assert_eq!(aws.log().len(), 1);
    control.status().await.unwrap();
    let wrong = local_aws::Control::new(aws.endpoint(), "wrong")
        .status()
        .await;
    let error = wrong.unwrap_err().to_string();
    assert!(
        error.contains("LOCAL_AWS_TOKEN") && error.contains("(403)"),
        "{error}"
    );
    assert!(!format!("{aws:?}{control:?}").contains(&token));
}

/// Emulators decode a path before they look at it, merge its slashes, or take its first part for a host.
async fn control_pages_want_the_token_however_they_are_written(base: Base, pages: &[&str]) {
    let aws = start_or_return!(base);
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "objects").await;
    aws.clear_log();
    let own = ["POST /%5flocal-aws/stop", "GET //_local-aws/status"];
    let mut open = Vec::new();
    for request in own.iter().chain(pages) {
        let answer = ask(address(&aws), request, &[], "{}").await;
        if !(answer.starts_with("http/1.1 403 ") && answer.contains("local_aws_token")) {
            open.push((
                *request,
                answer.lines().next().unwrap_or_default().to_owned(),
            ));
        }
    }
    assert_eq!(open, []);
    assert_eq!(aws.log(), [], "nothing has reached AWS");
    // What is in a bucket is an object, whatever it is called.
    for key in [
        "/moto-api/reset",
        "moto-api/reset",
        "/_ministack/reset",
        "_localstack/health",
        "%5Fministack/reset",
        "a/b/%2e%2e/_c",
    ] {
        let object = client.put_object().bucket("objects").key(key);
        object.body(Vec::from(key).into()).send().await.unwrap();
        let object = client.get_object().bucket("objects").key(key).send().await;
        let body = object.unwrap().body.collect().await.unwrap();
        assert_eq!(body.into_bytes(), key);
    }
}

#[tokio::test]
async fn control_pages_want_the_token_however_they_are_written_with_ministack() {
    let pages = [
        "POST /%5fministack/reset",
        "POST /%5Fministack/config",
        "GET /%5Flocalstack/health",
        "GET /%255fministack/health",
        "GET //_ministack/health",
        "GET /.//_ministack/health",
        "GET /_ministack/lambda-code/../../objects",
    ];
    control_pages_want_the_token_however_they_are_written(Base::Ministack, &pages).await;
}

#[tokio::test]
async fn control_pages_want_the_token_however_they_are_written_with_moto() {
    let pages = [
        "POST /moto%2Dapi/reset",
        "POST //moto-api/reset",
        "POST ///moto-api/reset",
        "POST /%6doto-api/recorder/start-recording",
        "GET /%6Doto-api/recorder/download-recording",
        "GET /moto%2Dapi/data.json",
        "GET /%2Fmoto-api/data.json",
        "GET /objects/../moto-api/data.json",
        "GET /Moto-API/data.json",
    ];
    control_pages_want_the_token_however_they_are_written(Base::Moto, &pages).await;
}

#[tokio::test]
async fn control_pages_want_the_token_however_they_are_written_with_localstack() {
    let pages = [
        "POST //_localstack/health",
        "GET //_localstack/info",
        "GET /%5flocalstack/info",
        "GET /%2F_localstack/info",
    ];
    control_pages_want_the_token_however_they_are_written(Base::Localstack, &pages).await;
}

/// ministack has its page about itself at a path that a bucket of AWS can have.
#[tokio::test]
async fn bucket_called_health_is_a_bucket() {
    let aws = start_or_return!();
    let answer = ask(address(&aws), "GET /health", &[], "").await;
    assert!(answer.starts_with("http/1.1 404 "), "{answer}");
    let client = s3(&aws, "us-east-1");
    create_bucket(&client, "us-east-1", "health").await;
    let list = client.list_objects_v2().bucket("health").send().await;
    assert_eq!(list.unwrap().name(), Some("health"));
}

/// moto would write requests with their keys and bodies to a file.
#[tokio::test]
async fn nobody_records_requests() {
    let aws = start_or_return!(Base::Moto);
    let token = token(&aws);
    let page = |name| format!("POST /moto-api/recorder/{name}-recording");
    for name in ["reset", "start", "upload", "download", "replay", "stop"] {
        let answer = ask(address(&aws), &page(name), &[&token], "").await;
        assert!(answer.starts_with("http/1.1 404 "), "{name}: {answer}");
    }
    let answer = ask(address(&aws), "GET /moto-api/data.json", &[&token], "").await;
    assert!(answer.starts_with("http/1.1 200 "), "{answer}");
}

#[expect(clippy::print_stderr, reason = "the reason why a test is skipped")]
async fn emulator_is_in_a_folder_of_its_own(base: Base) {
    let aws = start_or_return!(base);
    let process = aws.process_id().unwrap();
    let Ok(folder) = fs::read_link(format!("/proc/{process}/cwd")) else {
        eprintln!("skipped: this system does not show in which folder a process is");
        return;
    };
    assert_ne!(folder, std::env::current_dir().unwrap());
    let mode = fs::metadata(&folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    assert!(status.contains("\nUmask:\t0077\n"), "{status}");
    aws.stop().await;
    assert!(!folder.exists(), "{} is left", folder.display());
}

#[tokio::test]
async fn emulator_is_in_a_folder_of_its_own_with_ministack() {
    emulator_is_in_a_folder_of_its_own(Base::Ministack).await;
}

#[tokio::test]
async fn emulator_is_in_a_folder_of_its_own_with_moto() {
    emulator_is_in_a_folder_of_its_own(Base::Moto).await;
}

#[tokio::test]
async fn emulator_is_in_a_folder_of_its_own_with_localstack() {
    emulator_is_in_a_folder_of_its_own(Base::Localstack).await;
}

/// Regions become names of folders and parts of commands where RDS has real servers.
#[tokio::test]
async fn requests_for_regions_that_cannot_be_are_refused() {
    let aws = start_or_return!();
    let create = "Action=CreateDBInstance&DBInstanceIdentifier=app&Engine=postgres&DBInstanceClass=db.t3.micro\
                  &AllocatedStorage=20&MasterUsername=app&MasterUserPassword=not-a-secret";
    let form = "content-type: application/x-www-form-urlencoded";
    for region in [
        "..",
        "$(touch x)",
        "a\"b",
        "us-east-1;id",
        "us_east_1",
        "%1b[2J",
    ] {
        let scope = format!(
            "authorization: AWS4-HMAC-SHA256 Credential=test/20261122/{region}/rds/aws4_request"
        );
        let answer = ask(address(&aws), "POST /", &[&scope, form], create).await;
        // A blank or a comma ends the credential: there is no region then, and RDS is not asked.
        let refused = answer.starts_with("http/1.1 400 ") && answer.contains("incompletesignature");
        assert!(refused || region.contains(' '), "{region}: {answer}");
        let query = region
            .replace('%', "%25")
            .replace(' ', "%20")
            .replace('"', "%22");
        let query = format!("X-Amz-Credential=test%2F20261122%2F{query}%2Frds%2Faws4_request");
        let answer = ask(address(&aws), &format!("POST /?{query}"), &[form], create).await;
        assert!(answer.starts_with("http/1.1 400 "), "{region}: {answer}");
    }
    let status = aws.control().rds().await.unwrap();
    assert_eq!(status.instances, 0);
}

#[tokio::test]
async fn requests_larger_than_any_client_sends_are_refused() {
    let aws = start_or_return!();
    let token = token(&aws);
    let long = format!("x-long: {}", "a".repeat(1 << 20));
    let answer = ask(address(&aws), "GET /objects", &[&long], "").await;
    assert!(
        answer.starts_with("http/1.1 431 ") || answer.is_empty(),
        "{answer}"
    );
    let many: Vec<String> = (0..1000).map(|number| format!("x-{number}: a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = ask(address(&aws), "GET /objects", &many, "").await;
    assert!(
        answer.starts_with("http/1.1 431 ") || answer.is_empty(),
        "{answer}"
    );
    let deep = format!("GET /objects{}", "/..".repeat(20_000));
    let answer = ask(address(&aws), &deep, &[], "").await;
    assert!(answer.starts_with("http/1.1 4"), "{}", &answer[..40]);
    let body = "[".repeat(1 << 20);
    for path in ["POST /_local-aws/stop", "POST /_local-aws/faults"] {
        let answer = ask(address(&aws), path, &[&token], &body).await;
        assert!(answer.starts_with("http/1.1 413 "), "{path}: {answer}");
    }
    // It is still there.
    s3(&aws, "us-east-1").list_buckets().send().await.unwrap();
}
