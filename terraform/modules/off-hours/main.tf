data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  partition    = data.aws_partition.current.partition
  account      = data.aws_caller_identity.current.account_id
  region       = data.aws_region.current.region
  database_arn = "arn:${local.partition}:rds:${local.region}:${local.account}:db:${var.database_identifier}"
  queue_arn    = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-off-hours-failed"
  keeper_name  = "${var.name}-keep-stopped"
  keeper_rule  = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${local.keeper_name}"
  keeper_arn   = "arn:${local.partition}:states:${local.region}:${local.account}:stateMachine:${local.keeper_name}"

  calls = merge(
    { stop = { expression = var.stop, action = "stopDBInstance" } },
    { for name in ["start"] : name => { expression = var.start, action = "startDBInstance" } if var.start != null },
  )
}

# A stopped instance costs storage and backups as before, and no backups are made while it is stopped: its recovery
# points are as old as the stop.
resource "aws_scheduler_schedule" "this" {
  for_each = local.calls

  name                         = "${var.name}-off-hours-${each.key}"
  description                  = "${each.value.action} ${var.database_identifier}"
  schedule_expression          = each.value.expression
  schedule_expression_timezone = var.timezone
  kms_key_arn                  = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${local.partition}:scheduler:::aws-sdk:rds:${each.value.action}"
    role_arn = aws_iam_role.scheduler.arn
    input    = jsonencode({ DbInstanceIdentifier = var.database_identifier })

    dead_letter_config {
      arn = aws_sqs_queue.failed.arn
    }

    # RDS refuses while a backup runs.
    retry_policy {
      maximum_retry_attempts       = 10
      maximum_event_age_in_seconds = 3600
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name        = "${var.name}-off-hours"
  description = "EventBridge Scheduler stops and starts ${var.database_identifier}."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # Scheduler tells the group, not the schedule.
      Condition = { StringEquals = { "aws:SourceAccount" = local.account, "aws:SourceArn" = "arn:${local.partition}:scheduler:${local.region}:${local.account}:schedule-group/default" } }
    }]
  })

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags
}

resource "aws_iam_role_policy" "scheduler" {
  name = "stop-and-start"
  role = aws_iam_role.scheduler.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "StopAndStart", Effect = "Allow", Action = ["rds:StartDBInstance", "rds:StopDBInstance"], Resource = [local.database_arn] },
      { Sid = "KeepFailures", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [local.queue_arn] },
      { Sid = "ReadSchedule", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.kms_key_arn] },
    ]
  })
}

resource "aws_sqs_queue" "failed" {
  #tf-nag:skip=AwsSolutions-SQS4:aws_sqs_queue_policy.failed has DenyWithoutTls; the rule looks at the queue alone.
  name                      = "${var.name}-off-hours-failed"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true

  tags = var.tags
}

resource "aws_sqs_queue_policy" "failed" {
  queue_url = aws_sqs_queue.failed.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventsThatCouldNotBeDelivered"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = local.keeper_rule } }
      },
      {
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}
