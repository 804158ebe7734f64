mock_provider "aws" {
  source = "../../testing/mocks"
}

mock_provider "random" {}

variables {
  alarm_email      = "ops@berthcare.ca"
  cdn_signing_keys = { "2026" = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n" }
}

run "pilot_light" {
  command = plan

  assert {
    condition     = output.db_identifier == null && output.redis_replication_group_id == null && length(output.nat_gateway_ids) == 0 && length(output.nat_addresses) == 0
    error_message = "nothing that costs by the hour"
  }
  assert {
    condition     = output.db_subnet_group_name == "berthcare-staging-postgres-dr" && output.db_parameter_group_name == "berthcare-staging-postgres-dr-pg15"
    error_message = "what a restore names is there before the outage"
  }
  assert {
    condition     = output.bucket_names == { photos = "berthcare-photos-staging-dr", documents = "berthcare-documents-staging-dr", signatures = "berthcare-signatures-staging-dr" }
    error_message = "the targets of replication are there"
  }
  assert {
    condition     = output.db_endpoint == null && output.mode == "pilot-light"
    error_message = "and no database"
  }
  assert {
    condition     = length(module.application) == 0 && length(module.registry) == 0 && length(module.certificate) == 0 && output.failover_health_check_id == null
    error_message = "no application unless asked for, and nothing of Route 53 without a zone"
  }
}

# aws-behaviour: 3
run "nothing_has_a_name_of_the_primary" {
  command = plan

  assert {
    condition     = local.name == "berthcare-staging-dr" && local.db_identifier == "berthcare-staging-postgres-dr" && var.vpc_cidr == "10.1.0.0/16" && local.tags == { Project = "berthcare", Environment = "staging", ManagedBy = "terraform", Owner = "platform", Role = "dr" }
    error_message = "roles, secrets and distributions of the two stacks are apart"
  }
}

# aws-behaviour: 8
run "full" {
  command = plan

  variables {
    mode     = "full"
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
  }

  assert {
    condition     = output.redis_replication_group_id == "berthcare-staging-dr-redis" && length(output.nat_gateway_ids) == 2
    error_message = "one database, made from the recovery point"
  }
  assert {
    condition     = output.db_identifier == "berthcare-staging-postgres-dr" && length(output.cloudwatch_alarm_names) == 12
    error_message = "watched like the primary"
  }
  assert {
    condition     = local.application_secrets == [module.database.application_secret_name, module.cache.credentials_secret_name] && output.db_master_username == "berthcare_admin" && output.db_username == "berthcare_app"
    error_message = "the tasks read the application's secrets of this region"
  }
  assert {
    condition     = try(length(output.cloudfront_public_read), -1) == 0
    error_message = "nobody reads without a signature"
  }
}

run "full_from_a_snapshot" {
  command = plan

  variables {
    mode     = "full"
    recovery = { snapshot_identifier = "berthcare-staging-postgres-2026-11-22-07-10" }
  }

  assert {
    condition     = output.db_identifier == "berthcare-staging-postgres-dr"
    error_message = "one database"
  }
}

run "full_with_addresses_and_tags" {
  command = plan

  variables {
    mode                  = "full"
    recovery              = { snapshot_identifier = "copy-1" }
    run                   = "2026-q4"
    tags                  = { DataClass = "personal health information" }
    reserve_nat_addresses = true
  }

  assert {
    condition     = output.db_identifier == "berthcare-staging-postgres-dr" && length(output.nat_addresses) == 2 && local.tags["DataClass"] == "personal health information"
    error_message = "tags of its own, and the addresses that partners know"
  }
}

# What a forgotten file, another machine or a stale checkout would do to an environment that is in use.
run "plain_plan_while_the_database_is_there" {
  command = plan

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = ["berthcare-staging-postgres-dr"] }
  }

  expect_failures = [terraform_data.environment]
}

run "pilot_light_while_another_database_is_given_up" {
  command = plan

  variables {
    retire_database = "berthcare-staging-postgres"
  }

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = ["berthcare-staging-postgres-dr"] }
  }

  expect_failures = [terraform_data.environment]
}

run "pilot_light_after_giving_up_the_database" {
  command = plan

  variables {
    retire_database = "berthcare-staging-postgres-dr"
  }

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = ["berthcare-staging-postgres-dr"] }
  }

  assert {
    condition     = output.db_identifier == null
    error_message = "back to the pilot light, by a name that somebody wrote"
  }
}

# Traffic is here: no leave to remove a database is leave for that.
run "pilot_light_while_the_marker_is_there" {
  command = plan

  variables {
    retire_database = "berthcare-staging-postgres-dr"
  }

  override_module {
    target  = module.failover
    outputs = { failed_over = true, bucket_name = "berthcare-failover-staging-dr", marker = "failed-over", health_check_id = null }
  }

  expect_failures = [terraform_data.environment]
}

run "full_while_the_marker_is_there" {
  command = plan

  variables {
    mode     = "full"
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
  }

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = ["berthcare-staging-postgres-dr"] }
  }

  override_module {
    target  = module.failover
    outputs = { failed_over = true, bucket_name = "berthcare-failover-staging-dr", marker = "failed-over", health_check_id = null }
  }

  assert {
    condition     = module.failover.failed_over && output.failover_bucket == "berthcare-failover-staging-dr" && output.failover_marker == "failed-over" && output.failover_health_check_id == null
    error_message = "what a failed-over environment is"
  }
}

# What was written since is not in the point that it would be made from again.
run "full_while_the_marker_is_there_and_the_database_is_gone" {
  command = plan

  variables {
    mode     = "full"
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
  }

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = [] }
  }

  override_module {
    target  = module.failover
    outputs = { failed_over = true, bucket_name = "berthcare-failover-staging-dr", marker = "failed-over", health_check_id = null }
  }

  expect_failures = [terraform_data.environment]
}

run "application" {
  command = plan

  variables {
    mode               = "full"
    recovery           = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
    dns                = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca" }
    image_repositories = ["berthcare/api"]
    application        = { image = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  assert {
    condition     = output.ecs_cluster_name == "berthcare-staging-dr" && output.ecs_service_name == null && output.application_url == "https://api.staging.berthcare.ca"
    error_message = "no task runs before somebody says that its secrets have values"
  }
  assert {
    condition     = keys(local.application_credentials) == ["DATABASE_CREDENTIALS", "REDIS_CREDENTIALS"] && local.application_environment["S3_BUCKET_PHOTOS"] == "berthcare-photos-staging-dr"
    error_message = "this region's buckets and secrets, under the names of the primary's"
  }

  expect_failures = [check.application_starts]
}

# Traffic would come to a load balancer without tasks.
run "application_stopped_while_the_marker_is_there" {
  command = plan

  variables {
    mode        = "full"
    recovery    = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
    application = { image = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = ["berthcare-staging-postgres-dr"] }
  }

  override_module {
    target  = module.failover
    outputs = { failed_over = true, bucket_name = "berthcare-failover-staging-dr", marker = "failed-over", health_check_id = null }
  }

  expect_failures = [terraform_data.environment, check.application_starts]
}

run "application_started_while_the_marker_is_there" {
  command = plan

  variables {
    mode              = "full"
    start_application = true
    recovery          = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
    application       = { image = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = ["berthcare-staging-postgres-dr"] }
  }

  override_module {
    target  = module.failover
    outputs = { failed_over = true, bucket_name = "berthcare-failover-staging-dr", marker = "failed-over", health_check_id = null }
  }

  assert {
    condition     = output.ecs_service_name == "berthcare-staging-dr-app"
    error_message = "what a failed-over environment is"
  }
}

run "application_started" {
  command = plan

  variables {
    mode              = "full"
    start_application = true
    recovery          = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
    application       = { image = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  assert {
    condition     = output.ecs_service_name == "berthcare-staging-dr-app" && length(module.certificate) == 0 && length(module.registry) == 0
    error_message = "tasks"
  }
}

run "application_asked_for_in_the_pilot_light" {
  command = plan

  variables {
    start_application = true
    application       = { image = "111122223333.dkr.ecr.ca-west-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", certificate_arn = "arn:aws:acm:ca-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  assert {
    condition     = output.ecs_service_name == null && output.ecs_cluster_name == "berthcare-staging-dr"
    error_message = "there is no database to start for"
  }
}

run "full_while_the_database_is_there" {
  command = plan

  variables {
    mode     = "full"
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
  }

  override_data {
    target = data.aws_db_instances.here
    values = { instance_identifiers = ["berthcare-staging-postgres-dr"] }
  }

  assert {
    condition     = output.db_identifier == "berthcare-staging-postgres-dr"
    error_message = "as it is"
  }
}

# aws-behaviour: 36
run "outside_canada_by_exception" {
  command = plan

  variables {
    aws_region          = "us-east-1"
    residency_exception = { reason = "The move to ca-west-1 is planned", approved_by = "Privacy Officer", expires = "2099-12-31" }
  }

  assert {
    condition     = output.residency_exception.reason == "The move to ca-west-1 is planned" && local.tags["ResidencyException"] == "until 2099-12-31"
    error_message = "allowed in writing, and every resource says so"
  }
}

# An outage does not wait for a signature; who looks at the plan sees the date.
run "full_after_the_exception_has_run_out" {
  command = plan

  variables {
    mode                = "full"
    recovery            = { automated_backup_arn = "arn:aws:rds:us-east-1:111122223333:auto-backup:ab-abcdefgh" }
    aws_region          = "us-east-1"
    residency_exception = { reason = "The move to ca-west-1 is planned", approved_by = "Privacy Officer", expires = "2020-12-31" }
  }

  assert {
    condition     = output.db_identifier == "berthcare-staging-postgres-dr" && output.residency_exception.expires == "2020-12-31"
    error_message = "taken over, with the date in the outputs"
  }

  expect_failures = [check.residency_exception]
}

run "pilot_light_after_the_exception_has_run_out_for_a_reason" {
  command = plan

  variables {
    aws_region          = "us-east-1"
    residency_exception = { reason = "The move to ca-west-1 is planned", approved_by = "Privacy Officer", expires = "2020-12-31" }
    despite_residency   = "patients"
  }

  assert {
    condition     = output.mode == "pilot-light"
    error_message = "back, and the reason is written down"
  }

  expect_failures = [check.residency_exception]
}

# What a preflight plans, before anything was restored: nothing is there to be taken over.
run "rehearsal" {
  command = plan

  variables {
    mode              = "full"
    restored_database = "berthcare-staging-postgres-dr"
    rehearsal         = true
  }

  assert {
    condition     = output.db_identifier == "berthcare-staging-postgres-dr"
    error_message = "what a failover would make"
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
    outputs = { kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", rds_security_group_id = "sg-rds", alb_security_group_id = "sg-alb", ecs_tasks_security_group_id = "sg-tasks", redis_security_group_id = "sg-redis", ecs_task_role_arn = "arn:aws:iam::111122223333:role/t", ecs_task_execution_role_arn = "arn:aws:iam::111122223333:role/e", kms_key_alias = "alias/x" }
  }

  assert {
    condition     = [for line in split("\n", output.infra_toml) : line if can(regex("^(dr_id|kms|subnet_group|parameter_group|security_groups|marker_bucket) = ", line))] == ["dr_id = \"berthcare-staging-postgres-dr\"", "kms = \"arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\"", "subnet_group = \"berthcare-staging-postgres-dr\"", "parameter_group = \"berthcare-staging-postgres-dr-pg15\"", "security_groups = [\"sg-rds\"]", "marker_bucket = \"berthcare-failover-staging-dr\""]
    error_message = "in its own words"
  }
}
