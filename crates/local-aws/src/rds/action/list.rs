//! Pages and filters of the Describe actions.

use crate::rds::fields::Fields;
use crate::rds::refusal::{Outcome, Refusal};
use crate::rds::xml::Xml;

/// One page of a list.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    marker: Option<String>,
}

impl<T> Page<T> {
    /// The page that the request asks for, of items sorted by their name. `MaxRecords` is 20 to 100.
    pub(super) fn of(fields: &Fields, items: Vec<(String, T)>) -> Outcome<Self> {
        let size = match fields.number("MaxRecords")? {
            None => 100,
            Some(size @ 20..=100) => size as usize,
            Some(size) => {
                return Err(Refusal::value(format!(
                    "Invalid value {size} for MaxRecords. Must be between 20 and 100"
                )));
            }
        };
        let after = match fields.text("Marker") {
            None | Some("") => None,
            Some(marker) => Some(
                marker
                    .strip_prefix(AFTER)
                    .ok_or_else(|| Refusal::value(format!("Invalid Marker: {marker}")))?,
            ),
        };
        let mut rest = items
            .into_iter()
            .skip_while(|(name, _)| after.is_some_and(|after| name.as_str() <= after));
        let mut items = Vec::new();
        let mut last = None;
        for (name, item) in rest.by_ref().take(size) {
            items.push(item);
            last = Some(name);
        }
        let marker = match (rest.next(), last) {
            (Some(_), Some(last)) => Some(format!("{AFTER}{last}")),
            _ => None,
        };
        Ok(Self { items, marker })
    }

    /// The whole list with its marker.
    pub(super) fn xml(self, name: &str, member: &str, content: impl FnMut(&mut Xml, T)) -> Xml {
        let mut xml = Xml::default();
        xml.maybe("Marker", self.marker);
        xml.list(name, member, self.items, content);
        xml
    }
}

/// So that nobody takes a marker for a name.
const AFTER: &str = "after:";

/// Whether one thing passes all filters of a request.
pub(super) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Reads them; names that the action does not know are refused.
    pub(super) fn read(fields: &Fields, known: &[&str]) -> Outcome<Self> {
        let filters = fields.filters()?;
        if let Some((name, _)) = filters.iter().find(|(_, values)| values.is_empty()) {
            return Err(Refusal::combination(format!(
                "The parameter {name} of Filters must not be empty."
            )));
        }
        match filters
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            Some((name, _)) => Err(Refusal::value(format!("Unrecognized filter name: {name}"))),
            None => Ok(Self(filters)),
        }
    }

    /// `value` gives what a filter of this name compares with; ARNs count as well as ids.
    pub(super) fn pass(&self, value: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let found = value(name);
            wanted
                .iter()
                .any(|wanted| found.iter().any(|found| found.eq_ignore_ascii_case(wanted)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields::new(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn pages_have_20_to_100_and_end() {
        let items: Vec<_> = (0..45).map(|n| (format!("s{n:02}"), n)).collect();
        let mut marker = String::new();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let fields = fields(&[("MaxRecords", "20"), ("Marker", &marker)]);
            let page = Page::of(&fields, items.clone()).unwrap();
            seen.extend(page.items);
            marker = page.marker.unwrap_or_default();
        }
        assert_eq!(seen, (0..45).collect::<Vec<_>>());
        assert_eq!(marker, "");
        for (name, value) in [("MaxRecords", "19"), ("MaxRecords", "101"), ("Marker", "x")] {
            let refused = Page::of(&fields(&[(name, value)]), items.clone());
            assert_eq!(refused.err().unwrap().code, "InvalidParameterValue");
        }
    }
}
