# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                 = "berthcare-staging"
  dr_region            = "ca-west-1"
  dr_kms_key_arn       = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  kms_key_arn          = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  database_arn         = "arn:aws:rds:ca-central-1:111122223333:db:berthcare-staging-postgres"
  database_identifiers = ["berthcare-staging-postgres"]
}

run "refused_1" {
  command = plan

  variables {
    # empty
    name = ""
    # zone
    dr_region = "ca-west-1a"
    # none
    database_identifiers = []
    # off
    backup_retention_days = 0
    # ten
    log_retention_days = 10
    # no file
    snapshot_copier = { zip_path = "tests/none.zip" }
  }

  expect_failures = [var.name, var.dr_region, var.database_identifiers, var.backup_retention_days, var.log_retention_days, var.snapshot_copier]
}

run "refused_2" {
  command = plan

  variables {
    # capital
    name = "Berthcare"
    # word
    dr_region = "calgary"
    # arn
    database_identifiers = ["arn:aws:rds:ca-central-1:111122223333:db:x"]
    # thirty six
    backup_retention_days = 36
    # not zip
    snapshot_copier = { zip_path = "versions.tf" }
  }

  expect_failures = [var.name, var.dr_region, var.database_identifiers, var.backup_retention_days, var.snapshot_copier]
}

run "refused_3" {
  command = plan

  variables {
    # two hyphens
    name = "berth--care"
    # other region
    dr_kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # wildcard
    database_identifiers = ["*"]
    # architecture
    snapshot_copier = { zip_path = "tests/bootstrap.zip", architecture = "arm" }
  }

  expect_failures = [var.name, var.dr_kms_key_arn, var.kms_key_arn, var.database_identifiers, var.snapshot_copier]
}

run "refused_4" {
  command = plan

  variables {
    # too long
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # alias
    dr_kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:alias/aws/rds"
    # id
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
    # daily
    snapshot_copier = { zip_path = "tests/bootstrap.zip", schedule_expression = "rate(1 day)" }
  }

  expect_failures = [var.name, var.dr_kms_key_arn, var.kms_key_arn, var.snapshot_copier]
}

run "refused_5" {
  command = plan

  variables {
    # dr region
    kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    # keep none
    snapshot_copier = { zip_path = "tests/bootstrap.zip", keep_last = 0 }
  }

  expect_failures = [var.kms_key_arn, var.snapshot_copier]
}

run "refused_6" {
  command = plan

  variables {
    # keep too many
    snapshot_copier = { zip_path = "tests/bootstrap.zip", keep_last = 91 }
  }

  expect_failures = [var.snapshot_copier]
}

run "refused_7" {
  command = plan

  variables {
    # keep no days
    snapshot_copier = { zip_path = "tests/bootstrap.zip", keep_days = 0 }
  }

  expect_failures = [var.snapshot_copier]
}

run "refused_8" {
  command = plan

  variables {
    # timeout
    snapshot_copier = { zip_path = "tests/bootstrap.zip", timeout_seconds = 901 }
  }

  expect_failures = [var.snapshot_copier]
}

run "refused_long_name" {
  command = plan

  variables {
    # a role's name would have 65 characters
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
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
