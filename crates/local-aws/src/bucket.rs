//! What AWS does with bucket names and a base may not: one home region, one owner, one namespace.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html> and
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html> (redirects).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::answer::error;
use crate::request::Call;

/// Which of AWS's rules the base leaves to the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// 301 for a bucket of another region.
    pub(crate) redirects: bool,
    /// Accounts, told apart by access keys of twelve digits, that own their buckets.
    pub(crate) accounts: bool,
    /// The account that the base's STS tells to all other access keys; `None` where it is not known here.
    pub(crate) default_account: Option<&'static str>,
    /// `If-Match` and `If-None-Match` of CopyObject.
    pub(crate) copy_conditions: bool,
}

/// Where a bucket is, and whose it is, if the proxy saw it being made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) region: String,
    owner: Option<String>,
}

impl Home {
    /// Told by the base, which says nothing about the owner.
    pub(crate) fn of_unknown_owner(region: String) -> Self {
        Self {
            region,
            owner: None,
        }
    }
}

/// The buckets that are known so far.
#[derive(Debug, Default)]
pub(crate) struct Buckets(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    homes: HashMap<String, Home>,
    /// Owners that somebody chose: such a bucket lets everybody do everything.
    given: HashMap<String, String>,
}

impl Buckets {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn home(&self, bucket: &str) -> Option<Home> {
        self.known().homes.get(bucket).cloned()
    }

    pub(crate) fn learn(&self, bucket: &str, home: Home) {
        self.known().homes.insert(bucket.to_owned(), home);
    }

    /// From now on until it is deleted the bucket belongs to this account.
    pub(crate) fn give(&self, bucket: &str, owner: &str) -> Result<(), UnknownAccount> {
        known_account(owner)?;
        let mut known = self.known();
        known.given.insert(bucket.to_owned(), owner.to_owned());
        Ok(())
    }

    /// The account that owns a bucket, as its owner's STS tells it.
    fn owner(&self, rules: Rules, bucket: &str) -> Option<String> {
        let known = self.known();
        if let Some(owner) = known.given.get(bucket) {
            return Some(owner.clone());
        }
        match known.homes.get(bucket)?.owner.as_deref()? {
            ALL_OTHERS => rules.default_account.map(str::to_owned),
            owner => Some(owner.to_owned()),
        }
    }

    /// Takes note of buckets that come and go.
    pub(crate) fn observe(&self, call: &Call, status: StatusCode) {
        let Some(bucket) = call.bucket() else { return };
        match call.operation.as_str() {
            "CreateBucket" if status.is_success() => {
                let region = call.location.as_ref().or(call.region.as_ref());
                if let Some(region) = region {
                    let owner = Some(account(call).to_owned());
                    // A repeated call answers 200 in us-east-1: the first one counts.
                    let home = Home {
                        region: region.clone(),
                        owner,
                    };
                    let mut known = self.known();
                    known.homes.entry(bucket.to_owned()).or_insert(home);
                }
            }
            "DeleteBucket" if status.is_success() => {
                let mut known = self.known();
                known.homes.remove(bucket);
                known.given.remove(bucket);
            }
            _ => {}
        }
    }
}

/// The account of all access keys that are none themselves, as ministack tells it.
const ALL_OTHERS: &str = "000000000000";

/// The account of a request, as ministack tells it.
pub(crate) fn account(call: &Call) -> &str {
    match call.access_key.as_deref() {
        Some(key) if is_account(key) => key,
        _ => ALL_OTHERS,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Not the number of an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no account: those are twelve digits")]
pub struct UnknownAccount(String);

/// Whether a text is the number of an account: twelve digits.
///
/// # Errors
/// When it is not.
pub fn known_account(text: &str) -> Result<(), UnknownAccount> {
    match is_account(text) {
        true => Ok(()),
        false => Err(UnknownAccount(text.to_owned())),
    }
}

/// The refusal of a caller who believes that a bucket belongs to another account than it does. Where it is not known
/// whose a bucket is, the base decides.
///
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>
pub(crate) fn owner_refusal(
    buckets: &Buckets,
    rules: Rules,
    call: &Call,
) -> Option<Response<Full<Bytes>>> {
    let expectations = [
        (&call.expected_owner, call.bucket()),
        (&call.expected_source_owner, call.source_bucket.as_deref()),
    ];
    for (expected, bucket) in expectations {
        let (Some(expected), Some(bucket)) = (expected, bucket) else {
            continue;
        };
        if !is_account(expected) {
            let message = format!(
                "The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]"
            );
            let code = "InvalidBucketOwnerAWSAccountID";
            return Some(error(call, StatusCode::BAD_REQUEST, code, &message, &[]));
        }
        if (buckets.owner(rules, bucket)).is_some_and(|owner| owner != *expected) {
            return Some(denied(call));
        }
    }
    None
}

fn denied(call: &Call) -> Response<Full<Bytes>> {
    let (code, message) = ("AccessDenied", "Access Denied");
    error(call, StatusCode::FORBIDDEN, code, message, &[])
}

impl Buckets {
    /// Whether a request is signed for another region than its bucket's: it is told so before anything else.
    pub(crate) fn is_elsewhere(&self, call: &Call) -> bool {
        let home = call.bucket().and_then(|bucket| self.home(bucket));
        let signed = call
            .region
            .as_ref()
            .filter(|_| call.operation != "GetBucketLocation");
        matches!((home, signed), (Some(home), Some(signed)) if home.region != *signed)
    }

    /// The refusal of a new bucket whose name somebody gave to another account.
    pub(crate) fn name_refusal(&self, call: &Call) -> Option<Response<Full<Bytes>>> {
        let bucket = call.bucket().filter(|_| call.operation == "CreateBucket")?;
        let foreign = (self.known().given.get(bucket)).is_some_and(|owner| owner != account(call));
        foreign.then(|| name_taken(call, bucket))
    }
}

fn name_taken(call: &Call, bucket: &str) -> Response<Full<Bytes>> {
    error(
        call,
        StatusCode::CONFLICT,
        "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users of \
         the system. Please select a different name and try again.",
        &[("BucketName", bucket)],
    )
}

/// The answer that AWS gives instead of letting the request through, if it does.
pub(crate) fn refusal(rules: Rules, call: &Call, home: &Home) -> Option<Response<Full<Bytes>>> {
    let (bucket, signed) = (call.bucket()?, call.region.as_deref()?);
    let foreign = rules.accounts
        && home
            .owner
            .as_deref()
            .is_some_and(|owner| owner != account(call));
    if call.operation == "CreateBucket" {
        if foreign {
            return Some(name_taken(call, bucket));
        }
        // A request to the bucket's own region is the base's: us-east-1 answers 200 again.
        let own = home.owner.as_deref() == Some(account(call));
        return (own && home.region != signed).then(|| {
            error(
                call,
                StatusCode::CONFLICT,
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
                &[("BucketName", bucket)],
            )
        });
    }
    let mut answer = if foreign {
        denied(call)
    } else if rules.redirects && home.region != signed && call.operation != "GetBucketLocation" {
        error(
            call,
            StatusCode::MOVED_PERMANENTLY,
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint. \
             Please send all future requests to this endpoint.",
            &[
                (
                    "Endpoint",
                    &format!("{bucket}.s3.{}.amazonaws.com", home.region),
                ),
                ("Bucket", bucket),
            ],
        )
    } else {
        return None;
    };
    if let Ok(region) = HeaderValue::from_str(&home.region) {
        answer
            .headers_mut()
            .insert(HeaderName::from_static("x-amz-bucket-region"), region);
    }
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Target;

    const ALL: Rules = Rules {
        redirects: true,
        accounts: true,
        copy_conditions: true,
        default_account: Some("123456789012"),
    };

    fn call(operation: &str, region: &str, key: &str) -> Call {
        Call {
            service: "s3".into(),
            operation: operation.into(),
            region: Some(region.into()),
            access_key: Some(key.into()),
            target: Some(Target {
                bucket: Some("b".into()),
                key: None,
            }),
            ..Call::default()
        }
    }

    #[test]
    fn a_bucket_has_one_home_and_one_owner() {
        let buckets = Buckets::default();
        let mut create = call("CreateBucket", "us-east-1", "test");
        create.location = Some("ca-central-1".into());
        buckets.observe(&create, StatusCode::CONFLICT);
        assert_eq!(buckets.home("b"), None);
        buckets.observe(&create, StatusCode::OK);
        let home = buckets.home("b").unwrap();
        assert_eq!(home.region, "ca-central-1");
        let status = |rules, operation, region, key| {
            refusal(rules, &call(operation, region, key), &home)
                .map(|answer| answer.status().as_u16())
        };
        let other = "111122223333";
        for (operation, region, key, expected) in [
            ("HeadBucket", "ca-central-1", "test", None),
            ("HeadBucket", "us-east-1", "test", Some(301)),
            ("PutObject", "us-east-1", "test", Some(301)),
            ("GetBucketLocation", "us-east-1", "test", None),
            ("CreateBucket", "ca-central-1", "test", None),
            ("HeadBucket", "ca-central-1", other, Some(403)),
            ("CreateBucket", "us-east-1", other, Some(409)),
        ] {
            assert_eq!(
                status(ALL, operation, region, key),
                expected,
                "{operation} {region} {key}"
            );
            assert_eq!(
                status(Rules::default(), operation, region, key),
                None,
                "the base does this itself"
            );
        }
        // Whatever the base does.
        for rules in [ALL, Rules::default()] {
            let again = status(rules, "CreateBucket", "us-east-1", "test");
            assert_eq!(again, Some(409));
        }
        buckets.observe(
            &call("DeleteBucket", "ca-central-1", "test"),
            StatusCode::NO_CONTENT,
        );
        assert_eq!(buckets.home("b"), None);
    }

    #[test]
    fn a_repeated_create_is_fine_only_in_us_east_1() {
        let buckets = Buckets::default();
        buckets.observe(&call("CreateBucket", "us-east-1", "test"), StatusCode::OK);
        let home = buckets.home("b").unwrap();
        let again = |region| {
            refusal(
                Rules::default(),
                &call("CreateBucket", region, "test"),
                &home,
            )
        };
        assert!(again("us-east-1").is_none());
        assert_eq!(
            again("ca-central-1").unwrap().status(),
            StatusCode::CONFLICT
        );
    }

    #[test]
    fn unsigned_requests_pass() {
        let home = Home::of_unknown_owner("ca-central-1".into());
        let unsigned = Call {
            region: None,
            ..call("GetObject", "us-east-1", "test")
        };
        assert!(refusal(ALL, &unsigned, &home).is_none());
    }
}
