use std::collections::BTreeSet;

use jiff::civil::Date;
use report::{Document, Mark, Report};
use serde::Serialize;
use settings::Region;

use super::{Caveat, PriceBook, PriceKey, Scope};

/// What is wrong with a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingKind {
    /// Another region has a price for it, this one has not.
    Missing,
    /// It ends at a number of units, and what more costs is not known.
    Open,
    /// It is there, but deserves less trust.
    Doubtful(Caveat),
}

/// A price that is not as good as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The price that is in doubt.
    pub key: PriceKey,
    /// Whether it is missing, has no end, or deserves less trust.
    pub kind: FindingKind,
}

/// How good a price book is for some regions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PriceCheck {
    /// The book's edition.
    #[serde(rename = "book_version")]
    pub version: Date,
    /// The regions looked at; prices that hold everywhere are among them.
    pub regions: Vec<Region>,
    /// How many prices are known there.
    pub prices: usize,
    /// What is not good.
    pub findings: Vec<Finding>,
}

impl PriceBook {
    /// Looks for prices that are missing, doubtful, or from before `oldest`.
    pub fn check(&self, regions: &[Region], oldest: Date) -> PriceCheck {
        let wanted = |scope: Scope| {
            scope == Scope::Global || regions.iter().any(|r| scope == Scope::Region(*r))
        };
        let mut findings = BTreeSet::new();
        let mut prices = 0;
        for (key, price) in self.prices().filter(|(key, _)| wanted(key.scope)) {
            prices += 1;
            for tier in price.tiers() {
                if let Some(caveat) = tier.caveat(oldest) {
                    findings.insert((key.clone(), FindingKind::Doubtful(caveat)));
                }
            }
            if price.tiers().last().is_some_and(|tier| tier.to.is_some()) {
                findings.insert((key.clone(), FindingKind::Open));
            }
        }
        for (key, _) in self.prices() {
            // Prices to or from a named region are no gap elsewhere.
            if key.scope == Scope::Global || key.is_of_a_pair() {
                continue;
            }
            for region in regions {
                let here = PriceKey {
                    scope: Scope::Region(*region),
                    ..key.clone()
                };
                if self.price(&here).is_none() {
                    findings.insert((here, FindingKind::Missing));
                }
            }
        }
        PriceCheck {
            version: self.version(),
            regions: regions.to_vec(),
            prices,
            findings: findings
                .into_iter()
                .map(|(key, kind)| Finding { key, kind })
                .collect(),
        }
    }
}

impl PriceCheck {
    /// Nothing is missing, doubtful or old.
    pub fn is_fine(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Report for PriceCheck {
    const KIND: &'static str = "price-check";

    fn document(&self) -> Document {
        let rows = self
            .findings
            .iter()
            .map(|finding| {
                let (mark, what) = match finding.kind {
                    FindingKind::Missing => (Mark::Wrong, "missing".to_owned()),
                    FindingKind::Open => (Mark::Unknown, "last tier missing".to_owned()),
                    FindingKind::Doubtful(caveat) => (Mark::Unknown, caveat.to_string()),
                };
                let key = &finding.key;
                let cells = vec![
                    what,
                    key.scope.to_string(),
                    key.service.code().to_owned(),
                    key.item.clone(),
                ];
                (mark, cells)
            })
            .collect();
        let count = |wanted: fn(&FindingKind) -> bool| {
            self.findings.iter().filter(|f| wanted(&f.kind)).count()
        };
        Document::new()
            .heading(format!("Price book of {}", self.version))
            .table(["Finding", "Region", "Service", "Item"], rows)
            .text(format!(
                "{} prices; {} missing, {} without a last tier, {} derived, assumed or old",
                self.prices,
                count(|kind| *kind == FindingKind::Missing),
                count(|kind| *kind == FindingKind::Open),
                count(|kind| matches!(kind, FindingKind::Doubtful(_))),
            ))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn price_check_finds_gaps_age_and_doubt() {
        let book = PriceBook::builtin().unwrap();
        let region: Region = "ca-central-1".parse().unwrap();
        let check = book.check(&[region], date(2025, 11, 22));
        let has = |item: &str, kind: fn(&FindingKind) -> bool| {
            check
                .findings
                .iter()
                .any(|finding| finding.key.item == item && kind(&finding.kind))
        };
        assert!(has(
            "instance postgresql db.r7g.large multi-az",
            |kind| *kind == FindingKind::Missing
        ));
        assert!(!has("instance postgresql db.t4g.medium multi-az", |_| true));
        assert!(has("node redis cache.t4g.micro", |kind| *kind
            == FindingKind::Doubtful(Caveat::Derived)));
        assert!(has("storage standard", |kind| *kind == FindingKind::Open));
        assert!(has("to other regions", |kind| matches!(
            kind,
            FindingKind::Doubtful(Caveat::TestData)
        )));
        assert!(!has("to ca-central-1", |kind| *kind == FindingKind::Missing));
    }
}
