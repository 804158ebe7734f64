use aws_env::{AwsEnv, ErrorClass};
use cli::{Exit, Failure, GlobalArgs};
use jiff::Timestamp;
use report::finding::{self, Finding, Observation, Status, Unobserved};
use report::{Document, Report, ShellCommand};
use serde::Serialize;
use settings::Settings;
use state_backend::{Backend, BackendFile, Found, SideName};
use terraform::{Error, RootModule, Terraform};
use verify::EnvironmentClients;
use verify::doctor::region_enabled;

use super::root;
use crate::args::check::CheckArgs;
use crate::args::root::RootArgs;

/// Whether everything is there that a deployment needs.
#[derive(Debug, Serialize)]
struct Checked {
    environment: String,
    at: Timestamp,
    findings: Vec<Finding>,
}

pub(super) async fn run(global: &GlobalArgs, args: &CheckArgs) -> Result<Exit, Failure> {
    let settings = cli::load_settings(global)?;
    cli::residency_notes(&settings);
    let env = cli::aws_env(Some(&settings)).await?;
    let mut findings = vec![terraform_version(&args.root).await];
    findings.extend(root::judge_values(&args.root, &settings));
    findings.push(state_pushed(&args.root));
    findings.push(backend_of_code(&args.root, &settings, &env));
    findings.extend(account(&settings, &env).await);
    let checked = Checked {
        environment: settings.name(),
        at: cli::now(),
        findings,
    };
    cli::print(global, &checked)?;
    Ok(exit(&checked.findings))
}

/// How the program ends after these.
fn exit(findings: &[Finding]) -> Exit {
    let exit = |finding: &Finding| match finding.status {
        Status::Ok | Status::Skipped => Exit::Fine,
        Status::Wrong => Exit::Wrong,
        Status::Unknown => Exit::Unchecked,
    };
    findings.iter().map(exit).collect()
}

async fn terraform_version(args: &RootArgs) -> Finding {
    let oldest = Terraform::OLDEST;
    let seen = match Terraform::find(&args.folder.chdir, root::environment()).await {
        Ok(terraform) => Ok((true, terraform.version().to_string())),
        Err(error @ (Error::NotInstalled | Error::TooOld { .. })) => Ok((false, error.to_string())),
        Err(error) => Err(Unobserved::because(error.to_string())),
    };
    Finding::new("terraform", "PATH", format!("{oldest} or later"), seen).fix(format!(
        "install terraform {oldest} or later: https://developer.hashicorp.com/terraform/install"
    ))
}

/// A state that terraform could not write anywhere but here: whatever is applied before it is pushed does not know of it.
fn state_pushed(args: &RootArgs) -> Finding {
    let path = args.folder.chdir.join(terraform::ERRORED_STATE);
    let seen = match path.exists() {
        true => (
            false,
            "the state of an apply that failed, not pushed".to_owned(),
        ),
        false => (true, "nothing is left".to_owned()),
    };
    Finding::new(
        "state",
        path.display().to_string(),
        "every state is in the backend",
        Ok(seen),
    )
    .fix(ShellCommand::new("deploy-staging resume").to_string())
}

/// Whether the code has a backend for which the settings say the rest.
fn backend_of_code(args: &RootArgs, settings: &Settings, env: &AwsEnv) -> Finding {
    let seen = || -> Observation<(bool, String)> {
        let module = RootModule::read(&args.folder.chdir, &root::environment());
        let module = module.map_err(|error| Unobserved::because(error.to_string()))?;
        let file = BackendFile::of_root(settings, SideName::Primary, &env.endpoints(), &module);
        Ok(match file {
            Ok(_) => (true, "s3".to_owned()),
            Err(error) => (false, error.to_string()),
        })
    };
    Finding::new(
        "backend",
        args.folder.chdir.display().to_string(),
        "a backend \"s3\" block in the code",
        seen(),
    )
    .fix("put `backend \"s3\" {}` into the terraform block; the settings say the rest")
}

/// What AWS says: who calls, whether the regions may be used, whether the backend is ready. Where nobody is known, the
/// rest is not asked.
async fn account(settings: &Settings, env: &AwsEnv) -> Vec<Finding> {
    let regions = settings.regions;
    let both = env.both(regions.primary, regions.dr);
    let clients = EnvironmentClients::new(&both.primary, &both.global);
    let found = clients.home.account_id().await;
    let login = ShellCommand::new("aws sts get-caller-identity")
        .option("--region", regions.primary.as_str());
    let seen = match &found {
        Ok(account) => Ok((true, format!("account {account}"))),
        Err(error) if error.class == ErrorClass::Credentials => Ok((false, error.to_string())),
        Err(error) => Err(Unobserved::because(error.to_string())),
    };
    let mut findings = vec![
        Finding::new(
            "credentials",
            regions.primary.as_str(),
            "AWS takes them",
            seen,
        )
        .fix(format!(
            "log in again (aws sso login, or new keys), or set AWS_PROFILE, then: {login}"
        )),
    ];
    let Ok(account) = found else {
        for what in ["account", "region", "state backend"] {
            let why = "nothing is known without credentials";
            let seen = Err(Unobserved::because(why));
            findings.push(Finding::new(
                what,
                regions.primary.as_str(),
                "an answer",
                seen,
            ));
        }
        return findings;
    };
    if let Some(wanted) = &settings.account {
        let seen = Ok((account == wanted.as_str(), account));
        findings.push(
            Finding::new("account", regions.primary.as_str(), wanted.as_str(), seen).fix(
                "choose other credentials with AWS_PROFILE; nothing is made in another account",
            ),
        );
    }
    for region in [regions.primary, regions.dr] {
        findings.push(region_enabled(&clients, region.as_str()).await);
    }
    findings.extend(state_backend(settings, &both).await);
    findings
}

/// Whether the buckets, tables and locks of the state are as the settings want them; what could not be read, each for itself.
async fn state_backend(settings: &Settings, both: &aws_env::Both) -> Vec<Finding> {
    let bucket = settings.state.bucket.as_str();
    let finding = |resource: &str, seen| {
        Finding::new("state backend", resource, "as the settings want it", seen).fix(format!(
            "`{}` shows what is to be made, `{}` makes it",
            ShellCommand::new("init-backend plan"),
            ShellCommand::new("init-backend apply")
        ))
    };
    let backend = match Backend::connect(settings, both).await {
        Ok(backend) => backend,
        Err(error) => {
            let unseen = Unobserved::because(error.to_string());
            return vec![finding(bucket, Err(unseen))];
        }
    };
    let plan = backend.plan().await;
    let (pending, refused) = (plan.pending().count(), plan.refused().count());
    // One call shows several settings of a resource.
    let mut unread: Vec<(String, String)> = Vec::new();
    for change in plan.unknown() {
        if let Found::Unknown(problem) = &change.found {
            let one = (change.facet.resource.name.clone(), problem.to_string());
            if !unread.contains(&one) {
                unread.push(one);
            }
        }
    }
    let seen = match pending + refused {
        0 if unread.is_empty() => Some((true, "ready".to_owned())),
        0 => None,
        _ => Some((
            false,
            format!("{pending} settings to make, {refused} refused"),
        )),
    };
    let whole = seen.map(|seen| finding(bucket, Ok(seen)));
    let unread = unread
        .into_iter()
        .map(|(resource, why)| finding(&resource, Err(Unobserved::because(why))));
    whole.into_iter().chain(unread).collect()
}

impl Report for Checked {
    const KIND: &'static str = "deployment-check";

    fn document(&self) -> Document {
        let document = Document::new()
            .heading(format!(
                "{}: {}",
                self.environment,
                finding::counts(&self.findings)
            ))
            .table(
                Finding::COLUMNS,
                self.findings.iter().map(Finding::row).collect(),
            );
        finding::fixes(document, &self.findings)
    }
}
