//! What a page about a run shows.

use report::finding::Status;
use report::{Chart, Document, Mark, Page, Tally};

use crate::check::{Answer, Checked};
use crate::summary::name;

impl Checked {
    /// The result as one self-contained page of HTML.
    pub fn to_html(&self) -> String {
        let mut page = Page::new(format!("{} in {}", self.environment, self.region))
            .about("Checked", self.at.to_string());
        if let Some(account) = &self.account {
            page = page.about("Account", account);
        }
        self.page().to_html(&page)
    }

    /// The result for a page: the verdict in figures, what to do, the items of the checklist, and every answer below
    /// its item.
    pub fn page(&self) -> Document {
        let count = |status| self.count(status);
        let verdict = match (count(Status::Wrong), count(Status::Unknown)) {
            (0, 0) if self.answers.is_empty() => (Mark::Unknown, "unknown"),
            (0, 0) => (Mark::Ok, "ok"),
            (0, _) => (Mark::Unknown, "unknown"),
            _ => (Mark::Wrong, "wrong"),
        };
        let tally = Tally {
            ok: count(Status::Ok),
            wrong: count(Status::Wrong),
            unknown: count(Status::Unknown),
            skipped: count(Status::Skipped),
        };
        let mut document = Document::new()
            .heading("Verdict")
            .fact(verdict.0, "Verdict", verdict.1)
            .fact(Mark::Plain, "Answers", self.answers.len().to_string());
        for (mark, label, count) in [
            (Mark::Wrong, "Wrong", tally.wrong),
            (Mark::Unknown, "Unknown", tally.unknown),
        ] {
            let mark = if count == 0 { Mark::Plain } else { mark };
            document = document.fact(mark, label, count.to_string());
        }
        document = document.chart(Chart::tally("Answers", tally));
        for exception in &self.residency {
            document = document.text(format!("Exception from the residency policy: {exception}"));
        }
        let fixes = self.remedies();
        if !fixes.is_empty() {
            document = document.heading("What to do").table(Self::REMEDIES, fixes);
        }
        if !self.answers.is_empty() {
            document = document
                .heading("Checklist")
                .table(["Status", "Item", "Answers"], self.items());
        }
        for answers in self.answers.chunk_by(|a, b| a.check.item == b.check.item) {
            let Some(first) = answers.first() else {
                continue;
            };
            document = document.heading(name(first.check.item).trim_start()).table(
                [
                    "Status",
                    "Check",
                    "Resource",
                    "Expected",
                    "Terraform",
                    "AWS",
                ],
                answers.iter().map(row).collect(),
            );
        }
        document
    }
}

fn row(answer: &Answer) -> (Mark, Vec<String>) {
    let cells = vec![
        answer.status.word().to_owned(),
        answer.check.id.to_owned(),
        answer.resource.clone(),
        answer.expected.clone(),
        answer.terraform.clone().unwrap_or_default(),
        answer.shown(),
    ];
    (answer.status.mark(), cells)
}

#[cfg(test)]
mod tests {
    use report::Section;

    use super::*;
    use crate::sample::sample;

    fn headings(document: &Document) -> Vec<&str> {
        document
            .sections()
            .iter()
            .filter_map(|section| match section {
                Section::Heading(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    fn verdict(checked: &Checked) -> (Mark, String) {
        let page = checked.page();
        let facts = page.sections().iter().find_map(|section| match section {
            Section::Facts(facts) => Some((facts[0].mark, facts[0].value.clone())),
            _ => None,
        });
        facts.unwrap()
    }

    #[test]
    fn every_answer_is_below_its_item() {
        let page = sample().page();
        assert_eq!(
            headings(&page),
            [
                "Verdict",
                "What to do",
                "Checklist",
                "3 Database",
                "Security practices"
            ]
        );
        let text = page.to_terminal(None, false);
        for part in [
            "db-1",
            "db-2",
            "db-3",
            "vpc",
            "set multi_az",
            "us-east-1: certificates",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("close it"), "{text}");
    }

    #[test]
    fn the_verdict_is_ok_only_if_there_are_answers_and_nothing_is_wrong_or_unknown() {
        let mut checked = sample();
        assert_eq!(verdict(&checked), (Mark::Wrong, "wrong".to_owned()));
        checked
            .answers
            .retain(|answer| answer.status != Status::Wrong);
        assert_eq!(verdict(&checked), (Mark::Unknown, "unknown".to_owned()));
        checked
            .answers
            .retain(|answer| answer.status != Status::Unknown);
        assert_eq!(verdict(&checked), (Mark::Ok, "ok".to_owned()));
        assert_eq!(headings(&checked.page())[..2], ["Verdict", "Checklist"]);
        checked.answers.clear();
        assert_eq!(verdict(&checked), (Mark::Unknown, "unknown".to_owned()));
    }
}
