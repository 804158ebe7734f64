# Values that AWS or the stack would refuse, each refused by the validation of its variable.

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

run "identifier_capital" {
  command = plan

  variables {
    identifier = "Berthcare"
  }

  expect_failures = [var.identifier]
}

run "identifier_digit_first" {
  command = plan

  variables {
    identifier = "1berthcare"
  }

  expect_failures = [var.identifier]
}

run "identifier_hyphen_last" {
  command = plan

  variables {
    identifier = "berthcare-"
  }

  expect_failures = [var.identifier]
}

run "identifier_two_hyphens" {
  command = plan

  variables {
    identifier = "berth--care"
  }

  expect_failures = [var.identifier]
}

run "identifier_too_long" {
  command = plan

  variables {
    identifier = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.identifier]
}

run "secret_prefix_slash" {
  command = plan

  variables {
    secret_prefix = "a/b"
  }

  expect_failures = [var.secret_prefix]
}

run "secret_prefix_empty" {
  command = plan

  variables {
    secret_prefix = ""
  }

  expect_failures = [var.secret_prefix]
}

run "engine_version_mysql" {
  command = plan

  variables {
    engine_version = "8.0.40"
  }

  expect_failures = [var.engine_version]
}

run "engine_version_patch" {
  command = plan

  variables {
    engine_version = "15.5.1"
  }

  expect_failures = [var.engine_version]
}

run "engine_version_words" {
  command = plan

  variables {
    engine_version = "latest"
  }

  expect_failures = [var.engine_version]
}

run "engine_version_old" {
  command = plan

  variables {
    engine_version = "12"
  }

  expect_failures = [var.engine_version]
}

run "instance_class_cache" {
  command = plan

  variables {
    instance_class = "cache.t4g.micro"
  }

  expect_failures = [var.instance_class]
}

run "instance_class_size" {
  command = plan

  variables {
    instance_class = "db.t4g.huge"
  }

  expect_failures = [var.instance_class]
}

run "allocated_storage_gb_below_gp3" {
  command = plan

  variables {
    allocated_storage_gb = 19
  }

  expect_failures = [var.allocated_storage_gb]
}

run "allocated_storage_gb_above_gp3" {
  command = plan

  variables {
    allocated_storage_gb = 65537
  }

  expect_failures = [var.allocated_storage_gb]
}

run "allocated_storage_gb_fraction" {
  command = plan

  variables {
    allocated_storage_gb = 100.5
  }

  expect_failures = [var.allocated_storage_gb]
}

run "max_allocated_storage_gb_not_above" {
  command = plan

  variables {
    max_allocated_storage_gb = 105
  }

  expect_failures = [var.max_allocated_storage_gb]
}

run "max_allocated_storage_gb_below" {
  command = plan

  variables {
    max_allocated_storage_gb = 50
  }

  expect_failures = [var.max_allocated_storage_gb]
}

run "max_allocated_storage_gb_above_gp3" {
  command = plan

  variables {
    max_allocated_storage_gb = 70000
  }

  expect_failures = [var.max_allocated_storage_gb]
}

run "backup_retention_days_off" {
  command = plan

  variables {
    backup_retention_days = 0
  }

  expect_failures = [var.backup_retention_days]
}

run "backup_retention_days_thirty_six" {
  command = plan

  variables {
    backup_retention_days = 36
  }

  expect_failures = [var.backup_retention_days]
}

run "backup_retention_days_fraction" {
  command = plan

  variables {
    backup_retention_days = 1.5
  }

  expect_failures = [var.backup_retention_days]
}

run "backup_window_one_time" {
  command = plan

  variables {
    backup_window = "07:00"
  }

  expect_failures = [var.backup_window]
}

run "backup_window_no_hour" {
  command = plan

  variables {
    backup_window = "25:00-26:00"
  }

  expect_failures = [var.backup_window]
}

run "maintenance_window_no_day" {
  command = plan

  variables {
    maintenance_window = "08:30-09:30"
  }

  expect_failures = [var.maintenance_window]
}

run "maintenance_window_long_day" {
  command = plan

  variables {
    maintenance_window = "sunday:08:30-sunday:09:30"
  }

  expect_failures = [var.maintenance_window]
}

run "db_name_reserved" {
  command = plan

  variables {
    db_name = "postgres"
  }

  expect_failures = [var.db_name]
}

run "db_name_hyphen" {
  command = plan

  variables {
    db_name = "berth-care"
  }

  expect_failures = [var.db_name]
}

run "db_name_digit_first" {
  command = plan

  variables {
    db_name = "1db"
  }

  expect_failures = [var.db_name]
}

run "username_reserved" {
  command = plan

  variables {
    username = "rdsadmin"
  }

  expect_failures = [var.username]
}

run "username_admin" {
  command = plan

  variables {
    username = "admin"
  }

  expect_failures = [var.username]
}

run "username_hyphen" {
  command = plan

  variables {
    username = "berth-care"
  }

  expect_failures = [var.username]
}

run "port_low" {
  command = plan

  variables {
    port = 1149
  }

  expect_failures = [var.port]
}

run "port_too_high" {
  command = plan

  variables {
    port = 65536
  }

  expect_failures = [var.port]
}

run "max_connections_five" {
  command = plan

  variables {
    max_connections = 5
  }

  expect_failures = [var.max_connections]
}

run "subnet_ids_one" {
  command = plan

  variables {
    subnet_ids = ["subnet-a"]
  }

  expect_failures = [var.subnet_ids]
}

run "security_group_ids_none" {
  command = plan

  variables {
    security_group_ids = []
  }

  expect_failures = [var.security_group_ids]
}

run "kms_key_arn_alias" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
  }

  expect_failures = [var.kms_key_arn]
}

run "kms_key_arn_id" {
  command = plan

  variables {
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  expect_failures = [var.kms_key_arn]
}

run "insights_retention_days_thirty" {
  command = plan

  variables {
    insights_retention_days = 30
  }

  expect_failures = [var.insights_retention_days]
}

run "insights_retention_days_zero" {
  command = plan

  variables {
    insights_retention_days = 0
  }

  expect_failures = [var.insights_retention_days]
}

run "log_retention_days_ten" {
  command = plan

  variables {
    log_retention_days = 10
  }

  expect_failures = [var.log_retention_days]
}

run "secret_recovery_window_days_now" {
  command = plan

  variables {
    secret_recovery_window_days = 0
  }

  expect_failures = [var.secret_recovery_window_days]
}

run "secret_recovery_window_days_thirty_one" {
  command = plan

  variables {
    secret_recovery_window_days = 31
  }

  expect_failures = [var.secret_recovery_window_days]
}

run "secret_replica_other_region" {
  command = plan

  variables {
    secret_replica = { region = "us-east-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.secret_replica]
}

run "secret_replica_alias" {
  command = plan

  variables {
    secret_replica = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:alias/x" }
  }

  expect_failures = [var.secret_replica]
}

run "recovery_neither" {
  command = plan

  variables {
    recovery = {}
  }

  expect_failures = [var.recovery]
}

run "recovery_both" {
  command = plan

  variables {
    recovery = { snapshot_identifier = "copy-1", automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abc" }
  }

  expect_failures = [var.recovery]
}

run "recovery_automated_name" {
  command = plan

  variables {
    recovery = { snapshot_identifier = "rds:berthcare-2026-11-22" }
  }

  expect_failures = [var.recovery]
}

run "recovery_hyphen_last" {
  command = plan

  variables {
    recovery = { snapshot_identifier = "copy-" }
  }

  expect_failures = [var.recovery]
}

run "recovery_database_arn" {
  command = plan

  variables {
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:db:x" }
  }

  expect_failures = [var.recovery]
}

run "recovery_time_of_snapshot" {
  command = plan

  variables {
    recovery = { snapshot_identifier = "copy-1", restore_time = "2026-11-22T21:00:00Z" }
  }

  expect_failures = [var.recovery]
}

run "recovery_local_time" {
  command = plan

  variables {
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abc", restore_time = "2026-11-22 21:00" }
  }

  expect_failures = [var.recovery]
}
