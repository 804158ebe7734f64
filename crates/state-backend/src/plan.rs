//! What has to change, decided without calling anything.

use report::{Document, Mark, Report, ShellCommand};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::health::Health;
use crate::inventory::{Inventory, StateCopies};
use crate::problem::Problem;
use crate::spec::{Aspect, Facet, Kind, SideName};
use crate::{alarm, policy};

/// What AWS has for a facet.
#[derive(Debug, Clone)]
pub enum Found {
    /// This value, in the form of [`Facet::wanted`].
    Value(Value),
    /// The setting is not set, or its resource does not exist.
    Absent,
    /// It could not be read.
    Unknown(Problem),
}

/// A facet and what AWS has for it.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The setting, and its wanted value.
    pub facet: Facet,
    /// What AWS has for it.
    pub found: Found,
}

/// What kind of obstacle a [`Refusal`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RefusalKind {
    /// The bucket belongs to another account: AWS calls it BucketAlreadyExists.
    TakenBySomebodyElse,
    /// The bucket is ours, in another region.
    InAnotherRegion,
    /// The table has another key, so that it is no lock table.
    OtherKeySchema,
    /// Making it as wanted would weaken what is there.
    Stricter,
    /// Something of somebody else's is in the way, and would have to be deleted.
    InTheWay,
    /// The KMS key is not there, or cannot encrypt: it is its owner's to make and to enable.
    KeyNotUsable,
}

/// Why something is not changed, although it is not as wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The kind of obstacle.
    pub kind: RefusalKind,
    /// What was found, and why that cannot stay as it is.
    pub why: String,
    /// What to do about it.
    pub fix: String,
}

/// What a facet comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Read, and as wanted.
    Ok,
    /// Read, and not set or not there.
    Missing,
    /// There, but otherwise than wanted.
    Differs,
    /// Otherwise than wanted, and not to be changed by us.
    Refused(Refusal),
    /// Could not be read: neither as wanted nor otherwise.
    Unknown,
}

/// One facet, what was found, and what that comes to.
#[derive(Debug, Clone)]
pub struct Change {
    /// The setting, and its wanted value.
    pub facet: Facet,
    /// What AWS had for it when it was observed.
    pub found: Found,
    /// What the comparison of the two comes to.
    pub verdict: Verdict,
}

/// The difference between the wanted and the observed backend.
#[derive(Debug, Clone)]
pub struct Plan {
    items: Vec<Change>,
}

/// A plan in which nothing is refused: all that [`Backend::apply`](crate::Backend::apply) takes.
///
/// ```compile_fail,E0308
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Plan) {
/// backend.apply(&plan, &report::Silent).await;
/// # }
/// ```
///
/// ```
/// # async fn f(backend: &state_backend::Backend, plan: state_backend::Plan) {
/// if let Ok(approved) = plan.approve() {
///     backend.apply(&approved, &report::Silent).await;
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Approved(Plan);

impl Approved {
    /// What was approved.
    pub fn plan(&self) -> &Plan {
        &self.0
    }
}

impl Plan {
    /// Compares; a pure function.
    pub fn new(observed: Vec<Observed>) -> Self {
        let items = observed
            .into_iter()
            .map(|Observed { facet, found }| {
                let verdict = judge(&facet, &found);
                Change {
                    facet,
                    found,
                    verdict,
                }
            })
            .collect();
        Self { items }
    }

    /// Every facet, in the order in which it can be made true.
    pub fn items(&self) -> &[Change] {
        &self.items
    }

    /// What [`crate::Backend::apply`] would change.
    pub fn pending(&self) -> impl Iterator<Item = &Change> {
        self.items
            .iter()
            .filter(|item| matches!(item.verdict, Verdict::Missing | Verdict::Differs))
    }

    /// What it refuses to change; with one of these it changes nothing at all.
    pub fn refused(&self) -> impl Iterator<Item = (&Change, &Refusal)> {
        self.items.iter().filter_map(|item| match &item.verdict {
            Verdict::Refused(refusal) => Some((item, refusal)),
            _ => None,
        })
    }

    /// Lets the plan pass, unless it refuses something.
    ///
    /// # Errors
    /// The plan as it was, whose [`Plan::refused`] says what and why.
    pub fn approve(self) -> Result<Approved, Self> {
        let refuses = self.refused().next().is_some();
        if refuses {
            Err(self)
        } else {
            Ok(Approved(self))
        }
    }

    /// Whether it is a table with replicas that no facet asks for, as after a change of the strategy.
    fn has_needless_replica(&self, item: &Change) -> bool {
        let Found::Value(found) = &item.found else {
            return false;
        };
        let resource = &item.facet.resource;
        let mut of_table = self
            .items
            .iter()
            .filter(|of| of.facet.resource == *resource);
        item.verdict == Verdict::Ok
            && (resource.kind, item.facet.aspect) == (Kind::Table, Aspect::Exists)
            && found.get("replicas").is_some()
            && item.facet.wanted.get("replicaOf").is_none()
            && of_table.all(|of| of.facet.aspect != Aspect::Replica)
    }

    /// What could not be read.
    pub fn unknown(&self) -> impl Iterator<Item = &Change> {
        self.items
            .iter()
            .filter(|item| item.verdict == Verdict::Unknown)
    }

    /// The same comparison as a statement about the backend, item by item.
    pub fn into_verification(self) -> Verification {
        Verification {
            items: self.items,
            states: Vec::new(),
        }
    }
}

/// Whether the backend is as wanted, item by item.
#[derive(Debug, Clone)]
pub struct Verification {
    items: Vec<Change>,
    states: Vec<StateCopies>,
}

impl Verification {
    /// Every facet, in the order of the plan.
    pub fn items(&self) -> &[Change] {
        &self.items
    }

    /// Also says which states Terraform would not read where they are, and which writes of the DR side are lost below
    /// others.
    #[must_use]
    pub fn with_states(mut self, inventory: Inventory) -> Self {
        self.states = inventory.states;
        self.states.retain(|state| state.condition() != Health::Ok);
        self
    }

    /// The states that are not well, worst first.
    pub fn states(&self) -> &[StateCopies] {
        &self.states
    }

    /// Items as wanted, wrong, and not checked.
    pub fn counts(&self) -> (usize, usize, usize) {
        self.items
            .iter()
            .fold((0, 0, 0), |(ok, wrong, unknown), item| match item.verdict {
                Verdict::Ok => (ok + 1, wrong, unknown),
                Verdict::Unknown => (ok, wrong, unknown + 1),
                _ => (ok, wrong + 1, unknown),
            })
    }
}

fn refuse(kind: RefusalKind, why: impl Into<String>, fix: impl Into<String>) -> Verdict {
    Verdict::Refused(Refusal {
        kind,
        why: why.into(),
        fix: fix.into(),
    })
}

pub(crate) fn judge(facet: &Facet, found: &Found) -> Verdict {
    let found = match found {
        Found::Unknown(_) => return Verdict::Unknown,
        Found::Absent if facet.resource.kind == Kind::Key => {
            return judge_key(facet, &Value::Null);
        }
        Found::Absent => return Verdict::Missing,
        Found::Value(value) => value,
    };
    let wanted = &facet.wanted;
    let by_equality = |equal: bool| if equal { Verdict::Ok } else { Verdict::Differs };
    match (facet.resource.kind, facet.aspect) {
        (Kind::Bucket, Aspect::Exists) => judge_place(facet, found),
        (Kind::Table, Aspect::Exists) => judge_table(facet, found),
        (Kind::Table, Aspect::NoLocks) if found != wanted => refuse(
            RefusalKind::InTheWay,
            format!(
                "{} has locks of clients that use it still: {}",
                facet.resource,
                brief(found)
            ),
            "lock with both kinds, locking = [\"dynamodb\", \"s3\"], until every client does; `init-backend locks` shows who \
             holds them",
        ),
        (Kind::Role, Aspect::Exists) => judge_trust(facet, found),
        (Kind::Key, _) => judge_key(facet, found),
        (Kind::Alarm, _) if alarm::is_of_another_metric(facet, found) => refuse(
            RefusalKind::InTheWay,
            format!(
                "{} is about {} of {}",
                facet.resource,
                brief(&found["metric"]),
                brief(&found["dimensions"])
            ),
            "rename that alarm: this name is that of the state's replication",
        ),
        (Kind::Alarm, _) => by_equality(alarm::is_as_wanted(facet, found)),
        (Kind::Bucket, Aspect::Encryption) => {
            if strength(found) > strength(wanted) {
                refuse(
                    RefusalKind::Stricter,
                    format!(
                        "{} is encrypted with {found}, more than infra.toml asks for",
                        facet.resource
                    ),
                    "set state.encryption to the mode and the key that are in use (and state.dr.kms)",
                )
            } else {
                // A Bucket Key saves calls of KMS, and is its owner's choice.
                by_equality(contains(found, wanted))
            }
        }
        (Kind::Table, Aspect::Encryption) => by_equality(contains(found, wanted)),
        (_, Aspect::TlsOnly) => by_equality(
            policy::statements(found)
                .into_iter()
                .any(|statement| same_but_sid(statement, wanted)),
        ),
        (_, Aspect::Permissions) => judge_permissions(facet, found),
        (_, Aspect::NoncurrentExpiry) => match found["conflicting"].as_array() {
            Some(rules) if !rules.is_empty() => refuse(
                RefusalKind::InTheWay,
                format!(
                    "lifecycle rules {} expire the state too early",
                    found["conflicting"]
                ),
                "remove these rules, or shorten state.noncurrent_days",
            ),
            _ => by_equality(found["rule"] == wanted["rule"]),
        },
        (_, Aspect::Replication) => judge_replication(facet, found),
        (_, Aspect::Tags) => by_equality(contains(found, wanted)),
        (_, Aspect::Replica) => by_equality(contains(found, wanted)),
        _ => by_equality(found == wanted),
    }
}

fn judge_place(facet: &Facet, found: &Value) -> Verdict {
    if found.get("owner").is_some() {
        return refuse(
            RefusalKind::TakenBySomebodyElse,
            format!(
                "the name {} belongs to another account",
                facet.resource.name
            ),
            "bucket names are global: choose another in infra.toml, for example with the account id as suffix",
        );
    }
    if found["region"] == facet.wanted["region"] {
        return Verdict::Ok;
    }
    refuse(
        RefusalKind::InAnotherRegion,
        format!(
            "{} is yours, but in {}",
            facet.resource,
            found["region"].as_str().unwrap_or("?")
        ),
        format!(
            "a bucket cannot move: choose another name for {}, or set the region to the bucket's",
            facet.resource.region
        ),
    )
}

fn judge_table(facet: &Facet, found: &Value) -> Verdict {
    let (table, region) = (&facet.resource, facet.resource.region);
    if found["key"] != facet.wanted["key"] {
        return refuse(
            RefusalKind::OtherKeySchema,
            format!(
                "{table} has the key {}, not {}",
                found["key"], facet.wanted["key"]
            ),
            "name another table in infra.toml; this one is not changed",
        );
    }
    if found.get("status").is_some() {
        return Verdict::Differs;
    }
    let replicas = found["replicas"].as_array();
    let with = |other: &Value| replicas.is_some_and(|with| with.contains(other));
    let name = &table.name;
    match &facet.wanted["replicaOf"] {
        Value::Null => match replicas.and_then(|with| with.first()) {
            // The strategy's own DR table may have any name but that of a replica.
            Some(other) if table.side == SideName::Dr => refuse(
                RefusalKind::InTheWay,
                format!(
                    "{table} in {region} is a replica of the one in {}",
                    brief(other)
                ),
                format!(
                    "give [state.dr] a lock_table of another name; or, when no lock is held in either region, take the \
                     replica away: {}",
                    ShellCommand::new("aws dynamodb update-table")
                        .option("--region", brief(other))
                        .option("--table-name", name)
                        .option(
                            "--replica-updates",
                            format!("Delete={{RegionName={region}}}")
                        )
                ),
            ),
            _ => Verdict::Ok,
        },
        primary if with(primary) => Verdict::Ok,
        primary => {
            let of = |operation| {
                ShellCommand::new(operation)
                    .option("--region", region.as_str())
                    .option("--table-name", name)
            };
            refuse(
                RefusalKind::InTheWay,
                format!(
                    "{table} in {region} is a table of its own, and DynamoDB makes no replica of the one in {} over it",
                    brief(primary)
                ),
                format!(
                    "when no lock is held there, delete it: {}; {}; a failover writes the digest rows anew",
                    of("aws dynamodb update-table").words("--no-deletion-protection-enabled"),
                    of("aws dynamodb delete-table"),
                ),
            )
        }
    }
}

/// With a key that cannot encrypt, Terraform could write no state, and S3 no replica.
fn judge_key(facet: &Facet, found: &Value) -> Verdict {
    if found == &facet.wanted {
        return Verdict::Ok;
    }
    let why = match found {
        Value::Null => format!(
            "there is no {} in {}",
            facet.resource, facet.resource.region
        ),
        found => format!("{} is {}", facet.resource, brief(found)),
    };
    refuse(
        RefusalKind::KeyNotUsable,
        why,
        "name a symmetric key that is enabled; keys are not made here, nor enabled or taken back from deletion",
    )
}

/// An inline policy of our name that also serves other buckets is somebody else's.
fn judge_permissions(facet: &Facet, found: &Value) -> Verdict {
    if policy::same(found, &facet.wanted) {
        return Verdict::Ok;
    }
    let ours = policy::resources(&facet.wanted);
    let foreign: Vec<String> = policy::resources(found)
        .into_iter()
        .filter(|resource| !ours.contains(resource))
        .collect();
    if foreign.is_empty() {
        return Verdict::Differs;
    }
    refuse(
        RefusalKind::InTheWay,
        format!("{} also serves {}", facet.resource, foreign.join(", ")),
        "name a role of its own in state.dr.role",
    )
}

fn judge_trust(facet: &Facet, found: &Value) -> Verdict {
    if found["arn"] != facet.wanted["arn"] {
        return refuse(
            RefusalKind::InTheWay,
            format!(
                "{} has the ARN {}: another path or account",
                facet.resource, found["arn"]
            ),
            "name a role of its own in state.dr.role",
        );
    }
    if policy::same(&found["trust"], &facet.wanted["trust"]) {
        return Verdict::Ok;
    }
    let others: Vec<String> = policy::statements(&found["trust"])
        .into_iter()
        .map(|statement| policy::normalise(&statement["Principal"]))
        .filter(|principal| principal["Service"] != "s3.amazonaws.com")
        .map(|principal| principal.to_string())
        .chain(foreign_sources(facet, found))
        .collect();
    if others.is_empty() {
        return Verdict::Differs;
    }
    refuse(
        RefusalKind::InTheWay,
        format!("{} is assumed by {} too", facet.resource, others.join(", ")),
        "name a role of its own in state.dr.role",
    )
}

/// Buckets other than ours that a role's trust names: S3 replicates those with it.
fn foreign_sources(facet: &Facet, found: &Value) -> Vec<String> {
    let source = |trust: &Value| -> Vec<Value> {
        let conditions = policy::statements(trust)
            .into_iter()
            .filter_map(|s| s["Condition"].as_object());
        conditions
            .flat_map(|condition| condition.values())
            .filter_map(|operator| operator.get("aws:SourceArn"))
            .map(policy::normalise)
            .collect()
    };
    let ours = source(&facet.wanted["trust"]);
    source(&found["trust"])
        .into_iter()
        .filter(|source| !ours.contains(source))
        .map(|source| format!("S3 for {source}"))
        .collect()
}

fn judge_replication(facet: &Facet, found: &Value) -> Verdict {
    let wanted = &facet.wanted;
    let others = found["others"]
        .as_array()
        .is_some_and(|others| !others.is_empty());
    if others && found["role"] != wanted["role"] {
        return refuse(
            RefusalKind::InTheWay,
            format!(
                "{} has replication rules {} with the role {}",
                facet.resource, found["others"], found["role"]
            ),
            "all rules of a bucket share one role: take these rules away, or give the state a bucket of its own",
        );
    }
    if found["rule"] == wanted["rule"] && found["role"] == wanted["role"] {
        Verdict::Ok
    } else {
        Verdict::Differs
    }
}

/// S3's encryption modes, weakest first.
fn strength(encryption: &Value) -> u8 {
    match encryption["algorithm"].as_str() {
        Some("aws:kms:dsse") => 3,
        Some("aws:kms") => 2,
        Some("AES256") => 1,
        _ => 0,
    }
}

/// Whether every entry of the object `part` is in `whole`.
fn contains(whole: &Value, part: &Value) -> bool {
    part.as_object().is_some_and(|part| {
        part.iter()
            .all(|(key, value)| whole.get(key) == Some(value))
    })
}

fn same_but_sid(a: &Value, b: &Value) -> bool {
    let without = |value: &Value| {
        let mut value = value.clone();
        if let Some(map) = value.as_object_mut() {
            map.remove("Sid");
        }
        value
    };
    policy::same(&without(a), &without(b))
}

// ---- views --------------------------------------------------------------------------------------

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", self.verdict.word())?;
        map.serialize_entry("region", &self.facet.resource.region)?;
        map.serialize_entry("side", &self.facet.resource.side)?;
        map.serialize_entry("kind", &self.facet.resource.kind)?;
        map.serialize_entry("name", &self.facet.resource.name)?;
        map.serialize_entry("aspect", &self.facet.aspect)?;
        map.serialize_entry("wanted", &self.facet.wanted)?;
        match &self.found {
            Found::Value(value) => map.serialize_entry("found", &self.shown(value))?,
            Found::Absent => map.serialize_entry("found", &Value::Null)?,
            Found::Unknown(problem) => map.serialize_entry("problem", problem)?,
        }
        if let Verdict::Refused(refusal) = &self.verdict {
            map.serialize_entry("refusal", refusal)?;
        }
        map.end()
    }
}

impl Change {
    /// What was found as it may be printed. A bucket has the tags and policy statements of others too, and these may
    /// hold what only they are to know.
    fn shown(&self, found: &Value) -> Value {
        match self.facet.aspect {
            Aspect::Tags => {
                let mut tags = found.clone();
                if let (Some(tags), Some(ours)) =
                    (tags.as_object_mut(), self.facet.wanted.as_object())
                {
                    tags.retain(|key, _| ours.contains_key(key));
                }
                tags
            }
            _ => policy::without_secrets(found),
        }
    }
}

impl Verdict {
    fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Missing => "missing",
            Self::Differs => "differs",
            Self::Refused(_) => "refused",
            Self::Unknown => "unknown",
        }
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let changes: Vec<&Change> = self
            .items
            .iter()
            .filter(|item| item.verdict != Verdict::Ok)
            .collect();
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("pending", &self.pending().count())?;
        map.serialize_entry("refused", &self.refused().count())?;
        map.serialize_entry("unknown", &self.unknown().count())?;
        map.serialize_entry("unchanged", &(self.items.len() - changes.len()))?;
        map.serialize_entry("changes", &changes)?;
        map.end()
    }
}

impl Serialize for Verification {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let (ok, wrong, unknown) = self.counts();
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("ok", &ok)?;
        map.serialize_entry("wrong", &wrong)?;
        map.serialize_entry("unknown", &unknown)?;
        map.serialize_entry("items", &self.items)?;
        map.serialize_entry("states", &self.states)?;
        map.end()
    }
}

/// A value on one line; policies and rules are shortened to what tells them apart.
fn brief(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        // Policies and their statements go by their names.
        Value::Object(map) if map.contains_key("Statement") => brief(&map["Statement"]),
        Value::Object(map) if map.contains_key("Sid") => brief(&map["Sid"]),
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|a| !a.is_empty()))
            .map(|(key, value)| match value {
                Value::Object(_) => format!("{key}({})", brief(value)),
                _ => format!("{key}={}", brief(value)),
            })
            .collect::<Vec<_>>()
            .join(" "),
        Value::Array(items) => items.iter().map(brief).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// What is to be made, on one line: without what it is not to be, and without the ID and the status that every rule has.
fn summary(value: &Value) -> String {
    let Value::Object(map) = value else {
        return brief(value);
    };
    if map.contains_key("Statement") || map.contains_key("Sid") {
        return brief(value);
    }
    let says_something = |key: &str, value: &Value| match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty() && !["id", "status"].contains(&key),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    let shown = map.iter().filter(|(key, value)| says_something(key, value));
    let shown = shown.map(|(key, value)| match value {
        Value::Bool(_) => key.clone(),
        Value::Object(_) => summary(value),
        // Partition, region and account are those of the whole plan.
        Value::String(arn) if arn.starts_with("arn:") => {
            format!("{key}={}", arn.splitn(6, ':').last().unwrap_or(arn))
        }
        _ => format!("{key}={}", brief(value)),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Found and wanted, which differ; of objects only the entries that do, since the rest is noise.
fn difference(found: &Value, wanted: &Value) -> (String, String) {
    let (left, right) = shortened(found, wanted);
    if left != right {
        return (left, right);
    }
    // It is what a short form leaves out that differs.
    (found.to_string(), wanted.to_string())
}

fn shortened(found: &Value, wanted: &Value) -> (String, String) {
    let (Value::Object(a), Value::Object(b)) = (found, wanted) else {
        return (brief(found), brief(wanted));
    };
    let (mut left, mut right) = (Map::new(), Map::new());
    for (key, value) in b {
        let there = a.get(key).unwrap_or(&Value::Null);
        if there != value {
            if let (Value::Object(_), Value::Object(_)) = (there, value) {
                let (inner_left, inner_right) = difference(there, value);
                left.insert(key.clone(), Value::String(inner_left));
                right.insert(key.clone(), Value::String(inner_right));
            } else {
                left.insert(key.clone(), there.clone());
                right.insert(key.clone(), value.clone());
            }
        }
    }
    if left.is_empty() {
        // Everything that is wanted is there, and something besides.
        let more = a.iter().filter(|(key, _)| !b.contains_key(*key));
        let more = more.map(|(key, value)| (key.clone(), value.clone()));
        return (
            brief(&Value::Object(more.collect())),
            "nothing more".to_owned(),
        );
    }
    (brief(&Value::Object(left)), brief(&Value::Object(right)))
}

fn row(item: &Change, word: &str, mark: Mark) -> (Mark, Vec<String>) {
    let detail = match (&item.verdict, &item.found) {
        (Verdict::Refused(refusal), _) => format!("{}; {}", refusal.why, refusal.fix),
        (_, Found::Unknown(problem)) => problem.to_string(),
        (Verdict::Ok, _) => String::new(),
        (Verdict::Missing, _) => summary(&item.facet.wanted),
        (_, Found::Value(found)) => {
            let (found, wanted) = difference(&item.shown(found), &item.facet.wanted);
            format!("{found} → {wanted}")
        }
        _ => String::new(),
    };
    (
        mark,
        vec![
            word.to_owned(),
            item.facet.resource.region.to_string(),
            item.facet.resource.to_string(),
            item.facet.aspect.to_string(),
            detail,
        ],
    )
}

impl Report for Plan {
    const KIND: &'static str = "backend-plan";

    fn document(&self) -> Document {
        let rows = self
            .items
            .iter()
            .filter_map(|item| match item.verdict {
                Verdict::Ok => None,
                Verdict::Missing if item.facet.aspect == Aspect::Exists => {
                    Some(row(item, "+ create", Mark::Ok))
                }
                Verdict::Missing => Some(row(item, "+ set", Mark::Ok)),
                Verdict::Differs => Some(row(item, "~ change", Mark::Unknown)),
                Verdict::Refused(_) => Some(row(item, "! refused", Mark::Wrong)),
                Verdict::Unknown => Some(row(item, "? unknown", Mark::Unknown)),
            })
            .collect();
        let (pending, refused, unknown) = (
            self.pending().count(),
            self.refused().count(),
            self.unknown().count(),
        );
        let unchanged = self.items.len() - pending - refused - unknown;
        let mut document = Document::new()
            .heading("Plan")
            .table(["", "Region", "Resource", "Setting", "Found → wanted"], rows)
            .text(format!(
                "{pending} to change, {unchanged} as wanted, {refused} refused, {unknown} could not be read."
            ));
        if self
            .items
            .iter()
            .any(|item| item.facet.aspect == Aspect::Replica)
        {
            document = document.text(
                "Note: a global table replicates asynchronously and the last writer wins: it is no mutex across \
                 regions. Its lock rows name the primary region's bucket, so Terraform in the DR region reads none of \
                 them: never run it in both.",
            );
        }
        for item in self
            .items
            .iter()
            .filter(|item| self.has_needless_replica(item))
        {
            document = document.text(format!(
                "Note: {} is replicated to other regions still, which this strategy does not use. When no lock is held, \
                 `aws dynamodb update-table --replica-updates` with Delete takes a replica away; here nothing is deleted.",
                item.facet.resource
            ));
        }
        document
    }
}

impl Report for Verification {
    const KIND: &'static str = "backend-verification";

    fn document(&self) -> Document {
        let rows = self
            .items
            .iter()
            .map(|item| match item.verdict {
                Verdict::Ok => row(item, "ok", Mark::Ok),
                Verdict::Unknown => row(item, "unknown", Mark::Unknown),
                _ => row(item, "wrong", Mark::Wrong),
            })
            .collect();
        let (ok, wrong, unknown) = self.counts();
        let document = Document::new()
            .heading("Verification")
            .table(
                ["", "Region", "Resource", "Setting", "Found → wanted"],
                rows,
            )
            .text(format!(
                "{ok} ok, {wrong} wrong, {unknown} could not be checked."
            ));
        match self.states.as_slice() {
            [] => document,
            states => Inventory::append_to(document, states),
        }
    }
}

#[cfg(test)]
mod tests;
