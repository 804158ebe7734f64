//! The text of the settings, line by line, each with where it comes from. Nothing is called.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use jiff::civil::Date;
use serde::Serialize;
use settings::Region;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The backend block of the code.
    Backend,
    /// What the last `terraform init` has set up.
    Init,
    /// A file of values.
    File(String),
    /// The default of a variable.
    Default,
    /// The state.
    State,
    /// STS.
    Account,
    /// The command line.
    Given,
    /// Nobody says so: the guide's way, or what follows from another line.
    Assumed(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend => f.write_str("the backend block"),
            Self::Init => f.write_str("the last terraform init"),
            Self::File(name) => f.write_str(name),
            Self::Default => f.write_str("the default of the variable"),
            Self::State => f.write_str("the state"),
            Self::Account => f.write_str("the credentials"),
            Self::Given => f.write_str("the command line"),
            Self::Assumed(why) => write!(f, "assumed: {why}"),
        }
    }
}

type Told = (String, Source);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Arguments of the backend.
    pub(super) backend: BTreeMap<&'static str, Told>,
    pub(super) use_lockfile: Option<(bool, Source)>,
    /// Texts of variables.
    pub(super) variables: BTreeMap<String, Told>,
    pub(super) buckets: BTreeSet<String>,
    /// Identifiers.
    pub(super) databases: BTreeSet<String>,
    pub(super) account: Option<String>,
}

/// Why data may lie in another country.
#[derive(Debug, Clone)]
pub(super) struct Exception {
    pub(super) reason: String,
    pub(super) approved_by: String,
    pub(super) expires: Date,
}

/// A line of the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// As in `state.bucket`.
    pub(super) field: String,
    /// As TOML has it.
    pub(super) value: String,
    pub(super) from: String,
    /// Nobody says so.
    pub(super) is_assumed: bool,
    #[serde(skip)]
    table: &'static str,
    #[serde(skip)]
    name: &'static str,
}

/// The settings as they are written.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) lines: Vec<Line>,
}

/// Why there are none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DraftError {
    #[error("{0:?} is no region that this release knows")]
    Region(String),
    #[error("no other region is in the country of {0}, where data may lie")]
    NoDr(Region),
    #[error("{0} is in {1}, and {2} in {3}: data would leave the country")]
    Abroad(Region, String, Region, String),
}

/// The guide's region.
pub(super) const HOME: &str = "ca-central-1";

impl Found {
    /// The region of the environment, as far as something says it.
    pub(super) fn region(&self) -> Option<Region> {
        let of_variables = ["aws_region", "region"];
        let mut told = of_variables
            .iter()
            .filter_map(|name| self.variables.get(*name));
        let (name, _) = told.next().or_else(|| self.backend.get("region"))?;
        name.parse().ok()
    }

    fn variable(&self, names: &[&str]) -> Option<Told> {
        names
            .iter()
            .find_map(|name| self.variables.get(*name))
            .cloned()
    }
}

fn quoted(text: &str) -> String {
    // A string of JSON is one of TOML.
    serde_json::Value::from(text).to_string()
}

impl Draft {
    pub(super) fn new(
        found: &Found,
        dr: Option<Region>,
        exception: Option<&Exception>,
    ) -> Result<Self, DraftError> {
        let mut draft = Self::default();
        let project = found.variable(&["project_name", "project"]);
        let project = project
            .unwrap_or_else(|| ("project".to_owned(), Source::Assumed("no variable says it")));
        let environment = found.variable(&["environment", "env", "stage"]);
        let environment = environment
            .unwrap_or_else(|| ("staging".to_owned(), Source::Assumed("no variable says it")));
        draft.text_line("", "project", &project);
        draft.text_line("", "environment", &environment);
        if let Some(account) = &found.account {
            draft.text_line("", "account", &(account.clone(), Source::Account));
        }
        draft.regions(found, dr, exception)?;
        draft.state(found, &project.0, &environment.0);
        draft.data(found);
        Ok(draft)
    }

    fn line(&mut self, table: &'static str, name: &'static str, value: String, from: &Source) {
        let field = match table.trim_matches(['[', ']']) {
            "" => name.to_owned(),
            table => format!("{table}.{name}"),
        };
        self.lines.push(Line {
            field,
            value,
            from: from.to_string(),
            is_assumed: matches!(from, Source::Assumed(_)),
            table,
            name,
        });
    }

    fn text_line(&mut self, table: &'static str, name: &'static str, (text, from): &Told) {
        self.line(table, name, quoted(text), from);
    }

    fn regions(
        &mut self,
        found: &Found,
        dr: Option<Region>,
        exception: Option<&Exception>,
    ) -> Result<(), DraftError> {
        let told = found.variable(&["aws_region", "region"]);
        let told = told.or_else(|| found.backend.get("region").cloned());
        let told = told.unwrap_or_else(|| (HOME.to_owned(), Source::Assumed("the guide's region")));
        let primary: Region = told
            .0
            .parse()
            .map_err(|_| DraftError::Region(told.0.clone()))?;
        let (dr, from) = match dr {
            Some(dr) => (dr, Source::Given),
            None => {
                let mut others = Region::all().filter(|other| {
                    *other != primary
                        && other.country() == primary.country()
                        && other.partition() == primary.partition()
                });
                let other = others.next().ok_or(DraftError::NoDr(primary))?;
                (other, Source::Assumed("another region of the same country"))
            }
        };
        if dr.country() != primary.country() && exception.is_none() {
            let country = |region: Region| region.country().as_str().to_owned();
            return Err(DraftError::Abroad(
                primary,
                country(primary),
                dr,
                country(dr),
            ));
        }
        self.text_line("[regions]", "primary", &told);
        self.text_line("[regions]", "dr", &(dr.to_string(), from));
        let countries = format!("[{}]", quoted(primary.country().as_str()));
        let assumed = Source::Assumed("the country of the primary region");
        self.line("[residency]", "countries", countries, &assumed);
        if let Some(exception) = exception.filter(|_| dr.country() != primary.country()) {
            const TABLE: &str = "[[residency.exceptions]]";
            let given = Source::Given;
            self.line(TABLE, "region", quoted(dr.as_str()), &given);
            self.line(TABLE, "reason", quoted(&exception.reason), &given);
            self.line(TABLE, "approved_by", quoted(&exception.approved_by), &given);
            self.line(TABLE, "expires", exception.expires.to_string(), &given);
        }
        Ok(())
    }

    fn state(&mut self, found: &Found, project: &str, environment: &str) {
        let guide = |text: String| (text, Source::Assumed("as the guide names it"));
        let of = |argument: &str| found.backend.get(argument).cloned();
        let bucket = of("bucket").unwrap_or_else(|| guide(format!("{project}-terraform-state")));
        let key = of("key").unwrap_or_else(|| guide(format!("{environment}/terraform.tfstate")));
        let table = of("dynamodb_table");
        let lockfile = found.use_lockfile.clone().filter(|(is, _)| *is);
        self.text_line("[state]", "bucket", &bucket);
        self.text_line("[state]", "key", &key);
        let (kinds, from) = match (&table, lockfile) {
            (Some((_, from)), None) => ("[\"dynamodb\"]", from.clone()),
            (Some(_), Some((_, from))) => ("[\"dynamodb\", \"s3\"]", from),
            (None, Some((_, from))) => ("[\"s3\"]", from),
            (None, None) => (
                "[\"s3\"]",
                Source::Assumed("nothing locks yet: Terraform 1.10's way"),
            ),
        };
        self.line("[state]", "locking", kinds.to_owned(), &from);
        if let Some(table) = &table {
            self.text_line("[state]", "lock_table", table);
        }
        if let Some(prefix) = of("workspace_key_prefix") {
            self.text_line("[state]", "workspace_key_prefix", &prefix);
        }
        let beside = |(text, _): &Told| {
            (
                format!("{text}-dr"),
                Source::Assumed("the name of the primary side with -dr"),
            )
        };
        self.text_line("[state.dr]", "bucket", &beside(&bucket));
        if let Some(table) = &table {
            self.text_line("[state.dr]", "lock_table", &beside(table));
        }
        self.text_line(
            "[state.dr]",
            "role",
            &guide("S3TerraformStateReplicationRole".to_owned()),
        );
    }

    fn data(&mut self, found: &Found) {
        let dr = |name: &str| {
            (
                format!("{name}-dr"),
                Source::Assumed("the name of the primary side with -dr"),
            )
        };
        // Logs are not restored.
        let data = found.buckets.iter().filter(|name| !name.contains("log"));
        for name in data {
            self.text_line("[[buckets]]", "name", &(name.clone(), Source::State));
            self.text_line("[[buckets]]", "dr", &dr(name));
        }
        for id in &found.databases {
            self.text_line("[[databases]]", "id", &(id.clone(), Source::State));
            self.text_line("[[databases]]", "dr_id", &dr(id));
        }
    }

    /// The file: a table begins where the one before has ended, and an array's table with its first field.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(
            "# Written by `deploy-staging init`. Each line says where it comes from; look at what is assumed.\n\
             # docs/settings.md has every field.\n\n",
        );
        let (mut table, mut first) = ("", "");
        for line in &self.lines {
            let is_next = line.table.starts_with("[[") && line.name == first;
            if line.table != table || is_next {
                // Writing to a `String` does not fail.
                let _ = writeln!(text, "\n{}", line.table);
                (table, first) = (line.table, line.name);
            }
            let _ = writeln!(text, "{} = {} # {}", line.name, line.value, line.from);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use settings::Settings;

    use super::*;

    fn of_guide() -> Found {
        let backend = |text: &str| (text.to_owned(), Source::Backend);
        let file = |text: &str| (text.to_owned(), Source::File("terraform.tfvars".to_owned()));
        Found {
            backend: BTreeMap::from([
                ("bucket", backend("berthcare-terraform-state")),
                ("key", backend("staging/terraform.tfstate")),
                ("region", backend("ca-central-1")),
                ("dynamodb_table", backend("berthcare-terraform-locks")),
            ]),
            variables: BTreeMap::from([
                ("project_name".to_owned(), file("berthcare")),
                ("environment".to_owned(), file("staging")),
                ("aws_region".to_owned(), file("ca-central-1")),
            ]),
            buckets: [
                "berthcare-photos-staging",
                "berthcare-logs-staging",
                "berthcare-documents-staging",
            ]
            .map(str::to_owned)
            .into(),
            databases: BTreeSet::from(["berthcare-staging-postgres".to_owned()]),
            account: Some("111122223333".to_owned()),
            use_lockfile: None,
        }
    }

    fn parsed(draft: &Draft) -> Settings {
        let text = draft.text();
        Settings::parse(&text, jiff::civil::date(2026, 11, 22))
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn draft_of_the_guides_stack_is_what_its_files_say() {
        let draft = Draft::new(&of_guide(), None, None).unwrap();
        let settings = parsed(&draft);
        assert_eq!(settings.state.bucket.as_str(), "berthcare-terraform-state");
        assert_eq!(settings.regions.dr.as_str(), "ca-west-1");
        assert_eq!(settings.account.unwrap().as_str(), "111122223333");
        let buckets: Vec<_> = settings.buckets.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(
            buckets,
            ["berthcare-documents-staging", "berthcare-photos-staging"]
        );
        assert_eq!(
            settings.databases[0].id.as_str(),
            "berthcare-staging-postgres"
        );
        let assumed: Vec<_> = draft
            .lines
            .iter()
            .filter(|of| of.is_assumed)
            .map(|of| of.field.as_str())
            .collect();
        assert!(
            assumed.contains(&"regions.dr") && !assumed.contains(&"state.bucket"),
            "{assumed:?}"
        );
        let text = draft.text();
        assert!(
            text.contains("bucket = \"berthcare-terraform-state\" # the backend block\n"),
            "{text}"
        );
    }

    #[test]
    fn draft_of_an_empty_folder_is_assumed_and_says_so() {
        let draft = Draft::new(&Found::default(), None, None).unwrap();
        let settings = parsed(&draft);
        assert_eq!(settings.regions.primary.as_str(), "ca-central-1");
        assert!(
            draft.lines.iter().all(|line| line.is_assumed),
            "{:?}",
            draft.lines
        );
    }

    #[test]
    fn draft_with_a_dr_region_abroad_needs_an_exception() {
        let dr = Some("us-east-1".parse().unwrap());
        let error = Draft::new(&of_guide(), dr, None).unwrap_err();
        assert!(matches!(error, DraftError::Abroad(..)), "{error}");
        let exception = Exception {
            reason: "The design of \"2025\"".to_owned(),
            approved_by: "Privacy Officer".to_owned(),
            expires: jiff::civil::date(2027, 6, 30),
        };
        let settings = parsed(&Draft::new(&of_guide(), dr, Some(&exception)).unwrap());
        assert_eq!(
            settings.residency.exceptions[0].reason,
            "The design of \"2025\""
        );
        let mut found = of_guide();
        found.variables.clear();
        found
            .backend
            .insert("region", ("eu-north-1".to_owned(), Source::Backend));
        let error = Draft::new(&found, None, None).unwrap_err();
        assert!(matches!(error, DraftError::NoDr(_)), "{error}");
    }
}
