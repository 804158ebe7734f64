//! RDS of the program `local-aws`.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;

use local_aws::{RdsClock, RdsStatus};
use rustix::process::{Signal, kill_process};

use super::{PRIMARY, available, create, instance, skipped};
use crate::clients;
use crate::program::{Place, pid, serving, until};

#[tokio::test]
async fn other_processes_can_move_its_clock() {
    let Some(place) = Place::new().await else {
        return;
    };
    let arguments = ["up", "--rds-clock", "stepped", "--no-rds-data"];
    let (mut child, control, _) = serving(place.command(&arguments)).await;
    let url = control.url();
    let run = |arguments: &[&str]| place.ok(&[&["rds", "--url", url], arguments].concat());
    let status = || serde_json::from_str::<RdsStatus>(&run(&["status"])).unwrap();
    let before = status();
    assert_eq!(before.clock, RdsClock::Stepped);
    assert_eq!(before.data_missing.as_deref(), Some("switched off"));
    let client = clients::rds_at(&control, PRIMARY);
    create(&client, "app").send().await.unwrap();
    run(&["end-as", "instance", PRIMARY, "App", "failed"]);
    run(&["quota", "instances", "1"]);
    run(&["step", "5m"]);
    let after = status();
    assert_eq!(after.now.duration_since(before.now).as_mins(), 5);
    assert_eq!((after.quotas.instances, after.instances), (1, 1));
    assert_eq!(
        instance(&client, "app").await.db_instance_status(),
        Some("failed")
    );
    create(&client, "second").send().await.unwrap_err();
    run(&["quota", "instances", "9"]);
    let lag = ["rds", "--url", url, "replica-lag", PRIMARY, "none", "5m"];
    let refused = place.command(&lag).output().unwrap();
    assert!(!refused.status.success());
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(
        stderr.contains(&format!("there is no replica none in {PRIMARY}")),
        "{stderr}"
    );
    create(&client, "source").send().await.unwrap();
    run(&["step", "6m"]);
    let follow = client
        .create_db_instance_read_replica()
        .db_instance_identifier("follower");
    let follow = follow.source_db_instance_identifier("source").send();
    follow.await.unwrap();
    run(&["replica-lag", PRIMARY, "follower", "5m"]);
    run(&["replica-lag", PRIMARY, "follower"]);
    run(&["retire", "18.1"]);
    let error = create(&client, "second")
        .engine_version("18.1")
        .send()
        .await
        .unwrap_err();
    assert_eq!(super::code(&error), "InvalidParameterCombination");
    assert!(
        place
            .ok(&["status", "--url", url])
            .contains("states only: switched off")
    );
    control.stop().await.unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn its_servers_end_with_it_however_it_ends() {
    let Some(place) = Place::new().await else {
        return;
    };
    for signal in [Signal::TERM, Signal::KILL] {
        let temporary = tempfile::tempdir().unwrap();
        // The servers' user has to get in.
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = place.command(&["up", "--rds-clock", "stepped"]);
        command.env("TMPDIR", temporary.path());
        let (mut child, control, _) = serving(command).await;
        let end = |child: &mut std::process::Child| {
            kill_process(pid(child.id()), signal).unwrap();
            child.wait().unwrap();
        };
        if let Some(why) = control.rds().await.unwrap().data_missing {
            skipped(&why);
            return end(&mut child);
        }
        let client = clients::rds_at(&control, PRIMARY);
        create(&client, "app").send().await.unwrap();
        control.rds_step(super::minutes(5)).await.unwrap();
        let made = available(&client, "app").await;
        let port = u16::try_from(made.endpoint().unwrap().port().unwrap()).unwrap();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        end(&mut child);
        until("the end of the server", async || {
            TcpStream::connect(("127.0.0.1", port)).is_err()
        })
        .await;
        until("the end of its files", async || {
            let names = fs::read_dir(temporary.path()).unwrap();
            !names.filter_map(Result::ok).any(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with("local-aws-rds-")
            })
        })
        .await;
    }
}
