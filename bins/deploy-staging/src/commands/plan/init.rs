//! `terraform init` with the backend that the settings say.

use anyhow::anyhow;
use cli::{Exit, Failure, Progress, Secrecy};
use report::Observer as _;
use serde_json::Value;
use state_backend::{BackendFile, SideName};
use terraform::{Argument, BackendConfig, Deployment, InitOptions, RootModule};
use tokio::sync::watch;

use super::super::context::{Context, shown, stopped};

/// What stands before the names of workspaces.
const PREFIX: &str = "workspace_key_prefix";
const FILE: &str = "primary.s3.tfbackend";
/// What an observer is told.
const LABEL: &str = "terraform init";

/// Sets up the backend, unless terraform remembers another state: then a person decides.
pub(super) async fn init(
    context: &Context,
    deployment: &Deployment,
    progress: &Progress,
    stop: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let module = context.module()?;
    let endpoints = context.env.endpoints();
    let file = BackendFile::of_root(&context.settings, SideName::Primary, &endpoints, &module);
    let file = file.map_err(|error| {
        Failure::new(Exit::Usage, error)
            .hint("put `backend \"s3\" {}` into the terraform block; the settings say the rest")
    })?;
    let file = file.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            anyhow!("the settings describe no state backend"),
        )
    })?;
    if let Some(remembered) = &module.remembered {
        is_same(context, &module, remembered)?;
    }
    let path = deployment.folder().join(FILE);
    cli::write_file(&path, file.as_str().as_bytes(), Secrecy::Secret)?;
    let options = InitOptions {
        backend_configs: vec![path],
        // It is the same state; how it is reached may have changed.
        reconfigure: module.remembered.is_some(),
        ..InitOptions::default()
    };
    progress.started(LABEL);
    let begun = std::time::Instant::now();
    let running = context.terraform.init(&options).await;
    let running = running.map_err(|error| context.failed("init", error))?;
    let finished = running.finish(stopped(stop), |_| {}).await;
    let outcome = match &finished {
        Ok(_) => report::Outcome::Done,
        Err(_) => report::Outcome::Failed,
    };
    progress.finished(LABEL, outcome, begun.elapsed());
    finished
        .map(drop)
        .map_err(|error| context.failed("init", error))
}

/// Refuses where an earlier init was for another state than that of the settings: `-reconfigure` would forget it, and a plan
/// from an empty state would make everything a second time.
fn is_same(
    context: &Context,
    module: &RootModule,
    remembered: &BackendConfig,
) -> Result<(), Failure> {
    let state = &context.settings.state;
    let text = |config: &BackendConfig, argument| match config.argument(argument) {
        Argument::Value(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let of_code = |argument| module.code.as_ref().and_then(|code| text(code, argument));
    let key = of_code("key");
    let prefix = of_code(PREFIX);
    let wanted = [
        ("bucket", state.bucket.as_str()),
        ("region", context.settings.regions.primary.as_str()),
        ("key", key.as_deref().unwrap_or(state.key.as_str())),
        (
            PREFIX,
            prefix
                .as_deref()
                .unwrap_or(state.workspace_key_prefix.as_str()),
        ),
    ];
    let found = |argument| text(remembered, argument);
    let other = match remembered.kind.as_str() {
        "s3" => wanted.into_iter().find_map(|(argument, wanted)| {
            let found = found(argument)?;
            (found != wanted).then(|| {
                format!(
                    "its last init was for the {argument} {found}, and the settings say {wanted}"
                )
            })
        }),
        kind => Some(format!("its last init was for a backend {kind:?}")),
    };
    let Some(other) = other else {
        return Ok(());
    };
    let error = anyhow!("{other}").context(format!(
        "failed to set up the backend of {}",
        shown(&context.root)
    ));
    Err(Failure::new(Exit::Refused, error).hint(
        "`init-backend failback --dir` turns a root back to the primary region; from another backend, \
         `terraform init -migrate-state` moves the state",
    ))
}
