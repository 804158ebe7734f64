//! Costs, of files: what is printed, how it ends, and what it says of bad input. Nothing is called.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const SETTINGS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../examples/berthcare-staging/infra.toml"
);

struct Stage(TempDir);

impl Stage {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_verify-staging"))
            .current_dir(self.0.path())
            .env_clear()
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .arg("cost")
            .args(arguments)
            .write_stdin(stdin)
            .output()
            .unwrap()
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// NAT gateways in ca-central-1.
fn plan(count: usize) -> String {
    let resources: Vec<Value> = (0..count)
        .map(|at| json!({"address": format!("aws_nat_gateway.x[{at}]"), "mode": "managed", "type": "aws_nat_gateway",
            "name": "x", "values": {"region": "ca-central-1"}}))
        .collect();
    json!({"format_version": "1.2", "planned_values": {"root_module": {"resources": resources}}})
        .to_string()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_guides_stack_needs_nothing_but_the_settings() {
    let stage = Stage::new();
    let estimate = json_of(&stage.run(&["estimate", "--config", SETTINGS, "--output", "json"]));
    assert_eq!(estimate["lower_bound"], false);
    let guide = stage.run(&["guide", "--config", SETTINGS, "--markdown"]);
    let guide = text(&guide.stdout);
    assert!(
        guide.contains("| RDS PostgreSQL | $120.00 | $128.33 | $8.33 |"),
        "{guide}"
    );
    let recovery = json_of(&stage.run(&["recovery", "--config", SETTINGS, "--output", "json"]));
    assert_eq!(recovery["dr"], "us-east-1");
    let tips = text(&stage.run(&["tips", "--config", SETTINGS]).stdout);
    assert!(
        tips.contains("starts it again by itself after 7 days"),
        "{tips}"
    );
}

#[test]
fn a_plan_comes_from_a_file_or_standard_input_and_needs_no_settings() {
    let stage = Stage::new();
    let file = stage.file("plan.json", &plan(2));
    let from_file = stage.run(&["estimate", "--plan", path(&file), "--output", "json"]);
    let piped = stage.run_with(&["estimate", "--plan", "-", "--output", "json"], &plan(2));
    assert_eq!(json_of(&from_file), json_of(&piped));
    assert_eq!(json_of(&piped)["fixed"]["expected"], "73.00");
}

#[test]
fn a_usage_file_counts_and_says_where_it_is_wrong() {
    let stage = Stage::new();
    let plan = stage.file("plan.json", &plan(1));
    let usage = "version: 0.1\nresource_usage:\n  aws_nat_gateway.x[0]:\n    monthly_data_processed_gb: 1000\n";
    let good = stage.file("usage.yml", usage);
    let arguments = [
        "estimate",
        "--plan",
        path(&plan),
        "--output",
        "json",
        "--usage",
    ];
    let run = |file: &Path| stage.run(&[&arguments[..], &[path(file)]].concat());
    let estimate = json_of(&run(&good));
    let lines = estimate["lines"].as_array().unwrap();
    let data = lines
        .iter()
        .find(|line| line["item"] == "nat gateway data")
        .unwrap();
    assert_eq!(
        (&data["usd"]["high"], &data["usage_source"]),
        (&json!("50.00"), &json!("file"))
    );
    let bad = stage.file("bad.yml", &usage.replace("1000", "-1000"));
    let output = run(&bad);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.contains("bad.yml") && told.contains("line 4, column 32"),
        "{told}"
    );
}

#[test]
fn a_budget_ends_with_zero_one_or_three() {
    let stage = Stage::new();
    let known = stage.file("known.json", &plan(1));
    let stranger = plan(1)
        .replace("aws_nat_gateway.x[0]", "aws_eks_cluster.x")
        .replace("\"aws_nat_gateway\"", "\"aws_eks_cluster\"");
    let unknown = stage.file("unknown.json", &stranger);
    let end = |file: &Path, limit: &str, scenario: &str| {
        let arguments = [
            "budget",
            "--plan",
            path(file),
            "--limit",
            limit,
            "--scenario",
            scenario,
        ];
        stage.run(&arguments).status.code()
    };
    // 36.50, 2.50 of data and 10.00 of traffic; 36.50, 25.00 and 100.00 when much is used.
    assert_eq!(end(&known, "49.00", "expected"), Some(0));
    assert_eq!(end(&known, "48.99", "expected"), Some(1));
    assert_eq!(end(&known, "49.00", "high"), Some(1));
    assert_eq!(end(&unknown, "1000", "expected"), Some(3));
    assert_eq!(end(&known, "-1", "expected"), Some(2));
    let allowed = ["budget", "--plan", path(&unknown), "--limit", "1000"];
    let allowed = stage.run(&[&allowed[..], &["--allow-lower-bound"]].concat());
    assert_eq!(allowed.status.code(), Some(0));
    let told = text(&allowed.stdout);
    assert!(told.contains("as far as it has a price"), "{told}");
}

#[test]
fn a_budget_is_of_services_tags_and_what_a_plan_adds() {
    let stage = Stage::new();
    let mut both: Value = serde_json::from_str(&plan(2)).unwrap();
    both["planned_values"]["root_module"]["resources"][1]["values"]["tags_all"] =
        json!({"Team": "data"});
    let state = stage.file("before.json", &plan(1));
    let before: Value = serde_json::from_str(&plan(1)).unwrap();
    both["prior_state"] = json!({"format_version": "1.0", "values": before["planned_values"]});
    let file = stage.file("plan.json", &both.to_string());
    let end = |limits: &[&str]| {
        let output = stage.run(&[&["budget", "--plan", path(&file)], limits].concat());
        (
            output.status.code(),
            text(&output.stdout) + &text(&output.stderr),
        )
    };
    // A gateway more: 36.50 and 2.50 of data.
    assert_eq!(end(&["--increase", "39"]).0, Some(0));
    assert_eq!(end(&["--increase", "38.99"]).0, Some(1));
    let (code, told) = end(&[
        "--service",
        "nat=78",
        "--tag",
        "Team=data=38",
        "--limit",
        "500",
    ]);
    assert_eq!(code, Some(1));
    assert!(
        told.contains("Service NAT Gateways") && told.contains("Tag Team=data"),
        "{told}"
    );
    assert_eq!(
        end(&["--service", "nat=78", "--tag", "Team=data=39"]).0,
        Some(0)
    );
    assert_eq!(end(&["--tag", "Team=dtaa=39"]).0, Some(3));
    let other = ["--increase", "0", "--before", path(&file)];
    assert_eq!(end(&other).0, Some(0));
    // Nothing to hold it against, a service that is none, a state that has nothing before it.
    assert_eq!(end(&[]).0, Some(2));
    let (code, told) = end(&["--service", "rdss=1"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("those that are: rds, elasticache"), "{told}");
    let of_state = json!({"format_version": "1.0", "values": before["planned_values"]});
    let of_state = stage.file("state.json", &of_state.to_string());
    let output = stage.run(&["budget", "--plan", path(&of_state), "--increase", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--before"));
    let with_before = ["--increase", "1", "--before", path(&state)];
    let output = stage.run(&[&["budget", "--plan", path(&of_state)], &with_before[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn an_estimate_is_told_in_another_currency_with_taxes_and_without_defaults() {
    let stage = Stage::new();
    let file = stage.file("plan.json", &plan(1));
    let run = |more: &[&str]| stage.run(&[&["estimate", "--plan", path(&file)], more].concat());
    let paid = [
        "--currency",
        "CAD",
        "--rate",
        "1.4",
        "--rate-date",
        "2026-11-20",
    ];
    let output = run(&[&paid[..], &["--tax", "GST=5", "--output", "json"]].concat());
    let estimate = json_of(&output);
    let invoice = &estimate["invoice"];
    // 49.00 × 1.4.
    assert_eq!(invoice["amount"]["expected"], "68.6");
    assert_eq!(invoice["taxes"][0]["amount"]["expected"], "3.43");
    assert_eq!(invoice["due"]["expected"], "72.03");
    assert_eq!(invoice["rate"]["of"], "2026-11-20");
    for bad in [
        &["--currency", "CAD"][..],
        &["--rate", "1.4"],
        &["--currency", "cad", "--rate", "1.4"],
        &["--currency", "CAD", "--rate", "0"],
        &["--tax", "GST"],
    ] {
        assert_eq!(run(bad).status.code(), Some(2), "{bad:?}");
    }
    let bare = json_of(&run(&["--no-defaults", "--output", "json"]));
    assert_eq!(bare["total"]["expected"], "36.50");
    assert_eq!(bare["lower_bound"], true);
}

#[test]
fn recovery_is_told_with_what_runs_measured() {
    let stage = Stage::new();
    let run = |more: &[&str]| stage.run(&[&["recovery", "--config", SETTINGS], more].concat());
    assert!(text(&run(&[]).stdout).contains("No run of a failover is known here"));
    // A folder that is not there is a slip; a record that no journal bears out does not count, and is named.
    assert_eq!(run(&["--drills", "nowhere"]).status.code(), Some(2));
    fs::create_dir_all(stage.0.path().join("records/reports")).unwrap();
    stage.file("records/reports/20261101T100000Z-drill.json", "{}");
    let output = run(&["--drills", "records"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("does not count"),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("No run of a failover is known here"));
}

#[test]
fn a_diff_shows_what_a_pull_request_changes() {
    let stage = Stage::new();
    let (one, two) = (
        stage.file("1.json", &plan(1)),
        stage.file("2.json", &plan(2)),
    );
    let output = stage.run(&["diff", path(&one), path(&two), "--markdown"]);
    let told = text(&output.stdout);
    assert!(
        told.contains("| NAT Gateways | ca-central-1 | nat gateway | $36.50 | $73.00 | +$36.50 |"),
        "{told}"
    );
    assert!(!told.contains("Budget"), "{told}");
}

#[test]
fn a_diff_for_a_pull_request_has_its_limits_and_ends_as_they_are_kept() {
    let stage = Stage::new();
    let (one, two) = (
        stage.file("1.json", &plan(1)),
        stage.file("2.json", &plan(2)),
    );
    let diff = |limits: &[&str]| {
        let output = stage.run(&[&["diff", path(&one), path(&two), "--markdown"], limits].concat());
        (output.status.code(), text(&output.stdout))
    };
    // Two gateways and the traffic of their region, 36.50 and 2.50 more than one.
    let (code, told) = diff(&["--limit", "88.00", "--increase", "38.99"]);
    assert_eq!(code, Some(1));
    for row in [
        "| NAT Gateways | $39.00 | $78.00 | +$39.00 |",
        "| The whole | within | $88.00 | $88.00 | $0.00 | expected |",
        "| The increase | over | $39.00 | $38.99 | -$0.01 | expected |",
        "| added | aws_nat_gateway.x\\[1\\] | – | $39.00 |",
    ] {
        assert!(told.contains(row), "{row}\n{told}");
    }
    // Nothing in it leads elsewhere, but the picture beside it.
    assert!(!told.contains("://") && !told.contains("]("), "{told}");
    assert_eq!(diff(&["--limit", "88", "--increase", "39"]).0, Some(0));
    assert_eq!(diff(&["--service", "nat=77.99"]).0, Some(1));
    let stranger = plan(1).replace("aws_nat_gateway", "aws_eks_cluster");
    let unknown = stage.file("unknown.json", &stranger);
    let of = ["diff", path(&unknown), path(&unknown), "--increase", "1"];
    assert_eq!(stage.run(&of).status.code(), Some(3));
    let elsewhere = ["diff", "--regions", "ca-central-1", "us-east-1", "--plan"];
    let elsewhere = [&elsewhere[..], &[path(&one), "--increase", "0"]].concat();
    assert_eq!(stage.run(&elsewhere).status.code(), Some(0));
}

#[test]
fn two_regions_are_compared_and_drawn() {
    let stage = Stage::new();
    let svg = stage.0.path().join("month.svg");
    let regions = [
        "diff",
        "--config",
        SETTINGS,
        "--regions",
        "ca-central-1",
        "us-east-1",
    ];
    let output = stage.run(&[&regions[..], &["--markdown", "--svg", "month.svg"]].concat());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        told.starts_with("![A month by service, before and after](month.svg)\n\n## "),
        "{told}"
    );
    assert!(
        told.contains("| NAT Gateways | $78.00 | $70.20 | -$7.80 |"),
        "{told}"
    );
    let svg = fs::read_to_string(svg).unwrap();
    assert!(
        svg.starts_with("<svg xmlns=") && svg.contains("$70.20"),
        "{svg}"
    );
    let json = json_of(&stage.run(&[&regions[..], &["--output", "json"]].concat()));
    assert_eq!(json["regions"], json!(["ca-central-1", "us-east-1"]));
    let neither = stage.run(&["diff", "--config", SETTINGS]);
    assert_eq!(neither.status.code(), Some(2));
}

#[test]
fn a_result_is_a_page_with_charts() {
    let stage = Stage::new();
    let plan = stage.file("plan.json", &plan(1));
    let of_plan = ["--plan", path(&plan), "--html"];
    for arguments in [
        [&["estimate"], &of_plan[..]].concat(),
        [&["tips"], &of_plan[..]].concat(),
        [&["budget", "--limit", "60"], &of_plan[..]].concat(),
        vec!["diff", path(&plan), path(&plan), "--html"],
    ] {
        let output = stage.run(&arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let html = text(&output.stdout);
        assert!(
            html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"),
            "{html}"
        );
        assert!(html.contains("$49.00"), "{arguments:?}: {html}");
    }
    let both = stage.run(&["estimate", "--plan", path(&plan), "--html", "--markdown"]);
    assert_eq!(both.status.code(), Some(2));
}

#[test]
fn a_price_book_is_refreshed_from_a_bulk_offer_file() {
    let stage = Stage::new();
    let offer = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/cost/tests/fixtures/offers/AmazonRDS-ca-central-1.json"
    );
    let book = stage.0.path().join("prices.csv");
    let refresh = ["prices", "refresh", "--offer", offer];
    let output = stage.run(&refresh);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(told.contains("$0.141") && told.contains("$0.142"), "{told}");
    assert!(!book.exists());
    // Nobody is there to say yes, after the changes were shown.
    let asked = stage.run(&[&refresh[..], &["--write", path(&book)]].concat());
    assert_eq!((asked.status.code(), book.exists()), (Some(4), false));
    assert!(text(&asked.stdout).contains("$0.142"));
    let written = stage.run(&[&refresh[..], &["--write", path(&book), "--yes"]].concat());
    assert_eq!(written.status.code(), Some(0), "{}", text(&written.stderr));
    let estimate = json_of(&stage.run(&[
        "estimate",
        "--config",
        SETTINGS,
        "--prices",
        path(&book),
        "--output",
        "json",
    ]));
    let lines = estimate["lines"].as_array().unwrap();
    let line = lines
        .iter()
        .find(|line| line["item"] == "instance postgresql db.t4g.medium multi-az");
    // 730 × 0.142
    assert_eq!(line.unwrap()["usd"]["expected"], "103.66");
    for (arguments, problem) in [
        (vec!["--offer", SETTINGS], "line 1, column"),
        (
            vec!["--offer", "nowhere.json"],
            "failed to read nowhere.json",
        ),
        (
            vec!["--offer", offer, "--region", "eu-west-1"],
            "nothing of AmazonRDS",
        ),
    ] {
        let output = stage.run(&[&["prices", "refresh"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = text(&output.stderr);
        assert!(told.contains(problem), "{told}");
    }
}

#[test]
fn a_price_book_is_refreshed_from_a_folder_of_offers_and_goes_on_where_it_was_stopped() {
    let stage = Stage::new();
    let fixtures = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/cost/tests/fixtures/offers"
    );
    for (name, place) in [
        (
            "AmazonDynamoDB-us-east-1.json",
            "AmazonDynamoDB/current/us-east-1",
        ),
        (
            "AmazonRDS-ca-central-1.json",
            "AmazonRDS/current/ca-central-1",
        ),
    ] {
        let folder = stage.0.path().join("aws").join(place);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(Path::new(fixtures).join(name), folder.join("index.json")).unwrap();
    }
    let refresh = [
        "prices",
        "refresh",
        "--offers",
        "aws",
        "--write",
        "prices.csv",
    ];
    let partial = stage.0.path().join("prices.csv.partial");
    // The second file is broken: what the first one has is kept.
    let broken = stage
        .0
        .path()
        .join("aws/AmazonRDS/current/ca-central-1/index.json");
    let whole = fs::read(&broken).unwrap();
    fs::write(&broken, &whole[..whole.len() / 2]).unwrap();
    let stopped = stage.run(&[&refresh[..], &["--yes"]].concat());
    assert_eq!(stopped.status.code(), Some(2));
    let kept = fs::read_to_string(&partial).unwrap();
    assert!(
        kept.contains("us-east-1,AmazonDynamoDB,write,") && !kept.contains("AmazonRDS"),
        "{kept}"
    );
    fs::write(&broken, whole).unwrap();
    let output = stage.run(&[&refresh[..], &["--yes"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("goes on with"),
        "{}",
        text(&output.stderr)
    );
    assert!(
        text(&output.stdout).contains("$0.142"),
        "{}",
        text(&output.stdout)
    );
    let book = fs::read_to_string(stage.0.path().join("prices.csv")).unwrap();
    assert!(
        book.contains("AWS bulk offer AmazonDynamoDB of")
            && book.contains("AWS bulk offer AmazonRDS of")
    );
    assert!(!partial.exists());
    let none = stage.run(&["prices", "refresh", "--offers", "nowhere"]);
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn cost_explorer_is_not_asked_without_a_yes() {
    let stage = Stage::new();
    let output = stage.run(&["actual", "--config", SETTINGS]);
    assert_eq!(output.status.code(), Some(4));
    let told = text(&output.stderr);
    assert!(told.contains("$0.01 for every request"), "{told}");
    for (arguments, problem) in [
        (vec!["--month", "2026-13"], "it is no month"),
        (vec!["--month", "9999-01"], "not over yet"),
        (vec!["--tag", "Project"], "the tag \"Project\""),
    ] {
        let output =
            stage.run(&[&["actual", "--yes", "--config", SETTINGS], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let told = text(&output.stderr);
        assert!(told.contains(problem), "{told}");
    }
    // Without credentials nothing is known.
    let output = stage.run(&["actual", "--yes", "--config", SETTINGS]);
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn the_defaults_are_a_usage_file_that_changes_nothing() {
    let stage = Stage::new();
    let yaml = text(&stage.run(&["usage", "--config", SETTINGS]).stdout);
    let file = stage.file("usage.yml", &yaml);
    let run = |more: &[&str]| {
        let estimate = ["estimate", "--config", SETTINGS, "--output", "json"];
        json_of(&stage.run(&[&estimate[..], more].concat()))
    };
    let (without, with) = (run(&[]), run(&["--usage", path(&file)]));
    assert_eq!(without["total"]["expected"], with["total"]["expected"]);
    assert_eq!(with["notes"], json!([]));
}

#[test]
fn bad_input_ends_with_two_and_names_the_place() {
    let stage = Stage::new();
    let large = stage.0.path().join("large.json");
    fs::File::create(&large)
        .unwrap()
        .set_len(50_000_000)
        .unwrap();
    let version = stage.file("version.json", &plan(1).replace("\"1.2\"", "\"2.0\""));
    let cut = stage.file("cut.json", "{\"format_version\":");
    let book = stage.file("prices.csv", "region,service\n");
    for (arguments, told) in [
        (vec!["estimate", "--plan", path(&large)], "50000000 bytes"),
        (
            vec!["estimate", "--plan", path(&version)],
            "format_version is \"2.0\"",
        ),
        (vec!["estimate", "--plan", path(&cut)], "line 1, column"),
        (
            vec!["estimate", "--plan", "nowhere.json"],
            "cannot read nowhere.json",
        ),
        (vec!["estimate"], "infra.toml"),
        (
            vec![
                "estimate",
                "--config",
                SETTINGS,
                "--move-to",
                "ca-central-2",
            ],
            "ca-central-1",
        ),
        (
            vec!["estimate", "--config", SETTINGS, "--prices", path(&book)],
            "line 1 of the price book",
        ),
        (vec!["recovery", "--plan", "-"], "neither planned_values"),
        (
            vec!["prices", "show", "--service", "AmazonRDX"],
            "AmazonRDX",
        ),
    ] {
        let output = stage.run_with(&arguments, "{}");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
}

#[test]
fn prices_are_listed_and_checked() {
    let stage = Stage::new();
    let list = json_of(&stage.run(&[
        "prices",
        "show",
        "--region",
        "ca-central-1",
        "--service",
        "AmazonEC2",
        "--output",
        "json",
    ]));
    assert_eq!(list["prices"][0]["usd"], "0.05");
    let check = stage.run(&["prices", "check", "--region", "ca-west-1"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(text(&check.stdout).contains("missing"));
}

/// Rows of a Markdown table under this heading: their cells.
fn table(document: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, rest) = document.split_once(heading).unwrap();
    rest.lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells
                .map(|cell| cell.trim().trim_matches('`').to_owned())
                .collect()
        })
        .collect()
}

#[test]
fn every_check_is_listed_and_the_document_has_the_same_list() {
    let listed = |more: &[&str]| -> Vec<Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_verify-staging"))
            .env_clear()
            .args(["--output", "json", "check", "--list"])
            .args(more)
            .output()
            .unwrap();
        let document = json_of(&output);
        assert_eq!(
            (&document["kind"], &document["version"]),
            (&"checks".into(), &1.into())
        );
        serde_json::from_value(document["items"].clone()).unwrap()
    };
    let cells = |check: &Value| -> Vec<String> {
        let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
        let item = check["item"].as_u64().map(|item| item.to_string());
        vec![
            item.unwrap_or_default(),
            text("id"),
            text("severity"),
            text("title"),
        ]
    };
    let all: Vec<Vec<String>> = listed(&[]).iter().map(cells).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/verification.md");
    let document = fs::read_to_string(path).unwrap();
    assert_eq!(
        table(&document, "## What is asked"),
        all,
        "WRITE_DOCS=1 cargo nextest run -p verify table_of_checks"
    );
    for check in listed(&["--only", "nat"]) {
        assert!(check["id"].as_str().unwrap().starts_with("nat-"), "{check}");
    }
}
