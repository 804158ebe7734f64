use jiff::civil::date;
use report::Report as _;
use settings::Settings;

use super::*;
use crate::estimate::{Basis, Missing};
use crate::money::Usd;

const GUIDE: &str = include_str!("../../../../examples/berthcare-staging/infra.toml");
const WEST: &str = include_str!("../../../../examples/berthcare-ca-west/infra.toml");

fn usd(text: &str) -> Usd {
    Usd::new(text.parse().unwrap())
}

fn recovery(settings: &str) -> Recovery {
    let today = date(2026, 11, 22);
    let inventory = Inventory::from_settings(&Settings::parse(settings, today).unwrap());
    let book = PriceBook::builtin().unwrap();
    let usage = Usage::default();
    Recovery::new(&inventory, &usage, &book, Options::on(today), DRILL_HOURS).unwrap()
}

fn of<'c>(choices: &'c [Choice], name: &str) -> &'c Choice {
    let choice = choices.iter().find(|choice| choice.name.starts_with(name));
    choice.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn recovery_parts_by_hand() {
    let recovery = recovery(GUIDE);
    let part = |name| {
        let choice = of(&recovery.parts, name);
        assert!(!choice.lower_bound, "{choice:#?}");
        choice.usd.expected
    };
    // 100 GB × 0.095 in us-east-1 + 50 GB × 0.02
    assert_eq!(part("Replicated automated backups"), usd("10.50"));
    // 730 × 0.065 + 100 × 0.115 + 50 × 0.02
    assert_eq!(part("A read replica"), usd("59.95"));
    // Three buckets: 7.5 GB × 0.02 + 15,000 × 0.005/1,000, and 7.5 × 0.015 = 0.1125 for the promise
    assert_eq!(part("Object replication"), usd("0.23"));
    assert_eq!(part("Object replication with"), usd("0.34"));
    // 75 GB
    assert_eq!(part("Second copies in STANDARD"), usd("1.73"));
    assert_eq!(part("Second copies in STANDARD_IA"), usd("0.94"));
    assert_eq!(part("Second copies in GLACIER_IR"), usd("0.30"));
    assert_eq!(part("Key and secrets"), usd("2.20"));
}

#[test]
fn recovery_of_more_readiness_costs_more_and_a_full_duplicate_does_not_double() {
    let recovery = recovery(GUIDE);
    let of = |name| of(&recovery.strategies, name).usd.expected;
    let order = [
        "None",
        "Backup and restore",
        "Pilot light",
        "Warm standby",
        "Full duplicate",
    ];
    assert!(order.windows(2).all(|two| of(two[0]) < of(two[1])));
    // The guide says that a duplicate doubles costs; usage moves and is not paid twice.
    assert!(of("Full duplicate") < recovery.stack.expected);
    assert!(of("Full duplicate").times(Decimal::TWO) > recovery.stack.expected);
    // What keeps its database up to date is in it: 57.5 GB × 0.02.
    let full = &recovery.strategies[4];
    let sent = full
        .lines
        .iter()
        .find(|line| line.key.item == "to us-east-1");
    assert_eq!(sent.unwrap().usd.unwrap().expected, usd("1.15"));
    // 730 × (0.045 + 0.005 + 0.016)
    assert_eq!(of("Warm standby") - of("Pilot light"), usd("48.18"));
}

#[test]
fn recovery_events_are_a_day_and_a_drill() {
    let recovery = recovery(GUIDE);
    let day = of(&recovery.events, "A day in the DR region");
    let item = |choice: &Choice, item: &str| {
        let line = choice.lines.iter().find(|line| line.key.item == item);
        line.unwrap().usd.unwrap().expected
    };
    // 24 × 0.129, and 100 GB + 7.5 × 24/730 GB back at 0.02
    assert_eq!(
        item(day, "instance postgresql db.t4g.medium multi-az"),
        usd("3.10")
    );
    assert_eq!(item(day, "to ca-central-1"), usd("2.00"));
    let drill = of(&recovery.events, "A drill of 4 hours");
    assert_eq!(
        item(drill, "instance postgresql db.t4g.medium multi-az"),
        usd("0.52")
    );
    assert!(drill.usd.expected < day.usd.expected);
    assert!(drill.lines.iter().all(|line| line.basis == Basis::Fixed));
}

#[test]
fn recovery_with_unknown_prices_is_a_lower_bound() {
    let recovery = recovery(WEST);
    let backups = of(&recovery.parts, "Replicated automated backups");
    assert!(backups.lower_bound);
    // The traffic there is known: 50 × 0.02.
    assert_eq!(backups.usd.expected, usd("1.00"));
    let missing = |line: &&Line| line.missing == Some(Missing::Price);
    assert!(
        backups
            .lines
            .iter()
            .find(missing)
            .is_some_and(|line| line.usd.is_none())
    );
    let text = recovery.document().to_markdown();
    assert!(
        text.contains("≥ $1.00") && text.contains("price missing"),
        "{text}"
    );
}

#[test]
fn recovery_without_two_regions_is_refused() {
    let today = date(2026, 11, 22);
    let mut inventory = Inventory::from_settings(&Settings::parse(GUIDE, today).unwrap());
    let book = PriceBook::builtin().unwrap();
    let priced = |inventory: &Inventory| {
        let usage = Usage::default();
        Recovery::new(inventory, &usage, &book, Options::on(today), DRILL_HOURS).unwrap_err()
    };
    inventory.dr_region = inventory.region;
    assert!(matches!(priced(&inventory), RecoveryError::Same(_)));
    inventory.dr_region = None;
    assert_eq!(priced(&inventory), RecoveryError::Dr);
    inventory.region = None;
    assert_eq!(priced(&inventory), RecoveryError::Primary);
}

#[test]
fn recovery_has_what_runs_measured_beside_what_it_costs() {
    let run = |name: &str, day: &str, on_an_emulator: bool, rpo_objects: Option<u64>| MeasuredRun {
        run: name.to_owned(),
        at: format!("{day}T10:00:00Z").parse().unwrap(),
        made_in: "account 123456789012".to_owned(),
        on_an_emulator,
        rto_seconds: Some(1_860),
        rpo_database_seconds: Some(240),
        rpo_objects_seconds: rpo_objects,
        meets_objectives: rpo_objects.map(|_| true),
    };
    let none = recovery(GUIDE);
    let text = none.document().to_markdown();
    assert!(
        text.contains("No run of a failover is known here"),
        "{text}"
    );
    assert!(none.strategies.iter().all(|of| of.measured.is_none()));

    let runs = vec![
        run("newest", "2026-11-20", true, Some(1)),
        run("real", "2026-11-10", false, Some(600)),
        run("old", "2026-08-10", false, None),
    ];
    let measured = none.clone().with_runs(runs);
    assert_eq!(
        measured
            .runs
            .iter()
            .map(|run| run.run.as_str())
            .collect::<Vec<_>>(),
        ["old", "real", "newest"]
    );
    let told = |choices: &[Choice], name| of(choices, name).measured.as_ref().map(Given::told);
    assert_eq!(
        told(&measured.strategies, "Backup and restore").as_deref(),
        Some("RPO 10m, RTO 31m in run real")
    );
    assert_eq!(
        told(&measured.parts, "Replicated automated backups").as_deref(),
        Some("RPO 4m in run real")
    );
    // Only what the stack has was measured.
    assert_eq!(told(&measured.strategies, "Pilot light"), None);
    assert_eq!(told(&measured.parts, "A read replica"), None);
    let text = measured.document().to_markdown();
    assert!(
        text.contains(
            "| old | 2026-08-10 | account 123456789012 | 31m | 4m | not known | not known |"
        ),
        "{text}"
    );

    let emulated = none.with_runs(vec![run("newest", "2026-11-20", true, None)]);
    assert_eq!(
        told(&emulated.strategies, "Backup and restore").as_deref(),
        Some("RTO 31m in run newest, on an emulator")
    );
}
