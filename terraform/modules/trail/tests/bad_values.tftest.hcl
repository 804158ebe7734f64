# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name = "berthcare-staging"
}

run "refused_1" {
  command = plan

  variables {
    # capital
    name = "Berthcare"
    # hyphen last
    bucket_suffix = "x-"
    # whole account
    data_bucket_arns = ["arn:aws:s3"]
    # lower case
    lock_mode = "compliance"
    # soon
    retention_days = 30
  }

  expect_failures = [var.name, var.bucket_suffix, var.data_bucket_arns, var.lock_mode, var.retention_days]
}

run "refused_2" {
  command = plan

  variables {
    # too long
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # reserved
    bucket_suffix = "x-an"
    # wildcard
    data_bucket_arns = ["arn:aws:s3:::berthcare-*"]
    # none
    lock_mode = ""
    # before the lock ends
    retention_days = 364
  }

  expect_failures = [var.name, var.bucket_suffix, var.data_bucket_arns, var.lock_mode, var.retention_days]
}

run "refused_3" {
  command = plan

  variables {
    # none
    lock_days = 0
  }

  expect_failures = [var.lock_days]
}
