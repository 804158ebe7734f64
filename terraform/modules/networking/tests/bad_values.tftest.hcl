# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name        = "berthcare-staging"
  kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "refused_1" {
  command = plan

  variables {
    # empty
    name = ""
    # alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # not a network
    vpc_cidr = "ten"
    # one
    az_count = 1
    # number
    nat_gateways = "2"
    # ten
    flow_log_retention_days = 10
  }

  expect_failures = [var.name, var.kms_key_arn, var.vpc_cidr, var.az_count, var.nat_gateways, var.flow_log_retention_days]
}

run "refused_2" {
  command = plan

  variables {
    # capital
    name = "Berthcare"
    # id
    kms_key_arn = "1234abcd-12ab-34cd-56ef-1234567890ab"
    # host bits
    vpc_cidr = "10.0.0.1/16"
    # four
    az_count = 4
    # zero
    flow_log_retention_days = 0
  }

  expect_failures = [var.name, var.kms_key_arn, var.vpc_cidr, var.az_count, var.flow_log_retention_days]
}

run "refused_3" {
  command = plan

  variables {
    # two hyphens
    name = "berth--care"
    # too large
    vpc_cidr = "10.0.0.0/8"
    # one
    availability_zones = ["ca-central-1a"]
  }

  expect_failures = [var.name, var.vpc_cidr, var.availability_zones]
}

run "refused_4" {
  command = plan

  variables {
    # too long
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # too small
    vpc_cidr = "10.0.0.0/26"
    # twice
    availability_zones = ["ca-central-1a", "ca-central-1a"]
  }

  expect_failures = [var.name, var.vpc_cidr, var.availability_zones]
}

run "refused_5" {
  command = plan

  variables {
    # public
    vpc_cidr = "8.8.0.0/16"
    # region
    availability_zones = ["ca-central-1", "ca-central-2"]
  }

  expect_failures = [var.vpc_cidr, var.availability_zones]
}

run "refused_6" {
  command = plan

  variables {
    # ipv6
    vpc_cidr = "fd00::/16"
  }

  expect_failures = [var.vpc_cidr]
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
