mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  identifier         = "berthcare-staging-postgres"
  secret_prefix      = "berthcare-staging"
  subnet_ids         = ["subnet-a", "subnet-b"]
  security_group_ids = ["sg-rds"]
  kms_key_arn        = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "instance" {
  assert {
    condition     = aws_db_instance.this[0].engine == "postgres" && aws_db_instance.this[0].engine_version == "15" && aws_db_instance.this[0].instance_class == "db.t4g.medium" && aws_db_instance.this[0].port == 5432
    error_message = "PostgreSQL 15 on db.t4g.medium"
  }
  assert {
    condition     = aws_db_instance.this[0].storage_type == "gp3" && aws_db_instance.this[0].allocated_storage == 100 && aws_db_instance.this[0].max_allocated_storage == 500
    error_message = "gp3, 100 GB, growing to 500"
  }
  assert {
    condition     = aws_db_instance.this[0].storage_encrypted && aws_db_instance.this[0].kms_key_id == var.kms_key_arn
    error_message = "encrypted with our key"
  }
  assert {
    condition     = aws_db_instance.this[0].multi_az && aws_db_instance.this[0].publicly_accessible == false
    error_message = "a standby, and no way in from the internet"
  }
  assert {
    condition     = aws_db_instance.this[0].db_subnet_group_name == aws_db_subnet_group.this.name && aws_db_subnet_group.this.subnet_ids == toset(["subnet-a", "subnet-b"]) && aws_db_instance.this[0].vpc_security_group_ids == toset(["sg-rds"])
    error_message = "in the private subnets, behind its own group"
  }
  assert {
    condition     = aws_db_instance.this[0].backup_retention_period == 7 && aws_db_instance.this[0].copy_tags_to_snapshot && aws_db_instance.this[0].delete_automated_backups == false
    error_message = "seven days of backups, which outlive the instance"
  }
  assert {
    condition     = aws_db_instance.this[0].backup_window == "07:00-08:00" && aws_db_instance.this[0].maintenance_window == "sun:08:30-sun:09:30"
    error_message = "windows at night that do not overlap"
  }
  assert {
    condition     = aws_db_instance.this[0].deletion_protection && aws_db_instance.this[0].skip_final_snapshot == false && aws_db_instance.this[0].final_snapshot_identifier == "berthcare-staging-postgres-final"
    error_message = "not deleted by mistake, nor without a snapshot"
  }
  assert {
    condition     = aws_db_instance.this[0].performance_insights_enabled && aws_db_instance.this[0].performance_insights_retention_period == 7 && aws_db_instance.this[0].performance_insights_kms_key_id == var.kms_key_arn && aws_db_instance.this[0].database_insights_mode == "standard"
    error_message = "Performance Insights, encrypted"
  }
  assert {
    condition     = aws_db_instance.this[0].enabled_cloudwatch_logs_exports == toset(["postgresql", "upgrade"]) && aws_db_instance.this[0].monitoring_interval == 60
    error_message = "logs and enhanced monitoring"
  }
  assert {
    condition     = aws_db_instance.this[0].iam_database_authentication_enabled && aws_db_instance.this[0].auto_minor_version_upgrade && aws_db_instance.this[0].allow_major_version_upgrade == false && aws_db_instance.this[0].apply_immediately == false
    error_message = "minors by themselves, majors never, and nothing outside the window"
  }
  assert {
    condition     = aws_db_instance.this[0].ca_cert_identifier == "rds-ca-rsa2048-g1"
    error_message = "a certificate authority that has not expired"
  }
  assert {
    condition     = aws_db_instance.this[0].snapshot_identifier == "not-given" && length(aws_db_instance.this[0].restore_to_point_in_time) == 0 && aws_db_instance.this[0].db_name == "berthcare" && aws_db_instance.this[0].username == "berthcare_admin"
    error_message = "a new database"
  }
}

run "password_is_not_in_the_state" {
  assert {
    condition     = aws_db_instance.this[0].manage_master_user_password && aws_db_instance.this[0].password == null && aws_db_instance.this[0].password_wo == null
    error_message = "RDS makes the password and keeps it"
  }
  assert {
    condition     = aws_db_instance.this[0].master_user_secret_kms_key_id == var.kms_key_arn
    error_message = "under our key"
  }
  assert {
    condition     = toset(keys(jsondecode(aws_secretsmanager_secret_version.connection[0].secret_string))) == toset(["dbname", "engine", "host", "password_secret_arn", "port", "username"])
    error_message = "the connection names the password's secret, not the password"
  }
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.connection[0].secret_string).host == aws_db_instance.this[0].address && jsondecode(aws_secretsmanager_secret_version.connection[0].secret_string).dbname == "berthcare" && jsondecode(aws_secretsmanager_secret_version.connection[0].secret_string).username == "berthcare_admin" && jsondecode(aws_secretsmanager_secret_version.connection[0].secret_string).engine == "postgres"
    error_message = "the connection is right"
  }
  assert {
    condition     = aws_secretsmanager_secret.connection.name == "berthcare-staging/database" && aws_secretsmanager_secret.connection.kms_key_id == var.kms_key_arn && aws_secretsmanager_secret.connection.recovery_window_in_days == 30
    error_message = "where the tasks may read it, encrypted"
  }
  assert {
    condition     = length(aws_secretsmanager_secret.connection.replica) == 0 && length(aws_secretsmanager_secret.application.replica) == 0
    error_message = "no copy unless asked for"
  }
}

run "application_has_a_secret_of_its_own" {
  assert {
    condition     = aws_secretsmanager_secret.application.name == "berthcare-staging/database-application" && aws_secretsmanager_secret.application.kms_key_id == var.kms_key_arn && aws_secretsmanager_secret.application.recovery_window_in_days == 30
    error_message = "where the tasks may read it, encrypted"
  }
  assert {
    condition     = output.application_secret_arn == aws_secretsmanager_secret.application.arn && output.application_secret_name == aws_secretsmanager_secret.application.name && output.application_username == "berthcare_app" && output.username == "berthcare_admin"
    error_message = "of another user than the master"
  }
  assert {
    condition     = aws_secretsmanager_secret_version.connection[0].secret_id == aws_secretsmanager_secret.connection.id && output.application_secret_arn != output.connection_secret_arn
    error_message = "whose password terraform never has: it makes no value of this secret"
  }
}

run "parameters" {
  assert {
    condition     = { for p in aws_db_parameter_group.this.parameter : p.name => p.value }["rds.force_ssl"] == "1"
    error_message = "no connection without TLS"
  }
  assert {
    condition     = { for p in aws_db_parameter_group.this.parameter : p.name => p.apply_method }["rds.force_ssl"] == "pending-reboot"
    error_message = "as RDS tells it, so that no plan differs for ever"
  }
  assert {
    condition     = { for p in aws_db_parameter_group.this.parameter : p.name => p.value }["max_connections"] == "400" && output.max_connections == 400
    error_message = "as many connections as the alarm counts with"
  }
  assert {
    condition     = { for p in aws_db_parameter_group.this.parameter : p.name => p.apply_method }["max_connections"] == "pending-reboot"
    error_message = "max_connections is static: RDS refuses it at once"
  }
  assert {
    condition     = { for p in aws_db_parameter_group.this.parameter : p.name => p.value }["log_statement"] == "ddl"
    error_message = "statements with health data are not logged"
  }
  assert {
    condition     = aws_db_parameter_group.this.family == "postgres15" && aws_db_instance.this[0].parameter_group_name == aws_db_parameter_group.this.name
    error_message = "the instance uses the group"
  }
  assert {
    condition     = alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == var.kms_key_arn && group.retention_in_days == 365]) && toset([for group in aws_cloudwatch_log_group.this : group.name]) == toset(["/aws/rds/instance/berthcare-staging-postgres/postgresql", "/aws/rds/instance/berthcare-staging-postgres/upgrade"])
    error_message = "logs are encrypted and end"
  }
  assert {
    condition     = jsondecode(aws_iam_role.monitoring.assume_role_policy).Statement[0].Principal.Service == "monitoring.rds.amazonaws.com" && aws_db_instance.this[0].monitoring_role_arn == aws_iam_role.monitoring.arn && aws_iam_role_policy_attachment.monitoring.policy_arn == "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
    error_message = "enhanced monitoring has its role"
  }
  assert {
    condition     = jsondecode(aws_iam_role.monitoring.assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "111122223333" }, ArnEquals = { "aws:SourceArn" = "arn:aws:rds:ca-central-1:111122223333:db:berthcare-staging-postgres" } }
    error_message = "which RDS takes for this instance"
  }
}

# aws-behaviour: 33
run "a_minor_is_a_choice" {
  variables {
    engine_version = "15.12"
  }

  assert {
    condition     = aws_db_instance.this[0].engine_version == "15.12" && aws_db_parameter_group.this.family == "postgres15"
    error_message = "the minor asked for, with the group of its major"
  }
}

run "another_major" {
  variables {
    engine_version = "17"
  }

  assert {
    condition     = aws_db_parameter_group.this.family == "postgres17" && aws_db_parameter_group.this.name == "berthcare-staging-postgres-pg17"
    error_message = "a new group beside the old one"
  }
}

run "small_and_short_lived" {
  variables {
    instance_class        = "db.t4g.small"
    multi_az              = false
    deletion_protection   = false
    skip_final_snapshot   = true
    backup_retention_days = 1
  }

  assert {
    condition     = !aws_db_instance.this[0].multi_az && !aws_db_instance.this[0].deletion_protection && aws_db_instance.this[0].skip_final_snapshot && aws_db_instance.this[0].final_snapshot_identifier == null && aws_db_instance.this[0].backup_retention_period == 1
    error_message = "each switch does what it says"
  }
}

run "advanced_insights" {
  variables {
    insights_retention_days = 731
  }

  assert {
    condition     = aws_db_instance.this[0].database_insights_mode == "advanced" && aws_db_instance.this[0].performance_insights_retention_period == 731
    error_message = "from 465 days on, RDS wants the advanced mode"
  }
}

run "copies_both_secrets" {
  variables {
    secret_replica = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  assert {
    condition     = alltrue([for secret in [aws_secretsmanager_secret.connection, aws_secretsmanager_secret.application] : one(secret.replica).region == "ca-west-1" && one(secret.replica).kms_key_id == var.secret_replica.kms_key_arn])
    error_message = "copies in the DR region, under its key"
  }
}

# What a restore needs is there before the outage, under names that do not change when the instance comes.
run "what_a_restore_needs" {
  variables {
    create = false
  }

  assert {
    condition     = length(aws_db_instance.this) == 0 && length(aws_secretsmanager_secret_version.connection) == 0 && output.identifier == null && output.endpoint == null && output.master_secret_arn == null
    error_message = "no instance"
  }
  assert {
    condition     = output.subnet_group_name == "berthcare-staging-postgres" && output.parameter_group_name == "berthcare-staging-postgres-pg15" && aws_iam_role.monitoring.name == "berthcare-staging-postgres-monitoring"
    error_message = "but its groups and its role"
  }
  assert {
    condition     = output.application_secret_name == "berthcare-staging/database-application" && length(aws_cloudwatch_log_group.this) == 2
    error_message = "and the application's secret"
  }
}

run "a_drill" {
  command = plan

  variables {
    run                         = "2026-q4"
    secret_recovery_window_days = 0
    timeouts                    = { create = "90m" }
  }

  assert {
    condition     = aws_db_instance.this[0].final_snapshot_identifier == "berthcare-staging-postgres-final-2026-q4" && aws_secretsmanager_secret.application.recovery_window_in_days == 0 && aws_secretsmanager_secret.connection.recovery_window_in_days == 0
    error_message = "the next drill finds no name taken"
  }
  assert {
    condition     = aws_db_instance.this[0].timeouts.create == "90m" && aws_db_instance.this[0].timeouts.update == "3h"
    error_message = "terraform waits as long as a restore takes"
  }
}

run "longest_identifier" {
  variables {
    identifier = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  assert {
    condition     = length(aws_iam_role.monitoring.name) == 64
    error_message = "as long as IAM takes"
  }
}
