use report::{Document, Mark, Report};

use super::{Tips, Trust};

impl Report for Tips {
    const KIND: &'static str = "cost-tips";

    fn document(&self) -> Document {
        let rows = self
            .tips
            .iter()
            .map(|tip| {
                let trust = match tip.trust {
                    Trust::Low => "low",
                    Trust::Medium => "medium",
                    Trust::High => "high",
                };
                let saves = tip.saves;
                let usd = if saves.low == saves.high {
                    saves.expected.to_string()
                } else {
                    format!("{} ({} to {})", saves.expected, saves.low, saves.high)
                };
                let change = match &tip.expect {
                    Some(expect) => {
                        format!("{}; in infra.toml expect = {{ {expect} }}", tip.change)
                    }
                    None => tip.change.clone(),
                };
                let cells = vec![
                    tip.name.clone(),
                    usd,
                    trust.to_owned(),
                    tip.how.clone(),
                    tip.risk.clone(),
                    change,
                ];
                (Mark::Plain, cells)
            })
            .collect();
        let mut document = Document::new()
            .heading("What could be saved in a month")
            .table(
                ["Tip", "Saves", "Confidence", "How", "Risk", "Change"],
                rows,
            );
        for note in &self.notes {
            document = document.text(format!("Note: {note}"));
        }
        document.text(format!(
            "Of {} a month. Savings of two tips on the same resource do not add up.",
            self.total.expected
        ))
    }
}
