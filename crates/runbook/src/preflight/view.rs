//! A preflight as people and programs read it.

use report::finding::{Severity, Status};
use report::results::{Case, Results, Rule, Source, Suite, ToResults};
use report::{Chart, Document, Mark, Page, Report, Tally};

use super::{Area, Item, Preflight};

const COLUMNS: [&str; 5] = ["Status", "What", "Resource", "Expected", "Seen"];

impl Item {
    fn row(&self) -> (Mark, Vec<String>) {
        let seen = [self.seen.clone(), self.reason.clone()];
        let cells = vec![
            self.status.word().to_owned(),
            self.what.clone(),
            self.resource.clone(),
            self.expected.clone(),
            seen.into_iter().flatten().collect::<Vec<_>>().join(": "),
        ];
        (self.status.mark(), cells)
    }

    fn case(&self, why: &str) -> Case {
        let severity = match self.status {
            Status::Wrong => Severity::High,
            _ => Severity::Medium,
        };
        Case {
            rule: Rule {
                id: self.what.clone(),
                title: self.what.replace('-', " "),
                why: why.to_owned(),
                fix: self
                    .fix
                    .clone()
                    .unwrap_or_else(|| "see what was expected and what was seen".to_owned()),
                severity,
                tags: Vec::new(),
            },
            resource: self.resource.clone(),
            status: self.status,
            expected: self.expected.clone(),
            terraform: None,
            observed: self.seen.clone(),
            reason: self.reason.clone(),
        }
    }
}

impl Preflight {
    /// The verdict in a word, as it is shown.
    pub fn word(&self) -> &'static str {
        match self.verdict() {
            Status::Ok => "ready",
            Status::Wrong => "not ready",
            Status::Unknown | Status::Skipped => "not known to be ready",
        }
    }

    fn tally(&self) -> Tally {
        Tally {
            ok: self.count(Status::Ok),
            wrong: self.count(Status::Wrong),
            unknown: self.count(Status::Unknown),
            skipped: self.count(Status::Skipped),
        }
    }

    fn head(&self) -> Document {
        let mut document = Document::new()
            .heading(format!(
                "Preflight: {} from {} to {}",
                self.environment, self.primary, self.dr
            ))
            .fact(self.verdict().mark(), "verdict", self.word());
        for (mark, label, status) in [
            (Mark::Wrong, "wrong", Status::Wrong),
            (Mark::Unknown, "unknown", Status::Unknown),
        ] {
            let count = self.count(status);
            let mark = if count == 0 { Mark::Plain } else { mark };
            document = document.fact(mark, label, count.to_string());
        }
        let account = self.account.as_deref().unwrap_or("not known");
        document = document.fact(Mark::Plain, "account", account);
        document = document.text(format!("Looked at {:.0} by {}.", self.at, self.operator));
        if self.alone {
            document = document.text("Nothing of the primary region was called (--alone).");
        }
        for exception in &self.residency {
            document = document.text(format!("Exception from the residency policy: {exception}"));
        }
        document
    }

    /// What is not as it should be, each with what to do.
    fn fixes(&self, document: Document) -> Document {
        let rows = self.items().filter_map(|item| {
            let cells = vec![item.what.clone(), item.resource.clone(), item.fix.clone()?];
            Some((item.status.mark(), cells))
        });
        let rows: Vec<_> = rows.collect();
        match rows.is_empty() {
            true => document,
            false => document
                .heading("What to do")
                .table(["What", "Resource", "Fix"], rows),
        }
    }

    fn areas(&self, document: Document) -> Document {
        self.areas.iter().fold(document, |document, area| {
            let rows = area.items.iter().map(Item::row).collect();
            document.heading(area.name.as_str()).table(COLUMNS, rows)
        })
    }
}

impl Report for Preflight {
    const KIND: &'static str = "preflight";

    fn document(&self) -> Document {
        self.fixes(self.areas(self.head()))
    }
}

impl ToResults for Preflight {
    fn results(&self) -> Results {
        let suite = |area: &Area| Suite {
            name: area.name.clone(),
            cases: area.items.iter().map(|item| item.case(&area.why)).collect(),
        };
        Results {
            program: "dr-runbook",
            command: "preflight",
            environment: self.environment.clone(),
            region: Some(self.dr.to_string()),
            at: self.at.to_string(),
            source: Source::Looked,
            residency: self.residency.clone(),
            suites: self.areas.iter().map(suite).collect(),
        }
    }

    /// With a picture of the items, and the plan that a failover would have had.
    fn to_page(&self) -> String {
        let page = Page::new(format!("Preflight of {}", self.environment))
            .about("From", self.primary.as_str())
            .about("To", self.dr.as_str())
            .about("Looked at", format!("{:.0}", self.at))
            .about("By", self.operator.as_str());
        let document = self.head().chart(Chart::tally("Items", self.tally()));
        let document = self.areas(self.fixes(document));
        document.append(self.plan.document()).to_html(&page)
    }
}
