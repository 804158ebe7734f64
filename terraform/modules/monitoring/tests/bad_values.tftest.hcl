# Values that AWS or the stack would refuse, each refused by the validation of its variable.

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

run "name_empty" {
  command = plan

  variables {
    name = ""
  }

  expect_failures = [var.name]
}

run "name_capital" {
  command = plan

  variables {
    name = "Berthcare"
  }

  expect_failures = [var.name]
}

run "name_two_hyphens" {
  command = plan

  variables {
    name = "berth--care"
  }

  expect_failures = [var.name]
}

run "name_too_long" {
  command = plan

  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}

run "alarm_email_no_at" {
  command = plan

  variables {
    alarm_email = "ops"
  }

  expect_failures = [var.alarm_email]
}

run "alarm_email_no_domain" {
  command = plan

  variables {
    alarm_email = "ops@berthcare"
  }

  expect_failures = [var.alarm_email]
}

run "alarm_email_example" {
  command = plan

  variables {
    alarm_email = "your-email@example.com"
  }

  expect_failures = [var.alarm_email]
}

run "alarm_email_two" {
  command = plan

  variables {
    alarm_email = "a@berthcare.ca, b@berthcare.ca"
  }

  expect_failures = [var.alarm_email]
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

run "database_no_connections" {
  command = plan

  variables {
    database = { identifier = "x", max_connections = 0 }
  }

  expect_failures = [var.database]
}

run "thresholds_percent_zero" {
  command = plan

  variables {
    thresholds = { db_cpu_percent = 0 }
  }

  expect_failures = [var.thresholds]
}

run "thresholds_percent_hundred" {
  command = plan

  variables {
    thresholds = { cache_memory_percent = 100 }
  }

  expect_failures = [var.thresholds]
}

run "thresholds_negative" {
  command = plan

  variables {
    thresholds = { cache_evictions = -1 }
  }

  expect_failures = [var.thresholds]
}

run "thresholds_no_memory" {
  command = plan

  variables {
    thresholds = { db_free_memory_mib = 0 }
  }

  expect_failures = [var.thresholds]
}

run "thresholds_age" {
  command = plan

  variables {
    thresholds = { backup_age_hours = 200 }
  }

  expect_failures = [var.thresholds]
}
