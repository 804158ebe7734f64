//! Recovery points that a run relies on, and deletions that stop while a failover is on.
//!
//! Both are tags: they lie beside what they protect, in the region that is left, and whoever lists what could be deleted
//! sees them in the same answer.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_env::Error;
use aws_sdk_rds::types::Tag;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use settings::{Database, Region};

use super::clients::is_any;
use super::{RdsClients, Snapshot, provenance_tags};

/// The name of a run, as it is part of a tag's key: 1 to 64 letters, digits, dots, hyphens and underscores.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunName(String);

/// A text that is no name of a run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a run: 1 to 64 letters, digits, dots, hyphens and underscores")]
pub struct RunNameError(String);

impl FromStr for RunName {
    type Err = RunNameError;

    fn from_str(text: &str) -> Result<Self, RunNameError> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if (1..=64).contains(&text.len()) && text.chars().all(is_legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(RunNameError(text.to_owned()))
        }
    }
}

impl TryFrom<String> for RunName {
    type Error = RunNameError;

    fn try_from(text: String) -> Result<Self, RunNameError> {
        text.parse()
    }
}

impl From<RunName> for String {
    fn from(run: RunName) -> Self {
        run.0
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keeps the recovery point of this ARN, a snapshot or a replicated backup, until `run` unpins it: pruning leaves a pinned
/// snapshot, and the replication of a pinned backup is not stopped. What RDS itself does with a backup when its retention is
/// over, no tag keeps from it. Pins of several runs lie beside each other. It may be repeated; the first time counts.
///
/// # Errors
/// When the recovery point is gone, or RDS does not answer, refuses, or does not show the pin afterwards.
pub async fn pin(site: &RdsClients, arn: &str, run: &RunName, now: Timestamp) -> Result<(), Error> {
    add(site, arn, &format!("{}{run}", provenance_tags::PIN), now).await
}

/// Takes away the pin of `run`, and no other. Whether there was one; what is gone has none.
///
/// # Errors
/// When RDS does not answer or refuses.
pub async fn unpin(site: &RdsClients, arn: &str, run: &RunName) -> Result<bool, Error> {
    remove(site, arn, &format!("{}{run}", provenance_tags::PIN)).await
}

/// The runs that have pinned what has these tags.
pub(super) fn pinned_by(tags: &BTreeMap<String, String>) -> Vec<String> {
    runs(tags, provenance_tags::PIN)
}

/// The runs that stop deletions, as the tags of any of these say.
pub(super) fn held_by<'a>(
    tags: impl IntoIterator<Item = &'a BTreeMap<String, String>>,
) -> Vec<String> {
    let each = tags.into_iter();
    let mut runs: Vec<String> = each
        .flat_map(|tags| runs(tags, provenance_tags::FAILOVER))
        .collect();
    runs.sort();
    runs.dedup();
    runs
}

fn runs(tags: &BTreeMap<String, String>, prefix: &str) -> Vec<String> {
    let runs = tags.keys().filter_map(|key| key.strip_prefix(prefix));
    runs.map(str::to_owned).collect()
}

/// What carries the marker of a failover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The ARNs of the copies and backups that were there. Where there is none there is nothing to delete either.
    pub resources: Vec<String>,
}

/// Marks that a failover of `database` is on: until [`release_deletions`], neither pruning nor the snapshot copier deletes
/// any copy of it in the site's region, and the replication of its backups is not stopped. Copies that arrive later are
/// kept as well, as long as one that carries the marker is there. `from` is the region that is lost. It may be repeated.
///
/// # Errors
/// When RDS does not answer, refuses, or does not show the marker afterwards: then deletions are not stopped for sure.
pub async fn hold_deletions(
    site: &RdsClients,
    database: &Database,
    from: Region,
    run: &RunName,
    now: Timestamp,
) -> Result<Held, Error> {
    let key = format!("{}{run}", provenance_tags::FAILOVER);
    let mut resources = Vec::new();
    for (arn, _) in marked(site, database, from).await? {
        add(site, &arn, &key, now).await?;
        resources.push(arn);
    }
    Ok(Held { resources })
}

/// Takes the marker of `run` away, from all that carries it, and no other run's. How many did.
///
/// # Errors
/// When RDS does not answer or refuses.
pub async fn release_deletions(
    site: &RdsClients,
    database: &Database,
    from: Region,
    run: &RunName,
) -> Result<usize, Error> {
    let key = format!("{}{run}", provenance_tags::FAILOVER);
    let mut released = 0;
    for (arn, tags) in marked(site, database, from).await? {
        if tags.contains_key(&key) && remove(site, &arn, &key).await? {
            released += 1;
        }
    }
    Ok(released)
}

/// The runs whose failover is on, as the copies and backups of `database` say.
///
/// # Errors
/// When RDS does not answer or refuses.
pub async fn failovers(
    site: &RdsClients,
    database: &Database,
    from: Region,
) -> Result<Vec<String>, Error> {
    let marked = marked(site, database, from).await?;
    Ok(held_by(marked.iter().map(|(_, tags)| tags)))
}

/// All that the marker of a failover lies on, with its tags.
async fn marked(
    site: &RdsClients,
    database: &Database,
    from: Region,
) -> Result<Vec<(String, BTreeMap<String, String>)>, Error> {
    let id = database.id.as_str();
    let (snapshots, backups) = tokio::try_join!(site.snapshots(Some(id)), site.backups())?;
    let is_copy = |copy: &Snapshot| copy.database == id && copy.is_copy_from(from);
    let copies = snapshots.into_iter().filter(is_copy);
    let copies = copies.map(|copy| (copy.arn, copy.tags));
    let backups = backups
        .into_iter()
        .filter(|backup| backup.database == id && backup.source_region == from.as_str())
        .map(|backup| (backup.arn, backup.tags));
    Ok(copies.chain(backups).collect())
}

async fn tags(site: &RdsClients, arn: &str) -> Result<BTreeMap<String, String>, Error> {
    let request = site.rds.list_tags_for_resource().resource_name(arn);
    let call = site.call("ListTagsForResource", arn);
    let answer = request.send().await.map_err(|error| call.failed(error))?;
    Ok(provenance_tags::read(answer.tag_list()))
}

async fn add(site: &RdsClients, arn: &str, key: &str, now: Timestamp) -> Result<(), Error> {
    if tags(site, arn).await?.contains_key(key) {
        return Ok(());
    }
    let tag = Tag::builder().key(key).value(now.to_string()).build();
    let request = site.rds.add_tags_to_resource().resource_name(arn).tags(tag);
    let call = site.call("AddTagsToResource", arn);
    let sent = request
        .send()
        .await
        .map_err(|error| call.clone().failed(error));
    // A lost answer says nothing: the tag does.
    match sent {
        Err(error) if !error.is_transient() => return Err(error),
        _ if tags(site, arn).await?.contains_key(key) => {}
        Err(error) => return Err(error),
        Ok(_) => {
            return Err(Error::unexpected(
                call,
                format!("the tag {key} is not shown"),
            ));
        }
    }
    site.applied("add tag", arn);
    Ok(())
}

async fn remove(site: &RdsClients, arn: &str, key: &str) -> Result<bool, Error> {
    match tags(site, arn).await {
        Ok(tags) if tags.contains_key(key) => {}
        Ok(_) => return Ok(false),
        Err(error) if is_any(&error, &GONE) => return Ok(false),
        Err(error) => return Err(error),
    }
    let request = site.rds.remove_tags_from_resource();
    let request = request.resource_name(arn).tag_keys(key);
    let call = site.call("RemoveTagsFromResource", arn);
    match request.send().await.map_err(|error| call.failed(error)) {
        Ok(_) => {
            site.applied("remove tag", arn);
            Ok(true)
        }
        Err(error) if is_any(&error, &GONE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Codes for a recovery point that is gone.
const GONE: [&str; 2] = ["DBSnapshotNotFound", "DBInstanceAutomatedBackupNotFound"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_str_takes_what_a_tags_key_may_hold() {
        let name: RunName = "20261122T120000Z-1f3a".parse().unwrap();
        assert_eq!(name.to_string(), "20261122T120000Z-1f3a");
        let long = "x".repeat(65);
        for wrong in ["", "a b", "a:b", "ä", &long] {
            assert!(wrong.parse::<RunName>().is_err(), "{wrong}");
            assert!(serde_json::from_value::<RunName>(wrong.into()).is_err());
        }
    }
}
