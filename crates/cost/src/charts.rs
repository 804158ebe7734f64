//! Results as pages with pictures.

use report::{Chart, Document, Mark, Page, Report, Value};
use rust_decimal::prelude::ToPrimitive as _;

use crate::actual::Actual;
use crate::budget::{Budget, Limited, Verdict};
use crate::diff::Diff;
use crate::estimate::{AgainstGuide, Estimate, Heading, cells};
use crate::money::{Usd, UsdRange};
use crate::recovery::Recovery;
use crate::tips::Tips;

/// A result that pictures say more of than words.
pub trait Charted: Report {
    /// What its page is called.
    fn title(&self) -> String;

    /// Key facts and charts.
    fn charts(&self) -> Document;

    /// One page of HTML that needs nothing else: the charts, then everything in tables. `about` stands below the
    /// title.
    fn to_html(&self, about: impl IntoIterator<Item = (String, String)>) -> String
    where
        Self: Sized,
    {
        let page = about
            .into_iter()
            .fold(Page::new(self.title()), |page, (label, value)| {
                page.about(label, value)
            });
        self.charts().append(self.document()).to_html(&page)
    }
}

/// The only place where dollars become a float: the length of a bar, beside which the exact amount stands.
fn length(usd: Usd) -> f64 {
    usd.dollars().to_f64().unwrap_or(0.0)
}

/// A bar, or what is known in place of one.
fn bar(label: impl Into<String>, usd: Option<Usd>, lower_bound: bool) -> Value {
    match usd {
        None => Value::unknown(label, "no price"),
        Some(usd) if lower_bound && usd == Usd::ZERO => Value::unknown(label, "no price"),
        Some(usd) if lower_bound => {
            Value::new(Mark::Unknown, label, length(usd), format!("≥ {usd}"))
        }
        Some(usd) => Value::new(Mark::Plain, label, length(usd), usd.to_string()),
    }
}

fn range(usd: UsdRange, lower_bound: bool) -> Vec<Value> {
    [
        ("low", usd.low),
        ("expected", usd.expected),
        ("high", usd.high),
    ]
    .map(|(label, usd)| bar(label, Some(usd), lower_bound))
    .into()
}

fn doubt(lower_bound: bool) -> Mark {
    if lower_bound {
        Mark::Unknown
    } else {
        Mark::Plain
    }
}

impl Charted for Estimate {
    fn title(&self) -> String {
        "What a month costs".to_owned()
    }

    fn charts(&self) -> Document {
        let mark = doubt(self.lower_bound);
        let [low, expected, high] = cells(self.total, self.lower_bound);
        let [_, fixed, _] = cells(self.fixed, self.lower_bound);
        let [_, by_use, _] = cells(self.usage, self.lower_bound);
        let services = Heading::ALL.into_iter().filter_map(|heading| {
            let (usd, lower_bound) = self.under(heading)?;
            Some(bar(heading.title(), Some(usd.expected), lower_bound))
        });
        Document::new()
            .fact(mark, "Expected", expected)
            .fact(mark, "Range", format!("{low} to {high}"))
            .fact(mark, "Fixed", fixed)
            .fact(mark, "By use", by_use)
            .chart(Chart::bars("Expected, by service", services.collect()))
            .chart(Chart::bars(
                "With little, expected and much use",
                range(self.total, self.lower_bound),
            ))
    }
}

impl Charted for AgainstGuide {
    fn title(&self) -> String {
        "What a month costs beside the guide's table".to_owned()
    }

    fn charts(&self) -> Document {
        let mut bars = Vec::new();
        for row in &self.rows {
            let title = row.heading.title();
            if let Some(guide) = row.guide {
                bars.push(bar(format!("{title}: guide"), Some(guide), false));
            }
            bars.push(bar(
                format!("{title}: here"),
                Some(row.usd),
                row.lower_bound,
            ));
        }
        Document::new()
            .fact(Mark::Plain, "Guide", self.guide.to_string())
            .fact(doubt(self.lower_bound), "Here", self.usd.to_string())
            .fact(
                Mark::Plain,
                "Left out by the guide",
                self.left_out.to_string(),
            )
            .chart(Chart::bars("By service", bars))
    }
}

impl Charted for Recovery {
    fn title(&self) -> String {
        format!("What recovery of {} in {} costs", self.primary, self.dr)
    }

    fn charts(&self) -> Document {
        let bars = |choices: &[crate::recovery::Choice]| {
            let bars = choices.iter();
            bars.map(|of| {
                bar(
                    &of.name,
                    Some(of.usd.expected),
                    of.lower_bound && of.usd.expected == Usd::ZERO,
                )
            })
            .collect::<Vec<_>>()
        };
        let stack = self.stack.expected;
        Document::new()
            .fact(Mark::Plain, "The stack itself", stack.to_string())
            .chart(
                Chart::bars(
                    "Strategies, on top of the stack, a month",
                    bars(&self.strategies),
                )
                .limit(length(stack), format!("the stack itself {stack}")),
            )
            .chart(Chart::bars("Single choices, a month", bars(&self.parts)))
            .chart(Chart::bars("Each time", bars(&self.events)))
    }
}

impl Charted for Tips {
    fn title(&self) -> String {
        "What could be saved".to_owned()
    }

    fn charts(&self) -> Document {
        let bars = self.tips.iter();
        let bars = bars.map(|tip| bar(&tip.name, Some(tip.saves.expected), false));
        Document::new()
            .fact(
                Mark::Plain,
                "A month costs",
                self.total.expected.to_string(),
            )
            .chart(Chart::bars("Saves in a month", bars.collect()))
    }
}

impl Charted for Budget {
    fn title(&self) -> String {
        "A month against its budget".to_owned()
    }

    fn charts(&self) -> Document {
        let (mark, verdict) = match self.verdict {
            Verdict::Within => (Mark::Ok, "within"),
            Verdict::Over => (Mark::Wrong, "over"),
            Verdict::Unknown => (Mark::Unknown, "cannot be told"),
        };
        let mut whole = Chart::bars(
            "With little, expected and much use",
            range(self.total, self.lower_bound),
        );
        let mut document = Document::new().fact(mark, "Budget", verdict);
        for row in &self.rows {
            let limit = format!("{} of {}", row.usd, row.limit);
            document = document.fact(Mark::Plain, row.of.to_string(), limit);
            if row.of == Limited::Total {
                whole = whole.limit(length(row.limit), format!("limit {}", row.limit));
            }
        }
        document.chart(whole)
    }
}

impl Charted for Diff {
    fn title(&self) -> String {
        match self.regions {
            None => "How a month's cost changes".to_owned(),
            Some((from, to)) => format!("A month in {from} and in {to}"),
        }
    }

    fn charts(&self) -> Document {
        let (from, to) = self.sides();
        let bars = self.services.iter().flat_map(|of| {
            let title = of.heading.title();
            [
                bar(format!("{title}: {from}"), of.before, false),
                bar(format!("{title}: {to}"), of.after, false),
            ]
        });
        let mark = doubt(self.uncertain);
        let [_, before, _] = cells(self.before, self.uncertain);
        let [_, after, _] = cells(self.after, self.uncertain);
        Document::new()
            .fact(mark, &from, before)
            .fact(mark, &to, after)
            .chart(Chart::bars("Expected, by service", bars.collect()))
    }
}

impl Charted for Actual {
    fn title(&self) -> String {
        format!(
            "What was billed in {} beside the estimate",
            self.month.strftime("%Y-%m")
        )
    }

    fn charts(&self) -> Document {
        let bars = self.rows.iter().flat_map(|row| {
            let billed = match row.billed {
                None => {
                    Value::unknown(format!("{}: billed", row.service), "nothing under the tags")
                }
                Some(usd) => bar(format!("{}: billed", row.service), Some(usd), false),
            };
            let estimate = row.estimate.map(|usd| {
                bar(
                    format!("{}: estimate", row.service),
                    Some(usd.expected),
                    row.lower_bound,
                )
            });
            estimate.into_iter().chain([billed])
        });
        Document::new().chart(Chart::bars("By service", bars.collect()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;
    use crate::budget::{Limit, Policy};
    use crate::estimate::Options;
    use crate::inventory::Inventory;
    use crate::prices::PriceBook;
    use crate::quantity::Scenario;
    use crate::recovery::DRILL_HOURS;
    use crate::usage::Usage;

    fn stack() -> Inventory {
        let settings = include_str!("../../../examples/berthcare-staging/infra.toml");
        Inventory::from_settings(&Settings::parse(settings, date(2026, 11, 22)).unwrap())
    }

    fn estimate(stack: &Inventory) -> Estimate {
        let book = PriceBook::builtin().unwrap();
        Estimate::new(
            stack,
            &Usage::default(),
            &book,
            Options::on(date(2026, 11, 22)),
        )
    }

    fn page(of: &impl Charted) -> String {
        let html = of.to_html([("Prices of".to_owned(), "2026-11-22".to_owned())]);
        for needed in [
            "<!doctype html>",
            "<svg",
            "prefers-color-scheme",
            "@media print",
        ] {
            assert!(html.to_lowercase().contains(needed), "{needed}: {html}");
        }
        // Self-contained: nothing is fetched, nothing runs.
        for other in ["<script", "src=\"http", "href=\"http", "@import"] {
            assert!(!html.contains(other), "{other}");
        }
        html
    }

    #[test]
    fn to_html_has_exact_numbers_beside_its_bars() {
        let stack = stack();
        let of = estimate(&stack);
        let html = page(&of);
        assert!(
            html.contains("$128.33") && html.contains("730 × $0.141"),
            "{html}"
        );
        assert!(page(&of.against_guide()).contains("RDS PostgreSQL: guide"));
        let policy = Policy {
            limits: vec![Limit::total("300".parse().unwrap())],
            scenario: Scenario::Expected,
            allow_lower_bound: false,
        };
        let budget = page(&Budget::new(&of, &stack, None, &policy));
        assert!(budget.contains("limit $300.00"), "{budget}");
        let (usage, book) = (Usage::default(), PriceBook::builtin().unwrap());
        let options = Options::on(date(2026, 11, 22));
        assert!(page(&Tips::new(&stack, &usage, &book, options)).contains("Saves in a month"));
        let recovery = Recovery::new(&stack, &usage, &book, options, DRILL_HOURS).unwrap();
        assert!(page(&recovery).contains("the stack itself $270.39"));
        let there = stack.moved(stack.region.unwrap(), "us-east-1".parse().unwrap());
        let diff = Diff::new(&of, &estimate(&there));
        assert!(page(&diff).contains("RDS PostgreSQL: after"));
    }

    #[test]
    fn to_html_without_a_price_has_no_bar() {
        let stack = stack();
        let there = stack.moved(stack.region.unwrap(), "ca-west-1".parse().unwrap());
        let charts = estimate(&there).charts();
        let report::Section::Chart(chart) = &charts.sections()[1] else {
            panic!("{charts:?}");
        };
        let cache = chart
            .values()
            .iter()
            .find(|value| value.label == "ElastiCache Redis");
        assert_eq!(
            cache.map(|value| (value.size, value.shown.as_str())),
            Some((None, "no price"))
        );
    }
}
