mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                = "berthcare-staging"
  database_identifier = "berthcare-staging-postgres"
  kms_key_arn         = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "evenings_and_mornings" {
  assert {
    condition     = { for key, schedule in aws_scheduler_schedule.this : key => "${schedule.target[0].arn} ${schedule.schedule_expression}" } == { stop = "arn:aws:scheduler:::aws-sdk:rds:stopDBInstance cron(0 20 ? * MON-FRI *)", start = "arn:aws:scheduler:::aws-sdk:rds:startDBInstance cron(0 7 ? * MON-FRI *)" }
    error_message = "stopped at eight, started at seven, never for seven days"
  }
  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : jsondecode(schedule.target[0].input) == { DbInstanceIdentifier = "berthcare-staging-postgres" } && schedule.schedule_expression_timezone == "America/Toronto" && schedule.kms_key_arn == var.kms_key_arn && schedule.target[0].role_arn == aws_iam_role.scheduler.arn && schedule.target[0].dead_letter_config[0].arn == aws_sqs_queue.failed.arn && schedule.target[0].retry_policy[0].maximum_retry_attempts == 10])
    error_message = "our database, in local time, tried again, and kept when it fails"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.scheduler.policy).Statement[0].Resource == ["arn:aws:rds:ca-central-1:111122223333:db:berthcare-staging-postgres"] && toset(jsondecode(aws_iam_role_policy.scheduler.policy).Statement[0].Action) == toset(["rds:StartDBInstance", "rds:StopDBInstance"])
    error_message = "may stop and start this one"
  }
  assert {
    condition     = jsondecode(aws_iam_role.scheduler.assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "111122223333", "aws:SourceArn" = "arn:aws:scheduler:ca-central-1:111122223333:schedule-group/default" } }
    error_message = "for the schedules of this account and group"
  }
  assert {
    condition     = length(aws_sfn_state_machine.keeper) == 0 && length(aws_cloudwatch_event_rule.restarted) == 0 && output.keeper_name == null
    error_message = "nobody keeps it stopped"
  }
  assert {
    condition     = aws_sqs_queue.failed.sqs_managed_sse_enabled && [for s in jsondecode(aws_sqs_queue_policy.failed.policy).Statement : s.Sid] == ["EventsThatCouldNotBeDelivered", "DenyWithoutTls"]
    error_message = "failures are kept encrypted, over TLS"
  }
  assert {
    condition     = jsondecode(aws_sqs_queue_policy.failed.policy).Statement[0].Condition == { ArnEquals = { "aws:SourceArn" = "arn:aws:events:ca-central-1:111122223333:rule/berthcare-staging-keep-stopped" } }
    error_message = "from this rule alone"
  }
}

# aws-behaviour: 32
run "kept_stopped" {
  variables {
    start = null
  }

  assert {
    condition     = keys(aws_scheduler_schedule.this) == ["stop"]
    error_message = "no start"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.restarted["this"].event_pattern) == { source = ["aws.rds"], detail-type = ["RDS DB Instance Event"], detail = { EventID = ["RDS-EVENT-0154"], SourceIdentifier = ["berthcare-staging-postgres"] } } && aws_cloudwatch_event_target.restarted["this"].arn == aws_sfn_state_machine.keeper["this"].arn
    error_message = "when AWS starts it after seven days"
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.keeper["this"].definition).States.Up.Default == "Wait" && jsondecode(aws_sfn_state_machine.keeper["this"].definition).States.Up.Choices[0] == { Variable = "$.status", StringEquals = "available", Next = "Stop" } && jsondecode(aws_sfn_state_machine.keeper["this"].definition).States.Wait.Next == "Look" && jsondecode(aws_sfn_state_machine.keeper["this"].definition).States.Stop.Resource == "arn:aws:states:::aws-sdk:rds:stopDBInstance"
    error_message = "it is waited for, since only an available instance stops, and stopped again"
  }
  assert {
    condition     = jsondecode(aws_sfn_state_machine.keeper["this"].definition).TimeoutSeconds == 7200
    error_message = "but not for ever"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.keeper["this"].policy).Statement[0].Resource == ["arn:aws:rds:ca-central-1:111122223333:db:berthcare-staging-postgres"] && jsondecode(aws_iam_role_policy.keeper_events["this"].policy).Statement[0].Resource == ["arn:aws:states:ca-central-1:111122223333:stateMachine:berthcare-staging-keep-stopped"]
    error_message = "each may do its part"
  }
  assert {
    condition     = jsondecode(aws_iam_role.keeper["this"].assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "111122223333" }, ArnEquals = { "aws:SourceArn" = "arn:aws:states:ca-central-1:111122223333:stateMachine:berthcare-staging-keep-stopped" } } && jsondecode(aws_iam_role.keeper_events["this"].assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "111122223333" }, ArnEquals = { "aws:SourceArn" = "arn:aws:events:ca-central-1:111122223333:rule/berthcare-staging-keep-stopped" } }
    error_message = "for this state machine, and for this rule"
  }
  assert {
    condition     = aws_cloudwatch_log_group.keeper["this"].kms_key_id == var.kms_key_arn && aws_sfn_state_machine.keeper["this"].logging_configuration[0].level == "ALL"
    error_message = "and it is written down"
  }
}

# The example has none of these.
run "roles_are_bounded" {
  variables {
    start                    = null
    role_path                = "/platform/"
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.scheduler, aws_iam_role.keeper["this"], aws_iam_role.keeper_events["this"]] : role.path == "/platform/" && role.permissions_boundary == "arn:aws:iam::111122223333:policy/platform-boundary"])
    error_message = "who keeps it stopped is where the platform wants roles, and no wider"
  }
}
