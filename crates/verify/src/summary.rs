//! What a person at a terminal wants to know first.

use std::collections::BTreeMap;

use report::finding::Status;
use report::{Document, Mark};

use crate::check::{Answer, Check, Checked};

/// The items of the guide's checklist, in its order.
const ITEMS: [&str; 15] = [
    "VPC and subnets",
    "NAT gateways",
    "Database",
    "Redis",
    "Buckets",
    "Distribution",
    "Roles",
    "Security groups",
    "Key",
    "Secrets",
    "Dashboard",
    "Alarms",
    "Topics",
    "Flow logs",
    "Tags",
];

impl Checked {
    /// The result for a terminal: what is wrong or unknown, the worst first, with what to do; then each item in a
    /// line. With `all`, every answer too.
    pub fn summary(&self, all: bool) -> Document {
        let mut document = Document::new().heading(format!(
            "{} in {}: {}",
            self.environment,
            self.region,
            counts(&self.answers.iter().collect::<Vec<_>>())
        ));
        for exception in &self.residency {
            document = document.text(format!("note: {exception}"));
        }
        document = document.table(["Status", "What"], self.problems());
        document = document.table(["Status", "Item", "Checks"], self.items());
        if !all {
            let hidden = self.count(Status::Ok) + self.count(Status::Skipped);
            return document.text(format!("{hidden} answers are not shown; -v shows them"));
        }
        let rows = self
            .answers
            .iter()
            .filter(|answer| matches!(answer.status, Status::Ok | Status::Skipped))
            .map(|answer| {
                let cells = vec![
                    answer.status.word().to_owned(),
                    format!("{}: {}", answer.check.id, answer.resource),
                    answer.shown(),
                ];
                (answer.status.mark(), cells)
            });
        document.table(["Status", "Check", "AWS"], rows.collect())
    }

    /// Each check that found something wrong or unknown, with all the resources it is about.
    fn problems(&self) -> Vec<(Mark, Vec<String>)> {
        let mut found: BTreeMap<(Status, &'static str), Vec<&Answer>> = BTreeMap::new();
        for answer in &self.answers {
            if matches!(answer.status, Status::Wrong | Status::Unknown) {
                found
                    .entry((answer.status, answer.check.id))
                    .or_default()
                    .push(answer);
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        let check = |answers: &[&Answer]| answers.first().map(|answer| answer.check);
        // Wrong before unknown, the worst first.
        found.sort_by_key(|((status, id), answers)| {
            let severity = check(answers).map(|check| std::cmp::Reverse(check.severity));
            (*status, severity, *id)
        });
        found
            .iter()
            .filter_map(|((status, _), answers)| Some(block(*status, check(answers)?, answers)))
            .flatten()
            .collect()
    }

    /// Each item of the checklist, with the worst of its answers.
    pub(crate) fn items(&self) -> Vec<(Mark, Vec<String>)> {
        let mut found: BTreeMap<u8, Vec<&Answer>> = BTreeMap::new();
        for answer in &self.answers {
            let item = answer.check.item.unwrap_or(u8::MAX);
            found.entry(item).or_default().push(answer);
        }
        let line = |(item, answers): (u8, Vec<&Answer>)| {
            let name = name((item != u8::MAX).then_some(item));
            let worst = [Status::Wrong, Status::Unknown, Status::Ok];
            let worst = worst
                .into_iter()
                .find(|status| answers.iter().any(|answer| answer.status == *status))
                .unwrap_or(Status::Skipped);
            (
                worst.mark(),
                vec![worst.word().to_owned(), name, counts(&answers)],
            )
        };
        found.into_iter().map(line).collect()
    }
}

/// An item of the checklist with its number.
pub(crate) fn name(item: Option<u8>) -> String {
    item.and_then(|item| Some((item, ITEMS.get(usize::from(item).checked_sub(1)?)?)))
        .map_or("Security practices".to_owned(), |(item, name)| {
            format!("{item:>2} {name}")
        })
}

fn block(status: Status, check: &Check, answers: &[&Answer]) -> Vec<(Mark, Vec<String>)> {
    let row = |name: &str, text: String| (Mark::Plain, vec![format!("  {name}"), text]);
    let title = format!("{} ({}): {}", check.id, check.severity.word(), check.title);
    let mut rows = vec![(status.mark(), vec![status.word().to_owned(), title])];
    for answer in answers {
        rows.push(row("where", answer.resource.clone()));
        rows.push(row("expected", answer.expected.clone()));
        rows.extend(answer.terraform.clone().map(|text| row("terraform", text)));
        rows.push(row("AWS", answer.shown()));
    }
    rows.push(row("why", check.why.to_owned()));
    if status == Status::Wrong {
        rows.push(row("fix", check.fix.to_owned()));
    }
    rows
}

fn counts(answers: &[&Answer]) -> String {
    let all = [Status::Ok, Status::Wrong, Status::Unknown, Status::Skipped];
    let each = all.into_iter().filter_map(|status| {
        let count = answers
            .iter()
            .filter(|answer| answer.status == status)
            .count();
        (count > 0).then(|| format!("{count} {}", status.word()))
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() {
        return "nothing was asked".to_owned();
    }
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use crate::sample::sample;

    #[test]
    fn what_needs_somebody_comes_first_and_the_rest_is_counted() {
        let text = sample().summary(false).to_terminal(Some(60), false);
        let at = |part: &str| {
            text.find(part)
                .unwrap_or_else(|| panic!("{part} in {text}"))
        };
        assert!(
            at("1 ok, 1 wrong, 1 unknown, 1 skipped") < at("wrong    "),
            "{text}"
        );
        assert!(
            at("db-1") < at("set multi_az") && at("set multi_az") < at("db-3"),
            "{text}"
        );
        assert!(at("denied") < at("3 Database"), "{text}");
        assert!(
            !text.contains("db-2") && text.contains("2 answers are not shown"),
            "{text}"
        );
        // Tables keep to the terminal; a terminal breaks lines of text itself.
        let mut rows = text.lines().filter(|line| line.starts_with(' '));
        assert!(rows.all(|line| line.chars().count() <= 60), "{text}");
        let all = sample().summary(true).to_terminal(Some(100), false);
        assert!(
            all.contains("rds-multi-az: db-2") && all.contains("no VPC"),
            "{all}"
        );
        assert!(!all.contains("not shown"), "{all}");
    }
}
