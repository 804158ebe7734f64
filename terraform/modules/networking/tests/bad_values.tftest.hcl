# Values that AWS or the stack would refuse, each refused by the validation of its variable.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name        = "berthcare-staging"
  kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
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

run "vpc_cidr_not_a_network" {
  command = plan

  variables {
    vpc_cidr = "ten"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_host_bits" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.1/16"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_too_large" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/8"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_too_small" {
  command = plan

  variables {
    vpc_cidr = "10.0.0.0/26"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_public" {
  command = plan

  variables {
    vpc_cidr = "8.8.0.0/16"
  }

  expect_failures = [var.vpc_cidr]
}

run "vpc_cidr_ipv6" {
  command = plan

  variables {
    vpc_cidr = "fd00::/16"
  }

  expect_failures = [var.vpc_cidr]
}

run "az_count_one" {
  command = plan

  variables {
    az_count = 1
  }

  expect_failures = [var.az_count]
}

run "az_count_four" {
  command = plan

  variables {
    az_count = 4
  }

  expect_failures = [var.az_count]
}

run "availability_zones_one" {
  command = plan

  variables {
    availability_zones = ["ca-central-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "availability_zones_twice" {
  command = plan

  variables {
    availability_zones = ["ca-central-1a", "ca-central-1a"]
  }

  expect_failures = [var.availability_zones]
}

run "availability_zones_region" {
  command = plan

  variables {
    availability_zones = ["ca-central-1", "ca-central-2"]
  }

  expect_failures = [var.availability_zones]
}

run "nat_gateways_number" {
  command = plan

  variables {
    nat_gateways = "2"
  }

  expect_failures = [var.nat_gateways]
}

run "flow_log_retention_days_ten" {
  command = plan

  variables {
    flow_log_retention_days = 10
  }

  expect_failures = [var.flow_log_retention_days]
}

run "flow_log_retention_days_zero" {
  command = plan

  variables {
    flow_log_retention_days = 0
  }

  expect_failures = [var.flow_log_retention_days]
}
