//! The function's log: Lambda takes what is on standard output. Names and error texts come from AWS: they are escaped.
#![expect(
    clippy::disallowed_methods,
    reason = "the one place of this program that has the stream"
)]

use std::io::{self, Stdout};

use report::escape::EventWriter;

/// Begins it, in the format that the function is configured for.
pub(crate) fn begin(format: Option<&str>) {
    let json = format.is_some_and(|format| format.eq_ignore_ascii_case("json"));
    let writer: fn() -> EventWriter<Stdout> = match json {
        true => || EventWriter::json(io::stdout()),
        false => || EventWriter::text(io::stdout()),
    };
    lambda_runtime::tracing::init_default_subscriber_with_writer(writer);
}
