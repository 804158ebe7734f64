//! What Terraform says of an environment, so that nobody copies its names and IDs into `infra.toml`.

use jiff::civil::Date;
use toml::de::{DeTable, DeValue};

use crate::Settings;
use crate::document::{Document, Field, Place, Problem};
use crate::error::{ErrorKind, SettingsErrors};
use crate::residency::Strictness;

/// A file that `outputs` of an `infra.toml` names: the output `infra_toml` of an environment's root module, which has
/// values in the places where `infra.toml` would have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputsFile {
    /// As `infra.toml` names it.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// The text of an `infra.toml`, and of the files that its `outputs` names.
#[derive(Clone, Copy, Debug)]
pub struct Source<'t> {
    /// The text of the `infra.toml`.
    pub text: &'t str,
    /// The files that [`outputs_named`] has found in it.
    pub outputs: &'t [OutputsFile],
}

/// A value that `infra.toml` does not have and Terraform's outputs do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromOutputs {
    /// The field, as in `databases[0].restore.subnet_group`.
    pub path: String,
    /// The [`OutputsFile`] that has it.
    pub file: String,
}

impl<'t> From<&'t str> for Source<'t> {
    fn from(text: &'t str) -> Source<'t> {
        Source { text, outputs: &[] }
    }
}

impl Source<'_> {
    /// As [`Settings::parse`], with the values of the outputs where the text has none. One that both have, and not alike, is
    /// a problem, as is an output that Terraform does not say.
    ///
    /// # Errors
    /// As [`Settings::parse`].
    pub fn parse(self, today: Date) -> Result<Settings, SettingsErrors> {
        Settings::parse_with(self, today, Strictness::Usual)
    }

    /// As [`Settings::parse_in_emergency`], in the same way.
    ///
    /// # Errors
    /// As [`Settings::parse_in_emergency`].
    pub fn parse_in_emergency(self, today: Date) -> Result<Settings, SettingsErrors> {
        Settings::parse_with(self, today, Strictness::Emergency)
    }
}

/// The files that `outputs` of an `infra.toml` names. What else is wrong with the text, [`Source::parse`] says.
pub fn outputs_named(text: &str) -> Vec<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let Some(DeValue::Array(names)) = table.get_ref().get("outputs").map(|value| value.get_ref())
    else {
        return Vec::new();
    };
    let names = names.iter().filter_map(|name| match name.get_ref() {
        DeValue::String(name) => Some(name.to_string()),
        _ => None,
    });
    names.collect()
}

/// What Terraform may say, without the numbers of databases. The rest of an `infra.toml` is for people to decide, where data
/// may lie above all.
const SAID: &[&str] = &[
    "regions.primary",
    "regions.dr",
    "databases.id",
    "databases.dr_id",
    "databases.kms",
    "databases.restore.class",
    "databases.restore.subnet_group",
    "databases.restore.parameter_group",
    "databases.restore.security_groups",
    "databases.failback.kms",
    "databases.failback.restore.class",
    "databases.failback.restore.subnet_group",
    "databases.failback.restore.parameter_group",
    "databases.failback.restore.security_groups",
    "failover.marker_bucket",
];

/// Reports a name that is none, and a file whose text nobody has read: without it, what it says would be missing or AWS's own.
pub(crate) fn read(document: &Document<'_>, field: &Field<'_>) -> Option<()> {
    for field in field.array()? {
        let name = field.text()?;
        if !document.outputs().iter().any(|file| file.name == name) {
            return field.invalid(
                format!("the text of {name} is not known here"),
                "read it with the settings",
            );
        }
    }
    Some(())
}

const ANEW: &str =
    "write the file anew: `terraform output -raw infra_toml` in the root module of the environment";

/// Reports what is in the files of outputs and not for Terraform to say, and a file that does not say what it is about.
pub(crate) fn check(document: &Document<'_>, tables: &[DeTable<'_>]) {
    for (file, table) in tables.iter().enumerate().skip(1) {
        let about = table
            .get("regions")
            .and_then(|value| value.get_ref().as_table());
        if !about.is_some_and(|regions| regions.contains_key("primary")) {
            let place = Place { file, offset: 0 };
            missing(document, "regions.primary", place);
        }
        check_table(document, file, "", table);
    }
}

fn check_table(document: &Document<'_>, file: usize, path: &str, table: &DeTable<'_>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let path = match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let place = Place {
            file,
            offset: key.span().start,
        };
        match value.get_ref() {
            DeValue::Table(table) => check_table(document, file, &path, table),
            DeValue::Array(values) if path == "databases" => {
                for value in values.iter() {
                    let DeValue::Table(table) = value.get_ref() else {
                        continue;
                    };
                    if !table.contains_key("id") {
                        missing(document, "databases.id", place);
                    }
                    check_table(document, file, &path, table);
                }
            }
            _ if SAID.contains(&path.as_str()) => {}
            _ => document.report(
                &path,
                Some(place),
                Problem {
                    kind: ErrorKind::UnknownField,
                    problem: "it is not what Terraform says of an environment".to_owned(),
                    fix: format!("write it into infra.toml, or {ANEW}"),
                },
            ),
        }
    }
}

fn missing(document: &Document<'_>, path: &str, place: Place) {
    document.report(
        path,
        Some(place),
        Problem {
            kind: ErrorKind::Missing,
            problem: "the file does not say what it is about".to_owned(),
            fix: ANEW.to_owned(),
        },
    );
}
