# Values that AWS or the stack would refuse, each refused by the validation of its variable.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  project_name = "berthcare"
  environment  = "staging"
  kms_key_arn  = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "project_name_capital" {
  command = plan

  variables {
    project_name = "Berthcare"
  }

  expect_failures = [var.project_name]
}

run "project_name_dot" {
  command = plan

  variables {
    project_name = "berth.care"
  }

  expect_failures = [var.project_name]
}

run "project_name_reserved" {
  command = plan

  variables {
    project_name = "sthree-berthcare"
  }

  expect_failures = [var.project_name]
}

run "project_name_reserved_demo" {
  command = plan

  variables {
    project_name = "amzn-s3-demo-x"
  }

  expect_failures = [var.project_name]
}

run "environment_underscore" {
  command = plan

  variables {
    environment = "stag_ing"
  }

  expect_failures = [var.environment]
}

run "environment_empty" {
  command = plan

  variables {
    environment = ""
  }

  expect_failures = [var.environment]
}

run "bucket_suffix_hyphen_first" {
  command = plan

  variables {
    bucket_suffix = "-x"
  }

  expect_failures = [var.bucket_suffix]
}

run "bucket_suffix_capital" {
  command = plan

  variables {
    bucket_suffix = "DR"
  }

  expect_failures = [var.bucket_suffix]
}

run "bucket_suffix_reserved_alias" {
  command = plan

  variables {
    bucket_suffix = "x-s3alias"
  }

  expect_failures = [var.bucket_suffix]
}

run "bucket_suffix_reserved_an" {
  command = plan

  variables {
    bucket_suffix = "111122223333-ca-central-1-an"
  }

  expect_failures = [var.bucket_suffix]
}

run "bucket_suffix_too_long" {
  command = plan

  variables {
    bucket_suffix = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.bucket_suffix]
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

run "glacier_after_days_zero" {
  command = plan

  variables {
    glacier_after_days = 0
  }

  expect_failures = [var.glacier_after_days]
}

run "glacier_after_days_fraction" {
  command = plan

  variables {
    glacier_after_days = 1.5
  }

  expect_failures = [var.glacier_after_days]
}

run "deep_archive_after_days_too_soon" {
  command = plan

  variables {
    deep_archive_after_days = 400
  }

  expect_failures = [var.deep_archive_after_days]
}

run "deep_archive_after_days_before" {
  command = plan

  variables {
    deep_archive_after_days = 100
  }

  expect_failures = [var.deep_archive_after_days]
}

run "noncurrent_days_zero" {
  command = plan

  variables {
    noncurrent_days = 0
  }

  expect_failures = [var.noncurrent_days]
}

run "replication_kind_missing" {
  command = plan

  variables {
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.replication]
}

run "replication_kind_unknown" {
  command = plan

  variables {
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr", documents = "ddd-dr", videos = "vvv-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.replication]
}

run "replication_same_bucket" {
  command = plan

  variables {
    replication = { region = "ca-west-1", targets = { photos = "same", documents = "same", signatures = "same" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.replication]
}

run "replication_bad_bucket" {
  command = plan

  variables {
    replication = { region = "ca-west-1", targets = { photos = "P", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.replication]
}

run "replication_no_key" {
  command = plan

  variables {
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = null }
  }

  expect_failures = [var.replication]
}

run "replication_key_elsewhere" {
  command = plan

  variables {
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.replication]
}

run "replication_zone" {
  command = plan

  variables {
    replication = { region = "ca-west-1a", targets = { photos = "ppp-dr", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.replication]
}

run "replication_lag_minutes_zero" {
  command = plan

  variables {
    replication_lag_minutes = 0
  }

  expect_failures = [var.replication_lag_minutes]
}

run "replication_lag_minutes_days" {
  command = plan

  variables {
    replication_lag_minutes = 1441
  }

  expect_failures = [var.replication_lag_minutes]
}
