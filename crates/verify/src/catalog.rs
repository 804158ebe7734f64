use report::{Document, Mark, Report};
use serde::Serialize;

use crate::check::Check;
use crate::selection::Selection;

/// The checks that there are, by item, then by id; nothing is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Catalog(Vec<&'static Check>);

impl Catalog {
    /// Those of a selection.
    pub fn new(selection: &Selection) -> Self {
        let mut checks: Vec<_> = crate::checks::all()
            .filter(|check| selection.takes(check))
            .collect();
        checks.sort_by_key(|check| (check.item.unwrap_or(u8::MAX), check.id));
        Self(checks)
    }
}

impl Report for Catalog {
    const KIND: &'static str = "checks";

    fn document(&self) -> Document {
        let row = |check: &&Check| {
            let item = check.item.map(|item| item.to_string());
            let cells = [
                item.unwrap_or_default(),
                check.id.to_owned(),
                check.severity.word().to_owned(),
                check.title.to_owned(),
            ];
            (Mark::Plain, cells.to_vec())
        };
        let rows = self.0.iter().map(row).collect();
        Document::new().table(["Item", "Check", "Severity", "What has to hold"], rows)
    }
}
