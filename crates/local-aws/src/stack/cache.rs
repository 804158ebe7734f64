//! Redis.

use super::Resource;
use super::Stack;
use aws_sdk_elasticache::operation::create_replication_group::builders::CreateReplicationGroupFluentBuilder;
use aws_sdk_elasticache::types::{
    ParameterNameValue, ReplicationGroup, Tag, TransitEncryptionMode,
};

pub(crate) async fn build(stack: &mut Stack) {
    let cache = stack.clients.elasticache.clone();
    let subnets = stack
        .state
        .one("aws_elasticache_subnet_group", "module.cache");
    cache
        .create_cache_subnet_group()
        .cache_subnet_group_name(subnets.text("name"))
        .cache_subnet_group_description(subnets.text("description"))
        .set_subnet_ids(Some(subnets.texts("subnet_ids")))
        .set_tags(Some(tags(&subnets)))
        .send()
        .await
        .expect("a subnet group");
    let group = stack
        .state
        .one("aws_elasticache_parameter_group", "module.cache");
    cache
        .create_cache_parameter_group()
        .cache_parameter_group_name(group.text("name"))
        .cache_parameter_group_family(group.text("family"))
        .description(group.text("description"))
        .set_tags(Some(tags(&group)))
        .send()
        .await
        .expect("a parameter group");
    let set = group.values["parameter"].as_array().expect("parameters");
    let set = set.iter().map(|parameter| {
        let text = |name: &str| parameter[name].as_str().expect("a text");
        ParameterNameValue::builder()
            .parameter_name(text("name"))
            .parameter_value(text("value"))
            .build()
    });
    cache
        .modify_cache_parameter_group()
        .cache_parameter_group_name(group.text("name"))
        .set_parameter_name_values(Some(set.collect()))
        .send()
        .await
        .expect("parameters");
    let it = stack
        .state
        .one("aws_elasticache_replication_group", "module.cache");
    let made = create(stack).send().await.expect("a replication group");
    let made = made.replication_group.expect("what was made");
    let host = address(&made);
    stack.state.became(&it, "primary_endpoint_address", host);
    stack.state.became(&it, "arn", made.arn.expect("its ARN"));
}

fn address(group: &ReplicationGroup) -> String {
    let endpoint = group.node_groups()[0].primary_endpoint();
    let host = endpoint.and_then(|endpoint| endpoint.address());
    host.expect("a host").to_owned()
}

/// The group as terraform makes it.
pub fn create(stack: &Stack) -> CreateReplicationGroupFluentBuilder {
    let it = stack
        .state
        .one("aws_elasticache_replication_group", "module.cache");
    stack
        .clients
        .elasticache
        .create_replication_group()
        .replication_group_id(it.text("replication_group_id"))
        .replication_group_description(it.text("description"))
        .engine(it.text("engine"))
        .engine_version(it.text("engine_version"))
        .cache_node_type(it.text("node_type"))
        .num_cache_clusters(it.number("num_cache_clusters"))
        .port(it.number("port"))
        .cache_parameter_group_name(it.text("parameter_group_name"))
        .automatic_failover_enabled(it.flag("automatic_failover_enabled"))
        .multi_az_enabled(it.flag("multi_az_enabled"))
        .cache_subnet_group_name(it.text("subnet_group_name"))
        .set_security_group_ids(Some(it.texts("security_group_ids")))
        .at_rest_encryption_enabled(it.text("at_rest_encryption_enabled") == "true")
        .kms_key_id(it.text("kms_key_id"))
        .transit_encryption_enabled(it.flag("transit_encryption_enabled"))
        .transit_encryption_mode(TransitEncryptionMode::from(
            it.text("transit_encryption_mode"),
        ))
        .auth_token(it.text("auth_token"))
        .auto_minor_version_upgrade(it.text("auto_minor_version_upgrade") == "true")
        .preferred_maintenance_window(it.text("maintenance_window"))
        .snapshot_window(it.text("snapshot_window"))
        .snapshot_retention_limit(it.number("snapshot_retention_limit"))
        .set_tags(Some(tags(&it)))
}

fn tags(resource: &Resource) -> Vec<Tag> {
    let tags = resource.tags().into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// The id of the replication group.
pub fn id(stack: &Stack) -> String {
    let it = stack
        .state
        .one("aws_elasticache_replication_group", "module.cache");
    it.text("replication_group_id").to_owned()
}
