//! `plan`: what is shown, what is kept, and what is refused before terraform is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::stage::{CODE, Stage, VALUES, skipped, stage};

/// The one folder below the deployments of the stage.
fn deployment(stage: &Stage, planned: &Value) -> PathBuf {
    let id = planned["id"].as_str().unwrap();
    stage.path(&format!("state/deploy-staging/berthcare-staging/{id}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_of_a_new_environment_is_kept_with_its_digest_for_its_owner_alone() {
    let stage = stage!(Stage::open());
    let planned = stage.ends(0, &["plan", "--output", "json"]).await.json();
    assert_eq!(planned["kind"], "deployment-plan");
    assert_eq!(planned["changes"], true);
    assert_eq!(planned["summary"], "2 create");
    assert_eq!(planned["state"], Value::Null);
    assert_eq!(planned["cost"]["after"]["expected"], "0.00");
    let folder = deployment(&stage, &planned);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert!(planned["digest"].as_str().unwrap().len() == 64);
    // Nothing was changed, and a second plan beside the first is one of its own.
    stage.ends(1, &["plan", "--fail-on-changes"]).await;
    let markdown = stage.ends(0, &["plan", "--markdown"]).await.stdout;
    assert!(markdown.contains("Plan of staging: 2 create"), "{markdown}");
    assert!(markdown.contains("| create | "), "{markdown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_shows_what_is_destroyed_first_and_which_attribute_forces_it() {
    let stage = stage!(Stage::open());
    stage.ends(0, &["plan"]).await;
    stage.terraform(&["apply", "-auto-approve"]);
    let same = stage
        .ends(0, &["plan", "--output", "json", "--fail-on-changes"])
        .await;
    let same = same.json();
    assert_eq!(
        (&same["changes"], &same["summary"]),
        (&Value::Bool(false), &"no changes".into())
    );
    assert_eq!(same["state"]["serial"], 1);
    stage.write(
        "stack/terraform.tfvars",
        &format!("{VALUES}vpc_cidr = \"10.1.0.0/16\"\n"),
    );
    let planned = stage.ends(0, &["plan", "--output", "json"]).await.json();
    let changes = planned["review"]["changes"].as_array().unwrap();
    assert_eq!(changes[0]["address"], "terraform_data.database");
    assert_eq!(changes[0]["action"], "replace");
    assert!(
        changes[0]["reasons"]
            .to_string()
            .contains("triggers_replace changes"),
        "{changes:#?}"
    );
    assert_eq!(changes[1]["action"], "update");
    assert!(changes[1]["attributes"].to_string().contains("input"));
    let told = stage.ends(0, &["plan"]).await.stdout;
    assert!(told.contains("Destroyed: 1 resource"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_with_values_that_are_wrong_never_starts_terraform() {
    let stage = stage!(Stage::open());
    stage.write(
        "stack/terraform.tfvars",
        "alarm_email = \"a@example.com\"\n",
    );
    let told = stage.ends(2, &["plan"]).await.stderr;
    assert!(told.contains("the address of an example"), "{told}");
    assert!(!stage.path("stack/.terraform").exists());
    stage.write("stack/terraform.tfvars", VALUES);
    stage.write(
        "stack/main.tf",
        &CODE.replace("var.alarm_email ", "var.alarm_mail "),
    );
    let told = stage.ends(2, &["plan"]).await.stderr;
    assert!(told.contains("failed to accept the code"), "{told}");
    // Nothing stays of a plan that did not come about.
    let runs = stage.path("state/deploy-staging/berthcare-staging");
    assert_eq!(fs::read_dir(runs).unwrap().count(), 0);
    stage.write("stack/main.tf", CODE);
    stage.write("stack/errored.tfstate", "{}");
    let told = stage.ends(4, &["plan"]).await.stderr;
    assert!(told.contains("deploy-staging resume"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_where_the_last_init_was_for_another_state_is_refused() {
    let stage = stage!(Stage::open());
    stage.ends(0, &["plan"]).await;
    let settings = stage.path("infra.toml");
    let text = fs::read_to_string(&settings).unwrap();
    for (from, to, told) in [
        ("\"bc-state\"", "\"bc-other\"", "the bucket bc-state"),
        (
            "staging/terraform",
            "other/terraform",
            "the key staging/terraform.tfstate",
        ),
    ] {
        fs::write(&settings, text.replace(from, to)).unwrap();
        let refused = stage.ends(4, &["plan"]).await.stderr;
        assert!(refused.contains(told), "{refused}");
    }
}

/// Terraform's settings that find providers without a registry; `None`, said aloud, where there are none.
pub(crate) fn offline() -> Option<String> {
    let given = std::env::var("TF_CLI_CONFIG_FILE").ok();
    if let Some(given) = given.filter(|given| Path::new(given).is_file()) {
        return Some(given);
    }
    let setup =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/terraform-offline/setup");
    if !setup.is_file() {
        skipped(
            "there is no mirror of providers: neither TF_CLI_CONFIG_FILE nor one beside the project",
        );
        return None;
    }
    let output = Command::new(setup).output().unwrap();
    match output.status.success() {
        true => Some(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
        false => {
            skipped("the mirror of providers cannot be made");
            None
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry
            .map(|entry| (entry.path(), entry.file_name()))
            .unwrap();
        match path.is_dir() {
            true if name == ".terraform" => {}
            true => copy(&path, &to.join(name)),
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_of_the_staging_environment_tells_cost_and_residency_and_a_limit_stops_it() {
    let Some(providers) = offline() else { return };
    let mut stage = stage!(Stage::open());
    stage.set("TF_CLI_CONFIG_FILE", &providers);
    let terraform = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform");
    copy(&terraform, &stage.path("terraform"));
    let key = "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\\n-----END PUBLIC KEY-----\\n";
    stage.write(
        "terraform/environments/staging/terraform.tfvars",
        &format!(
            "alarm_email = \"ops@berthcare.ca\"\ncdn_signing_keys = {{ \"2026\" = \"{key}\" }}\n\
                  no_audit_trail_reason = \"The account's trail records it\"\n"
        ),
    );
    let ended = stage.run(&["plan", "--output", "json"]).await;
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let planned = ended.json();
    let created = planned["review"]["changes"].as_array().unwrap().len();
    assert!(created > 50, "{created}");
    assert_eq!(
        planned["abroad"].as_array().unwrap().len(),
        0,
        "{:#}",
        planned["abroad"]
    );
    let cost: f64 = planned["cost"]["after"]["expected"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(cost > 100.0, "{cost}");
    let over = stage.run(&["plan", "--max-increase", "10"]).await;
    assert_eq!(over.code, Some(1), "{}{}", over.stdout, over.stderr);
    assert!(
        over.stdout.contains("over the limit of $10.00"),
        "{}",
        over.stdout
    );
    let within = stage.run(&["plan", "--max-increase", "5000"]).await;
    assert_eq!(within.code, Some(0), "{}{}", within.stdout, within.stderr);
    let refused = stage
        .run(&["apply", "--auto-approve", "--max-increase", "10"])
        .await;
    assert_eq!(
        refused.code,
        Some(4),
        "{}{}",
        refused.stdout,
        refused.stderr
    );
    assert!(
        refused.stderr.contains("the limit is $10.00"),
        "{}",
        refused.stderr
    );
}
