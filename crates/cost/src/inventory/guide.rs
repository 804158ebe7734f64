//! The staging guide's stack, without Terraform.

use serde_json::{Value, json};
use settings::{Region, Settings};

use super::{Attributes, Inventory, Resource, Source};

/// As many as the guide has zones, NAT gateways and cache nodes.
const TWO: u32 = 2;

/// The guide's alarms as terraform/modules/monitoring has them: four on the database and one on its snapshots, three on each
/// node of the cache, one on the distribution.
const ALARMS: [(&str, u32); 4] = [
    ("rds", 4),
    ("rds-no-snapshot", 1),
    ("redis", 3 * TWO),
    ("cloudfront-5xx", 1),
];

impl Inventory {
    /// The stack of the staging guide, with the names and regions of the settings: what there is to price
    /// before there is any Terraform.
    pub fn from_settings(settings: &Settings) -> Self {
        let primary = settings.regions.primary;
        let name = settings.name();
        let mut stack = Stack {
            region: primary,
            resources: Vec::new(),
        };
        stack.zones();
        let databases: Vec<String> = settings
            .databases
            .iter()
            .map(|database| database.id.to_string())
            .collect();
        for id in if databases.is_empty() {
            vec![format!("{name}-postgres")]
        } else {
            databases
        } {
            stack.add(
                "aws_db_instance",
                &id,
                [
                    ("identifier", json!(id)),
                    ("engine", json!("postgres")),
                    ("instance_class", json!("db.t4g.medium")),
                    ("multi_az", json!(true)),
                    ("storage_type", json!("gp3")),
                    ("allocated_storage", json!(100)),
                ],
            );
            for user in ["connection", "application"] {
                stack.add("aws_secretsmanager_secret", &format!("{id}-{user}"), []);
            }
        }
        stack.add(
            "aws_elasticache_replication_group",
            &format!("{name}-redis"),
            [
                ("engine", json!("redis")),
                ("node_type", json!("cache.t4g.micro")),
                ("num_cache_clusters", json!(TWO)),
            ],
        );
        stack.add("aws_secretsmanager_secret", &format!("{name}-redis"), []);
        for bucket in &settings.buckets {
            let named = [("bucket", json!(bucket.name.as_str()))];
            stack.add("aws_s3_bucket", bucket.name.as_str(), named);
        }
        let logs = format!("{}-logs-{}", settings.project, settings.environment);
        stack.add("aws_s3_bucket", &logs, [("bucket", json!(logs))]);
        stack.add("aws_cloudfront_distribution", &name, []);
        stack.add("aws_kms_key", &name, []);
        stack.monitoring(&name);
        if let Some(table) = &settings.state.lock_table {
            let mode = [
                ("billing_mode", json!("PAY_PER_REQUEST")),
                ("name", json!(table.as_str())),
            ];
            stack.add("aws_dynamodb_table", table.as_str(), mode);
        }
        Self {
            source: Source::Settings,
            region: Some(primary),
            dr_region: Some(settings.regions.dr),
            resources: stack.resources,
            notes: Vec::new(),
            incomplete: false,
        }
    }
}

struct Stack {
    region: Region,
    resources: Vec<Resource>,
}

impl Stack {
    fn add<const N: usize>(
        &mut self,
        kind: &str,
        name: &str,
        attributes: [(&'static str, Value); N],
    ) {
        // CloudFront has no region.
        let region = (kind != "aws_cloudfront_distribution").then_some(self.region);
        self.resources.push(Resource {
            address: format!("{kind}.{name}"),
            kind: kind.to_owned(),
            region,
            attributes: Attributes::new(attributes),
        });
    }

    fn zones(&mut self) {
        for zone in 1..=TWO {
            let name = format!("zone-{zone}");
            self.add("aws_nat_gateway", &name, []);
            self.add("aws_eip", &name, []);
        }
    }

    fn monitoring(&mut self, name: &str) {
        let flow = [("log_destination_type", json!("cloud-watch-logs"))];
        self.add("aws_flow_log", name, flow);
        for group in ["flow-logs", "postgresql", "redis"] {
            let group_name = format!("/{name}/{group}");
            self.add(
                "aws_cloudwatch_log_group",
                group,
                [("name", json!(group_name))],
            );
        }
        self.add("aws_cloudwatch_dashboard", name, []);
        for (of, count) in ALARMS {
            for number in 1..=count {
                self.add(
                    "aws_cloudwatch_metric_alarm",
                    &format!("{of}-{number}"),
                    [("period", json!(300))],
                );
            }
        }
        self.add("aws_sns_topic", name, []);
        let email = [("protocol", json!("email"))];
        self.add("aws_sns_topic_subscription", name, email);
    }
}
