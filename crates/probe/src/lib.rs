//! Whether what the application uses answers as it should, asked as the application would: by the servers'
//! own protocols, with the credentials of the secrets.
//!
//! [`probe`] asks names, PostgreSQL, Redis, buckets and health pages, all at once and each within a time of its own,
//! and removes the canaries that it wrote. [`database_login`] and [`redis_login`] say where the servers are and who
//! logs in: terraform's outputs first, then Secrets Manager. [`IntegritySession`] asks a database that was restored whether it
//! and the objects belong together, and advances its sequences. [`ServerConnection`] says whether a database server takes
//! connections, to whoever waits for one. [`EnvironmentFile`] writes the same for the application, and
//! [`plan_application_user`] says how the user that it logs in as is made.

mod accepts;
mod application_user;
mod bounded;
mod bucket;
mod clients;
mod connection;
mod database;
mod dns;
mod environment_file;
mod http;
mod integrity;
mod latency;
mod link;
mod redis;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use aws_env::RegionClients;
use bucket::Replica;
use dns::Leads;
use evidence::{Outputs, Redact, Redacted, Redactor};
use futures::future::{BoxFuture, FutureExt as _, join_all};
use jiff::Timestamp;
use link::{Deadline, Way};
use report::finding::{self, Finding, Status, Unobserved};
use report::results::{Results, Source, Suite, ToResults};
use report::{Document, Mark, Report};
use serde::Serialize;

pub use accepts::ServerConnection;
pub use application_user::{
    ApplicationUserError, ApplicationUserOptions, ApplicationUserPlan, ApprovedApplicationUser,
    PlannedApplicationUser, apply_application_user, plan_application_user,
};
pub use clients::ProbeClients;
pub use connection::{
    DatabaseLogin, Endpoint, RedisLogin, Secret, database_login, redis_login, secret_login,
};
pub use environment_file::{EnvironmentError, EnvironmentFile, EnvironmentFormat, Logins};
pub use http::{HealthUrl, HealthUrlError};
pub use integrity::{IntegrityError, IntegritySession, Keys, Sequence};
pub use latency::Latency;
pub use link::{Trust, TrustError};

/// What can be probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The names of the servers.
    Dns,
    /// PostgreSQL.
    Database,
    /// Redis.
    Redis,
    /// The buckets.
    Buckets,
    /// Health pages.
    Http,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Dns,
        Self::Database,
        Self::Redis,
        Self::Buckets,
        Self::Http,
    ];
}

/// No such target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing to probe is called {0:?}: dns, database, redis, buckets or http")]
pub struct TargetError(String);

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "dns" => Self::Dns,
            "database" | "db" => Self::Database,
            "redis" => Self::Redis,
            "buckets" | "s3" => Self::Buckets,
            "http" => Self::Http,
            _ => return Err(TargetError(text.to_owned())),
        })
    }
}

/// The outputs that name a bucket.
const BUCKETS: [&str; 4] = [
    "s3_bucket_photos",
    "s3_bucket_documents",
    "s3_bucket_signatures",
    "s3_bucket_logs",
];

/// How to probe.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// What to probe.
    pub targets: Vec<Target>,
    /// `HOST:PORT` of the near end of a tunnel to the database.
    pub database_via: Option<String>,
    /// `HOST:PORT` of the near end of a tunnel to Redis.
    pub redis_via: Option<String>,
    /// Whose certificates are trusted.
    pub trust: Trust,
    /// The time that each probe is given.
    pub timeout: Duration,
    /// How often is measured.
    pub count: usize,
    /// Health pages.
    pub urls: Vec<HealthUrl>,
    /// Where replication may carry canaries: a bucket, and its name in the DR region.
    pub replicas: BTreeMap<String, String>,
    /// The clients of the DR region.
    pub dr: Option<RegionClients>,
}

/// What came out of the probes.
#[derive(Debug, Clone, Serialize)]
pub struct Probed {
    /// The environment.
    pub environment: String,
    /// When it was asked.
    pub at: Timestamp,
    /// What was seen, in the order of the targets.
    pub findings: Vec<Finding>,
    /// How long it took.
    pub latencies: Vec<Latency>,
}

/// What one probe gives.
#[derive(Debug, Default)]
struct Outcome {
    findings: Vec<Finding>,
    latencies: Vec<Latency>,
}

impl Outcome {
    /// Keeps a latency. One that was measured less often than was asked for is not complete: that is unknown.
    fn measured(
        &mut self,
        what: &'static str,
        resource: &str,
        repeated: &str,
        latency: Option<Latency>,
        wanted: usize,
    ) {
        let done = latency.as_ref().map_or(0, |latency| latency.count);
        if done < wanted {
            let why = format!("{done} of {wanted} times: the server answered no more in time");
            let expected = format!("{repeated}, {wanted} times");
            self.findings.push(Finding::new(
                what,
                resource,
                expected,
                Err(Unobserved::because(why)),
            ));
        }
        self.latencies.extend(latency);
    }
}

fn not_tried(what: &'static str, resource: &str, unobserved: &Unobserved) -> Finding {
    let why = Unobserved::because(format!("not tried: {}", unobserved.reason));
    Finding::new(what, resource, "an answer", Err(why))
}

/// Probes, all targets at once.
///
/// Nobody answering is unknown; an answer that is not what it should be is wrong.
pub async fn probe(
    clients: &ProbeClients,
    outputs: &Outputs,
    environment: &str,
    options: &ProbeOptions,
    at: Timestamp,
) -> Redacted<Probed> {
    let mut targets = options.targets.clone();
    targets.sort_unstable();
    targets.dedup();
    let probes = targets.iter().map(|target| -> BoxFuture<'_, Outcome> {
        match target {
            Target::Dns => names(outputs, options).boxed(),
            Target::Database => database(clients, outputs, options).boxed(),
            Target::Redis => redis(clients, outputs, options).boxed(),
            Target::Buckets => buckets(clients, outputs, options, at).boxed(),
            Target::Http => pages(options).boxed(),
        }
    });
    let mut probed = Probed {
        environment: environment.to_owned(),
        at,
        findings: Vec::new(),
        latencies: Vec::new(),
    };
    for outcome in join_all(probes).await {
        probed.findings.extend(outcome.findings);
        probed.latencies.extend(outcome.latencies);
    }
    Redactor::for_display(Some(outputs)).apply(probed)
}

impl Redact for Probed {
    fn redact(self, redactor: &Redactor<'_>) -> Self {
        Self {
            findings: self.findings.redact(redactor),
            ..self
        }
    }
}

async fn names(outputs: &Outputs, options: &ProbeOptions) -> Outcome {
    let host = |name: &str, port| {
        outputs.text(name).map(|host| Endpoint {
            host: host.to_owned(),
            port,
        })
    };
    let endpoints = [
        (connection::database_endpoint(outputs), Leads::Inside),
        (connection::redis_endpoint(outputs), Leads::Inside),
        (host("redis_reader_endpoint", 6379), Leads::Inside),
        (host("cloudfront_domain_name", 443), Leads::Anywhere),
    ];
    let probes = endpoints.into_iter().map(|(endpoint, leads)| async move {
        match endpoint {
            Ok(endpoint) => dns::probe(&endpoint, leads, Deadline::new(options.timeout)).await,
            Err(unobserved) => Finding::new("dns", "a name", "an address", Err(unobserved)),
        }
    });
    Outcome {
        findings: join_all(probes).await,
        latencies: Vec::new(),
    }
}

async fn database(clients: &ProbeClients, outputs: &Outputs, options: &ProbeOptions) -> Outcome {
    let login = database_login(clients, outputs).await;
    let endpoint = match &login {
        Ok(login) => Ok(login.endpoint.clone()),
        // What needs no credentials is looked at all the same.
        Err(unobserved) => connection::database_endpoint(outputs).map_err(|_| unobserved.clone()),
    };
    match endpoint {
        Ok(endpoint) => {
            let way = Way {
                endpoint: &endpoint,
                via: options.database_via.as_deref(),
                deadline: Deadline::new(options.timeout),
            };
            let login = login.as_ref().map_err(Clone::clone);
            database::probe(way, &options.trust, login, options.count).await
        }
        Err(unobserved) => nowhere("database-tls", "the database", unobserved),
    }
}

async fn redis(clients: &ProbeClients, outputs: &Outputs, options: &ProbeOptions) -> Outcome {
    let login = redis_login(clients, outputs).await;
    let endpoint = match &login {
        Ok(login) => Ok(login.endpoint.clone()),
        Err(unobserved) => connection::redis_endpoint(outputs).map_err(|_| unobserved.clone()),
    };
    match endpoint {
        Ok(endpoint) => {
            let way = Way {
                endpoint: &endpoint,
                via: options.redis_via.as_deref(),
                deadline: Deadline::new(options.timeout),
            };
            let login = login.as_ref().map_err(Clone::clone);
            redis::probe(way, &options.trust, login, options.count).await
        }
        Err(unobserved) => nowhere("redis-tls", "Redis", unobserved),
    }
}

async fn buckets(
    clients: &ProbeClients,
    outputs: &Outputs,
    options: &ProbeOptions,
    now: Timestamp,
) -> Outcome {
    let probes = BUCKETS.map(|output| async move {
        let bucket = match outputs.text(output) {
            Ok(bucket) => bucket,
            Err(unobserved) => return nowhere("bucket-put", output, unobserved),
        };
        let replica = options.dr.as_ref().and_then(|clients| {
            let bucket = options.replicas.get(bucket)?;
            Some(Replica { bucket, clients })
        });
        let ProbeOptions { timeout, count, .. } = options;
        bucket::probe(&clients.region, bucket, replica, *timeout, *count, now).await
    });
    let mut all = Outcome::default();
    for outcome in join_all(probes).await {
        all.findings.extend(outcome.findings);
        all.latencies.extend(outcome.latencies);
    }
    all
}

async fn pages(options: &ProbeOptions) -> Outcome {
    let mut all = Outcome::default();
    if options.urls.is_empty() {
        let reason = "no --http URL is given";
        all.findings
            .push(Finding::skipped("http", "health page", reason));
    }
    let probes = options.urls.iter().map(|url| {
        let deadline = Deadline::new(options.timeout);
        http::probe(url, &options.trust, deadline, options.count)
    });
    for outcome in join_all(probes).await {
        all.findings.extend(outcome.findings);
        all.latencies.extend(outcome.latencies);
    }
    all
}

fn nowhere(what: &'static str, resource: &str, unobserved: Unobserved) -> Outcome {
    Outcome {
        findings: vec![Finding::new(what, resource, "an answer", Err(unobserved))],
        latencies: Vec::new(),
    }
}

impl Probed {
    /// Whether anything has `status`.
    pub fn has(&self, status: Status) -> bool {
        self.findings.iter().any(|finding| finding.status == status)
    }
}

/// What it means when a probe finds something wrong.
const WHY: &str = "the application uses it, and finds it as the probe did";

impl ToResults for Probed {
    fn results(&self) -> Results {
        Results {
            program: "verify-staging",
            command: "probe",
            environment: self.environment.clone(),
            region: None,
            at: self.at.to_string(),
            source: Source::Looked,
            residency: Vec::new(),
            suites: vec![Suite::of_findings("probe", WHY, &self.findings)],
        }
    }
}

impl Report for Probed {
    const KIND: &'static str = "probe";

    fn document(&self) -> Document {
        let heading = format!("{}: {}", self.environment, finding::counts(&self.findings));
        let rows = self.findings.iter().map(Finding::row).collect();
        let mut document = Document::new()
            .heading(heading)
            .table(Finding::COLUMNS, rows);
        if !self.latencies.is_empty() {
            document = document.heading("Latency in milliseconds");
        }
        let latencies = self.latencies.iter().map(|latency| {
            let ms = |value: f64| format!("{value:.1}");
            let cells = vec![
                latency.what.clone(),
                latency.count.to_string(),
                ms(latency.p50_ms),
                ms(latency.p95_ms),
                ms(latency.p99_ms),
                ms(latency.max_ms),
            ];
            (Mark::Plain, cells)
        });
        document = document.table(
            ["What", "Times", "p50", "p95", "p99", "Longest"],
            latencies.collect(),
        );
        finding::fixes(document, &self.findings)
    }
}
