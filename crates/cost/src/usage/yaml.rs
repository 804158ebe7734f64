//! YAML as far as usage files need it, with the place of everything: mappings and plain values. Aliases are
//! refused, since a few of them can stand for more than any memory holds.

use std::collections::BTreeSet;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};

use super::UsageError;

/// Deeper than any usage file.
const DEEPEST: usize = 16;

/// Where something is, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl From<Marker> for Position {
    fn from(marker: Marker) -> Self {
        Self {
            line: marker.line(),
            column: marker.col() + 1,
        }
    }
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Text(String),
    Map(Vec<Pair>),
    List,
}

/// A key, where it is, and what it stands for.
pub(super) type Pair = (String, Position, Node);

impl Node {
    /// The text of a plain value.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping, none of a null.
    pub(super) fn entries(self, what: &str) -> Result<Vec<Pair>, UsageError> {
        match self.value {
            Value::Map(entries) => Ok(entries),
            Value::Null => Ok(Vec::new()),
            Value::Text(_) | Value::List => Err(UsageError::new(
                self.at,
                format!("it must be a mapping: {what}"),
            )),
        }
    }
}

/// The only document; `None` when the text is empty.
pub(super) fn parse(text: &str) -> Result<Option<Node>, UsageError> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
    };
    let mut document = None;
    loop {
        let (event, at) = reader.next()?;
        match event {
            Event::StreamEnd => return Ok(document),
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
            _ if document.is_some() => {
                return Err(UsageError::new(at, "a second document; write one"));
            }
            event => document = Some(reader.node(event, at, 0)?),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Position), UsageError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start.into())),
            Some(Err(error)) => Err(UsageError::new(
                (*error.marker()).into(),
                format!("not YAML: {}", error.info()),
            )),
            None => Ok((Event::StreamEnd, Position { line: 1, column: 1 })),
        }
    }

    fn node(&mut self, event: Event<'t>, at: Position, depth: usize) -> Result<Node, UsageError> {
        if depth > DEEPEST {
            return Err(UsageError::new(
                at,
                format!("more than {DEEPEST} mappings in one another"),
            ));
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..)
                if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL") =>
            {
                Value::Null
            }
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => {
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, at) => drop(self.node(event, at, depth + 1)?),
                    }
                }
                Value::List
            }
            Event::MappingStart(..) => Value::Map(self.entries(depth)?),
            Event::Alias(_) => return Err(UsageError::new(at, "an alias; write the value out")),
            _ => return Err(UsageError::new(at, "the text ends too early")),
        };
        Ok(Node { at, value })
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Pair>, UsageError> {
        let mut entries = Vec::new();
        let mut names = BTreeSet::new();
        loop {
            let (event, at) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(name, ..) => name.into_owned(),
                _ => return Err(UsageError::new(at, "a key must be plain text")),
            };
            if !names.insert(name.clone()) {
                return Err(UsageError::new(at, format!("{name:?} is there twice")));
            }
            let (event, value_at) = self.next()?;
            let node = self.node(event, value_at, depth + 1)?;
            entries.push((name, at, node));
        }
    }
}
