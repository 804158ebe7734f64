mock_provider "aws" {
  source = "../../testing/mocks"
}

mock_provider "random" {}

variables {
  alarm_email      = "ops@berthcare.ca"
  cdn_signing_keys = { "2026" = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n" }
}

run "defaults" {
  command = plan

  assert {
    condition     = local.tags == { Project = "berthcare", Environment = "staging", ManagedBy = "terraform", Owner = "platform" }
    error_message = "the tags of everything"
  }
  assert {
    condition     = output.db_identifier == "berthcare-staging-postgres" && output.db_name == "berthcare" && output.db_master_username == "berthcare_admin" && output.db_username == "berthcare_app" && output.redis_replication_group_id == "berthcare-staging-redis" && output.redis_port == 6379
    error_message = "the names of the guide"
  }
  assert {
    condition     = [output.s3_bucket_photos, output.s3_bucket_documents, output.s3_bucket_signatures, output.s3_bucket_logs] == ["berthcare-photos-staging", "berthcare-documents-staging", "berthcare-signatures-staging", "berthcare-logs-staging"]
    error_message = "the buckets of the guide"
  }
  assert {
    condition     = output.cloudwatch_dashboard_name == "berthcare-staging" && length(output.cloudwatch_alarm_names) == 12
    error_message = "dashboard and alarms"
  }
  assert {
    condition     = length(module.trail) == 0 && output.audit_trail_arn == null && strcontains(output.no_audit_trail_reason, "account-cloudtrail")
    error_message = "no trail unless asked for, and the plan says why"
  }
  assert {
    condition     = length(module.dr) == 0 && length(module.off_hours) == 0 && length(output.s3_replication_rule_ids) == 0
    error_message = "no DR region and no off-hours unless asked for"
  }
  assert {
    condition     = length(module.application) == 0 && length(module.registry) == 0 && length(module.certificate) == 0 && length(module.cdn_certificate) == 0
    error_message = "and no application"
  }
  assert {
    condition     = local.application_secrets == [module.database.application_secret_name, module.cache.credentials_secret_name]
    error_message = "the tasks read the application's secrets, by the names that the modules give them"
  }
  assert {
    condition     = length(output.cloudfront_public_read) == 0
    error_message = "nobody reads without a signature"
  }
  assert {
    condition     = length(output.private_subnet_ids) == 2 && length(output.public_subnet_ids) == 2 && length(output.nat_gateway_ids) == 2
    error_message = "two zones"
  }
  assert {
    condition     = local.snapshot_silence_hours == 26
    error_message = "a day and two hours without a snapshot are an alarm"
  }
}

run "stopped_for_good" {
  command = plan

  variables {
    off_hours = { start = "never" }
  }

  assert {
    condition     = local.snapshot_silence_hours == 0
    error_message = "nobody waits for its snapshots"
  }
  assert {
    condition     = module.off_hours[0].keeper_name == "berthcare-staging-keep-stopped"
    error_message = "and it is stopped again when AWS starts it"
  }
}

run "public_by_a_written_reason" {
  command = plan

  variables {
    cdn_public_read = { documents = "Leaflets for everybody; no health records in this bucket" }
  }

  assert {
    condition     = output.cloudfront_public_read == tomap({ documents = "Leaflets for everybody; no health records in this bucket" })
    error_message = "the plan shows what is public, and why"
  }
}

run "with_a_trail" {
  command = plan

  variables {
    audit_trail           = { data_events = true, lock_mode = "COMPLIANCE" }
    no_audit_trail_reason = ""
  }

  assert {
    condition     = length(module.trail) == 1 && module.trail[0].bucket_name == "berthcare-staging-trail" && output.no_audit_trail_reason == null
    error_message = "a trail, and no excuse"
  }
}

run "with_dr" {
  command = plan

  variables {
    dr = {
      region          = "ca-west-1"
      kms_key_arn     = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
      alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts"
    }
    off_hours = {}
    tags      = { DataClass = "personal health information" }
  }

  assert {
    condition     = length(module.dr) == 1 && length(module.off_hours) == 1 && output.s3_replication_rule_ids == { photos = "photos-to-dr", documents = "documents-to-dr", signatures = "signatures-to-dr" }
    error_message = "backups and objects are replicated, and the database sleeps at night"
  }
  assert {
    condition     = local.dr_bucket_names == { photos = "berthcare-photos-staging-dr", documents = "berthcare-documents-staging-dr", signatures = "berthcare-signatures-staging-dr" }
    error_message = "into the copies of this environment's buckets"
  }
  assert {
    condition     = local.replica == { region = "ca-west-1", kms_key_arn = var.dr.kms_key_arn } && local.tags["DataClass"] == "personal health information"
    error_message = "secrets are copied"
  }
  assert {
    condition     = local.snapshot_silence_hours == 122
    error_message = "from Friday to Tuesday there are no snapshots"
  }
}

run "with_a_copier" {
  command = plan

  variables {
    dr = {
      region              = "ca-west-1"
      kms_key_arn         = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
      alarm_topic_arn     = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts"
      snapshot_copier_zip = "../../modules/dr/tests/bootstrap.zip"
    }
  }

  assert {
    condition     = contains(output.cloudwatch_alarm_names, "berthcare-staging-backup-age-berthcare-staging-postgres")
    error_message = "what the copier publishes is watched"
  }
  assert {
    condition     = var.dr.keep_last == 7 && var.dr.keep_days == 7
    error_message = "copies are kept as long as infra.toml says by default"
  }
}

# aws-behaviour: 51
run "dr_without_replicated_backups" {
  command = plan

  variables {
    dr = {
      region                      = "ca-west-1"
      kms_key_arn                 = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
      alarm_topic_arn             = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts"
      replicate_automated_backups = false
      snapshot_copier_zip         = "../../modules/dr/tests/bootstrap.zip"
    }
  }

  assert {
    condition     = output.dr_automated_backup_arn == null && contains(output.cloudwatch_alarm_names, "berthcare-staging-backup-age-berthcare-staging-postgres")
    error_message = "the copier goes on alone, and is watched"
  }
}

# aws-behaviour: 51
run "dr_copied_by_somebody_else" {
  command = plan

  variables {
    dr = {
      region                      = "ca-west-1"
      kms_key_arn                 = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
      alarm_topic_arn             = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts"
      replicate_automated_backups = false
      copied_by                   = "AWS Backup copies every night"
    }
  }

  assert {
    condition     = length(module.dr) == 1 && output.dr_automated_backup_arn == null
    error_message = "said in writing"
  }
}

# aws-behaviour: 36
run "dr_outside_canada_by_exception" {
  command = plan

  variables {
    dr = {
      region              = "us-east-1"
      kms_key_arn         = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
      alarm_topic_arn     = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts"
      residency_exception = { reason = "The move to ca-west-1 is planned", approved_by = "Privacy Officer", expires = "2099-12-31" }
    }
  }

  assert {
    condition     = length(module.dr) == 1
    error_message = "allowed in writing"
  }
}

run "dr_after_the_exception_has_run_out_for_a_reason" {
  command = plan

  variables {
    dr = {
      region              = "us-east-1"
      kms_key_arn         = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
      alarm_topic_arn     = "arn:aws:sns:us-east-1:111122223333:berthcare-staging-dr-alerts"
      residency_exception = { reason = "The move to ca-west-1 is planned", approved_by = "Privacy Officer", expires = "2020-12-31" }
    }
    despite_residency = "the failback brings the data home"
  }

  assert {
    condition     = length(module.dr) == 1
    error_message = "and the plan shows the date"
  }

  expect_failures = [check.residency_exception]
}

run "application" {
  command = plan

  variables {
    image_repositories = ["berthcare/api"]
    application        = { image = "111122223333.dkr.ecr.ca-central-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-central-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  assert {
    condition     = output.ecs_service_name == "berthcare-staging-app" && output.application_url == null && length(module.registry) == 1
    error_message = "a service, under the load balancer's own name"
  }
  assert {
    condition     = keys(local.application_credentials) == ["DATABASE_CREDENTIALS", "REDIS_CREDENTIALS"] && local.application_environment["S3_BUCKET_PHOTOS"] == "berthcare-photos-staging" && local.application_environment["PORT"] == "3000"
    error_message = "what it needs to know, and no secret among it"
  }
}

run "inputs_of_modules" {
  command = plan

  variables {
    module_inputs = { cdn = { price_class = "PriceClass_All" }, database = { max_connections = 300 } }
  }

  assert {
    condition     = output.cloudfront_edge_locations == "everywhere" && module.database.max_connections == 300
    error_message = "what has no variable of its own is handed on"
  }
}

run "inputs_left_out" {
  command = plan

  assert {
    condition     = output.cloudfront_edge_locations == "United States, Canada, Europe, Israel" && module.database.max_connections == 400
    error_message = "and is the module's own where nobody says anything"
  }
}

run "what_infra_toml_takes" {
  command = plan

  override_module {
    target  = module.security
    outputs = { kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", rds_security_group_id = "sg-rds", alb_security_group_id = "sg-alb", ecs_tasks_security_group_id = "sg-tasks", redis_security_group_id = "sg-redis", ecs_task_role_arn = "arn:aws:iam::111122223333:role/t", ecs_task_execution_role_arn = "arn:aws:iam::111122223333:role/e", kms_key_alias = "alias/x" }
  }

  assert {
    condition     = [for line in split("\n", output.infra_toml) : line if can(regex("^(id|kms|subnet_group|parameter_group|security_groups) = ", line))] == ["id = \"berthcare-staging-postgres\"", "kms = \"arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\"", "subnet_group = \"berthcare-staging-postgres\"", "parameter_group = \"berthcare-staging-postgres-pg15\"", "security_groups = [\"sg-rds\"]"]
    error_message = "what the way back needs, in the words of infra.toml"
  }
}
