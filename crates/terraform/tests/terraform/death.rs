//! Terraform does not outlive its parent, and ends as it should: with its state written, and without its lock.
#![cfg(target_os = "linux")]

use std::future::pending;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpgid, kill_process, pidfd_open};
use terraform::{ChildId, Event, PlanOptions, Terraform, Transcript};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::real::ENDLESS;
use crate::stage::{Stage, done, environment};

/// This only ends a test that went wrong.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where the parent that is to be killed finds its folder.
const FOLDER: &str = "TERRAFORM_TEST_FOLDER";

/// Another process, which [`terraform_whose_parent_is_killed_ends_with_its_state_written`] starts and kills.
#[tokio::test]
#[ignore = "is a part of another test"]
async fn parent_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        println!("skipped: this is a part of another test");
        return;
    };
    let home = folder.parent().unwrap();
    let terraform = Terraform::find(&folder, environment(home)).await.unwrap();
    let transcript = folder.join("transcript");
    let prepared = terraform
        .prepare_apply(Path::new("tfplan"), Duration::ZERO, Some(&transcript))
        .await
        .unwrap();
    let running = prepared.go().await.unwrap();
    let id = serde_json::to_string(&running.id()).unwrap();
    let ended = running.finish(pending(), |event| {
        if is_endless(event) {
            println!("\n{id}");
        }
    });
    panic!("{:?}", ended.await);
}

fn is_endless(event: &Event) -> bool {
    matches!(event, Event::Started { address, .. } if address.ends_with("endless"))
}

/// Ready when the process ends, also one that is no child.
fn end_of(id: ChildId) -> JoinHandle<()> {
    let pid = Pid::from_raw(id.pid.cast_signed()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut events = [PollFd::new(&process, PollFlags::IN)];
        poll(&mut events, None).unwrap();
    })
}

async fn ended_well(stage: &Stage, terraform: &Terraform) {
    assert!(
        !stage.exists(".terraform.tfstate.lock.info"),
        "the lock is still there"
    );
    let left = terraform.state_list().await.unwrap();
    assert_eq!(left, ["terraform_data.done", "terraform_data.endless"]);
}

#[tokio::test]
async fn terraform_whose_parent_is_killed_ends_with_its_state_written() {
    let stage = Stage::new(ENDLESS);
    let Some(terraform) = stage.ready().await else {
        return;
    };
    let planning = terraform
        .plan(Path::new("tfplan"), &PlanOptions::default())
        .await;
    done(planning.unwrap()).await;
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "death::parent_that_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, stage.folder())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(parent.stdout.take().unwrap()).lines();
    let id = lines
        .map_while(Result::ok)
        .find_map(|line| serde_json::from_str::<ChildId>(&line).ok())
        .unwrap();
    assert_eq!(id.is_running(), Some(true));
    let ended = end_of(id);
    // SIGKILL, which nothing can catch.
    parent.kill().unwrap();
    parent.wait().unwrap();
    ended.await.unwrap();
    ended_well(&stage, &terraform).await;
    let transcript = whole_transcript(&stage.folder().join("transcript")).await;
    let of_parent = |event: &Event| matches!(event, Event::Completed { address, .. } if address == "terraform_data.done");
    assert!(transcript.iter().any(of_parent), "{transcript:?}");
    let after = |event: &Event| matches!(event, Event::Errored { address, .. } if address == "terraform_data.endless");
    assert!(transcript.iter().any(after), "{transcript:?}");
}

/// It is whole a moment after the end of terraform.
async fn whole_transcript(path: &Path) -> Vec<Event> {
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    let whole = async {
        loop {
            looks.tick().await;
            if let Some(transcript) = Transcript::read(path).unwrap()
                && transcript.is_whole
            {
                break transcript.events;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), whole)
        .await
        .unwrap()
}

#[tokio::test]
async fn terraform_that_is_dropped_ends_with_its_state_written() {
    let stage = Stage::new(ENDLESS);
    let Some(terraform) = stage.ready().await else {
        return;
    };
    let planning = terraform
        .plan(Path::new("tfplan"), &PlanOptions::default())
        .await;
    done(planning.unwrap()).await;
    let running = terraform
        .apply(Path::new("tfplan"), Duration::ZERO)
        .await
        .unwrap();
    let id = running.id();
    let ended = end_of(id);
    let begun = Notify::new();
    tokio::select! {
        ended = running.finish(pending(), |event| if is_endless(event) { begun.notify_one() }) => {
            panic!("{ended:?}");
        }
        () = begun.notified() => {}
    }
    ended.await.unwrap();
    ended_well(&stage, &terraform).await;
}

/// Ctrl-C reaches the foreground group of a terminal. Two interrupts would make terraform give up its state.
#[tokio::test]
async fn terraform_is_in_a_process_group_of_its_own() {
    let stage = Stage::new("");
    let program = stage.script("1.12.0", "read -r _; kill -s INT $$");
    let terraform = Terraform::at(program, &stage.folder(), stage.environment())
        .await
        .unwrap();
    let running = terraform
        .apply(Path::new("tfplan"), Duration::ZERO)
        .await
        .unwrap();
    let pid = Pid::from_raw(running.id().pid.cast_signed()).unwrap();
    assert_eq!(getpgid(Some(pid)).unwrap(), pid);
    let error = running.finish(pending(), |_| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`terraform apply` failed (signal: 2 (SIGINT))"
    );
}

#[tokio::test]
async fn terraform_that_does_not_end_when_its_parent_has_is_killed_after_its_grace() {
    let stage = Stage::new("");
    // It says when it no longer listens.
    let program = stage.script(
        "1.12.0",
        "trap '' INT; echo deaf; while :; do sleep 0.05; done",
    );
    let terraform = Terraform::at(program, &stage.folder(), stage.environment())
        .await
        .unwrap();
    let terraform = terraform.with_grace(Duration::from_secs(1));
    let running = terraform
        .apply(Path::new("tfplan"), Duration::ZERO)
        .await
        .unwrap();
    let ended = end_of(running.id());
    let deaf = Notify::new();
    tokio::select! {
        ended = running.finish(pending(), |_| deaf.notify_one()) => panic!("{ended:?}"),
        () = deaf.notified() => {}
    }
    ended.await.unwrap();
}

#[tokio::test]
async fn terraform_that_is_deaf_to_an_interrupt_is_killed_after_its_grace() {
    let stage = Stage::new("");
    // What it has started goes with it.
    let body = "trap '' INT; sleep 600 & echo $! >started; echo deaf; while :; do sleep 0.05; done";
    let program = stage.script("1.12.0", body);
    let terraform = Terraform::at(program, &stage.folder(), stage.environment())
        .await
        .unwrap();
    let terraform = terraform.with_grace(Duration::from_secs(1));
    let running = terraform
        .apply(Path::new("tfplan"), Duration::ZERO)
        .await
        .unwrap();
    let id = running.id();
    let mut started = None;
    let deaf = Notify::new();
    let finishing = running.finish(deaf.notified(), |_| {
        started = Some(ChildId::of(stage.read("started")));
        deaf.notify_one();
    });
    let finished = tokio::time::timeout(DEADLINE, finishing).await;
    let error = finished.expect("it is waited for in vain").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`terraform apply` did not end within 1s of its interrupt, and was killed"
    );
    assert!(error.was_killed());
    end_of_killed(started.unwrap()).await;
    assert_eq!(id.end_group(), Some(true));
}

/// At the second interrupt terraform ends at once, without what it has not yet written.
#[tokio::test]
async fn terraform_that_was_interrupted_is_not_interrupted_again_when_its_parent_ends() {
    let stage = Stage::new("");
    let body = "trap 'echo once >>interrupts' INT; echo ready; while :; do sleep 0.05; done";
    let program = stage.script("1.12.0", body);
    let terraform = Terraform::at(program, &stage.folder(), stage.environment())
        .await
        .unwrap();
    let terraform = terraform.with_grace(Duration::from_secs(1));
    let running = terraform
        .apply(Path::new("tfplan"), Duration::ZERO)
        .await
        .unwrap();
    let ended = end_of(running.id());
    let interrupts = stage.folder().join("interrupts");
    let heard = async {
        while !interrupts.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let ready = Notify::new();
    tokio::select! {
        ended = running.finish(ready.notified(), |_| ready.notify_one()) => panic!("{ended:?}"),
        () = heard => {}
    }
    // What waited for it is gone, as after a second Ctrl-C.
    ended.await.unwrap();
    let heard = std::fs::read_to_string(interrupts).unwrap();
    assert_eq!(heard, "once\n");
}

#[tokio::test]
async fn terraform_that_is_killed_has_failed() {
    let stage = Stage::new("");
    let program = stage.script("1.12.0", "while :; do sleep 0.05; done");
    let terraform = Terraform::at(program, &stage.folder(), stage.environment())
        .await
        .unwrap();
    let running = terraform
        .apply(Path::new("tfplan"), Duration::ZERO)
        .await
        .unwrap();
    let pid = Pid::from_raw(running.id().pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let error = running.finish(pending(), |_| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`terraform apply` failed (signal: 9 (SIGKILL))"
    );
    assert!(error.was_killed());
}

/// Providers, and what provisioners run, are processes of their own.
#[tokio::test]
async fn terraform_that_is_killed_takes_along_what_it_has_started() {
    let stage = Stage::new("");
    let body = "sleep 600 & echo $! >started; while :; do echo line; sleep 0.05; done";
    let program = stage.script("1.12.0", body);
    let terraform = Terraform::at(program, &stage.folder(), stage.environment())
        .await
        .unwrap();
    let running = terraform
        .apply(Path::new("tfplan"), Duration::ZERO)
        .await
        .unwrap();
    let id = running.id();
    let mut started = None;
    let error = running.finish(pending(), |_| {
        if started.is_none() {
            started = Some(ChildId::of(stage.read("started")));
            assert_eq!(id.end_group(), Some(false), "it runs");
            let pid = Pid::from_raw(id.pid.cast_signed()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
        }
    });
    let error = error.await.unwrap_err();
    assert!(error.to_string().contains("SIGKILL"), "{error}");
    let started = started.unwrap();
    end_of_killed(started).await;
    assert_eq!(id.end_group(), Some(true));
}

/// One that was killed just now may not have ended yet.
async fn end_of_killed(id: ChildId) {
    if id.is_running() == Some(true) {
        end_of(id).await.unwrap();
    }
    assert_eq!(id.is_running(), Some(false));
}

#[tokio::test]
async fn terraform_that_is_prepared_begins_with_a_word_alone() {
    let stage = Stage::new("");
    let program = stage.script("1.12.0", "touch begun");
    let terraform = Terraform::at(program, &stage.folder(), stage.environment())
        .await
        .unwrap();
    let plan = Path::new("tfplan");
    let prepared = terraform
        .prepare_apply(plan, Duration::ZERO, None)
        .await
        .unwrap();
    let ended = end_of(prepared.id());
    drop(prepared);
    ended.await.unwrap();
    assert!(!stage.exists("begun"));
    let prepared = terraform
        .prepare_apply(plan, Duration::ZERO, None)
        .await
        .unwrap();
    let id = prepared.id();
    let running = prepared.go().await.unwrap();
    assert_eq!(running.id(), id);
    done(running).await;
    assert!(stage.exists("begun"));
}
