//! The DR environment's root module, with the real terraform.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use report::finding::Status;
use runbook::{EnvironmentRoot, Item, Preflight, Reach};
use state_backend::{BackendFile, SideName};
use terraform::{Environment, Error, InitOptions, PlanOptions, Terraform};

use crate::stage::{Stage, answers, stage};

const CODE: &str = r#"
terraform {
  backend "s3" {}
}
variable "mode" {
  type    = string
  default = "pilot-light"
}
resource "terraform_data" "network" {
  input = "10.1.0.0/16"
}
resource "terraform_data" "tasks" {
  count = var.mode == "full" ? 1 : 0
  input = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/api:latest"
}
"#;

impl Stage {
    fn root(&self) -> PathBuf {
        self.folder.path().join("dr")
    }

    fn write(&self, code: &str) {
        fs::create_dir_all(self.root()).unwrap();
        fs::write(self.root().join("main.tf"), code).unwrap();
    }

    fn environment(&self) -> Environment {
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
        let environment = Environment::default()
            .with("PATH", path)
            .with("HOME", self.folder.path())
            .with("CHECKPOINT_DISABLE", "1");
        let of_aws = self.aws.environment().into_iter();
        of_aws.fold(environment, |all, (name, value)| all.with(name, value))
    }

    /// The root as it is before an outage: applied, with the state of the primary region. `None`, said aloud, where there is no
    /// terraform.
    async fn applied(&self) -> Option<Terraform> {
        self.write(CODE);
        let terraform = match Terraform::find(&self.root(), self.environment()).await {
            Ok(terraform) => terraform,
            Err(error @ (Error::NotInstalled | Error::TooOld { .. })) => {
                eprintln!("skipped: {error}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        crate::stage::delete_object(&self.primary, "state", crate::stage::STATE).await;
        let backend = BackendFile::new(&self.settings(), SideName::Primary, &self.env.endpoints());
        let file = self.folder.path().join("primary.s3.tfbackend");
        fs::write(&file, backend.unwrap().as_str()).unwrap();
        let init = InitOptions {
            backend_configs: vec![file],
            ..InitOptions::default()
        };
        let running = terraform.init(&init).await.unwrap();
        running
            .finish(std::future::pending(), |_| {})
            .await
            .unwrap();
        let plan = self.folder.path().join("plan");
        let running = terraform
            .plan(&plan, &PlanOptions::default())
            .await
            .unwrap();
        running
            .finish(std::future::pending(), |_| {})
            .await
            .unwrap();
        let running = terraform
            .apply(&plan, std::time::Duration::ZERO)
            .await
            .unwrap();
        running
            .finish(std::future::pending(), |_| {})
            .await
            .unwrap();
        Some(terraform)
    }

    async fn rehearse(&self, terraform: &Terraform) -> Preflight {
        let root = EnvironmentRoot {
            folder: self.root(),
            terraform: terraform.clone(),
            endpoints: self.env.endpoints(),
            variables: "failover",
        };
        let dr = self.both().dr_only();
        self.preflight_with(&self.settings(), Reach::Alone(&dr), Ok(Some(root)))
            .await
    }
}

fn item<'a>(found: &'a Preflight, what: &str) -> &'a Item {
    found.items().find(|item| item.what == what).unwrap()
}

fn statuses(found: &Preflight) -> Vec<(&str, Status)> {
    let of_terraform = found
        .areas
        .iter()
        .find(|area| area.name == "Terraform")
        .unwrap();
    of_terraform
        .items
        .iter()
        .map(|item| (item.what.as_str(), item.status))
        .collect()
}

#[tokio::test]
async fn preflight_rehearses_the_root_module_behind_a_wall_and_changes_nothing_of_it() {
    let stage = stage!();
    let Some(terraform) = stage.applied().await else {
        return;
    };
    let remembered = stage.root().join(".terraform/terraform.tfstate");
    let before = fs::read(&remembered).unwrap();
    stage
        .aws
        .set_region("ca-central-1", local_aws::RegionState::Refuse);
    stage.aws.clear_log();
    let found = stage.rehearse(&terraform).await;
    let all = [
        "terraform",
        "providers",
        "root-backend",
        "dr-plan",
        "failover-plan",
        "control-plane",
        "terraform-reach",
    ];
    let without_tasks = |found: &Preflight| -> Vec<(String, Status)> {
        let all = statuses(found).into_iter();
        let others = all.filter(|one| *one != ("application-starts", Status::Skipped));
        others
            .map(|(what, status)| (what.to_owned(), status))
            .collect()
    };
    let ok: Vec<_> = all
        .iter()
        .map(|what| ((*what).to_owned(), Status::Ok))
        .collect();
    assert_eq!(without_tasks(&found), ok, "{found:#?}");
    // An image by its tag, in a resource that the failover would make.
    assert_eq!(item(&found, "image").status, Status::Wrong, "{found:#?}");
    // Neither a lock nor a call to the primary region, of terraform either; its folder is as it was.
    let log = stage.aws.log();
    assert!(
        log.iter()
            .all(|entry| entry.region.as_deref() == Some("ca-west-1"))
    );
    let locks = log.iter().filter(|entry| entry.is_mutation());
    let mut locks = locks.filter(|entry| {
        entry
            .resource
            .as_deref()
            .is_some_and(|of| of.contains("tflock"))
    });
    assert_eq!(locks.next().map(|entry| entry.operation.clone()), None);
    assert_eq!(fs::read(&remembered).unwrap(), before);
    assert!(!stage.scratch().join("rehearsal").exists());
    stage
        .aws
        .set_region("ca-central-1", local_aws::RegionState::Up);
    let ready = answers(&found);
    let is = |found: &Preflight, broken: &[(&str, Status)]| {
        let changed: Vec<_> = statuses(found)
            .into_iter()
            .filter(|one| {
                !matches!(
                    one,
                    (_, Status::Ok) | ("application-starts", Status::Skipped)
                )
            })
            .collect();
        assert_eq!(changed, broken, "{found:#?}");
        let others = answers(found)
            .into_iter()
            .filter(|((what, _), _)| !all.contains(&what.as_str()) && what != "application-starts");
        let others = others.filter(|((what, _), _)| what != "image" && what != "secret");
        for (key, status) in others {
            assert_eq!(ready.get(&key), Some(&status), "{key:?}");
        }
    };
    // Something that nobody has applied.
    stage.write(&CODE.replace("10.1.0.0/16", "10.2.0.0/16"));
    let found = stage.rehearse(&terraform).await;
    is(&found, &[("dr-plan", Status::Wrong)]);
    assert!(
        item(&found, "dr-plan")
            .seen
            .as_ref()
            .unwrap()
            .contains("terraform_data.network")
    );
    // What a failover would destroy.
    stage.write(&CODE.replace(
        "resource \"terraform_data\" \"network\" {",
        "resource \"terraform_data\" \"network\" {\n  count = var.mode == \"full\" ? 0 : 1",
    ));
    let found = stage.rehearse(&terraform).await;
    assert_eq!(
        item(&found, "failover-plan").status,
        Status::Wrong,
        "{found:#?}"
    );
    assert!(
        item(&found, "failover-plan")
            .seen
            .as_ref()
            .unwrap()
            .contains("destroy terraform_data.network")
    );
    // A provider that this machine has not: the registry is asked for, and not reached.
    let provider =
        "terraform {\n  required_providers {\n    null = { source = \"hashicorp/null\" }\n  }\n}\n";
    stage.write(&format!("{CODE}\n{provider}"));
    let found = stage.rehearse(&terraform).await;
    is(
        &found,
        &[
            ("providers", Status::Wrong),
            ("root-backend", Status::Unknown),
            ("dr-plan", Status::Unknown),
            ("failover-plan", Status::Unknown),
            ("control-plane", Status::Unknown),
            ("application-starts", Status::Unknown),
        ],
    );
    let seen = item(&found, "providers").seen.clone().unwrap();
    assert!(seen.contains("registry.terraform.io"), "{seen}");
    assert_eq!(item(&found, "image").status, Status::Unknown);
    // A backend that stays where it is.
    stage.write(&CODE.replace(
        "backend \"s3\" {}",
        "backend \"s3\" {\n    sts_region = \"ca-central-1\"\n  }",
    ));
    let found = stage.rehearse(&terraform).await;
    assert_eq!(
        item(&found, "root-backend").status,
        Status::Wrong,
        "{found:#?}"
    );
}

/// Terraform's settings that find providers without a registry; `None`, said aloud, where there are none.
fn offline() -> Option<OsString> {
    let given = std::env::var_os("TF_CLI_CONFIG_FILE");
    if let Some(given) = given.filter(|given| Path::new(given).is_file()) {
        return Some(given);
    }
    let setup =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/terraform-offline/setup");
    let made = setup
        .is_file()
        .then(|| Command::new(setup).output().unwrap());
    match made {
        Some(made) if made.status.success() => {
            Some(String::from_utf8(made.stdout).unwrap().trim().into())
        }
        _ => {
            eprintln!(
                "skipped: there is no mirror of providers, neither in TF_CLI_CONFIG_FILE nor beside the project"
            );
            None
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true if entry.file_name() == ".terraform" => {}
            true => copy(&path, &target),
            false => drop(fs::copy(&path, target).unwrap()),
        }
    }
}

/// The environment that this project has for the DR region refuses the full mode without a database, and has one to take over
/// only when a failover has restored it.
#[tokio::test]
async fn preflight_plans_the_failover_of_this_projects_dr_environment() {
    let Some(providers) = offline() else { return };
    let stage = stage!();
    let code = stage.folder.path().join("terraform");
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../terraform"),
        &code,
    );
    let folder = code.join("environments/dr");
    let key = "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\\n-----END PUBLIC KEY-----\\n";
    let variables = format!(
        "alarm_email = \"ops@berthcare.ca\"\ncdn_signing_keys = {{ \"2026\" = \"{key}\" }}\n"
    );
    fs::write(folder.join("terraform.tfvars"), variables).unwrap();
    let environment = stage.environment().with("TF_CLI_CONFIG_FILE", providers);
    let terraform = match Terraform::find(&folder, environment).await {
        Ok(terraform) => terraform,
        Err(error @ (Error::NotInstalled | Error::TooOld { .. })) => {
            eprintln!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    let init = InitOptions {
        without_backend: true,
        ..InitOptions::default()
    };
    let running = terraform.init(&init).await.unwrap();
    let ended = running.finish(std::future::pending(), |_| {}).await;
    if let Err(error) = ended {
        eprintln!("skipped: terraform reaches no providers: {error}");
        return;
    }
    let root = EnvironmentRoot {
        folder: folder.clone(),
        terraform,
        endpoints: stage.env.endpoints(),
        variables: "failover",
    };
    let mut settings = stage.settings();
    settings.failover.restored_database = Some("restored_database".to_owned());
    settings.databases[0].dr_id = "berthcare-staging-postgres-dr".parse().unwrap();
    let dr = stage.both().dr_only();
    let found = stage
        .preflight_with(&settings, Reach::Alone(&dr), Ok(Some(root)))
        .await;
    let plan = item(&found, "failover-plan");
    assert_eq!(plan.status, Status::Ok, "{found:#?}");
    let seen = plan.seen.as_deref().unwrap();
    assert!(seen.contains("to add"), "{seen}");
    assert_eq!(item(&found, "application-starts").status, Status::Skipped);
    // It is no file of the folder, where every later plan would read it.
    assert!(!folder.join("failover.auto.tfvars.json").exists());
}
