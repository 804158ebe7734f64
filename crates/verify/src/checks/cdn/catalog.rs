use report::finding::Severity;

use crate::check::Check;

pub(super) static DEPLOYED: Check = Check {
    id: "cloudfront-deployed",
    item: Some(6),
    severity: Severity::High,
    title: "the distribution exists and every edge location has its settings",
    why: "viewers get nothing, or some of them older settings",
    fix: "terraform apply; while it is InProgress, wait some minutes and check again",
};
pub(super) static ENABLED: Check = Check {
    id: "cloudfront-enabled",
    item: Some(6),
    severity: Severity::High,
    title: "the distribution is enabled",
    why: "it answers nobody",
    fix: "terraform apply",
};
pub(super) static HTTPS: Check = Check {
    id: "cloudfront-https",
    item: Some(6),
    severity: Severity::Critical,
    title: "every behaviour wants HTTPS",
    why: "health records cross networks in the clear",
    fix: "terraform apply",
};
pub(super) static VIEWERS: Check = Check {
    id: "cloudfront-viewers",
    item: Some(6),
    severity: Severity::Critical,
    title: "every path needs a signature, but those with a written reason",
    why: "whoever has or guesses a URL reads photos, documents and signatures of patients",
    fix: "set cdn_signing_keys of environments/staging, then terraform apply; what may be public has its reason in public_read of infra.toml",
};
pub(super) static TLS: Check = Check {
    id: "cloudfront-tls-version",
    item: Some(6),
    severity: Severity::Medium,
    title: "viewers need TLS 1.2 at least",
    why: "broken versions of TLS are accepted",
    fix: "terraform apply; look at domain of environments/staging",
};
pub(super) static COUNTRIES: Check = Check {
    id: "cloudfront-countries",
    item: Some(6),
    severity: Severity::Medium,
    title: "viewers of the wanted countries are answered, and no others",
    why: "records are served to where they need not be, or nurses are locked out",
    fix: "terraform apply; look at countries of modules/cdn",
};
pub(super) static ORIGINS: Check = Check {
    id: "cloudfront-origins",
    item: Some(6),
    severity: Severity::Critical,
    title: "the origins are the stack's three data buckets, and nothing else",
    why: "viewers get nothing, or somebody else's content",
    fix: "terraform apply",
};
pub(super) static OAC: Check = Check {
    id: "cloudfront-oac",
    item: Some(6),
    severity: Severity::High,
    title: "CloudFront signs every request to every bucket",
    why: "buckets refuse its requests (403), or would have to be open to everybody",
    fix: "terraform apply",
};
pub(super) static COMPRESSION: Check = Check {
    id: "cloudfront-compression",
    item: Some(6),
    severity: Severity::Low,
    title: "every behaviour compresses",
    why: "answers are larger and slower than they need to be",
    fix: "terraform apply",
};
pub(super) static LOGS: Check = Check {
    id: "cloudfront-logs",
    item: Some(6),
    severity: Severity::Medium,
    title: "access logs are delivered to the log bucket",
    why: "nobody can tell who read which record",
    fix: "terraform apply; deliveries are made in us-east-1",
};
pub(super) static BUCKETS: Check = Check {
    id: "cloudfront-bucket-access",
    item: Some(6),
    severity: Severity::High,
    title: "each data bucket lets in this distribution, and no other",
    why: "viewers get 403, or another account's distribution serves health records",
    fix: "terraform apply, which puts the statement CloudFrontReads back",
};

pub(crate) static CHECKS: &[&Check] = &[
    &DEPLOYED,
    &ENABLED,
    &HTTPS,
    &VIEWERS,
    &TLS,
    &COUNTRIES,
    &ORIGINS,
    &OAC,
    &COMPRESSION,
    &LOGS,
    &BUCKETS,
];
