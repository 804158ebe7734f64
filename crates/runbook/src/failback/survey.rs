//! What the primary region did since it came back: objects that came or were deleted there, states that moved, databases that
//! hold what never came over. It is shown before anything is done.

use std::time::Duration;

use aws_env::Both;
use dr::database::RdsClients;
use dr::objects::{BucketPair, Listed, PrefixCounts};
use futures::FutureExt as _;
use futures::future::join_all;
use jiff::Timestamp;
use report::{Document, Mark, Report};
use serde::{Deserialize, Serialize};
use settings::BucketName;

use super::{FailbackRequest, ObjectsInputs};
use crate::StepId;
use crate::failover::{Impossible, RestoreInputs, names as failover_names};
use crate::steps::planned::{forget_look, look_at_bucket, look_at_states};

/// What the look of a survey is called among others.
const SURVEY: &str = "survey";

/// A bucket: what differs between the regions, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketSurvey {
    /// The bucket in the primary region.
    pub bucket: BucketName,
    /// Written in the DR region, and to be brought back.
    pub to_copy: u64,
    /// Deleted in the DR region, and to be deleted in the primary one.
    pub to_delete: u64,
    /// Written in the primary region and not in the DR region: kept.
    pub written_in_primary: u64,
    /// The same by prefix; nothing in a survey that did not count them.
    #[serde(default, skip_serializing_if = "PrefixCounts::is_empty")]
    pub written_by_prefix: PrefixCounts,
    /// Written in both, or not provably in one: somebody decides.
    pub undecided: u64,
    /// Some of their keys, with the reason.
    pub examples: Vec<String>,
    /// Why nothing is known of it.
    pub problem: Option<String>,
}

/// A Terraform state: how its copies stand to each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSurvey {
    /// Its object.
    pub state: String,
    /// In words.
    pub relation: String,
    /// Why it stays as it is, where it does.
    pub left: Option<String>,
}

/// A database: what the primary region's instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSurvey {
    /// Its identifier there.
    pub database: String,
    /// The status that RDS gives; null where there is no instance.
    pub status: Option<String>,
    /// The time up to which it could be restored.
    pub latest: Option<Timestamp>,
    /// How much of that the DR region never had, in seconds, at most: RDS does not tell when the last transaction was.
    pub beyond_seconds: Option<u64>,
    /// Of what time its data are where a failback restored it from the DR region that was given up since: nobody was ever sent to
    /// it, and nothing in it has to come over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub came_home: Option<Timestamp>,
    /// Why nothing is known of it.
    pub problem: Option<String>,
}

/// Everything of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// Each bucket.
    pub buckets: Vec<BucketSurvey>,
    /// Each state.
    pub states: Vec<StateSurvey>,
    /// Why the states are not known.
    pub states_problem: Option<String>,
    /// Each database.
    pub databases: Vec<DatabaseSurvey>,
}

impl Survey {
    /// What the primary region did by itself, in words; nothing where it did nothing.
    pub fn findings(&self) -> Vec<String> {
        let mut found = Vec::new();
        for bucket in &self.buckets {
            let name = &bucket.bucket;
            if let Some(problem) = &bucket.problem {
                found.push(format!("{name} is not known: {problem}"));
            }
            if bucket.written_in_primary > 0 {
                let objects = report::counted(bucket.written_in_primary, "object");
                found.push(format!("{objects} came to {name}"));
            }
            if bucket.undecided > 0 {
                let objects = report::counted(bucket.undecided, "object");
                found.push(format!("{objects} of {name} to be decided about"));
            }
        }
        if let Some(problem) = &self.states_problem {
            found.push(format!("the states are not known: {problem}"));
        }
        for state in &self.states {
            if let Some(left) = &state.left {
                found.push(format!("{}: {left}", state.state));
            }
        }
        for database in &self.databases {
            let name = &database.database;
            if let Some(problem) = &database.problem {
                found.push(format!("{name} is not known: {problem}"));
            }
            if let Some(beyond) = database.beyond_seconds.filter(|beyond| *beyond > 0) {
                let beyond = report::duration(Duration::from_secs(beyond));
                found.push(format!(
                    "{name} may hold up to {beyond} that never came over"
                ));
            }
        }
        found
    }
}

impl Report for Survey {
    const KIND: &'static str = "survey";

    fn document(&self) -> Document {
        let mark = |is_fine: bool| if is_fine { Mark::Ok } else { Mark::Wrong };
        let known = self
            .buckets
            .iter()
            .filter(|bucket| bucket.problem.is_none());
        let buckets = known.map(|bucket| {
            let cells = vec![
                bucket.bucket.to_string(),
                bucket.to_copy.to_string(),
                bucket.to_delete.to_string(),
                bucket.written_in_primary.to_string(),
                bucket.undecided.to_string(),
            ];
            (mark(bucket.undecided == 0), cells)
        });
        let head = [
            "Bucket",
            "To bring back",
            "To delete",
            "Written in the primary",
            "To be decided",
        ];
        let mut document = Document::new()
            .heading("Since the primary region came back")
            .table(head, buckets.collect());
        for bucket in &self.buckets {
            let rows = bucket.examples.iter();
            let rows: Vec<_> = rows
                .map(|example| (Mark::Wrong, vec![example.clone()]))
                .collect();
            if let Some(problem) = &bucket.problem {
                document = document.fact(Mark::Unknown, bucket.bucket.to_string(), problem.clone());
            }
            if !rows.is_empty() {
                let heading = format!("To be decided in {}", bucket.bucket);
                document = document.heading(heading).table(["Key"], rows);
            }
        }
        let states = self.states.iter().map(|state| {
            let left = state.left.clone().unwrap_or_default();
            let cells = vec![state.state.clone(), state.relation.clone(), left];
            (mark(state.left.is_none()), cells)
        });
        document = document.table(["State", "Relation", ""], states.collect());
        if let Some(problem) = &self.states_problem {
            document = document.fact(Mark::Unknown, "states", problem.clone());
        }
        let databases = self.databases.iter().map(|database| {
            let beyond = database.beyond_seconds;
            let told = beyond.map_or_else(String::new, |beyond| {
                report::duration(Duration::from_secs(beyond))
            });
            let there = database.status.clone();
            let (mark, status) = match &database.problem {
                Some(problem) => (Mark::Unknown, problem.clone()),
                None => (
                    mark(beyond.is_none_or(|beyond| beyond == 0)),
                    match (there, database.came_home) {
                        (Some(there), Some(of)) => format!(
                            "{there}, restored by an earlier failback with data of {}",
                            crate::view::time(of)
                        ),
                        (there, _) => there.unwrap_or_else(|| "not there".to_owned()),
                    },
                ),
            };
            (mark, vec![database.database.clone(), status, told])
        });
        document.table(
            ["Database", "Status", "Never came over, at most"],
            databases.collect(),
        )
    }
}

pub(super) async fn survey(
    request: &FailbackRequest<'_>,
    both: &Both,
    buckets: &[(&BucketPair, Result<ObjectsInputs, Impossible>)],
    now: Timestamp,
) -> Survey {
    let of_buckets = buckets.iter().map(|(pair, inputs)| async move {
        match inputs {
            Ok(inputs) => bucket(request, both, inputs).boxed_local().await,
            Err(impossible) => unknown_bucket(pair, impossible.problem.clone()),
        }
    });
    let states = look_at_states(request.settings, both, request.decisions, now);
    let (buckets, states, databases) = tokio::join!(
        join_all(of_buckets),
        states.boxed_local(),
        databases(request, both)
    );
    let (states, states_problem) = match states {
        Ok(states) => (states, None),
        Err(error) => (Vec::new(), Some(crate::lease::causes(&*error.source))),
    };
    Survey {
        buckets,
        states,
        states_problem,
        databases,
    }
}

fn unknown_bucket(pair: &BucketPair, problem: String) -> BucketSurvey {
    BucketSurvey {
        bucket: pair.primary.name.clone(),
        to_copy: 0,
        to_delete: 0,
        written_in_primary: 0,
        written_by_prefix: PrefixCounts::default(),
        undecided: 0,
        examples: Vec::new(),
        problem: Some(problem),
    }
}

async fn bucket(
    request: &FailbackRequest<'_>,
    both: &Both,
    inputs: &ObjectsInputs,
) -> BucketSurvey {
    let looked = look_at_bucket(
        request.settings,
        both,
        inputs,
        request.objects,
        request.decisions,
        SURVEY,
    );
    let (found, _) = match looked.await {
        Ok(found) => found,
        Err(error) => {
            return unknown_bucket(&inputs.pair, crate::lease::causes(&*error.source));
        }
    };
    if let Err(error) = forget_look(request.objects, &inputs.pair, SURVEY) {
        return unknown_bucket(&inputs.pair, crate::lease::causes(&*error.source));
    }
    let doubts = [
        &found.conflicts,
        &found.primary_deleted,
        &found.plan.unproven,
    ];
    let examples = |listed: &Listed, why: &str| -> Vec<String> {
        let examples = listed.examples.iter();
        examples
            .map(|example| {
                let reason = example.reason.as_deref().unwrap_or(why);
                format!("{}: {reason}", example.key.escape_debug())
            })
            .collect()
    };
    let mut shown = examples(&found.conflicts, "written in both regions");
    shown.extend(examples(
        &found.primary_deleted,
        "deleted in the primary region, as it was at the failover in the DR region",
    ));
    shown.extend(examples(&found.plan.unproven, "not provable"));
    BucketSurvey {
        bucket: inputs.pair.primary.name.clone(),
        to_copy: found.plan.copies().objects,
        to_delete: found.plan.delete.tally.objects,
        written_in_primary: found.primary_only.tally.objects,
        written_by_prefix: found.primary_only_by_prefix.clone(),
        undecided: doubts.iter().map(|listed| listed.tally.objects).sum(),
        examples: shown,
        problem: None,
    }
}

async fn databases(request: &FailbackRequest<'_>, both: &Both) -> Vec<DatabaseSurvey> {
    let site = RdsClients::new(&both.primary);
    let mut found = Vec::new();
    for database in &request.settings.databases {
        let there = site.instance(database.id.as_ref()).await;
        let (instance, problem) = match there {
            Ok(there) => (there, None),
            Err(error) => (None, Some(crate::lease::causes(&error))),
        };
        // What the failover restored: nothing of later was ever in the DR region.
        let step = StepId::of(failover_names::RESTORE, database.id.as_ref());
        let restored = request.failover.plan.step(&step);
        let restored = restored.and_then(|step| RestoreInputs::deserialize(&step.inputs).ok());
        let restored = restored.map(|inputs| inputs.plan.choice.data_time);
        // What an earlier way back has restored is of after the failover, by the clock of RDS as well.
        let came_home = instance
            .as_ref()
            .zip(restored)
            .and_then(|(there, restored)| {
                let of = there.restored_data_time(database.dr_id.as_ref());
                of.filter(|of| *of > restored)
            });
        let latest = instance.as_ref().and_then(|there| there.latest_restorable);
        let restored = restored.filter(|_| came_home.is_none());
        let beyond = latest.zip(restored).map(|(latest, restored)| {
            let beyond = latest.duration_since(restored).as_secs();
            u64::try_from(beyond).unwrap_or(0)
        });
        found.push(DatabaseSurvey {
            database: database.id.to_string(),
            status: instance.map(|there| there.status),
            latest,
            beyond_seconds: beyond,
            came_home,
            problem,
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survey_tells_what_the_primary_region_did_and_what_is_not_known() {
        let bucket = |name: &str| BucketSurvey {
            bucket: name.parse().unwrap(),
            to_copy: 3,
            to_delete: 1,
            written_in_primary: 0,
            written_by_prefix: PrefixCounts::default(),
            undecided: 0,
            examples: Vec::new(),
            problem: None,
        };
        let quiet = Survey {
            buckets: vec![bucket("photos")],
            ..Survey::default()
        };
        assert_eq!(quiet.findings(), [""; 0]);
        let survey = Survey {
            buckets: vec![
                BucketSurvey {
                    written_in_primary: 1,
                    undecided: 2,
                    examples: vec!["a.jpg: written in both regions".to_owned()],
                    ..bucket("photos")
                },
                BucketSurvey {
                    problem: Some("denied".to_owned()),
                    ..bucket("documents")
                },
            ],
            states: vec![StateSurvey {
                state: "a.tfstate".to_owned(),
                relation: "DR is 1 write ahead".to_owned(),
                left: Some("it is locked".to_owned()),
            }],
            states_problem: None,
            databases: vec![DatabaseSurvey {
                database: "app".to_owned(),
                status: Some("available".to_owned()),
                latest: None,
                beyond_seconds: Some(90),
                came_home: None,
                problem: None,
            }],
        };
        assert_eq!(
            survey.findings(),
            [
                "1 object came to photos",
                "2 objects of photos to be decided about",
                "documents is not known: denied",
                "a.tfstate: it is locked",
                "app may hold up to 1m 30s that never came over",
            ]
        );
        let shown = survey.document().to_terminal(Some(120), false);
        for told in ["denied", "a.jpg: written in both regions", "1m 30s"] {
            assert!(shown.contains(told), "{shown}");
        }
    }
}
