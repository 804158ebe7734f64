use std::ops::Deref;

use report::finding::Finding;
use report::{Document, Report};
use serde::Serialize;

use super::Redactor;

/// What has been through a [`Redactor`]. [`Redactor::apply`] is the way to one: whoever asks for answers, findings or
/// a drift gets them without secrets.
///
/// ```compile_fail,E0423
/// use evidence::{CheckResults, Redacted};
///
/// fn as_if(results: CheckResults) -> Redacted<CheckResults> {
///     Redacted(results)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    pub(super) fn new(redacted: T) -> Self {
        Self(redacted)
    }

    /// The same in another form, which has nothing in it but what was redacted.
    pub fn converted<U>(&self) -> Redacted<U>
    where
        U: Redact + for<'a> From<&'a T>,
    {
        Redacted(U::from(&self.0))
    }

    /// The value itself, which nothing says of any more that it is redacted.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Redacted<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Report> Report for Redacted<T> {
    const KIND: &'static str = T::KIND;

    fn document(&self) -> Document {
        self.0.document()
    }
}

/// What a [`Redactor`] can go through: a result says which of its texts may hold something that somebody else wrote.
pub trait Redact {
    /// It without secrets.
    #[must_use]
    fn redact(self, redactor: &Redactor<'_>) -> Self;
}

impl<T: Redact> Redact for Vec<T> {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        self.into_iter().map(|one| one.redact(redactor)).collect()
    }
}

impl Redact for String {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        redactor.sentence(&self)
    }
}

impl Redact for Option<String> {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        self.map(|text| text.redact(redactor))
    }
}

impl Redact for Finding {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            resource: self.resource.redact(redactor),
            expected: self.expected.redact(redactor),
            seen: self.seen.redact(redactor),
            reason: self.reason.redact(redactor),
            fix: self.fix.redact(redactor),
            ..self
        }
    }
}
