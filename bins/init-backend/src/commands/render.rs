use std::path::{Path, PathBuf};

use cli::{Exit, Failure, GlobalArgs, OutputFormat, Secrecy};
use report::{Document, Report};
use serde::Serialize;
use state_backend::{BackendFile, RootError, SideName};
use terraform::{Environment, RootModule};

use crate::args::RenderArgs;

pub(crate) async fn run(global: &GlobalArgs, args: &RenderArgs) -> Result<Exit, Failure> {
    let settings = cli::load_settings(global)?;
    let endpoints = cli::aws_env(Some(&settings)).await?.endpoints();
    let side = SideName::from(args.side);
    let file = match root(args)? {
        Some(root) => BackendFile::of_root(&settings, side, &endpoints, &root)
            .map_err(|error| Failure::new(Exit::Usage, anyhow::Error::new(error)))?,
        None => BackendFile::new(&settings, side, &endpoints),
    };
    let file = file.ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            anyhow::anyhow!("failed to render: the settings name no DR region"),
        )
        .hint("set [state.dr] in the configuration, or run `init-backend render primary`")
    })?;
    if let Some(url) = file.local_aws() {
        cli::note(&format!(
            "the file is for the local AWS at {url}, where AWS_ENDPOINT_URL leads, and not for AWS"
        ));
    }
    if let Some(path) = &args.out {
        write(global, path, file.as_str())?;
    }
    let rendered = Rendered {
        side,
        file: args.out.as_deref(),
        local_aws: file.local_aws(),
        content: file.as_str(),
    };
    match (global.output, &args.out) {
        (OutputFormat::Json, _) => cli::print(global, &rendered)?,
        // HCL as it is, to be redirected.
        (OutputFormat::Table, None) => cli::print_data(file.as_str()),
        (OutputFormat::Table, Some(_)) => {}
    }
    Ok(Exit::Fine)
}

/// The root module that the file is for: the one that is named, or the one in whose folder the file will be.
fn root(args: &RenderArgs) -> Result<Option<RootModule>, Failure> {
    let folder = match (&args.dir, &args.out) {
        (Some(folder), _) => folder.clone(),
        (None, Some(file)) => match file.parent() {
            Some(folder) if folder != Path::new("") => folder.to_owned(),
            _ => PathBuf::from("."),
        },
        (None, None) => return Ok(None),
    };
    let root = match RootModule::read(&folder, &Environment::new(std::env::vars_os())) {
        Ok(root) => root,
        // Where the file goes, and nobody said that a root is there.
        Err(_) if args.dir.is_none() && !folder.is_dir() => return Ok(None),
        Err(source) => {
            let error = anyhow::Error::new(RootError::Code { folder, source });
            return Err(Failure::new(Exit::Usage, error));
        }
    };
    let has_backend = root.code.as_ref().is_some_and(|code| code.kind == "s3");
    Ok((args.dir.is_some() || has_backend).then_some(root))
}

/// What `render` prints as JSON.
#[derive(Serialize)]
struct Rendered<'a> {
    side: SideName,
    file: Option<&'a Path>,
    /// The endpoint, where the file is for a local AWS and not for AWS.
    local_aws: Option<&'a str>,
    content: &'a str,
}

impl Report for Rendered<'_> {
    const KIND: &'static str = "backend-file";

    fn document(&self) -> Document {
        Document::new().text(self.content)
    }
}

fn keep(path: &Path) -> Result<(), Failure> {
    let kept = files::keep_beside(path).map_err(|error| {
        Failure::new(Exit::Usage, error).hint("nothing was replaced; name another file with --out")
    })?;
    cli::note(&format!(
        "what was in {} is in {} now",
        path.display(),
        kept.display()
    ));
    Ok(())
}

/// Asks before another file is replaced, which is kept.
fn write(global: &GlobalArgs, path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let error =
            anyhow::Error::new(error).context(format!("failed to write {}", path.display()));
        Failure::new(Exit::Usage, error)
    };
    match std::fs::read_to_string(path) {
        Ok(there) if there == text => return Ok(()),
        Ok(_) => cli::confirm(
            global,
            &format!(
                "{} exists and differs. Replace it, and keep it under another name?",
                path.display()
            ),
        )
        .and_then(|()| keep(path))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    cli::write_file(path, text.as_bytes(), Secrecy::Public)
}
