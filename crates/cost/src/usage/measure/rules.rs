//! Which metrics each type of resource has.

use super::Statistic::{
    self, GbPerHour, Mean, MeanGb, MonthlyGb, MonthlySum, PerMinute, PerSecond, RateToMonthlyGb,
};
use super::{Measure, Unmeasured};
use crate::inventory::{Inventory, Resource};

/// Where CloudFront's metrics are, whatever the region.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html>
const CLOUDFRONT: &str = "us-east-1";

/// The filter that the console makes for request metrics of a whole bucket.
const ENTIRE_BUCKET: &str = "EntireBucket";

/// The measures of a type of resource.
struct Rule {
    /// As in `aws_nat_gateway`.
    kinds: &'static [&'static str],
    /// As in `AWS/NATGateway`.
    namespace: &'static str,
    /// The dimension that tells which resource a metric is of.
    dimension: &'static str,
    /// Attributes with its value: the first that is known counts.
    names: &'static [&'static str],
    metrics: &'static [Metric],
    /// What the numbers do not say.
    remark: Option<&'static str>,
    /// Keys that no metric says anything about, and why.
    unmeasured: &'static [(&'static str, &'static str)],
}

impl Rule {
    /// One without metrics.
    const NONE: Self = Self {
        kinds: &[],
        namespace: "",
        dimension: "",
        names: &[],
        metrics: &[],
        remark: None,
        unmeasured: &[],
    };
}

/// Metrics of one key.
struct Metric {
    key: &'static str,
    names: &'static [&'static str],
    statistic: Statistic,
}

const fn metric(key: &'static str, names: &'static [&'static str], statistic: Statistic) -> Metric {
    Metric {
        key,
        names,
        statistic,
    }
}

const INGESTED: &[Metric] = &[metric(
    "monthly_data_ingested_gb",
    &["IncomingBytes"],
    MonthlyGb,
)];

const RULES: &[Rule] = &[
    Rule {
        kinds: &["aws_nat_gateway"],
        namespace: "AWS/NATGateway",
        dimension: "NatGatewayId",
        names: &["id"],
        metrics: &[metric(
            "monthly_data_processed_gb",
            // What comes in from either side is what was processed.
            &["BytesInFromSource", "BytesInFromDestination"],
            MonthlyGb,
        )],
        ..Rule::NONE
    },
    Rule {
        kinds: &["aws_db_instance"],
        unmeasured: &[(
            "additional_backup_storage_gb",
            "RDS publishes no metric of billed backups",
        )],
        ..Rule::NONE
    },
    Rule {
        kinds: &["aws_cloudwatch_log_group"],
        namespace: "AWS/Logs",
        dimension: "LogGroupName",
        names: &["name"],
        metrics: INGESTED,
        unmeasured: &[("storage_gb", "CloudWatch has no metric of stored logs")],
        ..Rule::NONE
    },
    Rule {
        kinds: &["aws_dynamodb_table"],
        namespace: "AWS/DynamoDB",
        dimension: "TableName",
        names: &["name", "id"],
        metrics: &[
            metric(
                "monthly_write_request_units",
                &["ConsumedWriteCapacityUnits"],
                MonthlySum,
            ),
            metric(
                "monthly_read_request_units",
                &["ConsumedReadCapacityUnits"],
                MonthlySum,
            ),
        ],
        unmeasured: &[("storage_gb", "DynamoDB has no metric of its size")],
        ..Rule::NONE
    },
    Rule {
        kinds: &["aws_lambda_function"],
        namespace: "AWS/Lambda",
        dimension: "FunctionName",
        names: &["function_name", "id"],
        metrics: &[
            metric("monthly_requests", &["Invocations"], MonthlySum),
            metric("request_duration_ms", &["Duration"], Mean),
        ],
        ..Rule::NONE
    },
    Rule {
        kinds: &["aws_sns_topic"],
        namespace: "AWS/SNS",
        dimension: "TopicName",
        names: &["name"],
        metrics: &[metric(
            "monthly_requests",
            &["NumberOfMessagesPublished"],
            MonthlySum,
        )],
        ..Rule::NONE
    },
    Rule {
        kinds: &["aws_sqs_queue"],
        namespace: "AWS/SQS",
        dimension: "QueueName",
        names: &["name"],
        metrics: &[metric(
            "monthly_requests",
            &[
                "NumberOfMessagesSent",
                "NumberOfMessagesReceived",
                "NumberOfMessagesDeleted",
                "NumberOfEmptyReceives",
            ],
            MonthlySum,
        )],
        remark: Some("messages, so that batches count too often"),
        ..Rule::NONE
    },
    Rule {
        kinds: &[
            "aws_kms_key",
            "aws_kms_replica_key",
            "aws_secretsmanager_secret",
        ],
        unmeasured: &[("monthly_requests", "AWS publishes no metric of it")],
        ..Rule::NONE
    },
    Rule {
        kinds: &["aws_s3_bucket_replication_configuration"],
        unmeasured: &[(
            "monthly_replicated_gb",
            "S3 has metrics of what is pending, not of what was copied",
        )],
        ..Rule::NONE
    },
];

const FLOW_LOG: Rule = Rule {
    namespace: "AWS/Logs",
    dimension: "LogGroupName",
    metrics: INGESTED,
    ..Rule::NONE
};

const DISTRIBUTION: Rule = Rule {
    namespace: "AWS/CloudFront",
    dimension: "DistributionId",
    metrics: &[
        metric(
            "monthly_data_transfer_to_internet_gb.us",
            &["BytesDownloaded"],
            MonthlyGb,
        ),
        metric("monthly_https_requests.us", &["Requests"], MonthlySum),
    ],
    remark: Some("metrics do not say where viewers are, nor whether they use HTTPS"),
    ..Rule::NONE
};

/// Storage of a bucket in a class, and the values of `StorageType` that belong to it.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html>
const BUCKET_CLASSES: [(Metric, &[&str]); 5] = [
    (class("standard.storage_gb"), &["StandardStorage"]),
    (
        class("standard_infrequent_access.storage_gb"),
        &["StandardIAStorage", "StandardIASizeOverhead"],
    ),
    (
        class("glacier_instant_retrieval.storage_gb"),
        &["GlacierInstantRetrievalStorage", "GlacierIRSizeOverhead"],
    ),
    (
        class("glacier_flexible_retrieval.storage_gb"),
        &["GlacierStorage", "GlacierObjectOverhead"],
    ),
    (
        class("glacier_deep_archive.storage_gb"),
        &["DeepArchiveStorage", "DeepArchiveObjectOverhead"],
    ),
];

const fn class(key: &'static str) -> Metric {
    metric(key, &["BucketSizeBytes"], MeanGb)
}

const BUCKET: Rule = Rule {
    namespace: "AWS/S3",
    dimension: "BucketName",
    ..Rule::NONE
};

const BUCKET_REQUESTS: &[Metric] = &[
    metric(
        "standard.monthly_tier_1_requests",
        &["PutRequests", "PostRequests", "ListRequests"],
        MonthlySum,
    ),
    metric(
        "standard.monthly_tier_2_requests",
        &["GetRequests", "HeadRequests"],
        MonthlySum,
    ),
];

const BACKUP_REPLICATION: Rule = Rule {
    namespace: "AWS/RDS",
    dimension: "DBInstanceIdentifier",
    // The write-ahead log is what is copied.
    metrics: &[metric(
        "monthly_data_transferred_gb",
        &["TransactionLogsGeneration"],
        RateToMonthlyGb,
    )],
    remark: Some("the log that the database writes; snapshots are copied besides"),
    unmeasured: &[(
        "storage_gb",
        "RDS publishes no metric of replicated backups",
    )],
    ..Rule::NONE
};

const APPLICATION_BALANCER: Rule = Rule {
    namespace: "AWS/ApplicationELB",
    dimension: "LoadBalancer",
    metrics: &[
        metric("new_connections", &["NewConnectionCount"], PerSecond),
        metric("active_connections", &["ActiveConnectionCount"], PerMinute),
        metric("processed_bytes_gb", &["ProcessedBytes"], GbPerHour),
    ],
    ..Rule::NONE
};

const NETWORK_BALANCER: Rule = Rule {
    namespace: "AWS/NetworkELB",
    dimension: "LoadBalancer",
    metrics: &[
        metric("new_connections", &["NewFlowCount"], PerSecond),
        metric("active_connections", &["ActiveFlowCount"], Mean),
        metric("processed_bytes_gb", &["ProcessedBytes"], GbPerHour),
    ],
    ..Rule::NONE
};

/// What to ask for, and what cannot be.
#[derive(Default)]
pub(super) struct Collector {
    pub(super) measures: Vec<Measure>,
    pub(super) unmeasured: Vec<Unmeasured>,
}

impl Collector {
    pub(super) fn add(&mut self, resource: &Resource, inventory: &Inventory) {
        match resource.kind.as_str() {
            "aws_s3_bucket" => self.bucket(resource),
            "aws_cloudfront_distribution" => self.distribution(resource),
            "aws_db_instance_automated_backups_replication" => {
                self.backup_replication(resource, inventory);
            }
            "aws_flow_log" => self.flow_log(resource),
            "aws_lb" | "aws_alb" => self.balancer(resource),
            kind => {
                if let Some(rule) = RULES.iter().find(|rule| rule.kinds.contains(&kind)) {
                    self.apply(rule, resource, name(resource, rule.names));
                }
            }
        }
    }

    /// `value` is that of the rule's dimension.
    fn apply(&mut self, rule: &Rule, resource: &Resource, value: Option<&str>) {
        for metric in rule.metrics {
            self.measure(rule, metric, resource, value);
        }
        for (key, why) in rule.unmeasured {
            self.cannot(resource, key, why);
        }
    }

    /// The measure, for what else belongs to it; `None` where it cannot be measured.
    fn measure(
        &mut self,
        rule: &Rule,
        metric: &Metric,
        resource: &Resource,
        value: Option<&str>,
    ) -> Option<&mut Measure> {
        let (region, value) = match (resource.region, value) {
            (Some(region), Some(value)) => (region, value.to_owned()),
            (None, _) => {
                self.cannot(resource, metric.key, "its region is not known");
                return None;
            }
            (_, None) => {
                let why = "its name in AWS is not known before it is there: use a state";
                self.cannot(resource, metric.key, why);
                return None;
            }
        };
        self.measures.push(Measure {
            address: resource.address.clone(),
            key: metric.key,
            region,
            namespace: rule.namespace,
            metrics: metric.names,
            dimensions: vec![(rule.dimension, value)],
            split: None,
            statistic: metric.statistic,
            remark: rule.remark,
            hint: None,
        });
        self.measures.last_mut()
    }

    fn cannot(&mut self, resource: &Resource, key: &str, why: &str) {
        self.unmeasured.push(Unmeasured {
            address: resource.address.clone(),
            key: key.to_owned(),
            why: why.to_owned(),
        });
    }

    fn bucket(&mut self, resource: &Resource) {
        let name = name(resource, &["bucket", "id"]);
        for (metric, kinds) in &BUCKET_CLASSES {
            if let Some(measure) = self.measure(&BUCKET, metric, resource, name) {
                measure.split = Some(("StorageType", kinds));
            }
        }
        for metric in BUCKET_REQUESTS {
            if let Some(measure) = self.measure(&BUCKET, metric, resource, name) {
                let filter = ("FilterId", ENTIRE_BUCKET.to_owned());
                measure.dimensions.push(filter);
                measure.hint = Some("it takes request metrics with a filter named EntireBucket");
            }
        }
    }

    fn distribution(&mut self, resource: &Resource) {
        let resource = Resource {
            region: CLOUDFRONT.parse().ok(),
            ..resource.clone()
        };
        let id = name(&resource, &["id"]);
        for metric in DISTRIBUTION.metrics {
            if let Some(measure) = self.measure(&DISTRIBUTION, metric, &resource, id) {
                measure.dimensions.push(("Region", "Global".to_owned()));
            }
        }
    }

    fn flow_log(&mut self, resource: &Resource) {
        let group = name(resource, &["log_destination"])
            .and_then(|arn| arn.split(":log-group:").nth(1))
            .map(|group| group.trim_end_matches(":*"));
        self.apply(&FLOW_LOG, resource, group);
    }

    /// What is copied is measured where it comes from.
    fn backup_replication(&mut self, resource: &Resource, inventory: &Inventory) {
        let arn = name(resource, &["source_db_instance_arn"]).unwrap_or_default();
        let parts: Vec<&str> = arn.split(':').collect();
        let (region, instance) = match parts.as_slice() {
            [_, _, _, region, .., name] => (region.parse().ok(), Some(*name)),
            _ => (inventory.region, None),
        };
        let source = Resource {
            region,
            ..resource.clone()
        };
        self.apply(&BACKUP_REPLICATION, &source, instance);
    }

    fn balancer(&mut self, resource: &Resource) {
        let rule = match name(resource, &["load_balancer_type"]) {
            None | Some("application") => &APPLICATION_BALANCER,
            Some(_) => &NETWORK_BALANCER,
        };
        self.apply(rule, resource, name(resource, &["arn_suffix"]));
    }
}

/// The first of some attributes that is known.
fn name<'a>(resource: &'a Resource, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| resource.attributes.text(name))
}
