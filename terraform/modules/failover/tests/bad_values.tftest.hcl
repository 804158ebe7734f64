# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  project_name  = "berthcare"
  environment   = "staging"
  bucket_suffix = "dr"
}

run "refused_1" {
  command = plan

  variables {
    # capital
    environment = "Staging"
    # hyphen
    bucket_suffix = "-dr"
    # two
    health_check_regions = ["us-west-1", "us-west-2"]
    # everybody
    health_checker_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.environment, var.bucket_suffix, var.health_check_regions, var.health_checker_cidrs]
}

run "refused_2" {
  command = plan

  variables {
    # too long
    project_name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # no checkers there
    health_check_regions = ["us-west-1", "us-west-2", "ca-central-1"]
    # none
    health_checker_cidrs = []
  }

  expect_failures = [var.project_name, var.health_check_regions, var.health_checker_cidrs]
}
