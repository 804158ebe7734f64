//! From an error text to what is behind it: recognised by its words, then looked at in AWS, with the fix as a
//! command. Nothing is changed, and the text itself is never repeated.

mod account;
mod backend;
mod clue;
mod copies;
mod database;
mod distribution;
mod instance;
mod network;
mod secret;
mod state;
mod storage;
mod symptom;

use aws_env::{Both, DrOnly, RegionAccess};
use evidence::{Outputs, Redact, Redacted, Redactor};
use jiff::Timestamp;
use report::finding::{self, Finding, Unobserved};
use report::results::{Results, Source, Suite, ToResults};
use report::{Document, Report, ShellCommand};
use serde::Serialize;
use settings::{BucketName, Settings, StateDr, TableName};
use symptom::Symptom;

pub use account::region_enabled;

use crate::clients::EnvironmentClients;

/// Longer texts are logs, of which the end is what matters.
pub const MOST_ERROR_BYTES: u64 = 4 << 20;

/// What reaches the regions that a diagnosis is about.
#[derive(Debug, Clone, Copy)]
pub enum Reach<'a> {
    /// The environment is in the primary region; some troubles are of the DR region.
    Both(&'a Both),
    /// The environment is in the DR region: no other is called.
    DrOnly(&'a DrOnly),
}

impl<'a> Reach<'a> {
    /// The DR region.
    fn dr(self) -> &'a RegionAccess {
        match self {
            Self::Both(both) => &both.dr,
            Self::DrOnly(dr) => dr.region(),
        }
    }
}

/// What a diagnosis may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The environment's clients.
    pub clients: &'a EnvironmentClients,
    /// What reaches the regions.
    pub regions: Reach<'a>,
    /// What the environment is called.
    pub settings: &'a Settings,
    /// Terraform's outputs, where there are any: an apply that failed may have left none.
    pub outputs: Option<&'a Outputs>,
    /// The environment's folder, for commands.
    pub folder: &'a str,
    /// The time.
    pub at: Timestamp,
}

/// A trouble that was recognised, and what is behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// Its name: `state-lock`.
    pub trouble: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What was seen.
    pub findings: Vec<Finding>,
    /// What to do, as commands to be run by a person.
    pub next: Vec<String>,
}

/// What is behind an error text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosed {
    /// The environment.
    pub environment: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// The troubles, most basic first; none when the text is not known.
    pub diagnoses: Vec<Diagnosis>,
    /// Names of AWS and Terraform in a text that is not known.
    pub clues: Vec<String>,
    /// The words of a known trouble that such a text has most in common with.
    pub nearest: Option<&'static str>,
}

impl Context<'_> {
    fn output(&self, name: &str) -> Option<&str> {
        self.outputs.and_then(|outputs| outputs.text(name).ok())
    }

    fn name(&self) -> String {
        self.settings.name()
    }

    /// The identifier of the database: what terraform says, else what the settings say.
    fn database(&self) -> String {
        let configured = || {
            let database = self.settings.databases.first()?;
            let id = match self.regions {
                Reach::Both(_) => &database.id,
                Reach::DrOnly(_) => &database.dr_id,
            };
            Some(id.to_string())
        };
        self.output("db_identifier")
            .map(str::to_owned)
            .or_else(configured)
            .unwrap_or_else(|| format!("{}-postgres", self.name()))
    }

    /// The beginning of a command of terraform for the environment's folder.
    fn terraform(&self) -> ShellCommand {
        ShellCommand::new("terraform").joined("-chdir=", self.folder)
    }

    /// The clients of the DR region, which few looks need.
    fn dr_clients(&self) -> EnvironmentClients {
        match self.regions {
            Reach::Both(both) => EnvironmentClients::new(&both.dr, &both.global),
            Reach::DrOnly(dr) => EnvironmentClients::new(dr.region(), &dr.global()),
        }
    }

    fn region(&self) -> &'static str {
        match self.regions {
            Reach::Both(_) => self.settings.regions.primary.as_str(),
            Reach::DrOnly(_) => self.settings.regions.dr.as_str(),
        }
    }

    /// The bucket of Terraform's state on the side that is looked at. Without a copy there is but one.
    fn state_bucket(&self) -> &BucketName {
        let state = &self.settings.state;
        match (self.regions, &state.dr) {
            (Reach::DrOnly(_), StateDr::Replicated(replica)) => &replica.bucket,
            _ => &state.bucket,
        }
    }

    /// The table that Terraform locks with on that side.
    fn lock_table(&self) -> Option<&TableName> {
        let state = &self.settings.state;
        match (self.regions, &state.dr) {
            (Reach::DrOnly(_), StateDr::Replicated(_)) => state.lock_table_in_dr(),
            _ => state.lock_table.as_ref().or(state.old_lock_table.as_ref()),
        }
    }
}

/// Recognises the troubles of `text` and looks at each. A text of which nothing is known gives no diagnosis.
pub async fn diagnose(context: Context<'_>, text: &str) -> Redacted<Diagnosed> {
    let symptoms = symptom::recognise(text);
    let (clues, nearest) = match symptoms.is_empty() {
        true => (clues(text), symptom::nearest(text)),
        false => (Vec::new(), None),
    };
    let mut diagnoses = Vec::new();
    for symptom in symptoms {
        diagnoses.push(look(context, symptom).await);
    }
    Redactor::for_display(context.outputs).apply(Diagnosed {
        environment: context.name(),
        at: context.at,
        diagnoses,
        clues,
        nearest,
    })
}

impl Redact for Diagnosed {
    /// The text of an error may have had anything in it.
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            diagnoses: self.diagnoses.redact(redactor),
            clues: self.clues.redact(redactor),
            ..self
        }
    }
}

impl Redact for Diagnosis {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            findings: self.findings.redact(redactor),
            next: self.next.redact(redactor),
            ..self
        }
    }
}

async fn look(context: Context<'_>, symptom: Symptom) -> Diagnosis {
    match symptom {
        Symptom::StateLock { id } => state::lock(context, id.as_deref()).await,
        Symptom::LocalLock => backend::local_lock(),
        Symptom::LockTable => backend::lock_table(context).await,
        Symptom::BackendBucket { bucket } => backend::bucket(context, bucket).await,
        Symptom::ObjectLock => backend::object_lock(context).await,
        Symptom::StateNotSaved => backend::not_saved(context),
        Symptom::NewerState { version } => backend::newer(context, version.as_deref()),
        Symptom::StateDigest => state::digest(context).await,
        Symptom::NameTaken { instance, snapshot } => {
            instance::exists(context, instance, snapshot).await
        }
        Symptom::NotOffered(wanted) => instance::not_offered(context, wanted).await,
        Symptom::NoCapacity { class } => instance::no_capacity(context, class).await,
        Symptom::CopyWithoutKey => copies::key(context).await,
        Symptom::CopiesInProgress => copies::in_progress(context).await,
        Symptom::Identifier { parameter } => copies::identifier(context, parameter.as_deref()),
        Symptom::VpcDns => network::names(context).await,
        Symptom::DifferentVpcs { ids } => network::different(context, &ids).await,
        Symptom::SecretDeleted { secret } => secret::deleted(context, secret).await,
        Symptom::DestinationVersioning { bucket } => storage::versioning(context, bucket).await,
        Symptom::DatabaseSlow { instance } => database::slow(context, instance).await,
        Symptom::NoConnection => database::unreachable(context).await,
        Symptom::EngineVersion { version } => database::version(context, version.as_deref()).await,
        Symptom::BucketExists { buckets } => storage::exists(context, buckets).await,
        Symptom::Forbidden { path } => distribution::forbidden(context, path.as_deref()).await,
        Symptom::Credentials => account::credentials(context).await,
        Symptom::Denied {
            action,
            who,
            resource,
            encoded,
        } => account::denied(context, action, who, resource, encoded).await,
        Symptom::Quota { code } => account::quota(context, code).await,
        Symptom::Key { id } => account::key(context, id).await,
        Symptom::Region { region } => account::region(context, region).await,
        Symptom::Throttled => account::throttled(context).await,
        Symptom::InUse { ids } => network::in_use(context, &ids).await,
    }
}

/// Resources of Terraform and errors of AWS that an unknown text names.
fn clues(text: &str) -> Vec<String> {
    let address = |char: char| clue::name(char) || char == '[' || char == ']';
    let starts = ["module.", "aws_"];
    let mut found: Vec<String> = starts
        .iter()
        .flat_map(|start| clue::words(text, start, address))
        .map(str::to_owned)
        .collect();
    let code = clue::after(text, "api error ", clue::name);
    found.extend(code.map(|code| format!("api error {code}")));
    found.truncate(20);
    found
}

impl ToResults for Diagnosed {
    /// A suite for each trouble.
    fn results(&self) -> Results {
        let suites = self.diagnoses.iter();
        let suites = suites.map(|one| Suite::of_findings(one.trouble, one.meaning, &one.findings));
        Results {
            program: "verify-staging",
            command: "doctor",
            environment: self.environment.clone(),
            region: None,
            at: self.at.to_string(),
            source: Source::Looked,
            residency: Vec::new(),
            suites: suites.collect(),
        }
    }
}

impl Report for Diagnosed {
    const KIND: &'static str = "diagnosis";

    fn document(&self) -> Document {
        let mut document = Document::new();
        if self.diagnoses.is_empty() {
            document = document
                .heading("The error is not known")
                .text("Nothing was looked at: none of the known errors is in the text.");
            for clue in &self.clues {
                document = document.text(format!("it names {clue}"));
            }
            if let Some(nearest) = self.nearest {
                document = document.text(format!("the nearest of the known ones has: {nearest}"));
            }
            return document;
        }
        for diagnosis in &self.diagnoses {
            let counts = finding::counts(&diagnosis.findings);
            document = document
                .heading(format!("{}: {counts}", diagnosis.trouble))
                .text(diagnosis.meaning)
                .table(
                    Finding::COLUMNS,
                    diagnosis.findings.iter().map(Finding::row).collect(),
                );
            document = finding::fixes(document, &diagnosis.findings);
            for command in &diagnosis.next {
                document = document.text(format!("next: {command}"));
            }
        }
        document
    }
}

/// A finding about something that could not be seen.
fn unseen(
    what: &'static str,
    resource: impl Into<String>,
    unobserved: impl Into<Unobserved>,
) -> Finding {
    Finding::new(what, resource, "an answer", Err(unobserved.into()))
}
