locals {
  own = "${var.project_name}-${var.environment}"

  # What is named by these is planned after the guards, and never without them: -target takes along what its targets need.
  guards  = [terraform_data.environment, terraform_data.part]
  name    = [local.own, local.guards][0]
  project = [var.project_name, local.guards][0]
  zone_id = [try(var.dns.zone_id, null), local.guards][0]

  # Until the end of its last day.
  leave_counts = try(var.dr.residency_exception, null) == null || try(timecmp("${var.dr.residency_exception.expires}T23:59:59Z", plantimestamp()) >= 0, false)

  # What a plan does not take away because nobody wrote it.
  parts = toset(compact([
    var.application == null ? "" : "application",
    var.cdn_domain == null ? "" : "cdn_domain",
    var.dns == null ? "" : "dns",
    var.dr == null ? "" : "dr",
  ]))

  tags = merge(var.tags, {
    Project     = var.project_name
    Environment = var.environment
    ManagedBy   = "terraform"
    Owner       = var.owner
  })

  db_identifier = "${local.name}-postgres"

  # What the application is given; the modules name them so.
  application_secrets = ["${local.name}/database-application", "${local.name}/redis"]

  # An instance that is taken over brings its name and user along, as one that is made from a snapshot does.
  recovery = var.restored_database == null ? null : { snapshot_identifier = var.restored_database }

  # A stopped database makes no snapshots: from Friday's to that of Tuesday, or none at all.
  snapshot_silence_hours = var.off_hours == null ? 26 : local.never_started ? 0 : 122

  # In an object, null would be the default.
  never_started = try(var.off_hours.start, null) == "never"

  # Buckets and the secrets, under names that the application knows in either region.
  application_environment = merge({
    PORT                 = tostring(var.app_port)
    S3_BUCKET_PHOTOS     = module.storage.bucket_names["photos"]
    S3_BUCKET_DOCUMENTS  = module.storage.bucket_names["documents"]
    S3_BUCKET_SIGNATURES = module.storage.bucket_names["signatures"]
  }, try(var.application.environment, {}))
  application_credentials = {
    DATABASE_CREDENTIALS = module.database.application_secret_arn
    REDIS_CREDENTIALS    = module.cache.credentials_secret_arn
  }

  cdn_domain = var.cdn_domain == null ? null : {
    aliases         = var.cdn_domain.aliases
    certificate_arn = var.cdn_domain.certificate_arn != null ? var.cdn_domain.certificate_arn : one(module.cdn_certificate[*].arn)
  }

  dr_bucket_names = { for kind in var.dr == null ? [] : ["photos", "documents", "signatures"] : kind => "${var.project_name}-${kind}-${var.environment}-${var.dr.bucket_suffix}" }

  replica = var.dr == null ? null : { region = var.dr.region, kms_key_arn = var.dr.kms_key_arn }
}

data "aws_partition" "current" {}

# Whose state this is, from its first apply on.
resource "terraform_data" "environment" {
  input = "${local.own} in ${var.aws_region}"

  lifecycle {
    ignore_changes = [input]

    # ElastiCache takes 40 characters, and the longest name is that of Redis in the DR region.
    precondition {
      condition     = length("${var.project_name}-${var.environment}-dr-redis") <= 40
      error_message = "project_name and environment: together at most 30 characters, or names of the DR region would be longer than AWS takes."
    }

    precondition {
      condition     = local.leave_counts || var.despite_residency != null
      error_message = "dr: expires of residency_exception has passed. Have it renewed, or say in despite_residency why this plan goes on all the same."
    }

    precondition {
      condition     = length(local.unknown) == 0
      error_message = "Unknown in the files of variables: ${join(", ", local.unknown)}. Terraform drops what it does not know, and takes the defaults of what was meant."
    }

    postcondition {
      condition     = self.output == "${local.own} in ${var.aws_region}"
      error_message = "This state is that of ${self.output}, and not of ${local.own} in ${var.aws_region}. Nothing was changed; initialise again, with the file that init-backend render primary writes into this folder."
    }
  }
}

# docs/terraform.md, "What a plan leaves out", has how one goes on purpose.
resource "terraform_data" "part" { # It has gone from the variables: docs/terraform.md, "What a plan leaves out"
  for_each = local.parts

  input = each.key

  lifecycle {
    prevent_destroy = true
  }
}

# A date does not stop what brings data home, and everybody sees it.
check "residency_exception" {
  assert {
    condition     = local.leave_counts
    error_message = "dr: residency_exception ran out on ${try(var.dr.residency_exception.expires, "")}, and data is in ${try(var.dr.region, "")}${var.despite_residency == null ? "" : ", despite that: ${var.despite_residency}"}."
  }
}

module "networking" {
  source = "../../modules/networking"

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  name               = local.name
  vpc_cidr           = var.vpc_cidr
  availability_zones = var.availability_zones
  nat_gateways       = var.nat_gateways
  kms_key_arn        = module.security.kms_key_arn

  az_count                = var.module_inputs.networking.az_count
  flow_log_retention_days = var.log_retention_days
}

module "security" {
  source = "../../modules/security"

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  name                 = local.name
  vpc_id               = module.networking.vpc_id
  app_port             = var.app_port
  bucket_names         = values(module.storage.data_bucket_names)
  secret_names         = local.application_secrets
  ecr_repository_names = ["${var.project_name}*"]

  alb_ingress_cidrs        = var.module_inputs.security.alb_ingress_cidrs
  kms_deletion_window_days = var.module_inputs.security.kms_deletion_window_days
}

module "database" {
  source = "../../modules/database"

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  once                     = true
  identifier               = local.db_identifier
  secret_prefix            = local.name
  engine_version           = var.db_engine_version
  instance_class           = var.db_instance_class
  allocated_storage_gb     = var.db_allocated_storage_gb
  max_allocated_storage_gb = var.db_max_allocated_storage_gb
  multi_az                 = var.db_multi_az
  backup_retention_days    = var.db_backup_retention_days
  deletion_protection      = var.db_deletion_protection
  skip_final_snapshot      = var.db_skip_final_snapshot
  subnet_ids               = module.networking.private_subnet_ids
  security_group_ids       = [module.security.rds_security_group_id]
  kms_key_arn              = module.security.kms_key_arn
  secret_replica           = local.replica
  recovery                 = local.recovery
  run                      = var.run

  backup_window           = var.module_inputs.database.backup_window
  maintenance_window      = var.module_inputs.database.maintenance_window
  max_connections         = var.module_inputs.database.max_connections
  insights_retention_days = var.module_inputs.database.insights_retention_days
  timeouts                = var.module_inputs.database.timeouts
  log_retention_days      = var.log_retention_days
}

# After a failback: the instance that dr-replicate has restored here from DR's last snapshot.
import {
  for_each = var.restored_database == null ? {} : { this = var.restored_database }

  to = module.database.aws_db_instance.this[0]
  id = each.value
}

module "cache" {
  source = "../../modules/cache"

  identifier         = "${local.name}-redis"
  secret_prefix      = local.name
  node_type          = var.redis_node_type
  node_count         = var.redis_node_count
  subnet_ids         = module.networking.private_subnet_ids
  security_group_ids = [module.security.redis_security_group_id]
  kms_key_arn        = module.security.kms_key_arn
  secret_replica     = local.replica

  engine_version          = var.module_inputs.cache.engine_version
  snapshot_retention_days = var.module_inputs.cache.snapshot_retention_days
  snapshot_window         = var.module_inputs.cache.snapshot_window
  maintenance_window      = var.module_inputs.cache.maintenance_window
  timeouts                = var.module_inputs.cache.timeouts
  log_retention_days      = var.log_retention_days
}

module "storage" {
  source = "../../modules/storage"

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  project_name  = local.project
  environment   = var.environment
  bucket_suffix = var.bucket_suffix
  kms_key_arn   = module.security.kms_key_arn

  cloudfront = {
    distribution_arn     = module.cdn.distribution_arn
    delivery_source_name = module.cdn.delivery_source_name
  }

  load_balancer_logs = var.application != null

  replication = var.dr == null ? null : {
    region              = var.dr.region
    targets             = local.dr_bucket_names
    kms_key_arn         = var.dr.kms_key_arn
    alarm_topic_arns    = [module.monitoring.topic_arn]
    dr_alarm_topic_arns = [var.dr.alarm_topic_arn]
  }

  glacier_after_days      = var.module_inputs.storage.glacier_after_days
  deep_archive_after_days = var.module_inputs.storage.deep_archive_after_days
  noncurrent_days         = var.module_inputs.storage.noncurrent_days
  log_expiration_days     = var.module_inputs.storage.log_expiration_days
  replication_lag_minutes = var.module_inputs.storage.replication_lag_minutes
}

module "cdn" {
  source = "../../modules/cdn"

  name                 = local.name
  origins              = module.storage.data_bucket_domains
  log_bucket_arn       = module.storage.log_bucket_arn
  log_bucket_policy_id = module.storage.log_bucket_policy_id
  domain               = local.cdn_domain
  dr_origins           = { for kind, name in local.dr_bucket_names : kind => "${name}.s3.${var.dr.region}.${data.aws_partition.current.dns_suffix}" }
  signing_keys         = var.cdn_signing_keys
  public_read          = var.cdn_public_read
  web_acl_arn          = var.cdn_web_acl_arn

  default_origin = var.module_inputs.cdn.default_origin
  countries      = var.module_inputs.cdn.countries
  price_class    = var.module_inputs.cdn.price_class
}

module "monitoring" {
  source = "../../modules/monitoring"

  name                 = local.name
  alarm_email          = var.alarm_email
  kms_key_arn          = module.security.kms_key_arn
  database             = { identifier = local.db_identifier, max_connections = module.database.max_connections }
  cache_node_ids       = module.cache.node_ids
  distribution         = { id = module.cdn.distribution_id }
  thresholds           = merge({ snapshot_silence_hours = local.snapshot_silence_hours }, var.thresholds)
  backup_age_databases = try(coalesce(var.dr.watch_recovery_point_age, var.dr.snapshot_copier_zip != null), false) ? [local.db_identifier] : []
}

module "dr" {
  source = "../../modules/dr"
  count  = var.dr == null ? 0 : 1

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  name                        = local.name
  dr_region                   = var.dr.region
  dr_kms_key_arn              = var.dr.kms_key_arn
  kms_key_arn                 = module.security.kms_key_arn
  database_arn                = module.database.arn
  database_identifiers        = [local.db_identifier]
  backup_retention_days       = var.db_backup_retention_days
  replicate_automated_backups = var.dr.replicate_automated_backups
  alarm_topic_arns            = [module.monitoring.topic_arn]

  snapshot_copier = var.dr.snapshot_copier_zip == null ? null : {
    zip_path     = var.dr.snapshot_copier_zip
    architecture = var.dr.snapshot_copier_arch
    keep_last    = var.dr.keep_last
    keep_days    = var.dr.keep_days
    tags         = local.tags
  }

  log_retention_days = var.log_retention_days
}

# Of the account, in every region, the DR region included.
module "trail" {
  source = "../../modules/trail"
  count  = var.audit_trail == null ? 0 : 1

  name             = local.name
  bucket_suffix    = var.bucket_suffix
  data_bucket_arns = var.audit_trail.data_events ? [for name in values(module.storage.data_bucket_names) : "arn:${data.aws_partition.current.partition}:s3:::${name}"] : []
  lock_mode        = var.audit_trail.lock_mode
  lock_days        = var.audit_trail.lock_days
  retention_days   = var.audit_trail.retention_days
}

module "off_hours" {
  source = "../../modules/off-hours"
  count  = var.off_hours == null ? 0 : 1

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  name                = local.name
  database_identifier = local.db_identifier
  stop                = var.off_hours.stop
  start               = local.never_started ? null : var.off_hours.start
  timezone            = var.off_hours.timezone
  kms_key_arn         = module.security.kms_key_arn
}

module "cdn_certificate" {
  source = "../../modules/certificate"
  count  = var.cdn_domain == null || try(var.cdn_domain.certificate_arn, null) != null ? 0 : 1

  domain_name       = var.cdn_domain.aliases[0]
  alternative_names = slice(var.cdn_domain.aliases, 1, length(var.cdn_domain.aliases))
  zone_id           = local.zone_id
  region            = "us-east-1"

  timeouts = var.module_inputs.certificate.timeouts
}

module "registry" {
  source = "../../modules/registry"
  count  = length(var.image_repositories) == 0 ? 0 : 1

  names          = var.image_repositories
  kms_key_arn    = module.security.kms_key_arn
  replica_region = try(var.dr.region, null)

  untagged_days = var.module_inputs.registry.untagged_days
}

module "certificate" {
  source = "../../modules/certificate"
  count  = var.dns == null ? 0 : 1

  domain_name = var.dns.name
  zone_id     = local.zone_id

  timeouts = var.module_inputs.certificate.timeouts
}

# Off unless an image is named.
module "application" {
  source = "../../modules/application"
  count  = var.application == null ? 0 : 1

  name                            = local.name
  image                           = var.application.image
  port                            = var.app_port
  architecture                    = var.application.architecture
  cpu                             = var.application.cpu
  memory                          = var.application.memory
  min_tasks                       = var.application.min_tasks
  max_tasks                       = var.application.max_tasks
  health_check_path               = var.application.health_check_path
  environment                     = local.application_environment
  secrets                         = local.application_credentials
  vpc_id                          = module.networking.vpc_id
  public_subnet_ids               = module.networking.public_subnet_ids
  private_subnet_ids              = module.networking.private_subnet_ids
  load_balancer_security_group_id = module.security.alb_security_group_id
  tasks_security_group_id         = module.security.ecs_tasks_security_group_id
  execution_role_arn              = module.security.ecs_task_execution_role_arn
  task_role_arn                   = module.security.ecs_task_role_arn
  certificate_arn                 = var.application.certificate_arn != null ? var.application.certificate_arn : one(module.certificate[*].arn)
  log_bucket_name                 = module.storage.bucket_names["logs"]
  log_bucket_policy_id            = module.storage.log_bucket_policy_id
  kms_key_arn                     = module.security.kms_key_arn
  alarm_topic_arns                = [module.monitoring.topic_arn]

  dns = var.dns == null ? null : {
    zone_id         = var.dns.zone_id
    name            = var.dns.name
    failover        = try(var.dr.health_check_id, null) == null ? null : "PRIMARY"
    health_check_id = try(var.dr.health_check_id, null)
  }

  cpu_percent            = var.module_inputs.application.cpu_percent
  grace_seconds          = var.module_inputs.application.grace_seconds
  errors_in_five_minutes = var.module_inputs.application.errors_in_five_minutes
  deletion_protection    = var.module_inputs.application.deletion_protection
  timeouts               = var.module_inputs.application.timeouts
  log_retention_days     = var.log_retention_days
}
