//! The parameters of a Query request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::refusal::{Outcome, Refusal};

/// Names as on the wire: `Tags.Tag.1.Key`. What is looked at is remembered: an input that nobody looks at would make the
/// simulation agree with whatever is asked of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pairs: BTreeMap<String, String>,
    /// Of a member of a list, with the list's name and its own number; empty of a request.
    path: String,
    /// Whole names on the wire, of the request and of its members.
    read: Arc<Mutex<BTreeSet<String>>>,
}

impl Fields {
    pub(crate) fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            pairs: pairs.into_iter().collect(),
            ..Self::default()
        }
    }

    fn mark(&self, name: &str) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let path = [self.path.as_str(), name].map(str::to_owned);
        let path = path.into_iter().filter(|part| !part.is_empty());
        read.insert(path.collect::<Vec<_>>().join("."));
    }

    /// The names of all inputs, each once: of a list or a structure its own.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        let name = |key: &str| !matches!(key, "Action" | "Version");
        let keys = self.pairs.keys().map(String::as_str);
        let keys = keys.filter(|key| name(key));
        keys.map(|key| key.split('.').next().unwrap_or_default())
            .collect()
    }

    /// The inputs that nobody has looked at, each once: of a list or a structure its name.
    pub(crate) fn unread(&self) -> BTreeSet<String> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let is_read = |key: &str| matches!(key, "Action" | "Version") || read.contains(key);
        let unread = self.pairs.keys().filter(|key| !is_read(key));
        let name = |key: &String| key.split('.').next().unwrap_or_default().to_owned();
        unread.map(name).collect()
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.mark(name);
        self.pairs.get(name).map(String::as_str)
    }

    pub(crate) fn required(&self, name: &str) -> Outcome<&str> {
        match self.text(name) {
            Some("") | None => Err(Refusal::missing(name)),
            Some(value) => Ok(value),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Outcome<Option<bool>> {
        match self.text(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(text) => Err(malformed(name, text)),
        }
    }

    pub(crate) fn number(&self, name: &str) -> Outcome<Option<u32>> {
        let parse = |text: &str| text.parse().map_err(|_| malformed(name, text));
        self.text(name).map(parse).transpose()
    }

    pub(crate) fn time(&self, name: &str) -> Outcome<Option<Timestamp>> {
        let parse = |text: &str| text.parse().map_err(|_| malformed(name, text));
        self.text(name).map(parse).transpose()
    }

    /// The members of a list of texts, whatever they are called: `SubnetIds.SubnetIdentifier.1` and
    /// `SubnetIds.member.1`. `None` when there are none.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<String>> {
        let members = self.members(name);
        let texts = members
            .into_values()
            .filter_map(|member| member.text("").map(str::to_owned))
            .collect::<Vec<_>>();
        (!texts.is_empty()).then_some(texts)
    }

    /// The members of a list of structures by their number; a field without a name is the member itself.
    pub(crate) fn members(&self, name: &str) -> BTreeMap<u32, Self> {
        self.mark(name);
        let mut members: BTreeMap<u32, Self> = BTreeMap::new();
        for (key, value) in &self.pairs {
            let Some(below) = key
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            // `Tag.1.Key`, `member.1`, and `1` of a flat list.
            let (label, rest) = match below.split_once('.') {
                Some((label, rest)) if label.parse::<u32>().is_err() => (label, rest),
                _ => ("", below),
            };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            let Ok(index) = number.parse() else {
                continue;
            };
            let member = members.entry(index).or_insert_with(|| Self {
                path: [&self.path, name, label, number]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("."),
                read: Arc::clone(&self.read),
                ..Self::default()
            });
            member.pairs.insert(field.to_owned(), value.clone());
        }
        members
    }

    /// `Tags`; a key that is there twice is refused, and more than a resource can have.
    pub(crate) fn tags(&self) -> Outcome<BTreeMap<String, String>> {
        let mut tags = BTreeMap::new();
        for tag in self.members("Tags").into_values() {
            let key = tag.required("Key")?.to_owned();
            let value = tag.text("Value").unwrap_or_default().to_owned();
            let legal = tag_text(&key, 128) && tag_text(&value, 256);
            if !legal || key.to_ascii_lowercase().starts_with("aws:") {
                return Err(Refusal::value(format!("Invalid tag: {key}={value}")));
            }
            if tags.insert(key, value).is_some() {
                return Err(Refusal::value("Duplicate tag keys are not allowed."));
            }
        }
        few_tags(&tags)?;
        Ok(tags)
    }

    /// `Filters`: name and the values of which one must match.
    pub(crate) fn filters(&self) -> Outcome<Vec<(String, Vec<String>)>> {
        let filters = self.members("Filters").into_values();
        filters
            .map(|filter| {
                // An empty list has one empty member on the wire.
                let mut values = filter.list("Values").unwrap_or_default();
                values.retain(|value| !value.is_empty());
                Ok((filter.required("Name")?.to_owned(), values))
            })
            .collect()
    }
}

/// "A tag set can have as many as 50 tags":
/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Tagging.html>
pub(crate) fn few_tags(tags: &BTreeMap<String, String>) -> Outcome<()> {
    if tags.len() > 50 {
        return Err(Refusal::value("A resource can't have more than 50 tags."));
    }
    Ok(())
}

/// Letters, digits, white space and a few signs.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_Tag.html>
fn tag_text(text: &str, longest: usize) -> bool {
    let legal = |sign: char| {
        sign.is_alphanumeric() || sign == ' ' || sign == '\t' || "_.:/=+-@".contains(sign)
    };
    text.chars().count() <= longest && text.chars().all(legal)
}

fn malformed(name: &str, value: &str) -> Refusal {
    Refusal::new(
        "MalformedInput",
        format!("The parameter {name} cannot be read: {value}"),
    )
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
    fn lists_are_read_whatever_their_members_are_called() {
        let read = fields(&[
            ("SubnetIds.SubnetIdentifier.1", "a"),
            ("SubnetIds.SubnetIdentifier.2", "b"),
            ("TagKeys.member.1", "k"),
            ("Flat.1", "x"),
            ("SubnetIdsMore.member.1", "no"),
        ]);
        assert_eq!(read.list("SubnetIds").unwrap(), ["a", "b"]);
        assert_eq!(read.list("TagKeys").unwrap(), ["k"]);
        assert_eq!(read.list("Flat").unwrap(), ["x"]);
        assert_eq!(read.list("Nothing"), None);
    }

    #[test]
    fn tags_and_filters_are_structures() {
        let read = fields(&[
            ("Tags.Tag.1.Key", "env"),
            ("Tags.Tag.1.Value", "staging"),
            ("Tags.Tag.2.Key", "empty"),
            ("Filters.Filter.1.Name", "status"),
            ("Filters.Filter.1.Values.Value.1", "active"),
            ("Filters.Filter.1.Values.Value.2", "retained"),
        ]);
        let tags = read.tags().unwrap();
        assert_eq!(
            (tags["env"].as_str(), tags["empty"].as_str()),
            ("staging", "")
        );
        assert_eq!(
            read.filters().unwrap(),
            [(
                "status".to_owned(),
                vec!["active".to_owned(), "retained".to_owned()]
            )]
        );
        for (key, value) in [("a", "{}"), ("a,b", ""), ("AWS:x", "")] {
            let bad = fields(&[("Tags.Tag.1.Key", key), ("Tags.Tag.1.Value", value)]);
            assert!(bad.tags().is_err(), "{key}={value}");
        }
        let twice = fields(&[("Tags.Tag.1.Key", "a"), ("Tags.Tag.2.Key", "a")]);
        assert_eq!(twice.tags().unwrap_err().code, "InvalidParameterValue");
    }

    #[test]
    fn unread_inputs_are_named_once_and_read_ones_not_at_all() {
        let read = fields(&[
            ("Action", "CreateDBInstance"),
            ("Port", "5432"),
            ("Tags.Tag.1.Key", "a"),
            ("Domain", "d"),
            ("ProcessorFeatures.ProcessorFeature.1.Name", "coreCount"),
            ("ProcessorFeatures.ProcessorFeature.1.Value", "2"),
        ]);
        read.number("Port").unwrap();
        read.tags().unwrap();
        assert!(read.unread().iter().eq(["Domain", "ProcessorFeatures"]));
        // So is a list of whose members something is not looked at.
        let read = fields(&[
            ("Tags.Tag.1.Key", "a"),
            ("Tags.Tag.1.Colour", "red"),
            ("Filters.Filter.1.Name", "status"),
            ("Filters.Filter.1.Values.Value.1", "active"),
            ("Empty", ""),
        ]);
        read.tags().unwrap();
        read.filters().unwrap();
        assert_eq!(read.list("Empty"), None);
        assert!(read.unread().iter().eq(["Tags"]));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let read = fields(&[
            ("Flag", "perhaps"),
            ("Number", "-1"),
            ("Time", "noon"),
            ("Empty", ""),
        ]);
        assert!(read.flag("Flag").is_err());
        assert!(read.number("Number").is_err());
        assert!(read.time("Time").is_err());
        assert_eq!(read.required("Empty").unwrap_err().code, "MissingParameter");
    }
}
