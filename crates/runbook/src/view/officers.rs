//! The report for officers, as they read it.

use report::{Document, Mark, Page, Report};

use super::run::length;
use super::time;
use crate::{
    Abandonment, FoundLater, MadeIn, Mode, OfficersReport, Purpose, PutBack, RecordCheck,
    RecordsAccount, RunStatus, Unavailability,
};

const NOTE: &str = "Dates and facts from the records of the run; what follows from them is for those to say whose task that \
                    is. What the records do not tell is not known, and never counted as nothing. Times are UTC, by the clocks \
                    of the machines that carried the run.";

impl OfficersReport {
    /// One page that opens without a network, and prints.
    pub fn page(&self) -> String {
        let page = Page::new(format!("{} of {}", what(self.mode), self.environment))
            .about("Run", self.run.as_str())
            .about("From", self.way().0)
            .about("To", self.way().1)
            .about("Written", time(self.written))
            .about("Digest", self.digest.to_string());
        self.document().to_html(&page)
    }

    fn way(&self) -> (&'static str, &'static str) {
        let (primary, dr) = (self.primary.as_str(), self.dr.as_str());
        match self.mode {
            Mode::RegionLoss | Mode::Planned | Mode::Commit => (primary, dr),
            Mode::Failback | Mode::Undo => (dr, primary),
        }
    }

    fn head(&self) -> Document {
        let (from, to) = self.way();
        let (mark, end) = match &self.end {
            RunStatus::Open => (Mark::Unknown, "under way".to_owned()),
            RunStatus::Stopped { why } => (Mark::Wrong, format!("stopped: {why}")),
            RunStatus::Finished => (Mark::Ok, "finished".to_owned()),
            RunStatus::Abandoned { by, reason } => {
                (Mark::Wrong, format!("given up by {by}: {reason}"))
            }
        };
        let given_up = self.given_up.as_ref().map(Abandonment::document);
        let (made_mark, made) = match &self.made_in {
            MadeIn::Account { id } => (Mark::Plain, format!("in account {id}")),
            MadeIn::Emulator { endpoint: None } => (Mark::Unknown, EMULATOR.to_owned()),
            MadeIn::Emulator {
                endpoint: Some(endpoint),
            } => (Mark::Unknown, format!("{EMULATOR}, at {endpoint}")),
            MadeIn::NotKnown => (Mark::Unknown, "the account is not known".to_owned()),
        };
        let document = Document::new()
            .heading(format!("{} of {}", what(self.mode), self.environment))
            .fact(mark, "run", format!("{}: {end}", self.run))
            .fact(
                Mark::Plain,
                "purpose",
                match self.purpose {
                    Purpose::Drill => "a drill",
                    Purpose::Real => "not declared as a drill",
                },
            )
            .fact(made_mark, "made", made)
            .fact(Mark::Plain, "from", from)
            .fact(Mark::Plain, "to", to)
            .fact(Mark::Plain, "last record", time(self.last_record))
            .fact(Mark::Plain, "written", time(self.written));
        match given_up {
            Some(given_up) => document.append(given_up),
            None => document,
        }
    }

    fn lost(&self) -> Document {
        let number = |count: Option<u64>| {
            count.map_or_else(|| "not known".to_owned(), |count| count.to_string())
        };
        let mark = |count: Option<u64>| match count {
            Some(0) => Mark::Ok,
            Some(_) => Mark::Wrong,
            None => Mark::Unknown,
        };
        let databases = self.databases.iter().map(|lost| {
            let cells = vec![
                lost.database.clone(),
                lost.data_until.map_or_else(|| "not known".to_owned(), time),
                lost.lost_seconds
                    .map_or_else(|| "not known".to_owned(), length),
                number(lost.lost_rows),
                lost.why.clone(),
            ];
            (mark(lost.lost_rows), cells)
        });
        let buckets = self.buckets.iter().map(|lost| {
            let cells = vec![
                lost.bucket.clone(),
                number(lost.lost_objects),
                lost.why.clone(),
            ];
            (mark(lost.lost_objects), cells)
        });
        let mut document = Document::new()
            .heading("What may be lost")
            .table(
                [
                    "Database",
                    "Brought over until",
                    "Lost, at most",
                    "Rows lost",
                    "",
                ],
                databases.collect(),
            )
            .table(["Bucket", "Objects lost", ""], buckets.collect());
        if self.databases.is_empty() {
            document = document.text("The run had no database.");
        }
        if self.buckets.is_empty() {
            document = document.text("The run had no bucket with objects.");
        }
        match &self.states {
            None => document.text("The run had no Terraform state."),
            Some(lost) => {
                let found = lost.rpo_seconds;
                let told = match found {
                    Some(0) => format!("nothing: {}", lost.why),
                    Some(seconds) => format!("{} at most: {}", length(seconds), lost.why),
                    None => format!("not known: {}", lost.why),
                };
                document.fact(mark(found), "Terraform states", told)
            }
        }
    }

    fn found_later(&self) -> Document {
        let document = Document::new().heading("What the primary region still had");
        match (&self.found_later, &self.found_later_not_known) {
            (Some(found), _) => document.append(found.document()),
            (None, Some(why)) => {
                document.fact(Mark::Unknown, "whether a failback has looked", why.as_str())
            }
            (None, None) => document.text("No failback has looked yet."),
        }
    }

    fn decided(&self) -> Document {
        let rows = self.decisions.iter().map(|decision| {
            let cells = vec![
                time(decision.at),
                decision.by.clone(),
                decision.what.clone(),
                decision.why.clone().unwrap_or_default(),
            ];
            (Mark::Plain, cells)
        });
        Document::new()
            .heading("Who decided what")
            .table(["When", "Who", "What", "Why"], rows.collect())
    }
}

const EMULATOR: &str = "on an emulator, which stood in for AWS";

fn what(mode: Mode) -> &'static str {
    match mode {
        Mode::RegionLoss => "Loss of a region and failover",
        Mode::Planned => "Planned failover",
        Mode::Undo => "Undoing of a planned failover",
        Mode::Failback => "Failback",
        Mode::Commit => "Commit",
    }
}

impl Abandonment {
    fn document(&self) -> Document {
        let document = Document::new()
            .heading("Given up")
            .fact(Mark::Plain, "at", time(self.at))
            .fact(Mark::Plain, "by", self.given_up.by.as_str())
            .fact(Mark::Plain, "why", self.given_up.reason.as_str());
        let document = match self.serves {
            Some(region) => document.fact(Mark::Plain, "the environment was left in", region.as_str()),
            None => document.fact(
                Mark::Unknown,
                "the environment was left in",
                "not known: it was given up while it cut over, and another run has turned the mark since",
            ),
        };
        let (mark, told) = match &self.put_back {
            PutBack::By { run, at, end, .. } => match end {
                RunStatus::Finished => (
                    Mark::Ok,
                    format!("by run {run}, which ended at {}", time(*at)),
                ),
                RunStatus::Open => (Mark::Unknown, format!("run {run} is under way")),
                RunStatus::Stopped { why } => (Mark::Wrong, format!("run {run} stopped: {why}")),
                RunStatus::Abandoned { by, reason } => (
                    Mark::Wrong,
                    format!("run {run} was given up by {by}: {reason}"),
                ),
            },
            PutBack::NotYet => (Mark::Plain, "by no run".to_owned()),
            PutBack::Unknown { why } => (Mark::Unknown, format!("not known: {why}")),
        };
        let document = document.fact(mark, "what it had changed was put back", told);
        match self.left.is_empty() {
            true => document,
            false => {
                let rows = self
                    .left
                    .iter()
                    .map(|left| (Mark::Wrong, vec![left.clone()]));
                document.table(["What is left of it"], rows.collect())
            }
        }
    }
}

impl FoundLater {
    fn document(&self) -> Document {
        let mut rows = Vec::new();
        for bucket in &self.survey.buckets {
            let name = bucket.bucket.to_string();
            if let Some(problem) = &bucket.problem {
                let cells = vec![name, String::new(), "not known".to_owned(), problem.clone()];
                rows.push((Mark::Unknown, cells));
                continue;
            }
            let came = |prefix: String, objects: u64| {
                let why = "never came over; kept in the primary region".to_owned();
                let cells = vec![name.clone(), prefix, objects.to_string(), why];
                (Mark::Wrong, cells)
            };
            let prefixes = &bucket.written_by_prefix;
            match (bucket.written_in_primary, prefixes.is_empty()) {
                (0, _) => {
                    let cells = vec![name.clone(), String::new(), "0".to_owned(), String::new()];
                    rows.push((Mark::Ok, cells));
                }
                (objects, true) => rows.push(came("not known".to_owned(), objects)),
                (_, false) => {
                    rows.extend(prefixes.objects.iter().map(|(prefix, objects)| {
                        let prefix = match prefix.is_empty() {
                            true => "(keys without /)".to_owned(),
                            false => prefix.clone(),
                        };
                        came(prefix, *objects)
                    }));
                    if prefixes.others > 0 {
                        rows.push(came("(further prefixes)".to_owned(), prefixes.others));
                    }
                }
            }
            if bucket.undecided > 0 {
                let why = "written or deleted in both regions, or not provably in one".to_owned();
                let cells = vec![name, String::new(), bucket.undecided.to_string(), why];
                rows.push((Mark::Unknown, cells));
            }
        }
        let databases = self.survey.databases.iter().map(|database| {
            let (mark, told) = match (&database.problem, &database.status, database.beyond_seconds)
            {
                (Some(problem), ..) => (Mark::Unknown, format!("not known: {problem}")),
                (None, None, _) => (Mark::Unknown, "not known: it was gone".to_owned()),
                _ if database.came_home.is_some() => (
                    Mark::Ok,
                    "nothing: an earlier failback restored it from the DR region, and was given up"
                        .to_owned(),
                ),
                (None, Some(_), Some(0)) => (Mark::Ok, "nothing".to_owned()),
                (None, Some(_), Some(seconds)) => {
                    (Mark::Wrong, format!("{} at most", length(seconds)))
                }
                (None, Some(_), None) => (Mark::Unknown, "not known".to_owned()),
            };
            (mark, vec![database.database.clone(), told])
        });
        let states = self.survey.states.iter().map(|state| {
            let left = state.left.clone().unwrap_or_default();
            let mark = match state.left {
                None => Mark::Plain,
                Some(_) => Mark::Wrong,
            };
            (
                mark,
                vec![state.state.clone(), state.relation.clone(), left],
            )
        });
        let document = Document::new()
            .text(format!(
                "As the failback {} saw it at {}.",
                self.run,
                time(self.at)
            ))
            .table(["Bucket", "Keys that begin with", "Objects", ""], rows)
            .table(
                ["Database", "Changes that never came over"],
                databases.collect(),
            )
            .table(
                ["Terraform state", "Its copies", "Left because"],
                states.collect(),
            );
        match &self.survey.states_problem {
            Some(problem) => document.fact(Mark::Unknown, "Terraform states", problem.as_str()),
            None => document,
        }
    }
}

impl RecordsAccount {
    fn document(&self) -> Document {
        let digest = self.journal.digest;
        let digest = digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        let (mark, record) = match &self.record {
            RecordCheck::BornOut => (Mark::Ok, "its journal says the same".to_owned()),
            RecordCheck::NotBornOut { why } => {
                (Mark::Wrong, format!("not borne out by its journal: {why}"))
            }
            RecordCheck::Missing => (Mark::Unknown, "it was written, and is missing".to_owned()),
            RecordCheck::NotLeft { why } => (Mark::Plain, format!("there is none: {why}")),
            RecordCheck::Unread { why } => (Mark::Unknown, format!("cannot be read: {why}")),
        };
        Document::new()
            .heading("Records")
            .fact(Mark::Plain, "journal", self.journal_place.as_str())
            .fact(
                Mark::Ok,
                "its records",
                format!(
                    "{}, each with the digest of the one before; the last one has {digest}",
                    self.journal.records
                ),
            )
            .fact(Mark::Plain, "record of the run", self.record_place.as_str())
            .fact(mark, "is it true", record)
    }
}

impl Report for OfficersReport {
    const KIND: &'static str = "officers-report";

    fn document(&self) -> Document {
        let unavailable = Document::new().heading("Not available");
        let unavailable = match &self.unavailable {
            Unavailability::Span {
                from,
                until,
                seconds,
            } => unavailable
                .fact(Mark::Plain, "from", time(*from))
                .fact(Mark::Plain, "until", time(*until))
                .fact(Mark::Plain, "for", length(*seconds)),
            Unavailability::Since { from, why } => unavailable
                .fact(Mark::Plain, "from", time(*from))
                .fact(Mark::Unknown, "until", format!("not known: {why}")),
            Unavailability::NotStopped => unavailable.text("The run stopped nobody."),
            Unavailability::Unknown { why } => {
                unavailable.fact(Mark::Unknown, "from", format!("not known: {why}"))
            }
        };
        let document = self.head().append(unavailable).append(self.lost());
        let document = match self.consistency.is_empty() {
            true => document,
            false => document.append(super::consistency::document(&self.consistency)),
        };
        let document = match self.mode {
            Mode::Undo => document,
            _ => document.append(self.found_later()),
        };
        let document = match &self.outside_country {
            Some(outside) => document.append(outside.document()),
            None => document
                .heading("Outside the country")
                .text("By the records the environment was in no country that needs an exception."),
        };
        document
            .append(self.decided())
            .append(self.records.document())
            .fact(
                Mark::Plain,
                "digest of this report",
                self.digest.to_string(),
            )
            .text(NOTE)
    }
}

#[cfg(test)]
mod tests;
