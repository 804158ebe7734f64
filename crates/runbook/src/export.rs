//! What a person needs on a laptop without a network: how to fail over, step by step, with this environment's names.

use std::path::Path;

use jiff::Timestamp;
use report::results::ToResults as _;
use report::{Document, Lines, Mark, Page, ShellCommand};
use serde::Deserialize as _;
use serde_json::Value;
use settings::Settings;

use crate::failover::{RestoreInputs, names};
use crate::steps::TRAFFIC_KEY;
use crate::{PlannedStep, Preflight, RunState};

/// What an export is made of.
#[derive(Debug)]
pub struct Export<'a> {
    /// The environment that the pages and commands are filled in for.
    pub settings: &'a Settings,
    /// The root module of the DR environment, as the settings name it.
    pub root: Option<&'a Path>,
    /// The settings' file, without secrets.
    pub settings_text: &'a str,
    /// The last preflight.
    pub preflight: &'a Preflight,
    /// The last run, if there was one.
    pub run: Option<&'a RunState>,
    /// Guides, by their files' names, with the regions of the example in them.
    pub guides: &'a [(&'a str, &'a str)],
    /// When it is written.
    pub at: Timestamp,
}

/// The regions that the guides speak of.
const OF_GUIDES: &str = "ca-central-1";

impl Export<'_> {
    /// The files, by name. Each opens by itself.
    ///
    /// # Errors
    /// When a record cannot be written as JSON.
    pub fn files(&self) -> Result<Vec<(String, Vec<u8>)>, serde_json::Error> {
        let mut files = vec![
            ("index.html".to_owned(), self.index().into_bytes()),
            (
                "preflight.html".to_owned(),
                self.preflight.to_page().into_bytes(),
            ),
            (
                "preflight.json".to_owned(),
                serde_json::to_vec_pretty(self.preflight)?,
            ),
            (
                "infra.toml".to_owned(),
                self.settings_text.as_bytes().to_vec(),
            ),
        ];
        if let Some(run) = self.run {
            files.push(("run.html".to_owned(), run.page(self.at).into_bytes()));
            files.push(("run.json".to_owned(), serde_json::to_vec_pretty(run)?));
        }
        let primary = self.settings.regions.primary.as_str();
        let guides = self.guides.iter();
        files.extend(guides.map(|(name, text)| {
            (
                (*name).to_owned(),
                text.replace(OF_GUIDES, primary).into_bytes(),
            )
        }));
        Ok(files)
    }

    fn index(&self) -> String {
        let found = self.preflight;
        let page = Page::new(format!("Failover of {}", found.environment))
            .about("From", found.primary.as_str())
            .about("To", found.dr.as_str())
            .about("Written", format!("{:.0}", self.at));
        let commands = [
            ("See what would be done", "dr-runbook failover --dry-run"),
            ("Fail over", "dr-runbook failover"),
            (
                "Go on after a stop, on any machine",
                "dr-runbook runs resume",
            ),
            ("Look", "dr-runbook runs show"),
        ];
        let commands = commands
            .map(|(what, command)| (Mark::Plain, vec![what.to_owned(), command.to_owned()]));
        let steps = found.plan.steps.iter().map(|step| {
            let by_hand = self.by_hand(step);
            let by_hand = match by_hand.is_empty() {
                true => Lines::from("–"),
                false => Lines::of(by_hand.iter().map(ToString::to_string)),
            };
            let cells = vec![
                step.id.0.as_str().into(),
                step.title.as_str().into(),
                by_hand,
            ];
            (Mark::Plain, cells)
        });
        let mut rows = vec![
            (
                "preflight.html",
                "the last preflight; preflight.json for programs",
            ),
            ("infra.toml", "the settings, without secrets"),
        ];
        if self.run.is_some() {
            rows.push(("run.html", "the last run; run.json for programs"));
        }
        rows.extend(self.guides.iter().map(|(name, _)| (*name, "a guide")));
        let rows = rows
            .into_iter()
            .map(|(file, what)| (Mark::Plain, vec![file.to_owned(), what.to_owned()]));
        Document::new()
            .heading("Do this")
            .fact(found.verdict().mark(), "last preflight", format!("{} at {:.0}", found.word(), found.at))
            .text("In this folder, with credentials that work in the DR region. What it asks, and what it says, is in failover.md.")
            .table(["What", "Command"], commands.to_vec())
            .heading("Step by step, by hand")
            .text("Only where `dr-runbook` cannot be run: it does these in this order, checks each and records it.")
            .table_of_lines(["Step", "What it does", "By hand"], steps.collect())
            .heading("In this folder")
            .table(["File", "What it is"], rows.collect())
            .to_html(&page)
    }

    /// What does a step without this program, with its names.
    fn by_hand(&self, step: &PlannedStep) -> Vec<ShellCommand> {
        let dr = self.settings.regions.dr;
        let root = self.root.map(|root| root.display().to_string());
        match step.id.kind() {
            names::FENCE => {
                let buckets = step.inputs.as_array().into_iter().flatten();
                let buckets =
                    buckets.filter_map(|bucket| bucket.get("name").and_then(Value::as_str));
                // What is in the policy has to stay: it is changed by a person.
                let policy = |bucket: &str| {
                    let get = ShellCommand::new("aws s3api get-bucket-policy");
                    let get = get
                        .option("--region", dr.as_str())
                        .option("--bucket", bucket);
                    get.comment(
                        "add a Deny of s3:ReplicateObject, s3:ReplicateDelete and s3:ReplicateTags",
                    )
                };
                buckets.map(policy).collect()
            }
            names::RESTORE => {
                let Ok(RestoreInputs { plan, .. }) = RestoreInputs::deserialize(&step.inputs)
                else {
                    return vec![ShellCommand::new("dr-replicate recovery-points")];
                };
                let restore =
                    ShellCommand::new("dr-replicate restore").option("--database", &plan.database);
                vec![restore.option("--target", &plan.target)]
            }
            names::STATE => vec![ShellCommand::new("init-backend failover")],
            names::BACKEND => {
                let turn = |root: &String| {
                    ShellCommand::new("init-backend failover").option("--dir", root)
                };
                root.iter().map(turn).collect()
            }
            names::TERRAFORM => {
                let apply = |root: &String| {
                    let apply = ShellCommand::new("terraform").joined("-chdir=", root);
                    let apply = apply.words("apply");
                    match self.settings.failover.variables.is_empty() {
                        true => apply,
                        false => apply.comment("with failover.variables of infra.toml as -var"),
                    }
                };
                root.iter().map(apply).collect()
            }
            names::MANIFEST => {
                let name = step.id.0.split_once('/').map_or("", |(_, name)| name);
                let of = |bucket: &&settings::Bucket| bucket.dr.as_str() == name;
                let bucket = self.settings.buckets.iter().find(of);
                let manifest = |bucket: &settings::Bucket| {
                    ShellCommand::new("dr-replicate manifest")
                        .option("--bucket", bucket.name.as_str())
                };
                bucket.map(manifest).into_iter().collect()
            }
            names::TRAFFIC => {
                let put = |bucket: &settings::BucketName| {
                    ShellCommand::new("aws s3api put-object")
                        .option("--region", dr.as_str())
                        .option("--bucket", bucket.as_str())
                        .option("--key", TRAFFIC_KEY)
                };
                self.settings
                    .failover
                    .marker_bucket
                    .as_ref()
                    .map(put)
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}
