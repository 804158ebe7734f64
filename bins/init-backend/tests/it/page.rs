//! The commands of the program's page, run in the order in which they stand there.

use std::collections::BTreeSet;

use aws_env::{delete_versions, list_versions};
use aws_sdk_dynamodb::types::AttributeValue;
use local_aws::RegionState;

use crate::failover::{BUCKET, DR_BUCKET, DR_TABLE, KEY, lock, put, row, state};
use crate::stage::{DR, PRIMARY, Stage};

const PAGE: &str = include_str!("../../../../docs/init-backend.md");
const TABLE: &str = "berthcare-terraform-locks";
const OLD: &str = "network/terraform.tfstate";
const LOCK_ID: &str = "9db590f1-b6fe-c5f2-2678-8804f089deba";

/// What the page has for a reader who runs it from top to bottom.
#[derive(Debug)]
enum Line {
    /// `<!-- given: … -->`: what has come about meanwhile.
    Given(&'static str),
    /// A command, and what it ends with.
    Run(Vec<&'static str>, i32),
}

fn lines() -> Vec<Line> {
    let (mut lines, mut is_code) = (Vec::new(), false);
    for line in PAGE.lines() {
        let given = line.strip_prefix("<!-- given: ");
        if let Some(given) = given.and_then(|given| given.strip_suffix(" -->")) {
            lines.push(Line::Given(given));
        } else if line.starts_with("```") {
            is_code = !is_code;
            assert!(!is_code || line == "```sh", "not run: {line}");
        } else if is_code {
            let (command, exit) = line.rsplit_once("  # ").expect("a command and its exit");
            let exit = exit.split(' ').next().and_then(|exit| exit.parse().ok());
            let command: Vec<&str> = command.split_whitespace().collect();
            let arguments = command.strip_prefix(&["init-backend"]);
            let arguments = arguments.expect("a command of this program");
            lines.push(Line::Run(arguments.to_vec(), exit.expect("a number")));
        }
    }
    lines
}

/// What the page says in its own words.
async fn come_about(stage: &Stage, given: &str) {
    match given {
        "a state, written twice" => {
            for serial in [3, 4] {
                put(stage, PRIMARY, BUCKET, KEY, state(serial, "")).await;
            }
        }
        "a digest row of other content" => {
            let place = format!("{BUCKET}/{KEY}-md5");
            row(stage, PRIMARY, TABLE, &place, "0123").await;
        }
        "a lock, and a state that was written since" => {
            let info = String::from_utf8(lock(LOCK_ID)).expect("a text");
            let dynamodb = stage.clients(PRIMARY).await.dynamodb;
            let put = dynamodb.put_item().table_name(TABLE);
            let put = put.item("LockID", AttributeValue::S(format!("{BUCKET}/{KEY}")));
            let put = put.item("Info", AttributeValue::S(info)).send().await;
            put.expect("the row is written");
        }
        "a state that the DR region never had" => {
            put(stage, PRIMARY, BUCKET, OLD, state(1, "")).await;
            let dr = stage.clients(DR).await;
            let versions = list_versions(&dr, DR_BUCKET, OLD).await.expect("listed");
            let deleted = delete_versions(&dr, DR_BUCKET, &versions).await;
            deleted.expect("deleted");
        }
        "the primary region does not answer" => {
            stage.aws.set_region(PRIMARY, RegionState::Refuse);
        }
        "it answers, and DR has gone on" => {
            stage.aws.set_region(PRIMARY, RegionState::Up);
            put(stage, DR, DR_BUCKET, KEY, state(9, "drill")).await;
            let place = format!("{DR_BUCKET}/{KEY}-md5");
            row(stage, DR, DR_TABLE, &place, "0123").await;
        }
        other => panic!("the page gives {other:?}, and nobody knows how that comes about"),
    }
}

/// The version of the state that was written first.
async fn first_version(stage: &Stage) -> String {
    let versions = list_versions(&stage.clients(PRIMARY).await, BUCKET, KEY).await;
    let first = versions.expect("listed").into_iter().next_back();
    first.and_then(|first| first.version_id).unwrap_or_default()
}

/// What `--help` lists.
async fn commands(stage: &Stage) -> BTreeSet<String> {
    let help = stage.run(&["--help"]).await.exits(0).stdout();
    let listed = help.split("Commands:").nth(1).expect("a list");
    let listed = listed.lines().skip(1).take_while(|line| !line.is_empty());
    // What is said of a command may go on in the next line, further in.
    let listed = listed.filter_map(|line| line.strip_prefix("  "));
    let names = listed.filter_map(|line| line.split(' ').next());
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_the_page_end_as_it_says_and_have_json_with_kind_and_version() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let (mut shown, mut with_json) = (BTreeSet::new(), BTreeSet::new());
    for line in lines() {
        let (arguments, exit) = match line {
            Line::Given(given) => {
                come_about(&stage, given).await;
                continue;
            }
            Line::Run(arguments, exit) => (arguments, exit),
        };
        let name = arguments.first().copied().unwrap_or_default().to_owned();
        shown.insert(name.clone());
        let version = first_version_if(&stage, &arguments).await;
        let arguments: Vec<&str> = arguments
            .iter()
            .map(|argument| match *argument {
                "LOCK_ID" => LOCK_ID,
                "VERSION" => version.as_str(),
                other => other,
            })
            .collect();
        let ran = stage.run(&arguments).await.exits(exit);
        let ran = match arguments.contains(&"--output") {
            true => ran,
            // What changes something is not done twice for its document.
            false if arguments.contains(&"--yes") => continue,
            false => {
                let arguments = [&arguments[..], &["--output", "json"]].concat();
                stage.run(&arguments).await.exits(exit)
            }
        };
        let document = ran.json();
        assert!(document["kind"].is_string(), "{arguments:?}: {document:#}");
        assert!(document["version"].is_u64(), "{arguments:?}: {document:#}");
        with_json.insert(name);
    }
    let mut commands = commands(&stage).await;
    commands.remove("help");
    assert_eq!(shown, commands, "the page shows each command that there is");
    assert_eq!(with_json, commands, "each command has a document");
}

/// Those that stand alone, with folders and a role of their own, as far as a plan goes.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn examples_of_the_page_with_folders_and_a_role_can_be_planned() {
    use crate::roots::{stage_with_terraform, with_terraform, write};
    let Some(stage) = stage_with_terraform().await else {
        return;
    };
    for (folder, key) in [("staging", KEY), ("network", OLD)] {
        let code = format!("terraform {{\n  backend \"s3\" {{\n    key = \"{key}\"\n  }}\n}}\n");
        write(
            &stage.path(&format!("environments/{folder}/main.tf")),
            &code,
        );
        put(&stage, PRIMARY, BUCKET, key, state(4, "")).await;
    }
    let mut planned = BTreeSet::new();
    for line in PAGE.lines() {
        let Some(arguments) = line.strip_prefix("    init-backend ") else {
            continue;
        };
        // Of the account that the local AWS has.
        let arguments = arguments.replace("111122223333", "000000000000");
        let arguments: Vec<&str> = arguments.split(' ').chain(["--dry-run"]).collect();
        with_terraform(&stage, &arguments).await.exits(0);
        planned.insert(arguments[0].to_owned());
    }
    let wanted = ["backfill", "failback", "failover"].map(str::to_owned);
    assert_eq!(planned, BTreeSet::from(wanted));
}

async fn first_version_if(stage: &Stage, arguments: &[&str]) -> String {
    match arguments.contains(&"VERSION") {
        true => first_version(stage).await,
        false => String::new(),
    }
}
