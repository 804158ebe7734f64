# RDS starts an instance by itself after seven days (RDS-EVENT-0154). With a start of our own that never happens;
# without one, a state machine waits until the instance is up, since only then it can be stopped, and stops it again.

locals {
  keeper = var.start == null ? { this = true } : {}
}

resource "aws_cloudwatch_event_rule" "restarted" {
  for_each = local.keeper

  name        = local.keeper_name
  description = "RDS starts ${var.database_identifier} after seven days (RDS-EVENT-0154)"

  event_pattern = jsonencode({
    source      = ["aws.rds"]
    detail-type = ["RDS DB Instance Event"]
    detail = {
      EventID          = ["RDS-EVENT-0154"]
      SourceIdentifier = [var.database_identifier]
    }
  })

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "restarted" {
  for_each = local.keeper

  rule      = aws_cloudwatch_event_rule.restarted[each.key].name
  target_id = "keep-stopped"
  arn       = aws_sfn_state_machine.keeper[each.key].arn
  role_arn  = aws_iam_role.keeper_events[each.key].arn

  dead_letter_config {
    arn = aws_sqs_queue.failed.arn
  }
}

resource "aws_iam_role" "keeper_events" {
  for_each = local.keeper

  name        = "${local.keeper_name}-events"
  description = "EventBridge starts ${local.keeper_name}."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = local.keeper_rule }
      }
    }]
  })

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags
}

resource "aws_iam_role_policy" "keeper_events" {
  for_each = local.keeper

  name = "start"
  role = aws_iam_role.keeper_events[each.key].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Sid = "Start", Effect = "Allow", Action = ["states:StartExecution"], Resource = [local.keeper_arn] }]
  })
}

resource "aws_cloudwatch_log_group" "keeper" {
  for_each = local.keeper

  name              = "/aws/vendedlogs/states/${local.keeper_name}"
  retention_in_days = 365
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}

resource "aws_iam_role" "keeper" {
  #tf-nag:skip=AwsSolutions-IAM5:Log delivery of Step Functions knows no resources; the rest is about one instance.
  for_each = local.keeper

  name        = local.keeper_name
  description = "Stops ${var.database_identifier} once it is up."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnEquals    = { "aws:SourceArn" = local.keeper_arn }
      }
    }]
  })

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags
}

resource "aws_iam_role_policy" "keeper" {
  #tf-nag:skip=AwsSolutions-IAM5:Log delivery of Step Functions knows no resources; the rest is about one instance.
  for_each = local.keeper

  name = "stop"
  role = aws_iam_role.keeper[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "LookAndStop", Effect = "Allow", Action = ["rds:DescribeDBInstances", "rds:StopDBInstance"], Resource = [local.database_arn] },
      {
        # Log delivery of Step Functions knows no resources.
        Sid    = "DeliverLogs"
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
          "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
        ]
        Resource = ["*"]
      },
    ]
  })
}

resource "aws_sfn_state_machine" "keeper" {
  #checkov:skip=CKV_AWS_284:It asks and stops once a week; its log has every step.
  #tf-nag:skip=AwsSolutions-SF2:It asks and stops once a week; its log has every step.
  for_each = local.keeper

  name     = local.keeper_name
  role_arn = aws_iam_role.keeper[each.key].arn

  definition = jsonencode({
    Comment = "Stops ${var.database_identifier} again when RDS has started it"
    StartAt = "Look"
    # A start takes minutes; after two hours the next seven days are AWS's.
    TimeoutSeconds = 7200
    States = {
      Look = {
        Type       = "Task"
        Resource   = "arn:${local.partition}:states:::aws-sdk:rds:describeDBInstances"
        Parameters = { DbInstanceIdentifier = var.database_identifier }
        ResultSelector = {
          "status.$" = "$.DbInstances[0].DbInstanceStatus"
        }
        Retry = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 30, MaxAttempts = 5, BackoffRate = 2 }]
        Next  = "Up"
      }
      Up = {
        Type = "Choice"
        Choices = [
          { Variable = "$.status", StringEquals = "available", Next = "Stop" },
          { Variable = "$.status", StringEquals = "stopped", Next = "Stopped" },
          { Variable = "$.status", StringEquals = "stopping", Next = "Stopped" },
        ]
        Default = "Wait"
      }
      Wait = { Type = "Wait", Seconds = 60, Next = "Look" }
      Stop = {
        Type       = "Task"
        Resource   = "arn:${local.partition}:states:::aws-sdk:rds:stopDBInstance"
        Parameters = { DbInstanceIdentifier = var.database_identifier }
        Retry      = [{ ErrorEquals = ["States.ALL"], IntervalSeconds = 60, MaxAttempts = 10, BackoffRate = 1 }]
        Next       = "Stopped"
      }
      Stopped = { Type = "Succeed" }
    }
  })

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.keeper[each.key].arn}:*"
    include_execution_data = true
    level                  = "ALL"
  }

  tracing_configuration {
    enabled = false
  }

  tags = var.tags
}
