use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use cli::{Exit, Failure, GlobalArgs};
use tempfile::NamedTempFile;
use verify::{EnvironmentFile, EnvironmentFormat, Logins, Outputs, Secret, Sites};

use super::terraform;
use crate::args::env::{EnvArgs, Format};

pub(super) async fn run(global: &GlobalArgs, args: &EnvArgs) -> Result<Exit, Failure> {
    if args.reveal && args.format == Format::Ecs {
        let why = anyhow!(
            "failed to write values: ECS shows them to everybody who may read a task definition"
        );
        return Err(Failure::new(Exit::Usage, why)
            .hint("leave --reveal out: ECS takes the values out of the secrets itself"));
    }
    let settings = cli::load_settings(global)?;
    let outputs = terraform::outputs(&args.source).await?;
    let region = settings.regions.primary;
    let logins = if args.reveal {
        let env = cli::aws_env().await?;
        Some(logins(&Sites::new(&env, region), &outputs).await?)
    } else {
        None
    };
    let format = match args.format {
        Format::Dotenv => EnvironmentFormat::Dotenv,
        Format::Json => EnvironmentFormat::Json,
        Format::Ecs => EnvironmentFormat::Ecs,
    };
    let text = EnvironmentFile::new(&outputs, region, logins.as_ref())
        .and_then(|file| file.write(format))
        .map_err(|error| {
            let error = anyhow::Error::new(error).context("failed to write the environment");
            Failure::new(Exit::Usage, error)
        })?;
    match &args.out {
        Some(path) => keep(path, &text).map_err(|error| Failure::new(Exit::Unchecked, error))?,
        None => cli::print_text(text.reveal()),
    }
    Ok(Exit::Fine)
}

async fn logins(sites: &Sites, outputs: &Outputs) -> Result<Logins, Failure> {
    let failed = |blind: verify::Blind| {
        let error = anyhow!(blind.reason).context("failed to read the credentials");
        Failure::new(Exit::Unchecked, error)
    };
    Ok(Logins {
        database: verify::database_login(sites, outputs)
            .await
            .map_err(failed)?,
        redis: verify::redis_login(sites, outputs).await.map_err(failed)?,
    })
}

/// Whole or not at all, and for nobody else's eyes from its first byte on.
fn keep(path: &Path, text: &Secret) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let write = || format!("failed to write {}", path.display());
    // A temporary file has mode 0600.
    let mut file = NamedTempFile::new_in(folder).with_context(write)?;
    file.write_all(text.reveal().as_bytes())
        .with_context(write)?;
    file.as_file().sync_all().with_context(write)?;
    file.persist(path).with_context(write)?;
    Ok(())
}
