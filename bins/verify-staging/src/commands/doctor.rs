use std::io::{Read, Seek as _, SeekFrom};

use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use evidence::Outputs;
use verify::doctor::{Context, MOST_ERROR_BYTES, diagnose};

use super::side::Sided;
use super::{exit, terraform};
use crate::args::doctor::DoctorArgs;

pub(super) async fn run(global: &GlobalArgs, args: &DoctorArgs) -> Result<Exit, Failure> {
    let text = text(args).map_err(|error| Failure::new(Exit::Usage, error))?;
    let sided = Sided::find(global, args.side).await?;
    let outputs = outputs(&sided, args).await?;
    let reached = sided.reach().await?;
    let clients = reached.clients();
    let folder = sided.folder(args.source.chdir.as_deref());
    let folder = folder.display().to_string();
    let context = Context {
        clients: &clients,
        regions: reached.for_doctor(),
        settings: &sided.settings,
        outputs: outputs.as_ref(),
        folder: &folder,
        at: cli::now(),
    };
    let diagnosed = diagnose(context, &text).await;
    cli::print_in_form(global, &args.form, &*diagnosed, &diagnosed)?;
    if diagnosed.diagnoses.is_empty() {
        return Ok(Exit::Unchecked);
    }
    let findings = diagnosed
        .diagnoses
        .iter()
        .flat_map(|diagnosis| &diagnosis.findings);
    Ok(exit::of(findings.map(|finding| finding.status)))
}

fn text(args: &DoctorArgs) -> anyhow::Result<String> {
    if let Some(text) = &args.text {
        return Ok(text.clone());
    }
    let most = MOST_ERROR_BYTES;
    let mut bytes = Vec::new();
    match &args.last {
        Some(path) => {
            let read = || format!("failed to read {}", path.display());
            let mut file = std::fs::File::open(path).with_context(read)?;
            let length = file.metadata().with_context(read)?.len();
            // Of a long log the end counts.
            file.seek(SeekFrom::Start(length.saturating_sub(most)))
                .with_context(read)?;
            file.take(most).read_to_end(&mut bytes).with_context(read)?;
        }
        None => {
            std::io::stdin()
                .lock()
                .take(most)
                .read_to_end(&mut bytes)
                .context("failed to read standard input")?;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// After an apply that failed terraform may have none; a file that was named has to be good.
async fn outputs(sided: &Sided, args: &DoctorArgs) -> Result<Option<Outputs>, Failure> {
    let source = &args.source;
    let folder = sided.folder(source.chdir.as_deref());
    match terraform::outputs(source.outputs.as_deref(), &folder).await {
        Ok(outputs) => {
            sided.check(&outputs)?;
            Ok(Some(outputs))
        }
        Err(failure) if source.outputs.is_some() => Err(failure),
        Err(_) => Ok(None),
    }
}
