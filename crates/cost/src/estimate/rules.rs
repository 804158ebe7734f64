//! What each type of resource is billed for.

mod data;
mod network;
mod operations;

use rust_decimal::Decimal;

use super::demand::{Asked, Asker};
use super::{Heading, Options, free};
use crate::inventory::{Attributes, Inventory, Resource};
use crate::prices::PriceBook;
use crate::usage::Usage;

/// Asks for every resource.
pub(crate) fn ask(
    inventory: &Inventory,
    usage: &Usage,
    book: &PriceBook,
    options: Options,
) -> Asked {
    let mut asked = Asked::default();
    let traffic = network::traffic(inventory, usage);
    for resource in inventory.resources.iter().chain(&traffic) {
        let mut asker = Asker {
            resource,
            inventory,
            usage,
            book,
            options,
            asked: &mut asked,
            heading: Heading::Network,
        };
        if of(&mut asker, &resource.kind, &resource.attributes) {
            continue;
        }
        if free::is_free(&resource.kind) {
            asked.free += 1;
        } else {
            asked
                .unpriced
                .entry(resource.kind.clone())
                .or_default()
                .push(resource.address.clone());
        }
    }
    asked
}

/// Asks for one resource; false when its type has no rule.
fn of(ask: &mut Asker<'_>, kind: &str, attributes: &Attributes) -> bool {
    match kind {
        "aws_db_instance" => data::database(ask.under(Heading::Rds), attributes),
        "aws_db_instance_automated_backups_replication" => {
            data::replicated_backups(ask.under(Heading::Recovery), attributes);
        }
        "aws_elasticache_replication_group" | "aws_elasticache_cluster" => {
            data::cache(ask.under(Heading::ElastiCache), attributes);
        }
        "aws_s3_bucket" => data::bucket(ask.under(Heading::S3)),
        "aws_s3_bucket_replication_configuration" => {
            data::replication(ask.under(Heading::Recovery), attributes);
        }
        "aws_dynamodb_table" => data::table(ask.under(Heading::Tables), attributes),
        "aws_nat_gateway" => network::nat_gateway(ask.under(Heading::Nat)),
        "aws_eip" => network::public_ipv4(ask, Decimal::ONE),
        "aws_lb" | "aws_alb" => network::balancer(ask.under(Heading::Network), attributes),
        "aws_vpc_endpoint" => network::endpoint(ask.under(Heading::Network), attributes),
        "aws_cloudfront_distribution" => network::distribution(ask.under(Heading::CloudFront)),
        network::TRAFFIC => network::traffic_of(ask.under(Heading::DataTransfer)),
        "aws_route53_zone" => network::zone(ask.under(Heading::Network)),
        "aws_kms_key" | "aws_kms_replica_key" => operations::key(ask.under(Heading::Keys)),
        "aws_secretsmanager_secret" => {
            operations::secret(ask.under(Heading::Secrets), attributes);
        }
        "aws_cloudwatch_metric_alarm" => {
            operations::alarm(ask.under(Heading::CloudWatch), attributes);
        }
        "aws_cloudwatch_dashboard" => operations::dashboard(ask.under(Heading::CloudWatch)),
        "aws_cloudwatch_log_group" => {
            operations::log_group(ask.under(Heading::CloudWatch), attributes);
        }
        "aws_flow_log" => operations::flow_log(ask.under(Heading::CloudWatch), attributes),
        "aws_sns_topic" => operations::topic(ask.under(Heading::Messages)),
        "aws_sns_topic_subscription" => {
            operations::subscription(ask.under(Heading::Messages), attributes);
        }
        "aws_sqs_queue" => operations::queue(ask.under(Heading::Messages)),
        "aws_scheduler_schedule" => operations::schedule(ask.under(Heading::Messages)),
        "aws_sfn_state_machine" => operations::machine(ask.under(Heading::Compute), attributes),
        "aws_lambda_function" => operations::function(ask.under(Heading::Compute), attributes),
        _ => return false,
    }
    true
}

/// A resource that Terraform does not have.
fn made_up(address: String, kind: &str, region: settings::Region) -> Resource {
    Resource {
        address,
        kind: kind.to_owned(),
        region: Some(region),
        attributes: Attributes::default(),
    }
}
