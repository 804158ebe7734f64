use std::time::Duration;

use jiff::{Span, SpanRelativeTo};

/// The longest length of time that is read: 100 years. Adding it to a time of today never overflows.
const LONGEST: Duration = Duration::from_secs(36_525 * 24 * 3600);

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no length of time: {why}")]
pub struct DurationError {
    text: String,
    why: &'static str,
}

impl DurationError {
    /// What is wrong with it, or how it is written.
    pub fn why(&self) -> &'static str {
        self.why
    }
}

/// A length of time as people write it, the same in settings and on every command line: `90s`, `15m`, `1h30m`, `7d`,
/// `1h 30m`. A day has 24 hours.
///
/// # Errors
/// When it is not written like this, is negative, or longer than 100 years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let error = |why| DurationError {
        text: text.to_owned(),
        why,
    };
    let span: Span = text
        .parse()
        .map_err(|_| error("write it as in 90s, 15m, 1h30m or 7d"))?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| error("months and years have no fixed length"))?;
    let length = Duration::try_from(length).map_err(|_| error("it is less than nothing"))?;
    if length > LONGEST {
        return Err(error("it is longer than 100 years"));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_duration_reads_each_unit_and_their_sums() {
        let rows = [
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("1h 30m", 5400),
            ("7d", 604_800),
            ("1d2h", 93_600),
            ("0s", 0),
        ];
        for (text, seconds) in rows {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn parse_duration_of_anything_else_tells_how_it_is_written() {
        let too_long = "36526d";
        for text in [
            "",
            "15",
            "m",
            "15 minutes ago",
            "-5m",
            "1mo",
            "1y",
            "5m!",
            too_long,
        ] {
            let error = parse_duration(text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?} is no length of time")),
                "{error}"
            );
            assert!(
                !error.contains("jiff") && !error.contains("Span"),
                "{error}"
            );
        }
    }
}
