use super::Statistic::{
    self, GbPerHour, Mean, MeanGb, MonthlyGb, MonthlySum, PerMinute, PerSecond, RateToMonthlyGb,
};
use super::{Measure, Unmeasured};
use crate::{Attributes, Inventory, Resource};

#[derive(Default)]
pub(super) struct Plan {
    pub(super) measures: Vec<Measure>,
    pub(super) unmeasured: Vec<Unmeasured>,
}

/// Where CloudFront's metrics are, whatever the region.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html>
const CLOUDFRONT: &str = "us-east-1";

/// The filter that the console makes for request metrics of a whole bucket.
const ENTIRE_BUCKET: &str = "EntireBucket";

struct Asked {
    key: &'static str,
    namespace: &'static str,
    metrics: &'static [&'static str],
    statistic: Statistic,
}

const fn ask(
    key: &'static str,
    namespace: &'static str,
    metrics: &'static [&'static str],
    statistic: Statistic,
) -> Asked {
    Asked {
        key,
        namespace,
        metrics,
        statistic,
    }
}

impl Plan {
    pub(super) fn of(
        &mut self,
        resource: &Resource,
        attributes: &Attributes,
        inventory: &Inventory,
    ) {
        let name = |names: &[&str]| names.iter().find_map(|name| attributes.text(name));
        match resource.kind.as_str() {
            "aws_nat_gateway" => {
                // What comes in from either side is what was processed.
                let metrics = &["BytesInFromSource", "BytesInFromDestination"];
                let data = ask(
                    "monthly_data_processed_gb",
                    "AWS/NATGateway",
                    metrics,
                    MonthlyGb,
                );
                self.simple(resource, "NatGatewayId", name(&["id"]), &[data], None);
            }
            "aws_s3_bucket" => self.bucket(resource, name(&["bucket", "id"])),
            "aws_cloudfront_distribution" => {
                let remark = "metrics do not say where viewers are, nor whether they use HTTPS";
                let asked = [
                    ask(
                        "monthly_data_transfer_to_internet_gb.us",
                        "AWS/CloudFront",
                        &["BytesDownloaded"],
                        MonthlyGb,
                    ),
                    ask(
                        "monthly_https_requests.us",
                        "AWS/CloudFront",
                        &["Requests"],
                        MonthlySum,
                    ),
                ];
                let mut there = resource.clone();
                there.region = CLOUDFRONT.parse().ok();
                let from = self.measures.len();
                self.simple(
                    &there,
                    "DistributionId",
                    name(&["id"]),
                    &asked,
                    Some(remark),
                );
                for measure in &mut self.measures[from..] {
                    measure.dimensions.push(("Region", "Global".to_owned()));
                }
            }
            "aws_db_instance" => self.cannot(
                resource,
                "additional_backup_storage_gb",
                "RDS publishes no metric of billed backups",
            ),
            "aws_db_instance_automated_backups_replication" => {
                self.replicated(resource, attributes, inventory);
            }
            "aws_cloudwatch_log_group" => {
                let incoming = ask(
                    "monthly_data_ingested_gb",
                    "AWS/Logs",
                    &["IncomingBytes"],
                    MonthlyGb,
                );
                self.simple(resource, "LogGroupName", name(&["name"]), &[incoming], None);
                self.cannot(
                    resource,
                    "storage_gb",
                    "CloudWatch has no metric of stored logs",
                );
            }
            "aws_flow_log" => {
                let group = name(&["log_destination"])
                    .and_then(|arn| arn.split(":log-group:").nth(1))
                    .map(|group| group.trim_end_matches(":*"));
                let incoming = ask(
                    "monthly_data_ingested_gb",
                    "AWS/Logs",
                    &["IncomingBytes"],
                    MonthlyGb,
                );
                self.simple(resource, "LogGroupName", group, &[incoming], None);
            }
            "aws_dynamodb_table" => {
                let units = |key, metric| ask(key, "AWS/DynamoDB", metric, MonthlySum);
                let asked = [
                    units(
                        "monthly_write_request_units",
                        &["ConsumedWriteCapacityUnits"],
                    ),
                    units("monthly_read_request_units", &["ConsumedReadCapacityUnits"]),
                ];
                self.simple(resource, "TableName", name(&["name", "id"]), &asked, None);
                self.cannot(resource, "storage_gb", "DynamoDB has no metric of its size");
            }
            "aws_lb" | "aws_alb" => self.balancer(resource, attributes),
            "aws_lambda_function" => {
                let asked = [
                    ask(
                        "monthly_requests",
                        "AWS/Lambda",
                        &["Invocations"],
                        MonthlySum,
                    ),
                    ask("request_duration_ms", "AWS/Lambda", &["Duration"], Mean),
                ];
                self.simple(
                    resource,
                    "FunctionName",
                    name(&["function_name", "id"]),
                    &asked,
                    None,
                );
            }
            "aws_sns_topic" => {
                let published = ask(
                    "monthly_requests",
                    "AWS/SNS",
                    &["NumberOfMessagesPublished"],
                    MonthlySum,
                );
                self.simple(resource, "TopicName", name(&["name"]), &[published], None);
            }
            "aws_sqs_queue" => {
                let metrics = &[
                    "NumberOfMessagesSent",
                    "NumberOfMessagesReceived",
                    "NumberOfMessagesDeleted",
                    "NumberOfEmptyReceives",
                ];
                let requests = ask("monthly_requests", "AWS/SQS", metrics, MonthlySum);
                let remark = "messages, so that batches count too often";
                self.simple(
                    resource,
                    "QueueName",
                    name(&["name"]),
                    &[requests],
                    Some(remark),
                );
            }
            "aws_kms_key" | "aws_kms_replica_key" | "aws_secretsmanager_secret" => {
                self.cannot(
                    resource,
                    "monthly_requests",
                    "AWS publishes no metric of it",
                );
            }
            "aws_s3_bucket_replication_configuration" => {
                self.cannot(
                    resource,
                    "monthly_replicated_gb",
                    "S3 has metrics of what is pending, not of what was copied",
                );
            }
            _ => {}
        }
    }

    fn simple(
        &mut self,
        resource: &Resource,
        dimension: &'static str,
        value: Option<&str>,
        asked: &[Asked],
        remark: Option<&'static str>,
    ) {
        for asked in asked {
            match (resource.region, value) {
                (Some(region), Some(value)) => self.measures.push(Measure {
                    address: resource.address.clone(),
                    key: asked.key,
                    region,
                    namespace: asked.namespace,
                    metrics: asked.metrics,
                    dimensions: vec![(dimension, value.to_owned())],
                    split: None,
                    statistic: asked.statistic,
                    remark,
                    hint: None,
                }),
                (None, _) => self.cannot(resource, asked.key, "its region is not known"),
                (_, None) => self.cannot(
                    resource,
                    asked.key,
                    "its name in AWS is not known before it is there: use a state",
                ),
            }
        }
    }

    fn cannot(&mut self, resource: &Resource, key: &str, why: &str) {
        self.unmeasured.push(Unmeasured {
            address: resource.address.clone(),
            key: key.to_owned(),
            why: why.to_owned(),
        });
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/metrics-dimensions.html>
    fn bucket(&mut self, resource: &Resource, name: Option<&str>) {
        let classes: [(&str, &'static [&'static str]); 5] = [
            ("standard.storage_gb", &["StandardStorage"]),
            (
                "standard_infrequent_access.storage_gb",
                &["StandardIAStorage", "StandardIASizeOverhead"],
            ),
            (
                "glacier_instant_retrieval.storage_gb",
                &["GlacierInstantRetrievalStorage", "GlacierIRSizeOverhead"],
            ),
            (
                "glacier_flexible_retrieval.storage_gb",
                &["GlacierStorage", "GlacierObjectOverhead"],
            ),
            (
                "glacier_deep_archive.storage_gb",
                &["DeepArchiveStorage", "DeepArchiveObjectOverhead"],
            ),
        ];
        let size: &'static [&'static str] = &["BucketSizeBytes"];
        for (key, kinds) in classes {
            let at = self.measures.len();
            self.simple(
                resource,
                "BucketName",
                name,
                &[ask(key, "AWS/S3", size, MeanGb)],
                None,
            );
            for measure in &mut self.measures[at..] {
                measure.split = Some(("StorageType", kinds));
            }
        }
        let requests = [
            ask(
                "standard.monthly_tier_1_requests",
                "AWS/S3",
                &["PutRequests", "PostRequests", "ListRequests"],
                MonthlySum,
            ),
            ask(
                "standard.monthly_tier_2_requests",
                "AWS/S3",
                &["GetRequests", "HeadRequests"],
                MonthlySum,
            ),
        ];
        let at = self.measures.len();
        self.simple(resource, "BucketName", name, &requests, None);
        for measure in &mut self.measures[at..] {
            measure
                .dimensions
                .push(("FilterId", ENTIRE_BUCKET.to_owned()));
            measure.hint = Some("it takes request metrics with a filter named EntireBucket");
        }
    }

    /// The write-ahead log is what is copied.
    fn replicated(&mut self, resource: &Resource, attributes: &Attributes, inventory: &Inventory) {
        let arn = attributes
            .text("source_db_instance_arn")
            .unwrap_or_default();
        let parts: Vec<&str> = arn.split(':').collect();
        let (region, name) = match parts.as_slice() {
            [_, _, _, region, .., name] => (region.parse().ok(), Some(*name)),
            _ => (inventory.region, None),
        };
        let mut there = resource.clone();
        there.region = region;
        let log = ask(
            "monthly_data_transferred_gb",
            "AWS/RDS",
            &["TransactionLogsGeneration"],
            RateToMonthlyGb,
        );
        let remark = "the log that the database writes; snapshots are copied besides";
        self.simple(&there, "DBInstanceIdentifier", name, &[log], Some(remark));
        self.cannot(
            resource,
            "storage_gb",
            "RDS publishes no metric of replicated backups",
        );
    }

    fn balancer(&mut self, resource: &Resource, attributes: &Attributes) {
        let asked = match attributes
            .text("load_balancer_type")
            .unwrap_or("application")
        {
            "application" => [
                ask(
                    "new_connections",
                    "AWS/ApplicationELB",
                    &["NewConnectionCount"],
                    PerSecond,
                ),
                ask(
                    "active_connections",
                    "AWS/ApplicationELB",
                    &["ActiveConnectionCount"],
                    PerMinute,
                ),
                ask(
                    "processed_bytes_gb",
                    "AWS/ApplicationELB",
                    &["ProcessedBytes"],
                    GbPerHour,
                ),
            ],
            _ => [
                ask(
                    "new_connections",
                    "AWS/NetworkELB",
                    &["NewFlowCount"],
                    PerSecond,
                ),
                ask(
                    "active_connections",
                    "AWS/NetworkELB",
                    &["ActiveFlowCount"],
                    Mean,
                ),
                ask(
                    "processed_bytes_gb",
                    "AWS/NetworkELB",
                    &["ProcessedBytes"],
                    GbPerHour,
                ),
            ],
        };
        self.simple(
            resource,
            "LoadBalancer",
            attributes.text("arn_suffix"),
            &asked,
            None,
        );
    }
}
