use serde_json::{Value, json};

use crate::stage::{DR, EXAMPLE, PRIMARY, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn apply_makes_everything_and_a_second_one_changes_nothing() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let plan = stage
        .run(&["plan", "--check", "--output", "json"])
        .await
        .exits(1)
        .json();
    assert_eq!(plan["pending"], 33, "{plan:#}");
    assert_eq!(
        stage.mutations(),
        Vec::<String>::new(),
        "a plan changes nothing"
    );

    let applied = stage.apply().await.exits(0).json();
    assert_eq!(applied["complete"], true, "{applied:#}");
    let key = applied["canary"]["key"].as_str().unwrap_or_default();
    assert!(
        key.starts_with("init-backend/replication-canary/"),
        "{applied:#}"
    );
    let verified = stage
        .run(&["verify", "--output", "json"])
        .await
        .exits(0)
        .json();
    assert_eq!(
        (&verified["ok"], &verified["wrong"]),
        (&json!(33), &json!(0)),
        "{verified:#}"
    );

    stage.aws.clear_log();
    let again = stage.apply().await.exits(0).json();
    assert_eq!(again["unchanged"], 33, "{again:#}");
    assert_eq!(
        stage.mutations(),
        Vec::<String>::new(),
        "a second apply changes nothing"
    );
    stage.run(&["plan", "--check"]).await.exits(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_verbose_tells_every_step_and_no_call() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let ran = stage.run(&["apply", "--yes", "-v"]).await.exits(0);
    let stderr = ran.stderr();
    let steps: Vec<&str> = stderr
        .lines()
        .filter(|line| line.contains("state_backend") && line.contains("outcome="))
        .collect();
    assert_eq!(steps.len(), 34, "33 settings and the canary: {stderr}");
    let versioning =
        r#"region=ca-central-1 resource="bucket berthcare-terraform-state" step="versioning""#;
    assert!(
        steps.iter().any(|step| step.contains(versioning)),
        "{stderr}"
    );
    assert!(!stderr.contains("PutBucketVersioning"), "{stderr}");
}

// aws-behaviour: 14
#[tokio::test(flavor = "multi_thread")]
async fn the_canary_leaves_nothing_behind() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    stage.run(&["verify", "--canary"]).await.exits(0);
    for (region, bucket) in [
        (PRIMARY, "berthcare-terraform-state"),
        (DR, "berthcare-terraform-state-dr"),
    ] {
        let clients = stage.clients(region).await;
        let left = clients
            .s3
            .list_object_versions()
            .bucket(bucket)
            .send()
            .await
            .unwrap();
        assert!(
            left.versions().is_empty() && left.delete_markers().is_empty(),
            "{left:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_canary_writes_nothing_to_a_bucket_of_another_account() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.apply().await.exits(0);
    let bucket = "berthcare-terraform-state";
    stage.aws.set_bucket_owner(bucket, "999999999999").unwrap();
    stage.run(&["verify", "--canary"]).await;
    let clients = stage.clients(PRIMARY).await;
    let list = clients.s3.list_object_versions().bucket(bucket);
    let theirs = list.expected_bucket_owner("999999999999").send();
    let theirs = theirs.await.unwrap();
    assert!(theirs.versions().is_empty(), "{theirs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weaker_bucket_is_strengthened_and_keeps_what_others_put_there() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let s3 = stage.clients(DR).await.s3;
    let bucket = "berthcare-terraform-state-dr";
    s3.create_bucket().bucket(bucket).send().await.unwrap();
    let theirs = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "Theirs", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*"),
    }]});
    s3.put_bucket_policy()
        .bucket(bucket)
        .policy(theirs.to_string())
        .send()
        .await
        .unwrap();
    let tag = aws_sdk_s3::types::Tag::builder()
        .key("Owner")
        .value("jo")
        .build()
        .unwrap();
    let tags = aws_sdk_s3::types::Tagging::builder()
        .tag_set(tag)
        .build()
        .unwrap();
    s3.put_bucket_tagging()
        .bucket(bucket)
        .tagging(tags)
        .send()
        .await
        .unwrap();
    s3.put_object()
        .bucket(bucket)
        .key("kept")
        .body(b"x".to_vec().into())
        .send()
        .await
        .unwrap();

    let plan = stage
        .run(&["plan", "--output", "json"])
        .await
        .exits(0)
        .json();
    let of = |aspect: &str| -> Value {
        let changes = plan["changes"].as_array().unwrap();
        let found = changes
            .iter()
            .find(|c| c["name"] == bucket && c["aspect"] == aspect);
        found.map_or(Value::Null, |change| change["status"].clone())
    };
    assert_eq!(of("exists"), Value::Null, "it is there: {plan:#}");
    assert_eq!(of("versioning"), "missing");
    assert_eq!(of("tls-only"), "differs");
    assert_eq!(of("tags"), "differs");

    stage.apply().await.exits(0);
    let policy = s3
        .get_bucket_policy()
        .bucket(bucket)
        .send()
        .await
        .unwrap()
        .policy
        .unwrap();
    assert!(
        policy.contains("Theirs") && policy.contains("aws:SecureTransport"),
        "{policy}"
    );
    let tags = s3
        .get_bucket_tagging()
        .bucket(bucket)
        .send()
        .await
        .unwrap()
        .tag_set;
    assert!(tags.iter().any(|tag| tag.key() == "Owner"), "{tags:?}");
    assert!(
        tags.iter().any(|tag| tag.key() == "Environment"),
        "{tags:?}"
    );
    s3.head_object()
        .bucket(bucket)
        .key("kept")
        .send()
        .await
        .unwrap();
}

// aws-behaviour: 17
#[tokio::test(flavor = "multi_thread")]
async fn with_kms_the_rule_the_role_and_the_tables_name_the_keys() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let mut keys = Vec::new();
    for region in [PRIMARY, DR] {
        let clients = stage.clients(region).await;
        let kms = aws_env::client!(aws_sdk_kms, clients.access());
        let key = kms.create_key().send().await.unwrap().key_metadata.unwrap();
        keys.push((kms, key.arn.unwrap()));
    }
    let [(kms, primary), (_, dr)] = keys.as_slice() else {
        panic!("two keys")
    };
    let (primary, dr) = (primary.as_str(), dr.as_str());
    let mut config: toml::Table = EXAMPLE.parse().unwrap();
    let state = config["state"].as_table_mut().unwrap();
    state.insert(
        "encryption".into(),
        toml::Value::Table([("kms".to_owned(), primary.into())].into_iter().collect()),
    );
    state["dr"]
        .as_table_mut()
        .unwrap()
        .insert("kms".into(), dr.into());
    stage.configure(&config.to_string());

    kms.disable_key().key_id(primary).send().await.unwrap();
    stage.aws.clear_log();
    let refused = stage.run(&["apply", "--yes"]).await.exits(4);
    let shown = refused.stdout();
    assert!(shown.contains("state=Disabled"), "{shown}");
    let refused = stage.run(&["apply", "--yes", "--output", "json"]).await;
    let refused = refused.exits(4).json();
    assert_eq!(refused["kind"], "backend-apply");
    assert_eq!(refused["refused"][0]["refusal"]["kind"], "key-not-usable");
    assert!(stage.mutations().is_empty(), "{:?}", stage.mutations());
    kms.enable_key().key_id(primary).send().await.unwrap();
    stage
        .run(&["apply", "--yes", "--skip-canary"])
        .await
        .exits(0);
    stage.run(&["verify"]).await.exits(0);

    let clients = stage.clients(PRIMARY).await;
    let replication = clients
        .s3
        .get_bucket_replication()
        .bucket("berthcare-terraform-state")
        .send()
        .await
        .unwrap()
        .replication_configuration
        .unwrap();
    let rule = format!("{:?}", replication.rules());
    assert!(
        rule.contains(dr) && rule.contains("SseKmsEncryptedObjects"),
        "{rule}"
    );
    let iam = stage.iam().await;
    let policy = iam
        .get_role_policy()
        .role_name("S3TerraformStateReplicationRole")
        .policy_name("ReplicationPolicy")
        .send()
        .await
        .unwrap()
        .policy_document;
    for part in [primary, dr, "GetObjectVersionTagging", "ReplicateTags"] {
        assert!(
            policy
                .replace("%3A", ":")
                .replace("%2F", "/")
                .contains(part),
            "{part}: {policy}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_dr_side_only_the_primary_is_made() {
    let mut config: toml::Table = EXAMPLE.parse().unwrap();
    config["state"].as_table_mut().unwrap().remove("dr");
    let Some(stage) = Stage::with(&config.to_string()).await else {
        return;
    };
    let applied = stage.apply().await.exits(0).json();
    assert_eq!(applied["canary"], Value::Null);
    stage.run(&["render", "dr"]).await.exits(2);
    stage.run(&["status"]).await.exits(0);
    assert!(
        stage
            .aws
            .log()
            .iter()
            .all(|entry| entry.service == "iam" || entry.region.as_deref() != Some(DR))
    );
}

// aws-behaviour: 25
#[tokio::test(flavor = "multi_thread")]
async fn a_global_table_is_made_by_update_table() {
    let mut config: toml::Table = EXAMPLE.parse().unwrap();
    let dr = config["state"]["dr"].as_table_mut().unwrap();
    dr.insert("strategy".into(), "global-table".into());
    dr.remove("lock_table");
    let Some(stage) = Stage::with(&config.to_string()).await else {
        return;
    };
    let plan = stage.run(&["plan"]).await.exits(0);
    assert!(
        plan.stdout().contains("no mutex across regions"),
        "{}",
        plan.stdout()
    );
    stage.apply().await.exits(0);
    stage.run(&["verify"]).await.exits(0);
    let operations: Vec<String> = stage
        .aws
        .log()
        .into_iter()
        .map(|entry| entry.operation)
        .collect();
    assert!(
        operations.contains(&"UpdateTable".to_owned()),
        "{operations:?}"
    );
    assert!(
        !operations.contains(&"CreateGlobalTable".to_owned()),
        "{operations:?}"
    );
    let table = stage
        .clients(DR)
        .await
        .dynamodb
        .describe_table()
        .table_name("berthcare-terraform-locks")
        .send()
        .await
        .unwrap()
        .table
        .unwrap();
    assert_eq!(table.deletion_protection_enabled, Some(true), "{table:?}");
}
