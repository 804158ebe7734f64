# Values that AWS or the stack would refuse, each refused by the validation of its variable.

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

run "dr_region_zone" {
  command = plan

  variables {
    dr_region = "ca-west-1a"
  }

  expect_failures = [var.dr_region]
}

run "dr_region_word" {
  command = plan

  variables {
    dr_region = "calgary"
  }

  expect_failures = [var.dr_region]
}

run "dr_kms_key_arn_other_region" {
  command = plan

  variables {
    dr_kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  expect_failures = [var.dr_kms_key_arn]
}

run "dr_kms_key_arn_alias" {
  command = plan

  variables {
    dr_kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:alias/aws/rds"
  }

  expect_failures = [var.dr_kms_key_arn]
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

run "kms_key_arn_dr_region" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  expect_failures = [var.kms_key_arn]
}

run "database_identifiers_none" {
  command = plan

  variables {
    database_identifiers = []
  }

  expect_failures = [var.database_identifiers]
}

run "database_identifiers_arn" {
  command = plan

  variables {
    database_identifiers = ["arn:aws:rds:ca-central-1:111122223333:db:x"]
  }

  expect_failures = [var.database_identifiers]
}

run "database_identifiers_wildcard" {
  command = plan

  variables {
    database_identifiers = ["*"]
  }

  expect_failures = [var.database_identifiers]
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

run "log_retention_days_ten" {
  command = plan

  variables {
    log_retention_days = 10
  }

  expect_failures = [var.log_retention_days]
}

run "snapshot_copier_no_file" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "tests/none.zip" }
  }

  expect_failures = [var.snapshot_copier]
}

run "snapshot_copier_not_zip" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "versions.tf" }
  }

  expect_failures = [var.snapshot_copier]
}

run "snapshot_copier_architecture" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip", architecture = "arm" }
  }

  expect_failures = [var.snapshot_copier]
}

run "snapshot_copier_daily" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip", schedule_expression = "rate(1 day)" }
  }

  expect_failures = [var.snapshot_copier]
}

run "snapshot_copier_keep_none" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip", keep_last = 0 }
  }

  expect_failures = [var.snapshot_copier]
}

run "snapshot_copier_keep_too_many" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip", keep_last = 91 }
  }

  expect_failures = [var.snapshot_copier]
}

run "snapshot_copier_keep_no_days" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip", keep_days = 0 }
  }

  expect_failures = [var.snapshot_copier]
}

run "snapshot_copier_timeout" {
  command = plan

  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip", timeout_seconds = 901 }
  }

  expect_failures = [var.snapshot_copier]
}
