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
  log_bucket_arn       = "arn:aws:s3:::berthcare-logs-staging"
  log_bucket_policy_id = "berthcare-logs-staging"
  signing_keys         = { "2026" = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n" }
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
    # regional
    web_acl_arn = "arn:aws:wafv2:ca-central-1:111122223333:regional/webacl/x/1234abcd"
  }

  expect_failures = [var.name, var.origins, var.log_bucket_arn, var.countries, var.price_class, var.domain, var.web_acl_arn]
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
    # private
    signing_keys = { key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n" }
  }

  expect_failures = [var.name, var.signing_keys]
}

run "refused_5" {
  command = plan

  variables {
    # none, and nothing is public
    signing_keys = {}
  }

  expect_failures = [var.signing_keys]
}

run "refused_6" {
  command = plan

  variables {
    # none, and one kind needs some
    signing_keys = {}
    public_read  = { photos = "Pictures of a demonstration", documents = "Papers of a demonstration" }
  }

  expect_failures = [var.signing_keys]
}

run "refused_7" {
  command = plan

  variables {
    # blank
    public_read = { photos = "   " }
  }

  expect_failures = [var.public_read]
}

run "refused_8" {
  command = plan

  variables {
    # no origin
    public_read = { videos = "Films of a demonstration" }
  }

  expect_failures = [var.public_read]
}

run "refused_9" {
  command = plan

  variables {
    # no sentence
    public_read = { photos = "yes" }
  }

  expect_failures = [var.public_read]
}

run "refused_copies" {
  command = plan

  variables {
    # no such kind
    dr_origins = { logs = "berthcare-logs-staging-dr.s3.ca-west-1.amazonaws.com" }
  }

  expect_failures = [var.dr_origins]
}

run "refused_copy_of_itself" {
  command = plan

  variables {
    # the bucket itself
    dr_origins = { photos = "berthcare-photos-staging.s3.ca-central-1.amazonaws.com" }
  }

  expect_failures = [var.dr_origins]
}

run "refused_delivery_before_the_policy" {
  command = plan

  variables {
    # nothing to wait for
    log_bucket_policy_id = ""
  }

  expect_failures = [aws_cloudwatch_log_delivery.this]
}
