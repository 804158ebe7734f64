//! A database that was restored is asked whether its rows and the objects of the buckets belong together, and its sequences are
//! advanced: what was given out and lost with the region is not given out again.
//!
//! What is found stops nothing: it is in the step's result and in the reports. A database that is not reached stops the step,
//! since then nothing is known.

mod compare;

use std::path::Path;

use dr::objects::{
    BucketPair, KeptManifest, ManifestKeys, PairedBucket, Pairing, RunId as ObjectsRunId,
    fetch_manifest,
};
use futures::FutureExt as _;
use probe::{IntegrityError, IntegritySession, ProbeClients, Trust, secret_login};
use report::ShellCommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use settings::{Database, Integrity, ObjectRows, Settings};

use self::compare::{Broken, Compared, Objects, compare};
use super::{RegionLoss, inputs, secrets};
use crate::consistency::{
    Consistency, Looked, ObjectsOfRows, RowsAndObjects, SchemaFound, SequenceAdvanced,
    SequenceLeft, SequencesAdvanced,
};
use crate::failover::names;
use crate::lease::causes;
use crate::{Check, Host, Plan, PlannedStep, StepContext, StepError, StepId, Store};

/// Bytes of a file with authorities: RDS's global bundle has some 170,000.
const MOST_AUTHORITIES: u64 = 4 << 20;

/// What is asked, of whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ConsistencyInputs {
    /// The instance in the region that receives.
    instance: String,
    integrity: Integrity,
    /// Rows of it, and the bucket in that region whose objects they name.
    rows: Vec<RowsOfBucket>,
    /// Whether it was restored to an earlier time than that at which writers stopped.
    is_earlier: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RowsOfBucket {
    rows: ObjectRows,
    bucket: PairedBucket,
}

/// Which region receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receives {
    Primary,
    Dr,
}

/// Where in a run databases are asked.
pub(crate) struct ConsistencyPlace<'a> {
    pub(crate) pairing: &'a Pairing,
    pub(crate) receives: Receives,
    /// Whether databases are restored to an earlier time than that at which writers stopped.
    pub(crate) is_earlier: bool,
    /// The steps after which Terraform, and what is called after it, has made what it makes.
    pub(crate) brought_up: &'a [StepId],
    /// The kind of step that is settled when it is known what a bucket holds, and on which side it has the bucket's name.
    pub(crate) listed: (&'a str, Receives),
}

impl Receives {
    fn of(self, pair: &BucketPair) -> &PairedBucket {
        match self {
            Self::Primary => &pair.primary,
            Self::Dr => &pair.dr,
        }
    }
}

impl ConsistencyPlace<'_> {
    /// The steps in which the databases are asked of which the settings ask something.
    pub(crate) fn steps(&self, settings: &Settings) -> Vec<PlannedStep> {
        let databases = settings.databases.iter();
        databases
            .filter_map(|database| self.step(database))
            .collect()
    }

    fn step(&self, database: &Database) -> Option<PlannedStep> {
        let mut integrity = database.integrity.clone()?;
        // Of the machine that plans: who carries the run may be on another one.
        integrity.via = None;
        let instance = match self.receives {
            Receives::Primary => &database.id,
            Receives::Dr => &database.dr_id,
        };
        let mut after = vec![StepId::of(names::RESTORE, database.id.as_ref())];
        let secrets = database.secrets.iter();
        after.extend(secrets.map(|secret| StepId::of(names::SECRET, secret.name.as_str())));
        let mut secrets = database.secrets.iter();
        // A secret that is not replicated is the receiving environment's own, which Terraform makes.
        if !secrets.any(|secret| secret.name == integrity.login) {
            after.extend_from_slice(self.brought_up);
        }
        let mut rows = Vec::new();
        for of in &integrity.objects {
            let Some(pair) = self.pairing.of_primary(&of.bucket) else {
                continue;
            };
            let (kind, side) = self.listed;
            after.push(StepId::of(kind, side.of(pair).name.as_ref()));
            rows.push(RowsOfBucket {
                rows: of.clone(),
                bucket: self.receives.of(pair).clone(),
            });
        }
        let inputs = ConsistencyInputs {
            instance: instance.to_string(),
            integrity,
            rows,
            is_earlier: self.is_earlier,
        };
        Some(PlannedStep {
            id: StepId::of(names::CONSISTENCY, database.id.as_ref()),
            title: format!("Ask {instance} whether its rows and the objects belong together"),
            after,
            gate: None,
            inputs: json!(inputs),
        })
    }
}

impl ConsistencyInputs {
    /// By how many values sequences are advanced.
    fn margin(&self) -> Option<u64> {
        let sequences = self.integrity.sequences.filter(|_| self.is_earlier);
        sequences.map(|sequences| sequences.margin)
    }
}

/// What was decided about sequences before the first was touched, and what became of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Note {
    Intended(SequencesAdvanced),
    Advanced(Looked<SequencesAdvanced>),
}

pub(super) fn check(step: &PlannedStep) -> Result<Check, StepError> {
    let inputs: ConsistencyInputs = inputs(step)?;
    let instance = &inputs.instance;
    let mut what = Vec::new();
    let buckets = inputs.rows.iter();
    let buckets: Vec<&str> = buckets.map(|rows| rows.bucket.name.as_str()).collect();
    if !buckets.is_empty() {
        let buckets = buckets.join(", ");
        what.push(format!(
            "compare the rows of {instance} with the objects of {buckets}"
        ));
    }
    if let Some(margin) = inputs.margin() {
        what.push(format!(
            "advance every sequence of {instance} to {margin} values beyond the highest one in use"
        ));
    }
    if inputs.integrity.schema.is_some() {
        what.push(format!("read which version the schema of {instance} has"));
    }
    Ok(match what.is_empty() {
        true => Check::NotApplicable("the settings ask nothing here".to_owned()),
        false => Check::Todo {
            what: what.join("; "),
            needs_approval: false,
        },
    })
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let inputs: ConsistencyInputs = inputs(step)?;
    let Some(margin) = inputs.margin() else {
        return Ok(());
    };
    let asked = Asked::new(of, step, context, &inputs);
    let advancing = advance(of, &asked, margin).boxed_local();
    tokio::select! {
        advanced = advancing => advanced,
        () = context.stopped() => Err(StepError::interrupted()),
    }
}

/// What an earlier attempt has decided is not decided anew: sequences that it has advanced are beyond the highest value in use
/// then, and would be advanced twice.
async fn advance<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    asked: &Asked<'_>,
    margin: u64,
) -> Result<(), StepError> {
    let context = asked.context;
    let session = asked.session(of).await?;
    let intended = match intended(context) {
        Some(intended) => intended,
        None => {
            let sequences = match session.sequences(margin).await {
                Ok(sequences) => sequences,
                Err(IntegrityError::Unreached(why)) => return Err(asked.unreached(&why)),
                Err(IntegrityError::Question(why)) => {
                    let unknown = Note::Advanced(Looked::unknown(why));
                    return context.note(json!(unknown)).await;
                }
            };
            let mut intended = SequencesAdvanced {
                margin,
                ..SequencesAdvanced::default()
            };
            for sequence in sequences {
                match sequence.target {
                    Ok(to) => intended.advanced.push(SequenceAdvanced {
                        sequence: sequence.name,
                        from: sequence.last,
                        to,
                    }),
                    Err(why) => intended.left.push(SequenceLeft {
                        sequence: sequence.name,
                        why,
                    }),
                }
            }
            let note = json!(Note::Intended(intended.clone()));
            context.note(note).await?;
            intended
        }
    };
    let mut ended = SequencesAdvanced {
        margin: intended.margin,
        advanced: Vec::new(),
        left: intended.left,
    };
    for sequence in intended.advanced {
        match session.advance(&sequence.sequence, sequence.to).await {
            Ok(_) => ended.advanced.push(sequence),
            Err(IntegrityError::Unreached(why)) => return Err(asked.unreached(&why)),
            Err(IntegrityError::Question(why)) => ended.left.push(SequenceLeft {
                sequence: sequence.sequence,
                why,
            }),
        }
    }
    let ended = Note::Advanced(Looked::Found(ended));
    context.note(json!(ended)).await
}

fn notes(context: &StepContext<'_>) -> impl DoubleEndedIterator<Item = Note> {
    let notes = context.notes().into_iter();
    notes.filter_map(|note| Note::deserialize(note).ok())
}

fn intended(context: &StepContext<'_>) -> Option<SequencesAdvanced> {
    notes(context).find_map(|note| match note {
        Note::Intended(intended) => Some(intended),
        Note::Advanced(_) => None,
    })
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<Value, StepError> {
    let inputs: ConsistencyInputs = inputs(step)?;
    let asked = Asked::new(of, step, context, &inputs);
    let looking = look(of, &asked).boxed_local();
    tokio::select! {
        found = looking => Ok(json!(found?)),
        () = context.stopped() => Err(StepError::interrupted()),
    }
}

async fn look<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    asked: &Asked<'_>,
) -> Result<Consistency, StepError> {
    let inputs = asked.inputs;
    let session = asked.session(of).await?;
    let mut objects = Vec::new();
    for rows in &inputs.rows {
        let bucket = rows.bucket.name.to_string();
        of.observer.waiting(&asked.step.id.0, &bucket);
        let of_bucket = (inputs.instance.as_str(), rows);
        let found = match compared(of, asked.context, &session, of_bucket).await {
            Ok(found) => Looked::Found(found),
            Err(Broken::Rows(IntegrityError::Unreached(why))) => {
                return Err(asked.unreached(&why));
            }
            Err(Broken::Rows(IntegrityError::Question(why)) | Broken::Objects(why)) => {
                Looked::unknown(why)
            }
            Err(Broken::List(error)) => return Err(StepError::unchecked(error)),
        };
        objects.push(ObjectsOfRows { bucket, found });
    }
    let sequences = inputs.margin().map(|_| {
        let ended = notes(asked.context).rev().find_map(|note| match note {
            Note::Advanced(ended) => Some(ended),
            Note::Intended(_) => None,
        });
        ended.unwrap_or_else(|| Looked::unknown("it is not on record"))
    });
    let schema = match &inputs.integrity.schema {
        Some(schema) => Some(match session.schema_version(&schema.version).await {
            Ok(version) => Looked::Found(SchemaFound {
                version,
                expected: schema.expect.clone(),
            }),
            Err(IntegrityError::Unreached(why)) => return Err(asked.unreached(&why)),
            Err(IntegrityError::Question(why)) => Looked::unknown(why),
        }),
        None => None,
    };
    Ok(Consistency {
        instance: inputs.instance.clone(),
        at: of.host.now(),
        objects,
        sequences,
        schema,
    })
}

async fn compared<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
    session: &IntegritySession,
    (instance, RowsOfBucket { rows, bucket }): (&str, &RowsOfBucket),
) -> Result<RowsAndObjects, Broken> {
    files::create_secret_folder(&of.folder)?;
    let objects = listed(of, context, bucket).await;
    let mut objects = objects.map_err(Broken::Objects)?;
    let mut keys = session.keys(&rows.keys).await.map_err(Broken::Rows)?;
    // Identifiers of instances have no dot: two databases whose rows name objects of one bucket never share a list.
    let name = format!("consistency-{instance}.{}.jsonl", bucket.name);
    let mut found = Compared::new(&of.folder.join(&name), rows.prefix.as_deref())?;
    compare(&mut keys, &mut objects, &mut found).await?;
    Ok(found.end(&name)?)
}

/// What a bucket holds: what the run has written down of it, else as it is listed now.
async fn listed<S: Store, H: Host>(
    of: &RegionLoss<'_, S, H>,
    context: &StepContext<'_>,
    bucket: &PairedBucket,
) -> Result<Objects, String> {
    let step = StepId::of(names::MANIFEST, bucket.name.as_ref());
    let kept = context.result(&step);
    let kept = kept.and_then(|kept| KeptManifest::deserialize(kept).ok());
    let pairing = of.pairing();
    let (Some(kept), Some(journals)) = (kept, pairing.journals()) else {
        let bucket = bucket.open(&of.dr.region().clients());
        return Ok(Objects::listed(bucket.pages()));
    };
    let run = context.state().plan.run;
    let run: Result<ObjectsRunId, _> = run.as_str().parse();
    let run = run.map_err(|error| error.to_string())?;
    let path = of.folder.join(format!("manifest-{}.jsonl", bucket.name));
    let fetched = fetch_manifest(&of.dr, bucket, journals, &run, &kept.summary, &path);
    fetched.await.map_err(|error| causes(&error))?;
    let keys = ManifestKeys::open(&path).map_err(|error| causes(&error))?;
    Ok(Objects::WrittenDown(keys))
}

/// What to do where a file with authorities is not there, or is none.
pub(crate) const WHERE_AUTHORITIES_ARE: &str = "databases.integrity.ca of the settings names it; RDS's authorities are at \
     https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";

/// Whose certificates are trusted; why nobody's are, else. `beside` is the folder of the settings.
pub(crate) fn trust(beside: &Path, integrity: &Integrity) -> Result<Trust, String> {
    let path = beside.join(&integrity.ca);
    let pem = files::read_limited(&path, MOST_AUTHORITIES).map_err(|error| causes(&error))?;
    Trust::of_pem(&pem).map_err(|error| format!("{}: {error}", path.display()))
}

/// A question, and the run in which it is asked.
struct Asked<'a> {
    step: &'a PlannedStep,
    context: &'a StepContext<'a>,
    inputs: &'a ConsistencyInputs,
    /// The near end of a tunnel from this machine to the instance, by the settings of now.
    via: Option<&'a str>,
}

impl<'a> Asked<'a> {
    fn new<S: Store, H: Host>(
        of: &'a RegionLoss<'_, S, H>,
        step: &'a PlannedStep,
        context: &'a StepContext<'a>,
        inputs: &'a ConsistencyInputs,
    ) -> Self {
        let mut databases = of.settings.databases.iter();
        // Settings that are turned round have the receiving instance here as well.
        let database = databases.find(|database| database.dr_id.as_str() == inputs.instance);
        let integrity = database.and_then(|database| database.integrity.as_ref());
        Self {
            step,
            context,
            inputs,
            via: integrity.and_then(|integrity| integrity.via.as_deref()),
        }
    }

    /// Who logs in where, and whom that trusts.
    async fn session<S: Store, H: Host>(
        &self,
        of: &RegionLoss<'_, S, H>,
    ) -> Result<IntegritySession, StepError> {
        let integrity = &self.inputs.integrity;
        let trust = trust(&of.hooks.folder, integrity);
        let trust = trust.map_err(|why| StepError::unchecked(why).hint(WHERE_AUTHORITIES_ARE))?;
        let address = secrets::address(of, &self.inputs.instance).await?;
        let clients = ProbeClients::new(of.dr.region());
        let dbname = integrity.dbname.as_deref();
        let login = integrity.login.as_str();
        let login = secret_login(&clients, login, address, dbname).await;
        Ok(IntegritySession {
            login: login.map_err(|unobserved| self.unreached(&unobserved.reason))?,
            via: self.via.map(str::to_owned),
            trust,
            timeout: integrity.timeout,
        })
    }

    /// Nothing is known, and what to do about that.
    fn unreached(&self, why: &str) -> StepError {
        let Plan { run, drill, .. } = self.context.state().plan;
        let resume = ShellCommand::new("dr-runbook runs resume").word(run.as_str());
        let skip = resume.clone().option("--skip", &self.step.id.0);
        let skip = skip.words("--reason TEXT");
        let go_on = match drill {
            Some(_) => "hold another drill".to_owned(),
            None => format!("`{resume}`; `{skip}` leaves it unknown"),
        };
        let reach = match self.via {
            Some(via) => {
                format!("open the tunnel whose near end is {via} (databases.integrity.via)")
            }
            None => "go to a machine that reaches it, or open a tunnel and name its near end in databases.integrity.via"
                .to_owned(),
        };
        StepError::unchecked(format!(
            "what {} holds is not known: {why}",
            self.inputs.instance
        ))
        .hint(format!("{reach}, and {go_on}"))
    }
}
