//! The application's environment: references, and values where they are asked for.

use std::os::unix::fs::PermissionsExt as _;

use crate::certificates::Authority;
use crate::hunt::{PASSWORD, TOKEN};
use crate::servers::postgres::USER;
use crate::stage::{Stage, text};

/// Certificates of authorities, as RDS publishes its own.
fn bundle(stage: &Stage) -> std::path::PathBuf {
    Authority::new().file(&stage.folder("certificates"))
}

#[tokio::test]
async fn values_without_the_certificates_of_rds_are_refused_and_where_they_are_is_told() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.aws.clear_log();
    let empty = stage.folder("certificates").join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for path in ["nowhere/bundle.pem", text(&empty)] {
        let ran = stage.run(&["env", "--reveal", "--rds-ca", path]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        let published = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";
        assert!(ran.stderr.contains(published), "{ran:?}");
        assert!(ran.stderr.contains(path), "{ran:?}");
    }
    assert!(stage.aws.log().is_empty(), "{:?}", stage.aws.log());
    // References are for another machine, whose files are not seen here.
    let ran = stage.run(&["env", "--rds-ca", "/app/rds.pem"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout
            .contains("PGSSLMODE=verify-full\nPGSSLROOTCERT=/app/rds.pem\n"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn env_as_json_is_the_same_by_either_flag_and_a_form_that_is_named_wins() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    let json = stage.run(&["env", "--output", "json"]).await;
    assert_eq!(json.code, Some(0), "{json:?}");
    assert_eq!(json.json()["POSTGRES_USER"], USER);
    let form = stage.run(&["env", "--format", "json"]).await;
    assert_eq!(form.stdout, json.stdout);
    let lines = ["env", "--format", "dotenv", "--output", "json"];
    let lines = stage.run(&lines).await;
    assert!(
        lines.stdout.contains(&format!("POSTGRES_USER={USER}\n")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn the_master_users_password_is_never_written() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let bundle = bundle(&stage);
    let arguments = ["env", "--reveal", "--rds-ca", text(&bundle)];
    // What RDS keeps stands in for nothing.
    let master = stage.outputs["db_credentials_secret_arn"]["value"].clone();
    stage.output("db_master_secret_arn", master.clone());
    stage.outputs.remove("db_credentials_secret_arn");
    let connection = serde_json::json!({"engine": "postgres", "host": "db.example", "port": 5432,
        "dbname": "postgres", "username": "berthcare_admin", "password_secret_arn": master});
    let arn = stage.secret("connection", &connection.to_string()).await;
    stage.output("db_connection_secret_arn", arn);
    let ran = stage.run(&arguments).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
    assert!(ran.stderr.contains("db_credentials_secret_arn"), "{ran:?}");
    // Nor is it taken for the application's, known by its ARN or by the user's name.
    stage.output("db_credentials_secret_arn", master);
    let ran = stage.run(&arguments).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
    assert!(ran.stderr.contains("master user"), "{ran:?}");
    stage.outputs.remove("db_master_secret_arn");
    stage.output("db_master_username", USER);
    let ran = stage.run(&arguments).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{ran:?}");
    assert!(ran.stderr.contains("master user"), "{ran:?}");
}

#[tokio::test]
async fn references_need_no_aws_and_hold_no_secret() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.aws.clear_log();
    for format in ["dotenv", "json", "ecs"] {
        let env = ["env", "--side", "primary", "--format", format];
        let ran = stage.run(&env).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("secretsmanager"), "{ran:?}");
        let ran = stage
            .run(&[&env[..], &["--out", "environment"]].concat())
            .await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    }
    assert!(stage.aws.log().is_empty(), "{:?}", stage.aws.log());
    // Which side it is has to be asked for, and nothing else.
    let ran = stage.run(&["env"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let asked = stage.aws.log();
    let asked: Vec<_> = asked.iter().map(|call| call.operation.as_str()).collect();
    assert!(
        asked
            .iter()
            .all(|of| ["GetCallerIdentity", "GetObject"].contains(of)),
        "{asked:?}"
    );
}

#[tokio::test]
async fn values_are_written_for_the_owner_alone() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    // A file that others may read becomes one that they may not.
    let file = stage.folder("revealed").join("environment.json");
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let bundle = bundle(&stage);
    let arguments = [
        "env",
        "--format",
        "json",
        "--reveal",
        "--rds-ca",
        text(&bundle),
        "--out",
        text(&file),
    ];
    let ran = stage.run(&arguments).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(written["POSTGRES_PASSWORD"], PASSWORD);
    assert_eq!(written["REDIS_PASSWORD"], TOKEN);
    assert_eq!(written["PGSSLMODE"], "verify-full");
    assert_eq!(written["PGSSLROOTCERT"], text(&bundle));
    let url = written["DATABASE_URL"].as_str().unwrap();
    assert!(
        url.contains("?sslmode=verify-full&sslrootcert=%2F"),
        "{url}"
    );
    let left = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "no temporary file stays");

    let ran = stage
        .run_revealing(&["env", "--reveal", "--rds-ca", text(&bundle)])
        .await;
    assert!(ran.stdout.contains("rediss://"), "{ran:?}");
    crate::hunt::assert_clean("standard error", ran.stderr.as_bytes());
}

#[tokio::test]
async fn what_cannot_be_written_leaves_the_old_file() {
    let Some(mut stage) = Stage::open().await else {
        return;
    };
    let file = stage.work().join("environment");
    std::fs::write(&file, "old").unwrap();
    let ran = stage
        .run(&["env", "--format", "ecs", "--reveal", "--out", text(&file)])
        .await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let denied = local_aws::Fault::new(local_aws::FaultKind::Denied).service("secretsmanager");
    stage.aws.add_fault(denied);
    let bundle = bundle(&stage);
    let ran = stage
        .run(&[
            "env",
            "--reveal",
            "--rds-ca",
            text(&bundle),
            "--out",
            text(&file),
        ])
        .await;
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("access denied"), "{ran:?}");
    stage.outputs.remove("s3_bucket_photos");
    let ran = stage.run(&["env", "--out", text(&file)]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("s3_bucket_photos"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "old");
}
