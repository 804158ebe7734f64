//! The DR environment's root module, as terraform has it in an outage: behind a wall that keeps the primary region and every
//! registry out, with the state of the DR region, without a lock, and with a data folder of its own, so that nothing of the
//! user's is touched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use files::{Secrecy, create_secret_folder, write_file};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};
use serde_json::{Value, json};
use settings::{Region, Settings};
use state_backend::{RootPlan, SideName};
use terraform::{
    Action, All, ChangeCounts, Document, Error, InitOptions, Outputs, Plan, PlanOptions,
    ResourceChange, RootModule, Running, Terraform,
};
use tokio::time::sleep;

use super::wall::{Wall, is_of};
use super::{Area, PreflightRequest, advise};
use crate::lease::causes;
use crate::steps::{RunVariables, changed_through, is_change};
use crate::{EnvironmentRoot, Host, Store};

/// A plan of some hundred resources takes a minute.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// Where terraform keeps what it installs, unless `TF_DATA_DIR` says otherwise.
const DATA_FOLDER: &str = ".terraform";

/// What a run is called that never was.
const REHEARSED_RUN: &str = "rehearsal";

const TERRAFORM: &str = "terraform";
const PROVIDERS: &str = "providers";
const BACKEND: &str = "root-backend";
const PLAN: &str = "dr-plan";
const FAILOVER: &str = "failover-plan";
const CONTROL_PLANE: &str = "control-plane";
const STARTED: &str = "application-starts";
const REACHED: &str = "terraform-reach";

/// What terraform showed, for those who look into it.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// What a failover would apply; `None` where nobody could see it.
    pub(super) plan: Option<Box<Plan>>,
    /// The outputs of the DR environment as it is.
    pub(super) outputs: Option<Outputs>,
}

pub(super) async fn look<S: Store, H: Host>(request: &PreflightRequest<'_, S, H>) -> (Area, Shown) {
    let (findings, shown) = match &request.root {
        Ok(None) => {
            let skipped = [
                TERRAFORM,
                PROVIDERS,
                BACKEND,
                PLAN,
                FAILOVER,
                CONTROL_PLANE,
                STARTED,
            ]
            .map(|what| {
                let reason = "the settings name no root module (failover.terraform)";
                Finding::skipped(what, "the DR environment", reason)
            });
            (skipped.to_vec(), Shown::default())
        }
        Err(problem) => {
            let finding = Finding::new(
                TERRAFORM,
                "this machine",
                "there, and new enough",
                Ok((false, problem.clone())),
            );
            let fix = format!("install terraform {} or newer", Terraform::OLDEST);
            (vec![advise(finding, fix)], Shown::default())
        }
        Ok(Some(root)) => match Rehearsal::new(request.settings, root, &request.folder).await {
            Ok(rehearsal) => Box::pin(rehearsal.run()).await,
            Err(problem) => {
                let unknown = Err(Unobserved::because(problem));
                let finding =
                    Finding::new(TERRAFORM, place(&root.folder), "can be rehearsed", unknown);
                let fix = "run it where terraform goes out directly, and the folder of runs can be written to";
                (vec![advise(finding, fix)], Shown::default())
            }
        },
    };
    let area = Area::new(
        "Terraform",
        "the DR environment does not come up, or waits for a registry or a control plane that is gone",
        findings,
    );
    (area, shown)
}

fn place(folder: &Path) -> String {
    folder.display().to_string()
}

/// A folder that goes when it is not needed any more: plans hold the values of variables.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is for its owner alone.
        let _: io::Result<()> = fs::remove_dir_all(&self.0);
    }
}

struct Rehearsal<'a> {
    settings: &'a Settings,
    root: &'a EnvironmentRoot,
    wall: Wall,
    scratch: Scratch,
    terraform: Terraform,
}

impl<'a> Rehearsal<'a> {
    async fn new(
        settings: &'a Settings,
        root: &'a EnvironmentRoot,
        folder: &Path,
    ) -> Result<Self, String> {
        create_secret_folder(folder).map_err(|error| causes(&error))?;
        let scratch = folder.canonicalize().map_err(|error| error.to_string())?;
        let scratch = Scratch(scratch.join("rehearsal"));
        // An earlier one that was killed.
        drop(Scratch(scratch.0.clone()));
        let data = scratch.0.join("data");
        create_secret_folder(&data).map_err(|error| causes(&error))?;
        let environment = root.terraform.environment();
        let own = match environment.get("TF_DATA_DIR") {
            Some(own) if !own.is_empty() => root.folder.join(own),
            _ => root.folder.join(DATA_FOLDER),
        };
        link_installed(&own, &data).map_err(|error| {
            format!("cannot link what {} has installed: {error}", own.display())
        })?;
        let wall = Wall::open(settings.regions.primary).await;
        let wall = wall.map_err(|error| error.to_string())?;
        let module = RootModule::read(&root.folder, environment);
        let workspace = module.ok().and_then(|module| module.workspace);
        let environment = environment
            .clone()
            .with("TF_DATA_DIR", data.as_os_str())
            // It would ask whether there is a newer one.
            .with("CHECKPOINT_DISABLE", "1");
        let environment = match workspace {
            Some(workspace) => environment.with("TF_WORKSPACE", workspace),
            None => environment,
        };
        let environment = wall.around(environment)?;
        let terraform = Terraform::find(&root.folder, environment).await;
        Ok(Self {
            settings,
            root,
            wall,
            scratch,
            terraform: terraform.map_err(|error| causes(&error))?,
        })
    }

    async fn run(self) -> (Vec<Finding>, Shown) {
        let folder = place(&self.root.folder);
        let version = format!("terraform {}", self.terraform.version());
        let mut findings = vec![Finding::new(
            TERRAFORM,
            folder.clone(),
            format!("{} or newer", Terraform::OLDEST),
            Ok((true, version)),
        )];
        let mut shown = Shown::default();
        let left = |findings: &mut Vec<Finding>, whats: &[&'static str], why: &str| {
            let unseen = whats.iter().map(|what| {
                let why = Unobserved::because(why);
                Finding::new(what, folder.clone(), "can be looked at", Err(why))
            });
            findings.extend(unseen);
        };
        let options = InitOptions {
            without_backend: true,
            lockfile_readonly: true,
            ..InitOptions::default()
        };
        let installed = self.init(&options).await;
        let is_installed = installed.is_ok();
        findings.push(self.judge_providers(installed));
        if !is_installed {
            left(
                &mut findings,
                &[BACKEND, PLAN, FAILOVER, CONTROL_PLANE, STARTED],
                "terraform could not be initialised",
            );
            return (findings, shown);
        }
        let turned = self.turn().await;
        let is_turned = matches!(turned, Ok((true, _)));
        findings.push(self.judge_backend(turned));
        if !is_turned {
            left(
                &mut findings,
                &[PLAN, FAILOVER, CONTROL_PLANE, STARTED],
                "the DR region's state could not be used",
            );
            return (findings, shown);
        }
        shown.outputs = self.terraform.output().await.ok();
        let now = self.plan("now", json!({})).await;
        findings.push(self.judge_plan(&now));
        let failover = match self.failover_variables() {
            Ok(variables) if variables.is_empty() => now,
            Ok(variables) => self.plan("failover", variables.to_json()).await,
            Err(why) => Err(why),
        };
        let (primary, dr) = (self.settings.regions.primary, self.settings.regions.dr);
        match failover {
            Ok((plan, counts)) => {
                findings.push(judge_failover(&folder, &plan, &counts));
                findings.push(judge_control_plane(
                    &folder,
                    aws_env::iam_region(primary),
                    dr,
                    &plan.resource_changes,
                ));
                findings.push(judge_start(&folder, &plan.resource_changes));
                shown.plan = Some(Box::new(plan));
            }
            Err(why) => {
                let finding =
                    Finding::new(FAILOVER, folder.clone(), "can be made", Ok((false, why)));
                findings.push(advise(finding, self.plan_command()));
                left(
                    &mut findings,
                    &[CONTROL_PLANE, STARTED],
                    "there is no plan of the failover",
                );
            }
        }
        findings.push(judge_reach(&folder, primary, &self.wall.refused()));
        drop(self.scratch);
        (findings, shown)
    }

    async fn finish(&self, running: Result<Running, Error>) -> Result<terraform::Finished, String> {
        let ended = match running {
            Ok(running) => running.finish(sleep(LIMIT), |_| {}).await,
            Err(error) => Err(error),
        };
        ended.map_err(|error| self.words(&error))
    }

    /// What terraform said, without the secrets of its environment.
    fn words(&self, error: &Error) -> String {
        let mut words = vec![causes(error)];
        // Of init alone these are fixed; a plan's may quote values.
        if matches!(
            error,
            Error::Failed {
                command: "init",
                ..
            } | Error::Interrupted {
                command: "init",
                ..
            }
        ) {
            words.extend(error.last_lines());
        }
        self.terraform.environment().redact(&words.join(": "))
    }

    async fn init(&self, options: &InitOptions) -> Result<(), String> {
        let running = self.terraform.init(options).await;
        self.finish(running).await.map(drop)
    }

    fn judge_providers(&self, installed: Result<(), String>) -> Finding {
        let refused = self.wall.refused();
        let seen = match installed {
            Ok(()) => Ok((true, "initialised with what this machine has".to_owned())),
            Err(why) if refused.is_empty() => Ok((false, why)),
            Err(why) => Ok((false, format!("it asked {}: {why}", refused.join(", ")))),
        };
        let init = ShellCommand::new("terraform")
            .joined("-chdir=", place(&self.root.folder))
            .words("init");
        advise(
            Finding::new(
                PROVIDERS,
                place(&self.root.folder),
                "providers and modules are on this machine, as the lock file has them",
                seen,
            ),
            format!(
                "`{init}` while the registry answers, on each machine that a failover may be run from, or keep a mirror \
                 (provider_installation in terraform's CLI configuration); commit .terraform.lock.hcl"
            ),
        )
    }

    /// The root turned to the DR region's state, as the step of a failover does it.
    async fn turn(&self) -> Observation<(bool, String)> {
        let environment = self.root.terraform.environment();
        let wrong = |why: String| Ok((false, why));
        let module = match RootModule::read(&self.root.folder, environment) {
            Ok(module) => module,
            Err(error) => return wrong(causes(&error)),
        };
        let plans = RootPlan::all(
            self.settings,
            &self.root.endpoints,
            SideName::Dr,
            &[module],
            environment,
        );
        let plan = match plans {
            Ok(plans) => plans.into_iter().next(),
            Err(error) => return wrong(causes(&error)),
        };
        let Some(plan) = plan else {
            return Err(Unobserved::because("nothing was planned for it"));
        };
        let file = self.scratch.0.join("dr.s3.tfbackend");
        if let Err(error) = write_file(&file, plan.configuration().as_bytes(), Secrecy::Secret) {
            return Err(Unobserved::because(causes(&error)));
        }
        let options = InitOptions {
            backend_configs: vec![file],
            reconfigure: true,
            lockfile_readonly: true,
            ..InitOptions::default()
        };
        match self.init(&options).await {
            Ok(()) => Ok((true, format!("{}, by {}", plan.state, plan.key_from))),
            Err(why) => wrong(why),
        }
    }

    fn judge_backend(&self, turned: Observation<(bool, String)>) -> Finding {
        let root = ShellCommand::new("init-backend failover --dry-run")
            .option("--dir", place(&self.root.folder));
        advise(
            Finding::new(
                BACKEND,
                place(&self.root.folder),
                "turns to the DR region's state",
                turned,
            ),
            format!("`{root}` shows how it would be turned"),
        )
    }

    async fn plan(&self, name: &str, variables: Value) -> Result<(Plan, ChangeCounts), String> {
        let out = self.scratch.0.join(format!("{name}.plan"));
        let file = self.scratch.0.join(format!("{name}.tfvars.json"));
        let text = variables.to_string();
        write_file(&file, text.as_bytes(), Secrecy::Secret).map_err(|error| causes(&error))?;
        let options = PlanOptions {
            var_files: vec![file],
            without_lock: true,
            ..PlanOptions::default()
        };
        let running = self.terraform.plan(&out, &options).await;
        let finished = self.finish(running).await?;
        let counts = finished.changes.unwrap_or_default();
        match self.terraform.show::<All>(Some(&out)).await {
            Ok(Document::Plan(plan)) => Ok((*plan, counts)),
            Ok(Document::State(_)) => Err("terraform shows no plan".to_owned()),
            Err(error) => Err(self.words(&error)),
        }
    }

    /// What the step of a failover writes into its file of variables, as if it had restored what the settings name.
    fn failover_variables(&self) -> Result<RunVariables, String> {
        let databases = self.settings.databases.iter();
        let restored: Vec<String> = databases.map(|one| one.dr_id.to_string()).collect();
        let set = RunVariables::new(&self.settings.failover, REHEARSED_RUN, &restored);
        let set = set.map_err(|error| error.to_string())?;
        Ok(set.rehearsed(&self.root.folder))
    }

    fn plan_command(&self) -> ShellCommand {
        let command = ShellCommand::new("terraform").joined("-chdir=", place(&self.root.folder));
        command.words("plan -detailed-exitcode")
    }

    fn judge_plan(&self, planned: &Result<(Plan, ChangeCounts), String>) -> Finding {
        let seen = match planned {
            Ok((plan, counts)) => Ok((
                counts.is_empty() && !plan.errored,
                match counts.is_empty() {
                    true => "no changes".to_owned(),
                    false => changes(plan, counts),
                },
            )),
            Err(why) => Ok((false, why.clone())),
        };
        advise(
            Finding::new(
                PLAN,
                place(&self.root.folder),
                "what is in the DR region is what the code says",
                seen,
            ),
            format!(
                "`{}` shows what differs; apply it, or take it into the code",
                self.plan_command()
            ),
        )
    }
}

fn changes(plan: &Plan, counts: &ChangeCounts) -> String {
    let changed = plan
        .resource_changes
        .iter()
        .filter(|change| is_change(change));
    let mut addresses: Vec<&str> = changed.map(|change| change.address.as_str()).collect();
    let more = addresses.len().saturating_sub(3);
    addresses.truncate(3);
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} to add, {} to change, {} to destroy: {}{more}",
        counts.add,
        counts.change,
        counts.remove,
        addresses.join(", ")
    )
}

fn judge_failover(folder: &str, plan: &Plan, counts: &ChangeCounts) -> Finding {
    let destroyed = plan.resource_changes.iter();
    let destroyed = destroyed.filter(|change| change.change.does(&Action::Delete));
    let destroyed: Vec<&str> = destroyed.map(|change| change.address.as_str()).collect();
    let seen = match destroyed.as_slice() {
        [] if plan.errored => (false, "terraform failed while it planned".to_owned()),
        [] => (
            true,
            format!("{} to add, {} to change", counts.add, counts.change),
        ),
        some => (false, format!("it would destroy {}", some.join(", "))),
    };
    advise(
        Finding::new(
            FAILOVER,
            folder,
            "brings the environment up and destroys nothing",
            Ok(seen),
        ),
        "find out why before an outage: a failover asks a person before it destroys something",
    )
}

fn judge_control_plane(
    folder: &str,
    control_plane: Region,
    dr: Region,
    changes: &[ResourceChange],
) -> Finding {
    let needed = changed_through(changes, control_plane);
    let seen = match needed.as_slice() {
        [] => (true, "nothing of it is made or changed".to_owned()),
        some if control_plane == dr => (
            true,
            format!("{} is the DR region; {}", dr, some.join(", ")),
        ),
        some => (false, format!("it makes or changes {}", some.join(", "))),
    };
    let expected = format!(
        "a failover needs no change of IAM, CloudFront or Route 53, which {control_plane} takes"
    );
    advise(
        Finding::new(CONTROL_PLANE, folder, expected, Ok(seen)),
        "make them now, with the pilot light: when that region is lost as well nothing of them can be changed",
    )
}

/// Traffic is turned when Terraform is done, to a load balancer whose health the records do not ask about.
fn judge_start(folder: &str, changes: &[ResourceChange]) -> Finding {
    let is_there = |kind: &str| {
        let is_kept = |change: &&ResourceChange| {
            change.kind == kind
                && change
                    .change
                    .after
                    .as_ref()
                    .is_some_and(|after| !after.is_null())
        };
        changes.iter().find(is_kept)
    };
    let seen = match (
        is_there("aws_ecs_task_definition"),
        is_there("aws_ecs_service"),
    ) {
        (None, _) => {
            let reason = "the root module runs no tasks on ECS";
            return Finding::skipped(STARTED, folder, reason);
        }
        (Some(_), Some(service)) => (true, service.address.clone()),
        (Some(tasks), None) => (false, format!("{}, and no service", tasks.address)),
    };
    advise(
        Finding::new(
            STARTED,
            folder,
            "a failover starts the application before traffic is turned",
            Ok(seen),
        ),
        "set start_application to true in failover.variables of the settings; the failover does not turn traffic without",
    )
}

fn judge_reach(folder: &str, primary: Region, refused: &[String]) -> Finding {
    let of_primary: Vec<&str> = refused
        .iter()
        .filter(|host| is_of(host, primary))
        .map(String::as_str)
        .collect();
    let seen = match of_primary.as_slice() {
        [] => (true, "it called nothing there".to_owned()),
        hosts => (false, format!("it called {}", hosts.join(", "))),
    };
    advise(
        Finding::new(
            REACHED,
            folder,
            format!("terraform works without {primary}"),
            Ok(seen),
        ),
        "take providers and data sources of the primary region out of the DR environment's root module",
    )
}

/// Links what an `init` has installed, so that a data folder of its own has it.
fn link_installed(own: &Path, data: &Path) -> io::Result<()> {
    // registry.terraform.io/hashicorp/aws/6.66.0, and in it the platform.
    link_below(&own.join("providers"), &data.join("providers"), 4)?;
    // Beside the folders of modules there is the list of them, which init writes anew.
    link_below(&own.join("modules"), &data.join("modules"), 0)
}

/// Folders down to a depth are made, what is below them is linked, files are copied.
fn link_below(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match (fs::metadata(&path)?.is_dir(), depth) {
            (true, 0) => std::os::unix::fs::symlink(path.canonicalize()?, target)?,
            (true, depth) => link_below(&path, &target, depth - 1)?,
            (false, _) => fs::copy(&path, &target).map(drop)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::*;

    fn changes_of(kind: &str, actions: &[&str], after: Value) -> Vec<ResourceChange> {
        let change = json!([{
            "address": format!("{kind}.this"), "mode": "managed", "type": kind, "name": "this",
            "change": {"actions": actions, "before": null, "after": after},
        }]);
        serde_json::from_value(change).unwrap()
    }

    #[test]
    fn judge_control_plane_is_wrong_where_a_failover_changes_something_global() {
        let (global, dr): (Region, Region) =
            ("us-east-1".parse().unwrap(), "ca-west-1".parse().unwrap());
        let judged =
            |changes: &[ResourceChange], dr| judge_control_plane("dr", global, dr, changes).status;
        let role = changes_of("aws_iam_role", &["create"], json!({}));
        assert_eq!(judged(&role, dr), Status::Wrong);
        assert_eq!(judged(&role, global), Status::Ok);
        assert_eq!(
            judged(&changes_of("aws_iam_role", &["no-op"], json!({})), dr),
            Status::Ok
        );
        assert_eq!(
            judged(&changes_of("aws_ecs_service", &["create"], json!({})), dr),
            Status::Ok
        );
        let alarm = changes_of(
            "aws_cloudwatch_metric_alarm",
            &["update"],
            json!({"region": "us-east-1"}),
        );
        assert_eq!(judged(&alarm, dr), Status::Wrong);
        assert_eq!(judged(&[], dr), Status::Ok);
    }

    #[test]
    fn judge_start_is_wrong_where_a_failover_defines_tasks_and_runs_none() {
        let mut changes = changes_of("aws_lb", &["no-op"], json!({}));
        assert_eq!(judge_start("dr", &changes).status, Status::Skipped);
        changes.extend(changes_of("aws_ecs_task_definition", &["no-op"], json!({})));
        assert_eq!(judge_start("dr", &changes).status, Status::Wrong);
        let gone = changes_of("aws_ecs_service", &["delete"], json!(null));
        changes.extend(gone);
        assert_eq!(judge_start("dr", &changes).status, Status::Wrong);
        changes.extend(changes_of("aws_ecs_service", &["create"], json!({})));
        assert_eq!(judge_start("dr", &changes).status, Status::Ok);
    }

    #[test]
    fn judge_reach_is_wrong_for_a_host_of_the_primary_region_alone() {
        let judged = |hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            judge_reach("dr", "ca-central-1".parse().unwrap(), &hosts).status
        };
        assert_eq!(judged(&[]), Status::Ok);
        assert_eq!(judged(&["registry.terraform.io"]), Status::Ok);
        assert_eq!(judged(&["sts.ca-central-1.amazonaws.com"]), Status::Wrong);
    }

    #[test]
    fn link_installed_leaves_the_folder_of_the_user_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (own, data) = (folder.path().join("own"), folder.path().join("data"));
        let version = "providers/registry.terraform.io/hashicorp/aws/6.66.0";
        let platform = own.join(version).join("linux_amd64");
        fs::create_dir_all(&platform).unwrap();
        fs::write(platform.join("terraform-provider-aws"), "program").unwrap();
        fs::create_dir_all(own.join("modules/vpc")).unwrap();
        fs::write(own.join("modules/modules.json"), "{}").unwrap();
        link_installed(&own, &data).unwrap();
        let linked = data.join(version).join("linux_amd64");
        assert!(linked.is_symlink() && linked.join("terraform-provider-aws").exists());
        fs::write(data.join("modules/modules.json"), "changed").unwrap();
        fs::create_dir(data.join(version).join("other")).unwrap();
        assert_eq!(
            fs::read_to_string(own.join("modules/modules.json")).unwrap(),
            "{}"
        );
        assert!(!own.join(version).join("other").exists());
        link_installed(&folder.path().join("none"), &data.join("x")).unwrap();
    }
}
