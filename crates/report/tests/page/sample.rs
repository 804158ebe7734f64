//! A document with everything in it.

use report::{Chart, Document, Mark, Page, Tally, Value};

/// What is said around a document.
pub(crate) fn page(say: impl Fn(&str) -> String) -> Page {
    Page::new(say("Staging verification"))
        .about(say("Environment"), say("berthcare-staging"))
        .about("Regions", "ca-central-1, ca-west-1")
        .about("Time", "2026-11-26 17:31 UTC")
        .about("Tool", "verify-staging 0.1.0")
        .note(say(
            "An answer that could not be had is unknown, and never counted as ok.",
        ))
}

/// Every kind of section; each text goes through `say`.
pub(crate) fn document(say: impl Fn(&str) -> String) -> Document {
    let row = |mark, cells: [&str; 5]| (mark, cells.map(&say).to_vec());
    let requests = |cells: [&str; 3]| (Mark::Plain, cells.map(str::to_owned).to_vec());
    Document::new()
        .text(say("What is before the first heading."))
        .heading(say("Verdict"))
        .fact(Mark::Wrong, say("Verdict"), say("wrong"))
        .fact(Mark::Ok, "Checks", "61 of 68 ok")
        .fact(Mark::Unknown, "Recovery point", say("no answer"))
        .fact(Mark::Skipped, "Drill", "skipped")
        .fact(Mark::Plain, "Took", "14 s")
        .chart(Chart::tally(
            say("Checks"),
            Tally { ok: 61, wrong: 2, unknown: 3, skipped: 2 },
        ))
        .text(
            "Two checks found something wrong. Run `verify-staging check --only network` after the change; \
             unknown answers need `rds:DescribeDBInstances`.",
        )
        .heading(say("Network"))
        .table(
            ["Status", "Check", "Resource", "Found", "Took"].map(&say),
            vec![
                row(
                    Mark::Wrong,
                    [
                        "wrong",
                        "network-flow-logs",
                        "vpc-0a1b2c3d4e5f67890",
                        "no flow log; wanted: one that is active, to CloudWatch Logs, kept 30 days",
                        "312 ms",
                    ],
                ),
                row(
                    Mark::Unknown,
                    [
                        "no answer",
                        "network-nat",
                        "nat-0123456789abcdef0",
                        "denied: ec2:DescribeNatGateways\nrequest 7a1c",
                        "1,204 ms",
                    ],
                ),
                row(
                    Mark::Ok,
                    ["ok", "network-subnets", "vpc-0a1b2c3d4e5f67890", "6 subnets in 3 zones", "98 ms"],
                ),
                row(Mark::Skipped, ["skipped", "network-vpn", "", "the settings name no VPN", "0 ms"]),
                row(
                    Mark::Ok,
                    [
                        "ok",
                        "network-balancer",
                        "balancer",
                        "arn:aws:elasticloadbalancing:ca-central-1:123456789012:loadbalancer/app/\
                         berthcare-staging-application-load-balancer/50dc6c495c0c9188",
                        "98 ms",
                    ],
                ),
            ],
        )
        .heading("Recovery")
        .chart(
            Chart::bars(
                say("Time to restore"),
                vec![
                    Value::new(Mark::Ok, say("database berthcare-staging"), 1860.0, "31 min"),
                    Value::new(Mark::Wrong, "objects berthcare-staging-photos", 4440.0, say("74 min")),
                    Value::new(Mark::Ok, "cache", 300.0, "5 min"),
                    Value::unknown("certificates", say("no answer")),
                ],
            )
            .limit(3600.0, say("objective 60 min")),
        )
        .chart(
            Chart::timeline(
                say("The run"),
                vec![
                    Value::new(Mark::Plain, "declared", 0.0, "03:15:00").beginning_at(60.0),
                    Value::new(Mark::Ok, say("restore"), 1500.0, "25 min").beginning_at(75.0),
                    Value::new(Mark::Wrong, "terraform", 300.0, "5 min, failed").beginning_at(1600.0),
                ],
            )
            .limit(2700.0, "objective 45 min"),
        )
        .chart(Chart::series(say("Answer of /health"), health()).limit(500.0, "objective 500 ms"))
        .heading("Requests")
        .chart(Chart::bars(
            "Latency",
            vec![
                Value::new(Mark::Plain, "p50", 84.0, "84 ms"),
                Value::new(Mark::Plain, "p90", 190.0, "190 ms"),
                Value::new(Mark::Plain, "p99", 412.0, "412 ms"),
            ],
        ))
        .table(
            ["Target", "Requests", "Errors"],
            vec![
                requests(["https://staging.example.org/health", "1,000", "0"]),
                requests(["https://staging.example.org/api/v1/visits?limit=10", "980", "2"]),
            ],
        )
        .table(["", "Share"], vec![requests(["errors", "0.1 %", ""])])
}

fn health() -> Vec<Value> {
    (0..60)
        .map(|minute| {
            let time = format!("17:{minute:02}");
            if (20..24).contains(&minute) || minute == 30 {
                return Value::unknown(time, "no data");
            }
            let wave = 120.0 + 60.0 * (f64::from(minute) / 6.0).sin();
            let (mark, size) = match minute {
                41 => (Mark::Wrong, wave + 420.0),
                _ => (Mark::Ok, wave),
            };
            Value::new(mark, time, size, format!("{size:.0} ms"))
        })
        .collect()
}

/// The whole page.
pub(crate) fn html() -> String {
    document(str::to_owned).to_html(&page(str::to_owned))
}
