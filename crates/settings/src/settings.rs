//! The whole file.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::document::{Document, Field};
use crate::error::SettingsErrors;
use crate::hooks;
use crate::outputs;
use crate::pairs::{Used, parsed};
use crate::residency::Strictness;
use crate::{
    AccountId, Bucket, BucketName, Database, EnvironmentFailback, EnvironmentName, ExceptionInUse,
    Expect, Failover, FromOutputs, Hook, HookPoint, Objectives, ProjectName, Region, Regions,
    Residency, Resources, Source, State, StateDr, Tags,
};

/// Everything that `infra.toml` says, validated, with defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// What is built.
    pub project: ProjectName,
    /// Which copy of it.
    pub environment: EnvironmentName,
    /// The account that it is in; the credentials' own where it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Where the journals of object runs lie; see [`Settings::journals`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal_bucket: Option<BucketName>,
    /// Why it has no copy anywhere: what the settings name in the DR region is not there, and no failover leads to it. `None` of
    /// an environment that has its DR region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unprotected: Option<String>,
    /// Where it runs and where it is recovered.
    pub regions: Regions,
    /// Where its data may lie; both regions satisfy it.
    pub residency: Residency,
    /// The Terraform state backend.
    pub state: State,
    /// The buckets of application data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<Bucket>,
    /// The databases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<Database>,
    /// How fast recovery has to be and how much may be lost.
    pub objectives: Objectives,
    /// What a failover brings up besides.
    pub failover: Failover,
    /// What a failback brings up in the primary region, and leaves in the DR region.
    pub failback: EnvironmentFailback,
    /// Commands that a failover runs between its own steps.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<HookPoint, Hook>,
    /// Resources of the account that are named for `verify-staging`.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// What `verify-staging` wants of the environment.
    pub expect: Expect,
    /// Tags for everything that is created, `Project` and `Environment` among them.
    pub tags: Tags,
    /// What is not the file's own: the values that were taken from Terraform's outputs.
    #[serde(skip)]
    pub from_outputs: Vec<FromOutputs>,
}

impl Settings {
    /// What the environment is called: project and environment, with a hyphen between.
    pub fn name(&self) -> String {
        format!("{}-{}", self.project, self.environment)
    }

    /// Reads and validates the text of an `infra.toml`. `today` decides whether a residency exception is
    /// still in force.
    ///
    /// # Errors
    ///
    /// Every problem of the text, or only those of its syntax when it is not TOML.
    pub fn parse(text: &str, today: Date) -> Result<Settings, SettingsErrors> {
        Source::from(text).parse(today)
    }

    /// The same where a region is lost: an exception from the residency policy that has run out admits its region, so that a
    /// date stops no failover. Whoever goes on by it ([`Settings::expired_exceptions`]) has to give a reason, and to record it.
    ///
    /// # Errors
    /// As [`Settings::parse`], but for that.
    pub fn parse_in_emergency(text: &str, today: Date) -> Result<Settings, SettingsErrors> {
        Source::from(text).parse_in_emergency(today)
    }

    pub(crate) fn parse_with(
        source: Source<'_>,
        today: Date,
        strictness: Strictness,
    ) -> Result<Settings, SettingsErrors> {
        let document = Document::new(source);
        let settings = read(&document, today, strictness);
        let problems = document.into_problems();
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            // Whoever answers `None` has reported why, so there is at least one problem.
            _ => Err(SettingsErrors::new(problems)),
        }
    }

    /// The bucket for the journals of runs that copy objects, which have the keys of data and belong beside none, and for the
    /// records of failovers: the one of the settings, else the state's copy. `None` where there is neither. It lies in
    /// [`Settings::journals_region`].
    pub fn journals(&self) -> Option<&BucketName> {
        if self.unprotected.is_some() {
            return Some(self.journal_bucket.as_ref().unwrap_or(&self.state.bucket));
        }
        let replica = match &self.state.dr {
            StateDr::Replicated(replica) => Some(&replica.bucket),
            StateDr::None => None,
        };
        self.journal_bucket.as_ref().or(replica)
    }

    /// Where [`Settings::journals`] lies: in the DR region, or in the only one that an unprotected environment has.
    pub fn journals_region(&self) -> Region {
        match self.unprotected {
            Some(_) => self.regions.primary,
            None => self.regions.dr,
        }
    }

    /// The residency exceptions that the two regions need, for every report to show.
    pub fn exceptions_in_use(&self) -> Vec<ExceptionInUse<'_>> {
        self.residency.exceptions_in_use(&self.regions)
    }

    /// Those of them whose last day was before `today`.
    pub fn expired_exceptions(&self, today: Date) -> Vec<ExceptionInUse<'_>> {
        let mut used = self.exceptions_in_use();
        used.retain(|used| used.exception.expires < today);
        used
    }
}

/// A bucket that is none of those with the application's data.
pub(crate) fn bucket_of_its_own(
    field: &Field<'_>,
    buckets: &[Bucket],
    fix: &str,
) -> Option<BucketName> {
    let name: BucketName = field.parse()?;
    let mut with_data = buckets.iter();
    match with_data.any(|bucket| bucket.name == name || bucket.dr == name) {
        true => field.conflict(format!("{name} holds data of the application"), fix),
        false => Some(name),
    }
}

fn read(document: &Document<'_>, today: Date, strictness: Strictness) -> Option<Settings> {
    let tables = document.syntax()?;
    outputs::check(document, &tables);
    let root = document.root(&tables);
    let project = root.required("project", "\"berthcare\"");
    let environment = root.required("environment", "\"staging\"");
    let account = root.optional("account", "\"111122223333\"");
    let journal_bucket = root.optional("journal_bucket", "\"berthcare-journals-dr\"");
    let outputs = root.optional("outputs", "[\"infra.dr.toml\"]");
    let unprotected = root.optional("unprotected", "\"ca-central-1 did not come back\"");
    let regions = root.required(
        "regions",
        "{ primary = \"ca-central-1\", dr = \"ca-west-1\" }",
    );
    let residency = root.optional("residency", "{ countries = [\"CA\"] }");
    let state = root.required(
        "state",
        "{ bucket = \"…\", key = \"…\", locking = [\"s3\"] }",
    );
    let buckets = root.optional("buckets", "[{ name = \"…\", dr = \"…\" }]");
    let databases = root.optional("databases", "[{ id = \"…\", dr_id = \"…\" }]");
    let objectives = root.optional("objectives", "{ rto = \"45m\" }");
    let failover = root.optional("failover", "{ terraform = \"terraform/environments/dr\" }");
    let failback = root.optional(
        "failback",
        "{ terraform = \"terraform/environments/staging\" }",
    );
    let hooks = root.optional(
        "hooks",
        "{ before-traffic = { command = [\"bin/smoke\"] } }",
    );
    let resources = root.optional("resources", "{ vpc_id = \"vpc-0a1b2c3d\" }");
    let expect = root.optional("expect", "{ nat = \"single\" }");
    let tags = root.optional("tags", "{ Owner = \"…\" }");
    root.close();

    let project: Option<ProjectName> = project.and_then(|field| field.parse());
    let environment: Option<EnvironmentName> = environment.and_then(|field| field.parse());
    let account = parsed(account.as_ref());
    let outputs = match outputs {
        Some(field) => outputs::read(document, &field),
        None => Some(()),
    };
    let regions = regions
        .and_then(|field| field.section())
        .and_then(Regions::read);
    let chosen = regions.as_ref().map(|(regions, _)| regions);
    let residency = match residency {
        Some(field) => field
            .section()
            .and_then(|section| Residency::read(section, chosen)),
        None => chosen.map(Residency::default_for),
    };
    if let (Some((regions, fields)), Some(residency)) = (&regions, &residency) {
        residency.check(regions, fields, today, strictness);
    }
    let mut names = Used::new();
    let state = state
        .and_then(|field| field.section())
        .and_then(|section| State::read(section, chosen, &mut names));
    let buckets = match buckets {
        Some(field) => Bucket::read_all(&field, &mut names),
        None => Some(Vec::new()),
    };
    let journal_bucket = match journal_bucket {
        Some(field) => bucket_of_its_own(
            &field,
            buckets.as_deref().unwrap_or_default(),
            "give a bucket of its own in the DR region, or leave it out for that of the state",
        )
        .map(Some),
        None => Some(None),
    };
    let unprotected = match unprotected {
        Some(field) => match field.text() {
            Some(why) if why.trim().is_empty() => {
                field.invalid("it says nothing", "say why there is no DR region")
            }
            why => why.map(Some),
        },
        None => Some(None),
    };
    let databases = match databases {
        Some(field) => Database::read_all(&field, chosen, buckets.as_deref()),
        None => Some(Vec::new()),
    };
    let objectives = match objectives {
        Some(field) => field.section().and_then(Objectives::read),
        None => Some(Objectives::default()),
    };
    let failover = match failover {
        Some(field) => field
            .section()
            .and_then(|section| Failover::read(section, buckets.as_deref().unwrap_or_default())),
        None => Some(Failover::default()),
    };
    let failback = match failback {
        Some(field) => field.section().and_then(EnvironmentFailback::read),
        None => Some(EnvironmentFailback::default()),
    };
    let hooks = match hooks {
        Some(field) => field.section().and_then(hooks::read),
        None => Some(BTreeMap::new()),
    };
    let resources = match resources {
        Some(field) => field.section().and_then(Resources::read),
        None => Some(Resources::default()),
    };
    let expect = match expect {
        Some(field) => field.section().and_then(Expect::read),
        None => Some(Expect::default()),
    };
    let tags = match tags {
        Some(field) => field.section().and_then(|section| Tags::read(&section)),
        None => Some(Tags::default()),
    };
    let (project, environment) = (project?, environment?);
    outputs?;
    Some(Settings {
        tags: tags?.with_defaults(&project, &environment),
        project,
        environment,
        account: account?,
        journal_bucket: journal_bucket?,
        unprotected: unprotected?,
        regions: regions?.0,
        residency: residency?,
        state: state?,
        buckets: buckets?,
        databases: databases?,
        objectives: objectives?,
        failover: failover?,
        failback: failback?,
        hooks: hooks?,
        from_outputs: document.taken(),
        resources: resources?,
        expect: expect?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use jiff::civil::date;

    use super::read;
    use crate::document::Document;

    /// Section and name of every field that the parser asks for in this text.
    fn asked(text: &str) -> BTreeSet<(String, String)> {
        let document = Document::new(text.into());
        read(&document, date(2026, 11, 22), super::Strictness::Usual);
        let section =
            |path: &str| path.replace(|c: char| "[]".contains(c) || c.is_ascii_digit(), "");
        let field = |(path, name): (String, &str)| (section(&path), name.to_owned());
        document.known().into_iter().map(field).collect()
    }

    /// Section and name of every field that has a row in docs/settings.md: the first cell of a table whose
    /// header starts with "Field", below a heading that names the section.
    fn documented(docs: &str) -> BTreeSet<(String, String)> {
        let mut fields = BTreeSet::new();
        let (mut section, mut in_table) = (String::new(), false);
        for line in docs.lines() {
            if let Some(heading) = line.strip_prefix('#') {
                let heading = heading.trim_start_matches(['#', ' ', '`', '[']);
                section = heading
                    .split_once(']')
                    .map_or("", |(section, _)| section)
                    .to_owned();
            }
            in_table = line.starts_with("| Field ") || (in_table && line.starts_with('|'));
            if let Some((name, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`'))
                && in_table
            {
                fields.insert((section.clone(), name.to_owned()));
            }
        }
        fields
    }

    /// The example with its lines of `[databases.integrity]`, which are commented out.
    fn with_integrity(example: &str) -> String {
        let begin = example.find("# [databases.integrity]").unwrap();
        let end = begin + example[begin..].find("\n\n").unwrap();
        let settings = example[begin..end].lines();
        let settings = settings.map(|line| line.trim_start_matches("# "));
        // The rest of them are sentences.
        let settings = settings.filter(|line| line.starts_with('[') || line.contains(" = "));
        let settings: Vec<&str> = settings.collect();
        [&example[..begin], &settings.join("\n"), &example[end..]].concat()
    }

    #[test]
    fn every_field_is_documented_and_every_documented_field_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
        let example = read("examples/berthcare-staging/infra.toml");
        let encryption = "encryption = \"AES256\"";
        assert!(example.contains(encryption));
        let mut known = asked(&example);
        known.extend(asked(
            &example.replace(encryption, "encryption = { kms = \"\" }"),
        ));
        known.extend(asked(&example.replace("# alarms = ", "alarms = ")));
        known.extend(asked(&example.replace("# secrets = ", "secrets = ")));
        known.extend(asked(&with_integrity(&example)));
        assert!(known.contains(&("state.encryption".to_owned(), "kms".to_owned())));
        assert_eq!(documented(&read("docs/settings.md")), known);
    }

    #[test]
    fn the_staging_example_names_every_field() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../examples/berthcare-staging/infra.toml");
        let example = std::fs::read_to_string(path).unwrap();
        // Commented out counts: `kms` is explained and not set.
        let lines: Vec<&str> = example
            .lines()
            .map(|line| line.trim_start_matches("# "))
            .collect();
        for (section, name) in asked(&with_integrity(&example)) {
            let table = if section.is_empty() {
                name.clone()
            } else {
                format!("{section}.{name}")
            };
            let headers = [format!("[{table}]"), format!("[[{table}]]")];
            let named = |line: &str| {
                line.starts_with(&format!("{name} = "))
                    || headers.iter().any(|header| header == line)
            };
            assert!(lines.iter().any(|line| named(line)), "{table}");
        }
    }
}
