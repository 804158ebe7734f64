//! Ctrl-C and kill -9, in the middle of a run.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use local_aws::{Base, Fault, FaultKind};
use serde_json::Value;

use crate::stage::{FROM, Stage, TO};

const SYNC: [&str; 6] = ["sync", "--bucket", FROM, "--yes", "--output", "json"];

fn start(stage: &Stage) -> Child {
    let mut command = stage.command(&SYNC);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
}

fn latency(stage: &Stage, operation: &str, milliseconds: u64) {
    let kind = FaultKind::Latency(Duration::from_millis(milliseconds));
    stage.aws.add_fault(Fault::new(kind).operation(operation));
}

fn read(output: &Output) -> (Value, String) {
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    (json, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_at_the_first_ctrl_c_ends_what_is_under_way_and_reports() {
    let stage = stage!();
    let keys: Vec<String> = (0..60).map(|n| format!("k{n:02}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    stage.put(&stage.from, FROM, &keys).await;
    latency(&stage, "CopyObject", 100);
    let mut child = start(&stage);
    stage.until("CopyObject", 1, &mut child).await;
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let (done, stderr) = read(&output);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(stderr.contains("finishing what is under way"), "{stderr}");
    let copied = done["done"]["copied"]["objects"].as_u64().unwrap();
    assert!((1..60).contains(&copied), "{done}");
    assert_eq!(done["done"]["interrupted"], true);
    // What it reports is what is there: nothing was cut off.
    assert_eq!(stage.keys().await.len() as u64, copied);
    stage.aws.clear_faults();
    let done = stage.json(0, &SYNC[..4]);
    assert_eq!(done["done"]["copied"]["objects"], 60 - copied);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_at_the_first_ctrl_c_leaves_no_upload_open() {
    // It tells the sizes of parts, so that objects are copied in parts.
    let Some(stage) = Stage::on(Base::Moto).await else {
        return;
    };
    stage
        .put_in_parts("big", &[vec![1; 5 << 20], vec![2; 9]])
        .await;
    latency(&stage, "UploadPartCopy", 500);
    let child = start(&stage);
    until_noted(&stage, 1).await;
    assert_eq!(stage.uploads().await.len(), 1);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let (done, stderr) = read(&output);
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(done["done"]["copied"]["objects"], 1, "{stderr}");
    assert_eq!(stage.uploads().await, Vec::<String>::new());
    assert_eq!(stage.keys().await, ["big"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_at_the_second_ctrl_c_ends_at_once_and_the_next_run_tidies_up() {
    let Some(stage) = Stage::on(Base::Moto).await else {
        return;
    };
    stage
        .put_in_parts("big", &[vec![1; 5 << 20], vec![2; 9]])
        .await;
    latency(&stage, "UploadPartCopy", 600_000);
    let mut child = start(&stage);
    until_noted(&stage, 1).await;
    interrupt(&child);
    // Signals of one kind that wait are one signal: the second is sent when the first was heard.
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("once more") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut stderr, &mut line).unwrap() > 0);
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(stage.uploads().await.len(), 1);
    stage.aws.clear_faults();
    stage.json(0, &SYNC[..4]);
    assert_eq!(stage.uploads().await, Vec::<String>::new());
    assert_eq!(stage.keys().await, ["big"]);
}

/// Waits until so many uploads are in the journals: then one is certainly under way.
async fn until_noted(stage: &Stage, number: usize) {
    while journalled(stage).len() < number {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Ids of uploads in journals on this machine.
fn journalled(stage: &Stage) -> Vec<String> {
    let mut ids = Vec::new();
    let Ok(runs) = std::fs::read_dir(stage.folder.path().join("runs")) else {
        return ids;
    };
    for run in runs {
        let journal = run.unwrap().path().join("journal.jsonl");
        for line in std::fs::read_to_string(journal).unwrap_or_default().lines() {
            let record = serde_json::from_str(line).unwrap_or(Value::Null);
            if record["record"] == "upload" {
                ids.push(record["upload"].as_str().unwrap().to_owned());
            }
        }
    }
    ids
}

/// Kills the program when the local AWS has seen its n-th request, for moments that are spread over a whole
/// run, and in the middle of an upload in parts.
#[tokio::test(flavor = "multi_thread")]
async fn sync_after_a_kill_finishes_and_aborts_its_own_uploads_only() {
    let Some(stage) = Stage::on(Base::Moto).await else {
        return;
    };
    let parts = [vec![1; 5 << 20], vec![2; 9]];
    stage.put_in_parts("big", &parts).await;
    let keys: Vec<String> = (0..12).map(|n| format!("k{n:02}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    stage.put(&stage.from, FROM, &keys).await;
    // Somebody else's, which has to stay.
    let theirs = stage.to.s3.create_multipart_upload().bucket(TO).key("big");
    let theirs = theirs.send().await.unwrap().upload_id.unwrap();
    stage.aws.clear_log();
    stage.json(0, &SYNC[..4]);
    let whole = stage.aws.log().len();

    let mut left_open = 0;
    for moment in (3..whole).step_by(5).map(Some).chain([None]) {
        for key in stage.keys().await {
            let delete = stage.to.s3.delete_object().bucket(TO).key(&key);
            delete.send().await.unwrap();
        }
        stage.aws.clear_log();
        let mut child;
        match moment {
            Some(moment) => {
                child = start(&stage);
                while stage.aws.log().len() < moment && child.try_wait().unwrap().is_none() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            // Certainly in the middle of it.
            None => {
                latency(&stage, "UploadPartCopy", 600_000);
                let before = journalled(&stage).len();
                child = start(&stage);
                until_noted(&stage, before + 1).await;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        stage.aws.clear_faults();
        let known = journalled(&stage);
        let open = stage.uploads().await;
        left_open += open.iter().filter(|id| known.contains(id)).count();
        let done = stage.json(0, &SYNC[..4]);
        let parity = stage.json(0, &["parity", "--bucket", FROM]);
        assert_eq!(parity["finding"], "same", "{moment:?} {done}");
        let left = stage.uploads().await;
        assert!(left.contains(&theirs), "{moment:?}");
        // Only one whose id had not arrived when the process was killed cannot be told from somebody else's.
        let unknown = |id: &String| *id == theirs || !known.contains(id);
        assert!(left.iter().all(unknown), "{moment:?}");
        for id in left.into_iter().filter(|id| *id != theirs) {
            let abort = stage.to.s3.abort_multipart_upload().bucket(TO);
            abort.key("big").upload_id(id).send().await.unwrap();
        }
    }
    assert!(left_open > 0, "no kill left an upload open");
}
