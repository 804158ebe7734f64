# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  names       = ["berthcare"]
  kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "refused_1" {
  command = plan

  variables {
    # capital
    names = ["Berthcare"]
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # zone
    replica_region = "ca-west-1a"
    # none
    untagged_days = 0
  }

  expect_failures = [var.names, var.kms_key_arn, var.replica_region, var.untagged_days]
}

run "refused_2" {
  command = plan

  variables {
    # twice
    names = ["berthcare", "berthcare"]
    # half a day
    untagged_days = 0.5
  }

  expect_failures = [var.names, var.untagged_days]
}

run "refused_3" {
  command = plan

  variables {
    # none
    names = []
  }

  expect_failures = [var.names]
}
