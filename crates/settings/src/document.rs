//! Reading a TOML document field by field, so that every problem is found in one pass and carries its
//! path and position.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::str::FromStr;

use serde_spanned::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::error::{ErrorKind, Position, SettingsError};
use crate::{FromOutputs, NameError, OutputsFile, Source};

/// What a check has to say about a value; the field adds path and position.
pub(crate) struct Problem {
    pub(crate) kind: ErrorKind,
    pub(crate) problem: String,
    pub(crate) fix: String,
}

/// A place in one of the files.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// 0 is `infra.toml`, the others are those of its outputs in their order.
    pub(crate) file: usize,
    pub(crate) offset: usize,
}

/// A value, and the file that it stands in.
type Located<'d> = (usize, &'d Spanned<DeValue<'d>>);

/// The text of the files, and what has been found wrong with it so far.
pub(crate) struct Document<'t> {
    source: Source<'t>,
    problems: RefCell<Vec<SettingsError>>,
    taken: RefCell<Vec<FromOutputs>>,
    /// Path of the table, and name, of every field that was asked for: the fields that exist.
    #[cfg(test)]
    known: RefCell<BTreeSet<(String, &'static str)>>,
}

impl<'t> Document<'t> {
    pub(crate) fn new(source: Source<'t>) -> Document<'t> {
        Document {
            source,
            problems: RefCell::default(),
            taken: RefCell::default(),
            #[cfg(test)]
            known: RefCell::default(),
        }
    }

    /// The root table of each file; `None`, and problems, when a text is not TOML.
    pub(crate) fn syntax(&self) -> Option<Vec<DeTable<'t>>> {
        let outputs = self.source.outputs.iter().map(|file| file.text.as_str());
        let texts = std::iter::once(self.source.text).chain(outputs);
        let tables: Vec<_> = texts
            .enumerate()
            .map(|(file, text)| self.parse(file, text))
            .collect();
        tables.into_iter().collect()
    }

    fn parse(&self, file: usize, text: &'t str) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let place = |span: std::ops::Range<usize>| Place {
                file,
                offset: span.start,
            };
            self.report(
                "",
                error.span().map(place),
                Problem {
                    kind: ErrorKind::Syntax,
                    problem: format!("not TOML: {}", one_line(error.message())),
                    fix: "correct the syntax (https://toml.io)".to_owned(),
                },
            );
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// The root of all files: a field is that of the first file which has it.
    pub(crate) fn root<'d>(&'d self, tables: &'d [DeTable<'t>]) -> Section<'d> {
        Section {
            document: self,
            path: String::new(),
            at: None,
            tables: tables.iter().enumerate().collect(),
            asked: RefCell::default(),
        }
    }

    /// The files of outputs that were read.
    pub(crate) fn outputs(&self) -> &'t [OutputsFile] {
        self.source.outputs
    }

    /// What has been taken from them.
    pub(crate) fn taken(&self) -> Vec<FromOutputs> {
        self.taken.borrow().clone()
    }

    /// The name of a file of outputs; `None` for `infra.toml` itself.
    fn outputs_name(&self, file: usize) -> Option<&'t str> {
        let outputs = self.source.outputs.get(file.checked_sub(1)?)?;
        Some(&outputs.name)
    }

    pub(crate) fn into_problems(self) -> Vec<SettingsError> {
        self.problems.into_inner()
    }

    #[cfg(test)]
    pub(crate) fn known(&self) -> BTreeSet<(String, &'static str)> {
        self.known.borrow().clone()
    }

    pub(crate) fn report(&self, path: &str, at: Option<Place>, problem: Problem) {
        let outputs = at.and_then(|at| at.file.checked_sub(1));
        let outputs = outputs.and_then(|index| self.source.outputs.get(index));
        let text = outputs.map_or(self.source.text, |file| &file.text);
        self.problems.borrow_mut().push(SettingsError {
            kind: problem.kind,
            path: path.to_owned(),
            file: outputs.map(|file| file.name.clone()),
            position: at.map(|at| position(text, at.offset)),
            problem: problem.problem,
            fix: problem.fix,
        });
    }
}

/// Line and column, both from 1, of a byte offset; an offset inside a character counts as its start.
fn position(text: &str, at: usize) -> Position {
    let before = &text[..text.floor_char_boundary(at)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// A table of the document.
pub(crate) struct Section<'d> {
    document: &'d Document<'d>,
    /// As in `buckets[1]`.
    path: String,
    at: Option<Place>,
    /// That of the first file which has it, and those that add to it.
    tables: Vec<(usize, &'d DeTable<'d>)>,
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'d> Section<'d> {
    /// The field, if it is there.
    pub(crate) fn optional(&self, name: &'static str, example: &'static str) -> Option<Field<'d>> {
        self.asked.borrow_mut().insert(name);
        #[cfg(test)]
        self.document
            .known
            .borrow_mut()
            .insert((self.path.clone(), name));
        let values = self.tables.iter();
        let mut values = values.filter_map(|(file, table)| Some((*file, table.get(name)?)));
        let field = Field {
            document: self.document,
            path: join(&self.path, name),
            example,
            value: values.next()?,
            more: values.collect(),
        };
        field.settle();
        Some(field)
    }

    /// The field; a problem if it is not there.
    pub(crate) fn required(&self, name: &'static str, example: &'static str) -> Option<Field<'d>> {
        let field = self.optional(name, example);
        if field.is_none() {
            let place = self
                .place()
                .map_or_else(String::new, |place| format!(" to {place}"));
            self.document.report(
                &join(&self.path, name),
                // Where nobody would add it there is no place to show.
                self.at.filter(|at| at.file == 0),
                Problem {
                    kind: ErrorKind::Missing,
                    problem: "it is missing".to_owned(),
                    fix: format!("add `{name} = {example}`{place}"),
                },
            );
        }
        field
    }

    /// Every entry, for a table whose keys are the user's own.
    pub(crate) fn entries(&self) -> Vec<(&'d str, Field<'d>)> {
        let entry = |file: usize, key: &'d Spanned<DeString<'d>>, value| {
            let key: &'d str = key.get_ref();
            let path = join(&self.path, key);
            (
                key,
                Field {
                    document: self.document,
                    path,
                    example: "\"…\"",
                    value: (file, value),
                    more: Vec::new(),
                },
            )
        };
        let tables = self.tables.iter();
        tables
            .flat_map(|(file, table)| table.iter().map(|(key, value)| entry(*file, key, value)))
            .collect()
    }

    /// Reports the fields that nobody asked for. To be called when all that exist have been asked for.
    pub(crate) fn close(self) {
        let asked = self.asked.borrow();
        let tables = self.tables.iter();
        let keys = tables.flat_map(|(file, table)| table.keys().map(|key| (*file, key)));
        for (file, key) in keys {
            let name: &str = key.get_ref();
            if asked.contains(name) {
                continue;
            }
            let place = self.place().map_or_else(
                || "at the top level".to_owned(),
                |place| format!("in {place}"),
            );
            let fix = match nearest(name, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "valid here: {}",
                    asked.iter().copied().collect::<Vec<_>>().join(", ")
                ),
            };
            self.document.report(
                &join(&self.path, name),
                Some(Place {
                    file,
                    offset: key.span().start,
                }),
                Problem {
                    kind: ErrorKind::UnknownField,
                    problem: format!("unknown field `{}` {place}", one_line(name)),
                    fix,
                },
            );
        }
    }

    /// The table as a user would say it: `[state.dr]`, `buckets[1]`; `None` for the root.
    fn place(&self) -> Option<String> {
        match &self.path {
            path if path.is_empty() => None,
            path if path.contains('[') => Some(path.clone()),
            path => Some(format!("[{path}]")),
        }
    }

    /// Reports that the table as a whole is against the rules; `None`, for use in an expression.
    pub(crate) fn invalid<T>(
        &self,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Option<T> {
        self.report(ErrorKind::Invalid, problem.into(), fix.into())
    }

    /// Reports that the table does not go with another value; `None`, for use in an expression.
    pub(crate) fn conflict<T>(
        &self,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Option<T> {
        self.report(ErrorKind::Conflict, problem.into(), fix.into())
    }

    fn report<T>(&self, kind: ErrorKind, problem: String, fix: String) -> Option<T> {
        self.document
            .report(&self.path, self.at, Problem { kind, problem, fix });
        None
    }
}

/// A value of the document.
#[derive(Clone)]
pub(crate) struct Field<'d> {
    document: &'d Document<'d>,
    path: String,
    example: &'static str,
    value: Located<'d>,
    /// What the files after the first one have in the same place.
    more: Vec<Located<'d>>,
}

impl<'d> Field<'d> {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value as TOML gives it.
    pub(crate) fn value(&self) -> &'d DeValue<'d> {
        self.value.1.get_ref()
    }

    fn place(&self) -> Place {
        let (file, value) = self.value;
        Place {
            file,
            offset: value.span().start,
        }
    }

    pub(crate) fn report(&self, problem: Problem) {
        self.document
            .report(&self.path, Some(self.place()), problem);
    }

    /// Reports what other files have in this place and not alike, and notes a value that `infra.toml` itself does not have.
    fn settle(&self) {
        let value = self.value();
        for (file, other) in &self.more {
            let other = other.get_ref();
            if !adds_to(value, other) && !is_equal(value, other) {
                let name = self.document.outputs_name(*file).unwrap_or_default();
                self.conflict::<()>(
                    format!(
                        "it is {} here and {} in {name}",
                        shown(value),
                        shown(other)
                    ),
                    "leave it out here where Terraform is right; else apply the environment, and write that file anew",
                );
            }
        }
        if let Some(name) = self.document.outputs_name(self.value.0)
            && !holds_tables(value)
        {
            self.document.taken.borrow_mut().push(FromOutputs {
                path: self.path.clone(),
                file: name.to_owned(),
            });
        }
    }

    /// Reports a value against the rules; `None`, for use in an expression.
    pub(crate) fn invalid<T>(
        &self,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Option<T> {
        self.report(Problem {
            kind: ErrorKind::Invalid,
            problem: problem.into(),
            fix: fix.into(),
        });
        None
    }

    /// Reports a value that does not go with another; `None`, for use in an expression.
    pub(crate) fn conflict<T>(
        &self,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) -> Option<T> {
        self.report(Problem {
            kind: ErrorKind::Conflict,
            problem: problem.into(),
            fix: fix.into(),
        });
        None
    }

    /// Reports that the value is of another type than `wanted`.
    pub(crate) fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let problem = format!(
            "it must be {wanted}, and is of type {}",
            self.value().type_str()
        );
        let name = self.path.rsplit('.').next().unwrap_or_default();
        self.invalid(problem, format!("write `{name} = {}`", self.example))
    }

    pub(crate) fn string(&self) -> Option<&'d str> {
        match self.value() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type("a string"),
        }
    }

    /// A text that is not blank, as one line, since it will be shown in reports.
    pub(crate) fn text(&self) -> Option<String> {
        let text = self
            .string()?
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if text.is_empty() {
            return self.invalid("it is blank", "write it out");
        }
        if let Some(c) = text.chars().find(|c| c.is_control()) {
            return self.invalid(
                format!("it holds the character {c:?}"),
                "use printable characters",
            );
        }
        Some(text)
    }

    /// A string that is a name.
    pub(crate) fn parse<T: FromStr<Err = NameError>>(&self) -> Option<T> {
        match self.string()?.parse() {
            Ok(name) => Some(name),
            Err(NameError { problem, fix }) => self.invalid(problem, fix),
        }
    }

    /// A string that is one of `choices`.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.string()?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*choice);
        }
        let names: Vec<String> = choices
            .iter()
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        self.invalid(
            format!("{text:?} is not a choice here"),
            format!("write {}", names.join(" or ")),
        )
    }

    pub(crate) fn integer(&self) -> Option<i128> {
        let DeValue::Integer(integer) = self.value() else {
            return self.wrong_type("an integer");
        };
        match i128::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Some(integer),
            Err(_) => self.invalid(
                "it is too large a number",
                format!("write a number such as {}", self.example),
            ),
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.value() {
            DeValue::Boolean(value) => Some(*value),
            _ => self.wrong_type("true or false"),
        }
    }

    pub(crate) fn array(&self) -> Option<Vec<Field<'d>>> {
        let DeValue::Array(values) = self.value() else {
            return self.wrong_type("an array");
        };
        let field = |index, value| Field {
            path: format!("{}[{index}]", self.path),
            example: self.example,
            document: self.document,
            value,
            more: Vec::new(),
        };
        let file = self.value.0;
        let mut fields: Vec<Field<'d>> = values
            .iter()
            .enumerate()
            .map(|(index, value)| field(index, (file, value)))
            .collect();
        // Tables of other files add to those of the same ID.
        for (other_file, other) in &self.more {
            let DeValue::Array(others) = other.get_ref() else {
                continue;
            };
            for value in others.iter() {
                let Some(id) = id(value) else { continue };
                let same = fields
                    .iter_mut()
                    .find(|field| self::id(field.value.1) == Some(id));
                match same {
                    Some(field) => field.more.push((*other_file, value)),
                    None if file == 0 => {
                        let name = self.document.outputs_name(*other_file).unwrap_or_default();
                        self.conflict::<()>(
                            format!("{name} has {id:?}, which is none of them"),
                            "name the file of this environment, or add it here",
                        );
                    }
                    None => fields.push(field(fields.len(), (*other_file, value))),
                }
            }
        }
        Some(fields)
    }

    pub(crate) fn section(&self) -> Option<Section<'d>> {
        let DeValue::Table(table) = self.value() else {
            return self.wrong_type("a table");
        };
        let mut tables = vec![(self.value.0, table)];
        for (file, value) in &self.more {
            if let DeValue::Table(table) = value.get_ref() {
                tables.push((*file, table));
            }
        }
        Some(Section {
            document: self.document,
            path: self.path.clone(),
            at: Some(self.place()),
            tables,
            asked: RefCell::default(),
        })
    }
}

/// The ID of a table in an array.
fn id<'d>(value: &'d Spanned<DeValue<'_>>) -> Option<&'d str> {
    match value.get_ref().as_table()?.get("id")?.get_ref() {
        DeValue::String(id) => Some(id),
        _ => None,
    }
}

/// Whether what one file has is put together with what another one has, field by field.
fn adds_to(value: &DeValue<'_>, other: &DeValue<'_>) -> bool {
    value.same_type(other) && holds_tables(value) && holds_tables(other)
}

fn holds_tables(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => true,
        DeValue::Array(values) => values.iter().any(|value| value.get_ref().is_table()),
        _ => false,
    }
}

/// Whether two values say the same. Their places do not count.
fn is_equal(value: &DeValue<'_>, other: &DeValue<'_>) -> bool {
    match (value, other) {
        (DeValue::String(value), DeValue::String(other)) => value == other,
        (DeValue::Array(values), DeValue::Array(others)) => {
            let mut pairs = values.iter().zip(others.iter());
            values.len() == others.len()
                && pairs.all(|(value, other)| is_equal(value.get_ref(), other.get_ref()))
        }
        // Terraform says names and lists of names alone.
        _ => false,
    }
}

/// A value in a message.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| shown(value.get_ref())).collect();
            format!("[{}]", values.join(", "))
        }
        other => other.type_str().to_owned(),
    }
}

/// `parent.child`, with the child quoted where TOML would need it.
fn join(parent: &str, child: &str) -> String {
    let bare = !child.is_empty()
        && child
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let child = if bare {
        child.to_owned()
    } else {
        format!("{child:?}")
    };
    if parent.is_empty() {
        child
    } else {
        format!("{parent}.{child}")
    }
}

/// The name most like `wrong`, if one is like it at all: at least 0.75 by Jaro-Winkler, which finds swapped,
/// missing and doubled letters and does not find unrelated words.
pub(crate) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    names
        .map(|name| (strsim::jaro_winkler(&wrong, name), name))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// Control characters escaped, so that a message is one line.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            // Writing to a `String` does not fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
