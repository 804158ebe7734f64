//! Secrets that say where a database is, on the way back: what the DR region's say counts, since its database comes home with the
//! passwords that were set there. The primary region gets it with its own instance's address; after the cut-over the DR region's
//! secrets are replicas again.

use std::time::Duration;

use aws_env::{RegionAccess, Waiter, WaiterConfig};
use aws_sdk_secretsmanager::types::{ReplicaRegionType, StatusType};
use serde_json::{Value, json};
use settings::DatabaseSecret;

use super::super::secrets::{
    Content, Described, SecretInputs, address, call, client, describe, todo, write,
};
use super::{PlannedMove, inputs};
use crate::{Check, Host, PlannedStep, StepContext, StepError, Store};

/// AWS replicates a secret within seconds.
const WAITER: WaiterConfig = WaiterConfig {
    deadline: Duration::from_mins(10),
    interval: Duration::from_millis(500),
    max_interval: Duration::from_secs(15),
};

async fn described(access: &RegionAccess, secret: &DatabaseSecret) -> Result<Described, StepError> {
    let found = describe(access, secret.name.as_str()).await?;
    found.ok_or_else(|| {
        StepError::wrong(format!("{} has no secret {}", access.region(), secret.name))
            .hint("make it by hand with what the application needs, and resume")
    })
}

/// What the primary region's secret is to say besides the address.
async fn source<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    secret: &DatabaseSecret,
) -> Result<Content, StepError> {
    let (primary, dr) = (&of.both.primary, &of.both.dr);
    // One that was never promoted has but what the primary region gave it.
    let own = described(dr, secret).await?.replica_of.is_none();
    let from = if own { dr } else { primary };
    Content::read(from, secret.name.as_str()).await
}

pub(super) async fn check<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let SecretInputs { secret, instance } = inputs(step)?;
    let primary = &of.both.primary;
    let address = address(&of.target, &instance).await?;
    let there = described(primary, &secret).await?;
    let (source, now) = (
        source(of, &secret).await?,
        Content::read(primary, secret.name.as_str()).await?,
    );
    if now.says(&secret, &address)? && now.is_but_for_address(&source, &secret) {
        return Ok(Check::Done(
            json!({"secret": there.arn, "address": address.to_string()}),
        ));
    }
    Ok(todo(format!(
        "bring the secret {} home, with the address {address}",
        secret.name
    )))
}

pub(super) async fn apply<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let SecretInputs { secret, instance } = inputs(step)?;
    let address = address(&of.target, &instance).await?;
    let source = source(of, &secret).await?;
    write(&of.both.primary, &secret, &address, source, context).await
}

pub(super) async fn verify<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    match check(of, step).await? {
        Check::Done(done) => Ok(done),
        _ => Err(StepError::wrong(
            "the secret was written and is not what the DR region's says",
        )),
    }
}

/// Whether the DR region's secret is a replica of the primary one's.
async fn is_replica<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    secret: &DatabaseSecret,
) -> Result<bool, StepError> {
    let (primary, dr) = (&of.both.primary, &of.both.dr);
    let there = describe(dr, secret.name.as_str()).await?;
    let of_primary = there.and_then(|there| there.replica_of);
    if of_primary.as_deref() != Some(primary.region().as_str()) {
        return Ok(false);
    }
    let home = described(primary, secret).await?;
    let to_dr = home
        .replicas
        .iter()
        .find(|(region, ..)| region == dr.region().as_str());
    match to_dr {
        Some((_, StatusType::InSync, _)) => Ok(true),
        Some((_, StatusType::Failed, told)) => Err(StepError::wrong(format!(
            "the secret {} is not replicated to {}: {told}",
            secret.name,
            dr.region()
        ))),
        _ => Ok(false),
    }
}

pub(super) async fn check_replica<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Check, StepError> {
    let SecretInputs { secret, .. } = inputs(step)?;
    let region = of.both.dr.region();
    // A replication that has failed is tried again.
    Ok(match is_replica(of, &secret).await {
        Ok(true) => Check::Done(json!({"replica": region})),
        _ => todo(format!(
            "replicate the secret {} to {region} again",
            secret.name
        )),
    })
}

pub(super) async fn apply_replica<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
    context: &StepContext<'_>,
) -> Result<(), StepError> {
    let SecretInputs { secret, .. } = inputs(step)?;
    let (primary, dr) = (&of.both.primary, &of.both.dr);
    let name = secret.name.as_str();
    let there = describe(dr, name).await?;
    if there
        .as_ref()
        .is_some_and(|there| there.replica_of.is_none())
    {
        // It is overwritten: what it says has to be at home.
        let home = Content::read(primary, name).await?;
        if !home.is_but_for_address(&Content::read(dr, name).await?, &secret) {
            return Err(StepError::refused(format!(
                "the secret {name} in {} says what that in {} does not",
                dr.region(),
                primary.region()
            ))
            .hint("somebody changed one of them after the cut-over: bring what counts into the primary region, and resume"));
        }
    }
    let to = ReplicaRegionType::builder()
        .region(dr.region().as_str())
        .set_kms_key_id(there.and_then(|there| there.key));
    let call = call(primary, "ReplicateSecretToRegions", name);
    let replicate = client(primary)
        .replicate_secret_to_regions()
        .secret_id(name)
        .add_replica_regions(to.build())
        .force_overwrite_replica_secret(true);
    replicate.send().await.map_err(|error| call.failed(error))?;
    let mut waiter = Waiter::begin(WAITER);
    while !is_replica(of, &secret).await? {
        let has_time = tokio::select! {
            has_time = waiter.pause() => has_time,
            () = context.stopped() => return Err(StepError::interrupted()),
        };
        if !has_time {
            let region = dr.region();
            let error = format!("the secret {name} is not in sync in {region} yet");
            return Err(StepError::unchecked(error));
        }
    }
    Ok(())
}

pub(super) async fn verify_replica<S: Store, H: Host>(
    of: &PlannedMove<'_, S, H>,
    step: &PlannedStep,
) -> Result<Value, StepError> {
    let SecretInputs { secret, .. } = inputs(step)?;
    let region = of.both.dr.region();
    match is_replica(of, &secret).await? {
        true => Ok(json!({"replica": region})),
        false => Err(StepError::wrong(format!(
            "the secret {} is no replica in {region}",
            secret.name
        ))),
    }
}
