//! Whatever AWS does instead of answering, nothing that was asked of it is ok: denied, broken, throttled, cut off,
//! or with nothing in the answer.
#![expect(clippy::unwrap_used, reason = "a check that fails ends its test")]

use aws_config_of::without_retries;
use aws_credential_types::Credentials;
use aws_env::{AwsEnv, Both, Options};
use evidence::Outputs;
use jiff::Timestamp;
use local_aws::{Fault, FaultKind, LocalAws};
use report::finding::{Finding, Status};
use settings::Settings;
use verify::maintenance::Period;
use verify::{EnvironmentClients, Located, Sources, Wanted};
use verify::{doctor, maintenance};

const SETTINGS: &str = include_str!("../../../examples/berthcare-staging/infra.toml");
const OUTPUTS: &str = r#"{"vpc_id": {"value": "vpc-1"}, "db_identifier": {"value": "db"},
    "redis_replication_group_id": {"value": "redis"}, "cloudfront_distribution_id": {"value": "E1"},
    "kms_key_arn": {"value": "arn:aws:kms:ca-central-1:000000000000:key/1"},
    "cloudwatch_alarm_names": {"value": ["berthcare-staging-db-cpu", "berthcare-staging-cloudfront-5xx"]},
    "s3_bucket_photos": {"value": "p"}, "s3_bucket_documents": {"value": "d"},
    "s3_bucket_signatures": {"value": "s"}, "s3_bucket_logs": {"value": "l"}}"#;

/// A text for each trouble that is looked at through the environment's own clients.
const ERRORS: [&str; 21] = [
    "timeout while waiting for state to become 'available' of DB Instance",
    "Connection timeout",
    "Cannot find version 15.5 for postgres",
    "creating S3 Bucket (p): BucketAlreadyExists",
    "https://d1.cloudfront.net/photos/a.jpg 403 Forbidden",
    "ExpiredToken",
    "AccessDenied: User: arn:aws:iam::000000000000:user/jo is not authorized to perform: s3:PutObject",
    "AddressLimitExceeded",
    "InstanceQuotaExceeded",
    "KMSInvalidStateException",
    "OptInRequired in ca-west-1",
    "Rate exceeded",
    "DependencyViolation: vpc-0a1 and subnet-0b2 and sg-0c3",
    "Error acquiring the state lock: ResourceNotFoundException",
    "Error acquiring the state lock: Put Object requests with Object Lock parameters",
    "Initializing the backend... S3 bucket \"b\" does not exist",
    "creating RDS DB Instance (p): DBInstanceAlreadyExists",
    "with the following combination: DBInstanceClass=db.t4g.medium, Engine=postgres, EngineVersion=11.5",
    "InsufficientDBInstanceCapacity: db.t4g.medium",
    "The specified VPC does not support DNS resolution",
    "creating Secrets Manager Secret (s): already scheduled for deletion",
];

mod aws_config_of {
    use super::*;

    /// The same clients, which give up at once: what they say then is what counts.
    macro_rules! rebuilt {
        ($module:ident, $client:expr) => {{
            let config = $client
                .config()
                .to_builder()
                .retry_config($module::config::retry::RetryConfig::disabled())
                .build();
            $client = $module::Client::from_conf(config);
        }};
    }

    pub(super) fn without_retries(mut clients: EnvironmentClients) -> EnvironmentClients {
        rebuilt!(aws_sdk_ec2, clients.ec2);
        rebuilt!(aws_sdk_rds, clients.rds);
        rebuilt!(aws_sdk_elasticache, clients.elasticache);
        rebuilt!(aws_sdk_kms, clients.kms);
        rebuilt!(aws_sdk_secretsmanager, clients.secrets);
        rebuilt!(aws_sdk_cloudfront, clients.cloudfront);
        rebuilt!(aws_sdk_cloudwatch, clients.global_cloudwatch);
        rebuilt!(aws_sdk_cloudwatch, clients.home.cloudwatch);
        rebuilt!(aws_sdk_s3, clients.home.s3);
        rebuilt!(aws_sdk_dynamodb, clients.home.dynamodb);
        rebuilt!(aws_sdk_iam, clients.iam);
        clients
    }
}

struct Stage {
    aws: LocalAws,
    regions: Both,
    clients: EnvironmentClients,
    settings: Settings,
    outputs: Outputs,
    located: Located,
}

impl Stage {
    async fn open() -> Option<Self> {
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
        let clients = without_retries(EnvironmentClients::new(
            &env.access(region),
            &env.global(region),
        ));
        let today = "2026-11-22".parse().unwrap();
        let settings = Settings::parse(SETTINGS, today).unwrap();
        let outputs = Outputs::parse(OUTPUTS.as_bytes()).unwrap();
        let sources = Sources {
            settings: &settings,
            state: None,
            outputs: Some(&outputs),
        };
        Some(Self {
            located: Located::without_aws(sources, &Wanted::new(&settings)),
            aws,
            regions: env.both(region, "us-east-1".parse().unwrap()),
            clients,
            settings,
            outputs,
        })
    }

    /// Everything that is looked at, each with the question that led to it.
    async fn look(&self) -> Vec<(String, Finding)> {
        let at = Timestamp::now();
        let mut found = Vec::new();
        let context = doctor::Context {
            clients: &self.clients,
            regions: doctor::Reach::Both(&self.regions),
            settings: &self.settings,
            outputs: Some(&self.outputs),
            folder: "f",
            at,
        };
        for error in ERRORS {
            let diagnosed = doctor::diagnose(context, error).await.into_inner();
            assert!(!diagnosed.diagnoses.is_empty(), "{error}");
            for finding in diagnosed.diagnoses.into_iter().flat_map(|one| one.findings) {
                found.push((error.to_owned(), finding));
            }
        }
        let context = maintenance::Context {
            clients: &self.clients,
            located: &self.located,
            settings: &self.settings,
            folder: "f",
            practised: &Err(report::finding::Unobserved::because("nobody looked")),
            at,
        };
        for period in [Period::Weekly, Period::Monthly, Period::Quarterly] {
            for finding in maintenance::maintain(context, period)
                .await
                .into_inner()
                .findings
            {
                found.push((format!("{period:?}"), finding));
            }
        }
        found
    }
}

#[tokio::test]
async fn what_aws_does_not_answer_is_unknown() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    for kind in [
        FaultKind::Denied,
        FaultKind::InternalError,
        FaultKind::SlowDown,
        FaultKind::RequestLost,
    ] {
        stage.aws.clear_faults();
        // Who we are is asked with retries of its own, which would take long.
        let services = [
            "ec2",
            "dynamodb",
            "rds",
            "elasticache",
            "kms",
            "secretsmanager",
            "cloudfront",
            "monitoring",
            "s3",
            "iam",
        ];
        for service in services {
            stage
                .aws
                .add_fault(Fault::new(kind.clone()).service(service));
        }
        for (question, finding) in stage.look().await {
            let told = finding.reason.clone().unwrap_or_default();
            // What the caller is was answered.
            if finding.what == "credentials" {
                continue;
            }
            let expected = [Status::Unknown, Status::Skipped].contains(&finding.status);
            assert!(
                expected && !told.is_empty(),
                "{kind:?}, {question}: {finding:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_with_nothing_in_it_is_never_ok() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    for (question, finding) in stage.look().await {
        let allowed = match finding.what {
            // AWS does take them.
            "credentials" => true,
            // Nobody having the name, and no interface holding the network, is what the look is for.
            "bucket-owner" | "in-use" => true,
            // Nor that a name is free.
            "db-instance" | "final-snapshot" | "secret" => true,
            // None of 40 instances.
            "quota" => question == "InstanceQuotaExceeded",
            "region" => true,
            _ => false,
        };
        assert!(
            allowed || finding.status != Status::Ok,
            "{question}: {finding:?}"
        );
    }
}

#[tokio::test]
async fn who_may_not_ask_who_he_is_knows_nothing() {
    let Some(stage) = Stage::open().await else {
        return;
    };
    stage.aws.add_fault(Fault::new(FaultKind::Denied));
    for (question, finding) in stage.look().await {
        assert_ne!(finding.status, Status::Ok, "{question}: {finding:?}");
    }
}
