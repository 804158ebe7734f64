//! What each type of resource is billed for.

mod account;
mod aurora;
mod containers;
mod data;
mod network;
mod objects;
mod operations;
mod servers;
mod support;

pub(crate) use self::account::trail_records;
pub(crate) use self::data::instance_item;

use rust_decimal::Decimal;

use super::attributes::note_unpriced;
use super::demand::{DemandBuilder, Demands, Standing};
use super::{Heading, Options, free};
use crate::inventory::{Attributes, Inventory, Resource};
use crate::prices::PriceBook;
use crate::usage::Usage;

/// What every resource is billed for.
pub(crate) fn demands(
    inventory: &Inventory,
    usage: &Usage,
    book: &PriceBook,
    options: Options,
) -> Demands {
    let mut demands = Demands::default();
    let traffic = network::traffic(inventory, usage);
    for resource in inventory.resources.iter().chain(&traffic) {
        let mut builder = DemandBuilder {
            resource,
            inventory,
            usage,
            book,
            options,
            demands: &mut demands,
            heading: Heading::Network,
            own: None,
        };
        let has_rule = apply_rule(&mut builder, &resource.kind, &resource.attributes);
        note_unpriced(&mut builder, &resource.kind);
        let standing = match has_rule {
            true => Standing::Priced,
            false if free::is_free(&resource.kind) => Standing::Free,
            false => Standing::Unpriced,
        };
        if standing == Standing::Unpriced {
            demands
                .unpriced
                .entry(resource.kind.clone())
                .or_default()
                .push(resource.address.clone());
        }
        demands.standing.insert(resource.address.clone(), standing);
    }
    demands
}

/// Adds what one resource is billed for; false when its type has no rule.
fn apply_rule(demand: &mut DemandBuilder<'_>, kind: &str, attributes: &Attributes) -> bool {
    match kind {
        "aws_db_instance" => data::database(demand.under(Heading::Rds), attributes),
        "aws_db_instance_automated_backups_replication" => {
            data::replicated_backups(demand.under(Heading::Recovery), attributes);
        }
        "aws_elasticache_replication_group" | "aws_elasticache_cluster" => {
            data::cache(demand.under(Heading::ElastiCache), attributes);
        }
        "aws_rds_cluster" => aurora::cluster(demand.under(Heading::Rds), attributes),
        "aws_rds_cluster_instance" => aurora::instance(demand.under(Heading::Rds), attributes),
        "aws_db_proxy" => aurora::proxy(demand.under(Heading::Rds)),
        "aws_elasticache_serverless_cache" => {
            aurora::serverless_cache(demand.under(Heading::ElastiCache), attributes);
        }
        "aws_acm_certificate" => {
            demand.under(Heading::Network);
        }
        "aws_acmpca_certificate_authority" => {
            account::authority(demand.under(Heading::Account), attributes);
        }
        "aws_s3_bucket" => objects::bucket(demand.under(Heading::S3)),
        "aws_s3_bucket_replication_configuration" => {
            data::replication(demand.under(Heading::Recovery), attributes);
        }
        "aws_dynamodb_table" => data::table(demand.under(Heading::Tables), attributes),
        "aws_nat_gateway" => network::nat_gateway(demand.under(Heading::Nat)),
        "aws_eip" => network::public_ipv4(demand, Decimal::ONE),
        "aws_lb" | "aws_alb" => network::balancer(demand.under(Heading::Network), attributes),
        "aws_vpc_endpoint" => network::endpoint(demand.under(Heading::Network), attributes),
        "aws_cloudfront_distribution" => network::distribution(demand.under(Heading::CloudFront)),
        network::TRAFFIC => network::traffic_of(demand.under(Heading::DataTransfer)),
        "aws_route53_zone" => network::zone(demand.under(Heading::Network)),
        "aws_route53_health_check" => {
            network::health_check(demand.under(Heading::Network), attributes);
        }
        "aws_ecs_cluster" => containers::cluster(demand.under(Heading::CloudWatch), attributes),
        "aws_ecs_service" => containers::service(demand.under(Heading::Compute), attributes),
        "aws_appautoscaling_policy" => {
            containers::scaling(demand.under(Heading::CloudWatch), attributes);
        }
        "aws_instance" => servers::instance(demand.under(Heading::Compute), attributes),
        "aws_ebs_volume" => servers::volume(demand.under(Heading::Compute), attributes),
        "aws_ecr_repository" => containers::repository(demand.under(Heading::Compute)),
        "aws_kms_key" | "aws_kms_replica_key" => {
            operations::key(demand.under(Heading::Keys), attributes);
        }
        "aws_secretsmanager_secret" => {
            operations::secret(demand.under(Heading::Secrets), attributes);
        }
        "aws_cloudwatch_metric_alarm" => {
            operations::alarm(demand.under(Heading::CloudWatch), attributes);
        }
        "aws_cloudwatch_composite_alarm" => {
            operations::composite_alarm(demand.under(Heading::CloudWatch));
        }
        "aws_cloudwatch_dashboard" => operations::dashboard(demand.under(Heading::CloudWatch)),
        "aws_cloudwatch_log_group" => {
            operations::log_group(demand.under(Heading::CloudWatch), attributes);
        }
        "aws_flow_log" => operations::flow_log(demand.under(Heading::CloudWatch), attributes),
        "aws_cloudtrail" => account::trail(demand.under(Heading::Account), attributes),
        "aws_config_configuration_recorder" => account::recorder(demand.under(Heading::Account)),
        "aws_config_config_rule" => account::config_rule(demand.under(Heading::Account)),
        "aws_backup_vault" => account::vault(demand.under(Heading::Recovery)),
        "aws_cloudwatch_event_bus" => account::event_bus(demand.under(Heading::Messages)),
        "aws_wafv2_web_acl" => account::web_acl(demand.under(Heading::Network), attributes),
        "aws_sns_topic" => operations::topic(demand.under(Heading::Messages), attributes),
        "aws_sns_topic_subscription" => {
            operations::subscription(demand.under(Heading::Messages), attributes);
        }
        "aws_sqs_queue" => operations::queue(demand.under(Heading::Messages), attributes),
        "aws_scheduler_schedule" => operations::schedule(demand.under(Heading::Messages)),
        "aws_sfn_state_machine" => operations::machine(demand.under(Heading::Compute), attributes),
        "aws_lambda_function" => operations::function(demand.under(Heading::Compute), attributes),
        _ => return false,
    }
    true
}

/// A resource that Terraform does not have.
fn made_up(address: String, kind: &str, region: Option<settings::Region>) -> Resource {
    Resource {
        address,
        kind: kind.to_owned(),
        region,
        attributes: Attributes::default(),
    }
}
