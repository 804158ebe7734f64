mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                 = "berthcare-staging"
  dr_region            = "ca-west-1"
  dr_kms_key_arn       = "arn:aws:kms:ca-west-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab"
  kms_key_arn          = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  database_arn         = "arn:aws:rds:ca-central-1:111122223333:db:berthcare-staging-postgres"
  database_identifiers = ["berthcare-staging-postgres"]
  alarm_topic_arns     = ["arn:aws:sns:ca-central-1:111122223333:alerts"]
}

# aws-behaviour: 28
run "replicated_backups" {
  assert {
    condition     = aws_db_instance_automated_backups_replication.this[0].region == "ca-west-1" && aws_db_instance_automated_backups_replication.this[0].source_db_instance_arn == var.database_arn
    error_message = "made in the DR region, of our database"
  }
  assert {
    condition     = aws_db_instance_automated_backups_replication.this[0].kms_key_id == var.dr_kms_key_arn && aws_db_instance_automated_backups_replication.this[0].retention_period == 7
    error_message = "under a key of the DR region, for seven days"
  }
  assert {
    condition     = length(aws_lambda_function.copier) == 0 && length(aws_sqs_queue.failed) == 0 && output.snapshot_copier_name == null
    error_message = "no copier unless asked for"
  }
}

run "no_replicated_backups" {
  variables {
    replicate_automated_backups = false
  }

  assert {
    condition     = length(aws_db_instance_automated_backups_replication.this) == 0 && output.automated_backups_replication_id == null
    error_message = "not every pair of regions has them"
  }
}

run "copier" {
  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip" }
  }

  assert {
    condition     = aws_lambda_function.copier["this"].runtime == "provided.al2023" && aws_lambda_function.copier["this"].handler == "bootstrap" && aws_lambda_function.copier["this"].architectures == tolist(["arm64"]) && aws_lambda_function.copier["this"].source_code_hash == filebase64sha256("tests/bootstrap.zip")
    error_message = "the program, replaced when it changes"
  }
  assert {
    condition = aws_lambda_function.copier["this"].environment[0].variables == tomap({
      SOURCE_REGION  = "ca-central-1"
      TARGET_REGION  = "ca-west-1"
      TARGET_KMS_KEY = "arn:aws:kms:ca-west-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab"
      DATABASES      = "berthcare-staging-postgres"
      KEEP_LAST      = "7"
      KEEP_DAYS      = "7"
      TAGS           = "{}"
    })
    error_message = "told what to copy, where, and what to keep"
  }
  assert {
    condition     = aws_lambda_function.copier["this"].reserved_concurrent_executions == 1 && aws_lambda_function.copier["this"].timeout == 300 && aws_lambda_function.copier["this"].kms_key_arn == var.kms_key_arn && aws_lambda_function.copier["this"].role == aws_iam_role.copier["this"].arn
    error_message = "one at a time, variables encrypted"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.snapshot_finished["this"].event_pattern) == { source = ["aws.rds"], detail-type = ["RDS DB Snapshot Event"], detail = { EventID = ["RDS-EVENT-0091"], SourceIdentifier = [{ prefix = "rds:berthcare-staging-postgres-" }] } }
    error_message = "when RDS has finished an automated snapshot of our database"
  }
  assert {
    condition     = aws_cloudwatch_event_target.snapshot_finished["this"].arn == aws_lambda_function.copier["this"].arn && aws_cloudwatch_event_target.snapshot_finished["this"].rule == aws_cloudwatch_event_rule.snapshot_finished["this"].name && aws_lambda_permission.snapshot_finished["this"].source_arn == aws_cloudwatch_event_rule.snapshot_finished["this"].arn && aws_lambda_permission.snapshot_finished["this"].principal == "events.amazonaws.com"
    error_message = "the event starts the function, and nothing else may"
  }
  assert {
    condition     = aws_scheduler_schedule.copier["this"].schedule_expression == "rate(1 hour)" && aws_scheduler_schedule.copier["this"].target[0].arn == aws_lambda_function.copier["this"].arn && aws_scheduler_schedule.copier["this"].target[0].role_arn == aws_iam_role.scheduler["this"].arn && aws_scheduler_schedule.copier["this"].kms_key_arn == var.kms_key_arn
    error_message = "and every hour, since events may be lost"
  }
  assert {
    condition     = aws_lambda_function.copier["this"].dead_letter_config[0].target_arn == aws_sqs_queue.failed["this"].arn && aws_cloudwatch_event_target.snapshot_finished["this"].dead_letter_config[0].arn == aws_sqs_queue.failed["this"].arn && aws_scheduler_schedule.copier["this"].target[0].dead_letter_config[0].arn == aws_sqs_queue.failed["this"].arn
    error_message = "what fails is kept, however it was started"
  }
  assert {
    condition     = aws_sqs_queue.failed["this"].sqs_managed_sse_enabled && aws_sqs_queue.failed["this"].message_retention_seconds == 1209600 && [for s in jsondecode(aws_sqs_queue_policy.failed["this"].policy).Statement : s.Sid] == ["EventsThatCouldNotBeDelivered", "DenyWithoutTls"]
    error_message = "for two weeks, encrypted, over TLS"
  }
  assert {
    condition     = aws_lambda_function_event_invoke_config.copier["this"].maximum_retry_attempts == 2
    error_message = "after two more tries"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.copier_errors["this"].threshold == 0 && aws_cloudwatch_metric_alarm.copier_errors["this"].metric_name == "Errors" && aws_cloudwatch_metric_alarm.copier_errors["this"].alarm_actions == toset(["arn:aws:sns:ca-central-1:111122223333:alerts"])
    error_message = "a failure rings"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.copier_failed_messages["this"].threshold == 0 && aws_cloudwatch_metric_alarm.copier_failed_messages["this"].dimensions == tomap({ QueueName = "berthcare-staging-snapshot-copier-failed" }) && aws_cloudwatch_metric_alarm.copier_failed_messages["this"].alarm_actions == toset(["arn:aws:sns:ca-central-1:111122223333:alerts"])
    error_message = "and so does what was given up"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.copier_silent["this"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.copier_silent["this"].threshold == 1 && aws_cloudwatch_metric_alarm.copier_silent["this"].comparison_operator == "LessThanThreshold" && aws_cloudwatch_metric_alarm.copier_silent["this"].alarm_actions == toset(["arn:aws:sns:ca-central-1:111122223333:alerts"])
    error_message = "and so does silence"
  }
  assert {
    condition     = aws_cloudwatch_log_group.copier["this"].name == "/aws/lambda/berthcare-staging-snapshot-copier" && aws_cloudwatch_log_group.copier["this"].kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.copier["this"].retention_in_days == 365
    error_message = "its log is encrypted, and ends"
  }
}

run "copier_role" {
  variables {
    snapshot_copier = { zip_path = "tests/bootstrap.zip" }
  }

  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.copier["this"].policy).Statement : s.Resource if contains(s.Action, "rds:DeleteDBSnapshot")] == [[
      "arn:aws:rds:ca-west-1:111122223333:snapshot:berthcare-staging-postgres-ca-central-1-????????t??????z-????????",
      "arn:aws:rds:ca-west-1:111122223333:snapshot:berthcare-staging-postgres-ca-central-1-????????t??????z-????????-?",
      "arn:aws:rds:ca-west-1:111122223333:snapshot:berthcare-staging-postgres-ca-central-1-????????t??????z-????????-??",
    ]]
    error_message = "it removes what has the name of a copy, and not the snapshots of a database whose name begins alike, such as berthcare-staging-postgres-dr"
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.copier["this"].policy).Statement : s.Condition if contains(s.Action, "rds:DeleteDBSnapshot")] == [{ StringEquals = { "aws:ResourceTag/dr-replicate:made-by" = "dr-replicate" } }]
    error_message = "and was made by it, which the tag says"
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.copier["this"].policy).Statement : alltrue([for arn in s.Resource : can(regex(":rds:ca-west-1:.*-ca-central-1-", arn))]) if contains(s.Action, "rds:AddTagsToResource")])
    error_message = "it tags nothing but copies, or it could make a copy of anything"
  }
  assert {
    condition     = jsondecode(aws_iam_role.copier["this"].assume_role_policy).Statement == [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole", Condition = { StringEquals = { "aws:SourceAccount" = "111122223333" } } }]
    error_message = "Lambda takes the role for this account"
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.copier["this"].policy).Statement : s.Sid if contains(s.Resource, "*")] == ["Look"]
    error_message = "on everything: looking, and nothing else"
  }
  assert {
    condition     = alltrue(flatten([for s in jsondecode(aws_iam_role_policy.copier["this"].policy).Statement : [for action in s.Action : startswith(action, "rds:Describe")] if s.Sid == "Look"]))
    error_message = "looking is describing"
  }
  assert {
    condition = [for s in jsondecode(aws_iam_role_policy.copier["this"].policy).Statement : s.Condition if contains(s.Action, "kms:CreateGrant")] == [{
      Bool         = { "kms:GrantIsForAWSResource" = "true" }
      StringEquals = { "kms:ViaService" = ["rds.ca-central-1.amazonaws.com", "rds.ca-west-1.amazonaws.com"] }
    }]
    error_message = "grants are for RDS, and made through it"
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_iam_role_policy.copier["this"].policy).Statement : alltrue([for arn in s.Resource : contains([var.kms_key_arn, var.dr_kms_key_arn], arn)]) if anytrue([for action in s.Action : startswith(action, "kms:")])])
    error_message = "two keys, and no other"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.scheduler["this"].policy).Statement[0].Resource == ["arn:aws:lambda:ca-central-1:111122223333:function:berthcare-staging-snapshot-copier"] && length(jsondecode(aws_iam_role_policy.scheduler["this"].policy).Statement) == 3
    error_message = "the schedule starts this function"
  }
  assert {
    condition     = jsondecode(aws_iam_role.scheduler["this"].assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "111122223333", "aws:SourceArn" = "arn:aws:scheduler:ca-central-1:111122223333:schedule-group/default" } }
    error_message = "for the schedules of this account and group"
  }
}

run "copier_of_another_kind" {
  variables {
    snapshot_copier      = { zip_path = "tests/bootstrap.zip", architecture = "x86_64", schedule_expression = "rate(30 minutes)", keep_last = 3, keep_days = 10 }
    database_identifiers = ["one", "two"]
  }

  assert {
    condition     = aws_lambda_function.copier["this"].architectures == tolist(["x86_64"]) && aws_lambda_function.copier["this"].environment[0].variables["DATABASES"] == "one,two" && aws_lambda_function.copier["this"].environment[0].variables["KEEP_LAST"] == "3" && aws_lambda_function.copier["this"].environment[0].variables["KEEP_DAYS"] == "10" && aws_scheduler_schedule.copier["this"].schedule_expression == "rate(30 minutes)"
    error_message = "as asked"
  }
}

run "longest_name" {
  variables {
    name            = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    snapshot_copier = { zip_path = "tests/bootstrap.zip" }
  }

  assert {
    condition     = length(aws_iam_role.scheduler["this"].name) == 64 && length(aws_lambda_function.copier["this"].function_name) <= 64 && length(aws_cloudwatch_event_rule.snapshot_finished["this"].name) <= 64 && length(aws_sqs_queue.failed["this"].name) <= 80
    error_message = "as long as AWS takes"
  }
}

# The example has none of these.
run "roles_are_bounded" {
  variables {
    snapshot_copier          = { zip_path = "tests/bootstrap.zip" }
    role_path                = "/platform/"
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.copier["this"], aws_iam_role.scheduler["this"]] : role.path == "/platform/" && role.permissions_boundary == "arn:aws:iam::111122223333:policy/platform-boundary"])
    error_message = "the copier and its schedule are where the platform wants roles, and no wider"
  }
}
