//! Several operators at once, one who is stopped, Ctrl-C, and settings that change meanwhile.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Output, Stdio};

use local_aws::{Fault, FaultKind, RegionState};
use serde_json::Value;

use super::{AUTO, SETTINGS, Stage, until};

/// A command of the project that waits until it may end.
const WAITS: &str = "#!/bin/sh\necho $$ >>begun\nwhile ! [ -e go ]; do sleep 0.05; done\n";
/// The same, deaf to what asks it to end.
const DEAF: &str =
    "#!/bin/sh\ntrap '' INT TERM\necho $$ >>begun\nwhile ! [ -e go ]; do sleep 0.05; done\n";

impl Stage {
    /// An environment whose traffic is turned when `script` has ended.
    fn write_hook(&self, script: &str) {
        let path = self.folder.path().join("wait");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let hooks = "[hooks]\nbefore-traffic = { command = [\"./wait\"], timeout = \"1h\" }\n";
        fs::write(
            self.folder.path().join("infra.toml"),
            format!("{SETTINGS}\n{hooks}"),
        )
        .unwrap();
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(Stdio::null()).spawn().unwrap()
    }

    /// How often the command of the project was begun.
    fn begun(&self) -> usize {
        let begun = fs::read_to_string(self.folder.path().join("begun"));
        begun.unwrap_or_default().lines().count()
    }

    fn go(&self) {
        fs::write(self.folder.path().join("go"), "").unwrap();
    }

    /// How often something was written in the DR region.
    fn changes(&self) -> usize {
        let log = self.aws.log();
        let changes = log
            .iter()
            .filter(|call| call.is_mutation() && call.status.is_none_or(|status| status < 300));
        changes.count()
    }
}

fn signal(child: &Child, name: &str) {
    let kill = std::process::Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
}

async fn ended(child: Child) -> (Option<i32>, String, String) {
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
    let Output {
        status,
        stdout,
        stderr,
    } = ended.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

const FAILOVER: [&str; 6] = ["failover", "--window", "0s", "--approve", "auto", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn failovers_at_once_are_one_run_and_a_refusal_that_names_its_holder() {
    let stage = stage!();
    stage.write_hook(WAITS);
    let mut both = vec![stage.start(&FAILOVER), stage.start(&FAILOVER)];
    let refused = tokio::task::block_in_place(|| {
        until(|| {
            both.iter_mut()
                .position(|child| child.try_wait().unwrap().is_some())
        })
    });
    let refused = both.remove(refused);
    let runs = both.remove(0);
    let (code, _, told) = ended(refused).await;
    assert_eq!(code, Some(4), "{told}");
    let names = format!("process {} carries run ", runs.id());
    assert!(
        told.contains(&names) && told.contains("; the lease was renewed at 20"),
        "{told}"
    );
    tokio::task::block_in_place(|| until(|| (stage.begun() == 1).then_some(())));
    // Nor does anybody go on with what somebody carries.
    let (_, told) = stage.run(&["runs", "resume"], 4).await;
    assert!(told.contains(&names), "{told}");
    stage.go();
    let (code, _, told) = ended(runs).await;
    assert_eq!(code, Some(0), "{told}");
    assert_eq!(stage.begun(), 1);
    let log = stage.aws.log();
    let marks = log.iter().filter(|call| {
        let resource = call.resource.as_deref().unwrap_or_default();
        call.operation == "PutObject" && resource.ends_with("failed-over.json")
    });
    assert!(marks.count() <= 1, "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_holder_that_wakes_up_is_fenced_and_does_nothing() {
    let stage = stage!();
    let each = ["failover", "--window", "0s", "--approve", "each", "--yes"];
    let waits = ["--wait-for-approval", "1h"];
    let holder = stage.start(&[&each[..], &waits].concat());
    let asks = async {
        loop {
            let show = stage
                .command(&["runs", "show", "--output", "json"])
                .output();
            let run: Option<Value> = serde_json::from_slice(&show.unwrap().stdout).ok();
            if let Some(run) = run
                && run["steps"]["declare"]["status"] == "waits-for-approval"
            {
                return run["plan"]["run"].as_str().unwrap().to_owned();
            }
        }
    };
    let run = asks.await;
    signal(&holder, "-STOP");
    // It would go on at once, were it not for whoever takes the run over.
    let approve = ["runs", "approve", &run, "declare", "--by", "Kim"];
    stage.run(&approve, 0).await;
    let resume = [&["runs", "resume"][..], &AUTO[2..]].concat();
    let (told, notes) = stage.run(&resume, 0).await;
    assert!(told.contains("\"finished\""), "{told}");
    let watched = format!(
        "process {} may carry run {run}: its lease is watched for 1m",
        holder.id()
    );
    assert!(notes.contains(&watched), "{notes}");
    let before = stage.changes();
    signal(&holder, "-CONT");
    let (code, _, told) = ended(holder).await;
    assert_eq!(code, Some(4), "{told}");
    assert!(
        told.contains("has taken over run") || told.contains(" has written record "),
        "{told}"
    );
    assert_eq!(stage.changes(), before, "{:?}", stage.aws.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_once_records_where_it_stopped_and_twice_ends_at_once() {
    let stage = stage!();
    stage.write_hook(WAITS);
    let holder = stage.start(&FAILOVER);
    let begun = |number| {
        tokio::task::block_in_place(|| until(|| (stage.begun() == number).then_some(())));
    };
    begun(1);
    signal(&holder, "-INT");
    let (code, _, told) = ended(holder).await;
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("once more to stop at once"), "{told}");
    let (json, _) = stage.run(&["runs", "show", "--output", "json"], 0).await;
    let run: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&run["status"], &run["why"]),
        (&"stopped".into(), &"it was interrupted".into()),
        "{run:#}"
    );
    // What does not heed the first is left at the second, and ends with the program.
    stage.write_hook(DEAF);
    let resume = ["runs", "resume", "--approve", "auto"];
    let holder = stage.start(&resume);
    begun(2);
    signal(&holder, "-INT");
    signal(&holder, "-INT");
    let (code, _, told) = ended(holder).await;
    assert_eq!(code, Some(130), "{told}");
    stage.go();
    let (told, _) = stage.run(&resume, 0).await;
    assert!(told.contains("finished"), "{told}");
    assert_eq!(stage.begun(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_were_changed_since_refuse_a_resume_and_comments_do_not() {
    let stage = stage!();
    let each = ["failover", "--window", "0s", "--approve", "each", "--yes"];
    stage.run(&each, 4).await;
    let run = stage.last_run().await;
    let before = stage.changes();
    let write = |more: &str| {
        let path = stage.folder.path().join("infra.toml");
        fs::write(path, format!("{SETTINGS}\n{more}")).unwrap();
    };
    write("[objectives]\nrto = \"1h\"\n");
    let resume = ["runs", "resume", "--approve", "auto"];
    let (_, told) = stage.run(&resume, 4).await;
    assert!(
        told.contains(&format!(
            "the settings are not those that run {run} was planned with"
        )) && told.contains("bring them back"),
        "{told}"
    );
    assert_eq!(stage.changes(), before);
    write("# nothing else\n");
    let (told, _) = stage.run(&resume, 0).await;
    assert!(told.contains("finished"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn loss_that_cannot_be_decided_is_for_a_person_whose_word_is_on_record() {
    let stage = stage!();
    stage.aws.set_region("ca-central-1", RegionState::Up);
    let silent = Fault::new(FaultKind::RequestLost).service("s3");
    stage.aws.add_fault(silent.region("ca-central-1"));
    let (_, told) = stage.run(&FAILOVER, 4).await;
    assert!(
        told.contains("whether ca-central-1 is lost cannot be decided")
            && told.contains("--declare-lost REASON --by NAME"),
        "{told}"
    );
    let (told, _) = stage.run(&["runs", "list"], 0).await;
    assert!(told.contains("There are none."), "{told}");
    let word = ["--declare-lost", "AWS says so on the phone", "--by", "Kim"];
    stage.run(&[&FAILOVER[..], &word].concat(), 0).await;
    let (json, _) = stage.run(&["runs", "show", "--output", "json"], 0).await;
    let run: Value = serde_json::from_str(&json).unwrap();
    let declared = &run["plan"]["declared"]["declaration"];
    assert_eq!(
        (&declared["by"], &declared["reason"]),
        (&"Kim".into(), &"AWS says so on the phone".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failover_that_was_given_up_is_followed_by_another_and_a_finished_one_by_none() {
    let stage = stage!();
    let only = [&FAILOVER[..], &["--only", "declare"]].concat();
    stage.run(&only, 3).await;
    let first = stage.last_run().await;
    let abandon = [
        "runs", "abandon", &first, "--by", "Kim", "--reason", "x", "--yes",
    ];
    stage.run(&abandon, 0).await;
    let planned = ["failover", "--mode", "planned", "--window", "0s", "--yes"];
    let (_, told) = stage.run(&planned, 4).await;
    assert!(
        told.contains("is failed over to ca-west-1 already"),
        "{told}"
    );
    let (_, told) = stage.run(&FAILOVER, 0).await;
    assert!(
        told.contains(&format!("run {first} was given up: this one goes on")),
        "{told}"
    );
    let second = stage.last_run().await;
    let seen = async |run: &str| {
        let (json, _) = stage
            .run(&["runs", "show", run, "--output", "json"], 0)
            .await;
        let run: Value = serde_json::from_str(&json).unwrap();
        run["plan"]["fault"].as_str().unwrap().to_owned()
    };
    assert_eq!(seen(&first).await, seen(&second).await);
    let (_, told) = stage.run(&FAILOVER, 4).await;
    assert!(
        told.contains("is failed over to ca-west-1 already"),
        "{told}"
    );
}
