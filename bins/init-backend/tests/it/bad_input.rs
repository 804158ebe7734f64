//! Names that are taken, tables that are something else, missing credentials, misspelt files.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};

use crate::stage::{DR, EXAMPLE, PRIMARY, Stage};

const BUCKET: &str = "berthcare-terraform-state";

fn in_canada() -> CreateBucketConfiguration {
    CreateBucketConfiguration::builder()
        .location_constraint(BucketLocationConstraint::CaCentral1)
        .build()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_field_is_named_with_its_line() {
    let Some(stage) = Stage::with(&EXAMPLE.replace("lock_table =", "lock_tabel =")).await else {
        return;
    };
    let ran = stage.run(&["plan"]).await.exits(2);
    assert!(
        ran.stderr().contains("lock_tabel") && ran.stderr().contains("lock_table"),
        "{}",
        ran.stderr()
    );
    assert_eq!(stage.aws.log(), [], "nothing was called");
}

// aws-behaviour: 36
#[tokio::test(flavor = "multi_thread")]
async fn a_dr_region_outside_the_residency_is_refused() {
    let expired = EXAMPLE.replace("expires = 2027-06-30", "expires = 2026-01-31");
    assert_ne!(expired, EXAMPLE);
    let Some(stage) = Stage::with(&expired).await else {
        return;
    };
    let ran = stage.run(&["apply", "--yes"]).await.exits(2);
    assert!(
        ran.stderr().contains("2026-01-31") && ran.stderr().contains("us-east-1"),
        "{}",
        ran.stderr()
    );
    assert_eq!(stage.aws.log(), [], "nothing was called");
}

// aws-behaviour: 18
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_somebody_else_and_one_of_ours_elsewhere_are_two_errors() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let stranger = stage.clients_of("111111111111", PRIMARY).await;
    stranger
        .s3
        .create_bucket()
        .bucket(BUCKET)
        .create_bucket_configuration(in_canada())
        .send()
        .await
        .unwrap();
    stage.aws.clear_log();
    let refused = stage.apply().await.exits(4).json();
    assert_eq!(
        refused["refused"][0]["refusal"]["kind"], "taken-by-somebody-else",
        "{refused:#}"
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());
    drop(stage);

    let Some(stage) = Stage::open().await else {
        return;
    };
    stage
        .clients(DR)
        .await
        .s3
        .create_bucket()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    stage.aws.clear_log();
    let refused = stage.apply().await.exits(4).json();
    assert_eq!(
        refused["refused"][0]["refusal"]["kind"], "in-another-region",
        "{refused:#}"
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_another_key_is_not_touched() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage
        .clients(PRIMARY)
        .await
        .dynamodb
        .create_table()
        .table_name("berthcare-terraform-locks")
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("Id")
                .attribute_type(ScalarAttributeType::N)
                .build()
                .unwrap(),
        )
        .key_schema(
            KeySchemaElement::builder()
                .attribute_name("Id")
                .key_type(KeyType::Hash)
                .build()
                .unwrap(),
        )
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
    stage.aws.clear_log();
    let refused = stage.apply().await.exits(4).stdout();
    assert!(
        refused.contains("other-key-schema") && refused.contains("Id HASH N"),
        "{refused}"
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_and_without_yes_nothing_is_changed() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = stage.run(&["apply"]).await.exits(4);
    assert!(ran.stderr().contains("--yes"), "{}", ran.stderr());
    assert_eq!(stage.mutations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_and_endpoints_that_do_not_work_are_named() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = stage
        .run_with(&["plan"], |command| {
            command
                .env_remove("AWS_ACCESS_KEY_ID")
                .env_remove("AWS_SECRET_ACCESS_KEY")
                .env("AWS_SHARED_CREDENTIALS_FILE", "no-such-file")
                .env("AWS_CONFIG_FILE", "no-such-file");
        })
        .await
        .exits(3);
    assert!(
        ran.stderr().contains("no usable credentials"),
        "{}",
        ran.stderr()
    );

    let ran = stage
        .run_with(&["plan"], |command| {
            // Port 9 is "discard": nobody listens there.
            command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        })
        .await
        .exits(3);
    assert!(
        ran.stderr().contains("cannot be reached"),
        "{}",
        ran.stderr()
    );
    assert!(
        ran.stderr().contains("AWS_ENDPOINT_URL"),
        "{}",
        ran.stderr()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_are_named() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage
        .aws
        .add_fault(local_aws::Fault::new(local_aws::FaultKind::Denied).service("sts"));
    let ran = stage.run(&["plan", "--output", "json"]).await.exits(3);
    let told = ran.json();
    assert_eq!(told["exit"], 3);
    assert!(
        told["error"][0].as_str().unwrap().contains("reach AWS"),
        "{told:#}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn render_writes_what_is_asked_and_overwrites_only_when_told() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = stage.run(&["render", "primary"]).await.exits(0);
    let (printed, url) = (ran.stdout(), stage.aws.endpoint());
    let remark = format!("# For the local AWS at {url} alone");
    assert!(printed.starts_with(&remark), "{printed}");
    let note = format!("note: the file is for the local AWS at {url}");
    assert!(ran.stderr().contains(&note), "{}", ran.stderr());
    let json = stage
        .run(&["render", "dr", "--output", "json"])
        .await
        .exits(0);
    assert_eq!(json.json()["local_aws"], url);
    let aws = |command: &mut std::process::Command| {
        command.env_remove("AWS_ENDPOINT_URL");
    };
    let ran = stage.run_with(&["render", "primary"], aws).await.exits(0);
    assert!(!ran.stdout().contains("local") && !ran.stderr().contains("local"));
    stage
        .run(&["render", "primary", "--out", "b.tfbackend"])
        .await
        .exits(0);
    let written = std::fs::read_to_string(stage.path("b.tfbackend")).unwrap();
    assert_eq!(printed, written);
    for line in [
        "use_lockfile",
        "dynamodb_table",
        "use_path_style",
        "endpoints",
    ] {
        assert!(written.contains(line), "{line}: {written}");
    }
    stage
        .run(&["render", "primary", "--out", "b.tfbackend"])
        .await
        .exits(0);
    stage
        .run(&["render", "dr", "--out", "b.tfbackend"])
        .await
        .exits(4);
    assert_eq!(
        std::fs::read_to_string(stage.path("b.tfbackend")).unwrap(),
        written
    );
    let replaced = ["render", "dr", "--out", "b.tfbackend", "--yes"];
    let replaced = stage.run(&replaced).await.exits(0).stderr();
    let told = "what was in b.tfbackend is in b.tfbackend.kept-1 now";
    assert!(replaced.contains(told), "{replaced}");
    let kept = std::fs::read_to_string(stage.path("b.tfbackend.kept-1")).unwrap();
    assert_eq!(kept, written);
    assert!(
        std::fs::read_to_string(stage.path("b.tfbackend"))
            .unwrap()
            .contains("us-east-1")
    );
}

/// With the other environment's key, terraform would open that one's state.
#[tokio::test(flavor = "multi_thread")]
async fn render_keeps_the_key_that_the_code_of_its_root_names() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let key_in = async |args: &[&str]| {
        let ran = stage.run(&[&["render", "dr"], args].concat()).await;
        let json = ran.exits(0).json();
        let content = json["content"].as_str().unwrap_or_default().to_owned();
        let key = content.lines().find(|line| line.starts_with("key "));
        key.map(|key| key.split('"').nth(1).unwrap_or_default().to_owned())
    };
    let settings = Some("staging/terraform.tfstate".to_owned());
    let root = |name: &str, backend: &str| {
        let folder = stage.path(name);
        std::fs::create_dir_all(&folder).unwrap();
        let code = format!("terraform {{\n  backend {backend} {{}}\n}}\n")
            .replace("{}", "{\n    key = \"dr/terraform.tfstate\"\n  }");
        std::fs::write(folder.join("versions.tf"), code).unwrap();
    };
    root("dr", "\"s3\"");
    root("local", "\"local\"");
    let own = Some("dr/terraform.tfstate".to_owned());
    let json = ["--output", "json"];
    let with = |args: &[&'static str]| [args, &json].concat();
    assert_eq!(key_in(&with(&["--dir", "dr"])).await, own);
    assert_eq!(key_in(&with(&["--out", "dr/a.s3.tfbackend"])).await, own);
    // Neither of these is for that root.
    assert_eq!(key_in(&with(&[])).await, settings);
    assert_eq!(key_in(&with(&["--out", "a.s3.tfbackend"])).await, settings);
    let other = with(&["--out", "local/a.s3.tfbackend"]);
    assert_eq!(key_in(&other).await, settings);
    let refused = stage.run(&["render", "dr", "--dir", "local"]).await;
    let said = refused.exits(2).stderr();
    assert!(said.contains("is \"local\", and not \"s3\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_stand_before_or_after_the_subcommand() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let before = stage
        .run(&["--output", "json", "render", "primary"])
        .await
        .exits(0)
        .stdout();
    let after = stage
        .run(&["render", "primary", "--output", "json"])
        .await
        .exits(0)
        .stdout();
    assert_eq!(before, after);
    stage.run(&["no-such-command"]).await.exits(2);
    let help = stage.run(&["--help"]).await.exits(0).stdout();
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
    let script = stage.run(&["completion", "bash"]).await.exits(0).stdout();
    assert!(script.contains("complete -F"), "{script}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_canarys_key_cannot_be_the_states() {
    let config = EXAMPLE.replace(
        "staging/terraform.tfstate",
        "init-backend/replication-canary",
    );
    let Some(stage) = Stage::with(&config).await else {
        return;
    };
    stage
        .run(&["apply", "--yes", "--skip-canary"])
        .await
        .exits(0);
    stage.aws.clear_log();
    let ran = stage.run(&["verify", "--canary"]).await.exits(2);
    assert!(
        ran.stderr().contains("key of the state"),
        "{}",
        ran.stderr()
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_serves_others_is_kept() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let role = "S3TerraformStateReplicationRole";
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let iam = stage.iam().await;
    iam.create_role()
        .role_name(role)
        .assume_role_policy_document(trust)
        .send()
        .await
        .unwrap();
    let photos = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Photos","Effect":"Allow","Action":"s3:ReplicateObject","Resource":"arn:aws:s3:::photos-dr/*"}]}"#;
    iam.put_role_policy()
        .role_name(role)
        .policy_name("ReplicationPolicy")
        .policy_document(photos)
        .send()
        .await
        .unwrap();
    stage.aws.clear_log();
    let refused = stage.apply().await.exits(4).stdout();
    assert!(
        refused.contains("in-the-way") && refused.contains("photos-dr"),
        "{refused}"
    );
    assert_eq!(stage.mutations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_one_document_too() {
    let Some(stage) = Stage::with(&EXAMPLE.replace("[state.dr]", "[state.dr]\n# x")).await else {
        return;
    };
    let told = stage
        .run(&["plan", "--nonsense", "--output", "json"])
        .await
        .exits(2)
        .json();
    assert_eq!(told["exit"], 2);
    let rendered = stage
        .run(&["render", "dr", "--output", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(rendered["side"], "dr");
    assert!(
        rendered["content"]
            .as_str()
            .unwrap()
            .contains("use_lockfile")
    );
    let ran = stage
        .run_with(&["plan"], |command| {
            command.env("AWS_ENDPOINT_URL_S3", "nonsense");
        })
        .await
        .exits(2);
    assert!(ran.stderr().contains("nonsense"), "{}", ran.stderr());
    stage
        .run(&[
            "verify",
            "--canary",
            "--canary-timeout",
            "2562047788015215h",
        ])
        .await
        .exits(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_account_than_the_settings_name_reach_nothing() {
    let config = format!("account = \"111122223333\"\n{}", EXAMPLE);
    let Some(stage) = Stage::with(&config).await else {
        return;
    };
    let refused = stage.run(&["apply", "--yes"]).await.exits(4);
    let told = "the credentials are of account 000000000000, and the settings are for account 111122223333";
    assert!(refused.stderr().contains(told), "{}", refused.stderr());
    assert!(stage.mutations().is_empty());
    let own = format!("account = \"000000000000\"\n{}", EXAMPLE);
    stage.configure(&own);
    stage.apply().await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_empty_is_wrong_usage_and_nothing_is_called() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let rows: [(&[&str], &str); 8] = [
        (&["restore", "a/tfstate", "--version", ""], "--version"),
        (&["restore", "", "--version", "v"], "<STATE>"),
        (&["integrity", "--state", ""], "--state"),
        (&["unlock", ""], "[ID]"),
        (&["unlock", "--place", ""], "--place"),
        (&["unlock", "1111", "--confirm", ""], "--confirm"),
        (&["repair", "digest", ""], "<STATE>"),
        (&["failover", "--dir", ""], "--dir"),
    ];
    for (arguments, named) in rows {
        let told = stage.run(arguments).await.exits(2).stderr();
        assert!(told.contains(named), "{arguments:?}: {told}");
    }
    assert_eq!(stage.aws.log(), [], "nothing was called");
    let told = stage.run(&["unlock"]).await.exits(2).stderr();
    assert!(told.contains("<ID|--place <PLACE>>"), "{told}");
}
