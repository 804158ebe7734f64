# Values that AWS or the stack would refuse, each refused by the validation of its variable.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                = "berthcare-staging"
  database_identifier = "berthcare-staging-postgres"
  kms_key_arn         = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
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

run "database_identifier_capital" {
  command = plan

  variables {
    database_identifier = "Postgres"
  }

  expect_failures = [var.database_identifier]
}

run "database_identifier_arn" {
  command = plan

  variables {
    database_identifier = "arn:aws:rds:ca-central-1:111122223333:db:x"
  }

  expect_failures = [var.database_identifier]
}

run "stop_time" {
  command = plan

  variables {
    stop = "20:00"
  }

  expect_failures = [var.stop]
}

run "stop_five_fields" {
  command = plan

  variables {
    stop = "cron(0 20 * * *)"
  }

  expect_failures = [var.stop]
}

run "stop_rate" {
  command = plan

  variables {
    stop = "rate(1 day)"
  }

  expect_failures = [var.stop]
}

run "start_time" {
  command = plan

  variables {
    start = "07:00"
  }

  expect_failures = [var.start]
}

run "start_same" {
  command = plan

  variables {
    start = "cron(0 20 ? * MON-FRI *)"
  }

  expect_failures = [var.start]
}

run "timezone_abbreviation" {
  command = plan

  variables {
    timezone = "EST"
  }

  expect_failures = [var.timezone]
}

run "timezone_offset" {
  command = plan

  variables {
    timezone = "-05:00"
  }

  expect_failures = [var.timezone]
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
