//! Minor versions that could be installed.

use report::finding::{Finding, Observation, Unobserved};

use super::Context;
use crate::named;
use crate::version::numbers;

pub(super) async fn review(context: Context<'_>) -> Vec<Finding> {
    let (database, redis) = tokio::join!(database(context), redis(context));
    let expected = "the newest minor version";
    vec![
        Finding::new("db-minor", context.located.text("db_identifier").unwrap_or("the database"), expected, database)
            .fix("make a snapshot, then set db_engine_version in terraform.tfvars and terraform apply in the maintenance window"),
        Finding::new("redis-minor", context.located.text("redis_replication_group_id").unwrap_or("Redis"), expected, redis)
            .fix("set the engine version of module.cache, then terraform apply in the maintenance window"),
    ]
}

/// What runs, and the newest that could.
fn judge(running: &str, newest: Option<String>) -> (bool, String) {
    match newest {
        Some(newest) => (false, format!("{running} runs, {newest} is there")),
        None => (true, format!("{running} is the newest")),
    }
}

async fn database(context: Context<'_>) -> Observation<(bool, String)> {
    let id = context.located.text("db_identifier")?;
    let instance = named::database(context.clients, id).await?;
    let tells = || Unobserved::because("RDS tells no engine version");
    let engine = instance.engine().ok_or_else(tells)?;
    let running = instance.engine_version().ok_or_else(tells)?;
    let call = context
        .clients
        .call("RDS", "DescribeDBEngineVersions", engine);
    let pages = context
        .clients
        .rds
        .describe_db_engine_versions()
        .engine(engine);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    // Every minor of a major can be upgraded to every later one.
    let major = numbers(running).first().copied();
    let newest = found
        .iter()
        .filter_map(|version| version.engine_version())
        .filter(|version| numbers(version).first().copied() == major)
        .max_by_key(|version| numbers(version))
        .ok_or_else(|| Unobserved::because(format!("RDS lists no version like {running}")))?;
    let newer = numbers(newest) > numbers(running);
    Ok(judge(running, newer.then(|| newest.to_owned())))
}

async fn redis(context: Context<'_>) -> Observation<(bool, String)> {
    let id = context.located.text("redis_replication_group_id")?;
    let group = named::replication_group(context.clients, id).await?;
    let cluster = named::first_node(context.clients, &group).await?;
    let tells = || Unobserved::because("ElastiCache tells no engine version");
    let engine = cluster.engine().unwrap_or("redis");
    let running = cluster.engine_version().ok_or_else(tells)?;
    let call = context
        .clients
        .call("ElastiCache", "DescribeCacheEngineVersions", engine);
    let asked = context.clients.elasticache.describe_cache_engine_versions();
    let pages = asked.engine(engine);
    let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
    let found = found.map_err(|error| Unobserved::from(call.failed(error)))?;
    let major = numbers(running).first().copied();
    let of_major: Vec<&str> = found
        .iter()
        .filter_map(|version| version.engine_version())
        .filter(|version| numbers(version).first().copied() == major)
        .collect();
    if of_major.is_empty() {
        return Err(Unobserved::because(format!(
            "ElastiCache lists no version like {running}"
        )));
    }
    // Within 7.1 AWS chooses the patch: only the part that is listed is compared.
    let newest = of_major
        .into_iter()
        .filter(|version| {
            let listed = numbers(version);
            let depth = listed.len().min(2);
            listed
                .iter()
                .take(depth)
                .gt(numbers(running).iter().take(depth))
        })
        .max_by_key(|version| numbers(version))
        .map(str::to_owned);
    Ok(judge(running, newest))
}
