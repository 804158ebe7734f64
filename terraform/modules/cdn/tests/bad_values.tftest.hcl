# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

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

run "refused_1" {
  command = plan

  variables {
    # empty
    name = ""
    # none
    origins = {}
    # name
    log_bucket_arn = "berthcare-logs-staging"
    # none
    countries = []
    # number
    price_class = "100"
    # other region
    domain = { aliases = ["files.berthcare.ca"], certificate_arn = "arn:aws:acm:ca-central-1:111122223333:certificate/1234abcd" }
    # private
    signing_keys = { key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }
    # regional
    web_acl_arn = "arn:aws:wafv2:ca-central-1:111122223333:regional/webacl/x/1234abcd"
  }

  expect_failures = [var.name, var.origins, var.log_bucket_arn, var.countries, var.price_class, var.domain, var.signing_keys, var.web_acl_arn]
}

run "refused_2" {
  command = plan

  variables {
    # capital
    name = "Berthcare"
    # capital
    origins = { Photos = "x.s3.amazonaws.com", photos = "y.s3.amazonaws.com" }
    # name
    countries = ["Canada"]
    # no alias
    domain = { aliases = [], certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd" }
  }

  expect_failures = [var.name, var.origins, var.countries, var.domain]
}

run "refused_3" {
  command = plan

  variables {
    # two hyphens
    name = "berth--care"
    # unknown
    default_origin = "videos"
    # lower case
    countries = ["ca"]
    # url
    domain = { aliases = ["https://files.berthcare.ca"], certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd" }
  }

  expect_failures = [var.name, var.default_origin, var.countries, var.domain]
}

run "refused_4" {
  command = plan

  variables {
    # too long
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}
