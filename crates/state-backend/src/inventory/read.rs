//! What one side has: every state, read once and piece by piece, beside what the lock table says of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read};

use aws_env::{Error, ErrorClass, RegionClients};
use aws_sdk_s3::types::ReplicationStatus;
use aws_smithy_types::byte_stream::ByteStream;
use futures::stream::{StreamExt as _, iter};
use md5::{Digest as _, Md5};
use settings::{JOURNAL, RUNS};
use sha2::Sha256;
use terraform::StateFile;
use tokio::sync::{Semaphore, mpsc};

use super::{Digest, LastVersion, Presence, StateObject};
use crate::canary;
use crate::lock::{DIGEST_SUFFIX, LOCK_OBJECT_SUFFIX, timestamp};
use crate::problem::Problem;
use crate::reading::Listed;
use crate::spec::Side;
use crate::table::row;

/// States that are read at a time: enough to hide the wait for S3, and few enough that large ones fit into memory.
pub(crate) const AT_ONCE: usize = 16;
/// MiB of states that are read at a time: a parser may have to hold one text of a state whole.
static MEMORY: Semaphore = Semaphore::const_new(MEMORY_MIB as usize);
const MEMORY_MIB: u32 = 64;
/// Chunks of a state that wait for the parser.
const CHUNKS: usize = 4;

/// Locks, folders that consoles make, and what this project itself writes are no states, unless the settings name them.
pub(crate) fn may_be_state(key: &str) -> bool {
    !key.ends_with(LOCK_OBJECT_SUFFIX) && !key.ends_with('/') && !is_own(key)
}

/// Whether this project itself writes below there.
pub(crate) fn is_own(key: &str) -> bool {
    [canary::FOLDER, JOURNAL, RUNS]
        .iter()
        .any(|folder| key.starts_with(folder))
}

/// A state on one side, and what the lock table says of it.
#[derive(Debug, Clone)]
pub(crate) struct SideCopy {
    pub(crate) found: Presence,
    pub(crate) digest: Digest,
    /// What the digest row holds; `None` where there is none, or no table.
    pub(crate) row: Result<Option<String>, Problem>,
}

impl SideCopy {
    fn new(
        found: Presence,
        object: &str,
        digests: Result<Option<&HashMap<String, String>>, &Problem>,
    ) -> Self {
        let digest = digest_of(&found, object, digests);
        let row = match digests {
            Ok(rows) => Ok(rows.and_then(|rows| rows.get(object)).cloned()),
            Err(problem) => Err(problem.clone()),
        };
        Self { found, digest, row }
    }

    /// Of a side that is not called.
    pub(crate) fn unknown(problem: &Problem) -> Self {
        Self {
            found: Presence::Unknown {
                problem: problem.clone(),
            },
            digest: Digest::Unknown,
            row: Err(problem.clone()),
        }
    }
}

/// Reads `objects` on one side, each once.
pub(crate) async fn states(
    clients: &RegionClients,
    side: &Side,
    listed: Listed<'_>,
    objects: &BTreeSet<String>,
) -> BTreeMap<String, SideCopy> {
    iter(objects)
        .map(|object| async move {
            let found = found(clients, side, listed, object).await;
            let copy = SideCopy::new(found, object, listed.digests);
            (object.clone(), copy)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Reads one state, which nobody has listed.
pub(crate) async fn state(clients: &RegionClients, side: &Side, object: &str) -> SideCopy {
    let digests = async {
        let Some(table) = &side.table else {
            return Ok(None);
        };
        let place = format!("{}/{object}{DIGEST_SUFFIX}", side.bucket);
        let row = match row(clients, table, &place).await {
            Ok(row) => row,
            Err(error) if error.class == ErrorClass::Absent => None,
            Err(error) => return Err(Problem::from(error)),
        };
        let digest = row.and_then(|row| row.get("Digest")?.as_s().ok().cloned());
        let digest = digest.map(|digest| (object.to_owned(), digest));
        Ok(Some(digest.into_iter().collect()))
    };
    // As if it had been listed: what is not there is looked for among the versions.
    let (objects, digests) = (BTreeSet::from([object.to_owned()]), digests.await);
    let listed = Listed {
        objects: Ok(&objects),
        digests: digests.as_ref().map(Option::as_ref),
    };
    let found = found(clients, side, listed, object).await;
    SideCopy::new(found, object, listed.digests)
}

async fn found(clients: &RegionClients, side: &Side, listed: Listed<'_>, object: &str) -> Presence {
    let asked = match listed.objects {
        Err(problem) => {
            return Presence::Unknown {
                problem: problem.clone(),
            };
        }
        Ok(there) if there.contains(object) => get(clients, side, object, None).await,
        Ok(_) => Ok(None),
    };
    let asked = match asked {
        Ok(Some(found)) => return Presence::Present(found),
        // Not there, or gone since it was listed.
        Ok(None) => last_version(clients, side, object).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(Some(last)) => Presence::Deleted(last),
        Ok(None) => Presence::Absent,
        Err(error) => Presence::Unknown {
            problem: error.into(),
        },
    }
}

fn digest_of(
    found: &Presence,
    object: &str,
    digests: Result<Option<&HashMap<String, String>>, &Problem>,
) -> Digest {
    let row = match digests {
        Err(_) => return Digest::Unknown,
        Ok(None) => return Digest::NotUsed,
        Ok(Some(rows)) => rows.get(object),
    };
    match (row, found) {
        (None, _) => Digest::Absent,
        (Some(_), Presence::Unknown { .. }) => Digest::Unknown,
        (Some(row), Presence::Present(state)) if Some(row) == state.md5.as_ref() => Digest::Matches,
        (Some(_), _) => Digest::Differs,
    }
}

/// The newest version of a deleted object that can be brought back; `None` when S3 has none.
async fn last_version(
    clients: &RegionClients,
    side: &Side,
    object: &str,
) -> Result<Option<LastVersion>, Error> {
    let listed = aws_env::list_versions(clients, side.bucket.as_str(), object).await;
    let versions = match listed {
        Ok(versions) => versions,
        Err(error) if error.class == ErrorClass::Absent => return Ok(None),
        Err(error) => return Err(error),
    };
    let newest = versions
        .into_iter()
        .filter(|version| version.key == object && !version.is_delete_marker)
        .max_by_key(|version| version.modified);
    Ok(newest.and_then(|version| {
        Some(LastVersion {
            version: version.version_id?,
            modified: version.modified.and_then(timestamp),
        })
    }))
}

/// The object, or a version of it; `None` when it is not there.
pub(crate) async fn get(
    clients: &RegionClients,
    side: &Side,
    object: &str,
    version: Option<&str>,
) -> Result<Option<StateObject>, Error> {
    let bucket = side.bucket.as_str();
    let call = || clients.call("S3", "GetObject", format!("{bucket}/{object}"));
    let get = clients.s3.get_object().bucket(bucket).key(object);
    let answer = match get.set_version_id(version.map(str::to_owned)).send().await {
        Ok(answer) => answer,
        Err(error) => match call().failed(error) {
            error if error.class == ErrorClass::Absent => return Ok(None),
            error => return Err(error),
        },
    };
    // Of a version from before the bucket kept any, `null`, not every answer repeats the name.
    let version = answer.version_id.or(version.map(str::to_owned));
    let modified = answer.last_modified.and_then(timestamp);
    let etag = answer.e_tag;
    let is_replica = answer.replication_status == Some(ReplicationStatus::Replica);
    let length = answer
        .content_length
        .and_then(|bytes| u64::try_from(bytes).ok());
    let mib = length.unwrap_or(StateFile::MAX_BYTES) >> 20;
    let share = u32::try_from(mib).unwrap_or(u32::MAX).saturating_add(1);
    let share = share.min(MEMORY_MIB);
    // It is never closed.
    let _share = MEMORY.acquire_many(share).await.ok();
    let body = match length {
        Some(bytes) if bytes > StateFile::MAX_BYTES => Ok(Body::too_large(bytes)),
        _ => hash_and_parse(answer.body).await,
    };
    let body =
        body.map_err(|error| Error::unexpected(call(), format!("the body broke off: {error}")))?;
    Ok(Some(StateObject {
        version,
        etag,
        modified,
        is_replica,
        bytes: body.bytes,
        sha256: body.sha256,
        md5: body.md5,
        content: body.content,
    }))
}

struct Body {
    bytes: u64,
    sha256: Option<String>,
    md5: Option<String>,
    content: Result<StateFile, String>,
}

impl Body {
    /// An archive, say, that lies in the bucket of the states.
    fn too_large(bytes: u64) -> Self {
        let most = StateFile::MAX_BYTES >> 20;
        Self {
            bytes,
            sha256: None,
            md5: None,
            content: Err(format!(
                "it has {bytes} bytes, and no state of more than {most} MiB is read"
            )),
        }
    }
}

/// Hashes and parses a state while it comes.
async fn hash_and_parse(mut body: ByteStream) -> Result<Body, String> {
    let (chunks, received) = mpsc::channel(CHUNKS);
    let parser = tokio::task::spawn_blocking(move || {
        StateFile::read_object(Chunks {
            received,
            rest: bytes::Bytes::new(),
        })
    });
    let (mut bytes, mut sha256, mut md5) = (0, Sha256::new(), Md5::new());
    let mut broken = None;
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => {
                bytes += chunk.len() as u64;
                sha256.update(&chunk);
                md5.update(&chunk);
                // A parser that has given up wants no more; the digests still do.
                let _ = chunks.send(Ok(chunk)).await;
            }
            Err(error) => {
                broken = Some(error.to_string());
                let _ = chunks
                    .send(Err(io::ErrorKind::ConnectionReset.into()))
                    .await;
                break;
            }
        }
    }
    drop(chunks);
    let content = parser.await.map_err(|error| error.to_string())?;
    match broken {
        Some(error) => Err(error),
        None => Ok(Body {
            bytes,
            sha256: Some(hex::encode(sha256.finalize())),
            md5: Some(hex::encode(md5.finalize())),
            // Its text never quotes the state.
            content: content.map_err(|error| error.to_string()),
        }),
    }
}

/// Chunks that arrive in another task, as a reader.
struct Chunks {
    received: mpsc::Receiver<io::Result<bytes::Bytes>>,
    rest: bytes::Bytes,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.received.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let piece = self.rest.split_to(into.len().min(self.rest.len()));
        into[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}
