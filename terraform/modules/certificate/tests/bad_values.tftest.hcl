# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

run "refused_1" {
  command = plan

  variables {
    # no name
    domain_name = "berthcare"
    # space
    alternative_names = ["a b.ca"]
    # a name
    zone_id = "berthcare.ca"
    # zone
    region = "us-east-1a"
    # days
    timeouts = { create = "1d" }
  }

  expect_failures = [var.domain_name, var.alternative_names, var.zone_id, var.region, var.timeouts]
}
