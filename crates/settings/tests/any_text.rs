//! No text makes the parser panic, and every refusal says something.

use std::path::Path;

use jiff::civil::{Date, date};
use proptest::prelude::*;
use settings::Settings;

const TODAY: Date = date(2026, 11, 22);
const STAGING: &str = include_str!("../../../examples/berthcare-staging/infra.toml");

/// Parses and checks what must hold for every answer.
fn check(text: &str) -> Result<(), TestCaseError> {
    match Settings::parse(text, TODAY) {
        Ok(settings) => {
            // What is written back is the same settings: the JSON and TOML output is a valid file.
            let written = toml::to_string(&settings)
                .map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(
                Settings::parse(&written, TODAY),
                Ok(settings),
                "{}",
                written
            );
        }
        Err(errors) => {
            prop_assert!(errors.iter().count() > 0);
            prop_assert_eq!(
                errors.to_string().lines().count(),
                errors.iter().count(),
                "{}",
                errors
            );
            let lines = text.matches('\n').count() + 1;
            for problem in &errors {
                prop_assert!(!problem.problem.is_empty() && !problem.fix.is_empty());
                prop_assert!(
                    problem
                        .position
                        .is_none_or(|position| (1..=lines).contains(&position.line)),
                    "{problem}"
                );
            }
        }
    }
    Ok(())
}

/// Pieces that TOML and the settings give a meaning to.
fn token() -> impl Strategy<Value = String> {
    let words = [
        "[",
        "]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "\"",
        "'",
        "\"\"\"",
        "\n",
        "\r\n",
        " ",
        "#",
        "-1",
        "0",
        "1e999",
        "inf",
        "nan",
        "true",
        "2027-06-30",
        "2027-13-99",
        "07:30:00",
        "\\u0000",
        "\\",
        "state",
        "dr",
        "regions",
        "buckets",
        "name",
        "kms",
        "tags",
        "residency",
        "exceptions",
        "\u{feff}",
        "é",
        "\u{2028}",
        "99999999999999999999999999999999999999999999",
        "ca-central-1",
        "us-east-1",
        "AES256",
        "none",
        "global-table",
    ];
    prop_oneof![
        prop::sample::select(words.to_vec()).prop_map(str::to_owned),
        any::<char>().prop_map(String::from)
    ]
}

proptest! {
    #[test]
    fn of_random_text(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn of_random_tokens(tokens in prop::collection::vec(token(), 0..60)) {
        check(&tokens.concat())?;
    }

    #[test]
    fn of_an_example_with_a_piece_replaced(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize, prop::collection::vec(token(), 0..4)), 1..4),
    ) {
        let mut text = STAGING.to_owned();
        for (start, length, tokens) in edits {
            let start = text.floor_char_boundary(start.index(text.len().max(1)));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end.max(start), &tokens.concat());
        }
        check(&text)?;
    }

    #[test]
    fn of_an_example_with_lines_dropped_and_swapped(
        dropped in any::<prop::sample::Index>(),
        swapped in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let mut lines: Vec<&str> = STAGING.lines().filter(|line| !line.starts_with('#')).collect();
        let (a, b) = (swapped.0.index(lines.len()), swapped.1.index(lines.len()));
        lines.swap(a, b);
        lines.remove(dropped.index(lines.len()));
        check(&lines.join("\n"))?;
    }
}

#[test]
fn of_deep_nesting() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a=".repeat(50_000)),
        "a.".repeat(50_000),
    ] {
        assert!(Settings::parse(&text, TODAY).is_err());
    }
}

#[test]
fn of_each_example_written_back() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path().join("infra.toml");
        // Examples of something else have none; how many there are is counted below.
        if !path.exists() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        Settings::parse(&text, TODAY)
            .unwrap_or_else(|errors| panic!("{}:\n{errors}", path.display()));
        check(&text).unwrap();
        seen += 1;
    }
    assert_eq!(seen, 2);
}
