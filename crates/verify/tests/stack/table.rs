//! The tables of mutations, `docs/mutations.md`, and of checks, in `docs/verification.md`. `WRITE_DOCS=1` writes
//! them.

use std::collections::BTreeSet;
use std::path::Path;

use verify::{Catalog, Selection};

use crate::mutation::{ByUnitTest, Mutation};
use crate::{
    backend, buckets, cache, cdn, database, groups, keys, logs, monitoring, network, residency,
    roles, secrets, tags,
};

struct Area {
    name: &'static str,
    mutations: Vec<Mutation>,
    elsewhere: &'static [ByUnitTest],
}

/// The areas with their ways of breaking them, in the order of the document.
fn areas() -> Vec<Area> {
    let area = |name, mutations, elsewhere| Area {
        name,
        mutations,
        elsewhere,
    };
    vec![
        area("Network", network::mutations(), network::ELSEWHERE),
        area("Database", database::mutations(), database::ELSEWHERE),
        area("Redis", cache::mutations(), cache::ELSEWHERE),
        area("Buckets", buckets::mutations(), buckets::ELSEWHERE),
        area("Distribution", cdn::mutations(), cdn::ELSEWHERE),
        area("Roles", roles::mutations(), roles::ELSEWHERE),
        area("Account", roles::of_account(), roles::ACCOUNT_ELSEWHERE),
        area("Security groups", groups::mutations(), &[]),
        area("Key", keys::mutations(), keys::ELSEWHERE),
        area("Secrets", secrets::mutations(), secrets::ELSEWHERE),
        area("Dashboard, alarms, topics", monitoring::mutations(), &[]),
        area("Flow logs", logs::mutations(), logs::ELSEWHERE),
        area("Tags", tags::mutations(), &[]),
        area("State", backend::mutations(), &[]),
        area("Residency", residency::mutations(), residency::ELSEWHERE),
    ]
}

/// Every way that the stack shows.
pub(crate) fn mutations() -> Vec<Mutation> {
    let areas = areas().into_iter();
    areas.flat_map(|area| area.mutations).collect()
}

/// Each way: its name, its item, the checks that notice.
fn ways(areas: &[Area]) -> Vec<(&'static str, Option<u8>, &'static [&'static str])> {
    let of_area = |area: &Area| {
        let stack = area
            .mutations
            .iter()
            .map(|way| (way.name, way.item, way.breaks));
        let units = area
            .elsewhere
            .iter()
            .map(|way| (way.name, way.item, way.breaks));
        stack.chain(units).collect::<Vec<_>>()
    };
    areas.iter().flat_map(of_area).collect()
}

fn document(areas: &[Area]) -> String {
    let (stack, units) = areas.iter().fold((0, 0), |(stack, units), area| {
        (stack + area.mutations.len(), units + area.elsewhere.len())
    });
    let mut text = format!(
        "# Ways of breaking the environment\n\n\
         {stack} ways are shown on a whole environment on a [local AWS](local-aws.md): before, everything is ok; \
         afterwards exactly\nthe checks named here have changed. {units} more, which a local AWS does not show, are \
         shown by unit tests on what AWS would\nanswer. The first check of a row is wrong afterwards; further ones \
         are wrong too, or no longer asked because what they ask\nabout is gone. This table is written by \
         `WRITE_DOCS=1 cargo nextest run -p verify table`.\n"
    );
    for area in areas {
        text.push_str(&format!(
            "\n## {}\n\n| Item | What happens | What notices | Shown by |\n| --- | --- | --- | --- |\n",
            area.name
        ));
        let stack = area
            .mutations
            .iter()
            .map(|way| (way.name, way.item, way.breaks, None));
        let units = area.elsewhere.iter();
        let units = units.map(|way| (way.name, way.item, way.breaks, Some(way.test)));
        for (name, item, breaks, test) in stack.chain(units) {
            let item = item.map(|item| item.to_string()).unwrap_or_default();
            let breaks: Vec<String> = breaks.iter().map(|id| format!("`{id}`")).collect();
            let shown = test.map_or("the stack".to_owned(), |test| format!("`{test}`"));
            text.push_str(&format!(
                "| {item} | {name} | {} | {shown} |\n",
                breaks.join(", ")
            ));
        }
    }
    text
}

#[test]
fn the_table_of_mutations_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mutations.md");
    let text = document(&areas());
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("the document is written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "run this test with WRITE_DOCS=1");
}

#[test]
fn the_table_of_checks_is_that_of_the_code() {
    const HEADING: &str = "## What is asked\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/verification.md");
    let found = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = found.split_once(HEADING).expect("its heading");
    let after = rest.find("\n## ").map_or("", |at| &rest[at..]);
    let catalog = Catalog::new(&Selection::default());
    let checks = serde_json::to_value(catalog).expect("JSON");
    let row = |check: &serde_json::Value| {
        let text = |field: &str| check[field].as_str().unwrap_or_default();
        let item = check["item"].as_u64().map(|item| item.to_string());
        let (item, severity) = (item.unwrap_or_default(), text("severity"));
        format!(
            "| {item} | `{}` | {severity} | {} |\n",
            text("id"),
            text("title")
        )
    };
    let rows: String = checks.as_array().into_iter().flatten().map(row).collect();
    let head = "| Item | Check | Severity | What has to hold |\n| --- | --- | --- | --- |\n";
    let text = format!("{before}{HEADING}\n{head}{rows}{after}");
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("the document is written");
        return;
    }
    assert!(found == text, "run this test with WRITE_DOCS=1");
}

#[test]
fn every_check_can_be_broken_and_every_mutation_is_of_a_check() {
    let areas = areas();
    let ways = ways(&areas);
    let checks: BTreeSet<&str> = verify::all().map(|check| check.id).collect();
    let mut names = BTreeSet::new();
    let mut broken = BTreeSet::new();
    for (name, _, breaks) in &ways {
        assert!(names.insert(*name), "{name} twice");
        for id in *breaks {
            assert!(checks.contains(id), "{name}: there is no check {id}");
        }
        broken.extend(breaks.first());
    }
    broken.extend(roles::NOT_ASKED);
    let never: Vec<&&str> = checks.difference(&broken).collect();
    assert!(never.is_empty(), "nothing breaks {never:?}");
}

#[test]
fn the_unit_tests_that_show_a_mutation_are_there() {
    fn sources(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, text);
            } else {
                text.push_str(&std::fs::read_to_string(&path).expect("a source"));
            }
        }
    }
    let mut text = String::new();
    sources(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut text,
    );
    for area in areas() {
        for way in area.elsewhere {
            assert!(text.contains(&format!("fn {}(", way.test)), "{}", way.test);
        }
    }
}
