//! `sync --engine batch` against an S3 Control that takes jobs and does them: no emulator has one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use crate::inventory::stored;
use crate::stage::{FROM, JOURNALS, PRIMARY, Stage, TO};

const ROLE: &str = "arn:aws:iam::123456789012:role/batch";

/// Answers as a proxy, since S3 Control puts the account in front of its host.
struct Control {
    address: String,
    /// Method, path and body of each request.
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Control {
    /// `statuses` are what DescribeJob answers, the last one for ever.
    fn open(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let shared = seen.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut described = 0;
            let mut description = String::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (line, body) = request(&mut stream);
                let described_as = |body: &str| {
                    let (_, rest) = body.split_once("<Description>")?;
                    Some(rest.split_once("</Description>")?.0.to_owned())
                };
                if let Some(text) = described_as(&body) {
                    description = text;
                }
                let answer = if line.starts_with("POST") {
                    "<CreateJobResult><JobId>job-1</JobId></CreateJobResult>".to_owned()
                } else {
                    let status = statuses[described.min(statuses.len() - 1)];
                    described += 1;
                    format!(
                        "<DescribeJobResult><Job><JobId>job-1</JobId><Status>{status}</Status>\
                         <Description>{description}</Description><ProgressSummary>\
                         <TotalNumberOfTasks>2</TotalNumberOfTasks>\
                         <NumberOfTasksSucceeded>2</NumberOfTasksSucceeded>\
                         <NumberOfTasksFailed>0</NumberOfTasksFailed></ProgressSummary></Job></DescribeJobResult>"
                    )
                };
                shared.lock().unwrap().push((line, body));
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    answer.len()
                );
                stream.write_all((head + &answer).as_bytes()).unwrap();
            }
        });
        Self { address, seen }
    }

    fn run(&self, stage: &Stage, arguments: &[&str]) -> Output {
        let mut command = stage.command(&[arguments, &["--output", "json"]].concat());
        command
            .env("AWS_ENDPOINT_URL_S3_CONTROL", "http://s3control.test")
            .env("HTTP_PROXY", format!("http://{}", self.address))
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap()
    }

    fn requests(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}

fn request(stream: &mut TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first, String::from_utf8(body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_by_a_job_is_planned_confirmed_made_followed_and_found_again() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b"]).await;
    let control = Control::open(&["Active", "Suspended", "Suspended", "Suspended", "Complete"]);
    let sync = ["sync", "--bucket", FROM, "--engine", "batch"];
    let output = control.run(&stage, &sync);
    assert_eq!(output.status.code(), Some(2), "without a role: {output:?}");
    let role = ["--role-arn", ROLE];
    let output = control.run(&stage, &[&sync[..], &role, &["--delete", "--yes"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = control.run(&stage, &[&sync[..], &["--role-arn", "batch"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    let dry = [&sync[..], &role, &["--dry-run"]].concat();
    let output = control.run(&stage, &dry);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["batch"]["jobs"][0]["class"], "STANDARD");
    assert_eq!(found["batch"]["jobs"][0]["objects"], 2);
    let output = control.run(&stage, &[&sync[..], &role].concat());
    assert_eq!(output.status.code(), Some(4), "nobody confirms: {output:?}");
    assert_eq!(control.requests(), []);

    // No time to follow: it runs on.
    let yes = [&sync[..], &role, &["--yes", "--wait", "0"]].concat();
    let output = control.run(&stage, &yes);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("follow them again with `dr-replicate sync --job job-1`"),
        "{text}"
    );
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["jobs"][0]["status"], "Active");
    let (line, body) = control.requests().remove(0);
    assert!(
        line.contains("000000000000.s3control.test/v20180820/jobs"),
        "{line}"
    );
    for part in [
        "<ConfirmationRequired>false</ConfirmationRequired>",
        &format!("<TargetResource>arn:aws:s3:::{TO}</TargetResource>"),
        &format!("<RoleArn>{ROLE}</RoleArn>"),
        "<Format>S3BatchOperations_CSV_20180820</Format>",
        "<member>Bucket</member><member>Key</member>",
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    let run = found["run"].as_str().unwrap();
    let key = format!(".dr-journal/{run}/batch-0.csv");
    let manifest = stage.to.s3.get_object().bucket(JOURNALS).key(&key);
    let manifest = manifest.send().await.unwrap().body.collect().await.unwrap();
    let rows = format!("{FROM},a\n{FROM},b\n");
    assert_eq!(manifest.to_vec(), rows.as_bytes());

    // What is put back while the job goes on would be overwritten again.
    let undo = ["undo", run, "--bucket", FROM, "--yes"];
    let output = control.run(&stage, &undo);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("job-1 is Suspended"), "{text}");
    assert!(text.contains("sync --job job-1"), "{text}");
    // Nor is its journal removed, however old it is.
    let prune = ["runs", "prune", "--older-than", "0s", "--yes"];
    let output = control.run(&stage, &prune);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let pruned: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(pruned["remove"], serde_json::json!([]));
    assert_eq!(pruned["kept"][0]["run"], run);
    assert_eq!(pruned["kept"][0]["why"], "job job-1 is Suspended");

    let again = ["sync", "--bucket", FROM, "--job", "job-1", "--wait", "0"];
    let output = control.run(&stage, &again);
    assert_eq!(output.status.code(), Some(3), "it waits: {output:?}");
    let output = control.run(&stage, &again);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let jobs: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(jobs["items"][0]["succeeded"], 2);
    assert_eq!(jobs["items"][0]["run"], run);
    // What it did is looked for, and nothing of it is in the destination.
    let text = String::from_utf8_lossy(&output.stderr);
    let note = format!("0 copies of run {run} are known for the same");
    assert!(text.contains(&note), "{text}");
    // The job copied nothing here, and `undo` tells that from the versions.
    let output = control.run(&stage, &undo);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let undone: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(undone["nothing"]["objects"], 2, "{undone}");
    let output = control.run(&stage, &prune);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let pruned: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(pruned["kept"], serde_json::json!([]));
    let mut removed = pruned["remove"].as_array().unwrap().iter();
    assert!(removed.any(|entry| entry["run"] == run), "{pruned}");
}

/// An inventory of the source in a bucket of its own, as S3 publishes it; the URL of its manifest.
async fn publish(stage: &Stage, name: &str, keys: &[&str]) -> String {
    let row =
        |key: &&str| format!("\"{FROM}\",\"{key}\",\"1\",\"2026-11-01T00:00:00.000Z\",\"x\"\n");
    let rows: String = keys.iter().map(row).collect();
    let s3 = &stage.from.s3;
    let put = async |key: &str, body: Vec<u8>| {
        let put = s3.put_object().bucket("inventory").key(key);
        let etag = put.body(body.into()).send().await.unwrap().e_tag.unwrap();
        etag.trim_matches('"').to_owned()
    };
    let data = format!("{FROM}/{name}/data/1.csv.gz");
    // The ETag of an object in one piece is its MD5.
    let md5 = put(&data, stored(rows.as_bytes())).await;
    let manifest = serde_json::json!({
        "sourceBucket": FROM,
        "destinationBucket": "arn:aws:s3:::inventory",
        "version": "2016-11-30",
        "creationTimestamp": "1795132800000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag",
        "files": [{"key": data, "size": 1, "MD5checksum": md5}],
    });
    let key = format!("{FROM}/{name}/2026-11-20T00-00Z/manifest.json");
    put(&key, manifest.to_string().into_bytes()).await;
    format!("s3://inventory/{key}")
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_by_an_inventory_makes_a_job_of_its_rows_and_names_what_it_lacks() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b"]).await;
    let location = CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::from(PRIMARY))
        .build();
    let create = stage.from.s3.create_bucket().bucket("inventory");
    let create = create.create_bucket_configuration(location);
    create.send().await.unwrap();
    let inventory = publish(&stage, "daily", &["a", "b"]).await;
    let other = publish(&stage, "other", &["a", "b", "gone"]).await;
    stage.put(&stage.from, FROM, &["later"]).await;
    let control = Control::open(&["Complete"]);
    let sync = ["sync", "--bucket", FROM, "--yes", "--inventory"];
    let output = control.run(&stage, &[&sync[..], &[&inventory]].concat());
    assert_eq!(output.status.code(), Some(2), "no job: {output:?}");
    let by_job = ["--engine", "batch", "--role-arn", ROLE];
    // A job copies whatever its manifest lists.
    let output = control.run(&stage, &[&sync[..], &[&other], &by_job].concat());
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("lists \"gone\", which the plan does not copy"),
        "{text}"
    );
    assert!(text.contains("leave --inventory out"), "{text}");
    assert_eq!(control.requests(), []);

    let output = control.run(&stage, &[&sync[..], &[&inventory], &by_job].concat());
    assert_eq!(output.status.code(), Some(1), "one is left: {output:?}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["jobs"][0]["status"], "Complete", "{found}");
    assert_eq!(found["batch"]["jobs"][0]["objects"], 2);
    let left = &found["batch"]["left"];
    assert_eq!(left["objects"], 1, "{found}");
    assert_eq!(left["examples"][0]["key"], "later");
    let run = found["run"].as_str().unwrap();
    let (_, body) = control.requests().remove(0);
    let folder = format!(".dr-journal/{run}/inventory/");
    for part in [
        "<Format>S3InventoryReport_CSV_20161130</Format>",
        &format!("<ObjectArn>arn:aws:s3:::{JOURNALS}/{folder}manifest.json</ObjectArn>"),
        &format!("<TargetResource>arn:aws:s3:::{TO}</TargetResource>"),
    ] {
        assert!(body.contains(part), "{part}: {body}");
    }
    assert!(!body.contains("<Fields>"), "{body}");
    // The manifest and its rows lie where the job runs.
    let get = async |key: &str| {
        let object = stage.to.s3.get_object().bucket(JOURNALS).key(key).send();
        object.await.unwrap().body.collect().await.unwrap().to_vec()
    };
    let manifest = get(&format!("{folder}manifest.json")).await;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let journals = format!("arn:aws:s3:::{JOURNALS}");
    assert_eq!(manifest["destinationBucket"], journals.as_str());
    let rows = get(manifest["files"][0]["key"].as_str().unwrap()).await;
    let rows = String::from_utf8_lossy(&rows);
    assert!(rows.contains("\"a\"") && rows.contains("\"b\""), "{rows}");
}
