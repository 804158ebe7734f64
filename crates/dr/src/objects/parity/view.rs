//! Parity as headings and tables.

use report::{Document, Mark, Report};

use super::super::plan::{Listed, Tally, examples};
use super::{Finding, Folder, Parity, Sum};

impl Report for Parity {
    const KIND: &'static str = "parity";

    fn document(&self) -> Document {
        let document = self.add_sides(Document::new());
        let document = self.add_counts(document);
        let document = self.add_folders(document);
        self.add_examples(document)
    }
}

impl Parity {
    /// What came out, of which times it speaks, and the two sides.
    fn add_sides(&self, document: Document) -> Document {
        let (mark, word) = match self.finding {
            Finding::Same => (Mark::Ok, "the same"),
            Finding::Different => (Mark::Wrong, "DIFFERENT"),
            Finding::Unknown => (Mark::Unknown, "not provable"),
        };
        let mut document = document.heading(format!("Object parity: {word}"));
        if let Some(as_of) = &self.as_of {
            document = document.text(format!(
                "From inventories: the source as of {}, the destination as of {}. Nothing is said about later \
                 changes.",
                as_of.source, as_of.destination
            ));
        }
        if let Some(both) = &self.inventories {
            for (side, covers) in [("source", &both.source), ("destination", &both.destination)] {
                document = document.text(format!(
                    "The {side}'s inventory lists: {}.",
                    covers.describe()
                ));
            }
        }
        let side = |name: &str, place: &str, sum: &Sum| {
            let cells = vec![
                name.to_owned(),
                place.to_owned(),
                sum.objects.to_string(),
                sum.bytes.to_string(),
                sum.digest.to_string(),
            ];
            (mark, cells)
        };
        document.table(
            ["Side", "Bucket", "Objects", "Bytes", "Digest"],
            vec![
                side("source", &self.from, &self.source),
                side("destination", &self.to, &self.destination),
            ],
        )
    }

    /// How many objects came to what.
    fn add_counts(&self, document: Document) -> Document {
        let mut rows = vec![count(Mark::Ok, "proven equal", self.equal)];
        rows.extend(counts(&[
            (Mark::Wrong, "different", &self.different),
            (Mark::Wrong, "only in the source", &self.only_source),
            (
                Mark::Wrong,
                "only in the destination",
                &self.only_destination,
            ),
            (Mark::Unknown, "not provable", &self.unproven),
            (Mark::Unknown, "archived in the source", &self.archived),
        ]));
        if let Some(sample) = &self.sample {
            rows.push(count(Mark::Ok, "sample: same bytes", sample.same));
            rows.extend(counts(&[
                (Mark::Wrong, "sample: other bytes", &sample.different),
                (Mark::Unknown, "sample: not read", &sample.unread),
            ]));
        }
        document.table(["Objects", "Number", "Bytes"], rows)
    }

    fn add_folders(&self, document: Document) -> Document {
        let Some(folders) = self.folders.as_ref().filter(|folders| folders.len() > 1) else {
            return document;
        };
        let headings = [
            "Folder",
            "Source",
            "Destination",
            "Source bytes",
            "Destination bytes",
            "Different",
            "Not provable",
        ];
        let rows = folders
            .iter()
            .map(|(name, folder)| folder_row(name, folder));
        document
            .heading("By folder")
            .table(headings, rows.collect())
    }

    /// The first keys of everything that is not equal.
    fn add_examples(&self, document: Document) -> Document {
        let mut lists = vec![
            ("Different", &self.different),
            ("Only in the source", &self.only_source),
            ("Only in the destination", &self.only_destination),
            ("Not provable", &self.unproven),
            (
                "Archived in the source: restore these to copy them",
                &self.archived,
            ),
        ];
        if let Some(sample) = &self.sample {
            lists.push(("Sample: other bytes", &sample.different));
            lists.push(("Sample: not read", &sample.unread));
        }
        lists
            .into_iter()
            .fold(document, |document, (heading, listed)| {
                examples(document, heading, listed)
            })
    }
}

type Row = (Mark, Vec<String>);

fn count(mark: Mark, name: &str, tally: Tally) -> Row {
    let cells = vec![
        name.to_owned(),
        tally.objects.to_string(),
        tally.bytes.to_string(),
    ];
    (mark, cells)
}

/// Rows of what there is any of.
fn counts(lists: &[(Mark, &str, &Listed)]) -> Vec<Row> {
    let any = lists
        .iter()
        .filter(|(_, _, listed)| listed.tally.objects > 0);
    any.map(|(mark, name, listed)| count(*mark, name, listed.tally))
        .collect()
}

fn folder_row(name: &str, folder: &Folder) -> Row {
    let mark = if folder.different > 0 {
        Mark::Wrong
    } else if folder.unproven > 0 {
        Mark::Unknown
    } else {
        Mark::Ok
    };
    let name = if name.is_empty() {
        "(top)".to_owned()
    } else {
        name.escape_debug().to_string()
    };
    let numbers = [
        folder.source.objects,
        folder.destination.objects,
        folder.source.bytes,
        folder.destination.bytes,
        folder.different,
        folder.unproven,
    ];
    let cells = std::iter::once(name)
        .chain(numbers.map(|number| number.to_string()))
        .collect();
    (mark, cells)
}
