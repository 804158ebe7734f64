# Values that AWS or the stack would refuse, each refused by the validation of its variable.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name = "berthcare-staging"
  origins = {
    photos     = "berthcare-photos-staging.s3.ca-central-1.amazonaws.com"
    documents  = "berthcare-documents-staging.s3.ca-central-1.amazonaws.com"
    signatures = "berthcare-signatures-staging.s3.ca-central-1.amazonaws.com"
  }
  log_bucket_arn = "arn:aws:s3:::berthcare-logs-staging"
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

run "origins_none" {
  command = plan

  variables {
    origins = {}
  }

  expect_failures = [var.origins]
}

run "origins_capital" {
  command = plan

  variables {
    origins = { Photos = "x.s3.amazonaws.com", photos = "y.s3.amazonaws.com" }
  }

  expect_failures = [var.origins]
}

run "default_origin_unknown" {
  command = plan

  variables {
    default_origin = "videos"
  }

  expect_failures = [var.default_origin]
}

run "log_bucket_arn_name" {
  command = plan

  variables {
    log_bucket_arn = "berthcare-logs-staging"
  }

  expect_failures = [var.log_bucket_arn]
}

run "countries_none" {
  command = plan

  variables {
    countries = []
  }

  expect_failures = [var.countries]
}

run "countries_name" {
  command = plan

  variables {
    countries = ["Canada"]
  }

  expect_failures = [var.countries]
}

run "countries_lower_case" {
  command = plan

  variables {
    countries = ["ca"]
  }

  expect_failures = [var.countries]
}

run "price_class_number" {
  command = plan

  variables {
    price_class = "100"
  }

  expect_failures = [var.price_class]
}

run "domain_other_region" {
  command = plan

  variables {
    domain = { aliases = ["files.berthcare.ca"], certificate_arn = "arn:aws:acm:ca-central-1:111122223333:certificate/1234abcd" }
  }

  expect_failures = [var.domain]
}

run "domain_no_alias" {
  command = plan

  variables {
    domain = { aliases = [], certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd" }
  }

  expect_failures = [var.domain]
}

run "domain_url" {
  command = plan

  variables {
    domain = { aliases = ["https://files.berthcare.ca"], certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd" }
  }

  expect_failures = [var.domain]
}

run "signing_keys_private" {
  command = plan

  variables {
    signing_keys = { key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }
  }

  expect_failures = [var.signing_keys]
}

run "web_acl_arn_regional" {
  command = plan

  variables {
    web_acl_arn = "arn:aws:wafv2:ca-central-1:111122223333:regional/webacl/x/1234abcd"
  }

  expect_failures = [var.web_acl_arn]
}
