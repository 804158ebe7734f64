//! What a person at a terminal wants to know first.

use std::collections::{BTreeMap, BTreeSet};

use report::finding::Status;
use report::{Document, Mark};

use crate::check::{Answer, Check, Checked, Grade};

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
        document = document.table(["Status", "Demanded by", "Checks"], self.verdicts());
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

    /// What came out for the guide, for good practice and for the account.
    pub(crate) fn verdicts(&self) -> Vec<(Mark, Vec<String>)> {
        let of = |grade: Grade| {
            let answers = self.answers.iter();
            let answers: Vec<&Answer> = answers
                .filter(|answer| answer.check.grade() == grade)
                .collect();
            let status = self.verdict(grade);
            let row = [status.word(), grade.word(), &counts(&answers)].map(str::to_owned);
            (!answers.is_empty()).then(|| (status.mark(), row.to_vec()))
        };
        Grade::ALL.into_iter().filter_map(of).collect()
    }

    /// Each check that found something wrong or unknown, with all the resources it is about.
    fn problems(&self) -> Vec<(Mark, Vec<String>)> {
        let mut found: BTreeMap<(Status, &str), Vec<&Answer>> = BTreeMap::new();
        for answer in &self.answers {
            let cause = match answer.status {
                Status::Wrong => answer.check.id,
                // One denied call may make many checks unknown: it is told once.
                Status::Unknown => cause(answer),
                Status::Ok | Status::Skipped => continue,
            };
            found
                .entry((answer.status, cause))
                .or_default()
                .push(answer);
        }
        let mut found: Vec<_> = found.into_iter().collect();
        let check = |answers: &[&Answer]| answers.first().map(|answer| answer.check);
        // Wrong before unknown, the worst first; what is of the whole account last.
        found.sort_by_key(|((status, id), answers)| {
            let of_account = check(answers).map(|check| check.grade() == Grade::Account);
            let severity = answers.iter().map(|answer| answer.check.severity).max();
            (*status, of_account, std::cmp::Reverse(severity), *id)
        });
        found
            .iter()
            .filter_map(|((status, cause), answers)| {
                let check = check(answers)?;
                let alike = answers.iter().all(|answer| answer.check == check);
                Some(match alike {
                    true => block(*status, check, answers),
                    false => unknown(cause, answers),
                })
            })
            .flatten()
            .collect()
    }

    /// What has to change, resource by resource, for what is wrong: the guide's first, the worst first. Resources with which
    /// the same is wrong share a row.
    pub(crate) fn remedies(&self) -> Vec<(Mark, Vec<String>)> {
        let mut found: Vec<(&Answer, BTreeSet<&str>)> = Vec::new();
        for answer in self
            .answers
            .iter()
            .filter(|one| one.status == Status::Wrong)
        {
            let same = |(of, _): &&mut (&Answer, BTreeSet<&str>)| {
                of.check == answer.check && of.expected == answer.expected && of.aws == answer.aws
            };
            match found.iter_mut().find(same) {
                Some((_, resources)) => drop(resources.insert(&answer.resource)),
                None => found.push((answer, BTreeSet::from([answer.resource.as_str()]))),
            }
        }
        found.sort_by_key(|(answer, _)| {
            (
                answer.check.grade(),
                std::cmp::Reverse(answer.check.severity),
            )
        });
        let row = |(answer, resources): (&Answer, BTreeSet<&str>)| {
            let check = answer.check;
            let resources: Vec<&str> = resources.into_iter().collect();
            let cells = [
                check.severity.word(),
                check.id,
                &resources.join(", "),
                &answer.shown(),
                &answer.expected,
                check.why,
                check.fix,
            ];
            (Mark::Wrong, cells.map(str::to_owned).to_vec())
        };
        found.into_iter().map(row).collect()
    }

    /// The columns of [`Self::remedies`].
    pub(crate) const REMEDIES: [&str; 7] = [
        "Severity", "Check", "Resource", "AWS", "Wanted", "Why", "Fix",
    ];

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

/// Why nobody could tell, without what is another in every call.
fn cause(answer: &Answer) -> &str {
    let reason = answer.reason.as_deref().unwrap_or_default();
    let call = reason.find("request ");
    call.map_or(reason, |end| {
        reason[..end].trim_end_matches([' ', '(', ','])
    })
}

/// Many checks that are unknown for one reason.
fn unknown(cause: &str, answers: &[&Answer]) -> Vec<(Mark, Vec<String>)> {
    let ids: BTreeSet<&str> = answers.iter().map(|answer| answer.check.id).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let (status, count) = (Status::Unknown, answers.len());
    let title = vec![status.word().to_owned(), cause.to_owned()];
    let asked = format!("{count} answers of {}", ids.join(", "));
    vec![
        (status.mark(), title),
        (Mark::Plain, vec!["  checks".to_owned(), asked]),
    ]
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
    use report::finding::Status;

    use crate::sample::sample;

    #[test]
    fn summary_tells_one_cause_once_however_many_checks_it_makes_unknown() {
        let mut checked = sample();
        let denied = checked.answers[2].clone();
        checked.answers[3].status = Status::Unknown;
        for (answer, request) in checked.answers[2..].iter_mut().zip(["1", "2"]) {
            answer.reason = Some(format!("EC2 DescribeVpcs: denied (request {request})"));
        }
        let text = checked.summary(false).to_terminal(Some(100), false);
        assert_eq!(text.matches("DescribeVpcs").count(), 1, "{text}");
        assert!(
            text.contains("2 answers of rds-multi-az, sg-open"),
            "{text}"
        );
        // Of one check there is more to say.
        checked.answers = vec![denied];
        let text = checked.summary(false).to_terminal(Some(100), false);
        assert!(
            text.contains("db-3") && text.contains("a standby"),
            "{text}"
        );
    }

    #[test]
    fn remedies_name_what_has_to_change_and_collapse_what_is_alike() {
        let mut checked = sample();
        let mut other = checked.answers[0].clone();
        other.resource = "db-9".to_owned();
        checked.answers.push(other);
        let remedies = checked.remedies();
        let [(_, cells)] = &remedies[..] else {
            panic!("{remedies:?}")
        };
        assert_eq!(cells[2], "db-1, db-9");
        assert_eq!(
            (cells[4].as_str(), cells[6].as_str()),
            ("a standby", "set multi_az")
        );
    }

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
