# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  project_name = "berthcare"
  environment  = "staging"
  kms_key_arn  = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "refused_1" {
  command = plan

  variables {
    # capital
    project_name = "Berthcare"
    # underscore
    environment = "stag_ing"
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # zero
    glacier_after_days = 0
    # zero
    noncurrent_days = 0
    # zero
    replication_lag_minutes = 0
  }

  expect_failures = [var.project_name, var.environment, var.kms_key_arn, var.glacier_after_days, var.noncurrent_days, var.replication_lag_minutes]
}

run "refused_2" {
  command = plan

  variables {
    # dot
    project_name = "berth.care"
    # empty
    environment = ""
    # id
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
    # fraction
    glacier_after_days = 1.5
    # days
    replication_lag_minutes = 1441
  }

  expect_failures = [var.project_name, var.environment, var.kms_key_arn, var.glacier_after_days, var.replication_lag_minutes]
}

run "refused_3" {
  command = plan

  variables {
    # reserved
    project_name = "sthree-berthcare"
    # too soon
    deep_archive_after_days = 400
    # kind missing
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.project_name, var.deep_archive_after_days, var.replication]
}

run "refused_4" {
  command = plan

  variables {
    # reserved demo
    project_name = "amzn-s3-demo-x"
    # before
    deep_archive_after_days = 100
    # kind unknown
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr", documents = "ddd-dr", videos = "vvv-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.project_name, var.deep_archive_after_days, var.replication]
}

run "refused_5" {
  command = plan

  variables {
    # hyphen first
    bucket_suffix = "-x"
    # same bucket
    replication = { region = "ca-west-1", targets = { photos = "same", documents = "same", signatures = "same" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.bucket_suffix, var.replication]
}

run "refused_6" {
  command = plan

  variables {
    # capital
    bucket_suffix = "DR"
    # bad bucket
    replication = { region = "ca-west-1", targets = { photos = "P", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.bucket_suffix, var.replication]
}

run "refused_7" {
  command = plan

  variables {
    # reserved alias
    bucket_suffix = "x-s3alias"
    # no key
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = null }
  }

  expect_failures = [var.bucket_suffix, var.replication]
}

run "refused_8" {
  command = plan

  variables {
    # reserved an
    bucket_suffix = "111122223333-ca-central-1-an"
    # key elsewhere
    replication = { region = "ca-west-1", targets = { photos = "ppp-dr", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.bucket_suffix, var.replication]
}

run "refused_9" {
  command = plan

  variables {
    # too long
    bucket_suffix = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # zone
    replication = { region = "ca-west-1a", targets = { photos = "ppp-dr", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.bucket_suffix, var.replication]
}

run "refused_10" {
  command = plan

  variables {
    # would be paid for 180 days in Deep Archive
    log_expiration_days = 2556
    # every distribution
    reader_distribution_arn = "arn:aws:cloudfront::111122223333:distribution/*"
  }

  expect_failures = [var.log_expiration_days, var.reader_distribution_arn]
}

# Names that the validations let be, and IAM does not.
run "refused_11" {
  command = plan

  variables {
    # the role's name would have 65 characters
    project_name  = "aaaaaaaaaaaaaaaa"
    environment   = "bbbbbbbbbbbbb"
    bucket_suffix = "ccccccccccccccccccc"
    replication   = { region = "ca-west-1", targets = { photos = "ppp-dr", documents = "ddd-dr", signatures = "sss-dr" }, kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [aws_iam_role.replication]
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
