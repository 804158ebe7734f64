//! Faults on chosen operations, repeatable for a given seed and order of requests.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::request::Call;

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
    /// and CBOR services but DynamoDB and Cost Explorer. Calls that AWS answers in one page are cut as well.
    Pages,
    /// `AccessDenied` (403), `AccessDeniedException` (400) for services that speak JSON.
    Denied,
    /// The connection is reset before the request reaches the base.
    Reset,
    /// The request reaches the base, then the connection is reset: the answer is lost.
    ResetAfter,
    /// The request waits this long, then goes on. Later faults still apply to it.
    #[serde(with = "milliseconds")]
    Latency(Duration),
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
            Self::Reset => "reset",
            Self::ResetAfter => "reset-after",
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
    /// What happens.
    pub kind: FaultKind,
    /// Share of the matching requests that are hit, 0 to 1.
    #[serde(default = "always")]
    pub share: f64,
    /// How many requests are hit at most.
    #[serde(default)]
    pub times: Option<u64>,
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

fn matches(filter: &str, value: &str) -> bool {
    match filter.strip_suffix('*') {
        Some(start) => value
            .get(..start.len())
            .is_some_and(|beginning| beginning.eq_ignore_ascii_case(start)),
        None => filter.eq_ignore_ascii_case(value),
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

    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        let id = FaultId(self.next);
        self.next += 1;
        // Each fault draws from its own sequence, so that adding one does not change another.
        let random = Random(self.seed ^ id.0.wrapping_mul(0xA076_1D64_78BD_642F));
        self.active.push(Active { id, fault, random });
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

    /// What hits this request: any latencies, then at most one other fault.
    pub(crate) fn draw(&mut self, call: &Call) -> Vec<FaultKind> {
        let mut hits = Vec::new();
        for Active { fault, random, .. } in &mut self.active {
            if fault.times == Some(0) || !fault.matches(call) || random.share() >= fault.share {
                continue;
            }
            if let Some(times) = &mut fault.times {
                *times -= 1;
            }
            hits.push(fault.kind.clone());
            if !matches!(fault.kind, FaultKind::Latency(_)) {
                break;
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
        assert_eq!(count(Fault::new(FaultKind::Reset)), 100);
        assert_eq!(count(Fault::new(FaultKind::Reset).share(0.0)), 0);
        assert_eq!(count(Fault::new(FaultKind::Reset).times(3)), 3);
        assert_eq!(count(Fault::new(FaultKind::Reset).share(0.5).times(3)), 3);
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
        faults.add(Fault::new(FaultKind::Reset));
        assert_eq!(
            faults.draw(&call("GetObject")),
            [slow.clone(), FaultKind::Denied]
        );
        assert!(faults.remove(denied) && !faults.remove(denied));
        assert_eq!(faults.draw(&call("GetObject")), [slow, FaultKind::Reset]);
        faults.clear();
        assert_eq!(faults.draw(&call("GetObject")), []);
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
        let short: Fault = serde_json::from_str(r#"{"kind":"slow-down"}"#).unwrap();
        assert_eq!(short, Fault::new(FaultKind::SlowDown));
    }
}
