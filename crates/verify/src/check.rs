use std::collections::BTreeSet;

use evidence::{CheckResult, CheckResults, Redact, Redactor};
use jiff::Timestamp;
use report::finding::{Observation, Severity, Status};
use report::{Document, Report};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use settings::{Waiver, Waivers};

use crate::locate::ResourceFound;
use crate::policy::covers;

/// A question that is asked of AWS.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name: area, hyphen, what is asked: `rds-multi-az`. Never reused for another question.
    pub id: &'static str,
    /// The item of the guide's checklist, 1 to 15; `None` for its security practices.
    pub item: Option<u8>,
    /// How bad it is when the answer is wrong.
    pub severity: Severity,
    /// What has to hold, in a few words.
    pub title: &'static str,
    /// What happens when it does not.
    pub why: &'static str,
    /// What to do then.
    pub fix: &'static str,
}

/// The answer to a check for one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The question.
    pub check: &'static Check,
    /// Which resource was asked about.
    pub resource: String,
    /// What came out.
    pub status: Status,
    /// What should be.
    pub expected: String,
    /// What terraform says of it, where it says anything.
    pub terraform: Option<String>,
    /// What AWS says, where it says anything.
    pub aws: Option<String>,
    /// Why it is unknown or was skipped.
    pub reason: Option<String>,
    /// By whom it was accepted although it is wrong; it is skipped then.
    pub accepted: Option<Waiver>,
    /// The waiver by which it was accepted until a day that is over; it is wrong again then.
    pub lapsed: Option<Waiver>,
}

/// Whose demand a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// The deployment guide's: it has to hold.
    Guide,
    /// Good practice, which the guide does not name: it should hold.
    Practice,
    /// Of the whole account, which others may look after.
    Account,
}

impl Grade {
    /// All of them, the most binding first.
    pub const ALL: [Self; 3] = [Self::Guide, Self::Practice, Self::Account];

    /// The grade in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Practice => "practice",
            Self::Account => "account",
        }
    }
}

impl Check {
    /// Whose demand it is.
    pub fn grade(&self) -> Grade {
        match self.item {
            Some(_) => Grade::Guide,
            None if self.id.starts_with("account-") => Grade::Account,
            None => Grade::Practice,
        }
    }

    /// The answer about `resource`, from what AWS showed and whether that is as `expected`.
    ///
    /// A resource that is known to be absent is wrong; one that could not be seen is unknown.
    pub fn answer(
        &'static self,
        resource: impl Into<String>,
        expected: impl Into<String>,
        terraform: Option<String>,
        aws: Observation<(bool, String)>,
    ) -> Answer {
        let (status, aws, reason) = match aws {
            Ok((true, aws)) => (Status::Ok, Some(aws), None),
            Ok((false, aws)) => (Status::Wrong, Some(aws), None),
            Err(unobserved) if unobserved.absent => (
                Status::Wrong,
                Some("absent".into()),
                Some(unobserved.reason),
            ),
            Err(unobserved) => (Status::Unknown, None, Some(unobserved.reason)),
        };
        Answer {
            check: self,
            resource: resource.into(),
            status,
            expected: expected.into(),
            terraform,
            aws,
            reason,
            accepted: None,
            lapsed: None,
        }
    }

    /// Nothing was asked about `resource`, because of `reason`.
    pub fn skipped(
        &'static self,
        resource: impl Into<String>,
        reason: impl Into<String>,
    ) -> Answer {
        Answer {
            check: self,
            resource: resource.into(),
            status: Status::Skipped,
            expected: self.title.to_owned(),
            terraform: None,
            aws: None,
            reason: Some(reason.into()),
            accepted: None,
            lapsed: None,
        }
    }
}

impl Answer {
    /// What AWS shows, and why that is all.
    pub(crate) fn shown(&self) -> String {
        let shown = [self.aws.as_deref(), self.reason.as_deref()];
        shown.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Answer", 14)?;
        out.serialize_field("id", self.check.id)?;
        out.serialize_field("item", &self.check.item)?;
        out.serialize_field("grade", &self.check.grade())?;
        out.serialize_field("severity", &self.check.severity)?;
        out.serialize_field("title", self.check.title)?;
        out.serialize_field("status", &self.status)?;
        out.serialize_field("resource", &self.resource)?;
        out.serialize_field("expected", &self.expected)?;
        out.serialize_field("terraform", &self.terraform)?;
        out.serialize_field("aws", &self.aws)?;
        out.serialize_field("reason", &self.reason)?;
        out.serialize_field("accepted", &self.accepted)?;
        out.serialize_field("why", self.check.why)?;
        out.serialize_field("fix", self.check.fix)?;
        out.end()
    }
}

/// The answers of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    /// The environment: project and environment, with a hyphen between.
    pub environment: String,
    /// Where it runs.
    pub region: String,
    /// The account that answered.
    pub account: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
    /// Exceptions from the residency policy that are in use.
    pub residency: Vec<String>,
    /// Which resources were asked about, and how they were found.
    pub resources: Vec<ResourceFound>,
    /// The answers, by item, then by id, then by resource.
    pub answers: Vec<Answer>,
}

impl Checked {
    /// How many answers have `status`.
    pub fn count(&self, status: Status) -> usize {
        self.answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    }
}

impl Checked {
    /// Takes what somebody has accepted out of what is wrong: it is shown as skipped, with who accepted it and why. A waiver
    /// that has run out accepts nothing, and is told with the answer. What is unknown cannot be accepted.
    pub fn accept(&mut self, waivers: &Waivers) {
        let today = self.at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let wrong = self.answers.iter_mut();
        for answer in wrong.filter(|answer| answer.status == Status::Wrong) {
            let of = |waiver: &&Waiver| {
                waiver.check == answer.check.id && covers(&waiver.resource, &answer.resource)
            };
            let (open, over): (Vec<&Waiver>, Vec<&Waiver>) = waivers
                .iter()
                .filter(of)
                .partition(|waiver| waiver.expires >= today);
            if let Some(waiver) = open.first() {
                answer.status = Status::Skipped;
                answer.reason = Some(accepted(waiver, &by(waiver)));
                answer.accepted = Some((*waiver).clone());
            } else if let Some(waiver) = over.first() {
                let told = lapsed(waiver, &by(waiver));
                let told = answer.reason.take().into_iter().chain([told]);
                answer.reason = Some(told.collect::<Vec<_>>().join("; "));
                answer.lapsed = Some((*waiver).clone());
            }
        }
    }

    /// Waivers that accepted nothing in this run: what they were for is right by now, or they name nothing.
    pub fn idle<'w>(&self, waivers: &'w Waivers) -> Vec<&'w Waiver> {
        let used = |waiver: &Waiver| {
            let mut answers = self.answers.iter();
            answers.any(|answer| answer.accepted.as_ref() == Some(waiver))
        };
        waivers.iter().filter(|waiver| !used(waiver)).collect()
    }

    /// The worst answer of a grade.
    pub fn verdict(&self, grade: Grade) -> Status {
        let answers = self
            .answers
            .iter()
            .filter(|answer| answer.check.grade() == grade);
        let found: BTreeSet<Status> = answers.map(|answer| answer.status).collect();
        let worst = [Status::Wrong, Status::Unknown, Status::Ok];
        let worst = worst.into_iter().find(|status| found.contains(status));
        worst.unwrap_or(Status::Skipped)
    }
}

impl Redact for Answer {
    /// Terraform's own column shows outputs that nobody has marked, and AWS's whatever somebody has written there.
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            resource: self.resource.redact(redactor),
            expected: self.expected.redact(redactor),
            terraform: self.terraform.redact(redactor),
            aws: self.aws.redact(redactor),
            reason: self.reason.redact(redactor),
            ..self
        }
    }
}

impl Redact for ResourceFound {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            value: self.value.redact(redactor),
            how: self.how.redact(redactor),
            ..self
        }
    }
}

impl Redact for Checked {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            resources: self.resources.redact(redactor),
            answers: self.answers.redact(redactor),
            ..self
        }
    }
}

impl Report for Checked {
    const KIND: &'static str = "check";

    fn document(&self) -> Document {
        let rows = |answers: &mut dyn Iterator<Item = &Answer>| {
            answers
                .map(|answer| {
                    let item = answer.check.item.map(|item| item.to_string());
                    let cells = vec![
                        answer.status.word().to_owned(),
                        item.unwrap_or_default(),
                        answer.check.id.to_owned(),
                        answer.resource.clone(),
                        answer.expected.clone(),
                        answer.terraform.clone().unwrap_or_default(),
                        answer.shown(),
                    ];
                    (answer.status.mark(), cells)
                })
                .collect::<Vec<_>>()
        };
        let columns = [
            "Status",
            "Item",
            "Check",
            "Resource",
            "Expected",
            "Terraform",
            "AWS",
        ];
        let mut document = Document::new().heading(format!(
            "{} in {}: {} ok, {} wrong, {} unknown, {} skipped",
            self.environment,
            self.region,
            self.count(Status::Ok),
            self.count(Status::Wrong),
            self.count(Status::Unknown),
            self.count(Status::Skipped),
        ));
        for exception in &self.residency {
            document = document.text(format!("note: {exception}"));
        }
        document = document.table(columns, rows(&mut self.answers.iter()));
        let fixes = self.remedies();
        if !fixes.is_empty() {
            document = document.heading("What to do");
        }
        document.table(Self::REMEDIES, fixes)
    }
}

/// Who has accepted something, for a sentence about it.
fn by(waiver: &Waiver) -> String {
    format!(" by {}", waiver.by)
}

fn accepted(waiver: &Waiver, by: &str) -> String {
    let Waiver {
        reason, expires, ..
    } = waiver;
    format!("accepted until {expires}{by}: {reason}")
}

fn lapsed(waiver: &Waiver, by: &str) -> String {
    format!("accepted{by} until {}, which is over", waiver.expires)
}

/// The answers as evidence keeps them.
impl From<&Checked> for CheckResults {
    fn from(checked: &Checked) -> Self {
        Self {
            at: checked.at,
            account: checked.account.clone(),
            answers: checked.answers.iter().map(CheckResult::from).collect(),
        }
    }
}

/// Captures hold no names of people: who has accepted something is in the file of waivers, which is kept beside them.
impl From<&Answer> for CheckResult {
    fn from(answer: &Answer) -> Self {
        let reason = match (&answer.reason, &answer.accepted, &answer.lapsed) {
            (_, Some(waiver), _) => Some(accepted(waiver, "")),
            (Some(reason), None, Some(waiver)) => {
                Some(reason.replace(&lapsed(waiver, &by(waiver)), &lapsed(waiver, "")))
            }
            (reason, None, _) => reason.clone(),
        };
        Self {
            id: answer.check.id.to_owned(),
            item: answer.check.item,
            severity: answer.check.severity,
            status: answer.status,
            resource: answer.resource.clone(),
            expected: answer.expected.clone(),
            terraform: answer.terraform.clone(),
            aws: answer.aws.clone(),
            reason,
            accepted_until: answer.accepted.as_ref().map(|waiver| waiver.expires),
        }
    }
}

#[cfg(test)]
mod tests {
    use report::finding::Unobserved;

    use super::*;

    static CHECK: Check = Check {
        id: "rds-multi-az",
        item: Some(3),
        severity: Severity::High,
        title: "the database has a standby",
        why: "w",
        fix: "f",
    };

    fn waivers(expires: &str) -> Waivers {
        let text = format!(
            "[[waivers]]\ncheck = \"rds-multi-az\"\nresource = \"db-*\"\nreason = \"one zone will do\"\n\
             by = \"Ada\"\nexpires = {expires}\n[[waivers]]\ncheck = \"sg-open\"\nreason = \"r\"\nby = \"Ada\"\n\
             expires = {expires}\n"
        );
        Waivers::parse(&text).unwrap()
    }

    #[test]
    fn accept_takes_what_is_wrong_and_never_what_is_unknown() {
        let mut checked = crate::sample::sample();
        let waivers = waivers("2026-11-26");
        checked.accept(&waivers);
        let [accepted, fine, unseen, _] = &checked.answers[..] else {
            panic!("{checked:?}")
        };
        assert_eq!(accepted.status, Status::Skipped);
        let told = accepted.reason.as_deref().unwrap();
        assert_eq!(told, "accepted until 2026-11-26 by Ada: one zone will do");
        assert_eq!(accepted.accepted.as_ref().unwrap().by, "Ada");
        assert_eq!((fine.status, unseen.status), (Status::Ok, Status::Unknown));
        let idle = checked.idle(&waivers);
        assert_eq!(idle.len(), 1);
        assert_eq!(idle[0].check, "sg-open");
        let kept = CheckResult::from(&checked.answers[0]).reason.unwrap();
        assert_eq!(kept, "accepted until 2026-11-26: one zone will do");
    }

    #[test]
    fn accept_by_a_waiver_that_is_over_leaves_it_wrong_and_says_so() {
        let mut checked = crate::sample::sample();
        checked.accept(&waivers("2026-11-25"));
        let answer = &checked.answers[0];
        assert_eq!(answer.status, Status::Wrong);
        let told = answer.reason.as_deref().unwrap();
        assert!(
            told.contains("by Ada until 2026-11-25, which is over"),
            "{told}"
        );
        let kept = CheckResult::from(answer).reason.unwrap();
        assert!(
            kept.contains("accepted until 2026-11-25, which is over"),
            "{kept}"
        );
        assert_eq!(checked.verdict(Grade::Guide), Status::Wrong);
        assert_eq!(checked.verdict(Grade::Practice), Status::Skipped);
        assert_eq!(checked.verdict(Grade::Account), Status::Skipped);
    }

    #[test]
    fn what_cannot_be_seen_is_unknown_and_what_is_not_there_is_wrong() {
        let status = |aws| CHECK.answer("db", "true", None, aws).status;
        assert_eq!(status(Ok((true, "true".into()))), Status::Ok);
        assert_eq!(status(Ok((false, "false".into()))), Status::Wrong);
        assert_eq!(status(Err(Unobserved::because("denied"))), Status::Unknown);
        assert_eq!(status(Err(Unobserved::absent("404"))), Status::Wrong);
    }
}
