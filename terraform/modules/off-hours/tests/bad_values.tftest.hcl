# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                = "berthcare-staging"
  database_identifier = "berthcare-staging-postgres"
  kms_key_arn         = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "refused_1" {
  command = plan

  variables {
    # empty
    name = ""
    # capital
    database_identifier = "Postgres"
    # time
    stop = "20:00"
    # abbreviation
    timezone = "EST"
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
  }

  expect_failures = [var.name, var.database_identifier, var.stop, var.timezone, var.kms_key_arn]
}

run "refused_2" {
  command = plan

  variables {
    # capital
    name = "Berthcare"
    # arn
    database_identifier = "arn:aws:rds:ca-central-1:111122223333:db:x"
    # five fields
    stop = "cron(0 20 * * *)"
    # offset
    timezone = "-05:00"
    # id
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  expect_failures = [var.name, var.database_identifier, var.stop, var.timezone, var.kms_key_arn]
}

run "refused_3" {
  command = plan

  variables {
    # two hyphens
    name = "berth--care"
    # rate
    stop = "rate(1 day)"
  }

  expect_failures = [var.name, var.stop]
}

run "refused_4" {
  command = plan

  variables {
    # too long
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # time
    start = "07:00"
  }

  expect_failures = [var.name, var.start]
}

run "refused_5" {
  command = plan

  variables {
    # same
    start = "cron(0 20 ? * MON-FRI *)"
  }

  expect_failures = [var.start]
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

run "refused_6" {
  command = plan

  variables {
    # no hour
    stop = "cron(0 25 ? * MON-FRI *)"
  }

  expect_failures = [var.stop]
}

run "refused_7" {
  command = plan

  variables {
    # each minute
    stop = "cron(* 20 ? * MON-FRI *)"
  }

  expect_failures = [var.stop]
}

run "refused_8" {
  command = plan

  variables {
    # both days
    stop = "cron(0 20 * * MON-FRI *)"
  }

  expect_failures = [var.stop]
}

run "refused_9" {
  command = plan

  variables {
    # no minute
    start = "cron(61 7 ? * MON-FRI *)"
  }

  expect_failures = [var.start]
}

run "refused_10" {
  command = plan

  variables {
    # each hour
    start = "cron(0 * ? * MON-FRI *)"
  }

  expect_failures = [var.start]
}

run "refused_11" {
  command = plan

  variables {
    # neither day
    start = "cron(0 7 ? * ? *)"
  }

  expect_failures = [var.start]
}
