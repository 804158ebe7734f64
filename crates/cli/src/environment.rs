use std::path::{Path, PathBuf};

use aws_env::{AwsEnv, LoadError, Options};
use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use settings::{ErrorKind, OutputsFile, Settings, SettingsErrors, Source, outputs_named};

use crate::{Exit, Failure, GlobalArgs};

/// Bytes of a configuration file: the longest that means something has some thousand lines.
const MOST_SETTINGS: u64 = 4 << 20;

/// The time.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Who runs the program, as `user@host`, for those who find what it left.
pub fn operator() -> String {
    let user = ["USER", "LOGNAME"].into_iter().find_map(|name| {
        let user = std::env::var(name).ok()?;
        (!user.is_empty()).then_some(user)
    });
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.as_deref().map_or("unknown", str::trim);
    format!("{}@{host}", user.as_deref().unwrap_or("unknown"))
}

/// The machine since its last start, and the namespace in which process IDs count: a process that is on record means
/// something there alone. Where the system tells neither, it is a text of this process alone.
pub fn machine() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    match boot.trim() {
        "" => format!("process {} at {}", std::process::id(), now()),
        boot => format!("{boot} {}", namespace.display()),
    }
}

/// Reads and checks the configuration file.
///
/// # Errors
/// Exit 2 when it cannot be read or is wrong.
pub fn load_settings(args: &GlobalArgs) -> Result<Settings, Failure> {
    load(args, |source, today| source.parse(today))
}

/// The same for a program that works while a region is lost: by [`Settings::parse_in_emergency`].
///
/// # Errors
/// As [`load_settings`].
pub fn load_settings_in_emergency(args: &GlobalArgs) -> Result<Settings, Failure> {
    load(args, |source, today| source.parse_in_emergency(today))
}

fn load(
    args: &GlobalArgs,
    parse: fn(Source<'_>, Date) -> Result<Settings, SettingsErrors>,
) -> Result<Settings, Failure> {
    let path = args.config.display();
    let (text, outputs) = settings_text(args)?;
    let source = Source {
        text: &text,
        outputs: &outputs,
    };
    let today = Zoned::now().date();
    let settings = parse(source, today).map_err(|errors| {
        let residency = errors.has(ErrorKind::Residency);
        let failure = Failure::new(
            Exit::Usage,
            anyhow::Error::new(errors).context(format!("failed to accept {path}")),
        );
        if residency {
            failure.hint("data residency is a decision: choose a region inside, or write down an exception under [residency]")
        } else {
            failure.hint("docs/settings.md describes every field")
        }
    })?;
    for taken in &settings.from_outputs {
        tracing::info!(
            field = taken.path,
            file = taken.file,
            "taken from Terraform's outputs"
        );
    }
    Ok(settings)
}

/// The text of the configuration file, and the files of Terraform's outputs that it names.
///
/// # Errors
/// When one of them cannot be read.
pub fn settings_text(args: &GlobalArgs) -> Result<(String, Vec<OutputsFile>), Failure> {
    let path = args.config.display();
    let text = crate::read_text(&args.config, MOST_SETTINGS).map_err(|error| {
        Failure::new(Exit::Usage, error.context(format!("failed to read {path}")))
            .hint("name it with --config FILE; examples/ has one to start from")
    })?;
    let outputs = read_outputs(args, &text)?;
    Ok((text, outputs))
}

/// The files that `outputs` names, beside the configuration file. One that is not there would leave what it says to AWS.
fn read_outputs(args: &GlobalArgs, text: &str) -> Result<Vec<OutputsFile>, Failure> {
    let folder = args.config.parent().unwrap_or(Path::new(""));
    let read = |name: String| {
        let path = folder.join(&name);
        let text = crate::read_text(&path, MOST_SETTINGS).map_err(|error| {
            let (path, config) = (path.display(), args.config.display());
            let context = format!("failed to read {path}, which outputs of {config} names");
            Failure::new(Exit::Usage, error.context(context)).hint(
                "write it in the root module of the environment: terraform output -raw infra_toml",
            )
        })?;
        Ok(OutputsFile { name, text })
    };
    outputs_named(text).into_iter().map(read).collect()
}

/// AWS as the environment of the process describes it, where buckets have to belong to the accounts that `settings`
/// name.
///
/// # Errors
/// Exit 2 when the certificate bundle of `AWS_CA_BUNDLE` or the profile of `AWS_PROFILE` cannot be used.
pub async fn aws_env(settings: Option<&Settings>) -> Result<AwsEnv, Failure> {
    let ca_bundle = std::env::var_os("AWS_CA_BUNDLE")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from);
    let profile = std::env::var("AWS_PROFILE")
        .ok()
        .filter(|name| !name.is_empty());
    AwsEnv::load(Options {
        ca_bundle,
        profile,
        ..Options::default()
    })
    .await
    .map(|env| match settings {
        Some(settings) => env.with_owners(settings.into()),
        None => env,
    })
    .map_err(|error| {
        let hint = match &error {
            LoadError::Endpoint { .. } => "an endpoint is a URL such as https://s3.example.com:9000; check AWS_ENDPOINT_URL and the profile",
            LoadError::CaBundle(_) | LoadError::Tls(_) => "check AWS_CA_BUNDLE",
            LoadError::NoSuchProfile { .. } => "set AWS_PROFILE to one of them, or unset it; `aws configure` makes one",
            LoadError::Profiles(_) => "check AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE",
        };
        Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context("failed to set up AWS clients"),
        )
        .hint(hint)
    })
}
