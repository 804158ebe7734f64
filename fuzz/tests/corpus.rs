//! Every reader on what is kept of it, and on mutations of that.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a check that fails ends its test"
)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use fuzz::{TARGETS, Target};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Mutations of each target in one run of the tests; cargo-fuzz makes as many in a second.
const MUTATIONS: usize = 1_000;
/// What formats give a meaning to.
const TOKENS: [&str; 16] = [
    "\"", "{", "}", "[", "]", ":", ",", "\n", "\0", "\\u0000", "&#x1b;", "%00", "=", "1e999", "-1",
    "\u{feff}",
];

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target.name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no seed", folder.display());
    files
        .iter()
        .map(|file| fs::read(file).expect("a seed"))
        .collect()
}

fn mutate(seeds: &[Vec<u8>], random: &mut SmallRng) -> Vec<u8> {
    let pick = |random: &mut SmallRng| seeds[random.random_range(0..seeds.len())].clone();
    let mut bytes = pick(random);
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] = random.next_u32().to_le_bytes()[0],
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, TOKENS[random.random_range(0..TOKENS.len())].bytes())),
            3 => {
                let other = pick(random);
                let from = random.random_range(0..=other.len());
                bytes.splice(at..end, other[from..].iter().copied());
            }
            4 if end - at < 4096 => {
                let again = bytes[at..end].repeat(random.random_range(1..5));
                bytes.splice(end..end, again);
            }
            _ => bytes.truncate(end),
        }
    }
    bytes
}

/// Runs it in a way that tells the input which broke it.
fn run(target: &Target, bytes: &[u8]) {
    let run = target.run;
    if catch_unwind(|| run(bytes)).is_err() {
        panic!("{}: {:?}", target.name, String::from_utf8_lossy(bytes));
    }
}

#[test]
fn every_reader_survives_its_corpus_and_mutations_of_it() {
    for (number, target) in (0..).zip(TARGETS) {
        let seeds = corpus(target);
        for seed in &seeds {
            run(target, seed);
        }
        let mut random = SmallRng::seed_from_u64(number);
        for _ in 0..MUTATIONS {
            run(target, &mutate(&seeds, &mut random));
        }
    }
}

#[test]
fn every_target_has_a_program_of_cargo_fuzz() {
    let manifest = include_str!("../Cargo.toml");
    for target in TARGETS {
        let program = format!(
            "name = \"{}\"\npath = \"fuzz_targets/{}.rs\"",
            target.name, target.name
        );
        assert!(manifest.contains(&program), "{program}");
    }
}
