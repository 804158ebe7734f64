//! The keys of the DR region: there, enabled, and proven to decrypt something.

use std::collections::BTreeMap;

use aws_env::{Call, DrOnly, Error, ErrorClass};
use aws_sdk_kms::primitives::Blob;
use dr::database::{KeyProblem, RdsClients, check_key};
use report::ShellCommand;
use report::finding::{Finding, Observation, Unobserved};
use serde::Deserialize as _;
use settings::{Encryption, Region, Settings, StateDr};

use super::objects::Listed;
use super::{Area, advise, told, unobserved};
use crate::Plan;
use crate::failover::RestoreInputs;

/// So many objects are read to find one under a key.
const MOST_READ: usize = 10;
/// What is encrypted where no object under the key can be read.
const SAMPLE: &[u8] = b"preflight";

/// What a key is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Uses {
    what: Vec<String>,
    /// The buckets whose objects are under it.
    buckets: Vec<String>,
}

pub(super) async fn look(settings: &Settings, dr: &DrOnly, plan: &Plan, listed: &[Listed]) -> Area {
    let (defaults, mut findings) = defaults(dr, listed).await;
    let keys = keys(settings, plan, defaults);
    if keys.is_empty() && findings.is_empty() {
        findings.push(Finding::skipped(
            "key",
            "keys",
            "nothing is under a key of this account",
        ));
    }
    let region = settings.regions.dr;
    let site = RdsClients::new(dr.region());
    for (key, uses) in &keys {
        let checked = check_key(&site, key).await;
        findings.push(judge_key(key, uses, region, &checked));
        let proof = proof(dr, key, uses, listed).await;
        findings.push(judge_proof(key, region, proof));
    }
    Area::new(
        "Keys",
        "what is there in the DR region cannot be read",
        findings,
    )
}

/// Each key that a failover needs, and what for.
fn keys(
    settings: &Settings,
    plan: &Plan,
    defaults: Vec<(String, String)>,
) -> BTreeMap<String, Uses> {
    let mut keys: BTreeMap<String, Uses> = BTreeMap::new();
    let mut add = |key: &str, what: String, bucket: Option<String>| {
        let uses = keys.entry(key.to_owned()).or_default();
        if !uses.what.contains(&what) {
            uses.what.push(what);
        }
        uses.buckets.extend(bucket);
    };
    for (bucket, key) in defaults {
        add(&key, bucket.clone(), Some(bucket));
    }
    if let StateDr::Replicated(replica) = &settings.state.dr
        && let Encryption::Kms(key) | Encryption::Dsse(key) = &replica.encryption
    {
        let bucket = replica.bucket.to_string();
        add(key.as_str(), bucket.clone(), Some(bucket));
    }
    for database in &settings.databases {
        if let Some(key) = &database.kms {
            add(key.as_str(), database.id.to_string(), None);
        }
    }
    for step in &plan.steps {
        let inputs = RestoreInputs::deserialize(&step.inputs).ok();
        if let Some(plan) = inputs.map(|inputs| inputs.plan)
            && let Some(key) = &plan.key
        {
            add(key, plan.database.clone(), None);
        }
    }
    keys
}

/// The keys that buckets encrypt with unless they are told otherwise, by bucket; and what was not told.
async fn defaults(dr: &DrOnly, listed: &[Listed]) -> (Vec<(String, String)>, Vec<Finding>) {
    let s3 = dr.region().clients().s3;
    let (mut keys, mut findings) = (Vec::new(), Vec::new());
    for Listed { bucket, .. } in listed {
        let name = bucket.name.as_str();
        let call = dr.region().call("S3", "GetBucketEncryption", name);
        let answer = s3.get_bucket_encryption().bucket(name).send().await;
        match answer.map_err(|error| call.failed(error)) {
            Ok(answer) => {
                let rules = answer.server_side_encryption_configuration;
                let rules = rules.iter().flat_map(|configuration| configuration.rules());
                let by_default =
                    rules.filter_map(|rule| rule.apply_server_side_encryption_by_default());
                let of_bucket = by_default.filter_map(|default| default.kms_master_key_id());
                // AWS's own key is nobody's to look at.
                let of_bucket = of_bucket.filter(|key| !key.contains("alias/aws/"));
                keys.extend(of_bucket.map(|key| (name.to_owned(), key.to_owned())));
            }
            // Of a bucket that is not there, that is told where buckets are.
            Err(error) if error.class == ErrorClass::Absent => {}
            Err(error) => findings.push(advise(
                Finding::new(
                    "key",
                    name,
                    "its bucket says which it is",
                    Err(unobserved(&error)),
                ),
                ShellCommand::new("aws s3api get-bucket-encryption").option("--bucket", name),
            )),
        }
    }
    (keys, findings)
}

fn judge_key(
    key: &str,
    uses: &Uses,
    region: Region,
    checked: &Result<Result<(), KeyProblem>, Error>,
) -> Finding {
    let seen = match checked {
        Ok(Ok(())) => Ok((true, "enabled".to_owned())),
        Ok(Err(problem)) => Ok((false, problem.to_string())),
        Err(error) => Err(Unobserved::because(told(error))),
    };
    let describe = ShellCommand::new("aws kms describe-key").option("--region", region.as_str());
    let enable = ShellCommand::new("aws kms enable-key").option("--region", region.as_str());
    let expected = format!("enabled in {region}, for {}", uses.what.join(", "));
    advise(
        Finding::new("key", key, expected, seen),
        format!(
            "`{}` says what it is, `{}` enables it; a deletion that is scheduled is cancelled first",
            describe.option("--key-id", key),
            enable.option("--key-id", key)
        ),
    )
}

/// How it is known that a key decrypts, or not.
#[derive(Debug)]
enum Proof {
    /// This was read.
    Read(String),
    /// Something was encrypted and came back.
    RoundTrip,
    /// It was refused.
    Failed(String),
    /// Nobody knows.
    Unknown(String),
}

fn judge_proof(key: &str, region: Region, proof: Proof) -> Finding {
    let seen: Observation<_> = match proof {
        Proof::Read(object) => Ok((true, format!("{object} was read"))),
        Proof::RoundTrip => Ok((true, "what was encrypted came back".to_owned())),
        Proof::Failed(why) => Ok((false, why)),
        Proof::Unknown(why) => Err(Unobserved::because(why)),
    };
    let policy = ShellCommand::new("aws kms get-key-policy").option("--region", region.as_str());
    let policy = policy
        .option("--key-id", key)
        .words("--policy-name default");
    advise(
        Finding::new(
            "key-decrypts",
            key,
            "decrypts something with these credentials",
            seen,
        ),
        format!("let the role use it (kms:Decrypt): {policy}"),
    )
}

async fn proof(dr: &DrOnly, key: &str, uses: &Uses, listed: &[Listed]) -> Proof {
    let of_key = listed.iter().filter(|listed| {
        uses.buckets
            .iter()
            .any(|name| name == listed.bucket.name.as_str())
    });
    for bucket in of_key {
        if let Some(proof) = by_objects(dr, key, bucket).await {
            return proof;
        }
    }
    by_round_trip(dr, key).await
}

/// By an object of the bucket that is under the key; `None` where none of the first ones is.
async fn by_objects(dr: &DrOnly, key: &str, listed: &Listed) -> Option<Proof> {
    let s3 = dr.region().clients().s3;
    let bucket = listed.bucket.name.as_str();
    let objects = listed.objects.as_ref().ok()?;
    // Of an empty object there is nothing to decrypt.
    let objects = objects
        .iter()
        .filter(|object| object.size.is_some_and(|size| size > 0));
    for object in objects.take(MOST_READ) {
        let place = format!("s3://{bucket}/{}", object.key);
        let call = dr.region().call("S3", "GetObject", place.clone());
        let get = s3
            .get_object()
            .bucket(bucket)
            .key(&object.key)
            .range("bytes=0-0");
        match get.send().await.map_err(|error| call.failed(error)) {
            Ok(read) if read.ssekms_key_id().is_some_and(|of| is_key(of, key)) => {
                return Some(Proof::Read(place));
            }
            Ok(_) => {}
            Err(error) => return Some(failed(&error)),
        }
    }
    None
}

/// Objects name keys by their ARNs, configurations of buckets by their IDs as well.
fn is_key(arn: &str, key: &str) -> bool {
    arn == key
        || arn
            .strip_suffix(key)
            .is_some_and(|rest| rest.ends_with('/'))
}

async fn by_round_trip(dr: &DrOnly, key: &str) -> Proof {
    let access = dr.region();
    let kms: aws_sdk_kms::Client = aws_env::client!(aws_sdk_kms, access);
    let call = |operation| -> Call { access.call("KMS", operation, key) };
    let encrypt = kms.encrypt().key_id(key).plaintext(Blob::new(SAMPLE));
    let encrypted = encrypt.send().await;
    let encrypted = match encrypted.map_err(|error| call("Encrypt").failed(error)) {
        Ok(encrypted) => encrypted.ciphertext_blob,
        Err(error) => return failed(&error),
    };
    let Some(encrypted) = encrypted else {
        return Proof::Unknown("KMS gave nothing back".to_owned());
    };
    let decrypt = kms.decrypt().key_id(key).ciphertext_blob(encrypted);
    match decrypt
        .send()
        .await
        .map_err(|error| call("Decrypt").failed(error))
    {
        Ok(found) if found.plaintext().map(AsRef::as_ref) == Some(SAMPLE) => Proof::RoundTrip,
        Ok(_) => Proof::Failed("KMS gave something else back than what was encrypted".to_owned()),
        Err(error) => failed(&error),
    }
}

/// A key that is disabled, scheduled for deletion or gone decrypts nothing, for nobody
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>). Whoever is denied does not know.
fn failed(error: &Error) -> Proof {
    const OF_KEY: [&str; 6] = [
        "DisabledException",
        "KMSInvalidStateException",
        "NotFoundException",
        "KMS.DisabledException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
    ];
    let is_of_key = error
        .code
        .as_deref()
        .is_some_and(|code| OF_KEY.contains(&code));
    match is_of_key {
        true => Proof::Failed(told(error)),
        false => Proof::Unknown(told(error)),
    }
}

#[cfg(test)]
mod tests {
    use report::finding::Status;

    use super::*;

    const KEY: &str = "arn:aws:kms:ca-west-1:111122223333:key/1";

    fn error(code: &str) -> Error {
        let call = Call {
            region: "ca-west-1".parse().unwrap(),
            service: "KMS",
            operation: "Decrypt",
            resource: KEY.to_owned(),
        };
        let mut error = Error::unexpected(call, "refused");
        error.code = Some(code.to_owned());
        error
    }

    #[test]
    fn judge_key_is_wrong_unless_it_is_enabled() {
        let judged = |checked| {
            judge_key(
                KEY,
                &Uses::default(),
                "ca-west-1".parse().unwrap(),
                &checked,
            )
        };
        assert_eq!(judged(Ok(Ok(()))).status, Status::Ok);
        let disabled = judged(Ok(Err(KeyProblem::State("Disabled".to_owned()))));
        assert_eq!(disabled.status, Status::Wrong);
        assert!(
            disabled
                .fix
                .unwrap()
                .contains("aws kms enable-key --region ca-west-1 --key-id")
        );
        assert_eq!(judged(Ok(Err(KeyProblem::Absent))).status, Status::Wrong);
        assert_eq!(
            judged(Err(error("AccessDeniedException"))).status,
            Status::Unknown
        );
    }

    #[test]
    fn is_key_knows_a_key_by_its_arn_and_by_its_id() {
        assert!(is_key(KEY, KEY) && is_key("arn:aws:kms:ca-west-1:1:key/0a1b", "0a1b"));
        assert!(!is_key("arn:aws:kms:ca-west-1:1:key/0a1b", "a1b") && !is_key(KEY, "2"));
    }

    #[test]
    fn judge_proof_is_unknown_for_whoever_is_denied_and_wrong_for_a_key_that_is_off() {
        let judged = |proof| judge_proof(KEY, "ca-west-1".parse().unwrap(), proof).status;
        assert_eq!(judged(Proof::Read("s3://b/k".to_owned())), Status::Ok);
        assert_eq!(judged(Proof::RoundTrip), Status::Ok);
        assert_eq!(
            judged(failed(&error("AccessDeniedException"))),
            Status::Unknown
        );
        assert_eq!(judged(failed(&error("DisabledException"))), Status::Wrong);
        assert_eq!(
            judged(failed(&error("KMS.DisabledException"))),
            Status::Wrong
        );
    }
}
