//! What is looked at when a database is restored: whether its rows and the objects of the buckets still belong together.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use crate::document::{Field, Section};
use crate::objectives::read_duration;
use crate::pairs::{Used, read_all, unique};
use crate::{Bucket, BucketName, DatabaseSecret, SecretName};

/// Bytes of a query: far below what PostgreSQL takes, and more than anybody reads.
const LONGEST_QUERY: usize = 64 << 10;
/// The largest margin: sequences are advanced by their own increments, one after the other.
const MOST_MARGIN: i128 = 1_000_000;
const DEFAULT_MARGIN: u64 = 1_000;

/// What is asked of a database that was restored, and who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrity {
    /// The secret with `username` and `password` of who logs in, in the region where the database was restored.
    pub login: SecretName,
    /// The database; that of the secret's field `dbname` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dbname: Option<String>,
    /// The file, beside the settings' where the path is relative, with the authorities that sign the server's certificate, in PEM.
    pub ca: String,
    /// `HOST:PORT` of the near end of a tunnel to the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// How long one query may take.
    #[serde(with = "compact::required")]
    pub timeout: Duration,
    /// Rows that name objects.
    pub objects: Vec<ObjectRows>,
    /// By how many values sequences are advanced after a restore to an earlier time; they stay where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequences: Option<SequenceMargin>,
    /// What tells the version of the schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SchemaVersion>,
}

/// Rows that name the objects of a bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRows {
    /// The bucket, as the primary region has it.
    pub bucket: BucketName,
    /// A query with one column: the keys.
    pub keys: String,
    /// Objects whose keys begin so are told where no row names them; none are where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// By how much sequences are advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceMargin {
    /// Values beyond the highest one in use.
    pub margin: u64,
}

/// What tells the version of the schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaVersion {
    /// A query with one column and one row.
    pub version: String,
    /// What it should be; it is told alone where this is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
}

impl Integrity {
    /// How long a query may take unless the settings say otherwise: the keys of a large table are sorted first.
    pub const TIMEOUT: Duration = Duration::from_mins(10);

    /// `secrets` are those of the database, `buckets` those of the file, if they could be read.
    pub(crate) fn read(
        field: &Field<'_>,
        secrets: &[DatabaseSecret],
        buckets: Option<&[Bucket]>,
    ) -> Option<Integrity> {
        let section = field.section()?;
        let login = section.optional("login", "\"berthcare-staging/database\"");
        let dbname = section.optional("dbname", "\"berthcare\"");
        let ca = section.required("ca", "\"global-bundle.pem\"");
        let via = section.optional("via", "\"127.0.0.1:5433\"");
        let timeout = section.optional("timeout", "\"10m\"");
        let objects = section.optional(
            "objects",
            "[{ bucket = \"…\", keys = \"SELECT object_key FROM documents\" }]",
        );
        let sequences = section.optional("sequences", "{ margin = 1000 }");
        let schema = section.optional(
            "schema",
            "{ version = \"SELECT max(version) FROM schema_migrations\" }",
        );
        section.close();
        let login = match (login, secrets.first()) {
            (Some(login), _) => login.parse(),
            (None, Some(secret)) => Some(secret.name.clone()),
            (None, None) => field.invalid(
                "it does not say who logs in, and the database has no secrets".to_owned(),
                "write `login = \"berthcare-staging/database\"`: a secret with username and password",
            ),
        };
        let dbname = optional(dbname, Field::text);
        let ca = ca.and_then(|field| field.text());
        let via = optional(via, read_via);
        let timeout = match timeout {
            Some(field) => read_duration(&field),
            None => Some(Self::TIMEOUT),
        };
        let mut used = Used::new();
        let objects = match objects {
            Some(field) => read_all(&field, |section| {
                ObjectRows::read(section, &mut used, buckets)
            }),
            None => Some(Vec::new()),
        };
        let sequences = optional(sequences, |field| SequenceMargin::read(field.section()?));
        let schema = optional(schema, |field| SchemaVersion::read(field.section()?));
        Some(Integrity {
            login: login?,
            dbname: dbname?,
            ca: ca?,
            via: via?,
            timeout: timeout?,
            objects: objects?,
            sequences: sequences?,
            schema: schema?,
        })
    }
}

/// `None` for what is wrong; `Some(None)` where there is none.
fn optional<'d, T>(
    field: Option<Field<'d>>,
    read: impl FnOnce(&Field<'d>) -> Option<T>,
) -> Option<Option<T>> {
    match field {
        Some(field) => read(&field).map(Some),
        None => Some(None),
    }
}

impl ObjectRows {
    fn read(
        section: Section<'_>,
        used: &mut Used<BucketName>,
        buckets: Option<&[Bucket]>,
    ) -> Option<ObjectRows> {
        let bucket = section.required("bucket", "\"berthcare-documents-staging\"");
        let keys = section.required("keys", "\"SELECT object_key FROM documents\"");
        let prefix = section.optional("prefix", "\"documents/\"");
        section.close();
        let bucket = bucket.and_then(|field| {
            let name: BucketName = field.parse()?;
            let is_known = |known: &[Bucket]| known.iter().any(|bucket| bucket.name == name);
            if !buckets.is_none_or(is_known) {
                return field.conflict(
                    format!("{name} is no bucket of [[buckets]]"),
                    "name a bucket as the primary region has it; its copy is found by the pair",
                );
            }
            // Each of two queries for one bucket would tell the objects of the other.
            unique(Some(field), used)
        });
        let keys = keys.and_then(|field| read_query(&field));
        let prefix = optional(prefix, |field| field.string().map(str::to_owned));
        Some(ObjectRows {
            bucket: bucket?,
            keys: keys?,
            prefix: prefix?,
        })
    }
}

impl SequenceMargin {
    fn read(section: Section<'_>) -> Option<SequenceMargin> {
        let margin = section.optional("margin", "1000");
        section.close();
        let margin = match margin {
            Some(field) => {
                let number = field.integer()?;
                match u64::try_from(number) {
                    Ok(margin) if (1..=MOST_MARGIN).contains(&number) => margin,
                    _ => {
                        return field.invalid(
                            format!("{number} cannot be set"),
                            format!("write a number from 1 to {MOST_MARGIN}"),
                        );
                    }
                }
            }
            None => DEFAULT_MARGIN,
        };
        Some(SequenceMargin { margin })
    }
}

impl SchemaVersion {
    fn read(section: Section<'_>) -> Option<SchemaVersion> {
        let version = section.required("version", "\"SELECT max(version) FROM schema_migrations\"");
        let expect = section.optional("expect", "\"20261130101500\"");
        section.close();
        let version = version.and_then(|field| read_query(&field));
        let expect = optional(expect, Field::text);
        Some(SchemaVersion {
            version: version?,
            expect: expect?,
        })
    }
}

/// A query as it is written, without the semicolon at its end: it becomes a part of another one.
fn read_query(field: &Field<'_>) -> Option<String> {
    let query = field.string()?.trim();
    let query = query.strip_suffix(';').unwrap_or(query).trim_end();
    if query.is_empty() {
        return field.invalid("it is blank".to_owned(), "write one SELECT");
    }
    if query.len() > LONGEST_QUERY || query.contains('\0') {
        return field.invalid(
            format!("it has more than {LONGEST_QUERY} bytes, or holds a NUL"),
            "make a view of it, and select from that",
        );
    }
    Some(query.to_owned())
}

fn read_via(field: &Field<'_>) -> Option<String> {
    let text = field.string()?;
    let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty()
            && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/')
            && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    match is_address {
        true => Some(text.to_owned()),
        false => field.invalid(
            format!("{text:?} is no address"),
            "write HOST:PORT of the near end of a tunnel, as in \"127.0.0.1:5433\"",
        ),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::Settings;

    const EXAMPLE: &str = include_str!("../../../examples/berthcare-staging/infra.toml");

    fn parse(integrity: &str, secrets: &str) -> Result<Integrity, String> {
        let text = EXAMPLE.replace(
            "[databases.copies]\n",
            &format!("[databases.integrity]\n{integrity}\n[databases.copies]\n"),
        );
        let text = text.replace(
            "\nretention_days = 7\n",
            &format!("\nretention_days = 7\n{secrets}\n"),
        );
        let settings = Settings::parse(&text, date(2026, 11, 30));
        match settings {
            Ok(settings) => Ok(settings.databases[0].integrity.clone().unwrap()),
            Err(problems) => Err(problems.to_string()),
        }
    }

    #[test]
    fn integrity_has_the_databases_own_secret_and_usual_values() {
        let read = parse(
            "ca = \"ca.pem\"\nsequences = {}\nobjects = [{ bucket = \"berthcare-documents-staging\", keys = \"SELECT k FROM d; \" }]",
            "secrets = [{ name = \"berthcare-staging/database\" }]",
        )
        .unwrap();
        assert_eq!(read.login.as_str(), "berthcare-staging/database");
        assert_eq!(read.timeout, Integrity::TIMEOUT);
        assert_eq!(read.sequences.unwrap().margin, DEFAULT_MARGIN);
        assert_eq!(read.objects[0].keys, "SELECT k FROM d");
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Integrity>(&text).unwrap(), read);
    }

    #[test]
    fn integrity_that_cannot_be_is_refused_with_the_field() {
        let objects = |bucket: &str, keys: &str| {
            format!(
                "login = \"a/b\"\nca = \"x\"\nobjects = [{{ bucket = \"{bucket}\", keys = \"{keys}\" }}]"
            )
        };
        let ours = "berthcare-documents-staging";
        for (integrity, told) in [
            ("ca = \"x\"".to_owned(), "who logs in"),
            ("login = \"a/b\"".to_owned(), "integrity.ca"),
            (
                "login = \"a/b\"\nca = \"x\"\nvia = \"5433\"".to_owned(),
                "no address",
            ),
            (
                "login = \"a/b\"\nca = \"x\"\nvia = \"h:0\"".to_owned(),
                "no address",
            ),
            (
                "login = \"a/b\"\nca = \"x\"\nsequences = { margin = 0 }".to_owned(),
                "margin",
            ),
            (
                "login = \"a/b\"\nca = \"x\"\ntimeout = \"0s\"".to_owned(),
                "timeout",
            ),
            (
                objects("another-bucket", "SELECT 1"),
                "no bucket of [[buckets]]",
            ),
            (objects(ours, " ; "), "blank"),
            (
                format!(
                    "login = \"a/b\"\nca = \"x\"\nobjects = [{{ bucket = \"{ours}\", keys = \"a\" }}, {{ bucket = \"{ours}\", keys = \"b\" }}]"
                ),
                "used already",
            ),
        ] {
            let refused = parse(&integrity, "").unwrap_err();
            assert!(refused.contains(told), "{integrity}: {refused}");
        }
    }
}
