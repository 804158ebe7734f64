//! The database.

use super::Resource;
use super::Stack;
use aws_sdk_rds::operation::create_db_instance::builders::CreateDBInstanceFluentBuilder;
use aws_sdk_rds::types::{ApplyMethod, DbInstance, Parameter, Tag};
use std::time::Duration;

pub(crate) async fn build(stack: &mut Stack) {
    let rds = stack.clients.rds.clone();
    let subnets = stack.state.one("aws_db_subnet_group", "module.database");
    rds.create_db_subnet_group()
        .db_subnet_group_name(subnets.text("name"))
        .db_subnet_group_description(subnets.text("description"))
        .set_subnet_ids(Some(subnets.texts("subnet_ids")))
        .set_tags(Some(tags(&subnets)))
        .send()
        .await
        .expect("a subnet group");
    parameters(stack).await;
    let instance = stack.state.one("aws_db_instance", "module.database");
    let made = create(stack).send().await.expect("an instance");
    name_secret(stack, made.db_instance);
    let made = settled(stack).await;
    let arn = made.db_instance_arn.expect("its ARN");
    stack.state.became(&instance, "arn", arn);
    let endpoint = made.endpoint.expect("an endpoint");
    let address = endpoint.address.expect("an address");
    stack.state.became(&instance, "address", &address);
    let version = made.engine_version.expect("a version");
    stack
        .state
        .became(&instance, "engine_version_actual", version);
}

async fn parameters(stack: &mut Stack) {
    let rds = stack.clients.rds.clone();
    let group = stack.state.one("aws_db_parameter_group", "module.database");
    let name = group.text("name");
    rds.create_db_parameter_group()
        .db_parameter_group_name(name)
        .db_parameter_group_family(group.text("family"))
        .description(group.text("description"))
        .set_tags(Some(tags(&group)))
        .send()
        .await
        .expect("a parameter group");
    let set = group.values["parameter"].as_array().expect("parameters");
    let set = set.iter().map(|parameter| {
        let text = |name: &str| parameter[name].as_str().expect("a text");
        Parameter::builder()
            .parameter_name(text("name"))
            .parameter_value(text("value"))
            .apply_method(ApplyMethod::from(text("apply_method")))
            .build()
    });
    rds.modify_db_parameter_group()
        .db_parameter_group_name(name)
        .set_parameters(Some(set.collect()))
        .send()
        .await
        .expect("parameters");
}

/// The instance as terraform makes it.
pub fn create(stack: &Stack) -> CreateDBInstanceFluentBuilder {
    let it = stack.state.one("aws_db_instance", "module.database");
    let key = it.text("kms_key_id");
    stack
        .clients
        .rds
        .create_db_instance()
        .db_instance_identifier(it.text("identifier"))
        .engine(it.text("engine"))
        .engine_version(it.text("engine_version"))
        .db_instance_class(it.text("instance_class"))
        .allocated_storage(it.number("allocated_storage"))
        .max_allocated_storage(it.number("max_allocated_storage"))
        .storage_type(it.text("storage_type"))
        .storage_encrypted(it.flag("storage_encrypted"))
        .kms_key_id(key)
        .db_name(it.text("db_name"))
        .master_username(it.text("username"))
        .manage_master_user_password(it.flag("manage_master_user_password"))
        .master_user_secret_kms_key_id(it.text("master_user_secret_kms_key_id"))
        .multi_az(it.flag("multi_az"))
        .db_subnet_group_name(it.text("db_subnet_group_name"))
        .set_vpc_security_group_ids(Some(it.texts("vpc_security_group_ids")))
        .publicly_accessible(it.flag("publicly_accessible"))
        .db_parameter_group_name(it.text("parameter_group_name"))
        .enable_iam_database_authentication(it.flag("iam_database_authentication_enabled"))
        .auto_minor_version_upgrade(it.flag("auto_minor_version_upgrade"))
        .port(it.number("port"))
        .backup_retention_period(it.number("backup_retention_period"))
        .preferred_backup_window(it.text("backup_window"))
        .preferred_maintenance_window(it.text("maintenance_window"))
        .copy_tags_to_snapshot(it.flag("copy_tags_to_snapshot"))
        .deletion_protection(it.flag("deletion_protection"))
        .enable_performance_insights(it.flag("performance_insights_enabled"))
        .performance_insights_kms_key_id(it.text("performance_insights_kms_key_id"))
        .performance_insights_retention_period(it.number("performance_insights_retention_period"))
        .set_enable_cloudwatch_logs_exports(Some(it.texts("enabled_cloudwatch_logs_exports")))
        .monitoring_interval(it.number("monitoring_interval"))
        .monitoring_role_arn(it.text("monitoring_role_arn"))
        .set_tags(Some(tags(&it)))
}

fn tags(resource: &Resource) -> Vec<Tag> {
    let tags = resource.tags().into_iter();
    tags.map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

/// The identifier of the instance.
pub fn id(stack: &Stack) -> String {
    let it = stack.state.one("aws_db_instance", "module.database");
    it.text("identifier").to_owned()
}

/// Lets time pass until what is under way is done, and returns the instance.
pub async fn settled(stack: &Stack) -> DbInstance {
    let rds = &stack.rds;
    // Creation, first backup, first upload; a daily backup may fall into it.
    for _ in 0..12 {
        rds.step(Duration::from_secs(300)).await;
        let found = stack.clients.rds.describe_db_instances().send().await;
        let found = found.expect("instances").db_instances.unwrap_or_default();
        if let [instance] = &found[..]
            && instance.db_instance_status() == Some("available")
            && (instance.latest_restorable_time.is_some()
                || instance.backup_retention_period == Some(0))
        {
            return instance.clone();
        }
    }
    panic!("the instance does not settle");
}

/// Terraform's output names the secret that RDS has made; the schemas of the state have no such attribute.
fn name_secret(stack: &Stack, made: Option<DbInstance>) {
    let secret = made.and_then(|made| made.master_user_secret);
    let secret = secret.and_then(|secret| secret.secret_arn);
    let secret = secret.expect("a secret");
    stack.state.set_output("db_master_secret_arn", &secret);
}
