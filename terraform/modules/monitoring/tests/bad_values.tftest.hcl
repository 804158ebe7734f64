# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name           = "berthcare-staging"
  alarm_email    = "ops@berthcare.ca"
  kms_key_arn    = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  database       = { identifier = "berthcare-staging-postgres", max_connections = 400 }
  cache_node_ids = ["berthcare-staging-redis-001", "berthcare-staging-redis-002"]
  distribution   = { id = "E2EXAMPLE" }
}

run "refused_1" {
  command = plan

  variables {
    # empty
    name = ""
    # no at
    alarm_email = "ops"
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # no connections
    database = { identifier = "x", max_connections = 0 }
    # percent zero
    thresholds = { db_cpu_percent = 0 }
  }

  expect_failures = [var.name, var.alarm_email, var.kms_key_arn, var.database, var.thresholds]
}

run "refused_2" {
  command = plan

  variables {
    # capital
    name = "Berthcare"
    # no domain
    alarm_email = "ops@berthcare"
    # id
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
    # percent hundred
    thresholds = { cache_memory_percent = 100 }
  }

  expect_failures = [var.name, var.alarm_email, var.kms_key_arn, var.thresholds]
}

run "refused_3" {
  command = plan

  variables {
    # two hyphens
    name = "berth--care"
    # example
    alarm_email = "your-email@example.com"
    # negative
    thresholds = { cache_evictions = -1 }
  }

  expect_failures = [var.name, var.alarm_email, var.thresholds]
}

run "refused_4" {
  command = plan

  variables {
    # too long
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # two
    alarm_email = "a@berthcare.ca, b@berthcare.ca"
    # no memory
    thresholds = { db_free_memory_mib = 0 }
  }

  expect_failures = [var.name, var.alarm_email, var.thresholds]
}

run "refused_5" {
  command = plan

  variables {
    # age
    thresholds = { backup_age_hours = 200 }
  }

  expect_failures = [var.thresholds]
}

run "refused_silence" {
  command = plan

  variables {
    # every snapshot that is a minute late would ring
    thresholds = { snapshot_silence_hours = 24 }
  }

  expect_failures = [var.thresholds]
}
