# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

mock_provider "random" {}

variables {
  alarm_email      = "ops@berthcare.ca"
  cdn_signing_keys = { "2026" = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n" }
}

run "refused_1" {
  command = plan

  variables {
    # capital
    project_name = "Berthcare"
    # capital
    environment = "Staging"
    # empty
    owner = ""
    # us
    aws_region = "us-east-1"
    # aws prefix
    tags = { "aws:x" = "y" }
    # none
    nat_gateways = "none"
    # sixteen
    db_engine_version = "16"
    # unknown
    thresholds = { rds_cpu = 70 }
  }

  expect_failures = [var.project_name, var.environment, var.owner, var.aws_region, var.tags, var.nat_gateways, var.db_engine_version, var.thresholds]
}

run "refused_2" {
  command = plan

  variables {
    # too long
    project_name = "aaaaaaaaaaaaaaaaaaaaa"
    # too long
    environment = "aaaaaaaaaaaaaaaa"
    # line
    owner = "a\nb"
    # zone
    aws_region = "ca-central-1a"
    # own
    tags = { project = "other" }
    # patch
    db_engine_version = "15.5.1"
  }

  expect_failures = [var.project_name, var.environment, var.owner, var.aws_region, var.tags, var.db_engine_version]
}

run "refused_3" {
  command = plan

  variables {
    # character
    tags = { x = "a;b" }
    # same region
    dr = { region = "ca-central-1", kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:ca-central-1:111122223333:berthcare-staging-dr-alerts" }
  }

  expect_failures = [var.tags, var.dr]
}

# aws-behaviour: 36
run "refused_4" {
  command = plan

  variables {
    # outside canada
    dr = { region = "us-east-1", kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts" }
  }

  expect_failures = [var.dr]
}

run "refused_5" {
  command = plan

  variables {
    # blank reason
    dr = { region = "us-east-1", kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts", residency_exception = { reason = " ", approved_by = "x", expires = "2099-12-31" } }
  }

  expect_failures = [var.dr]
}

run "refused_6" {
  command = plan

  variables {
    # nobody approved
    dr = { region = "us-east-1", kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts", residency_exception = { reason = "x", approved_by = "", expires = "2099-12-31" } }
  }

  expect_failures = [var.dr]
}

run "refused_7" {
  command = plan

  variables {
    # expired
    dr = { region = "us-east-1", kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts", residency_exception = { reason = "x", approved_by = "x", expires = "2020-12-31" } }
  }

  plan_options {
    target = [terraform_data.environment]
  }

  expect_failures = [terraform_data.environment]
}

run "refused_8" {
  command = plan

  variables {
    # no date
    dr = { region = "us-east-1", kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts", residency_exception = { reason = "x", approved_by = "x", expires = "soon" } }
  }

  expect_failures = [var.dr]
}

# aws-behaviour: 28
run "refused_9" {
  command = plan

  variables {
    # key elsewhere
    dr = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts" }
  }

  expect_failures = [var.dr]
}

run "refused_10" {
  command = plan

  variables {
    # key alias
    dr = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:alias/x", alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts" }
  }

  expect_failures = [var.dr]
}

run "refused_11" {
  command = plan

  variables {
    # topic elsewhere
    dr = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts" }
  }

  expect_failures = [var.dr]
}

run "refused_without_a_copy" {
  command = plan

  variables {
    # no backup is replicated, no snapshot copied, and nobody named who does
    dr = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts", replicate_automated_backups = false }
  }

  expect_failures = [var.dr]
}

run "refused_without_a_copy_by_a_word" {
  command = plan

  variables {
    # nobody
    dr = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts", replicate_automated_backups = false, copied_by = "us" }
  }

  expect_failures = [var.dr]
}

run "refused_12" {
  command = plan

  variables {
    # none
    cdn_signing_keys = {}
  }

  expect_failures = [var.cdn_signing_keys]
}

run "refused_13" {
  command = plan

  variables {
    # one kind still needs one
    cdn_signing_keys = {}
    cdn_public_read  = { photos = "Pictures of a demonstration", documents = "Papers of a demonstration" }
  }

  expect_failures = [var.cdn_signing_keys]
}

run "refused_14" {
  command = plan

  variables {
    # blank
    cdn_public_read = { photos = " " }
  }

  expect_failures = [var.cdn_public_read]
}

run "refused_15" {
  command = plan

  variables {
    # unknown
    cdn_public_read = { logs = "Logs of a demonstration" }
  }

  expect_failures = [var.cdn_public_read]
}

run "refused_16" {
  command = plan

  variables {
    # neither
    no_audit_trail_reason = " "
  }

  expect_failures = [var.no_audit_trail_reason]
}

run "refused_17" {
  command = plan

  variables {
    # DR's
    restored_database = "berthcare-staging-postgres-dr"
  }

  expect_failures = [var.restored_database]
}

run "refused_18" {
  command = plan

  variables {
    # each is short enough, both are not
    project_name = "abcdefghijklmnopqrst"
    environment  = "abcdefghijk"
  }

  expect_failures = [terraform_data.environment]
}

run "refused_zone" {
  command = plan

  variables {
    # not a zone
    dns = { zone_id = "berthcare.ca", name = "api.staging.berthcare.ca" }
  }

  expect_failures = [var.dns]
}

run "refused_without_certificate" {
  command = plan

  variables {
    # without a certificate, and without a zone to make one in
    application = { image = "111122223333.dkr.ecr.ca-central-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
    cdn_domain  = { aliases = ["files.staging.berthcare.ca"] }
  }

  expect_failures = [var.application, var.cdn_domain]
}

run "refused_copies_in_place" {
  command = plan

  variables {
    # the buckets themselves
    bucket_suffix = "111122223333"
    dr            = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts", bucket_suffix = "111122223333" }
  }

  expect_failures = [var.dr]
}

run "refused_copies_without_a_suffix" {
  command = plan

  variables {
    # not a suffix, and not that of the buckets here
    bucket_suffix = "111122223333"
    dr            = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts", bucket_suffix = "" }
  }

  expect_failures = [var.dr]
}

run "refused_22" {
  command = plan

  variables {
    # topic of another environment
    dr = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-qa-dr-alerts" }
  }

  expect_failures = [var.dr]
}

run "refused_23" {
  command = plan

  variables {
    # of another region
    availability_zones = ["us-east-1a", "us-east-1b"]
    # blank
    despite_residency = " "
    # berthcare-platform-staging-dr-app has 33
    project_name = "berthcare-platform"
    application  = { image = "111122223333.dkr.ecr.ca-central-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-central-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.availability_zones, var.despite_residency, var.application]
}

run "refused_24" {
  command = plan

  variables {
    # no region
    dr = { region = "mars", kms_key_arn = "arn:aws:kms:mars:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", alarm_topic_arn = "arn:aws:sns:mars:111122223333:berthcare-staging-dr-alerts", residency_exception = { reason = "x", approved_by = "x", expires = "2099-12-31" } }
  }

  expect_failures = [var.dr]
}
