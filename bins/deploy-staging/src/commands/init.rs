//! A first infra.toml, from what is there.

mod draft;

use anyhow::anyhow;
use cli::{Exit, Failure, GlobalArgs, Secrecy};
use jiff::tz::TimeZone;
use report::{Document, Mark, Report, ShellCommand};
use serde::Serialize;
use serde_json::Value;
use settings::Settings;
use terraform::{
    All, Argument, DeclaredVariables, Document as Shown, Module, RootModule, Terraform,
    VariableFile,
};

use self::draft::{Draft, Exception, Found, Line, Source};
use super::root;
use crate::args::init::InitArgs;

/// Arguments of the backend that the settings have as well.
const BACKEND: [&str; 6] = [
    "bucket",
    "key",
    "region",
    "dynamodb_table",
    "workspace_key_prefix",
    "kms_key_id",
];

pub(super) async fn run(global: &GlobalArgs, args: &InitArgs) -> Result<Exit, Failure> {
    if global.config.exists() && !args.dry_run {
        let error = anyhow!("{} is there already", global.config.display());
        return Err(Failure::new(Exit::Refused, error)
            .hint("--config names another file; --dry-run shows what would be written"));
    }
    let mut notes = Vec::new();
    let mut found = of_folder(args)?;
    of_state(args, &mut found, &mut notes).await;
    of_account(&mut found, &mut notes).await;
    let exception = match (&args.residency_reason, &args.approved_by, args.expires) {
        (Some(reason), Some(by), Some(expires)) => Some(Exception {
            reason: reason.clone(),
            approved_by: by.clone(),
            expires,
        }),
        _ => None,
    };
    let draft = Draft::new(&found, args.dr, exception.as_ref()).map_err(|error| {
        Failure::new(Exit::Usage, error).hint(
            "--dr REGION names the region to recover in; one of another country needs --residency-reason, --approved-by and \
             --expires",
        )
    })?;
    let text = draft.text();
    let today = cli::now().to_zoned(TimeZone::UTC).date();
    Settings::parse(&text, today).map_err(|errors| {
        let error = anyhow::Error::new(errors).context("what was found makes no settings");
        Failure::new(Exit::Usage, error)
            .hint("`deploy-staging init --dry-run` shows what was found and where; docs/settings.md has every field")
    })?;
    if !args.dry_run {
        files::write_new_file(&global.config, text.as_bytes(), Secrecy::Public)
            .map_err(|error| Failure::new(Exit::Usage, error))?;
    }
    let drafted = Drafted {
        file: global.config.display().to_string(),
        written: !args.dry_run,
        lines: draft.lines,
        notes,
        text,
    };
    cli::print(global, &drafted)?;
    Ok(Exit::Fine)
}

/// What code, values and the last init say.
fn of_folder(args: &InitArgs) -> Result<Found, Failure> {
    let folder = &args.root.folder.chdir;
    let usage = |error: terraform::RootModuleError| {
        Failure::new(Exit::Usage, error).hint("name the environment's folder with --chdir")
    };
    let module = RootModule::read(folder, &root::environment()).map_err(usage)?;
    let declared = DeclaredVariables::read(folder).map_err(usage)?;
    let mut found = Found::default();
    let configs = [
        (module.remembered.as_ref(), Source::Init),
        (module.code.as_ref(), Source::Backend),
    ];
    for (config, source) in configs {
        let Some(config) = config.filter(|config| config.kind == "s3") else {
            continue;
        };
        for argument in BACKEND {
            if let Argument::Value(Value::String(text)) = config.argument(argument) {
                found
                    .backend
                    .insert(argument, (text.clone(), source.clone()));
            }
        }
        if let Argument::Value(Value::Bool(is)) = config.argument("use_lockfile") {
            found.use_lockfile = Some((*is, source));
        }
    }
    for (name, variable) in &declared.variables {
        if let Some(Value::String(text)) = &variable.default {
            let source = Source::Default;
            found.variables.insert(name.clone(), (text.clone(), source));
        }
    }
    let mut paths = VariableFile::of_folder(folder).map_err(usage)?;
    paths.extend(args.root.var_file.iter().cloned());
    for path in paths {
        let file = VariableFile::read(&path).map_err(usage)?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        for set in file.variables {
            let sensitive = declared
                .variables
                .get(&set.name)
                .is_some_and(|of| of.is_sensitive);
            if let (Some(Value::String(text)), false) = (set.value, sensitive) {
                found
                    .variables
                    .insert(set.name, (text, Source::File(name.clone())));
            }
        }
    }
    Ok(found)
}

/// Databases and buckets of the state, where terraform can read one. Values of other resources are not looked at.
async fn of_state(args: &InitArgs, found: &mut Found, notes: &mut Vec<String>) {
    let read = async {
        let terraform = Terraform::find(&args.root.folder.chdir, root::environment()).await?;
        terraform.show::<All>(None).await
    };
    match read.await {
        Ok(Shown::State(state)) => collect(&state.values.root_module, found),
        Ok(Shown::Plan(_)) => {}
        Err(error) => notes.push(format!("the state was not read: {error}")),
    }
}

fn collect(module: &Module<All>, found: &mut Found) {
    for resource in module.resources.iter().filter(|of| of.is_managed()) {
        let text = |name: &str| {
            let values = resource.values.as_ref();
            values.and_then(|values| values.get(name)?.as_str().map(str::to_owned))
        };
        match resource.kind.as_str() {
            "aws_s3_bucket" => found.buckets.extend(text("bucket")),
            "aws_db_instance" => found.databases.extend(text("identifier")),
            _ => {}
        }
    }
    for child in &module.child_modules {
        collect(child, found);
    }
}

/// The account, where AWS takes the credentials.
async fn of_account(found: &mut Found, notes: &mut Vec<String>) {
    let Some(region) = found.region().or_else(|| draft::HOME.parse().ok()) else {
        return;
    };
    let asked = async {
        let env = cli::aws_env(None)
            .await
            .map_err(|failure| failure.lines().join(" "))?;
        let account = env.region(region).account_id().await;
        account.map_err(|error| error.to_string())
    };
    match asked.await {
        Ok(account) => found.account = Some(account),
        Err(error) => notes.push(format!("the account is not known: {error}")),
    }
}

/// The file, and where each line comes from.
#[derive(Debug, Serialize)]
struct Drafted {
    file: String,
    written: bool,
    lines: Vec<Line>,
    notes: Vec<String>,
    text: String,
}

impl Report for Drafted {
    const KIND: &'static str = "deployment-settings";

    fn document(&self) -> Document {
        let rows = self.lines.iter().map(|line| {
            let mark = match line.is_assumed {
                true => Mark::Unknown,
                false => Mark::Ok,
            };
            (
                mark,
                vec![line.field.clone(), line.value.clone(), line.from.clone()],
            )
        });
        let heading = match self.written {
            true => format!("{} is written", self.file),
            false => format!("{} would be", self.file),
        };
        let mut document = Document::new()
            .heading(heading)
            .table(["Field", "Value", "From"], rows.collect());
        for note in &self.notes {
            document = document.text(note.as_str());
        }
        let check = ShellCommand::new("deploy-staging check");
        document.text(format!(
            "Look at what is assumed; then `{check}` says what is missing."
        ))
    }
}
