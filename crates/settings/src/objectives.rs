//! How fast recovery has to be and how much may be lost.

use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::Serialize;

use crate::document::{Field, Section};
use crate::parse_duration;

/// Recovery objectives. By default an RTO of 45 minutes, and an RPO of 24 hours for databases, what the last
/// daily backup gives, and of 15 minutes for objects, the time that S3 commits to replicate in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Objectives {
    /// The time from deciding to fail over until the environment serves again.
    #[serde(serialize_with = "compact::required::serialize")]
    pub rto: Duration,
    /// How much of the databases' latest changes may be lost.
    #[serde(serialize_with = "compact::required::serialize")]
    pub rpo_database: Duration,
    /// How much of the objects' latest changes may be lost.
    #[serde(serialize_with = "compact::required::serialize")]
    pub rpo_objects: Duration,
}

impl Default for Objectives {
    fn default() -> Objectives {
        Objectives {
            rto: Duration::from_mins(45),
            rpo_database: Duration::from_hours(24),
            rpo_objects: Duration::from_mins(15),
        }
    }
}

impl Objectives {
    pub(crate) fn read(section: Section<'_>) -> Option<Objectives> {
        let rto = section.optional("rto", "\"45m\"");
        let rpo_database = section.optional("rpo_database", "\"24h\"");
        let rpo_objects = section.optional("rpo_objects", "\"15m\"");
        section.close();
        let default = Objectives::default();
        let or = |field: Option<Field<'_>>, default| {
            field.map_or(Some(default), |field| read_duration(&field))
        };
        let rto = or(rto, default.rto);
        let rpo_database = or(rpo_database, default.rpo_database);
        let rpo_objects = or(rpo_objects, default.rpo_objects);
        Some(Objectives {
            rto: rto?,
            rpo_database: rpo_database?,
            rpo_objects: rpo_objects?,
        })
    }
}

pub(crate) fn read_duration(field: &Field<'_>) -> Option<Duration> {
    let text = field.string()?;
    match parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Some(duration),
        Ok(_) => field.invalid(
            format!("{text:?} is not more than zero"),
            "write a positive time, as in \"45m\"",
        ),
        Err(error) => field.invalid(format!("{text:?} is not a length of time"), error.why()),
    }
}
