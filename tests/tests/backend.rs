//! The state backend with the real terraform and an independent client.

use anyhow::Result;
use end_to_end::{Stage, Terraform, missing_tool, skipped};
use local_aws::{LocalAws, RegionState};
use serde_json::Value;

const PRIMARY: &str = "ca-central-1";
const STATE_BUCKET: &str = "berthcare-terraform-state";

async fn open() -> Result<Option<Stage>> {
    Stage::open(env!("CARGO_BIN_EXE_drill")).await
}

fn terraform(stage: &Stage) -> Result<Terraform> {
    Terraform::new(&stage.programs, stage.folder.path())
}

fn aws_cli(stage: &Stage, region: &str, arguments: &[&str]) -> Result<Value> {
    let all = [arguments, &["--region", region, "--output", "json"]].concat();
    stage.tool("aws", &all)?.exits(0)?.json()
}

fn is_skipped(why: Option<String>) -> bool {
    if let Some(why) = &why {
        skipped(why);
    }
    why.is_some()
}

fn no_aws_cli() -> Option<String> {
    let found = std::process::Command::new("aws")
        .arg("--version")
        .output()
        .is_ok();
    (!found).then(|| "the aws command is missing".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_passes_and_leaves_no_process() -> Result<()> {
    if is_skipped(missing_tool()) || LocalAws::start_or_skip().await?.is_none() {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let page = folder.path().join("drill.html");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_drill"))
        .args(["--quick", "--output", "json", "--page"])
        .arg(&page)
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let drilled: Value = serde_json::from_str(&text)?;
    assert_eq!(drilled["passed"], true, "{drilled:#}");
    let losses = drilled["losses"].as_array().map_or(&[][..], Vec::as_slice);
    let objects = losses.iter().find(|loss| loss["kind"] == "objects");
    let objects = objects.unwrap_or(&Value::Null);
    // What was confirmed is replicated at once here, so that none is lost.
    assert_eq!(objects["lost"], 0, "{drilled:#}");
    assert!(objects["confirmed"].as_u64() > Some(0), "{drilled:#}");
    let page = std::fs::read_to_string(page)?;
    assert!(page.contains("finished"), "{page}");
    assert!(
        drilled["steps"]
            .as_array()
            .is_some_and(|steps| steps.len() >= 10),
        "{drilled:#}"
    );
    Ok(())
}

/// Everything that `apply` claims, seen by a client that shares no code with it.
// aws-behaviour: 19
#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_sees_every_setting_on_both_sides() -> Result<()> {
    if is_skipped(no_aws_cli()) {
        return Ok(());
    }
    let Some(stage) = open().await? else {
        return Ok(());
    };
    let sides = [
        (PRIMARY, STATE_BUCKET, "berthcare-terraform-locks"),
        (
            "us-east-1",
            "berthcare-terraform-state-dr",
            "berthcare-terraform-locks-dr",
        ),
    ];
    for (region, bucket, table) in sides {
        let s3 = |call: &str| aws_cli(&stage, region, &["s3api", call, "--bucket", bucket]);
        let table_call =
            |call: &str| aws_cli(&stage, region, &["dynamodb", call, "--table-name", table]);
        assert_eq!(s3("get-bucket-versioning")?["Status"], "Enabled");
        let encryption = s3("get-bucket-encryption")?;
        let rule = &encryption["ServerSideEncryptionConfiguration"]["Rules"][0];
        assert_eq!(
            rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"],
            "AES256"
        );
        let block = s3("get-public-access-block")?;
        for flag in [
            "BlockPublicAcls",
            "IgnorePublicAcls",
            "BlockPublicPolicy",
            "RestrictPublicBuckets",
        ] {
            assert_eq!(
                block["PublicAccessBlockConfiguration"][flag], true,
                "{bucket} {flag}"
            );
        }
        let ownership = s3("get-bucket-ownership-controls")?;
        assert_eq!(
            ownership["OwnershipControls"]["Rules"][0]["ObjectOwnership"],
            "BucketOwnerEnforced"
        );
        let policy = s3("get-bucket-policy")?;
        let policy: Value = serde_json::from_str(policy["Policy"].as_str().unwrap_or_default())?;
        assert_eq!(
            policy["Statement"][0]["Condition"]["Bool"]["aws:SecureTransport"],
            "false"
        );
        let lifecycle = s3("get-bucket-lifecycle-configuration")?;
        assert_eq!(
            lifecycle["Rules"][0]["NoncurrentVersionExpiration"]["NoncurrentDays"],
            90
        );
        let tags = s3("get-bucket-tagging")?.to_string();
        assert!(
            tags.contains("Environment") && tags.contains("staging"),
            "{tags}"
        );

        let described = table_call("describe-table")?;
        let described = &described["Table"];
        assert_eq!(described["KeySchema"][0]["AttributeName"], "LockID");
        assert_eq!(
            described["BillingModeSummary"]["BillingMode"],
            "PAY_PER_REQUEST"
        );
        assert_eq!(described["SSEDescription"]["SSEType"], "KMS");
        assert_eq!(described["DeletionProtectionEnabled"], true);
        let backups = table_call("describe-continuous-backups")?;
        let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
        assert_eq!(recovery["PointInTimeRecoveryStatus"], "ENABLED");
    }
    let replication = aws_cli(
        &stage,
        PRIMARY,
        &["s3api", "get-bucket-replication", "--bucket", STATE_BUCKET],
    )?;
    let replication = &replication["ReplicationConfiguration"];
    let rule = &replication["Rules"][0];
    assert_eq!(rule["ID"], "terraform-state-to-dr");
    assert_eq!(rule["DeleteMarkerReplication"]["Status"], "Enabled");
    assert_eq!(
        rule["Destination"]["Bucket"],
        "arn:aws:s3:::berthcare-terraform-state-dr"
    );
    assert_eq!(
        rule["Destination"]["ReplicationTime"]["Time"]["Minutes"],
        15
    );
    assert_eq!(rule["Destination"]["Metrics"]["Status"], "Enabled");
    let role = "S3TerraformStateReplicationRole";
    let trust = aws_cli(&stage, PRIMARY, &["iam", "get-role", "--role-name", role])?;
    let trust = &trust["Role"]["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(
        trust["Condition"]["StringEquals"]["aws:SourceAccount"],
        "000000000000"
    );
    assert_eq!(
        trust["Condition"]["ArnLike"]["aws:SourceArn"],
        "arn:aws:s3:::berthcare-terraform-state"
    );
    let policy = [
        "iam",
        "get-role-policy",
        "--role-name",
        role,
        "--policy-name",
        "ReplicationPolicy",
    ];
    let policy = aws_cli(&stage, PRIMARY, &policy)?.to_string();
    for action in [
        "s3:GetObjectVersionTagging",
        "s3:ReplicateTags",
        "s3:ReplicateDelete",
    ] {
        assert!(policy.contains(action), "{action}: {policy}");
    }
    Ok(())
}

/// Looks at the locks from inside a running apply.
// aws-behaviour: 21
// aws-behaviour: 23
#[tokio::test(flavor = "multi_thread")]
async fn the_locks_of_a_running_terraform_are_listed_with_their_holder() -> Result<()> {
    if is_skipped(missing_tool()) {
        return Ok(());
    }
    let Some(stage) = open().await? else {
        return Ok(());
    };
    let terraform = terraform(&stage)?;
    let look = format!(
        "resource \"terraform_data\" \"look\" {{\n  provisioner \"local-exec\" {{\n    command = \
         \"cd .. && {} --as init-backend locks --output json > locks.json\"\n  }}\n}}\n",
        env!("CARGO_BIN_EXE_drill")
    );
    std::fs::write(stage.folder.path().join("stack/look.tf"), look)?;
    stage
        .init_backend(&["render", "primary", "--out", "b.s3.tfbackend"])?
        .exits(0)?;
    tokio::task::block_in_place(|| {
        terraform.init("b.s3.tfbackend", &[])?;
        terraform
            .run(&["apply", "-auto-approve", "-no-color"])?
            .exits(0)
    })?;
    let seen: Value = serde_json::from_str(&std::fs::read_to_string(
        stage.folder.path().join("locks.json"),
    )?)?;
    let locks = seen["sides"][0]["locks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let kinds: Vec<&str> = locks
        .iter()
        .filter_map(|lock| lock["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["dynamodb", "s3"], "{seen:#}");
    for lock in &locks {
        assert_eq!(lock["info"]["Operation"], "OperationTypeApply", "{lock:#}");
        assert_eq!(
            lock["info"]["Path"], "berthcare-terraform-state/staging/terraform.tfstate",
            "{lock:#}"
        );
        assert!(
            lock["info"]["Who"]
                .as_str()
                .is_some_and(|who| who.contains('@')),
            "{lock:#}"
        );
    }
    let after = stage
        .init_backend(&["locks", "--output", "json"])?
        .exits(0)?
        .json()?;
    assert_eq!(
        after["sides"][0]["locks"],
        serde_json::json!([]),
        "terraform released both"
    );
    Ok(())
}

// aws-behaviour: 4
// aws-behaviour: 24
#[tokio::test(flavor = "multi_thread")]
async fn in_a_lost_region_only_reconfigure_works_and_a_stale_digest_is_told() -> Result<()> {
    if is_skipped(missing_tool()) {
        return Ok(());
    }
    let Some(stage) = open().await? else {
        return Ok(());
    };
    let terraform = terraform(&stage)?;
    for side in ["primary", "dr"] {
        let file = format!("{side}.s3.tfbackend");
        stage
            .init_backend(&["render", side, "--out", &file])?
            .exits(0)?;
    }
    tokio::task::block_in_place(|| {
        terraform.init("primary.s3.tfbackend", &[])?;
        terraform
            .run(&["apply", "-auto-approve", "-no-color"])?
            .exits(0)
    })?;
    stage.aws.set_region(PRIMARY, RegionState::Refuse);
    tokio::task::block_in_place(|| -> Result<()> {
        let migrate = [
            "init",
            "-no-color",
            "-migrate-state",
            "-force-copy",
            "-backend-config=../dr.s3.tfbackend",
        ];
        assert_ne!(
            terraform.run(&migrate)?.code(),
            Some(0),
            "the old backend is gone"
        );
        terraform.init("dr.s3.tfbackend", &["-reconfigure"])?;
        assert_eq!(
            terraform
                .run(&["state", "list"])?
                .exits(0)?
                .stdout()
                .lines()
                .count(),
            3
        );
        Ok(())
    })?;
    // A digest of another state under the DR bucket's name: status tells it before terraform does.
    let clients = clients(&stage, "us-east-1").await?;
    let text = |value: &str| aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned());
    clients
        .dynamodb
        .put_item()
        .table_name("berthcare-terraform-locks-dr")
        .item(
            "LockID",
            text("berthcare-terraform-state-dr/staging/terraform.tfstate-md5"),
        )
        .item("Digest", text("00000000000000000000000000000000"))
        .send()
        .await?;
    let status = stage
        .init_backend(&["status", "--output", "json"])?
        .exits(1)?
        .json()?;
    assert_eq!(
        status["states"][0]["copies"][1]["digest"], "differs",
        "{status:#}"
    );
    let refused = tokio::task::block_in_place(|| terraform.run(&["state", "list", "-no-color"]))?;
    assert!(
        refused
            .stderr()
            .contains("does not have the expected content"),
        "{}",
        refused.stderr()
    );
    Ok(())
}

async fn clients(stage: &Stage, region: &str) -> Result<aws_env::RegionClients> {
    let env = aws_env::AwsEnv::load(aws_env::Options {
        endpoint_url: Some(stage.aws.endpoint().to_owned()),
        credentials: Some(aws_credential_types::Credentials::new(
            "test", "test", None, None, "test",
        )),
        ..aws_env::Options::default()
    })
    .await?;
    Ok(env.region(region.parse()?))
}
