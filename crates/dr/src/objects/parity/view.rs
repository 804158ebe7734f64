//! Parity as headings and tables.

use report::{Document, Mark, Report};

use super::super::plan::{Tally, examples};
use super::{Finding, Folder, Parity, Sum};

impl Report for Parity {
    fn document(&self) -> Document {
        let mark = match self.finding {
            Finding::Same => Mark::Ok,
            Finding::Different => Mark::Wrong,
            Finding::Unknown => Mark::Unknown,
        };
        let word = match self.finding {
            Finding::Same => "the same",
            Finding::Different => "DIFFERENT",
            Finding::Unknown => "not provable",
        };
        let side = |name: &str, place: &str, sum: &Sum| {
            (
                mark,
                vec![
                    name.to_owned(),
                    place.to_owned(),
                    sum.objects.to_string(),
                    sum.bytes.to_string(),
                    sum.digest.to_string(),
                ],
            )
        };
        let mut document = Document::new().heading(format!("Object parity: {word}"));
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
        document = document.table(
            ["Side", "Bucket", "Objects", "Bytes", "Digest"],
            vec![
                side("source", &self.from, &self.source),
                side("destination", &self.to, &self.destination),
            ],
        );
        let count = |mark, name: &str, tally: Tally| {
            (
                mark,
                vec![
                    name.to_owned(),
                    tally.objects.to_string(),
                    tally.bytes.to_string(),
                ],
            )
        };
        let mut rows = vec![count(Mark::Ok, "proven equal", self.equal)];
        for (mark, name, listed) in [
            (Mark::Wrong, "different", &self.different),
            (Mark::Wrong, "only in the source", &self.only_source),
            (
                Mark::Wrong,
                "only in the destination",
                &self.only_destination,
            ),
            (Mark::Unknown, "not provable", &self.unproven),
            (Mark::Unknown, "archived in the source", &self.archived),
        ] {
            if listed.tally.objects > 0 {
                rows.push(count(mark, name, listed.tally));
            }
        }
        if let Some(sample) = &self.sample {
            rows.push(count(Mark::Ok, "sample: same bytes", sample.same));
            for (mark, name, listed) in [
                (Mark::Wrong, "sample: other bytes", &sample.different),
                (Mark::Unknown, "sample: not read", &sample.unread),
            ] {
                if listed.tally.objects > 0 {
                    rows.push(count(mark, name, listed.tally));
                }
            }
        }
        document = document.table(["Objects", "Number", "Bytes"], rows);
        if let Some(folders) = self.folders.as_ref().filter(|folders| folders.len() > 1) {
            document = document.heading("By folder").table(
                [
                    "Folder",
                    "Source",
                    "Destination",
                    "Source bytes",
                    "Destination bytes",
                    "Different",
                    "Not provable",
                ],
                folders
                    .iter()
                    .map(|(name, folder)| folder_row(name, folder))
                    .collect(),
            );
        }
        for (heading, listed) in [
            ("Different", &self.different),
            ("Only in the source", &self.only_source),
            ("Only in the destination", &self.only_destination),
            ("Not provable", &self.unproven),
            (
                "Archived in the source: restore these to copy them",
                &self.archived,
            ),
        ] {
            document = examples(document, heading, listed);
        }
        if let Some(sample) = &self.sample {
            document = examples(document, "Sample: other bytes", &sample.different);
            document = examples(document, "Sample: not read", &sample.unread);
        }
        document
    }
}

fn folder_row(name: &str, folder: &Folder) -> (Mark, Vec<String>) {
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
