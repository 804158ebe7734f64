# Values that AWS or the stack would refuse, each refused by the validation of its variable.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  identifier         = "berthcare-staging-redis"
  secret_prefix      = "berthcare-staging"
  subnet_ids         = ["subnet-a", "subnet-b"]
  security_group_ids = ["sg-redis"]
  kms_key_arn        = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "identifier_capital" {
  command = plan

  variables {
    identifier = "Redis"
  }

  expect_failures = [var.identifier]
}

run "identifier_hyphen_last" {
  command = plan

  variables {
    identifier = "redis-"
  }

  expect_failures = [var.identifier]
}

run "identifier_too_long" {
  command = plan

  variables {
    identifier = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
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

run "engine_version_memcached" {
  command = plan

  variables {
    engine_version = "1.6.22"
  }

  expect_failures = [var.engine_version]
}

run "engine_version_six" {
  command = plan

  variables {
    engine_version = "6.2"
  }

  expect_failures = [var.engine_version]
}

run "engine_version_eight" {
  command = plan

  variables {
    engine_version = "8.0"
  }

  expect_failures = [var.engine_version]
}

run "node_type_db" {
  command = plan

  variables {
    node_type = "db.t4g.micro"
  }

  expect_failures = [var.node_type]
}

run "node_type_size" {
  command = plan

  variables {
    node_type = "cache.t4g.huge"
  }

  expect_failures = [var.node_type]
}

run "node_count_one" {
  command = plan

  variables {
    node_count = 1
  }

  expect_failures = [var.node_count]
}

run "node_count_seven" {
  command = plan

  variables {
    node_count = 7
  }

  expect_failures = [var.node_count]
}

run "port_low" {
  command = plan

  variables {
    port = 80
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

run "snapshot_retention_days_off" {
  command = plan

  variables {
    snapshot_retention_days = 0
  }

  expect_failures = [var.snapshot_retention_days]
}

run "snapshot_retention_days_thirty_six" {
  command = plan

  variables {
    snapshot_retention_days = 36
  }

  expect_failures = [var.snapshot_retention_days]
}

run "snapshot_window_one_time" {
  command = plan

  variables {
    snapshot_window = "06:00"
  }

  expect_failures = [var.snapshot_window]
}

run "maintenance_window_no_day" {
  command = plan

  variables {
    maintenance_window = "09:30-10:30"
  }

  expect_failures = [var.maintenance_window]
}

run "log_retention_days_ten" {
  command = plan

  variables {
    log_retention_days = 10
  }

  expect_failures = [var.log_retention_days]
}

run "secret_recovery_window_days_six" {
  command = plan

  variables {
    secret_recovery_window_days = 6
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
