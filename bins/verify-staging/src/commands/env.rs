use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, OutputFormat, Secrecy};
use evidence::Outputs;
use probe::{EnvironmentFile, EnvironmentFormat, Logins, ProbeClients};
use report::ShellCommand;
use report::finding::Unobserved;

use super::side::Sided;
use crate::args::env::{EnvArgs, Format};

pub(super) async fn run(global: &GlobalArgs, args: &EnvArgs) -> Result<Exit, Failure> {
    let format = args.format.unwrap_or(match global.output {
        OutputFormat::Table => Format::Dotenv,
        OutputFormat::Json => Format::Json,
    });
    if args.reveal && format == Format::Ecs {
        let why = anyhow!(
            "failed to write values: ECS shows them to everybody who may read a task definition"
        );
        return Err(Failure::new(Exit::Usage, why)
            .hint("leave --reveal out: ECS takes the values out of the secrets itself"));
    }
    let authorities = authorities(args)?;
    let sided = Sided::find(global, args.side).await?;
    let outputs = sided.outputs(&args.source).await?;
    let logins = if args.reveal {
        let reached = sided.reach().await?;
        Some(logins(&ProbeClients::new(reached.region()), &outputs).await?)
    } else {
        None
    };
    let format = match format {
        Format::Dotenv => EnvironmentFormat::Dotenv,
        Format::Json => EnvironmentFormat::Json,
        Format::Ecs => EnvironmentFormat::Ecs,
    };
    let text = EnvironmentFile::new(&outputs, sided.region(), authorities, logins.as_ref())
        .and_then(|file| file.write(format))
        .map_err(|error| {
            let error = anyhow::Error::new(error).context("failed to write the environment");
            Failure::new(Exit::Usage, error)
        })?;
    match &args.out {
        Some(path) => cli::write_file(path, text.reveal().as_bytes(), Secrecy::Secret)?,
        None => cli::print_data(text.reveal()),
    }
    Ok(Exit::Fine)
}

/// Where AWS publishes the authorities of all its regions:
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.SSL.html>.
const BUNDLE: &str = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";

/// The path of RDS's certificates. With values, the file is for this machine: a client that does not find them could
/// only be told to trust anybody.
fn authorities(args: &EnvArgs) -> Result<&str, Failure> {
    let path = args.rds_ca.as_path();
    let text = path.to_str().ok_or_else(|| {
        let why = anyhow!("--rds-ca {} is not UTF-8", path.display());
        Failure::new(Exit::Usage, why)
    })?;
    if args.reveal {
        super::probe::bundle(path).map_err(|error| {
            Failure::new(
                Exit::Usage,
                error.context("no certificates of RDS to know the database by"),
            )
            .hint(format!(
                "AWS publishes them: {}; --rds-ca says where they are",
                ShellCommand::new("curl").option("-o", text).word(BUNDLE)
            ))
        })?;
    }
    Ok(text)
}

async fn logins(clients: &ProbeClients, outputs: &Outputs) -> Result<Logins, Failure> {
    let failed = |unobserved: Unobserved| {
        let error = anyhow!(unobserved.reason).context("failed to read the credentials");
        Failure::new(Exit::Unchecked, error)
    };
    Ok(Logins {
        database: probe::database_login(clients, outputs)
            .await
            .map_err(failed)?,
        redis: probe::redis_login(clients, outputs).await.map_err(failed)?,
    })
}
