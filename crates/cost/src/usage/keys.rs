//! What can be said about usage, and what is taken when nobody says it.

use std::collections::HashMap;
use std::sync::LazyLock;

use rust_decimal::Decimal;
use settings::Region;

use super::yaml::Node;
use crate::quantity::QuantityRange;

/// A number that a usage file can give for a type of resource.
///
/// The expected defaults are those of a staging stack as the guide describes it: 100 GB and 1.1 million
/// requests over its four buckets, 100 GB through CloudFront, 100 GB out to the internet through two NAT
/// gateways, 50 GB between zones. The low ones are for a stack that is hardly used, the high ones for a load
/// test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageKey {
    /// The type of resource.
    pub kind: &'static str,
    /// Its name, with dots between the levels.
    pub name: &'static str,
    /// Default when little is used, in thousandths.
    low: i64,
    expected: i64,
    high: i64,
}

impl UsageKey {
    /// What is taken when the file says nothing, of each resource.
    pub fn default_range(&self) -> QuantityRange {
        let of = |thousandths| Decimal::new(thousandths, 3);
        QuantityRange {
            low: of(self.low),
            expected: of(self.expected),
            high: of(self.high),
        }
    }
}

/// Default in thousandths, so that the table can say 0.1 GB without a float.
const fn of(
    kind: &'static str,
    name: &'static str,
    low: i64,
    expected: i64,
    high: i64,
) -> UsageKey {
    UsageKey {
        kind,
        name,
        low,
        expected,
        high,
    }
}

const K: i64 = 1_000;
const M: i64 = 1_000_000;
const G: i64 = 1_000_000_000;

const DB: &str = "aws_db_instance";
const REPLICATED_DB: &str = "aws_db_instance_automated_backups_replication";
const BUCKET: &str = "aws_s3_bucket";
const REPLICATION: &str = "aws_s3_bucket_replication_configuration";
const CDN: &str = "aws_cloudfront_distribution";
const TABLE: &str = "aws_dynamodb_table";
const BALANCER: &str = "aws_lb";
const TRAFFIC: &str = "aws_data_transfer";
const EC2: &str = "aws_instance";
const CLUSTER: &str = "aws_rds_cluster";
const CLUSTER_INSTANCE: &str = "aws_rds_cluster_instance";

/// In order of type. Names are Infracost's where it has one.
static KEYS: &[UsageKey] = &[
    of(
        CDN,
        "monthly_data_transfer_to_internet_gb.us",
        10 * K,
        100 * K,
        M,
    ),
    of(CDN, "monthly_data_transfer_to_internet_gb.canada", 0, 0, 0),
    of(CDN, "monthly_data_transfer_to_internet_gb.europe", 0, 0, 0),
    of(CDN, "monthly_data_transfer_to_origin_gb.us", 0, 0, 0),
    of(CDN, "monthly_https_requests.us", 100 * M, G, 10 * G),
    of(CDN, "monthly_https_requests.canada", 0, 0, 0),
    of(CDN, "monthly_http_requests.us", 0, 0, 0),
    of(CDN, "monthly_http_requests.canada", 0, 0, 0),
    of(CDN, "monthly_invalidation_requests", 0, 0, 0),
    of("aws_backup_vault", "monthly_rds_snapshot_gb", 0, 0, 100 * K),
    of("aws_backup_vault", "monthly_efs_warm_backup_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_efs_cold_backup_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_efs_warm_restore_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_efs_cold_restore_gb", 0, 0, 0),
    of(
        "aws_backup_vault",
        "monthly_efs_item_restore_requests",
        0,
        0,
        0,
    ),
    of("aws_backup_vault", "monthly_ebs_snapshot_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_aurora_snapshot_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_dynamodb_backup_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_dynamodb_restore_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_fsx_windows_backup_gb", 0, 0, 0),
    of("aws_backup_vault", "monthly_fsx_lustre_backup_gb", 0, 0, 0),
    of(
        "aws_acmpca_certificate_authority",
        "monthly_requests",
        0,
        10 * K,
        K * K,
    ),
    of(EC2, "monthly_hrs", 730 * K, 730 * K, 730 * K),
    of(EC2, "monthly_cpu_credit_hrs", 0, 0, 0),
    of(EC2, "vcpu_count", 0, 0, 0),
    of("aws_ebs_volume", "monthly_standard_io_requests", 0, 0, G),
    of(
        "aws_cloudtrail",
        "monthly_additional_management_events",
        0,
        0,
        G,
    ),
    of("aws_cloudtrail", "monthly_data_events", 0, 100 * M, 10 * G),
    of("aws_cloudtrail", "monthly_insight_events", 0, 100 * M, G),
    of(
        "aws_cloudwatch_event_bus",
        "monthly_custom_events",
        0,
        100 * M,
        10 * G,
    ),
    of(
        "aws_cloudwatch_event_bus",
        "monthly_third_party_events",
        0,
        0,
        0,
    ),
    of(
        "aws_cloudwatch_event_bus",
        "monthly_archive_processing_gb",
        0,
        0,
        0,
    ),
    of("aws_cloudwatch_event_bus", "archive_storage_gb", 0, 0, 0),
    of(
        "aws_cloudwatch_event_bus",
        "monthly_schema_discovery_events",
        0,
        0,
        0,
    ),
    of(
        "aws_cloudwatch_log_group",
        "monthly_data_ingested_gb",
        50,
        250,
        5 * K,
    ),
    of("aws_cloudwatch_log_group", "storage_gb", 100, 500, 10 * K),
    of(
        "aws_cloudwatch_log_group",
        "monthly_data_scanned_gb",
        0,
        0,
        0,
    ),
    of(
        "aws_config_config_rule",
        "monthly_rule_evaluations",
        100 * K,
        M,
        100 * M,
    ),
    of(
        "aws_config_configuration_recorder",
        "monthly_config_items",
        100 * K,
        M,
        10 * M,
    ),
    of(
        "aws_config_configuration_recorder",
        "monthly_custom_config_items",
        0,
        0,
        0,
    ),
    of(TRAFFIC, "monthly_intra_region_gb", 5 * K, 50 * K, 500 * K),
    of(TRAFFIC, "monthly_outbound_internet_gb", 10 * K, 100 * K, M),
    of(TRAFFIC, "monthly_outbound_other_regions_gb", 0, 0, 0),
    of(DB, "additional_backup_storage_gb", 0, 0, 50 * K),
    of(DB, "monthly_cpu_credit_hrs", 0, 0, 0),
    // A sample of 5 to 16 kB a minute: 43,800 of them in a month.
    of(DB, "monthly_enhanced_monitoring_gb", 200, 350, 700),
    of(DB, "monthly_standard_io_requests", M, 10 * M, 100 * M),
    of(
        DB,
        "monthly_additional_performance_insights_requests",
        0,
        0,
        0,
    ),
    of(REPLICATED_DB, "storage_gb", 20 * K, 100 * K, 300 * K),
    of(
        REPLICATED_DB,
        "monthly_data_transferred_gb",
        10 * K,
        50 * K,
        300 * K,
    ),
    of(TABLE, "monthly_write_request_units", 100 * K, M, 100 * M),
    of(TABLE, "monthly_read_request_units", 100 * K, M, 100 * M),
    of(TABLE, "storage_gb", 1, 10, K),
    of(TABLE, "pitr_backup_storage_gb", 1, 10, K),
    of(TABLE, "on_demand_backup_storage_gb", 0, 0, 0),
    of(TABLE, "monthly_data_restored_gb", 0, 0, 0),
    of(TABLE, "monthly_streams_read_request_units", 0, 0, 0),
    of("aws_ecr_repository", "storage_gb", 500, K, 5 * K),
    of(
        "aws_elasticache_cluster",
        "snapshot_storage_size_gb",
        0,
        0,
        5 * K,
    ),
    of(
        "aws_elasticache_replication_group",
        "snapshot_storage_size_gb",
        0,
        0,
        5 * K,
    ),
    of(
        "aws_elasticache_serverless_cache",
        "storage_gb",
        100,
        K,
        10 * K,
    ),
    of(
        "aws_elasticache_serverless_cache",
        "monthly_ecpus",
        M,
        10 * G,
        100 * G,
    ),
    of("aws_flow_log", "monthly_data_ingested_gb", 100, K, 10 * K),
    of("aws_kms_key", "monthly_requests", M, 20 * M, 500 * M),
    of("aws_kms_replica_key", "monthly_requests", 0, M, 100 * M),
    of(
        "aws_lambda_function",
        "monthly_requests",
        30 * K,
        M,
        100 * M,
    ),
    of(
        "aws_lambda_function",
        "request_duration_ms",
        200 * K,
        M,
        3 * M,
    ),
    of(BALANCER, "new_connections", 0, K, 25 * K),
    of(BALANCER, "active_connections", 0, 10 * K, M),
    of(BALANCER, "processed_bytes_gb", 0, 75 * K, 1_500 * K),
    of(BALANCER, "rule_evaluations", 0, 0, 0),
    of(
        "aws_nat_gateway",
        "monthly_data_processed_gb",
        5 * K,
        50 * K,
        500 * K,
    ),
    of(CLUSTER, "storage_gb", 10 * K, 50 * K, 500 * K),
    of(CLUSTER, "write_requests_per_sec", 0, K, 50 * K),
    of(CLUSTER, "read_requests_per_sec", 0, K, 100 * K),
    of(CLUSTER, "backup_snapshot_size_gb", 0, 10 * K, 100 * K),
    of(CLUSTER, "snapshot_export_size_gb", 0, 0, 0),
    of(CLUSTER_INSTANCE, "monthly_cpu_credit_hrs", 0, 0, 0),
    of(CLUSTER_INSTANCE, "capacity_units_per_hr", 0, 0, 0),
    of(
        CLUSTER_INSTANCE,
        "monthly_enhanced_monitoring_gb",
        200,
        350,
        700,
    ),
    of(BUCKET, "object_tags", 0, 0, 0),
    of(BUCKET, "standard.storage_gb", 5 * K, 25 * K, 250 * K),
    of(
        BUCKET,
        "standard.monthly_tier_1_requests",
        M,
        25 * M,
        250 * M,
    ),
    of(
        BUCKET,
        "standard.monthly_tier_2_requests",
        10 * M,
        250 * M,
        2_500 * M,
    ),
    of(BUCKET, "standard_infrequent_access.storage_gb", 0, 0, 0),
    of(
        BUCKET,
        "standard_infrequent_access.monthly_tier_1_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "standard_infrequent_access.monthly_tier_2_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "standard_infrequent_access.monthly_lifecycle_transition_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "standard_infrequent_access.monthly_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(BUCKET, "glacier_instant_retrieval.storage_gb", 0, 0, 0),
    of(
        BUCKET,
        "glacier_instant_retrieval.monthly_tier_1_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_instant_retrieval.monthly_tier_2_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_instant_retrieval.monthly_lifecycle_transition_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_instant_retrieval.monthly_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(BUCKET, "glacier_flexible_retrieval.storage_gb", 0, 0, 0),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_tier_1_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_lifecycle_transition_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_standard_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(BUCKET, "glacier_deep_archive.storage_gb", 0, 0, 0),
    of(
        BUCKET,
        "glacier_deep_archive.monthly_lifecycle_transition_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_deep_archive.monthly_standard_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "intelligent_tiering.frequent_access_storage_gb",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "intelligent_tiering.infrequent_access_storage_gb",
        0,
        0,
        0,
    ),
    of(BUCKET, "intelligent_tiering.monitored_objects", 0, 0, 0),
    of(
        BUCKET,
        "intelligent_tiering.monthly_tier_1_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "intelligent_tiering.monthly_tier_2_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "intelligent_tiering.monthly_lifecycle_transition_requests",
        0,
        0,
        0,
    ),
    of(BUCKET, "one_zone_infrequent_access.storage_gb", 0, 0, 0),
    of(
        BUCKET,
        "one_zone_infrequent_access.monthly_tier_1_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "one_zone_infrequent_access.monthly_tier_2_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "one_zone_infrequent_access.monthly_lifecycle_transition_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "one_zone_infrequent_access.monthly_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_tier_2_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_bulk_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_expedited_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_standard_data_retrieval_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.monthly_expedited_data_retrieval_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_flexible_retrieval.early_delete_gb",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_deep_archive.monthly_tier_1_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_deep_archive.monthly_tier_2_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_deep_archive.monthly_bulk_data_retrieval_gb",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_deep_archive.monthly_standard_data_retrieval_requests",
        0,
        0,
        0,
    ),
    of(
        BUCKET,
        "glacier_deep_archive.monthly_bulk_data_retrieval_requests",
        0,
        0,
        0,
    ),
    of(BUCKET, "glacier_deep_archive.early_delete_gb", 0, 0, 0),
    of(REPLICATION, "monthly_replicated_gb", 500, 2_500, 50 * K),
    of(
        REPLICATION,
        "monthly_replicated_objects",
        500 * K,
        5 * M,
        100 * M,
    ),
    of(
        "aws_scheduler_schedule",
        "monthly_invocations",
        20 * K,
        60 * K,
        750 * K,
    ),
    of(
        "aws_secretsmanager_secret",
        "monthly_requests",
        100 * K,
        10 * M,
        100 * M,
    ),
    of(
        "aws_sfn_state_machine",
        "monthly_transitions",
        0,
        100 * K,
        10 * M,
    ),
    of("aws_sns_topic", "monthly_requests", 10 * K, M, 100 * M),
    of(
        "aws_sns_topic_subscription",
        "monthly_requests",
        10 * K,
        100 * K,
        M,
    ),
    of("aws_sns_topic", "request_size_kb", 0, 0, 0),
    of("aws_sns_topic_subscription", "request_size_kb", 0, 0, 0),
    of("aws_sqs_queue", "monthly_requests", 0, M, 100 * M),
    of("aws_sqs_queue", "request_size_kb", 0, 0, 0),
    of(
        "aws_vpc_endpoint",
        "monthly_data_processed_gb",
        K,
        10 * K,
        100 * K,
    ),
    of("aws_wafv2_web_acl", "monthly_requests", 100 * M, G, 10 * G),
    of("aws_wafv2_web_acl", "rule_group_rules", 0, 0, 0),
];

/// Every number that a usage file can give, with its defaults.
pub fn usage_keys() -> &'static [UsageKey] {
    KEYS
}

/// The type under whose name the keys of a type are.
pub(super) fn named(kind: &str) -> &str {
    match kind {
        "aws_alb" => BALANCER,
        other => other,
    }
}

pub(super) fn key(kind: &str, name: &str) -> Option<&'static UsageKey> {
    // Every rule of every resource asks.
    static PLACES: LazyLock<HashMap<(&str, &str), &'static UsageKey>> =
        LazyLock::new(|| KEYS.iter().map(|key| ((key.kind, key.name), key)).collect());
    PLACES.get(&(named(kind), name)).copied()
}

/// The type that can be told about and is so near to `kind` that this is a slip of it.
pub(super) fn meant_type(kind: &str) -> Option<&'static str> {
    if KEYS.iter().any(|key| key.kind == named(kind)) {
        return None;
    }
    // Short types are near to others that there are: aws_elb to aws_lb. So are those with another word of three letters:
    // aws_eks_cluster to aws_rds_cluster.
    let near = KEYS.iter().map(|key| key.kind);
    near.filter(|_| kind.len() >= LONG)
        .filter(|of| strsim::osa_distance(of, kind) <= TYPE_SLIPS)
        .min_by_key(|of| strsim::osa_distance(of, kind))
}

/// The key of a type that is so near to `name` that this is a slip of it.
pub(super) fn meant_key(kind: &str, name: &str) -> Option<&'static str> {
    let kind = named(kind);
    let levels = |name: &str| name.matches('.').count();
    let near = KEYS
        .iter()
        .filter(|key| key.kind == kind && levels(key.name) == levels(name))
        .map(|key| key.name);
    // Short names differ by little though nobody slipped, as those of regions.
    near.filter(|_| last_level(name).len() >= LONG)
        .filter(|of| strsim::osa_distance(of, name) <= SLIPS)
        .min_by_key(|of| strsim::osa_distance(of, name))
}

/// Letters that are wrong, missing, too many or in another order.
const SLIPS: usize = 2;

/// The same in a type, of which there are many.
const TYPE_SLIPS: usize = 1;

/// The least length of a name in which so many slips are told from another name.
const LONG: usize = 8;

fn last_level(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

/// Whether `path` is a level above names.
pub(super) fn is_group(kind: &str, path: &str) -> bool {
    let kind = named(kind);
    KEYS.iter().any(|key| {
        key.kind == kind
            && key
                .name
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// A key that takes a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Term,
    Payment,
    Region,
    Endpoint,
    System,
}

impl Choice {
    pub(super) fn of(kind: &str, name: &str) -> Option<Self> {
        match (kind, name) {
            (DB, "reserved_instance_term") => Some(Self::Term),
            (DB, "reserved_instance_payment_option") => Some(Self::Payment),
            (EC2, "operating_system") => Some(Self::System),
            (TRAFFIC, "region") => Some(Self::Region),
            ("aws_route53_health_check", "endpoint_type") => Some(Self::Endpoint),
            _ => None,
        }
    }

    pub(super) fn values(self) -> &'static [&'static str] {
        match self {
            Self::Term => &["1_year", "3_year"],
            Self::Payment => &["no_upfront", "partial_upfront", "all_upfront"],
            Self::Endpoint => &["aws", "non_aws"],
            Self::System => &["linux", "windows", "suse", "rhel"],
            Self::Region => &["a region's code, as in ca-central-1"],
        }
    }

    pub(super) fn read(self, node: &Node) -> Option<String> {
        let text = node.text()?;
        match self {
            Self::Region => {
                let is_one = text.parse::<Region>().is_ok() || is_local_zone(text);
                is_one.then(|| text.to_owned())
            }
            Self::Term | Self::Payment | Self::Endpoint | Self::System => {
                let mut values = self.values().iter();
                let value = values.find(|value| value.eq_ignore_ascii_case(text));
                value.map(|value| (*value).to_owned())
            }
        }
    }
}

/// As in `us-west-2-lax-1`, which is near to us-west-2.
fn is_local_zone(text: &str) -> bool {
    let mut parts = text.rsplitn(3, '-');
    let (Some(number), Some(place), Some(region)) = (parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    region.parse::<Region>().is_ok()
        && !place.is_empty()
        && place.bytes().all(|byte| byte.is_ascii_lowercase())
        && number.parse::<u8>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_keys_are_there_once_with_defaults_in_order() {
        for (at, key) in KEYS.iter().enumerate() {
            let range = key.default_range();
            assert!(
                range.low <= range.expected && range.expected <= range.high,
                "{key:?}"
            );
            let twice = KEYS[at + 1..]
                .iter()
                .any(|other| other.kind == key.kind && other.name == key.name);
            assert!(!twice, "{key:?}");
        }
    }

    #[test]
    fn usage_keys_of_the_guides_buckets_hold_a_hundred_gigabytes() {
        let of = |name| key(BUCKET, name).unwrap().default_range().expected * Decimal::from(4);
        assert_eq!(of("standard.storage_gb"), Decimal::from(100));
        assert_eq!(
            of("standard.monthly_tier_1_requests"),
            Decimal::from(100_000)
        );
        assert_eq!(
            of("standard.monthly_tier_2_requests"),
            Decimal::from(1_000_000)
        );
    }
}
