# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

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

run "refused_1" {
  command = plan

  variables {
    # capital
    identifier = "Redis"
    # slash
    secret_prefix = "a/b"
    # memcached
    engine_version = "1.6.22"
    # db
    node_type = "db.t4g.micro"
    # one
    node_count = 1
    # low
    port = 80
    # one
    subnet_ids = ["subnet-a"]
    # none
    security_group_ids = []
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # off
    snapshot_retention_days = 0
    # one time
    snapshot_window = "06:00"
    # no day
    maintenance_window = "09:30-10:30"
    # ten
    log_retention_days = 10
    # six
    secret_recovery_window_days = 6
    # seconds
    timeouts = { create = "90s" }
    # other region
    secret_replica = { region = "us-east-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.identifier, var.secret_prefix, var.engine_version, var.node_type, var.node_count, var.port, var.subnet_ids, var.security_group_ids, var.kms_key_arn, var.snapshot_retention_days, var.snapshot_window, var.maintenance_window, var.log_retention_days, var.secret_recovery_window_days, var.timeouts, var.secret_replica]
}

run "refused_2" {
  command = plan

  variables {
    # hyphen last
    identifier = "redis-"
    # six
    engine_version = "6.2"
    # size
    node_type = "cache.t4g.huge"
    # seven
    node_count = 7
    # too high
    port = 65536
    # id
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
    # thirty six
    snapshot_retention_days = 36
  }

  expect_failures = [var.identifier, var.engine_version, var.node_type, var.node_count, var.port, var.kms_key_arn, var.snapshot_retention_days]
}

run "refused_3" {
  command = plan

  variables {
    # too long
    identifier = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # eight
    engine_version = "8.0"
  }

  expect_failures = [var.identifier, var.engine_version]
}
