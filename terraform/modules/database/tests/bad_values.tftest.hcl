# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

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

run "refused_1" {
  command = plan

  variables {
    # capital
    identifier = "Berthcare"
    # slash
    secret_prefix = "a/b"
    # mysql
    engine_version = "8.0.40"
    # cache
    instance_class = "cache.t4g.micro"
    # below gp3
    allocated_storage_gb = 19
    # off
    backup_retention_days = 0
    # one time
    backup_window = "07:00"
    # no day
    maintenance_window = "08:30-09:30"
    # reserved
    db_name = "postgres"
    # reserved
    username = "rdsadmin"
    # low
    port = 1149
    # five
    max_connections = 5
    # one
    subnet_ids = ["subnet-a"]
    # none
    security_group_ids = []
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # thirty
    insights_retention_days = 30
    # ten
    log_retention_days = 10
    # six
    secret_recovery_window_days = 6
    # capital
    run = "Q4"
    # seconds
    timeouts = { create = "90s" }
    # other region
    secret_replica = { region = "us-east-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
    # neither
    recovery = {}
  }

  expect_failures = [var.identifier, var.secret_prefix, var.engine_version, var.instance_class, var.allocated_storage_gb, var.backup_retention_days, var.backup_window, var.maintenance_window, var.db_name, var.username, var.port, var.max_connections, var.subnet_ids, var.security_group_ids, var.kms_key_arn, var.insights_retention_days, var.log_retention_days, var.secret_recovery_window_days, var.run, var.timeouts, var.secret_replica, var.recovery]
}

run "refused_2" {
  command = plan

  variables {
    # digit first
    identifier = "1berthcare"
    # empty
    secret_prefix = ""
    # patch
    engine_version = "15.5.1"
    # size
    instance_class = "db.t4g.huge"
    # above gp3
    allocated_storage_gb = 65537
    # thirty six
    backup_retention_days = 36
    # no hour
    backup_window = "25:00-26:00"
    # long day
    maintenance_window = "sunday:08:30-sunday:09:30"
    # hyphen
    db_name = "berth-care"
    # admin
    username = "admin"
    # too high
    port = 65536
    # id
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
    # zero
    insights_retention_days = 0
    # thirty one
    secret_recovery_window_days = 31
    # alias
    secret_replica = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:alias/x" }
    # both
    recovery = { snapshot_identifier = "copy-1", automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abc" }
  }

  expect_failures = [var.identifier, var.secret_prefix, var.engine_version, var.instance_class, var.allocated_storage_gb, var.backup_retention_days, var.backup_window, var.maintenance_window, var.db_name, var.username, var.port, var.kms_key_arn, var.insights_retention_days, var.secret_recovery_window_days, var.secret_replica, var.recovery]
}

run "refused_3" {
  command = plan

  variables {
    # hyphen last
    identifier = "berthcare-"
    # words
    engine_version = "latest"
    # fraction
    allocated_storage_gb = 100.5
    # fraction
    backup_retention_days = 1.5
    # digit first
    db_name = "1db"
    # hyphen
    username = "berth-care"
    # automated name
    recovery = { snapshot_identifier = "rds:berthcare-2026-11-22" }
  }

  expect_failures = [var.identifier, var.engine_version, var.allocated_storage_gb, var.backup_retention_days, var.db_name, var.username, var.recovery]
}

run "refused_4" {
  command = plan

  variables {
    # two hyphens
    identifier = "berth--care"
    # old
    engine_version = "12"
    # not above
    max_allocated_storage_gb = 105
    # hyphen last
    recovery = { snapshot_identifier = "copy-" }
  }

  expect_failures = [var.identifier, var.engine_version, var.max_allocated_storage_gb, var.recovery]
}

run "refused_5" {
  command = plan

  variables {
    # too long
    identifier = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # below
    max_allocated_storage_gb = 50
    # database arn
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:db:x" }
  }

  expect_failures = [var.identifier, var.max_allocated_storage_gb, var.recovery]
}

run "refused_6" {
  command = plan

  variables {
    # above gp3
    max_allocated_storage_gb = 70000
    # time of snapshot
    recovery = { snapshot_identifier = "copy-1", restore_time = "2026-11-22T21:00:00Z" }
  }

  expect_failures = [var.max_allocated_storage_gb, var.recovery]
}

run "refused_7" {
  command = plan

  variables {
    # local time
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abc", restore_time = "2026-11-22 21:00" }
  }

  expect_failures = [var.recovery]
}

run "refused_8" {
  command = plan

  variables {
    # the master user
    application_username = "berthcare_admin"
  }

  expect_failures = [var.application_username]
}

run "refused_9" {
  command = plan

  variables {
    # a role of PostgreSQL
    application_username = "pg_read_all_data"
  }

  expect_failures = [var.application_username]
}

run "refused_10" {
  command = plan

  variables {
    # a role of RDS
    application_username = "rds_superuser"
  }

  expect_failures = [var.application_username]
}

run "refused_long_identifier" {
  command = plan

  variables {
    # a role's name would have 65 characters
    identifier = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.identifier]
}

run "refused_bounds" {
  command = plan

  variables {
    # no slash at its end
    role_path = "/platform"
    # a role
    permissions_boundary_arn = "arn:aws:iam::111122223333:role/x"
  }

  expect_failures = [var.role_path, var.permissions_boundary_arn]
}
