//! Faults on chosen operations, repeatable for a given seed and order of requests.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::answer::Problem;
use crate::filter::matches;
use crate::pagination;
use crate::request::Call;

mod propagation;

use propagation::Propagation;

/// What happens to a request that a fault hits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Throttled, in the way of the service's protocol: S3 answers 503 `SlowDown`, DynamoDB 400
    /// `ThrottlingException`, Query services 400 `Throttling`.
    SlowDown,
    /// 500 `InternalError`, `InternalServerError` or `InternalFailure`.
    InternalError,
    /// 200 with nothing in it: no list, no value.
    Empty,
    /// A list comes in pages of one item, after a first page without any: `List…` and `Describe…` of Query, JSON
    /// and CBOR services but DynamoDB and Cost Explorer, and S3's lists of objects, versions, uploads, parts and, where
    /// the request has `max-buckets`, buckets. Calls that AWS answers in one page are cut as well. What cannot be cut
    /// is refused by [`Fault::check`].
    Pages,
    /// `AccessDenied` (403), `AccessDeniedException` (400) for services that speak JSON.
    Denied,
    /// The request never arrives: the connection is reset, and the base has not seen it.
    #[serde(alias = "reset")]
    RequestLost,
    /// The request is carried out and its response is lost: the connection is reset instead.
    #[serde(alias = "reset-after")]
    ResponseLost,
    /// The request is carried out, and a proxy on the way answers in the service's place: 502 with a page of HTML, without a code or
    /// a request ID.
    BadGateway,
    /// Each bucket and table that is made from now on answers its first calls, as many as this, as AWS does while
    /// it propagates: any call to the bucket 404 `NoSuchBucket`; PutBucketReplication to it 400 `InvalidRequest`, its
    /// destination must exist; UpdateContinuousBackups of the table 400 `ContinuousBackupsUnavailableException`.
    Propagating(u64),
    /// The service answers with this error, such as one that AWS gives for want of capacity.
    Error(ErrorAnswer),
    /// The request waits this long, then goes on. Later faults still apply to it.
    #[serde(with = "milliseconds")]
    Latency(Duration),
}

/// An error that a service answers with, in the form of its protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorAnswer {
    /// The code, such as `InsufficientDBInstanceCapacity`.
    pub code: String,
    /// The HTTP status, 400 to 599.
    #[serde(default = "bad_request")]
    pub status: u16,
    /// What it says besides.
    #[serde(default)]
    pub message: String,
}

fn bad_request() -> u16 {
    400
}

impl ErrorAnswer {
    /// Whether a service can answer with it. A code goes into headers and XML as it is.
    fn is_one(&self) -> bool {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
        (400..=599).contains(&self.status) && !self.code.is_empty() && self.code.bytes().all(legal)
    }
}

impl FaultKind {
    /// The name in logs and on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SlowDown => "slow-down",
            Self::InternalError => "internal-error",
            Self::Empty => "empty",
            Self::Pages => "pages",
            Self::Denied => "denied",
            Self::RequestLost => "request-lost",
            Self::ResponseLost => "response-lost",
            Self::BadGateway => "bad-gateway",
            Self::Propagating(_) => "propagating",
            Self::Error(_) => "error",
            Self::Latency(_) => "latency",
        }
    }
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        value: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// A fault and the requests that it may hit. A filter that is `None` matches everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Service as in the signature (`s3`, `dynamodb`, `iam`), any case.
    #[serde(default)]
    pub service: Option<String>,
    /// Operation (`PutObject`), any case; `Put*` matches what begins with `Put`.
    #[serde(default)]
    pub operation: Option<String>,
    /// Region that the request is signed for.
    #[serde(default)]
    pub region: Option<String>,
    /// Bucket and key, table, role …, as in the log; `state-bucket/*` matches a beginning.
    #[serde(default)]
    pub resource: Option<String>,
    /// What happens to a request that is hit.
    pub kind: FaultKind,
    /// Share of the matching requests that are hit, 0 to 1.
    #[serde(default = "always")]
    pub share: f64,
    /// How many requests are hit at most.
    #[serde(default)]
    pub times: Option<u64>,
    /// Only the request of this number among those that match, counted from 1 and from the moment when the fault was
    /// added. `times` of the listed fault is 1 until it has been hit.
    #[serde(default)]
    pub nth: Option<u64>,
}

/// Why a fault can never do what it says.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UnfitFault {
    /// The share is no share.
    #[error("the share {share} is not a number from 0 to 1")]
    Share {
        /// The number that is none.
        share: f64,
    },
    /// There is no request before the first one.
    #[error("requests are counted from 1, there is none of number 0")]
    NthZero,
    /// One request cannot be chosen in two ways.
    #[error(
        "request number {nth} is one request: neither a share nor a number of times goes with it"
    )]
    NthAndShare {
        /// The number of the request.
        nth: u64,
    },
    /// An error that no service could answer with.
    #[error(
        "{status} {code:?} is no error: a status is from 400 to 599, a code is letters, digits and dots"
    )]
    Error {
        /// The status.
        status: u16,
        /// The code.
        code: String,
    },
    /// `pages` for what cannot be cut into pages.
    #[error("{what} cannot be cut into pages: {why}")]
    Pages {
        /// Service or operation, as given.
        what: String,
        /// What about its answers makes that impossible here.
        why: &'static str,
    },
    /// `propagating` for what is there at once.
    #[error(
        "{what} shows nothing of propagation: only S3's buckets and UpdateContinuousBackups of DynamoDB do here"
    )]
    Propagating {
        /// Service or operation, as given.
        what: String,
    },
}

fn always() -> f64 {
    1.0
}

impl Fault {
    /// A fault that hits every request.
    pub fn new(kind: FaultKind) -> Self {
        Self {
            service: None,
            operation: None,
            region: None,
            resource: None,
            kind,
            share: 1.0,
            times: None,
            nth: None,
        }
    }

    /// Only requests to this service.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Only this operation.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Only requests to this region.
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Only requests to this resource.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Only this share of the requests, 0 to 1.
    #[must_use]
    pub fn share(mut self, share: f64) -> Self {
        self.share = share;
        self
    }

    /// Only this many requests.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Only request number `nth` of those that match, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Whether it can hit anything at all.
    ///
    /// # Errors
    /// What about it cannot be.
    pub fn check(&self) -> Result<(), UnfitFault> {
        if !(0.0..=1.0).contains(&self.share) {
            return Err(UnfitFault::Share { share: self.share });
        }
        match self.nth {
            Some(0) => return Err(UnfitFault::NthZero),
            // What is listed has its one time.
            Some(nth) if self.share < 1.0 || self.times.is_some_and(|times| times > 1) => {
                return Err(UnfitFault::NthAndShare { nth });
            }
            _ => {}
        }
        let (service, operation) = (self.service.as_deref(), self.operation.as_deref());
        match &self.kind {
            FaultKind::Error(error) if !error.is_one() => Err(UnfitFault::Error {
                status: error.status,
                code: error.code.clone(),
            }),
            FaultKind::Pages => match pagination::uncuttable(service, operation) {
                Some((what, why)) => Err(UnfitFault::Pages { what, why }),
                None => Ok(()),
            },
            FaultKind::Propagating(_) => match propagation::nothing_of(service, operation) {
                Some(what) => Err(UnfitFault::Propagating { what }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn matches(&self, call: &Call) -> bool {
        let name = |filter: &Option<String>, value: Option<&str>| {
            filter
                .as_ref()
                .is_none_or(|filter| value.is_some_and(|value| matches(filter, value)))
        };
        name(&self.service, Some(&call.service))
            && name(&self.operation, Some(&call.operation))
            && name(&self.region, call.region.as_deref())
            && name(&self.resource, call.resource.as_deref())
    }
}

/// Names a fault of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

#[derive(Debug)]
struct Active {
    id: FaultId,
    fault: Fault,
    random: Random,
    /// Requests that matched so far.
    matched: u64,
    propagation: Propagation,
}

impl Active {
    /// What it does to a request that matches; counts the request as hit then.
    fn hit(&mut self, call: &Call) -> Option<Drawn> {
        if self.fault.times == Some(0) {
            return None;
        }
        let chosen = match self.fault.nth {
            Some(nth) => self.matched == nth,
            None => self.random.share() < self.fault.share,
        };
        let problem = match (chosen, &self.fault.kind) {
            (false, _) => return None,
            (true, FaultKind::Propagating(_)) => Some(self.propagation.next(call)?),
            (true, _) => None,
        };
        if let Some(times) = &mut self.fault.times {
            *times -= 1;
        }
        Some(Drawn {
            kind: self.fault.kind.clone(),
            problem,
        })
    }
}

/// What hits a request.
#[derive(Clone, Debug)]
pub(crate) struct Drawn {
    pub(crate) kind: FaultKind,
    /// What is answered, where the kind alone does not tell.
    pub(crate) problem: Option<Problem>,
}

/// The faults of an instance.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    next: u64,
    active: Vec<Active>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            next: 1,
            active: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, mut fault: Fault) -> FaultId {
        if fault.nth.is_some() {
            fault.times = Some(1);
        }
        let id = FaultId(self.next);
        self.next += 1;
        // Each fault draws from its own sequence, so that adding one does not change another.
        let random = Random(self.seed ^ id.0.wrapping_mul(0xA076_1D64_78BD_642F));
        self.active.push(Active {
            id,
            fault,
            random,
            matched: 0,
            propagation: Propagation::default(),
        });
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.active.clear();
    }

    /// The faults, `times` counted down.
    pub(crate) fn list(&self) -> Vec<(FaultId, Fault)> {
        self.active
            .iter()
            .map(|active| (active.id, active.fault.clone()))
            .collect()
    }

    /// Takes note of what is made: faults that speak of young resources have begun for it.
    pub(crate) fn observe(&mut self, call: &Call, status: StatusCode) {
        for active in &mut self.active {
            if let FaultKind::Propagating(calls) = active.fault.kind {
                active.propagation.observe(call, status, calls);
            }
        }
    }

    /// What hits this request: any latencies, then at most one other fault.
    pub(crate) fn draw(&mut self, call: &Call) -> Vec<Drawn> {
        let mut hits = Vec::new();
        let mut decided = false;
        for active in &mut self.active {
            if !active.fault.matches(call) {
                continue;
            }
            // Also when another fault hits: the number of a request does not depend on other faults.
            active.matched += 1;
            if decided {
                continue;
            }
            if let Some(hit) = active.hit(call) {
                decided = !matches!(hit.kind, FaultKind::Latency(_));
                hits.push(hit);
            }
        }
        hits
    }
}

/// SplitMix64: a short generator whose sequence is the same on every machine and version.
#[derive(Debug)]
struct Random(u64);

impl Random {
    /// The next number, 0 ≤ n < 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // 53 bits are what an f64 holds exactly.
        (mixed >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str) -> Call {
        Call {
            service: "s3".into(),
            operation: operation.into(),
            region: Some("us-east-1".into()),
            resource: Some("bucket/key".into()),
            ..Call::default()
        }
    }

    fn draw(faults: &mut Faults, call: &Call) -> Vec<FaultKind> {
        faults.draw(call).into_iter().map(|hit| hit.kind).collect()
    }

    fn hits(seed: u64, fault: Fault, requests: usize) -> Vec<bool> {
        let mut faults = Faults::new(seed);
        faults.add(fault);
        (0..requests)
            .map(|_| !faults.draw(&call("PutObject")).is_empty())
            .collect()
    }

    #[test]
    fn the_same_seed_hits_the_same_requests() {
        let third = Fault::new(FaultKind::SlowDown).share(0.3);
        let first = hits(7, third.clone(), 1000);
        assert_eq!(first, hits(7, third.clone(), 1000));
        assert_ne!(first, hits(8, third, 1000));
        let count = first.iter().filter(|hit| **hit).count();
        assert!(
            (250..350).contains(&count),
            "{count} of 1000 is not about 30 %"
        );
    }

    #[test]
    fn share_and_times_bound_the_hits() {
        let count = |fault: Fault| hits(1, fault, 100).into_iter().filter(|hit| *hit).count();
        assert_eq!(count(Fault::new(FaultKind::RequestLost)), 100);
        assert_eq!(count(Fault::new(FaultKind::RequestLost).share(0.0)), 0);
        assert_eq!(count(Fault::new(FaultKind::RequestLost).times(3)), 3);
        assert_eq!(
            count(Fault::new(FaultKind::RequestLost).share(0.5).times(3)),
            3
        );
    }

    #[test]
    fn every_filter_counts() {
        let base = Fault::new(FaultKind::Denied);
        let put = call("PutObject");
        for (fault, expected) in [
            (base.clone(), true),
            (base.clone().service("S3"), true),
            (base.clone().service("dynamodb"), false),
            (base.clone().operation("putobject"), true),
            (base.clone().operation("Put*"), true),
            (base.clone().operation("Put"), false),
            (base.clone().operation("PutObjectTagging*"), false),
            (base.clone().region("us-east-1"), true),
            (base.clone().region("ca-central-1"), false),
            (base.clone().resource("bucket/*"), true),
            (base.clone().resource("other/*"), false),
        ] {
            assert_eq!(fault.matches(&put), expected, "{fault:?}");
        }
        let unsigned = Call {
            region: None,
            ..put
        };
        assert!(!base.region("us-east-1").matches(&unsigned));
    }

    #[test]
    fn latency_goes_on_to_the_next_fault() {
        let mut faults = Faults::new(1);
        let slow = FaultKind::Latency(Duration::from_millis(5));
        faults.add(Fault::new(slow.clone()));
        let denied = faults.add(Fault::new(FaultKind::Denied));
        faults.add(Fault::new(FaultKind::RequestLost));
        assert_eq!(
            draw(&mut faults, &call("GetObject")),
            [slow.clone(), FaultKind::Denied]
        );
        assert!(faults.remove(denied) && !faults.remove(denied));
        assert_eq!(
            draw(&mut faults, &call("GetObject")),
            [slow, FaultKind::RequestLost]
        );
        faults.clear();
        assert_eq!(draw(&mut faults, &call("GetObject")), []);
    }

    #[test]
    fn nth_hits_that_request_and_no_other_whatever_else_hits() {
        let mut faults = Faults::new(1);
        faults.add(Fault::new(FaultKind::Denied).times(1));
        let lost = faults.add(Fault::new(FaultKind::ResponseLost).operation("Put*").nth(3));
        let hit = [
            "PutObject",
            "GetObject",
            "PutObject",
            "PutObjectAcl",
            "PutObject",
        ]
        .map(|operation| draw(&mut faults, &call(operation)));
        assert_eq!(
            hit,
            [
                vec![FaultKind::Denied],
                vec![],
                vec![],
                vec![FaultKind::ResponseLost],
                vec![]
            ]
        );
        let left = faults.list().into_iter().find(|(id, _)| *id == lost);
        assert_eq!(
            left.unwrap().1.times,
            Some(0),
            "a test sees that it was hit"
        );
    }

    #[test]
    fn check_refuses_what_cannot_hit_with_its_reason() {
        let pages = || Fault::new(FaultKind::Pages);
        let error = |code: &str, status| {
            Fault::new(FaultKind::Error(ErrorAnswer {
                code: code.to_owned(),
                status,
                message: String::new(),
            }))
        };
        let propagating = || Fault::new(FaultKind::Propagating(2));
        for fault in [
            pages(),
            pages().service("s3"),
            pages().service("S3").operation("listobjectsv2"),
            pages().service("s3").operation("List*"),
            pages().service("s3").operation("L*"),
            pages().service("iam").operation("ListRoles"),
            pages().operation("ListParts"),
            propagating(),
            propagating().service("s3").operation("Put*"),
            propagating().service("dynamodb"),
            Fault::new(FaultKind::RequestLost).nth(1),
            error("InsufficientDBInstanceCapacity", 400),
        ] {
            assert_eq!(fault.check(), Ok(()), "{fault:?}");
        }
        for (fault, part) in [
            (pages().service("dynamodb"), "dynamodb cannot be cut"),
            (pages().service("lambda"), "lambda cannot be cut"),
            (pages().service("cloudfront"), "cloudfront cannot be cut"),
            (pages().operation("PutItem"), "PutItem cannot be cut"),
            (
                pages()
                    .service("s3")
                    .operation("ListBucketMetricsConfigurations"),
                "ListBucketMetricsConfigurations cannot be cut",
            ),
            (
                pages().service("s3").operation("Describe*"),
                "Describe* cannot be cut",
            ),
            (propagating().service("iam"), "iam shows nothing"),
            (
                propagating().service("dynamodb").operation("PutItem"),
                "PutItem shows nothing",
            ),
            (error("Insufficient<", 400), "is no error"),
            (error("", 400), "is no error"),
            (error("Slow", 200), "200 \"Slow\" is no error"),
            (pages().share(1.5), "share 1.5"),
            (Fault::new(FaultKind::Denied).nth(0), "number 0"),
            (Fault::new(FaultKind::Denied).nth(2).times(3), "number 2"),
            (Fault::new(FaultKind::Denied).nth(2).share(0.5), "number 2"),
        ] {
            let error = fault.check().unwrap_err().to_string();
            assert!(error.contains(part), "{fault:?}: {error}");
        }
    }

    #[test]
    fn a_fault_reads_back_from_json() {
        let fault = Fault::new(FaultKind::Latency(Duration::from_millis(250)))
            .service("s3")
            .share(0.5)
            .times(2);
        let text = serde_json::to_string(&fault).unwrap();
        assert!(text.contains(r#""kind":{"latency":250}"#), "{text}");
        assert_eq!(serde_json::from_str::<Fault>(&text).unwrap(), fault);
        let old: Fault = serde_json::from_str(r#"{"kind":"reset-after","nth":2}"#).unwrap();
        assert_eq!(old, Fault::new(FaultKind::ResponseLost).nth(2));
        let short: Fault = serde_json::from_str(r#"{"kind":"slow-down"}"#).unwrap();
        assert_eq!(short, Fault::new(FaultKind::SlowDown));
    }
}
