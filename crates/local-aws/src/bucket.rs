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
pub(crate) struct Buckets(Mutex<HashMap<String, Home>>);

impl Buckets {
    fn homes(&self) -> MutexGuard<'_, HashMap<String, Home>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn home(&self, bucket: &str) -> Option<Home> {
        self.homes().get(bucket).cloned()
    }

    pub(crate) fn learn(&self, bucket: &str, home: Home) {
        self.homes().insert(bucket.to_owned(), home);
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
                    self.homes().entry(bucket.to_owned()).or_insert(home);
                }
            }
            "DeleteBucket" if status.is_success() => {
                self.homes().remove(bucket);
            }
            _ => {}
        }
    }
}

/// The account of a request, as ministack tells it.
pub(crate) fn account(call: &Call) -> &str {
    match call.access_key.as_deref() {
        Some(key) if key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()) => key,
        _ => "000000000000",
    }
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
            return Some(error(
                call,
                StatusCode::CONFLICT,
                "BucketAlreadyExists",
                "The requested bucket name is not available. The bucket namespace is shared by all users of \
                 the system. Please select a different name and try again.",
                &[("BucketName", bucket)],
            ));
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
        error(
            call,
            StatusCode::FORBIDDEN,
            "AccessDenied",
            "Access Denied",
            &[],
        )
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
