//! Whatever AWS does instead of answering, no probe of what it names is ok: denied, broken, throttled, cut off, or with
//! nothing in the answer.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Options};
use evidence::Outputs;
use jiff::Timestamp;
use local_aws::{Fault, FaultKind, LocalAws};
use probe::{ProbeClients, ProbeOptions, Target, Trust, probe};
use report::finding::{Finding, Status};

const OUTPUTS: &str = r#"{"vpc_id": {"value": "vpc-1"}, "s3_bucket_photos": {"value": "p"},
    "s3_bucket_documents": {"value": "d"}, "s3_bucket_signatures": {"value": "s"}, "s3_bucket_logs": {"value": "l"}}"#;

/// Clients that give up at once: what they say then is what counts.
fn without_retries(mut clients: ProbeClients) -> ProbeClients {
    let config = clients.region.s3.config().to_builder();
    let config = config.retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled());
    clients.region.s3 = aws_sdk_s3::Client::from_conf(config.build());
    let config = clients.secrets.config().to_builder();
    let config = config.retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled());
    clients.secrets = aws_sdk_secretsmanager::Client::from_conf(config.build());
    clients
}

async fn stage() -> Option<(LocalAws, ProbeClients)> {
    let builder = LocalAws::builder();
    let aws = builder.start_or_skip().await.unwrap()?;
    let env = AwsEnv::load(Options {
        endpoint_url: Some(aws.endpoint().to_owned()),
        credentials: Some(Credentials::new("test", "test", None, None, "test")),
        ..Options::default()
    })
    .await
    .unwrap();
    let region = "ca-central-1".parse().unwrap();
    let clients = without_retries(ProbeClients::new(&env.access(region)));
    Some((aws, clients))
}

async fn findings(clients: &ProbeClients) -> Vec<Finding> {
    let authority = rcgen::generate_simple_self_signed(vec!["x".to_owned()]).unwrap();
    let options = ProbeOptions {
        targets: vec![Target::Buckets, Target::Database, Target::Redis],
        database_via: None,
        redis_via: None,
        trust: Trust::new([authority.cert.der().clone()]).unwrap(),
        timeout: std::time::Duration::from_secs(30),
        count: 1,
        urls: Vec::new(),
        replicas: std::collections::BTreeMap::new(),
        dr: None,
    };
    let outputs = Outputs::parse(OUTPUTS.as_bytes()).unwrap();
    let probed = probe(clients, &outputs, "x", &options, Timestamp::now()).await;
    let findings = probed.into_inner().findings;
    assert!(findings.len() > 2, "{findings:?}");
    findings
}

#[tokio::test]
async fn probe_without_an_answer_of_aws_is_unknown() {
    let Some((aws, clients)) = stage().await else {
        return;
    };
    for kind in [
        FaultKind::Denied,
        FaultKind::InternalError,
        FaultKind::SlowDown,
        FaultKind::RequestLost,
    ] {
        aws.clear_faults();
        aws.add_fault(Fault::new(kind.clone()));
        for finding in findings(&clients).await {
            let expected = [Status::Unknown, Status::Skipped].contains(&finding.status);
            let told = finding.reason.as_deref().unwrap_or_default();
            assert!(expected && !told.is_empty(), "{kind:?}: {finding:?}");
        }
    }
}

#[tokio::test]
async fn probe_of_what_is_not_there_is_never_ok() {
    let Some((_aws, clients)) = stage().await else {
        return;
    };
    for finding in findings(&clients).await {
        assert_ne!(finding.status, Status::Ok, "{finding:?}");
    }
}
