# A state belongs to the environment whose first apply made it.

mock_provider "aws" {
  source = "../../testing/mocks"
}

mock_provider "random" {}

variables {
  alarm_email      = "ops@berthcare.ca"
  cdn_signing_keys = { "2026" = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n" }
}

run "first_apply" {
  plan_options {
    target = [terraform_data.environment]
  }

  assert {
    condition     = terraform_data.environment.output == "berthcare-staging in ca-central-1"
    error_message = "whose it is"
  }
}

run "of_another_environment" {
  command = plan

  variables {
    environment = "qa"
  }

  plan_options {
    target = [terraform_data.environment]
  }

  expect_failures = [terraform_data.environment]
}

run "of_this_environment" {
  command = plan

  plan_options {
    target = [terraform_data.environment]
  }

  assert {
    condition     = terraform_data.environment.output == "berthcare-staging in ca-central-1"
    error_message = "unchanged"
  }
}
