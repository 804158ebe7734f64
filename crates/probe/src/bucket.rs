//! A bucket: a canary is written, read back and removed, and nothing of it stays.

use std::time::Duration;

use aws_env::{ObjectVersion, RegionClients};
use aws_sdk_s3::types::ServerSideEncryption;
use jiff::{SignedDuration, Timestamp};
use report::finding::{Finding, Observation, Unobserved};
use tokio::time::Instant;

use super::link::Deadline;
use super::{Latency, Outcome, not_tried};

/// Under which canaries lie; what follows is their own.
const PREFIX: &str = ".probe/verify-staging-";
/// A canary that is older than this belongs to no run any more.
const FORGOTTEN: SignedDuration = SignedDuration::from_mins(10);

const PUT: &str = "bucket-put";
const GET: &str = "bucket-get";
const DELETE: &str = "bucket-delete";
const CLEAN: &str = "bucket-clean";

/// The bucket that replication may have carried the canary to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replica<'a> {
    pub(super) bucket: &'a str,
    pub(super) clients: &'a RegionClients,
}

pub(super) async fn probe(
    clients: &RegionClients,
    bucket: &str,
    replica: Option<Replica<'_>>,
    timeout: Duration,
    count: usize,
    now: Timestamp,
) -> Outcome {
    let key = format!("{PREFIX}{:016x}", rand::random::<u64>());
    let mut out = Outcome::default();
    let deadline = Deadline::new(timeout);
    exercise(&mut out, clients, bucket, &key, deadline, count).await;
    // Whatever came of it, and in a time of its own: a put whose answer was lost has left something, too.
    let left = sweep(clients, bucket, &key, Deadline::new(timeout), now).await;
    out.findings.push(clean(bucket, left));
    if let Some(Replica { bucket, clients }) = replica {
        let left = sweep(clients, bucket, &key, Deadline::new(timeout), now).await;
        out.findings.push(clean(bucket, left));
    }
    out
}

fn clean(bucket: &str, left: Observation<usize>) -> Finding {
    let seen = left.map(|removed| match removed {
        0 => (true, "nothing is left".to_owned()),
        removed => (true, format!("{removed} leftovers removed")),
    });
    Finding::new(CLEAN, bucket, "no version of a canary stays", seen)
}

async fn exercise(
    out: &mut Outcome,
    clients: &RegionClients,
    bucket: &str,
    key: &str,
    deadline: Deadline,
    count: usize,
) {
    let call = |operation| clients.call("S3", operation, format!("{bucket}/{key}"));
    let body = format!("{:032x}", rand::random::<u128>());
    let put = clients
        .s3
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(body.clone().into_bytes().into())
        .send();
    let put = match deadline.within(put).await {
        Ok(Ok(put)) => Ok(put),
        Ok(Err(error)) => Err(Unobserved::from(call("PutObject").failed(error))),
        Err(unobserved) => Err(unobserved),
    };
    let encrypted = put.as_ref().map_err(Clone::clone).map(|put| {
        let shown = put
            .server_side_encryption()
            .map(ServerSideEncryption::as_str);
        match shown {
            Some(shown) => (true, format!("written, encrypted by {shown}")),
            None => (false, "written, but S3 tells of no encryption".to_owned()),
        }
    });
    out.findings.push(
        Finding::new(PUT, bucket, "an object is written, encrypted", encrypted)
            .fix("terraform apply; look at the bucket's default encryption"),
    );
    let put = match put {
        Ok(put) => put,
        Err(unobserved) => {
            for what in [GET, DELETE] {
                out.findings.push(not_tried(what, bucket, &unobserved));
            }
            return;
        }
    };
    let version = put.version_id;
    let mut took = Vec::with_capacity(count);
    let mut read = read(
        clients,
        bucket,
        key,
        version.as_deref(),
        body.len() as u64,
        deadline,
        &mut took,
    )
    .await;
    for _ in 1..count {
        if !matches!(&read, Ok(found) if *found == body.as_bytes()) {
            break;
        }
        read = self::read(
            clients,
            bucket,
            key,
            version.as_deref(),
            body.len() as u64,
            deadline,
            &mut took,
        )
        .await;
    }
    let answered = read.is_ok();
    let same = read.map(|found| {
        let same = found == body.as_bytes();
        let shown = if same {
            "what was written"
        } else {
            "something else"
        };
        (same, shown.to_owned())
    });
    out.findings
        .push(Finding::new(GET, bucket, "what was written is read", same));
    if answered {
        let latency = Latency::new(format!("{bucket} GetObject"), took);
        out.measured(GET, bucket, "GetObject", latency, count);
    }

    let delete = clients
        .s3
        .delete_object()
        .bucket(bucket)
        .key(key)
        .set_version_id(version.clone())
        .send();
    let deleted = match deadline.within(delete).await {
        Ok(Ok(_)) => Ok((
            true,
            match version {
                Some(_) => "that version is removed",
                None => "removed",
            }
            .to_owned(),
        )),
        Ok(Err(error)) => Err(Unobserved::from(call("DeleteObject").failed(error))),
        Err(unobserved) => Err(unobserved),
    };
    out.findings
        .push(Finding::new(DELETE, bucket, "it is removed", deleted));
}

async fn read(
    clients: &RegionClients,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    limit: u64,
    deadline: Deadline,
    took: &mut Vec<Duration>,
) -> Observation<Vec<u8>> {
    let call = || clients.call("S3", "GetObject", format!("{bucket}/{key}"));
    let begun = Instant::now();
    let get = clients
        .s3
        .get_object()
        .bucket(bucket)
        .key(key)
        .set_version_id(version.map(str::to_owned))
        .send();
    let answer = match deadline.within(get).await? {
        Ok(answer) => answer,
        Err(error) => return Err(call().failed(error).into()),
    };
    let body = deadline
        .within(aws_env::read_body(answer.body, limit))
        .await?;
    let body = body.map_err(|error| Unobserved::because(error.to_string()))?;
    took.push(begun.elapsed());
    Ok(body)
}

/// Removes every version and delete marker of our canary, and canaries that a run has left long ago; returns
/// how many there were.
async fn sweep(
    clients: &RegionClients,
    bucket: &str,
    key: &str,
    deadline: Deadline,
    now: Timestamp,
) -> Observation<usize> {
    let listed = deadline
        .within(aws_env::list_versions(clients, bucket, PREFIX))
        .await??;
    let left: Vec<ObjectVersion> = listed
        .into_iter()
        .filter(|version| {
            let written = version
                .modified
                .and_then(|time| Timestamp::from_second(time.secs()).ok());
            let old = written.is_some_and(|time| now.duration_since(time) > FORGOTTEN);
            version.key == key || old
        })
        .collect();
    deadline
        .within(aws_env::delete_versions(clients, bucket, &left))
        .await??;
    Ok(left.len())
}
