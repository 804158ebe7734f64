//! A refresh that was stopped goes on where it was: what it settled is written as it is found, as a price book with comments.

use std::collections::BTreeSet;

use crate::prices::book::{csv_head, csv_row};
use crate::prices::{BookError, PriceBook, PriceKey, Refresh};

/// Before an item that nothing was found for: region, service, item, and why.
const UNMATCHED: &str = "# not found,";

/// Before what was read as a whole, such as a file.
const READ: &str = "# read,";

/// What an earlier run of the same refresh has settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Items that were looked for, found or not.
    pub items: BTreeSet<PriceKey>,
    /// What was read as a whole.
    pub read: BTreeSet<String>,
}

impl Refresh {
    /// What the text of a refresh begins with; it goes on with [`Refresh::settled`] and [`Refresh::read`].
    pub fn head(&self) -> String {
        csv_head(self.book.version())
    }

    /// An item that was settled, as it is written.
    pub fn settled(&self, key: &PriceKey) -> String {
        if let Some(unmatched) = self.unmatched.iter().rfind(|of| of.key == *key) {
            let (scope, service) = (key.scope, key.service.code());
            let why = unmatched.why.replace(['\n', '\r'], " ");
            return format!("{UNMATCHED}{scope},{service},{},{why}\n", key.item);
        }
        let Some(price) = self.book.price(key) else {
            return String::new();
        };
        let rows = price.tiers().iter();
        rows.map(|tier| csv_row(key, price, tier)).collect()
    }

    /// That something was read as a whole, as it is written.
    pub fn read(of: &str) -> String {
        format!("{READ}{}\n", of.replace(['\n', '\r'], " "))
    }

    /// Takes what an earlier run has written. Nothing of another day: prices may be other ones by then. A last line that was
    /// cut short counts for nothing.
    ///
    /// # Errors
    /// When a line is not as it must be.
    pub fn resume(&mut self, text: &str) -> Result<Resumed, BookError> {
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let mut resumed = Resumed::default();
        if !whole.starts_with(&self.head()) {
            return Ok(resumed);
        }
        let found = PriceBook::alone(whole)?;
        for (key, price) in found.prices() {
            // Cut off between its tiers: AWS's last one has no end.
            if price.tiers().last().is_none_or(|tier| tier.to.is_some()) {
                continue;
            }
            self.settle(key, Ok(price.clone()));
            resumed.items.insert(key.clone());
        }
        for line in whole.lines() {
            if let Some(of) = line.strip_prefix(READ) {
                resumed.read.insert(of.to_owned());
            }
            let unmatched = line.strip_prefix(UNMATCHED).and_then(unmatched);
            if let Some((key, why)) = unmatched {
                self.settle(&key, Err(why));
                resumed.items.insert(key);
            }
        }
        Ok(resumed)
    }
}

fn unmatched(line: &str) -> Option<(PriceKey, String)> {
    let mut cells = line.splitn(4, ',');
    let key = PriceKey {
        scope: cells.next()?.parse().ok()?,
        service: cells.next()?.parse().ok()?,
        item: cells.next()?.to_owned(),
    };
    Some((key, cells.next()?.to_owned()))
}
