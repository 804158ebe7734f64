# The names of environments/staging; what belongs to full mode is null in pilot light. docs/terraform.md lists them.

output "mode" {
  description = "pilot-light or full."
  value       = var.mode
}

output "residency_exception" {
  description = "Why data is outside Canada; null when it is not."
  value       = var.residency_exception
}

output "vpc_id" {
  description = "ID of the VPC."
  value       = module.networking.vpc_id
}

output "public_subnet_ids" {
  description = "IDs of the public subnets."
  value       = module.networking.public_subnet_ids
}

output "private_subnet_ids" {
  description = "IDs of the private subnets."
  value       = module.networking.private_subnet_ids
}

output "nat_gateway_ids" {
  description = "IDs of the NAT gateways."
  value       = module.networking.nat_gateway_ids
}

output "flow_log_id" {
  description = "ID of the VPC's flow log."
  value       = module.networking.flow_log_id
}

output "flow_log_group_name" {
  description = "Log group of the flow logs."
  value       = module.networking.flow_log_group_name
}

output "db_identifier" {
  description = "Identifier of the database instance."
  value       = module.database.identifier
}

output "db_arn" {
  description = "ARN of the database instance."
  value       = module.database.arn
}

output "db_endpoint" {
  description = "Host and port of the database."
  value       = module.database.endpoint
}

output "db_address" {
  description = "Host of the database."
  value       = module.database.address
}

output "db_port" {
  description = "Port of the database."
  value       = module.database.port
}

output "db_name" {
  description = "Name of the application's database."
  value       = module.database.db_name
}

output "db_username" {
  description = "User of the application."
  value       = module.database.application_username
}

output "db_master_username" {
  description = "Master user of the database."
  value       = module.database.username
}

output "db_engine_version" {
  description = "PostgreSQL version in use."
  value       = module.database.engine_version
}

output "db_credentials_secret_arn" {
  description = "Secret of the application's user: username, password, engine, host, port and dbname."
  value       = module.database.application_secret_arn
}

output "db_master_secret_arn" {
  description = "Secret, kept and rotated by RDS, with username and password of the master user; the application cannot read it."
  value       = module.database.master_secret_arn
}

output "db_connection_secret_arn" {
  description = "Secret with engine, host, port, dbname, username and password_secret_arn."
  value       = module.database.connection_secret_arn
}

output "redis_replication_group_id" {
  description = "ID of the Redis replication group."
  value       = module.cache.identifier
}

output "redis_endpoint" {
  description = "Host of the Redis primary."
  value       = module.cache.primary_endpoint
}

output "redis_reader_endpoint" {
  description = "Host of the Redis replicas."
  value       = module.cache.reader_endpoint
}

output "redis_port" {
  description = "Port of Redis."
  value       = module.cache.port
}

output "redis_credentials_secret_arn" {
  description = "Secret with auth_token, host, port and engine."
  value       = module.cache.credentials_secret_arn
}

output "s3_bucket_photos" {
  description = "Bucket of visit photos."
  value       = module.storage.bucket_names["photos"]
}

output "s3_bucket_documents" {
  description = "Bucket of care plans and documents."
  value       = module.storage.bucket_names["documents"]
}

output "s3_bucket_signatures" {
  description = "Bucket of client signatures."
  value       = module.storage.bucket_names["signatures"]
}

output "s3_bucket_logs" {
  description = "Bucket of access logs."
  value       = module.storage.bucket_names["logs"]
}

output "bucket_names" {
  description = "Data buckets by kind, the targets of replication."
  value       = module.storage.data_bucket_names
}

output "cloudfront_distribution_id" {
  description = "ID of the distribution."
  value       = module.cdn.distribution_id
}

output "cloudfront_domain_name" {
  description = "Domain name of the distribution."
  value       = module.cdn.domain_name
}

output "cloudfront_public_read" {
  description = "Why whoever knows a name may read these kinds; empty when every reader needs a signature."
  value       = module.cdn.public_read
}

output "kms_key_arn" {
  description = "Key that encrypts data at rest."
  value       = module.security.kms_key_arn
}

output "ecs_task_execution_role_arn" {
  description = "Role with which ECS starts tasks."
  value       = module.security.ecs_task_execution_role_arn
}

output "ecs_task_role_arn" {
  description = "Role with which tasks run."
  value       = module.security.ecs_task_role_arn
}

output "alb_security_group_id" {
  description = "Security group of the load balancer."
  value       = module.security.alb_security_group_id
}

output "ecs_tasks_security_group_id" {
  description = "Security group of the application's tasks."
  value       = module.security.ecs_tasks_security_group_id
}

output "rds_security_group_id" {
  description = "Security group of the database."
  value       = module.security.rds_security_group_id
}

output "redis_security_group_id" {
  description = "Security group of Redis."
  value       = module.security.redis_security_group_id
}

output "cloudwatch_dashboard_name" {
  description = "Name of the dashboard."
  value       = module.monitoring.dashboard_name
}

output "cloudwatch_dashboard_url" {
  description = "Where the dashboard opens."
  value       = module.monitoring.dashboard_url
}

output "cloudwatch_alarm_names" {
  description = "Names of the alarms."
  value       = module.monitoring.alarm_names
}

output "sns_alerts_topic_arn" {
  description = "Topic of the alarms."
  value       = module.monitoring.topic_arn
}

output "sns_global_alerts_topic_arn" {
  description = "Topic of CloudFront's alarms, in us-east-1."
  value       = module.monitoring.global_topic_arn
}

output "db_subnet_group_name" {
  description = "Subnet group of the database: `subnet_group` of `[databases.restore]` in infra.toml."
  value       = module.database.subnet_group_name
}

output "db_parameter_group_name" {
  description = "Parameter group of the database: `parameter_group` of `[databases.restore]` in infra.toml."
  value       = module.database.parameter_group_name
}

output "nat_addresses" {
  description = "Public addresses from which the tasks reach others."
  value       = module.networking.nat_addresses
}

output "cloudfront_minimum_tls" {
  description = "Lowest TLS version that viewers may use, and whether TLS 1.2 is met."
  value       = module.cdn.minimum_tls
}

output "cloudfront_edge_locations" {
  description = "Where copies of files are cached; the residency policy is about where they are kept."
  value       = module.cdn.edge_locations
}

output "application_url" {
  description = "Where the application answers; null without one, or without a name of its own."
  value       = one(module.application[*].url)
}

output "load_balancer_dns_name" {
  description = "Name that AWS gives the application's load balancer; null without."
  value       = one(module.application[*].load_balancer_dns_name)
}

output "ecs_cluster_name" {
  description = "Cluster of the application's tasks; null without."
  value       = one(module.application[*].cluster_name)
}

output "ecs_service_name" {
  description = "Service that runs the application's tasks; null where none run."
  value       = one(module.application[*].service_name)
}

output "ecr_repository_urls" {
  description = "Where images are pushed to and pulled from, by repository."
  value       = try(module.registry[0].repository_urls, {})
}

output "cloudfront_distribution_arn" {
  description = "ARN of the distribution: in staging, `primary_distribution_arn` of environments/dr."
  value       = module.cdn.distribution_arn
}

output "failover_bucket" {
  description = "Bucket of the object that says which region serves."
  value       = module.failover.bucket_name
}

output "failover_marker" {
  description = "Key of that object: while it is there, this region serves."
  value       = module.failover.marker
}

output "failover_health_check_id" {
  description = "Health check that is unhealthy while the marker is there: `dr.health_check_id` of environments/staging; null without `dns`."
  value       = module.failover.health_check_id
}

output "infra_toml" {
  description = "What infra.toml takes from here, as it stands there: a file of its `outputs`, by `terraform output -raw infra_toml`."
  value       = <<-TOML
    [regions]
    primary = "${var.primary_region}"
    dr = "${var.aws_region}"

    [[databases]]
    id = "${var.project_name}-${var.environment}-postgres"
    dr_id = "${local.db_identifier}"
    kms = "${module.security.kms_key_arn}"

    [databases.restore]
    class = "${var.db_instance_class}"
    subnet_group = "${module.database.subnet_group_name}"
    parameter_group = "${module.database.parameter_group_name}"
    security_groups = ["${module.security.rds_security_group_id}"]

    [failover]
    marker_bucket = "${module.failover.bucket_name}"
  TOML
}
