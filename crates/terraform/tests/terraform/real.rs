use std::future::pending;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use terraform::{
    Action, All, ChangeCounts, Document, Error, Event, InitOptions, LockInfo, PlanOptions,
    StateFile,
};
use tokio::sync::Notify;

use crate::stage::{Stage, apply, done};

const CODE: &str = r#"
variable "size" {
  type    = number
  default = 1
}
variable "password" {
  type      = string
  default   = "planted"
  sensitive = true
}
resource "terraform_data" "database" {
  count = 2
  input = { size = var.size, password = var.password }
}
output "size" { value = terraform_data.database[0].output.size }
output "password" {
  value     = var.password
  sensitive = true
}
"#;

/// Runs until it is interrupted.
pub(crate) const ENDLESS: &str = r#"
resource "terraform_data" "done" { input = "kept" }
resource "terraform_data" "endless" {
  input = terraform_data.done.output
  provisioner "local-exec" { command = "while :; do echo line; sleep 0.1; done" }
}
"#;

const NO_WAIT: Duration = Duration::ZERO;

#[tokio::test]
async fn plan_and_apply_are_told_and_can_be_read_back() {
    let stage = Stage::new(CODE);
    let Some(terraform) = stage.ready().await else {
        return;
    };
    assert!(terraform.output().await.unwrap().0.is_empty());
    assert_eq!(terraform.state_pull().await.unwrap(), None);
    match terraform.show::<All>(None).await.unwrap() {
        Document::State(state) => assert!(state.values.root_module.resources.is_empty()),
        Document::Plan(_) => panic!("a plan"),
    }

    let plan = Path::new("tfplan");
    let options = PlanOptions {
        variables: [
            ("size".to_owned(), json!(7)),
            ("password".to_owned(), json!("hunter2")),
        ]
        .into(),
        ..PlanOptions::default()
    };
    let planned = done(terraform.plan(plan, &options).await.unwrap()).await;
    let two = ChangeCounts {
        add: 2,
        ..ChangeCounts::default()
    };
    assert_eq!(planned, Some(two));
    let Document::Plan(shown) = terraform.show::<All>(Some(plan)).await.unwrap() else {
        panic!("a state");
    };
    let change = &shown.resource_changes[1];
    assert_eq!(change.address, "terraform_data.database[1]");
    assert!(change.change.does(&Action::Create));
    assert_eq!(change.change.before, None);
    assert_eq!(change.change.after.as_ref().unwrap()["input"]["size"], 7);
    assert_eq!(change.change.after_unknown["id"], true);
    assert_eq!(change.change.after_sensitive["input"]["password"], true);
    assert_eq!(shown.variables["password"].value, "hunter2");
    assert_eq!(shown.complete, Some(true));
    assert_eq!(
        shown.terraform_version.as_deref(),
        Some(terraform.version().to_string().as_str())
    );

    let mut events = Vec::new();
    let applying = terraform.apply(plan, NO_WAIT).await.unwrap();
    let finished = applying
        .finish(pending(), |event| events.push(event.clone()))
        .await
        .unwrap();
    assert_eq!(finished.changes, Some(two));
    let address = "terraform_data.database[0]".to_owned();
    assert!(events.contains(&Event::Started {
        address: address.clone(),
        action: Action::Create
    }));
    let made = events.iter().find_map(|event| match event {
        Event::Completed {
            address: of,
            action: Action::Create,
            id,
            elapsed: NO_WAIT,
        } if *of == address => id.as_deref(),
        _ => None,
    });
    assert_eq!(made.map(str::len), Some(36), "a UUID: {events:?}");

    let outputs = terraform.output().await.unwrap().0;
    assert_eq!(outputs["size"].value, 7);
    assert!(outputs["password"].sensitive && outputs["password"].value == "hunter2");
    let Document::State(state) = terraform.show::<All>(None).await.unwrap() else {
        panic!("a plan");
    };
    let resource = &state.values.root_module.resources[1];
    assert_eq!(
        (resource.name.as_str(), &resource.index),
        ("database", &Some(json!(1)))
    );
    assert_eq!(resource.sensitive_values["input"]["password"], true);
    assert_eq!(
        terraform.state_list().await.unwrap(),
        ["terraform_data.database[0]", "terraform_data.database[1]"]
    );
    let words = terraform
        .state_show("terraform_data.database[0]")
        .await
        .unwrap();
    assert!(words.contains("password = (sensitive value)"), "{words}");
    let pulled = terraform.state_pull().await.unwrap().unwrap();
    let StateFile::Plain(summary) = StateFile::parse_object(&pulled).unwrap() else {
        panic!("encrypted");
    };
    let kept: Value = stage.read("terraform.tfstate");
    assert_eq!(json!(summary.serial), kept["serial"]);
    assert_eq!(json!(summary.lineage), kept["lineage"]);
    assert_eq!((summary.instances, summary.addresses.len()), (2, 1));
}

#[tokio::test]
async fn plan_of_a_replacement_and_of_a_removal_is_told() {
    let stage = Stage::new(
        "resource \"terraform_data\" \"kept\" { triggers_replace = \"a\" }\nresource \"terraform_data\" \"gone\" {}",
    );
    let Some(terraform) = stage.ready().await else {
        return;
    };
    apply(&terraform).await;
    stage.write(
        "main.tf",
        "resource \"terraform_data\" \"kept\" { triggers_replace = \"b\" }\nremoved {\n  from = terraform_data.gone\n  \
         lifecycle { destroy = false }\n}",
    );
    let plan = Path::new("tfplan");
    let mut planned = Vec::new();
    let planning = terraform.plan(plan, &PlanOptions::default()).await.unwrap();
    let finished = planning.finish(pending(), |event| {
        if let Event::Planned { address, action } = event {
            planned.push((address.clone(), action.clone()));
        }
    });
    finished.await.unwrap();
    planned.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        planned,
        [
            ("terraform_data.gone".to_owned(), Action::Forget),
            ("terraform_data.kept".to_owned(), Action::Replace),
        ]
    );
    let Document::Plan(shown) = terraform.show::<All>(Some(plan)).await.unwrap() else {
        panic!("a state");
    };
    let change = |name: &str| {
        let found = shown
            .resource_changes
            .iter()
            .find(|change| change.name == name);
        &found.unwrap().change
    };
    assert!(change("kept").is_replacement());
    assert!(change("gone").does(&Action::Forget) && change("gone").after.is_none());
}

#[tokio::test]
async fn validate_and_fmt_tell_what_is_wrong() {
    let stage = Stage::new("resource \"terraform_data\" \"a\" { input =  var.absent }\n");
    let Some(terraform) = stage.ready().await else {
        return;
    };
    let found = terraform.validate().await.unwrap();
    assert!(!found.valid);
    let diagnostic = &found.diagnostics[0];
    assert!(diagnostic.is_error());
    let range = diagnostic.range.as_ref().unwrap();
    assert_eq!((range.filename.as_str(), range.start.line), ("main.tf", 1));
    assert_eq!(terraform.fmt_check().await.unwrap(), [Path::new("main.tf")]);
    assert_eq!(terraform.fmt().await.unwrap(), [Path::new("main.tf")]);
    assert!(terraform.fmt_check().await.unwrap().is_empty());
    stage.write(
        "main.tf",
        "resource \"terraform_data\" \"a\" { input = 1 }\n",
    );
    assert!(terraform.validate().await.unwrap().valid);
}

#[tokio::test]
async fn errors_of_terraform_are_told_without_its_words() {
    let stage = Stage::new("terraform {\n  backend \"s3\" {}\n}\n");
    let Some(terraform) = stage.terraform().await else {
        return;
    };
    let error = terraform.output().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`terraform output` failed (exit status: 1): Backend initialization required"
    );
    stage.write(
        "main.tf",
        r#"
resource "terraform_data" "a" {
  input = "hunter2"
  lifecycle {
    postcondition {
      condition     = self.input != "hunter2"
      error_message = "${self.input} is no good"
    }
  }
}
"#,
    );
    done(terraform.init(&InitOptions::default()).await.unwrap()).await;
    let planning = terraform
        .plan(Path::new("tfplan"), &PlanOptions::default())
        .await
        .unwrap();
    let error = planning.finish(pending(), |_| {}).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`terraform plan` failed (exit status: 1)"
    );
    let Error::Failed { diagnostics, .. } = error else {
        panic!("{error}");
    };
    assert!(diagnostics[0].detail.contains("hunter2 is no good"));
}

#[tokio::test]
async fn import_takes_a_resource_into_the_state() {
    let stage = Stage::new("resource \"terraform_data\" \"a\" {}\n");
    let Some(terraform) = stage.ready().await else {
        return;
    };
    let importing = terraform
        .import("terraform_data.a", "-an-id", NO_WAIT)
        .await
        .unwrap();
    done(importing).await;
    assert_eq!(terraform.state_list().await.unwrap(), ["terraform_data.a"]);
}

// aws-behaviour: 67
#[tokio::test]
async fn state_remove_forgets_what_was_found_by_its_id() {
    let stage = Stage::new(
        "resource \"terraform_data\" \"a\" {}\nimport {\n  to = terraform_data.a\n  id = \"db-2\"\n}\n",
    );
    let Some(terraform) = stage.ready().await else {
        return;
    };
    let imports = async || {
        let plan = Path::new("tfplan");
        let planned = done(terraform.plan(plan, &PlanOptions::default()).await.unwrap());
        planned.await.unwrap().import
    };
    let importing = terraform.import("terraform_data.a", "db-1", NO_WAIT);
    done(importing.await.unwrap()).await;
    assert_eq!(terraform.state_find("db-2").await.unwrap(), [""; 0]);
    let found = terraform.state_find("db-1").await.unwrap();
    assert_eq!(found, ["terraform_data.a"]);
    // What the state has is not taken over by another.
    assert_eq!(imports().await, 0);
    terraform.state_remove(&found[0], NO_WAIT).await.unwrap();
    assert_eq!(terraform.state_list().await.unwrap(), [""; 0]);
    assert!(terraform.state_remove(&found[0], NO_WAIT).await.is_err());
    assert_eq!(imports().await, 1);
}

#[tokio::test]
async fn second_run_is_told_who_holds_the_lock_and_interrupt_gives_it_back() {
    let stage = Stage::new(ENDLESS);
    let Some(terraform) = stage.ready().await else {
        return;
    };
    let plan = Path::new("tfplan");
    done(terraform.plan(plan, &PlanOptions::default()).await.unwrap()).await;
    let applying = terraform.apply(plan, NO_WAIT).await.unwrap();
    let id = applying.id();
    let (begun, stop) = (Notify::new(), Notify::new());
    let first = applying.finish(stop.notified(), |event| {
        if matches!(event, Event::Started { address, .. } if address.ends_with("endless")) {
            begun.notify_one();
        }
    });
    let second = async {
        begun.notified().await;
        let lock: LockInfo = stage.read(".terraform.tfstate.lock.info");
        let planning = terraform
            .plan(Path::new("other"), &PlanOptions::default())
            .await;
        let error = planning
            .unwrap()
            .finish(pending(), |_| {})
            .await
            .unwrap_err();
        if cfg!(target_os = "linux") {
            assert_eq!(id.is_running(), Some(true));
        }
        // The local backend cannot take a lock away from a process that lives.
        let unlocked = terraform.force_unlock(&lock.id).await.unwrap_err();
        assert!(matches!(unlocked, Error::Failed { .. }), "{unlocked}");
        stop.notify_one();
        (lock, error)
    };
    let (first, (lock, error)) = tokio::join!(first, second);
    let text = error.to_string();
    assert!(
        text.starts_with("`terraform plan` found the state locked: OperationTypeApply by ")
            && text.ends_with(&format!("lock ID {}", lock.id)),
        "{text}"
    );
    let Error::Locked { lock: found, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(*found, lock);
    match first.unwrap_err() {
        Error::Interrupted { diagnostics, .. } => assert!(!diagnostics.is_empty()),
        other => panic!("{other}"),
    }
    assert!(!stage.exists(".terraform.tfstate.lock.info"));
    assert_eq!(terraform.state_list().await.unwrap().len(), 2);
    if cfg!(target_os = "linux") {
        assert_eq!(id.is_running(), Some(false));
    }
}
