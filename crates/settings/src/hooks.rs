//! Commands of the project that a failover runs between its own steps.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::fmt::serde::unsigned_duration::friendly::compact;
use serde::{Deserialize, Serialize};

use crate::document::{Field, Section};
use crate::objectives::read_duration;

/// The longest command, in words and in bytes of one word: far below what systems take.
const MOST_WORDS: usize = 256;
const LONGEST_WORD: usize = 4096;

/// Where in a failover a command is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookPoint {
    /// In a planned move: stops what writes in the region that is left.
    StopWriters,
    /// In a planned move: proves that nobody writes any more. What it prints has to be the same when writers stand still and
    /// just before the move cannot be taken back.
    Drained,
    /// When every database is restored, before Terraform.
    AfterRestore,
    /// When Terraform has applied, before what it brought up is verified.
    AfterTerraform,
    /// When everything is verified, before traffic is turned.
    BeforeTraffic,
    /// When traffic is turned.
    AfterTraffic,
    /// When a planned move is given up: starts what [`HookPoint::StopWriters`] has stopped.
    StartWriters,
}

impl HookPoint {
    /// All of them, in the order of a failover.
    pub const ALL: [Self; 7] = [
        Self::StopWriters,
        Self::Drained,
        Self::AfterRestore,
        Self::AfterTerraform,
        Self::BeforeTraffic,
        Self::AfterTraffic,
        Self::StartWriters,
    ];

    /// As the settings have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopWriters => "stop-writers",
            Self::Drained => "drained",
            Self::AfterRestore => "after-restore",
            Self::AfterTerraform => "after-terraform",
            Self::BeforeTraffic => "before-traffic",
            Self::AfterTraffic => "after-traffic",
            Self::StartWriters => "start-writers",
        }
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A command, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The program and its arguments; no shell reads them.
    pub command: Vec<String>,
    /// After this it is ended, with everything that it has started.
    #[serde(with = "compact::required")]
    pub timeout: Duration,
}

impl Hook {
    /// How long a command may take unless the settings say otherwise.
    pub const TIMEOUT: Duration = Duration::from_mins(10);
}

pub(crate) fn read(section: Section<'_>) -> Option<BTreeMap<HookPoint, Hook>> {
    const EXAMPLE: &str = "{ command = [\"bin/migrate\"] }";
    let fields = HookPoint::ALL.map(|point| (point, section.optional(point.name(), EXAMPLE)));
    section.close();
    let hooks = fields
        .into_iter()
        .filter_map(|(point, field)| Some((point, field?)));
    // All of them are looked at, so that each problem is told.
    let hooks: Vec<_> = hooks
        .map(|(point, field)| Some((point, read_hook(field.section()?)?)))
        .collect();
    hooks.into_iter().collect()
}

fn read_hook(section: Section<'_>) -> Option<Hook> {
    let command = section.required("command", "[\"bin/migrate\"]");
    let timeout = section.optional("timeout", "\"10m\"");
    section.close();
    let command = command.and_then(|field| read_command(&field));
    let timeout = match timeout {
        Some(field) => read_duration(&field),
        None => Some(Hook::TIMEOUT),
    };
    Some(Hook {
        command: command?,
        timeout: timeout?,
    })
}

fn read_command(field: &Field<'_>) -> Option<Vec<String>> {
    let fix = "give the program and its arguments, as in [\"bin/migrate\", \"--check\"]; no shell reads them";
    let words: Option<Vec<String>> = field
        .array()?
        .iter()
        .map(|word| word.string().map(str::to_owned))
        .collect();
    let words = words?;
    if words
        .first()
        .is_none_or(|program| program.trim().is_empty())
    {
        return field.invalid("it names no program".to_owned(), fix);
    }
    if words.len() > MOST_WORDS || words.iter().any(|word| word.len() > LONGEST_WORD) {
        let problem = format!(
            "it has more than {MOST_WORDS} words, or one of more than {LONGEST_WORD} bytes"
        );
        return field.invalid(problem, "put them into a file of its own");
    }
    if words.iter().any(|word| word.contains('\0')) {
        return field.invalid("a word of it holds a NUL".to_owned(), fix);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::Settings;

    fn parse(hooks: &str) -> Result<BTreeMap<HookPoint, Hook>, String> {
        let example = include_str!("../../../examples/berthcare-staging/infra.toml");
        let text = example.replace("\n[hooks]\n", &format!("\n[hooks]\n{hooks}\n"));
        let settings = Settings::parse(&text, date(2026, 11, 30));
        settings
            .map(|settings| settings.hooks)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn hooks_are_read_in_the_order_of_a_failover() {
        let hooks = parse(
            "before-traffic = { command = [\"bin/smoke\", \"a b\"], timeout = \"90s\" }\nafter-restore = { command = [\"m\"] }",
        );
        let hooks: Vec<_> = hooks.unwrap().into_iter().collect();
        let (points, hooks): (Vec<_>, Vec<_>) = hooks.into_iter().unzip();
        assert_eq!(points, [HookPoint::AfterRestore, HookPoint::BeforeTraffic]);
        assert_eq!(hooks[0].timeout, Hook::TIMEOUT);
        assert_eq!(hooks[1].command, ["bin/smoke", "a b"]);
        assert_eq!(hooks[1].timeout, Duration::from_secs(90));
        assert_eq!(parse(""), Ok(BTreeMap::new()));
    }

    #[test]
    fn hooks_that_cannot_be_run_are_refused() {
        let rows = [
            ("command = []", "it names no program"),
            ("command = [\"  \"]", "it names no program"),
            ("command = \"bin/x --all\"", "array"),
            ("command = [7]", "string"),
            ("command = [\"x\"], timeout = \"0s\"", "not more than zero"),
            ("timeout = \"5s\"", "it is missing"),
            ("command = [\"a\\u0000b\"]", "NUL"),
            ("command = [\"x\"], shell = true", "unknown field"),
        ];
        for (hook, wanted) in rows {
            let problem = parse(&format!("after-restore = {{ {hook} }}")).unwrap_err();
            assert!(problem.contains(wanted), "{hook}: {problem}");
        }
        let unknown = parse("after-lunch = { command = [\"x\"] }").unwrap_err();
        assert!(unknown.contains("after-lunch"), "{unknown}");
        let long = format!("after-restore = {{ command = [\"{}\"] }}", "x".repeat(5000));
        assert!(parse(&long).unwrap_err().contains("4096 bytes"));
    }
}
