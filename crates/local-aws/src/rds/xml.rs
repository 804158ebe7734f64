//! Answers of the Query protocol.

use std::fmt::Display;

use jiff::Timestamp;

use crate::answer::escape;

/// Elements, in the order in which they are added.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    /// An element with text.
    pub(crate) fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        let value = escape(&value.to_string());
        self.0.push_str(&format!("<{name}>{value}</{name}>"));
        self
    }

    /// An element with text, if there is any.
    pub(crate) fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// A moment, in milliseconds as AWS writes it.
    pub(crate) fn time(&mut self, name: &str, value: Timestamp) -> &mut Self {
        self.text(name, format_args!("{value:.3}"))
    }

    /// An element with elements.
    pub(crate) fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.push_str(&format!("<{name}>"));
        content(self);
        self.0.push_str(&format!("</{name}>"));
        self
    }

    /// A list: one `member` for each item.
    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        member: &str,
        items: impl IntoIterator<Item = T>,
        mut content: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.within(name, |xml| {
            for item in items {
                xml.within(member, |xml| content(xml, item));
            }
        })
    }

    /// The whole answer to `action`.
    pub(crate) fn document(self, action: &str, request: u64) -> String {
        format!(
            "<{action}Response xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><{action}Result>{}</{action}Result>\
             <ResponseMetadata><RequestId>10ca1a55-0000-4000-8000-{request:012x}</RequestId></ResponseMetadata>\
             </{action}Response>",
            self.0
        )
    }
}
