use report::{Document, Lines, Mark, Report};

use super::{Basis, Estimate, Heading, Line, Missing};
use crate::inventory::Source;
use crate::money::{Usd, UsdRange};
use crate::prices::Portion;
use crate::quantity::format_number;
use crate::usage::UsageSource;

impl Portion {
    /// As in `100 × $0.09` or `1,000,000 × $0.44/1,000,000`.
    pub(super) fn arithmetic(&self) -> String {
        let per = if self.per == rust_decimal::Decimal::ONE {
            String::new()
        } else {
            format!("/{}", format_number(self.per))
        };
        format!(
            "{} × ${}{per}",
            format_number(self.amount),
            self.usd.exact()
        )
    }
}

impl Line {
    /// How the expected amount comes about.
    pub fn arithmetic(&self) -> String {
        let mut parts: Vec<String> = self.portions.iter().map(Portion::arithmetic).collect();
        match self.missing {
            Some(Missing::Price) => parts.push(format!(
                "{} × a price that is not known",
                format_number(self.quantity.expected)
            )),
            Some(Missing::Tier) => parts.push("more, at a price that is not known".to_owned()),
            None if parts.is_empty() => parts.push("0".to_owned()),
            None => {}
        }
        parts.join(" + ")
    }

    /// What is to be said about the line.
    pub fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        match self.missing {
            Some(Missing::Price) => remarks.push("price missing".to_owned()),
            Some(Missing::Tier) => remarks.push("last tier missing".to_owned()),
            None => {}
        }
        remarks.extend(self.caveats.iter().map(|caveat| format!("price {caveat}")));
        if self.of_release {
            remarks.push("price of this release's book".to_owned());
        }
        match self.usage_source {
            Some(UsageSource::Default) => remarks.push("default usage".to_owned()),
            Some(UsageSource::Unknown) => remarks.push("usage of some not known".to_owned()),
            Some(UsageSource::File) | None => {}
        }
        if !self.free.is_zero() {
            remarks.push(format!("{} free", format_number(self.free.expected)));
        }
        remarks.join(", ")
    }

    fn mark(&self) -> Mark {
        match self.missing {
            Some(_) => Mark::Wrong,
            None if self.caveats.is_empty() => Mark::Plain,
            None => Mark::Unknown,
        }
    }
}

/// The three amounts as cells; one that is only a lower bound says so, and one of which nothing is known.
pub(crate) fn cells(usd: UsdRange, lower_bound: bool) -> [String; 3] {
    let all = [usd.low, usd.expected, usd.high];
    cells_of(
        all.map(|usd| usd.to_string()),
        all.map(|usd| usd == Usd::ZERO),
        lower_bound,
    )
}

/// The same of amounts in any currency, of which it is told whether they are nothing.
pub(crate) fn cells_of(
    texts: [String; 3],
    is_nothing: [bool; 3],
    lower_bound: bool,
) -> [String; 3] {
    let mut is_nothing = is_nothing.into_iter();
    texts.map(|text| match (lower_bound, is_nothing.next()) {
        (true, Some(true)) => "unknown".to_owned(),
        (true, _) => format!("≥ {text}"),
        (false, _) => text,
    })
}

impl Report for Estimate {
    const KIND: &'static str = "cost-estimate";

    fn document(&self) -> Document {
        let source = match self.source {
            Source::Plan => "from a plan",
            Source::State => "from a state",
            Source::Settings => "from the settings",
            Source::Live => "from a live account",
        };
        let mut document = Document::new()
            .heading(format!("Cost of a month, {source}"))
            .table(["Service", "Low", "Expected", "High"], self.services())
            .heading("Lines")
            .table(
                [
                    "Service",
                    "Region",
                    "Item",
                    "Unit",
                    "Arithmetic",
                    "USD",
                    "Price of",
                    "Remarks",
                ],
                self.line_rows(),
            );
        let resources = self
            .resources
            .iter()
            .filter(|resource| resource.usd != UsdRange::default() || resource.lower_bound)
            .map(|resource| {
                let mut row = vec![resource.address.clone()];
                row.extend(cells(resource.usd, resource.lower_bound));
                (Mark::Plain, row)
            })
            .collect();
        document = document
            .heading("Resources")
            .table(["Resource", "Low", "Expected", "High"], resources);
        let without = self.without_price();
        if !without.is_empty() {
            document = document
                .heading("Without a price")
                .table_of_lines(["Item", "Region", "Resources", "The price book"], without);
        }
        if !self.unpriced.is_empty() {
            let rows = self
                .unpriced
                .iter()
                .map(|of| {
                    let kind = Lines::from(of.kind.as_str());
                    (Mark::Wrong, vec![kind, Lines::of(&of.addresses)])
                })
                .collect();
            document = document
                .heading("Not priced")
                .table_of_lines(["Type", "Resources"], rows);
        }
        if !self.problems.is_empty() {
            let rows = self
                .problems
                .iter()
                .map(|of| (Mark::Wrong, vec![of.address.clone(), of.problem.clone()]))
                .collect();
            document = document
                .heading("Not priced in full")
                .table(["Resource", "Problem"], rows);
        }
        for note in &self.notes {
            document = document.text(format!("Note: {note}"));
        }
        if self.with_free_tier != self.without_free_tier {
            let [_, with, _] = cells(self.with_free_tier, self.lower_bound);
            let [_, without, _] = cells(self.without_free_tier, self.lower_bound);
            let rest = match self.options.free_tier {
                true => "they are taken off here",
                false => "they are left on here; --free-tier takes them off",
            };
            document = document.text(format!(
                "Note: {without} a month without the allowances that are always free, {with} with them, for an account with nothing else in it: {rest}"
            ));
        }
        if let Some(invoice) = &self.invoice {
            document = invoice.tell(document, self.lower_bound);
        }
        document.text(self.summary())
    }
}

impl Estimate {
    fn services(&self) -> Vec<(Mark, Vec<String>)> {
        let mut rows = Vec::new();
        for heading in Heading::ALL {
            if let Some((usd, lower_bound)) = self.under(heading) {
                let mut row = vec![heading.title().to_owned()];
                row.extend(cells(usd, lower_bound));
                let mark = if lower_bound {
                    Mark::Wrong
                } else {
                    Mark::Plain
                };
                rows.push((mark, row));
            }
        }
        for (name, usd) in [
            ("of which fixed", self.fixed),
            ("of which by use", self.usage),
            ("Total", self.total),
            ("Without free allowances", self.without_free_tier),
            ("With free allowances", self.with_free_tier),
        ] {
            let mut row = vec![name.to_owned()];
            row.extend(cells(usd, self.lower_bound));
            rows.push((Mark::Plain, row));
        }
        rows
    }

    /// What has no price, and where.
    fn without_price(&self) -> Vec<(Mark, Vec<Lines>)> {
        let missing = self.lines.iter().filter(|line| line.missing.is_some());
        missing
            .map(|line| {
                let near = match line.missing {
                    Some(Missing::Tier) => "ends before this quantity".to_owned(),
                    _ => line
                        .near
                        .clone()
                        .unwrap_or("has nothing like it".to_owned()),
                };
                let cells = vec![
                    Lines::from(line.key.item.as_str()),
                    line.key.scope.to_string().into(),
                    Lines::of(&line.resources),
                    near.into(),
                ];
                (Mark::Wrong, cells)
            })
            .collect()
    }

    fn line_rows(&self) -> Vec<(Mark, Vec<String>)> {
        self.lines
            .iter()
            .map(|line| {
                let usd = match line.usd {
                    None => "unknown".to_owned(),
                    Some(usd) if line.basis == Basis::Fixed => usd.expected.to_string(),
                    Some(usd) => format!("{} ({} to {})", usd.expected, usd.low, usd.high),
                };
                let cells = vec![
                    line.heading.title().to_owned(),
                    line.key.scope.to_string(),
                    line.key.item.clone(),
                    line.unit.to_string(),
                    line.arithmetic(),
                    usd,
                    line.prices_of
                        .map_or("–".to_owned(), |date| date.to_string()),
                    line.remarks(),
                ];
                (line.mark(), cells)
            })
            .collect()
    }

    /// One sentence with what counts.
    fn summary(&self) -> String {
        let [low, expected, high] = cells(self.total, self.lower_bound);
        let doubtful = self.lines.iter().filter(|line| !line.caveats.is_empty());
        let doubtful = doubtful.count();
        let bound = if self.lower_bound {
            "; a lower bound, since something has no price"
        } else {
            ""
        };
        format!(
            "{expected} a month expected, {low} to {high}{bound}. {} of {} lines use a derived, assumed or old price; prices of {}; {} resources cost nothing",
            doubtful,
            self.lines.len(),
            self.prices_of,
            self.free_resources,
        )
    }
}
