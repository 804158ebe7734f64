use jiff::civil::Date;
use serde::{Deserialize, Deserializer};

use super::{Difference, Kind};

/// Which differences pass, and why. What cannot be compared never passes.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    #[serde(default)]
    ignore: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// `*` stands for any characters.
    path: String,
    reason: String,
    /// Its last day.
    #[serde(default, deserialize_with = "date")]
    until: Option<Date>,
}

/// Rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It is no TOML, or has something else in it.
    #[error("line {line} is not as [[ignore]] with path, reason and until is written: {what}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A rule has no reason, or no path.
    #[error("rule {number} has no {what}")]
    Empty {
        /// Its place, from 1.
        number: usize,
        /// What is empty.
        what: &'static str,
    },
}

fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    let written = toml::value::Datetime::deserialize(deserializer)?;
    let date = written
        .to_string()
        .parse()
        .map_err(|_| serde::de::Error::custom("a date is written as 2027-06-30"))?;
    Ok(Some(date))
}

impl Rules {
    /// From TOML.
    ///
    /// # Errors
    /// When it is something else, or a rule gives no reason.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let rules: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            RulesError::Malformed {
                line: text[..at].matches('\n').count() + 1,
                what: error.message().to_owned(),
            }
        })?;
        for (at, rule) in rules.ignore.iter().enumerate() {
            for (what, text) in [("path", &rule.path), ("reason", &rule.reason)] {
                if text.trim().is_empty() {
                    return Err(RulesError::Empty {
                        number: at + 1,
                        what,
                    });
                }
            }
        }
        Ok(rules)
    }

    /// Marks the differences that pass; says which rules have expired, and which no longer fit anything.
    pub(super) fn apply(&self, differences: &mut [Difference], today: Date) -> Vec<String> {
        let mut notes = Vec::new();
        for rule in &self.ignore {
            let expired = rule.until.filter(|until| *until < today);
            let mut fits = false;
            for difference in differences.iter_mut() {
                if difference.kind == Kind::Unknown || !matches(&rule.path, &difference.place) {
                    continue;
                }
                fits = true;
                if expired.is_none() && difference.ignored.is_none() {
                    let until = rule.until.map(|until| format!(", until {until}"));
                    let until = until.unwrap_or_default();
                    difference.ignored = Some(format!("{}{until}", rule.reason.trim()));
                }
            }
            match expired {
                Some(until) => notes.push(format!(
                    "note: the rule for {} no longer counts, {until} was its last day",
                    rule.path
                )),
                None if !fits => {
                    notes.push(format!("note: the rule for {} fits nothing", rule.path));
                }
                None => {}
            }
        }
        notes
    }
}

/// Whether `text` is as `pattern`, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    matches_with('*', pattern, text)
}

/// Whether `text` is as `pattern`, in which `wildcard` stands for any characters.
pub(super) fn matches_with(wildcard: char, pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(wildcard);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_one_wildcard() {
        for (pattern, text, fits) in [
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
            ("a.*", "a.b.c", true),
            ("*", "", true),
            ("*.tags.*", "plan.x.tags.y", true),
            ("*.tags.*", "plan.x.tagsy", false),
            ("a*b*c", "a-b-bc", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_rule_gives_its_reason_counts_until_its_last_day_and_never_for_unknowns() {
        let rules = Rules::parse(
            "[[ignore]]\npath = \"outputs.a*\"\nreason = \"known\"\nuntil = 2027-01-31\n[[ignore]]\npath = \"x\"\nreason = \"y\"\n",
        )
        .unwrap();
        let difference = |place: &str, kind| Difference {
            place: place.to_owned(),
            kind,
            meaning: String::new(),
            before: None,
            after: None,
            ignored: None,
        };
        let on = |day: &str| {
            let mut all = [
                difference("outputs.ab", Kind::Changed),
                difference("outputs.ac", Kind::Unknown),
                difference("outputs.b", Kind::Removed),
            ];
            let notes = rules.apply(&mut all, day.parse().unwrap());
            (all.map(|one| one.ignored), notes)
        };
        let (ignored, notes) = on("2027-01-31");
        assert_eq!(
            ignored,
            [Some("known, until 2027-01-31".to_owned()), None, None]
        );
        assert_eq!(notes, ["note: the rule for x fits nothing"]);
        let (ignored, notes) = on("2027-02-01");
        assert_eq!(ignored, [None, None, None]);
        assert!(notes[0].contains("no longer counts"), "{notes:?}");
    }

    #[test]
    fn bad_rules_are_told_by_their_place() {
        for (text, told) in [
            ("[[ignore]]\npath = \"a\"\n", "reason"),
            (
                "[[ignore]]\npath = \"a\"\nreason = \" \"\n",
                "rule 1 has no reason",
            ),
            (
                "\n[[ignore]]\npath = \"a\"\nreason = \"b\"\nuntil = \"soon\"\n",
                "line 5",
            ),
            (
                "[[ignore]]\npath = \"a\"\nreason = \"b\"\nuntil = 10:00:00\n",
                "2027-06-30",
            ),
            ("[[ignored]]\n", "ignored"),
        ] {
            let error = Rules::parse(text).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
