//! The report for officers, of real runs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use super::Stage;

const FAILOVER: [&str; 6] = ["failover", "--window", "0s", "--approve", "auto", "--yes"];

async fn report(stage: &Stage, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["report", "--output", "json"], arguments].concat();
    let (told, _) = stage.run(&arguments, code).await;
    serde_json::from_str(&told).unwrap()
}

impl Stage {
    /// The records of this machine, where they lie here alone.
    fn local(&self, name: &str) -> PathBuf {
        self.folder.path().join("here/berthcare-staging").join(name)
    }
}

const LOCAL: [&str; 4] = ["--journal", "local", "--runs-dir", "here"];

#[tokio::test(flavor = "multi_thread")]
async fn report_tells_of_failover_and_failback_and_of_one_that_is_given_up() {
    let stage = stage!();
    let (_, told) = stage.run(&["report"], 2).await;
    assert!(
        told.contains("no run of the environment is finished"),
        "{told}"
    );
    let planned = [
        "failover",
        "--drill",
        "--window",
        "0s",
        "--approve",
        "each",
        "--yes",
    ];
    stage.run(&planned, 4).await;
    let given_up = stage.last_run().await;
    let told = report(&stage, &[&given_up], 0).await;
    assert_eq!(told["end"]["status"], "stopped", "{told:#}");
    assert_eq!(told["records"]["record"]["is"], "not-left", "{told:#}");
    let abandon = [
        "runs", "abandon", &given_up, "--by", "Kim", "--reason", "no", "--yes",
    ];
    stage.run(&abandon, 0).await;
    stage.fail_over().await;
    let run = stage.last_run().await;
    let file = stage.folder.path().join("report.html");
    let html = [
        "report",
        "--format",
        "html",
        "--out",
        file.to_str().unwrap(),
    ];
    let (told, _) = stage.run(&html, 0).await;
    assert!(
        told.contains(&run) && told.contains("its journal says the same"),
        "{told}"
    );
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(
        page.contains("Loss of a region and failover of berthcare-staging"),
        "{page}"
    );
    let (told, _) = stage.run(&["report", "--format", "markdown"], 0).await;
    assert!(
        told.contains("## What may be lost") && told.contains("No failback has looked yet"),
        "{told}"
    );
    let told = report(&stage, &[], 0).await;
    assert_eq!(
        (&told["kind"], &told["run"]),
        (&"officers-report".into(), &run.as_str().into())
    );
    assert_eq!(told["unavailable"]["known"], "span", "{told:#}");
    assert_eq!(told["made_in"]["kind"], "emulator", "{told:#}");
    assert_eq!(told["states"]["rpo_seconds"], Value::Null, "{told:#}");
    let back = ["failback", "--window", "0s", "--approve", "auto", "--yes"];
    stage.run(&back, 0).await;
    let home = stage.last_run().await;
    let told = report(&stage, &[&run], 0).await;
    assert_eq!(told["found_later"]["run"], home.as_str(), "{told:#}");
    let told = report(&stage, &[], 0).await;
    assert_eq!(
        (&told["mode"], &told["unavailable"]["known"]),
        (&"failback".into(), &"span".into())
    );
    let told = report(&stage, &[&given_up], 0).await;
    // It leaves a record as well.
    assert_eq!(told["records"]["record"]["is"], "born-out", "{told:#}");
    assert_eq!(told["purpose"], "drill", "{told:#}");
    let (told_status, _) = stage.run(&["status"], 0).await;
    assert!(
        told_status.contains("a drill, on an emulator"),
        "{told_status}"
    );
    let decisions = told["decisions"].as_array().unwrap();
    assert_eq!(decisions.last().unwrap()["by"], "Kim", "{told:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn report_finds_a_record_that_was_forged_and_a_journal_that_was_changed() {
    let stage = stage!();
    stage.run(&[&FAILOVER[..], &LOCAL].concat(), 0).await;
    let run = report(&stage, &LOCAL, 0).await["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let record = stage.local(&format!("reports/{run}.json"));
    let written = std::fs::read_to_string(&record).unwrap();
    let mut forged: Value = serde_json::from_str(&written).unwrap();
    forged["rto_from_fault_seconds"] = 86_400.into();
    std::fs::write(&record, forged.to_string()).unwrap();
    let told = report(&stage, &LOCAL, 1).await;
    assert_eq!(told["records"]["record"]["is"], "not-born-out", "{told:#}");
    // The record of another run in its place.
    let mut other: Value = serde_json::from_str(&written).unwrap();
    other["run"] = "20200101T000000Z-0123456789abcdef".into();
    std::fs::write(&record, other.to_string()).unwrap();
    let told = report(&stage, &LOCAL, 1).await;
    assert_eq!(told["records"]["record"]["is"], "not-born-out", "{told:#}");
    std::fs::remove_file(&record).unwrap();
    let told = report(&stage, &LOCAL, 3).await;
    assert_eq!(told["records"]["record"]["is"], "missing", "{told:#}");
    std::fs::write(&record, &written).unwrap();
    report(&stage, &LOCAL, 0).await;
    let first = stage.local(&format!("runs/{run}/000001.json"));
    let text = std::fs::read_to_string(&first).unwrap();
    std::fs::write(&first, text.replace("\"epoch\": 1", "\"epoch\": 7")).unwrap();
    let (_, told) = stage.run(&[&["report"], &LOCAL[..]].concat(), 1).await;
    assert!(told.contains("it does not follow record 1 of it"), "{told}");
}
