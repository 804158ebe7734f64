locals {
  # IAM roles, secrets and CloudFront are named once for all regions: nothing here may have the primary's name.
  own  = "${var.project_name}-${var.environment}-dr"
  full = var.mode == "full"

  # What is named by these is planned after the guards, and never without them: -target takes along what its targets need.
  guards  = [terraform_data.environment, terraform_data.part]
  name    = [local.own, local.guards][0]
  project = [var.project_name, local.guards][0]
  zone_id = [try(var.dns.zone_id, null), local.guards][0]

  # Until the end of its last day.
  leave_counts = var.residency_exception == null || try(timecmp("${var.residency_exception.expires}T23:59:59Z", plantimestamp()) >= 0, false)

  # What a plan does not take away because nobody wrote it.
  parts = toset(compact([
    var.application == null ? "" : "application",
    var.cdn_domain == null ? "" : "cdn_domain",
    var.dns == null ? "" : "dns",
  ]))

  # An instance that is taken over brings its name and user along, as one that is made from a snapshot does; its origin
  # counts as little as that of any other instance that is there.
  recovery = var.restored_database == null ? var.recovery : { snapshot_identifier = var.restored_database, automated_backup_arn = null, restore_time = null }

  db_identifier = "${var.project_name}-${var.environment}-postgres-dr"

  # What the application is given; the modules name them so.
  application_secrets = ["${local.name}/database-application", "${local.name}/redis"]

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

  tags = merge(var.tags, {
    Project     = var.project_name
    Environment = var.environment
    ManagedBy   = "terraform"
    Owner       = var.owner
    Role        = "dr"
  }, var.residency_exception == null ? {} : { ResidencyException = "until ${var.residency_exception.expires}" })
}

# Which database of this environment RDS has here, whoever made it: terraform, dr-replicate or a person.
data "aws_db_instances" "here" {
  filter {
    name   = "db-instance-id"
    values = [local.db_identifier]
  }
}

# Whose state this is, from its first apply on, and what a plan may not do to it.
resource "terraform_data" "environment" {
  input = "${local.own} in ${var.aws_region}"

  lifecycle {
    ignore_changes = [input]

    # ElastiCache takes 40 characters.
    precondition {
      condition     = length("${local.own}-redis") <= 40
      error_message = "project_name and environment: together at most 30 characters, or the name of Redis would be longer than AWS takes."
    }

    # A date that has passed forbids to send more data here. It does not forbid to take over where nobody else serves.
    precondition {
      condition     = local.full || local.leave_counts || var.despite_residency != null
      error_message = "residency_exception: expires has passed. Have it renewed, or say in despite_residency why this plan goes on all the same; mode = \"full\" needs neither."
    }

    precondition {
      condition     = length(local.unknown) == 0
      error_message = "Unknown in the files of variables: ${join(", ", local.unknown)}. Terraform drops what it does not know, and takes the defaults of what was meant."
    }

    precondition {
      condition     = local.full || !module.failover.failed_over
      error_message = "mode: ${module.failover.marker} is in ${module.failover.bucket_name}, so that traffic comes here, and pilot-light would take the database and the tasks away from it. Bring back failover.auto.tfvars.json, or fail back first, which deletes that object; retire_database is no leave for it."
    }

    precondition {
      condition     = local.full || length(data.aws_db_instances.here.instance_identifiers) == 0 || var.retire_database == local.db_identifier
      error_message = "mode: ${local.db_identifier} is in ${var.aws_region}, so that this environment is in use, and pilot-light would take its database, cache and gateways away. Bring back failover.auto.tfvars.json, or give up that database by its name in retire_database."
    }

    # What was written here since is not in that point.
    precondition {
      condition     = !local.full || !module.failover.failed_over || var.recovery == null || length(data.aws_db_instances.here.instance_identifiers) > 0
      error_message = "recovery: ${module.failover.marker} is in ${module.failover.bucket_name}, so that traffic comes here, and ${local.db_identifier} is gone. This plan would make it again from a point before the failover, without what was written since. Restore its latest point with dr-replicate restore, and take that over with restored_database in place of recovery; where no database was here yet, delete ${module.failover.marker}, which is put when there is one."
    }

    precondition {
      condition     = !local.full || !module.failover.failed_over || var.application == null || var.start_application
      error_message = "start_application: ${module.failover.marker} is in ${module.failover.bucket_name}, so that traffic comes here, and no task of the application would run. Bring back failover.auto.tfvars.json, or set it to true."
    }

    postcondition {
      condition     = self.output == "${local.own} in ${var.aws_region}"
      error_message = "This state is that of ${self.output}, and not of ${local.own} in ${var.aws_region}. Nothing was changed; initialise again, with the file that init-backend render dr writes into this folder."
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

# A date stops nobody in an outage, and everybody sees it.
check "residency_exception" {
  assert {
    condition     = local.leave_counts
    error_message = "residency_exception: it ran out on ${try(var.residency_exception.expires, "")}, and data is in ${var.aws_region}${var.despite_residency == null ? "" : ", despite that: ${var.despite_residency}"}."
  }
}

check "application_starts" {
  assert {
    condition     = !local.full || var.application == null || var.start_application
    error_message = "start_application: the application's tasks do not run here. Set it before traffic is turned; dr-runbook does not turn it while they do not."
  }
}

module "networking" {
  source = "../../modules/networking"

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  name               = local.name
  vpc_cidr           = var.vpc_cidr
  availability_zones = var.availability_zones
  nat_gateways       = local.full ? "per-az" : "none"
  kms_key_arn        = module.security.kms_key_arn

  reserve_nat_addresses = var.reserve_nat_addresses

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

# The targets of the primary's replication. They have versions and the same hardening from the first day.
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

  reader_distribution_arn = var.primary_distribution_arn
  load_balancer_logs      = var.application != null

  glacier_after_days      = var.module_inputs.storage.glacier_after_days
  deep_archive_after_days = var.module_inputs.storage.deep_archive_after_days
  noncurrent_days         = var.module_inputs.storage.noncurrent_days
  log_expiration_days     = var.module_inputs.storage.log_expiration_days
}

# Which region serves, where this one's own plans, the programs and Route 53 look.
module "failover" {
  source = "../../modules/failover"

  project_name  = var.project_name
  environment   = var.environment
  bucket_suffix = var.bucket_suffix
  health_check  = var.dns != null

  health_check_regions = var.module_inputs.failover.health_check_regions
  health_checker_cidrs = var.module_inputs.failover.health_checker_cidrs
}

module "monitoring" {
  source = "../../modules/monitoring"

  name           = local.name
  alarm_email    = var.alarm_email
  kms_key_arn    = module.security.kms_key_arn
  database       = local.full ? { identifier = local.db_identifier, max_connections = module.database.max_connections } : null
  cache_node_ids = module.cache.node_ids
  distribution   = { id = module.cdn.distribution_id }
}

# The one database of this region, made from the recovery point or by dr-replicate, and what a restore needs before that.
module "database" {
  source = "../../modules/database"

  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn

  create                   = local.full
  once                     = false # It comes with each failover and drill, and never empty.
  identifier               = local.db_identifier
  secret_prefix            = local.name
  engine_version           = var.db_engine_version
  instance_class           = var.db_instance_class
  allocated_storage_gb     = var.db_allocated_storage_gb
  max_allocated_storage_gb = var.db_max_allocated_storage_gb
  subnet_ids               = module.networking.private_subnet_ids
  security_group_ids       = [module.security.rds_security_group_id]
  kms_key_arn              = module.security.kms_key_arn
  recovery                 = local.recovery
  deletion_protection      = var.db_deletion_protection
  skip_final_snapshot      = var.db_skip_final_snapshot
  run                      = var.run

  secret_recovery_window_days = var.secret_recovery_window_days

  backup_window           = var.module_inputs.database.backup_window
  maintenance_window      = var.module_inputs.database.maintenance_window
  max_connections         = var.module_inputs.database.max_connections
  insights_retention_days = var.module_inputs.database.insights_retention_days
  timeouts                = var.module_inputs.database.timeouts
  log_retention_days      = var.log_retention_days
}

# An instance that dr-replicate has restored, every setting in its call. Terraform takes it over, and says by the next plan
# whether it is what the code wants.
import {
  for_each = var.restored_database == null || var.rehearsal ? {} : { this = var.restored_database }

  to = module.database.aws_db_instance.this[0]
  id = each.value
}

module "cache" {
  source = "../../modules/cache"

  create             = local.full
  identifier         = "${local.name}-redis"
  secret_prefix      = local.name
  node_type          = var.redis_node_type
  subnet_ids         = module.networking.private_subnet_ids
  security_group_ids = [module.security.redis_security_group_id]
  kms_key_arn        = module.security.kms_key_arn

  secret_recovery_window_days = var.secret_recovery_window_days

  engine_version          = var.module_inputs.cache.engine_version
  snapshot_retention_days = var.module_inputs.cache.snapshot_retention_days
  snapshot_window         = var.module_inputs.cache.snapshot_window
  maintenance_window      = var.module_inputs.cache.maintenance_window
  timeouts                = var.module_inputs.cache.timeouts
  log_retention_days      = var.log_retention_days
}

# Here before the outage: in one, CloudFront and IAM may not be changed, and what exists goes on working.
module "cdn" {
  source = "../../modules/cdn"

  name                 = local.name
  origins              = module.storage.data_bucket_domains
  log_bucket_arn       = module.storage.log_bucket_arn
  log_bucket_policy_id = module.storage.log_bucket_policy_id
  domain               = local.cdn_domain
  signing_keys         = var.cdn_signing_keys
  public_read          = var.cdn_public_read

  default_origin = var.module_inputs.cdn.default_origin
  countries      = var.module_inputs.cdn.countries
  price_class    = var.module_inputs.cdn.price_class
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

  names       = var.image_repositories
  kms_key_arn = module.security.kms_key_arn

  untagged_days = var.module_inputs.registry.untagged_days
}

module "certificate" {
  source = "../../modules/certificate"
  count  = var.dns == null ? 0 : 1

  domain_name = var.dns.name
  zone_id     = local.zone_id

  timeouts = var.module_inputs.certificate.timeouts
}

# In the pilot light all but its tasks, and its name in the zone: while the marker is there, Route 53 answers with it.
module "application" {
  source = "../../modules/application"
  count  = var.application == null ? 0 : 1

  name                            = local.name
  running                         = local.full && var.start_application
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
    zone_id  = var.dns.zone_id
    name     = var.dns.name
    failover = "SECONDARY"
  }

  cpu_percent            = var.module_inputs.application.cpu_percent
  grace_seconds          = var.module_inputs.application.grace_seconds
  errors_in_five_minutes = var.module_inputs.application.errors_in_five_minutes
  deletion_protection    = var.module_inputs.application.deletion_protection
  timeouts               = var.module_inputs.application.timeouts
  log_retention_days     = var.log_retention_days
}
