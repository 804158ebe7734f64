//! What preflights leave beside the records of runs: a slot that proves that records can be written, and what they found.

use aws_env::ErrorClass;
use report::finding::{Finding, Observation, Status, Unobserved};
use serde_json::json;

use super::{Item, Preflight, advise, store_told};
use crate::{Created, Host, RunId, Store, StoreError};

/// The folder of preflights, beside that of the runs.
const FOLDER: &str = "preflights/";
const RESULT: &str = "result.json";

fn key(id: &RunId, name: &str) -> String {
    format!("{FOLDER}{id}/{name}")
}

/// Writes a slot as a run's journal does, tries to write it once more, and reads it back.
pub(super) async fn prove(
    store: &impl Store,
    host: &impl Host,
    id: &RunId,
) -> Observation<(bool, String)> {
    let key = key(id, "begun.json");
    let bytes = json!({"preflight": id, "time": host.now(), "holder": host.holder()}).to_string();
    let bytes = bytes.as_bytes();
    let refused = |error: StoreError| match &error {
        // That is what was asked: whether it may be written and read.
        StoreError::Aws(aws) if matches!(aws.class, ErrorClass::Denied | ErrorClass::Absent) => {
            Ok((false, store_told(&error)))
        }
        StoreError::Aws(_) => Err(Unobserved::because(store_told(&error))),
        StoreError::File(_) | StoreError::Folder { .. } => Ok((false, store_told(&error))),
    };
    // One of this name is an earlier attempt's, whose answer was lost: what is read below tells.
    if let Err(error) = store.create(&key, bytes).await {
        return refused(error);
    }
    match store.create(&key, bytes).await {
        Ok(Created::Taken) => {}
        Ok(Created::Written(_)) => {
            let why = "it takes the same record twice: nothing would keep a second operator out";
            return Ok((false, why.to_owned()));
        }
        Err(error) => return refused(error),
    }
    match store.read(&key).await {
        Ok(Some(there)) if there.bytes == bytes => {
            Ok((true, format!("{key} is as it was written")))
        }
        Ok(Some(_)) => Ok((false, format!("{key} is not what was written"))),
        Ok(None) => Ok((false, format!("{key} was written and is not there"))),
        Err(error) => refused(error),
    }
}

/// Keeps what was found. Where it cannot be kept, that is found as well.
pub(super) async fn keep(store: &impl Store, mut preflight: Preflight) -> Preflight {
    let key = key(&preflight.id, RESULT);
    let kept = match serde_json::to_vec_pretty(&preflight) {
        Ok(bytes) => store
            .create(&key, &bytes)
            .await
            .map_err(|error| store_told(&error)),
        Err(error) => Err(error.to_string()),
    };
    let problem = match kept {
        Ok(Created::Written(_)) => return preflight,
        Ok(Created::Taken) => "somebody else has written it".to_owned(),
        Err(problem) => problem,
    };
    let finding = Finding::new(
        "preflight-record",
        store.place(&key),
        "kept for `dr-runbook status` and `dr-runbook preflight export`",
        Err(Unobserved::because(problem)),
    );
    let item = Item::from(advise(finding, "see what is said about the journal"));
    if let Some(area) = preflight
        .areas
        .iter_mut()
        .find(|area| area.name == super::records::NAME)
    {
        area.items.push(item);
    }
    preflight
}

/// A preflight that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPreflight {
    /// Its name.
    pub id: RunId,
    /// What it found; why that cannot be read, where it cannot.
    pub found: Result<Preflight, String>,
}

/// The preflights of a store, the newest first.
///
/// # Errors
/// When it cannot be listed.
pub async fn kept_preflights(store: &impl Store) -> Result<Vec<RunId>, StoreError> {
    let keys = store.list(FOLDER).await?;
    let ids = keys.iter().filter_map(|key| {
        let (id, name) = key.strip_prefix(FOLDER)?.split_once('/')?;
        (name == RESULT).then(|| id.parse().ok()).flatten()
    });
    let mut ids: Vec<RunId> = ids.collect();
    ids.sort();
    ids.reverse();
    Ok(ids)
}

/// The newest preflight of a store; `None` where there is none.
///
/// # Errors
/// When the store cannot be read. A record that is none is told in its place.
pub async fn last_preflight(store: &impl Store) -> Result<Option<KeptPreflight>, StoreError> {
    match kept_preflights(store).await?.into_iter().next() {
        Some(newest) => Ok(Some(read(store, newest).await?)),
        None => Ok(None),
    }
}

async fn read(store: &impl Store, id: RunId) -> Result<KeptPreflight, StoreError> {
    let key = key(&id, RESULT);
    let found = match store.read(&key).await? {
        Some(stored) => serde_json::from_slice(&stored.bytes)
            .map_err(|error| format!("{} is of another version: {error}", store.place(&key))),
        None => Err(format!("{} is gone", store.place(&key))),
    };
    Ok(KeptPreflight { id, found })
}

impl KeptPreflight {
    /// How it ended; unknown where that cannot be read.
    pub fn verdict(&self) -> Status {
        let found = self.found.as_ref();
        found.map_or(Status::Unknown, Preflight::verdict)
    }
}
