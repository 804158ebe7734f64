//! Why something could not be read or done, and what is known in spite of that.

use std::fmt;
use std::sync::Arc;

use aws_env::Error;
use serde::{Serialize, Serializer};

/// An error of AWS, in results that are kept, copied and serialised.
#[derive(Debug, Clone)]
pub struct Problem(Arc<Error>);

impl Problem {
    /// The error, with the call that it belongs to.
    pub fn error(&self) -> &Error {
        &self.0
    }

    /// The error, if nobody else holds it.
    pub(crate) fn into_error(self) -> Option<Error> {
        Arc::into_inner(self.0)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match &self.0.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("class", &self.0.class)?;
        map.serialize_entry("region", &self.0.call.region)?;
        map.serialize_entry("service", self.0.call.service)?;
        map.serialize_entry("operation", self.0.call.operation)?;
        map.serialize_entry("resource", &self.0.call.resource)?;
        map.serialize_entry("code", &self.0.code)?;
        map.serialize_entry("message", &self.0.message)?;
        map.serialize_entry("request_id", &self.0.request_id)?;
        map.end()
    }
}

/// What AWS was asked for, or why it is not known.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Observation<T> {
    /// What AWS answered, which may be that there is none.
    Known(T),
    /// AWS did not answer, or refused to.
    Unknown {
        /// The error of the call.
        problem: Problem,
    },
}

impl<T> From<Result<T, Error>> for Observation<T> {
    fn from(asked: Result<T, Error>) -> Self {
        match asked {
            Ok(known) => Self::Known(known),
            Err(error) => Problem::from(error).into(),
        }
    }
}

impl<T> From<Problem> for Observation<T> {
    fn from(problem: Problem) -> Self {
        Self::Unknown { problem }
    }
}
