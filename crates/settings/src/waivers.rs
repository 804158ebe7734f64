//! What somebody has accepted although a check finds it wrong: a file of its own, so that it can be reviewed as one.

use jiff::civil::Date;
use serde::Serialize;

use crate::document::{Document, Section};
use crate::error::SettingsErrors;
use crate::residency::read_date;

/// A finding that is accepted: what, why, by whom and how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiver {
    /// The check's ID.
    pub check: String,
    /// The resources, as a pattern in which `*` stands for any text.
    pub resource: String,
    /// Why; never blank.
    pub reason: String,
    /// Who answers for it; never blank.
    pub by: String,
    /// The last day on which it is accepted.
    pub expires: Date,
}

/// The findings that are accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Waivers(Vec<Waiver>);

impl Waivers {
    /// Reads the text of a file of waivers: `[[waivers]]`, each with its fields.
    ///
    /// # Errors
    /// Every problem of the text.
    pub fn parse(text: &str) -> Result<Self, SettingsErrors> {
        let document = Document::new(text.into());
        let waivers = read(&document);
        let problems = document.into_problems();
        match waivers {
            Some(waivers) if problems.is_empty() => Ok(waivers),
            _ => Err(SettingsErrors::new(problems)),
        }
    }

    /// All of them, those that have run out as well.
    pub fn iter(&self) -> impl Iterator<Item = &Waiver> {
        self.0.iter()
    }
}

fn read(document: &Document<'_>) -> Option<Waivers> {
    let table = document.syntax()?;
    let root = document.root(&table);
    let waivers = root.optional("waivers", "[{ check = \"…\" }]");
    root.close();
    let Some(field) = waivers else {
        return Some(Waivers::default());
    };
    // All of them are looked at, so that each problem is told.
    let read: Vec<Option<Waiver>> = field
        .array()?
        .iter()
        .map(|field| field.section().and_then(read_one))
        .collect();
    let read: Option<Vec<Waiver>> = read.into_iter().collect();
    read.map(Waivers)
}

fn read_one(section: Section<'_>) -> Option<Waiver> {
    let check = section.required("check", "\"s3-encryption\"");
    let resource = section.optional("resource", "\"berthcare-*\"");
    let reason = section.required("reason", "\"why it is accepted\"");
    let by = section.required("by", "\"who answers for it\"");
    let expires = section.required("expires", "2027-06-30");
    section.close();
    let check = check.and_then(|field| field.text());
    let resource = match resource {
        Some(field) => field.text(),
        None => Some("*".to_owned()),
    };
    let reason = reason.and_then(|field| field.text());
    let by = by.and_then(|field| field.text());
    let expires = expires.and_then(|field| read_date(&field));
    Some(Waiver {
        check: check?,
        resource: resource?,
        reason: reason?,
        by: by?,
        expires: expires?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reads_waivers_and_tells_every_problem() {
        let text = "[[waivers]]\ncheck = \"s3-encryption\"\nreason = \"leaflets only\"\nby = \"Ada\"\n\
            expires = 2027-01-31\n";
        let waivers = Waivers::parse(text).unwrap();
        let [waiver] = &waivers.0[..] else {
            panic!("{waivers:?}")
        };
        assert_eq!(waiver.resource, "*");
        assert_eq!(waiver.expires, jiff::civil::date(2027, 1, 31));
        assert_eq!(Waivers::parse("").unwrap(), Waivers::default());
        let without = text.replace("by = \"Ada\"\n", "because = \"x\"\n");
        let problems = Waivers::parse(&without).unwrap_err();
        assert_eq!(problems.iter().count(), 2, "{problems}");
    }
}
