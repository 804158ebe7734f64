//! Database, Redis, buckets, and the key that they are encrypted with.

use std::collections::BTreeMap;

use aws_env::ErrorClass;
use futures::StreamExt as _;
use futures::stream;
use report::finding::Unobserved;
use serde_json::{Map, Value};

use super::super::clues::Clues;
use super::super::names::says;
use super::super::{Located, Origin};
use super::{AT_ONCE, BUCKETS, Look, none};
use crate::named;

pub(super) async fn database(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "db_identifier";
    const PROPERTIES: [&str; 6] = [
        "db_address",
        "db_port",
        "db_master_username",
        "db_name",
        "db_master_secret_arn",
        "db_monitoring_role_arn",
    ];
    // The only one of the settings is the environment's.
    if let [database] = &look.settings.databases[..] {
        let id = match look.is_dr() {
            true => database.dr_id.to_string(),
            false => database.id.to_string(),
        };
        located.set(ROLE, id, Origin::Settings, "[[databases]]");
    }
    if located.lacks(&[ROLE]) {
        let pages = look.clients.rds.describe_db_instances().into_paginator();
        let found: Result<Vec<_>, _> = pages.items().send().collect().await;
        let call = look.clients.call("RDS", "DescribeDBInstances", "");
        match found.map_err(|error| Unobserved::from(call.failed(error))) {
            Err(unobserved) => located.lack(ROLE, unobserved),
            Ok(all) => {
                let mut clues = Clues::default();
                for one in &all {
                    let Some(id) = one.db_instance_identifier() else {
                        continue;
                    };
                    let tags = one.tag_list().iter();
                    let tags = tags.filter_map(|tag| Some((tag.key()?, tag.value()?)));
                    clues.add_if(look.ours.tags(tags), ROLE, id, 4, "by its tags");
                    clues.add_if(look.ours.names(id), ROLE, id, 3, "by its name");
                    let engine = one.engine() == Some(&look.wanted.expect.db_engine);
                    clues.add_if(engine, ROLE, id, 1, "by its engine");
                }
                located.settle(clues, &[ROLE], &none("instance", look));
            }
        }
    }
    if !located.lacks(&PROPERTIES) {
        return;
    }
    let Ok(id) = located.text(ROLE).map(str::to_owned) else {
        return;
    };
    let instance = match named::database(look.clients, &id).await {
        Ok(instance) => instance,
        Err(unobserved) => {
            for role in &PROPERTIES[..5] {
                located.lack(role, unobserved.clone());
            }
            return;
        }
    };
    let how = format!("of {id}");
    let mut take = |role: &str, value: Option<Value>| {
        if let Some(value) = value {
            located.set(role, value, Origin::Aws, &how);
        }
    };
    let text = |text: Option<&str>| text.map(Value::from);
    let endpoint = instance.endpoint();
    take("db_address", text(endpoint.and_then(|one| one.address())));
    let port = endpoint.and_then(|one| one.port());
    take("db_port", port.map(Value::from));
    take("db_master_username", text(instance.master_username()));
    take("db_name", text(instance.db_name()));
    let secret = instance.master_user_secret();
    take(
        "db_master_secret_arn",
        text(secret.and_then(|secret| secret.secret_arn())),
    );
    take(
        "db_monitoring_role_arn",
        text(instance.monitoring_role_arn()),
    );
    if secret.is_none() {
        let why = format!("RDS keeps no secret of the master user of {id}");
        located.lack("db_master_secret_arn", Unobserved::absent(why));
    }
}

pub(super) async fn cache(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "redis_replication_group_id";
    const PROPERTIES: [&str; 4] = [
        "redis_endpoint",
        "redis_port",
        "redis_node_ids",
        "redis_log_groups",
    ];
    if located.lacks(&[ROLE]) {
        let pages = look.clients.elasticache.describe_replication_groups();
        let found: Result<Vec<_>, _> = pages.into_paginator().items().send().collect().await;
        let call = look
            .clients
            .call("ElastiCache", "DescribeReplicationGroups", "");
        match found.map_err(|error| Unobserved::from(call.failed(error))) {
            Err(unobserved) => located.lack(ROLE, unobserved),
            Ok(all) => {
                let mut clues = Clues::default();
                for one in &all {
                    let Some(id) = one.replication_group_id() else {
                        continue;
                    };
                    clues.add_if(all.len() == 1, ROLE, id, 1, "the only one");
                    clues.add_if(look.ours.names(id), ROLE, id, 3, "by its name");
                    let description = one.description().unwrap_or_default();
                    let described = look.ours.names(description);
                    clues.add_if(described, ROLE, id, 1, "by its description");
                }
                located.settle(clues, &[ROLE], &none("replication group", look));
            }
        }
    }
    if !located.lacks(&PROPERTIES) {
        return;
    }
    let Ok(id) = located.text(ROLE).map(str::to_owned) else {
        return;
    };
    match named::replication_group(look.clients, &id).await {
        Err(unobserved) => {
            for role in PROPERTIES {
                located.lack(role, unobserved.clone());
            }
        }
        Ok(group) => {
            let nodes = group.member_clusters().to_vec();
            located.set("redis_node_ids", nodes, Origin::Aws, format!("of {id}"));
            let to = group.log_delivery_configurations().iter();
            let to = to.filter_map(|log| log.destination_details()?.cloud_watch_logs_details());
            let to: Vec<String> = to.filter_map(|log| log.log_group.clone()).collect();
            located.set("redis_log_groups", to, Origin::Aws, format!("of {id}"));
            let shard = group.node_groups().first();
            let endpoint = shard.and_then(|shard| shard.primary_endpoint());
            let how = format!("of {id}");
            if let Some(address) = endpoint.and_then(|one| one.address()) {
                located.set("redis_endpoint", address, Origin::Aws, &how);
            }
            if let Some(port) = endpoint.and_then(|one| one.port()) {
                located.set("redis_port", port, Origin::Aws, &how);
            }
        }
    }
}

/// The data's from the settings, the logs' from where the data's logs go; the rest by names.
pub(super) async fn buckets(look: Look<'_>, located: &mut Located) {
    const LOGS: &str = "s3_bucket_logs";
    let mut left: Vec<&str> = Vec::new();
    for bucket in &look.settings.buckets {
        let name = match look.is_dr() {
            true => bucket.dr.as_str(),
            false => bucket.name.as_str(),
        };
        let role = BUCKETS[..3].iter().find(|(_, words)| says(name, words));
        match role {
            Some((role, _)) => located.set(role, name, Origin::Settings, "[[buckets]]"),
            None => left.push(name),
        }
    }
    let roles = BUCKETS.map(|(role, _)| role);
    for role in &roles[..3] {
        // As many as are open: their order is all that tells which is which.
        let open = roles[..3]
            .iter()
            .filter(|role| located.is_open(role))
            .count();
        if located.is_open(role) && left.len() == open && !left.is_empty() {
            let name = left.remove(0);
            located.set(role, name, Origin::Settings, "[[buckets]], by its place");
        }
    }
    let s3 = &look.clients.home.s3;
    if located.lacks(&roles) {
        let pages = s3.list_buckets().into_paginator().send();
        let pages: Vec<_> = pages.collect().await;
        let call = look.clients.call("S3", "ListBuckets", "");
        let mut names = Vec::new();
        let mut unseen = None;
        for page in pages {
            match page {
                Ok(page) => names.extend(page.buckets.unwrap_or_default()),
                Err(error) => unseen = Some(Unobserved::from(call.clone().failed(error))),
            }
        }
        let mut clues = Clues::default();
        for name in names.iter().filter_map(|bucket| bucket.name()) {
            for (role, words) in BUCKETS {
                let fits = says(name, words) && look.ours.names(name);
                let replica = look.wanted.replicas.values().any(|replica| replica == name);
                clues.add_if(fits && !replica, role, name, 2, "by its name");
            }
        }
        for role in &roles[..3] {
            let Ok(bucket) = located.text(role) else {
                continue;
            };
            let answer = s3.get_bucket_logging().bucket(bucket).send().await;
            let to = answer.ok().and_then(|answer| answer.logging_enabled);
            if let Some(to) = to.map(|to| to.target_bucket)
                && to != bucket
            {
                clues.add(LOGS, to, 3, format!("{bucket} is logged to it"));
            }
        }
        let why = unseen.unwrap_or_else(|| none("bucket", look));
        located.settle(clues, &roles, &why);
    }
    rules(look, located).await;
}

/// The replication rules, where there are any: without DR there are none.
async fn rules(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "s3_replication_rule_ids";
    if !located.lacks(&[ROLE]) {
        return;
    }
    let mut ids = Map::new();
    let mut without = Vec::new();
    for kind in ["photos", "documents", "signatures"] {
        let Ok(bucket) = located.text(&format!("s3_bucket_{kind}")) else {
            continue;
        };
        let s3 = &look.clients.home.s3;
        let answer = s3.get_bucket_replication().bucket(bucket).send().await;
        match answer {
            Ok(answer) => {
                let rules = answer.replication_configuration.map(|found| found.rules);
                let rules = rules.unwrap_or_default();
                let to = look.wanted.replicas.get(bucket);
                let rule = rules
                    .iter()
                    .find(|rule| {
                        let destination = rule.destination.as_ref();
                        let bucket = destination.map(|one| one.bucket.as_str());
                        bucket.is_some_and(|arn| to.is_some_and(|to| arn.ends_with(to.as_str())))
                    })
                    .or(rules.first());
                let id = rule.and_then(|rule| rule.id.clone()).unwrap_or_default();
                ids.insert(kind.to_owned(), id.into());
            }
            Err(error) => {
                let call = look.clients.call("S3", "GetBucketReplication", bucket);
                let error = call.failed(error);
                if error.is_code("ReplicationConfigurationNotFoundError") {
                    without.push(kind);
                } else if error.class != ErrorClass::Absent {
                    return located.lack(ROLE, error.into());
                }
            }
        }
    }
    // Some replicate, so that all should.
    if !ids.is_empty() {
        for kind in without {
            ids.insert(kind.to_owned(), "replication".into());
        }
    }
    located.set(ROLE, ids, Origin::Aws, "the rules of the buckets");
}

/// The key that most is encrypted with, or the one of the wanted alias.
pub(super) async fn key(look: Look<'_>, located: &mut Located) {
    const ROLE: &str = "kms_key_arn";
    if !located.lacks(&[ROLE]) {
        return;
    }
    let clients = look.clients;
    let arn = |id: &str| match id.starts_with("arn:") {
        true => id.to_owned(),
        false => {
            let (region, account) = (look.wanted.region, look.account);
            format!("arn:{}:kms:{region}:{account}:key/{id}", region.partition())
        }
    };
    let mut clues = Clues::default();
    let aliases: Result<Vec<_>, _> = clients
        .kms
        .list_aliases()
        .into_paginator()
        .items()
        .send()
        .collect()
        .await;
    let call = clients.call("KMS", "ListAliases", "");
    let aliases = aliases.map_err(|error| Unobserved::from(call.failed(error)));
    let unseen = aliases.as_ref().err().cloned();
    let mut managed: BTreeMap<String, bool> = BTreeMap::new();
    for alias in aliases.unwrap_or_default() {
        let (Some(name), Some(target)) = (alias.alias_name(), alias.target_key_id()) else {
            continue;
        };
        let key = arn(target);
        managed.insert(key.clone(), name.starts_with("alias/aws/"));
        let wanted = name == look.wanted.key_alias();
        clues.add_if(wanted, ROLE, &key, 4, name);
        clues.add_if(look.ours.names(name), ROLE, &key, 2, name);
    }
    let is_own = |key: &str| !managed.get(key).copied().unwrap_or_default();
    if let Ok(id) = located.text("db_identifier")
        && let Ok(database) = named::database(clients, id).await
    {
        for (key, what) in [
            (database.kms_key_id(), "encrypts the database"),
            (
                database.performance_insights_kms_key_id(),
                "encrypts Performance Insights",
            ),
        ] {
            if let Some(key) = key.map(arn).filter(|key| is_own(key)) {
                clues.add(ROLE, key, 2, what);
            }
        }
    }
    if let Ok(id) = located.text("redis_replication_group_id")
        && let Ok(group) = named::replication_group(clients, id).await
        && let Some(key) = group.kms_key_id().map(arn).filter(|key| is_own(key))
    {
        clues.add(ROLE, key, 2, "encrypts Redis");
    }
    let buckets: Vec<String> = BUCKETS[..3]
        .iter()
        .filter_map(|(role, _)| located.text(role).ok())
        .map(str::to_owned)
        .collect();
    let keys = stream::iter(buckets).map(async |bucket| {
        let answer = clients
            .home
            .s3
            .get_bucket_encryption()
            .bucket(bucket)
            .send();
        let rules = answer
            .await
            .ok()?
            .server_side_encryption_configuration?
            .rules;
        let default = rules
            .into_iter()
            .next()?
            .apply_server_side_encryption_by_default?;
        default.kms_master_key_id
    });
    let keys: Vec<Option<String>> = keys.buffered(AT_ONCE).collect().await;
    for key in keys
        .into_iter()
        .flatten()
        .filter(|key| !key.contains("alias/"))
    {
        let key = arn(&key);
        if is_own(&key) {
            clues.add(ROLE, key, 1, "encrypts a bucket");
        }
    }
    let why = unseen.unwrap_or_else(|| none("key", look));
    located.settle(clues, &[ROLE], &why);
}
