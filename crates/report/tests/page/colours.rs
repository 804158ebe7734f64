//! Contrast, computed from the style sheet: 4.5 for text, 3 for what is drawn (WCAG 2.2, 1.4.3 and 1.4.11).

use std::collections::{BTreeMap, BTreeSet};

const STYLES: &str = include_str!("../../templates/page.css");
const SYMBOLS: &str = include_str!("../../templates/symbols.svg");

/// What is written on what.
const TEXT: &[(&str, &[&str])] = &[
    (
        "text",
        &[
            "ground",
            "card",
            "ok-soft",
            "wrong-soft",
            "unknown-soft",
            "skipped-soft",
        ],
    ),
    ("muted", &["ground", "card"]),
    ("link", &["ground", "card"]),
    ("ok", &["card", "ok-soft"]),
    ("wrong", &["card", "wrong-soft"]),
    ("unknown", &["card", "unknown-soft"]),
    ("skipped", &["card", "skipped-soft"]),
];

/// What is drawn on what.
const DRAWN: &[(&str, &[&str])] = &[
    ("ok", &["card", "skipped-soft"]),
    ("wrong", &["card", "skipped-soft"]),
    ("unknown", &["card", "skipped-soft"]),
    ("skipped", &["card"]),
    ("plain", &["card", "skipped-soft", "unknown-soft"]),
    ("text", &["card", "skipped-soft"]),
    ("focus", &["card", "ground"]),
];

/// What nobody needs to tell from what is around it.
const DECORATION: &[&str] = &[
    "ground",
    "card",
    "line",
    "ok-soft",
    "wrong-soft",
    "unknown-soft",
    "skipped-soft",
];

type Colours = BTreeMap<&'static str, [f64; 3]>;

fn declared(block: &'static str) -> Colours {
    block.lines().filter_map(colour).collect()
}

fn colour(line: &'static str) -> Option<(&'static str, [f64; 3])> {
    let (name, value) = line.trim().strip_prefix("--")?.split_once(": #")?;
    let channel = |at: usize| {
        Some(f64::from(
            u8::from_str_radix(value.get(at..at + 2)?, 16).ok()?,
        ))
    };
    Some((name, [channel(0)?, channel(2)?, channel(4)?]))
}

/// The colours of each scheme; a style sheet without dark ones has none for it.
fn schemes() -> [(&'static str, Colours); 2] {
    let (light, rest) = STYLES
        .split_once("(prefers-color-scheme: dark)")
        .unwrap_or((STYLES, ""));
    let (dark, _) = rest.split_once("\n}\n").unwrap_or((rest, ""));
    [("light", declared(light)), ("dark", declared(dark))]
}

fn luminance(colour: [f64; 3]) -> f64 {
    let [red, green, blue] = colour.map(|channel| match channel / 255.0 {
        low if low <= 0.04045 => low / 12.92,
        high => ((high + 0.055) / 1.055).powf(2.4),
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn contrast_is_computed_as_defined() {
    assert!((contrast([0.0; 3], [255.0; 3]) - 21.0).abs() < 1e-9);
    // The grey that just passes on white.
    assert!((contrast([118.0; 3], [255.0; 3]) - 4.54).abs() < 0.01);
}

#[test]
fn text_and_drawings_stand_out_in_both_schemes() {
    let mut low = Vec::new();
    for (scheme, colours) in schemes() {
        for (pairs, least) in [(TEXT, 4.5), (DRAWN, 3.0)] {
            for (front, backs) in pairs {
                for back in *backs {
                    let contrast = contrast(colours[front], colours[back]);
                    if contrast < least {
                        low.push(format!("{scheme}: {front} on {back}: {contrast:.2}"));
                    }
                }
            }
        }
    }
    assert_eq!(low, [""; 0]);
}

#[test]
fn every_colour_is_declared_for_both_schemes_and_judged() {
    let used: BTreeSet<&str> = [STYLES, SYMBOLS]
        .iter()
        .flat_map(|text| text.split("var(--").skip(1))
        .filter_map(|rest| rest.split(')').next())
        .collect();
    let judged: BTreeSet<&str> = [TEXT, DRAWN]
        .iter()
        .flat_map(|pairs| pairs.iter().map(|(front, _)| *front))
        .chain(DECORATION.iter().copied())
        .collect();
    assert_eq!(used, judged);
    for (scheme, colours) in schemes() {
        let declared: BTreeSet<&str> = colours.keys().copied().collect();
        assert_eq!(declared, judged, "{scheme}");
    }
}
