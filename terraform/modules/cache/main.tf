locals {
  family = "redis${split(".", var.engine_version)[0]}"
}

# The token is in the state: the provider's write-only arguments take it out, but need Terraform 1.11 and an
# ephemeral source. AUTH takes 16 to 128 characters and few that are neither letters nor digits, so there are none.
resource "random_password" "auth_token" {
  count = var.create ? 1 : 0

  length  = 64
  special = false
}

resource "aws_elasticache_subnet_group" "this" {
  name        = var.identifier
  description = "Private subnets of ${var.identifier}"
  subnet_ids  = var.subnet_ids

  tags = var.tags
}

# A cache that is full drops, of the keys with a time to live, what was not used for longest; the alarm on evictions tells.
# That is AWS's default (maxmemory-policy volatile-lru) and stays unsaid: the provider reads what differs from the defaults, so
# that every plan would set it anew.
resource "aws_elasticache_parameter_group" "this" {
  name        = "${var.identifier}-${local.family}"
  family      = local.family
  description = "Parameters of ${var.identifier}"

  tags = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["engine-log", "slow-log"])

  name              = "/elasticache/${var.identifier}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}

resource "aws_elasticache_replication_group" "this" {
  #tf-nag:skip=AwsSolutions-AEC3:Both are on; the rule compares the word "true" of the schema with a boolean.
  #tf-nag:skip=AwsSolutions-AEC5:The port of the guide; the security group, not the port, keeps others out.
  count = var.create ? 1 : 0

  replication_group_id = var.identifier
  description          = "Redis of ${var.identifier}"

  engine               = "redis"
  engine_version       = var.engine_version
  node_type            = var.node_type
  num_cache_clusters   = var.node_count
  port                 = var.port
  parameter_group_name = aws_elasticache_parameter_group.this.name

  automatic_failover_enabled = true
  multi_az_enabled           = true
  subnet_group_name          = aws_elasticache_subnet_group.this.name
  security_group_ids         = var.security_group_ids

  at_rest_encryption_enabled = true
  kms_key_id                 = var.kms_key_arn
  transit_encryption_enabled = true
  transit_encryption_mode    = "required"
  auth_token                 = random_password.auth_token[0].result
  auth_token_update_strategy = "ROTATE"

  auto_minor_version_upgrade = true
  apply_immediately          = false
  maintenance_window         = var.maintenance_window
  snapshot_window            = var.snapshot_window
  snapshot_retention_limit   = var.snapshot_retention_days

  dynamic "log_delivery_configuration" {
    for_each = aws_cloudwatch_log_group.this

    content {
      destination_type = "cloudwatch-logs"
      destination      = log_delivery_configuration.value.name
      log_type         = log_delivery_configuration.key
      log_format       = "json"
    }
  }

  tags = var.tags

  timeouts {
    create = var.timeouts.create
    update = var.timeouts.update
    delete = var.timeouts.delete
  }
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:A new token has to reach Redis too: replacing random_password.auth_token rotates both.
  #tf-nag:skip=AwsSolutions-SMG4:A new token has to reach Redis too: replacing random_password.auth_token rotates both.
  name                    = "${var.secret_prefix}/redis"
  description             = "Token and address of ${var.identifier}"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.secret_recovery_window_days

  dynamic "replica" {
    for_each = var.secret_replica == null ? [] : [var.secret_replica]

    content {
      region     = replica.value.region
      kms_key_id = replica.value.kms_key_arn
    }
  }

  tags = var.tags
}

resource "aws_secretsmanager_secret_version" "this" {
  count = var.create ? 1 : 0

  secret_id = aws_secretsmanager_secret.this.id

  secret_string = jsonencode({
    auth_token = random_password.auth_token[0].result
    host       = aws_elasticache_replication_group.this[0].primary_endpoint_address
    port       = var.port
    engine     = "redis"
  })
}
