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

# aws-behaviour: 36
run "refused_1" {
  command = plan

  variables {
    # capital
    project_name = "Berthcare"
    # capital
    environment = "Staging"
    # empty
    owner = ""
    # outside canada
    aws_region = "us-east-1"
    # empty
    bucket_suffix = ""
    # sixteen
    db_engine_version = "16"
  }

  expect_failures = [var.project_name, var.environment, var.owner, var.aws_region, var.bucket_suffix, var.db_engine_version]
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
    aws_region = "ca-west-1a"
  }

  expect_failures = [var.project_name, var.environment, var.owner, var.aws_region]
}

run "refused_3" {
  command = plan

  variables {
    # same
    primary_region = "ca-west-1"
    mode           = "full"
    # neither
    recovery = {}
  }

  expect_failures = [var.primary_region, var.recovery]
}

# aws-behaviour: 8
run "refused_4" {
  command = plan

  variables {
    mode = "full"
    # both
    recovery = { snapshot_identifier = "copy-1", automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abc" }
  }

  expect_failures = [var.recovery]
}

# aws-behaviour: 5
run "refused_5" {
  command = plan

  variables {
    mode = "full"
    # backup of the primary region
    recovery = { automated_backup_arn = "arn:aws:rds:ca-central-1:111122223333:auto-backup:ab-abc" }
  }

  expect_failures = [var.recovery]
}

run "refused_6" {
  command = plan

  variables {
    mode = "full"
    # snapshot of the primary region
    recovery = { snapshot_identifier = "arn:aws:rds:ca-central-1:111122223333:snapshot:copy-1" }
  }

  expect_failures = [var.recovery]
}

run "refused_7" {
  command = plan

  variables {
    # blank reason
    residency_exception = { reason = " ", approved_by = "x", expires = "2099-12-31" }
  }

  expect_failures = [var.residency_exception]
}

run "refused_8" {
  command = plan

  variables {
    # nobody approved
    residency_exception = { reason = "x", approved_by = "", expires = "2099-12-31" }
  }

  expect_failures = [var.residency_exception]
}

run "refused_9" {
  command = plan

  variables {
    # expired
    residency_exception = { reason = "x", approved_by = "x", expires = "2020-12-31" }
  }

  plan_options {
    target = [terraform_data.environment]
  }

  expect_failures = [terraform_data.environment]
}

run "refused_10" {
  command = plan

  variables {
    # unknown
    mode = "warm"
  }

  expect_failures = [var.mode]
}

# aws-behaviour: 8
run "refused_11" {
  command = plan

  variables {
    # full without recovery
    mode = "full"
  }

  expect_failures = [var.mode]
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
    # blank
    cdn_public_read = { photos = " " }
  }

  expect_failures = [var.cdn_public_read]
}

run "refused_14" {
  command = plan

  variables {
    # unknown
    cdn_public_read = { logs = "Logs of a demonstration" }
  }

  expect_failures = [var.cdn_public_read]
}

run "refused_15" {
  command = plan

  variables {
    # would wait for the next pilot light
    mode            = "full"
    recovery        = { snapshot_identifier = "copy-1" }
    retire_database = "berthcare-staging-postgres-dr"
  }

  expect_failures = [var.retire_database]
}

run "refused_16" {
  command = plan

  variables {
    # of another environment
    mode              = "full"
    restored_database = "berthcare-staging-postgres"
  }

  # Without the import, which would fail by itself.
  plan_options {
    target = [terraform_data.environment]
  }

  expect_failures = [var.restored_database]
}

run "refused_17" {
  command = plan

  variables {
    # would be taken over and destroyed
    restored_database = "berthcare-staging-postgres-dr"
  }

  plan_options {
    target = [terraform_data.environment]
  }

  expect_failures = [var.mode]
}

run "refused_18" {
  command = plan

  variables {
    # from what?
    mode              = "full"
    restored_database = "berthcare-staging-postgres-dr"
    recovery          = { snapshot_identifier = "copy-1" }
  }

  expect_failures = [var.mode]
}

run "refused_19" {
  command = plan

  variables {
    # the stack's own
    tags = { Role = "primary" }
  }

  expect_failures = [var.tags]
}

run "refused_20" {
  command = plan

  variables {
    # not a zone
    dns = { zone_id = "berthcare.ca", name = "api.staging.berthcare.ca" }
  }

  expect_failures = [var.dns]
}

run "refused_21" {
  command = plan

  variables {
    # without a certificate, and without a zone to make one in
    application = { image = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
    cdn_domain  = { aliases = ["files.staging.berthcare.ca"] }
  }

  expect_failures = [var.application, var.cdn_domain]
}

run "refused_22" {
  command = plan

  variables {
    # blank
    despite_residency = " "
    # of another region
    availability_zones = ["ca-central-1a", "ca-central-1b"]
  }

  expect_failures = [var.despite_residency, var.availability_zones]
}

run "refused_23" {
  command = plan

  variables {
    # twice
    availability_zones = ["ca-west-1a", "ca-west-1a"]
    # berthcare-platform-staging-dr-app has 33
    project_name = "berthcare-platform"
    application  = { image = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  expect_failures = [var.availability_zones, var.application]
}

run "refused_24" {
  command = plan

  variables {
    # no date
    residency_exception = { reason = "x", approved_by = "x", expires = "soon" }
  }

  expect_failures = [var.residency_exception]
}

# The next failover would find it, as old as it is by then.
run "refused_in_the_pilot_light" {
  command = plan

  variables {
    recovery = { snapshot_identifier = "copy-1" }
  }

  expect_failures = [var.mode]
}
