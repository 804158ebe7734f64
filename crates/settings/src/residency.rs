//! Where data may lie: countries, and written exceptions that expire.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Date;
use serde::Serialize;
use toml::de::DeValue;

use crate::document::{Field, Problem, Section};
use crate::error::ErrorKind;
use crate::{Country, Region, RegionRole, Regions};

/// The data residency policy. Both regions of a [`Settings`](crate::Settings) satisfy it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Residency {
    /// The countries in which data may lie.
    pub countries: BTreeSet<Country>,
    /// Regions allowed although they are elsewhere; at most one for each region. Some may have expired, but
    /// none that is in use.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<ResidencyException>,
}

/// A region allowed outside the policy, by someone, for a reason, until a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResidencyException {
    /// The region that is allowed.
    pub region: Region,
    /// Why; never blank.
    pub reason: String,
    /// Who answers for it, a role or a person; never blank.
    pub approved_by: String,
    /// The last day on which it is in force.
    pub expires: Date,
}

/// An exception that one of the regions in use needs. `Display` gives the line for a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ExceptionInUse<'a> {
    /// What the region is for.
    pub role: RegionRole,
    /// The exception that allows it.
    #[serde(flatten)]
    pub exception: &'a ResidencyException,
}

impl fmt::Display for ExceptionInUse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExceptionInUse { role, exception } = self;
        let ResidencyException {
            region,
            reason,
            approved_by,
            expires,
        } = exception;
        let country = region.country();
        write!(
            f,
            "{role} in {region} ({country}) by exception: {reason}, approved by {approved_by}, expires {expires}"
        )
    }
}

/// Whether an exception that has run out is one still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// It is none.
    Usual,
    /// A date stops nobody whose region is gone.
    Emergency,
}

impl Residency {
    /// The exceptions that these regions need, for every report to show. Empty when both regions lie in an
    /// allowed country.
    pub fn exceptions_in_use<'a>(&'a self, regions: &Regions) -> Vec<ExceptionInUse<'a>> {
        regions
            .iter()
            .filter(|(_, region)| !self.countries.contains(&region.country()))
            .filter_map(|(role, region)| {
                Some(ExceptionInUse {
                    role,
                    exception: self.exception(region)?,
                })
            })
            .collect()
    }

    /// Whether data may lie in `region` on the day `today`: its country is allowed, or an exception is in force.
    pub fn allows(&self, region: Region, today: Date) -> bool {
        let exception = self.exception(region);
        self.countries.contains(&region.country())
            || exception.is_some_and(|exception| exception.expires >= today)
    }

    fn exception(&self, region: Region) -> Option<&ResidencyException> {
        self.exceptions
            .iter()
            .find(|exception| exception.region == region)
    }

    /// The policy when the file has none: data stays in the country of the primary region.
    pub(crate) fn default_for(regions: &Regions) -> Residency {
        Residency {
            countries: BTreeSet::from([regions.primary.country()]),
            exceptions: Vec::new(),
        }
    }

    /// `regions` give the default for `countries`; `None` when they could not be read.
    pub(crate) fn read(section: Section<'_>, regions: Option<&Regions>) -> Option<Residency> {
        let countries = section.optional("countries", "[\"CA\"]");
        let exceptions = section.optional(
            "exceptions",
            "[{ region = \"us-east-1\", reason = \"…\", approved_by = \"…\", expires = 2027-06-30 }]",
        );
        section.close();
        let countries = match countries {
            Some(field) => read_countries(&field),
            None => regions.map(|regions| Residency::default_for(regions).countries),
        };
        let exceptions = match exceptions {
            Some(field) => read_exceptions(&field),
            None => Some(Vec::new()),
        };
        Some(Residency {
            countries: countries?,
            exceptions: exceptions?,
        })
    }

    /// Reports each region that is neither in an allowed country nor under an exception in force `today`. An exception that
    /// has run out counts in an emergency.
    pub(crate) fn check(
        &self,
        regions: &Regions,
        fields: &[Field<'_>; 2],
        today: Date,
        strictness: Strictness,
    ) {
        for ((_, region), field) in regions.iter().zip(fields) {
            if self.allows(region, today) {
                continue;
            }
            let exception = self.exception(region);
            if strictness == Strictness::Emergency && exception.is_some() {
                continue;
            }
            let outside = format!(
                "{region} is in {}, outside the countries that data may lie in ({})",
                region.country(),
                list(self.countries.iter()),
            );
            let elsewhere = self.alternatives(regions, region);
            let (problem, fix) = match exception {
                Some(ResidencyException { expires, .. }) => (
                    format!("{outside}, and its exception has expired: {expires} was its last day"),
                    format!(
                        "{elsewhere}have the exception renewed and give its new last day as expires"
                    ),
                ),
                None => (
                    outside,
                    format!(
                        "{elsewhere}write the exception down under [residency]: \
                         exceptions = [{{ region = \"{region}\", reason = …, approved_by = …, expires = … }}]"
                    ),
                ),
            };
            field.report(Problem {
                kind: ErrorKind::Residency,
                problem,
                fix,
            });
        }
    }

    /// "use … or ", naming the regions that could stand in for `region` without an exception.
    fn alternatives(&self, regions: &Regions, region: Region) -> String {
        let fits = |other: &Region| {
            self.countries.contains(&other.country())
                && other.partition() == region.partition()
                && regions.iter().all(|(_, used)| used != *other)
        };
        let found: Vec<Region> = Region::all().filter(fits).collect();
        if found.is_empty() {
            String::new()
        } else {
            format!("use {}, or ", list(found.iter()))
        }
    }
}

fn list(items: impl Iterator<Item = impl ToString>) -> String {
    items
        .map(|item| item.to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

fn read_countries(field: &Field<'_>) -> Option<BTreeSet<Country>> {
    let countries: Vec<Option<Country>> = field.array()?.iter().map(Field::parse).collect();
    if countries.is_empty() {
        return field.invalid("no country is allowed", "name at least one, as in [\"CA\"]");
    }
    countries.into_iter().collect()
}

fn read_exceptions(field: &Field<'_>) -> Option<Vec<ResidencyException>> {
    let mut complete = true;
    let mut exceptions: Vec<ResidencyException> = Vec::new();
    for field in field.array()? {
        let Some(exception) = field.section().and_then(read_exception) else {
            complete = false;
            continue;
        };
        if exceptions
            .iter()
            .any(|other| other.region == exception.region)
        {
            let problem = format!("{} has an exception already", exception.region);
            complete = false;
            field.conflict::<()>(
                problem,
                "keep one exception for each region, the one in force",
            );
        }
        exceptions.push(exception);
    }
    complete.then_some(exceptions)
}

fn read_exception(section: Section<'_>) -> Option<ResidencyException> {
    let region = section.required("region", "\"us-east-1\"");
    let reason = section.required("reason", "\"why data may lie there\"");
    let approved_by = section.required("approved_by", "\"who answers for it\"");
    let expires = section.required("expires", "2027-06-30");
    section.close();
    let region = region.and_then(|field| field.parse());
    let reason = reason.and_then(|field| field.text());
    let approved_by = approved_by.and_then(|field| field.text());
    let expires = expires.and_then(|field| read_date(&field));
    Some(ResidencyException {
        region: region?,
        reason: reason?,
        approved_by: approved_by?,
        expires: expires?,
    })
}

/// A TOML date, or the same in quotes.
pub(crate) fn read_date(field: &Field<'_>) -> Option<Date> {
    let date = match field.value() {
        DeValue::Datetime(datetime) if datetime.time.is_none() && datetime.offset.is_none() => {
            datetime
                .date
                .and_then(|date| {
                    Some((
                        i16::try_from(date.year).ok()?,
                        i8::try_from(date.month).ok()?,
                        date.day,
                    ))
                })
                .and_then(|(year, month, day)| Date::new(year, month, i8::try_from(day).ok()?).ok())
        }
        DeValue::Datetime(_) => None,
        DeValue::String(text) => Date::strptime("%Y-%m-%d", text.as_bytes()).ok(),
        _ => return field.wrong_type("a date"),
    };
    date.or_else(|| {
        field.invalid(
            "it is not a date",
            "write the last day in force as YEAR-MONTH-DAY: 2027-06-30",
        )
    })
}
