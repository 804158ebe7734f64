//! `apply`: the plan that was reviewed and no other, once, and what is known when it fails.

use std::fs;

use serde_json::{Value, json};

use crate::stage::{CODE, Stage, VALUES, stage};

/// The digest of a new plan.
async fn planned(stage: &Stage) -> Value {
    stage.ends(0, &["plan", "--output", "json"]).await.json()
}

const APPLY: [&str; 4] = ["apply", "--auto-approve", "--output", "json"];

#[tokio::test(flavor = "multi_thread")]
async fn apply_is_of_a_plan_that_was_made_and_of_each_once() {
    let stage = stage!(Stage::open());
    let told = stage.ends(2, &["apply", "--auto-approve"]).await.stderr;
    assert!(told.contains("deploy-staging plan"), "{told}");
    let first = planned(&stage).await;
    // Nobody is there to ask.
    let told = stage.ends(4, &["apply"]).await.stderr;
    assert!(told.contains("Apply 2 create to staging"), "{told}");
    let applied = stage.ends(0, &APPLY).await.json();
    assert_eq!(applied["kind"], "deployment-applied");
    assert_eq!(applied["changes"]["add"], 2);
    assert_eq!(
        (&applied["serial_before"], &applied["serial_after"]),
        (&Value::Null, &json!(1))
    );
    assert!(applied["outputs"]["vpc_id"].is_string(), "{applied:#}");
    let told = stage.ends(4, &APPLY).await.stderr;
    assert!(told.contains("was applied already, by kim@"), "{told}");
    let id = first["id"].as_str().unwrap();
    let folder = stage
        .path("state/deploy-staging/berthcare-staging")
        .join(id);
    assert!(
        !folder.join("plan").exists(),
        "it holds values of variables"
    );

    let status = stage.ends(0, &["status", "--output", "json"]).await.json();
    assert_eq!(status["standing"], json!({"ended": "done"}));
    assert_eq!(status["changes"][0]["became"], "done");

    planned(&stage).await;
    let nothing = [&APPLY[..], &["--if-changed"]].concat();
    let applied = stage.ends(0, &nothing).await.json();
    assert_eq!(applied["changed"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_of_another_plan_than_the_reviewed_one_is_refused() {
    let stage = stage!(Stage::open());
    // Two plans of the same values within a second are the same bytes, and so the same plan.
    stage.write(
        "stack/terraform.tfvars",
        &format!("{VALUES}vpc_cidr = \"10.1.0.0/16\"\n"),
    );
    let first = planned(&stage).await;
    stage.write("stack/terraform.tfvars", VALUES);
    let second = planned(&stage).await;
    let digest = first["digest"].as_str().unwrap();
    let told = stage
        .ends(4, &[&APPLY[..], &["--digest", digest]].concat())
        .await
        .stderr;
    assert!(told.contains("and not"), "{told}");
    stage
        .ends(2, &[&APPLY[..], &["--digest", "abc"]].concat())
        .await;
    let folder = stage.path("state/deploy-staging/berthcare-staging");
    let plan = folder.join(second["id"].as_str().unwrap()).join("plan");
    let bytes = fs::read(&plan).unwrap();
    fs::write(&plan, [&bytes[..], b"\n"].concat()).unwrap();
    let told = stage.ends(4, &APPLY).await.stderr;
    assert!(told.contains("was reviewed"), "{told}");
    fs::write(&plan, bytes).unwrap();
    let digest = second["digest"].as_str().unwrap();
    stage
        .ends(0, &[&APPLY[..], &["--digest", digest]].concat())
        .await;
    // The first one was made from a state that is not there any more; what it held of variables is gone.
    assert!(
        !folder
            .join(first["id"].as_str().unwrap())
            .join("plan")
            .exists()
    );
    let id = first["id"].as_str().unwrap();
    let told = stage.ends(4, &[&APPLY[..], &[id]].concat()).await.stderr;
    assert!(told.contains("was applied after that"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_of_a_destructive_plan_needs_the_name_typed() {
    let stage = stage!(Stage::open());
    planned(&stage).await;
    stage.ends(0, &APPLY).await;
    stage.write(
        "stack/terraform.tfvars",
        &format!("{VALUES}vpc_cidr = \"10.1.0.0/16\"\n"),
    );
    planned(&stage).await;
    for given in [&["--yes"][..], &[], &["--confirm", "production"]] {
        let told = stage.ends(4, &[&APPLY[..], given].concat()).await.stderr;
        assert!(told.contains("--confirm staging"), "{told}");
    }
    assert_eq!(stage.serial(), 1);
    stage
        .ends(0, &[&APPLY[..], &["--confirm", "staging"]].concat())
        .await;
    assert_eq!(stage.serial(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_that_fails_says_what_is_made_and_what_is_not() {
    let stage = stage!(Stage::open());
    let code = format!(
        "{CODE}\nresource \"terraform_data\" \"broken\" {{\n  input = terraform_data.network.id\n  \
         provisioner \"local-exec\" {{ command = \"exit 7\" }}\n}}\n\
         resource \"terraform_data\" \"after\" {{\n  input = terraform_data.broken.id\n}}\n"
    );
    stage.write("stack/main.tf", &code);
    planned(&stage).await;
    let failed = stage.ends(3, &APPLY).await;
    assert_eq!(failed.json()["kind"], "error");
    assert!(
        failed.stderr.contains("deploy-staging resume"),
        "{}",
        failed.stderr
    );
    let status = stage.ends(1, &["status", "--output", "json"]).await.json();
    assert_eq!(status["standing"], json!({"ended": "failed"}));
    let became = |address: &str| {
        let changes = status["changes"].as_array().unwrap();
        let change = changes.iter().find(|of| of["address"] == address);
        change.unwrap()["became"].clone()
    };
    assert_eq!(became("terraform_data.network"), "done");
    assert_eq!(became("terraform_data.broken"), "failed");
    assert_eq!(became("terraform_data.after"), "not-begun");
    assert!(status["diagnosis"]["diagnoses"].is_array(), "{status:#}");
}
