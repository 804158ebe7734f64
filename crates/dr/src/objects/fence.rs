//! Replication kept out of the buckets of the DR region while the application writes there.
//!
//! A primary region that comes back delivers what was under way when it was lost: objects, which lie on what was written
//! since, and delete markers, which hide it. A statement in the bucket's policy, which the DR region alone keeps and
//! enforces, denies these writes. It bears the run's name, so that the same run finds it again, and the end of the run takes
//! away that statement and nothing else.

use std::fmt;
use std::time::Duration;

use aws_env::{Call, DrOnly, Error, Poll, WaiterConfig, wait};
use aws_sdk_s3::Client;
use futures::future::join_all;
use report::{Document, Mark, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::pairing::PairedBucket;
use super::run_id::RunId;

/// What S3 asks for when it writes replicas, and nobody else
/// (<https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>). Whatever role it takes.
const ACTIONS: [&str; 4] = [
    "s3:ObjectOwnerOverrideToBucketOwner",
    "s3:ReplicateDelete",
    "s3:ReplicateObject",
    "s3:ReplicateTags",
];
/// Begins the `Sid` of a fence.
const SID: &str = "DrFence";
/// A configuration of a bucket may be shown late.
const READ_BACK: WaiterConfig = WaiterConfig {
    deadline: Duration::from_secs(60),
    interval: Duration::from_millis(250),
    max_interval: Duration::from_secs(5),
};

/// The statement's `Sid`. IAM has letters and digits in it: runs whose names differ in hyphens alone have one fence.
fn sid(run: &RunId) -> String {
    SID.to_owned() + &run.as_str().replace('-', "")
}

/// What is wanted of the buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FenceWanted {
    /// No replica arrives.
    Fenced,
    /// The run's fence is gone.
    Unfenced,
}

/// What is to be done to a bucket, or was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum FenceStep {
    /// It is as wanted.
    None,
    /// The run's statement is added to the policy.
    AddStatement {
        /// Statements of others, which stay as they are.
        kept: usize,
    },
    /// The bucket has no policy and gets one with the run's statement.
    PutPolicy,
    /// The run's statement is taken out of the policy.
    RemoveStatement {
        /// Statements of others, which stay as they are.
        kept: usize,
    },
    /// The policy has nothing but the run's statement, and goes.
    DeletePolicy,
    /// A statement with the run's `Sid` is not the one that the run puts there: it is left, and nothing is done.
    Conflict {
        /// The statement's `Sid`.
        sid: String,
    },
    /// What the bucket has could not be read, or what was done could not be seen.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl FenceStep {
    fn is_change(&self) -> bool {
        !matches!(
            self,
            Self::None | Self::Conflict { .. } | Self::Unknown { .. }
        )
    }

    fn mark(&self) -> Mark {
        match self {
            Self::None => Mark::Ok,
            Self::Conflict { .. } => Mark::Wrong,
            Self::Unknown { .. } => Mark::Unknown,
            _ => Mark::Plain,
        }
    }
}

impl fmt::Display for FenceStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("as wanted"),
            Self::AddStatement { kept } => {
                write!(f, "add the statement to a policy that keeps its {kept}")
            }
            Self::PutPolicy => f.write_str("give it a policy with the statement alone"),
            Self::RemoveStatement { kept } => {
                write!(
                    f,
                    "take the statement out of a policy that keeps its {kept}"
                )
            }
            Self::DeletePolicy => f.write_str("delete the policy, which has the statement alone"),
            Self::Conflict { sid } => write!(f, "the statement {sid} is not that of the run"),
            Self::Unknown { reason } => f.write_str(reason),
        }
    }
}

/// One bucket of a plan, or of what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketFence {
    /// The bucket.
    pub bucket: PairedBucket,
    /// What is to be done; after it was done, what is left.
    #[serde(flatten)]
    pub step: FenceStep,
    /// The `Sid`s of other runs' fences, which stay, and keep replicas out by themselves.
    pub others: Vec<String>,
}

/// How the buckets of the DR region stand to what is wanted: before, as a plan, and afterwards, as a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FencePlan {
    /// The run.
    pub run: RunId,
    /// What is wanted.
    pub wanted: FenceWanted,
    /// Each bucket.
    pub buckets: Vec<BucketFence>,
}

impl FencePlan {
    /// Whether every bucket was seen to be as wanted.
    pub fn holds(&self) -> bool {
        let mut steps = self.buckets.iter().map(|bucket| &bucket.step);
        steps.all(|step| *step == FenceStep::None)
    }
}

impl Report for FencePlan {
    const KIND: &'static str = "fence-plan";

    fn document(&self) -> Document {
        let heading = match self.wanted {
            FenceWanted::Fenced => "Replication kept out by run",
            FenceWanted::Unfenced => "Replication let in again by run",
        };
        let rows = self.buckets.iter().map(|fence| {
            let cells = vec![
                fence.bucket.name.to_string(),
                fence.bucket.region.to_string(),
                fence.step.to_string(),
                fence.others.join(", "),
            ];
            (fence.step.mark(), cells)
        });
        Document::new()
            .heading(format!("{heading} {}", self.run))
            .table(
                ["Bucket", "Region", "Policy", "Other fences"],
                rows.collect(),
            )
    }
}

/// Looks at what keeps replicas out of `buckets`, all of the DR region ([`Pairing::replicas`](super::Pairing::replicas)),
/// and what has to be done; changes nothing. A bucket that does not tell is a row, and stops no other.
pub async fn plan_fence(
    dr: &DrOnly,
    buckets: &[PairedBucket],
    run: &RunId,
    wanted: FenceWanted,
) -> FencePlan {
    let s3 = dr.region().clients().s3;
    let look = |bucket: &PairedBucket| {
        let (policies, bucket) = (Policies::new(dr, &s3, bucket), bucket.clone());
        async move {
            let found = match bucket.region == dr.region().region() {
                true => policies
                    .find(run, wanted)
                    .await
                    .map_err(|error| error.to_string()),
                false => Err(format!("it lies in {}", bucket.region)),
            };
            bucket_fence(bucket, found.map(|change| (change.step, change.others)))
        }
    };
    FencePlan {
        run: run.clone(),
        wanted,
        buckets: join_all(buckets.iter().map(look)).await,
    }
}

/// Makes each bucket of `plan` as wanted, by what it has now, and reads back that it is. What is as wanted already is left:
/// a run that was killed, wherever, goes on with the same call. Returns what is left.
///
/// S3 takes a policy as a whole and on no condition: whoever changes it in the same moment may be overwritten, or overwrite.
pub async fn apply_fence(dr: &DrOnly, plan: &FencePlan) -> FencePlan {
    let s3 = dr.region().clients().s3;
    let (run, wanted) = (&plan.run, plan.wanted);
    let change = |fence: &BucketFence| {
        let (policies, fence) = (Policies::new(dr, &s3, &fence.bucket), fence.clone());
        async move {
            if fence.bucket.region != dr.region().region() {
                return fence;
            }
            let found = match policies.make(run, wanted).await {
                Ok(()) => policies.find(run, wanted).await,
                Err(error) => Err(error),
            };
            let found = found.map(|change| (change.step, change.others));
            bucket_fence(fence.bucket, found.map_err(|error| error.to_string()))
        }
    };
    FencePlan {
        run: run.clone(),
        wanted,
        buckets: join_all(plan.buckets.iter().map(change)).await,
    }
}

fn bucket_fence(
    bucket: PairedBucket,
    found: Result<(FenceStep, Vec<String>), String>,
) -> BucketFence {
    let (step, others) = found.unwrap_or_else(|reason| (FenceStep::Unknown { reason }, Vec::new()));
    BucketFence {
        bucket,
        step,
        others,
    }
}

/// The policy of one bucket.
struct Policies<'a> {
    dr: &'a DrOnly,
    s3: &'a Client,
    bucket: String,
    resource: String,
}

impl<'a> Policies<'a> {
    fn new(dr: &'a DrOnly, s3: &'a Client, bucket: &PairedBucket) -> Self {
        Self {
            dr,
            s3,
            bucket: bucket.name.to_string(),
            resource: resource(bucket),
        }
    }

    fn call(&self, operation: &'static str) -> Call {
        self.dr.region().call("S3", operation, &self.bucket)
    }

    async fn read(&self) -> Result<Option<Policy>, Error> {
        let get = self.s3.get_bucket_policy().bucket(&self.bucket);
        let text = match get.send().await {
            Ok(answer) => answer.policy.unwrap_or_default(),
            Err(error) => {
                let error = self.call("GetBucketPolicy").failed(error);
                return match error.is_code("NoSuchBucketPolicy") {
                    true => Ok(None),
                    false => Err(error),
                };
            }
        };
        let policy = Policy::parse(&text);
        policy.map(Some).ok_or_else(|| {
            Error::unexpected(
                self.call("GetBucketPolicy"),
                "the policy is no list of statements",
            )
        })
    }

    async fn find(&self, run: &RunId, wanted: FenceWanted) -> Result<Change, Error> {
        Ok(change(self.read().await?, run, wanted, &self.resource))
    }

    /// Changes the policy where it has to be changed, and waits until the change is shown.
    async fn make(&self, run: &RunId, wanted: FenceWanted) -> Result<(), Error> {
        let change = self.find(run, wanted).await?;
        if !change.step.is_change() {
            return Ok(());
        }
        let operation = match change.policy {
            Some(policy) => {
                let put = self.s3.put_bucket_policy().bucket(&self.bucket);
                let put = put.policy(policy.to_string()).send().await;
                put.map(drop)
                    .map_err(|error| self.call("PutBucketPolicy").failed(error))?;
                "PutBucketPolicy"
            }
            None => {
                let delete = self.s3.delete_bucket_policy().bucket(&self.bucket);
                let delete = delete.send().await;
                delete
                    .map(drop)
                    .map_err(|error| self.call("DeleteBucketPolicy").failed(error))?;
                "DeleteBucketPolicy"
            }
        };
        let look = || async {
            let step = self.find(run, wanted).await?.step;
            Ok(match step.is_change() {
                true => Poll::Pending("the policy as it was".to_owned()),
                false => Poll::Ready(()),
            })
        };
        wait(READ_BACK, self.call(operation), |_| (), look).await
    }
}

/// What has to be done to a policy.
struct Change {
    step: FenceStep,
    others: Vec<String>,
    /// The policy afterwards; none where there is to be none.
    policy: Option<Value>,
}

/// A policy, and its statements apart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Policy {
    rest: Map<String, Value>,
    statements: Vec<Value>,
}

impl Policy {
    fn parse(text: &str) -> Option<Self> {
        let Ok(Value::Object(mut rest)) = serde_json::from_str(text) else {
            return None;
        };
        let statements = match rest.get_mut("Statement").map(Value::take) {
            Some(Value::Array(statements)) => statements,
            // One may stand without a list.
            Some(statement @ Value::Object(_)) => vec![statement],
            _ => return None,
        };
        statements
            .iter()
            .all(Value::is_object)
            .then_some(Self { rest, statements })
    }

    fn into_value(self) -> Value {
        let mut policy = self.rest;
        policy.insert("Statement".to_owned(), Value::Array(self.statements));
        Value::Object(policy)
    }
}

/// What is denied: everything in the bucket.
fn resource(bucket: &PairedBucket) -> String {
    format!("arn:{}:s3:::{}/*", bucket.region.partition(), bucket.name)
}

fn statement(run: &RunId, resource: &str) -> Value {
    json!({
        "Sid": sid(run),
        "Effect": "Deny",
        "Principal": "*",
        "Action": ACTIONS,
        "Resource": resource,
    })
}

/// Whether `statement` denies the same as a fence does. S3 may show a list of one as a text, and a list in another order.
fn is_fence(statement: &Value, resource: &str) -> bool {
    let list = |name: &str| -> Vec<&str> {
        let mut texts = match &statement[name] {
            Value::String(text) => vec![text.as_str()],
            Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        texts.sort_unstable();
        texts
    };
    let everybody = statement["Principal"] == "*" || statement["Principal"] == json!({"AWS": "*"});
    let fields = ["Sid", "Effect", "Principal", "Action", "Resource"];
    let has_more = |fields_of: &Map<String, Value>| fields_of.len() > fields.len();
    statement["Effect"] == "Deny"
        && everybody
        && list("Action") == ACTIONS
        && list("Resource") == [resource]
        // A condition would let some in.
        && !statement.as_object().is_some_and(has_more)
}

/// What has to be done to `policy`. Pure.
fn change(policy: Option<Policy>, run: &RunId, wanted: FenceWanted, resource: &str) -> Change {
    let sid = sid(run);
    let is_there = policy.is_some();
    let mut policy = policy.unwrap_or_else(|| Policy {
        rest: Map::from_iter([("Version".to_owned(), json!("2012-10-17"))]),
        statements: Vec::new(),
    });
    let others = policy
        .statements
        .iter()
        .filter(|statement| is_fence(statement, resource));
    let others = others.filter_map(|statement| statement["Sid"].as_str());
    let others = others.filter(|other| other.starts_with(SID) && *other != sid);
    let others = others.map(str::to_owned).collect();
    let own = policy
        .statements
        .iter()
        .position(|statement| statement["Sid"] == sid);
    let unchanged = |step| Change {
        step,
        others,
        policy: None,
    };
    match (own, wanted) {
        (Some(at), _) if !is_fence(&policy.statements[at], resource) => {
            unchanged(FenceStep::Conflict { sid })
        }
        (Some(_), FenceWanted::Fenced) | (None, FenceWanted::Unfenced) => {
            unchanged(FenceStep::None)
        }
        (None, FenceWanted::Fenced) => {
            let kept = policy.statements.len();
            policy.statements.push(statement(run, resource));
            Change {
                policy: Some(policy.into_value()),
                ..unchanged(match is_there {
                    true => FenceStep::AddStatement { kept },
                    false => FenceStep::PutPolicy,
                })
            }
        }
        (Some(at), FenceWanted::Unfenced) => {
            policy.statements.remove(at);
            let kept = policy.statements.len();
            match kept {
                // A policy without a statement is none that S3 takes.
                0 => unchanged(FenceStep::DeletePolicy),
                kept => Change {
                    policy: Some(policy.into_value()),
                    ..unchanged(FenceStep::RemoveStatement { kept })
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_env::{AwsEnv, Options};
    use aws_sdk_s3::operation::get_bucket_policy::GetBucketPolicyOutput;
    use aws_smithy_mocks::{mock, mock_client};

    use super::*;

    const RESOURCE: &str = "arn:aws:s3:::photos-dr/*";

    fn run(name: &str) -> RunId {
        name.parse().unwrap()
    }

    fn parse(value: &Value) -> Option<Policy> {
        Some(Policy::parse(&value.to_string()).unwrap())
    }

    /// S3 takes no such policy, and shows none.
    #[tokio::test]
    async fn read_of_a_policy_that_cannot_be_understood_is_no_bucket_without_one() {
        let odd = mock!(Client::get_bucket_policy).then_output(|| {
            let policy = r#"{"Version": "2012-10-17", "Statement": "x"}"#;
            GetBucketPolicyOutput::builder().policy(policy).build()
        });
        let s3 = mock_client!(aws_sdk_s3, [&odd]);
        let env = AwsEnv::load(Options::default()).await.unwrap();
        let dr = env.dr_only("us-east-1".parse().unwrap());
        let bucket = PairedBucket {
            name: "photos-dr".parse().unwrap(),
            region: dr.region().region(),
            account: None,
        };
        let read = Policies::new(&dr, &s3, &bucket).read().await;
        let problem = read.unwrap_err();
        let why = std::error::Error::source(&problem).unwrap().to_string();
        assert!(why.contains("no list of statements"), "{why}");
    }

    #[test]
    fn sid_of_a_run_has_letters_and_digits_alone() {
        let id = run("20261130T025905Z-0123456789abcdef");
        assert_eq!(sid(&id), "DrFence20261130T025905Z0123456789abcdef");
    }

    #[test]
    fn change_and_its_reverse_give_the_policy_of_others_as_it_was() {
        let tls = json!({"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": RESOURCE,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}, "NumericLessThan": {"s3:TlsVersion": 1.2}}});
        let nameless = json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": ["s3:GetObject"], "Resource": [RESOURCE]});
        let policy = json!({"Version": "2012-10-17", "Id": "theirs", "Statement": [tls, nameless]});
        let (a, b) = (run("a-1"), run("b-1"));
        let fenced = change(parse(&policy), &a, FenceWanted::Fenced, RESOURCE);
        assert_eq!(fenced.step, FenceStep::AddStatement { kept: 2 });
        let fenced = fenced.policy.unwrap();
        assert_eq!(fenced["Statement"][0].to_string(), tls.to_string());
        assert_eq!(fenced["Statement"][1].to_string(), nameless.to_string());
        assert_eq!(fenced["Id"], "theirs");
        // Again, and of another run.
        let again = change(parse(&fenced), &a, FenceWanted::Fenced, RESOURCE);
        assert_eq!(again.step, FenceStep::None);
        let other = change(parse(&fenced), &b, FenceWanted::Fenced, RESOURCE);
        assert_eq!(other.others, ["DrFencea1"]);
        let unfenced = change(
            other.policy.map(|p| Policy::parse(&p.to_string()).unwrap()),
            &a,
            FenceWanted::Unfenced,
            RESOURCE,
        );
        assert_eq!(unfenced.step, FenceStep::RemoveStatement { kept: 3 });
        assert_eq!(unfenced.others, ["DrFenceb1"]);
        let alone = change(parse(&fenced), &a, FenceWanted::Unfenced, RESOURCE);
        assert_eq!(alone.policy.unwrap().to_string(), policy.to_string());
        let gone = change(parse(&policy), &a, FenceWanted::Unfenced, RESOURCE);
        assert_eq!((gone.step, gone.policy), (FenceStep::None, None));
    }

    #[test]
    fn resource_of_a_bucket_is_in_the_partition_of_its_region() {
        let of = |region: &str| {
            resource(&PairedBucket {
                name: "photos-dr".parse().unwrap(),
                region: region.parse().unwrap(),
                account: None,
            })
        };
        assert_eq!(of("ca-west-1"), RESOURCE);
        assert_eq!(of("cn-north-1"), "arn:aws-cn:s3:::photos-dr/*");
    }

    #[test]
    fn change_takes_no_statement_of_others_for_a_fence_of_a_run() {
        let mut theirs = statement(&run("a"), RESOURCE);
        theirs["Sid"] = json!("NoReplicas");
        let policy = json!({"Version": "2012-10-17", "Statement": [theirs]});
        for wanted in [FenceWanted::Fenced, FenceWanted::Unfenced] {
            let found = change(parse(&policy), &run("b"), wanted, RESOURCE);
            assert_eq!(found.others, [""; 0]);
        }
    }

    #[test]
    fn holds_only_where_every_bucket_was_seen_as_wanted() {
        let plan = |steps: &[FenceStep]| FencePlan {
            run: run("a"),
            wanted: FenceWanted::Fenced,
            buckets: steps
                .iter()
                .map(|step| BucketFence {
                    bucket: PairedBucket {
                        name: "photos-dr".parse().unwrap(),
                        region: "ca-west-1".parse().unwrap(),
                        account: None,
                    },
                    step: step.clone(),
                    others: Vec::new(),
                })
                .collect(),
        };
        assert!(plan(&[FenceStep::None, FenceStep::None]).holds());
        for step in [
            FenceStep::PutPolicy,
            FenceStep::Conflict {
                sid: "DrFencea".to_owned(),
            },
            FenceStep::Unknown {
                reason: "denied".to_owned(),
            },
        ] {
            assert!(!plan(&[FenceStep::None, step]).holds());
        }
    }

    #[test]
    fn change_of_a_bucket_without_a_policy_gives_it_one_and_takes_it_away() {
        let fenced = change(None, &run("a"), FenceWanted::Fenced, RESOURCE);
        assert_eq!(fenced.step, FenceStep::PutPolicy);
        let policy = fenced.policy.unwrap();
        assert_eq!(policy["Version"], "2012-10-17");
        let unfenced = change(parse(&policy), &run("a"), FenceWanted::Unfenced, RESOURCE);
        assert_eq!(
            (unfenced.step, unfenced.policy),
            (FenceStep::DeletePolicy, None)
        );
        let none = change(None, &run("a"), FenceWanted::Unfenced, RESOURCE);
        assert_eq!(none.step, FenceStep::None);
    }

    #[test]
    fn change_finds_the_statement_as_s3_may_show_it_and_leaves_what_only_bears_its_name() {
        let own = json!({"Statement": {"Sid": "DrFencea", "Effect": "Deny", "Principal": {"AWS": "*"},
            "Action": ["s3:ReplicateTags", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:ObjectOwnerOverrideToBucketOwner"],
            "Resource": [RESOURCE]}});
        let seen = change(parse(&own), &run("a"), FenceWanted::Fenced, RESOURCE);
        assert_eq!(seen.step, FenceStep::None);
        let changes: [fn(&mut Value); 5] = [
            |statement| statement["Effect"] = json!("Allow"),
            |statement| statement["Principal"] = json!({"AWS": "arn:aws:iam::111122223333:root"}),
            |statement| statement["Action"] = json!("s3:ReplicateObject"),
            |statement| statement["Resource"] = json!("arn:aws:s3:::photos-dr/a/*"),
            |statement| statement["Condition"] = json!({"Bool": {"aws:SecureTransport": "false"}}),
        ];
        for weaken in changes {
            let mut policy = own.clone();
            weaken(&mut policy["Statement"]);
            for wanted in [FenceWanted::Fenced, FenceWanted::Unfenced] {
                let found = change(parse(&policy), &run("a"), wanted, RESOURCE);
                assert!(matches!(found.step, FenceStep::Conflict { .. }), "{policy}");
                assert_eq!(found.policy, None);
            }
        }
        for wrong in [
            "",
            "[]",
            "{}",
            r#"{"Statement": "x"}"#,
            r#"{"Statement": ["x"]}"#,
        ] {
            assert_eq!(Policy::parse(wrong), None, "{wrong}");
        }
    }
}
