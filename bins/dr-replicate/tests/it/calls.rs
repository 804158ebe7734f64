//! The log of calls.

use std::collections::BTreeMap;

use local_aws::{Fault, FaultKind};

use crate::stage::{DR, FROM, Stage, TO};

/// Service, operation and region of a call, as often as it was made.
type Calls = BTreeMap<(String, String, String), usize>;

fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let rest = line.split_once(&format!(" {name}=")).map(|(_, rest)| rest);
    let value = rest.and_then(|rest| rest.split(' ').next());
    value.unwrap_or_default().trim_matches('"')
}

fn logged(stderr: &str) -> Calls {
    let mut calls = Calls::new();
    for line in stderr.lines().filter(|line| line.contains("aws_env::call")) {
        let call = ["service", "operation", "region"].map(|name| field(line, name));
        let [service, operation, region] = call.map(str::to_owned);
        *calls
            .entry((service.to_lowercase(), operation, region))
            .or_default() += 1;
    }
    calls
}

fn received(stage: &Stage) -> Calls {
    let mut calls = Calls::new();
    for entry in stage.aws.log() {
        let region = entry.region.unwrap_or_default();
        *calls
            .entry((entry.service, entry.operation, region))
            .or_default() += 1;
    }
    calls
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_twice_verbose_logs_every_call_that_aws_received() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b/c", "b/d"]).await;
    // An attempt that is answered by an error is a call as well.
    stage.aws.add_fault(
        Fault::new(FaultKind::SlowDown)
            .service("s3")
            .operation("CopyObject")
            .times(1),
    );
    stage.aws.clear_log();
    let output = stage.run(&["sync", "--bucket", FROM, "--yes", "-vv"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let logged = logged(&stderr);
    assert_eq!(logged, received(&stage), "{stderr}");
    let copies = |(_, operation, _): &(String, String, String)| operation == "CopyObject";
    let copies: usize = logged
        .iter()
        .filter(|(k, _)| copies(k))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(copies, 4, "three copies, of which one was throttled");
    for line in stderr.lines().filter(|line| line.contains("aws_env::call")) {
        assert!(
            !field(line, "ms").is_empty() && !field(line, "attempt").is_empty(),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_once_verbose_tells_nothing_of_the_sdk() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a"]).await;
    for verbosity in ["-v", "-vv"] {
        let output = stage.run(&["sync", "--bucket", FROM, "--yes", verbosity]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(
            !stderr.contains("aws_smithy") && !stderr.contains("aws_config"),
            "{stderr}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_once_verbose_logs_every_step_that_it_applied() {
    let stage = stage!();
    stage.put(&stage.from, FROM, &["a", "b/c"]).await;
    stage.put(&stage.to, TO, &["a", "stray"]).await;
    let sync = ["sync", "--bucket", FROM, "--delete", "--max-delete", "1"];
    let output = stage.run(&[&sync[..], &["--yes", "-v"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let steps: Vec<_> = stderr
        .lines()
        .filter(|line| line.contains(" applied "))
        .map(|line| ["step", "resource", "region"].map(|name| field(line, name)))
        .collect();
    let resource = |key: &str| format!("s3://{TO}/{key}");
    let (copied, deleted) = (resource("b/c"), resource("stray"));
    let expected = [["copy", &copied, DR], ["delete", &deleted, DR]];
    assert_eq!(steps, expected, "{stderr}");
    let output = stage.run(&["sync", "--bucket", FROM, "--yes"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains("applied"), "{stderr}");
}
