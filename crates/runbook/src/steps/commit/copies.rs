//! What a new DR region gets: the state's copy, the buckets and what is in them.

use ::report::counted;
use aws_env::Both;
use dr::objects::BucketPair;
use serde_json::{Value, json};
use settings::{Encryption, RoleName};
use state_backend::{
    Backend, BackfillLimits, BackfillOutcome, ConnectError, Found, NotCopied, Plan, Side, SideName,
    Spec, StepOutcome,
};

use super::Commit;
use crate::commit::names;
use crate::record::Digest;
use crate::steps::{inputs, look};
use crate::{Check, Host, PlannedStep, StepError, StepErrorKind, Store};

/// Whether a step is one of a switchover, as which it is taken.
pub(super) fn is_of_a_move(kind: &str) -> bool {
    matches!(
        kind,
        names::STATE_PARITY | names::OBJECTS | names::BACKUPS | names::SECRET_REPLICA
    )
}

fn not_connected(error: ConnectError) -> StepError {
    let kind = match &error {
        ConnectError::Call(_) => StepErrorKind::Unchecked,
        _ => StepErrorKind::Refused,
    };
    StepError::new(kind, error)
}

/// What is not as wanted; empty where all is.
fn lacking(plan: &Plan) -> Result<Vec<String>, StepError> {
    let refused: Vec<String> = plan
        .refused()
        .map(|(item, refusal)| format!("{}: {}; {}", item.facet.resource, refusal.why, refusal.fix))
        .collect();
    if !refused.is_empty() {
        return Err(StepError::refused(refused.join("; ")));
    }
    if let Some(item) = plan.unknown().next() {
        let why = match &item.found {
            Found::Unknown(problem) => problem.to_string(),
            _ => "it could not be read".to_owned(),
        };
        return Err(StepError::unchecked(format!(
            "{} of {}: {why}",
            item.facet.aspect, item.facet.resource
        )));
    }
    let pending = plan.pending();
    Ok(pending
        .map(|item| format!("{} of {}", item.facet.aspect, item.facet.resource))
        .collect())
}

/// Makes what is lacking.
async fn make<S, H>(of: &Commit<'_, S, H>, backend: &Backend) -> Result<(), StepError> {
    let plan = backend.plan().await;
    if lacking(&plan)?.is_empty() {
        return Ok(());
    }
    let approved = plan
        .approve()
        .map_err(|_| StepError::refused("what is to be made is refused"))?;
    let applied = backend.apply(&approved, of.serves.observer).await;
    let failed: Vec<String> = applied
        .steps
        .iter()
        .filter_map(|step| match &step.outcome {
            StepOutcome::Failed(problem) => Some(format!(
                "{} of {}: {problem}",
                step.facet.aspect, step.facet.resource
            )),
            _ => None,
        })
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(StepError::unchecked(failed.join("; "))),
    }
}

async fn of_states<S, H>(of: &Commit<'_, S, H>) -> Result<Backend, StepError> {
    let backend = Backend::connect(of.means, of.both()?).await;
    backend.map_err(not_connected)
}

/// How many objects the copy lacks that are copied here. What S3 has to bring, or a person to decide, is an error.
async fn uncopied<S, H: Host>(
    of: &Commit<'_, S, H>,
    backend: &Backend,
) -> Result<state_backend::Backfill, StepError> {
    let limits = BackfillLimits::default();
    let plan = backend.backfill_plan(limits, None, of.serves.host.now());
    let plan = plan.await.map_err(StepError::unchecked)?;
    let hint = "`init-backend backfill` with the settings that the plan shows says what it is; then resume";
    for object in &plan.objects {
        let key = object.key.escape_debug();
        match &object.outcome {
            BackfillOutcome::Unknown { problem } => {
                return Err(StepError::unchecked(format!("{key}: {problem}")));
            }
            // Replication is about to bring it, and the next step waits for that.
            BackfillOutcome::Left { left }
                if !matches!(left.kind, NotCopied::Pending | NotCopied::Changed) =>
            {
                return Err(StepError::wrong(format!("{key}: {}", left.text)).hint(hint));
            }
            _ => {}
        }
    }
    Ok(plan)
}

async fn state_lacks<S, H: Host>(of: &Commit<'_, S, H>) -> Result<Vec<String>, StepError> {
    let backend = of_states(of).await?;
    let mut lacks = lacking(&backend.plan().await)?;
    if lacks.is_empty() {
        let planned = uncopied(of, &backend).await?.planned();
        if planned > 0 {
            lacks.push(counted(planned, "object"));
        }
    }
    Ok(lacks)
}

pub(super) async fn check_state<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
) -> Result<Check, StepError> {
    let lacks = state_lacks(of).await?;
    Ok(match lacks.is_empty() {
        true => Check::Done(json!({"bucket": bucket_of_states(of)})),
        false => look(&format!("make {}", shortened(&lacks))),
    })
}

fn bucket_of_states<S, H>(of: &Commit<'_, S, H>) -> Option<String> {
    let copies = Spec::of_settings(of.means).dr;
    copies.map(|side| side.bucket.to_string())
}

/// A new bucket lacks a dozen settings.
fn shortened(lacks: &[String]) -> String {
    match lacks {
        [first, second, _, ..] => format!("{first}, {second} and {} more", lacks.len() - 2),
        few => few.join(", "),
    }
}

pub(super) async fn apply_state<S: Store, H: Host>(of: &Commit<'_, S, H>) -> Result<(), StepError> {
    let backend = of_states(of).await?;
    make(of, &backend).await?;
    let plan = uncopied(of, &backend).await?;
    let done = backend.backfill(&plan.approve(), of.serves.observer).await;
    for object in &done.objects {
        if let BackfillOutcome::Unknown { problem } = &object.outcome {
            let key = object.key.escape_debug();
            return Err(StepError::unchecked(format!("{key}: {problem}")));
        }
    }
    Ok(())
}

pub(super) async fn verify_state<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
) -> Result<Value, StepError> {
    match check_state(of).await? {
        Check::Done(done) => Ok(done),
        Check::Todo { what, .. } => Err(StepError::wrong(format!("left to do: {what}"))),
        Check::NotApplicable(why) => Err(StepError::wrong(why)),
    }
}

/// The role that S3 replicates a bucket with. A name of 64 characters has no room for that of a bucket.
fn role(pair: &BucketPair) -> Result<RoleName, StepError> {
    let digest = Digest::of(pair.dr.name.as_str().as_bytes()).short();
    let name = format!("dr-replicate-{}-{digest}", pair.dr.region);
    name.parse().map_err(StepError::refused)
}

fn spec<S, H>(
    of: &Commit<'_, S, H>,
    pair: &BucketPair,
    (source, copy): (Encryption, Encryption),
) -> Result<Spec, StepError> {
    let side = |name, bucket: &dr::objects::PairedBucket, encryption| {
        Side::new(name, bucket.region, bucket.name.clone()).with_encryption(encryption)
    };
    let primary = side(SideName::Primary, &pair.primary, source);
    let dr = side(SideName::Dr, &pair.dr, copy);
    let spec = Spec::of(primary, &of.means.state.key).of_data();
    let spec = spec.replicated_to(dr, role(pair)?);
    let tags = of.means.tags.iter();
    let spec = tags.fold(spec, |spec, (key, value)| spec.tagged(key, value));
    Ok(match &of.means.account {
        Some(account) => spec.in_account(account),
        None => spec,
    })
}

/// The bucket and its copy, encrypted alike.
async fn of_bucket<S, H>(of: &Commit<'_, S, H>, pair: &BucketPair) -> Result<Backend, StepError> {
    let both: &Both = of.both()?;
    let source = encryption(both, pair).await?;
    let copy = match &source {
        Encryption::Aes256 => Encryption::Aes256,
        Encryption::Kms(_) => Encryption::Kms(key(of, pair)?),
        Encryption::Dsse(_) => Encryption::Dsse(key(of, pair)?),
    };
    let backend = Backend::open(spec(of, pair, (source, copy))?, both).await;
    backend.map_err(not_connected)
}

fn key<S, H>(of: &Commit<'_, S, H>, pair: &BucketPair) -> Result<settings::KmsKeyArn, StepError> {
    of.kms.clone().ok_or_else(|| {
        StepError::refused(format!(
            "{} is encrypted with a key of KMS, and none of {} is given",
            pair.primary.name, pair.dr.region
        ))
        .hint("give this run up, and begin another one with --dr-kms ARN")
    })
}

/// How new objects of the bucket are encrypted.
async fn encryption(both: &Both, pair: &BucketPair) -> Result<Encryption, StepError> {
    use aws_sdk_s3::types::ServerSideEncryption as Algorithm;
    let clients = both.primary.clients();
    let bucket = pair.primary.name.as_str();
    let call = clients.call("S3", "GetBucketEncryption", format!("bucket {bucket}"));
    let get = clients.s3.get_bucket_encryption().bucket(bucket);
    let found = match get.send().await.map_err(|error| call.failed(error)) {
        Ok(found) => found,
        Err(error)
            if error.code.as_deref() == Some("ServerSideEncryptionConfigurationNotFoundError") =>
        {
            return Ok(Encryption::Aes256);
        }
        Err(error) => return Err(error.into()),
    };
    let rules = found.server_side_encryption_configuration;
    let rules = rules.map(|found| found.rules).unwrap_or_default();
    let default = rules
        .into_iter()
        .find_map(|rule| rule.apply_server_side_encryption_by_default);
    let Some(default) = default else {
        return Ok(Encryption::Aes256);
    };
    let own_key = default.kms_master_key_id.unwrap_or_default();
    let key = || {
        own_key.parse().map_err(|error| {
            StepError::refused(format!("the key that {bucket} encrypts with: {error}")).hint(
                "S3 replicates by the ARN of a key: name it in the bucket's encryption, and resume",
            )
        })
    };
    Ok(match default.sse_algorithm {
        Algorithm::AwsKms => Encryption::Kms(key()?),
        Algorithm::AwsKmsDsse => Encryption::Dsse(key()?),
        _ => Encryption::Aes256,
    })
}

pub(super) async fn check_bucket<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let pair: BucketPair = inputs(step)?;
    let lacks = lacking(&of_bucket(of, &pair).await?.plan().await)?;
    Ok(match lacks.is_empty() {
        true => Check::Done(json!({"bucket": pair.dr.name, "role": role(&pair)?})),
        false => look(&format!("make {}", shortened(&lacks))),
    })
}

pub(super) async fn apply_bucket<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
) -> Result<(), StepError> {
    let pair: BucketPair = inputs(step)?;
    make(of, &of_bucket(of, &pair).await?).await
}

pub(super) async fn verify_bucket<S: Store, H: Host>(
    of: &Commit<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    match check_bucket(of, step).await? {
        Check::Done(done) => Ok(done),
        Check::Todo { what, .. } => Err(StepError::wrong(format!("left to do: {what}"))),
        Check::NotApplicable(why) => Err(StepError::wrong(why)),
    }
}
