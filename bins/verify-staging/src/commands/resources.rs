//! From what the environment's resources are known.

use std::path::Path;

use anyhow::Context as _;
use cli::{Exit, Failure};
use evidence::Outputs;
use settings::{Settings, StateDr};
use verify::{EnvironmentClients, Located, Sources, StackState};

use super::side::Sided;
use super::terraform;
use crate::args::check::ResourcesArgs;
use crate::args::side::Side;

/// What terraform says of them.
#[derive(Debug, Default)]
pub(super) struct Resources {
    state: Option<StackState>,
    outputs: Option<Outputs>,
}

impl Resources {
    pub(super) fn sources<'a>(&'a self, settings: &'a Settings) -> Sources<'a> {
        Sources {
            settings,
            state: self.state.as_ref(),
            outputs: self.outputs.as_ref(),
        }
    }

    /// The resources; where the account cannot be known, what was said without AWS.
    pub(super) async fn located(&self, clients: &EnvironmentClients, sided: &Sided) -> Located {
        let sources = self.sources(&sided.settings);
        let wanted = sided.wanted();
        match clients.home.account_id().await {
            Ok(account) => Box::pin(Located::find(clients, &account, sources, &wanted)).await,
            Err(_) => Located::without_aws(sources, &wanted),
        }
    }

    fn take(&mut self, state: StackState, sided: &Sided) -> Result<(), Failure> {
        let outputs = state.values.outputs.clone();
        // A state may have none.
        self.outputs = Outputs::new(::terraform::Outputs(outputs)).ok();
        if let Some(outputs) = &self.outputs {
            terraform::redact_log(outputs);
            sided.check(outputs)?;
        }
        self.state = Some(state);
        Ok(())
    }
}

fn is_backend(path: &Path) -> bool {
    path == Path::new("s3")
}

/// What a file or terraform says; nothing of the object in S3, for which AWS has to be asked.
pub(super) async fn of_terraform(
    args: &ResourcesArgs,
    sided: &Sided,
) -> Result<Resources, Failure> {
    let mut known = Resources::default();
    match &args.state {
        Some(path) if is_backend(path) => {}
        Some(path) => {
            let json = cli::read_input(path, ::terraform::StateFile::MAX_BYTES)?;
            known.take(read(&json, &path.display().to_string())?, sided)?;
        }
        None if args.account => {}
        None => known.outputs = Some(sided.outputs(&args.outputs).await?),
    }
    Ok(known)
}

/// The object that the settings name as terraform's state.
pub(super) async fn of_backend(
    args: &ResourcesArgs,
    clients: &EnvironmentClients,
    sided: &Sided,
    known: &mut Resources,
) -> Result<(), Failure> {
    if !args.state.as_deref().is_some_and(is_backend) {
        return Ok(());
    }
    let state = &sided.settings.state;
    let bucket = match (sided.side, &state.dr) {
        (Side::Dr, StateDr::Replicated(replica)) => replica.bucket.as_str(),
        _ => state.bucket.as_str(),
    };
    let key = state.key.as_str();
    let url = format!("s3://{bucket}/{key}");
    let call = clients.home.call("S3", "GetObject", &url);
    let asked = clients.home.s3.get_object().bucket(bucket).key(key);
    let answer = asked.send().await;
    let answer =
        answer.map_err(|error| Failure::aws("read terraform's state", call.failed(error)))?;
    let body = answer.body.collect().await;
    let body = body
        .with_context(|| format!("failed to read {url} to its end"))
        .map_err(|error| Failure::new(Exit::Unchecked, error))?;
    known.take(read(&body.into_bytes(), &url)?, sided)
}

fn read(json: &[u8], from: &str) -> Result<StackState, Failure> {
    StackState::parse(json).map_err(|error| {
        let context = format!("failed to use the state in {from}");
        Failure::new(Exit::Usage, anyhow::Error::new(error).context(context)).hint(
            "write it with `terraform state pull > FILE` or `terraform show -json > FILE` in the environment's folder",
        )
    })
}
