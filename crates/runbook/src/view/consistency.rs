//! Whether rows and objects belong together, as people read it.

use dr::objects::PrefixCounts;
use report::{Document, Mark};

use super::time;
use crate::{
    Consistency, DatabaseConsistency, Looked, ObjectsOfRows, RowsAndObjects, SchemaFound,
    SequencesAdvanced,
};

type Row = (Mark, Vec<String>);

/// Of every database that was to be asked.
pub(super) fn document(databases: &[DatabaseConsistency]) -> Document {
    let rows = databases.iter().flat_map(rows).collect();
    let document = Document::new().heading("Rows and objects");
    let document = document.table(["Database", "What", "Found", ""], rows);
    let has_list = |database: &DatabaseConsistency| match &database.found {
        Looked::Found(found) => found.objects.iter().any(|of| match &of.found {
            Looked::Found(found) => found.list.is_some(),
            Looked::Unknown { .. } => false,
        }),
        Looked::Unknown { .. } => false,
    };
    match databases.iter().any(has_list) {
        true => document.text(
            "Keys may name people: they are counted here by their first part, and are in files of the run's folder, on the \
             machine that carried the step.",
        ),
        false => document,
    }
}

fn rows(of: &DatabaseConsistency) -> Vec<Row> {
    let row = |mark, what: &str, found: &str, why: &str| {
        let cells = [of.database.as_str(), what, found, why];
        (mark, cells.map(str::to_owned).to_vec())
    };
    let not_known = |what: &str, why: &str| row(Mark::Unknown, what, "not known", why);
    let found: &Consistency = match &of.found {
        Looked::Found(found) => found,
        Looked::Unknown { unknown } => return vec![not_known("", unknown)],
    };
    let mut rows = Vec::new();
    for ObjectsOfRows { bucket, found } in &found.objects {
        match found {
            Looked::Found(found) => {
                let compared = compared(bucket, found).into_iter();
                let compared =
                    compared.map(|(mark, what, told, why)| row(mark, &what, &told, &why));
                rows.extend(compared);
            }
            Looked::Unknown { unknown } => rows.push(not_known(bucket, unknown)),
        }
    }
    match &found.sequences {
        Some(Looked::Found(sequences)) => {
            let (mark, told) = advanced(sequences);
            rows.push(row(mark, "sequences", &told, ""));
            for left in &sequences.left {
                rows.push(row(Mark::Wrong, &left.sequence, "not advanced", &left.why));
            }
        }
        Some(Looked::Unknown { unknown }) => rows.push(not_known("sequences", unknown)),
        None => {}
    }
    match &found.schema {
        Some(Looked::Found(schema)) => {
            let (mark, told, why) = version(schema);
            rows.push(row(mark, "version of the schema", &told, &why));
        }
        Some(Looked::Unknown { unknown }) => {
            rows.push(not_known("version of the schema", unknown));
        }
        None => {}
    }
    if rows.is_empty() {
        rows.push(row(Mark::Plain, "", "nothing was asked", ""));
    }
    rows.push(row(Mark::Plain, "asked at", &time(found.at), ""));
    rows
}

fn compared(bucket: &str, found: &RowsAndObjects) -> Vec<(Mark, String, String, String)> {
    let list = found.list.as_ref();
    let list = list.map_or_else(String::new, |list| format!("; each is in {list}"));
    let told = |what: &str, counts: &PrefixCounts, all: u64, things: &str| {
        let (mark, why) = match counts.is_empty() {
            true => (Mark::Ok, String::new()),
            false => (Mark::Wrong, format!("{}{list}", by_prefix(counts))),
        };
        let found = format!("{} of {all} {things}", counts.total());
        (mark, format!("{bucket}: {what}"), found, why)
    };
    let rows = told(
        "rows without an object",
        &found.rows_without_object,
        found.rows,
        "rows",
    );
    let mut all = vec![rows];
    if let Some(counts) = &found.objects_without_row {
        let what = "objects without a row";
        all.push(told(what, counts, found.objects, "objects"));
    }
    all
}

/// The first parts of keys with their numbers, the greatest first.
fn by_prefix(counts: &PrefixCounts) -> String {
    /// More of them nobody reads in a sentence.
    const MOST: usize = 5;
    let mut parts: Vec<(&str, u64)> = counts
        .objects
        .iter()
        .map(|(prefix, objects)| (prefix.as_str(), *objects))
        .collect();
    parts.sort_by_key(|(_, objects)| std::cmp::Reverse(*objects));
    let further: u64 = parts.iter().skip(MOST).map(|(_, objects)| objects).sum();
    let further = further + counts.others;
    let told = parts.into_iter().take(MOST).map(|(prefix, objects)| {
        let prefix = if prefix.is_empty() {
            "keys without /"
        } else {
            prefix
        };
        format!("{prefix} {objects}")
    });
    let mut told: Vec<String> = told.collect();
    if further > 0 {
        told.push(format!("others {further}"));
    }
    told.join(", ")
}

fn advanced(sequences: &SequencesAdvanced) -> (Mark, String) {
    let told = format!(
        "{} advanced by {} values beyond the highest one in use",
        sequences.advanced.len(),
        sequences.margin
    );
    (Mark::Ok, told)
}

fn version(schema: &SchemaFound) -> (Mark, String, String) {
    let found = schema.version.clone();
    let told = found.clone().unwrap_or_else(|| "none".to_owned());
    match &schema.expected {
        Some(expected) if found.as_ref() == Some(expected) => {
            (Mark::Ok, told, "as the settings expect".to_owned())
        }
        Some(expected) => (Mark::Wrong, told, format!("the settings expect {expected}")),
        None if found.is_none() => (Mark::Unknown, told, "the query has no row".to_owned()),
        None => (Mark::Plain, told, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SequenceAdvanced, SequenceLeft};

    #[test]
    fn document_says_what_is_wrong_and_what_is_not_known_and_names_no_key() {
        let mut without = PrefixCounts::default();
        for key in ["visits/kim/1", "visits/kim/2", "plain"] {
            without.add(key);
        }
        let found = RowsAndObjects {
            rows: 9,
            objects: 6,
            rows_without_object: without,
            objects_without_row: Some(PrefixCounts::default()),
            list: Some("consistency-app-dr.photos-dr.jsonl".to_owned()),
        };
        let found = Consistency {
            instance: "app-dr".to_owned(),
            at: "2026-11-30T03:15:00Z".parse().unwrap(),
            objects: vec![
                ObjectsOfRows {
                    bucket: "photos-dr".to_owned(),
                    found: Looked::Found(found),
                },
                ObjectsOfRows {
                    bucket: "documents-dr".to_owned(),
                    found: Looked::unknown("it writes"),
                },
            ],
            sequences: Some(Looked::Found(SequencesAdvanced {
                margin: 1_000,
                advanced: vec![SequenceAdvanced {
                    sequence: "public.a".to_owned(),
                    from: None,
                    to: 1_000,
                }],
                left: vec![SequenceLeft {
                    sequence: "public.b".to_owned(),
                    why: "it has no room".to_owned(),
                }],
            })),
            schema: Some(Looked::Found(SchemaFound {
                version: Some("41".to_owned()),
                expected: Some("42".to_owned()),
            })),
        };
        let databases = [
            DatabaseConsistency {
                database: "app".to_owned(),
                found: Looked::Found(found),
            },
            DatabaseConsistency {
                database: "other".to_owned(),
                found: Looked::unknown("kim left it out: no tunnel"),
            },
        ];
        let text = document(&databases).to_terminal(None, false);
        for told in [
            "3 of 9 rows",
            "visits/ 2, keys without / 1; each is in consistency-app-dr.photos-dr.jsonl",
            "0 of 6 objects",
            "it writes",
            "1 advanced by 1000 values",
            "it has no room",
            "the settings expect 42",
            "no tunnel",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(!text.contains("kim/"), "{text}");
        // What was written down is read again as it was.
        let json = serde_json::to_value(&databases).unwrap();
        let again: Vec<DatabaseConsistency> = serde_json::from_value(json).unwrap();
        assert_eq!(again, databases);
    }
}
