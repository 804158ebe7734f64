//! One view of every result.
//!
//! A library returns typed results that serialise themselves to JSON and describe themselves as a
//! [`Document`]; this crate renders a document as terminal text, Markdown or a page of HTML. Libraries tell how
//! far they are through an [`Observer`]; nothing here prints.

mod chart;
mod document;
pub mod escape;
pub mod finding;
mod forge;
mod html;
mod markdown;
mod progress;
pub mod results;
mod shell;
mod terminal;
mod text;

pub use chart::{Chart, Limit, Shape, Tally, Value};
pub use document::{Document, Fact, Lines, Mark, Section};
pub use html::Page;
pub use progress::{Amount, Observer, Outcome, Silent};
pub use shell::ShellCommand;
pub use text::{counted, duration};

/// The `version` of the JSON documents of all kinds: it rises when a field is taken away, or means something else.
pub const JSON_VERSION: u32 = 1;

/// A result that can be shown to a person; its JSON is its [`serde::Serialize`].
pub trait Report: serde::Serialize {
    /// What a JSON document of this result is called in its field `kind`: for whoever reads documents of several
    /// programs. It stays when the type is renamed.
    const KIND: &'static str;

    /// The result as headings, tables and notes.
    fn document(&self) -> Document;
}
