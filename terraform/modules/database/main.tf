locals {
  major = split(".", var.engine_version)[0]

  # PostgreSQL and RDS on what each parameter does: force_ssl refuses connections without TLS; statements are logged
  # when they change the schema or are slow, not all of them, since their text may hold health data. force_ssl is 1 from
  # PostgreSQL 15 on: RDS tells it as pending-reboot whatever was asked for, and another word would be an everlasting difference.
  parameters = {
    "rds.force_ssl"              = { value = "1", apply_method = "pending-reboot" }
    "max_connections"            = { value = tostring(var.max_connections), apply_method = "pending-reboot" }
    "log_connections"            = { value = "1", apply_method = "immediate" }
    "log_disconnections"         = { value = "1", apply_method = "immediate" }
    "log_statement"              = { value = "ddl", apply_method = "immediate" }
    "log_min_duration_statement" = { value = "1000", apply_method = "immediate" }
  }

  # RDS keeps the master password in a secret of its own and rotates it: it is in no state and no plan. The
  # attribute is looked up, not named, because schemas cut down for tests do not carry it; with one of those there
  # is none, and no other secret stands in.
  password_secret_arn = try([for instance in aws_db_instance.this : instance.master_user_secret[0].secret_arn][0], null)
}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

resource "aws_db_subnet_group" "this" {
  name        = var.identifier
  description = "Private subnets of ${var.identifier}"
  subnet_ids  = var.subnet_ids

  tags = var.tags
}

resource "aws_db_parameter_group" "this" {
  # Restores name this group, so its name is fixed. A new major needs a new group while the old one is still attached.
  name        = "${var.identifier}-pg${local.major}"
  family      = "postgres${local.major}"
  description = "TLS only, logging and connections of ${var.identifier}"

  dynamic "parameter" {
    for_each = local.parameters

    content {
      name         = parameter.key
      value        = parameter.value.value
      apply_method = parameter.value.apply_method
    }
  }

  tags = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

# RDS would make these groups itself, without encryption and for ever.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["postgresql", "upgrade"])

  name              = "/aws/rds/instance/${var.identifier}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}

resource "aws_iam_role" "monitoring" {
  name        = "${var.identifier}-monitoring"
  description = "Enhanced monitoring of ${var.identifier}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "monitoring.rds.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        ArnEquals    = { "aws:SourceArn" = "arn:${data.aws_partition.current.partition}:rds:${data.aws_region.current.region}:${data.aws_caller_identity.current.account_id}:db:${var.identifier}" }
      }
    }]
  })

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  #tf-nag:skip=AwsSolutions-IAM4:RDS wants this very policy for enhanced monitoring.
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

resource "aws_db_instance" "this" {
  #tf-nag:skip=AwsSolutions-RDS11:The port of the guide; the security group, not the port, keeps others out.
  count = var.create ? 1 : 0

  identifier = var.identifier

  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  port           = var.port

  storage_type          = "gp3"
  allocated_storage     = var.allocated_storage_gb
  max_allocated_storage = var.max_allocated_storage_gb
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  # A restored instance brings its name and user along.
  db_name                       = var.recovery == null ? var.db_name : null
  username                      = var.recovery == null ? var.username : null
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.kms_key_arn

  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = var.security_group_ids
  publicly_accessible    = false
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  parameter_group_name                = aws_db_parameter_group.this.name
  iam_database_authentication_enabled = true
  auto_minor_version_upgrade          = true
  allow_major_version_upgrade         = false
  apply_immediately                   = false

  backup_retention_period   = var.backup_retention_days
  backup_window             = var.backup_window
  maintenance_window        = var.maintenance_window
  copy_tags_to_snapshot     = true
  delete_automated_backups  = false
  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = var.skip_final_snapshot
  final_snapshot_identifier = var.skip_final_snapshot ? null : join("-", compact([var.identifier, "final", var.run]))

  performance_insights_enabled          = true
  performance_insights_kms_key_id       = var.kms_key_arn
  performance_insights_retention_period = var.insights_retention_days
  database_insights_mode                = var.insights_retention_days >= 465 ? "advanced" : "standard"
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn

  snapshot_identifier = try(var.recovery.snapshot_identifier, null)

  dynamic "restore_to_point_in_time" {
    for_each = try(var.recovery.automated_backup_arn, null) == null ? [] : [var.recovery]

    content {
      source_db_instance_automated_backups_arn = restore_to_point_in_time.value.automated_backup_arn
      use_latest_restorable_time               = restore_to_point_in_time.value.restore_time == null ? true : null
      restore_time                             = restore_to_point_in_time.value.restore_time
    }
  }

  tags = var.tags

  lifecycle {
    # All of these would replace the instance: what it was made from is of interest once, and its name and user
    # are whatever it brought along.
    ignore_changes = [snapshot_identifier, restore_to_point_in_time, db_name, username]
  }

  # A restore reads its storage from S3 for as long as that takes; the provider would give up after 40 minutes, and taint it.
  timeouts {
    create = var.timeouts.create
    update = var.timeouts.update
    delete = var.timeouts.delete
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy_attachment.monitoring]
}

# That the instance was made once. Where a plan would make it again, because somebody has deleted it or it has left the state, it
# would be an empty one: this would have to be replaced with it, and is not. It stands beside the instance, so that a plan of this
# module alone meets it, too.
resource "terraform_data" "made" { # It would be made anew, empty: docs/terraform.md, "A database that is gone"
  count = var.once ? 1 : 0

  input = var.identifier
  # Not known while a plan would make one.
  triggers_replace = [for instance in aws_db_instance.this : instance.arn != ""]

  lifecycle {
    prevent_destroy = true
  }
}

# How administrators reach the database: what they need besides the master password. The application's roles cannot
# read it.
resource "aws_secretsmanager_secret" "connection" {
  #checkov:skip=CKV2_AWS_57:It holds no credential; RDS rotates the secret of the password.
  #tf-nag:skip=AwsSolutions-SMG4:It holds no credential; RDS rotates the secret of the password.
  name                    = "${var.secret_prefix}/database"
  description             = "How to reach ${var.identifier}; the password is in the secret of password_secret_arn"
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

resource "aws_secretsmanager_secret_version" "connection" {
  count = var.create ? 1 : 0

  secret_id = aws_secretsmanager_secret.connection.id

  secret_string = jsonencode({
    engine              = "postgres"
    host                = aws_db_instance.this[0].address
    port                = aws_db_instance.this[0].port
    dbname              = var.db_name
    username            = var.username
    password_secret_arn = local.password_secret_arn
  })
}

# Of the application's user, who owns nothing and administers nothing. Terraform makes the secret and never its value,
# so that the password is in no plan and no state: `verify-staging db-user` and docs/terraform.md have how both are made.
resource "aws_secretsmanager_secret" "application" {
  #checkov:skip=CKV2_AWS_57:A new password has to reach PostgreSQL too; docs/terraform.md has the steps for both.
  #tf-nag:skip=AwsSolutions-SMG4:A new password has to reach PostgreSQL too; docs/terraform.md has the steps for both.
  name                    = "${var.secret_prefix}/database-application"
  description             = "username, password, engine, host, port and dbname of ${var.application_username} on ${var.identifier}"
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
