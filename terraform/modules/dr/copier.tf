resource "aws_cloudwatch_log_group" "copier" {
  for_each = local.copier

  name              = local.log_name
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}

resource "aws_iam_role" "copier" {
  #tf-nag:skip=AwsSolutions-IAM5:Snapshots are named by RDS and by time: a prefix for each database is as narrow as it gets.
  for_each = local.copier

  name        = local.copier_name
  description = "Copies RDS snapshots to ${var.dr_region} and removes old copies."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags
}

resource "aws_iam_role_policy" "copier" {
  #tf-nag:skip=AwsSolutions-IAM5:Snapshots are named by RDS and by time: a prefix for each database is as narrow as it gets.
  for_each = local.copier

  name = "copy-snapshots"
  role = aws_iam_role.copier[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # RDS lists for "*" only.
        Sid      = "Look"
        Effect   = "Allow"
        Action   = ["rds:DescribeDBInstanceAutomatedBackups", "rds:DescribeDBInstances", "rds:DescribeDBSnapshots"]
        Resource = ["*"]
      },
      {
        # Whatever a snapshot of this region is called: manual ones have the names that people give.
        Sid      = "CopyFromHere"
        Effect   = "Allow"
        Action   = ["rds:CopyDBSnapshot"]
        Resource = ["arn:${local.partition}:rds:${local.region}:${local.account}:snapshot:*"]
      },
      {
        # Tags are given with the copy. On another snapshot, they would make it one that may be removed.
        Sid      = "CopyToDrRegion"
        Effect   = "Allow"
        Action   = ["rds:AddTagsToResource", "rds:CopyDBSnapshot"]
        Resource = local.copy_arns
      },
      {
        # Copies in the DR region that it has made, never a snapshot of this one.
        Sid       = "RemoveOldCopies"
        Effect    = "Allow"
        Action    = ["rds:DeleteDBSnapshot"]
        Resource  = local.copy_arns
        Condition = { StringEquals = { "aws:ResourceTag/dr-replicate:made-by" = "dr-replicate" } }
      },
      {
        Sid       = "UseKeysThroughRds"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = [var.kms_key_arn, var.dr_kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = local.rds } }
      },
      {
        # RDS copies in the background with a grant.
        Sid      = "GrantToRds"
        Effect   = "Allow"
        Action   = ["kms:CreateGrant"]
        Resource = [var.kms_key_arn, var.dr_kms_key_arn]
        Condition = {
          Bool         = { "kms:GrantIsForAWSResource" = "true" }
          StringEquals = { "kms:ViaService" = local.rds }
        }
      },
      {
        Sid      = "CheckDrKey"
        Effect   = "Allow"
        Action   = ["kms:DescribeKey"]
        Resource = [var.dr_kms_key_arn]
      },
      {
        Sid       = "DecryptVariables"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = [var.kms_key_arn]
        Condition = { StringEquals = { "kms:ViaService" = "lambda.${local.region}.amazonaws.com" } }
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${local.log_name}:*"]
      },
      {
        Sid      = "KeepFailures"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [local.queue_arn]
      },
    ]
  })
}

resource "aws_lambda_function" "copier" {
  #checkov:skip=CKV_AWS_117:It calls AWS only and has no business in the VPC.
  #checkov:skip=CKV_AWS_272:The zip is built and hashed by the same pipeline that plans; there is no signing profile.
  for_each = local.copier

  function_name    = local.copier_name
  description      = "Copies RDS snapshots of ${join(", ", var.database_identifiers)} to ${var.dr_region}"
  role             = aws_iam_role.copier[each.key].arn
  filename         = each.value.zip_path
  source_code_hash = filebase64sha256(each.value.zip_path)
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [each.value.architecture]
  memory_size      = 256
  timeout          = each.value.timeout_seconds
  kms_key_arn      = var.kms_key_arn
  # Two at once would copy the same snapshot twice.
  reserved_concurrent_executions = 1

  environment {
    variables = {
      SOURCE_REGION  = local.region
      TARGET_REGION  = var.dr_region
      TARGET_KMS_KEY = var.dr_kms_key_arn
      DATABASES      = join(",", var.database_identifiers)
      KEEP_LAST      = tostring(each.value.keep_last)
      KEEP_DAYS      = tostring(each.value.keep_days)
      TAGS           = jsonencode(each.value.tags)
    }
  }

  dead_letter_config {
    target_arn = aws_sqs_queue.failed[each.key].arn
  }

  tracing_config {
    mode = "PassThrough"
  }

  tags = var.tags

  depends_on = [aws_cloudwatch_log_group.copier, aws_iam_role_policy.copier]
}

resource "aws_lambda_function_event_invoke_config" "copier" {
  for_each = local.copier

  function_name                = aws_lambda_function.copier[each.key].function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600
}

# What could not be delivered or failed three times. The next tick looks anew, so nothing is lost with a message; but
# somebody has to look.
resource "aws_sqs_queue" "failed" {
  #tf-nag:skip=AwsSolutions-SQS4:aws_sqs_queue_policy.failed has DenyWithoutTls; the rule looks at the queue alone.
  for_each = local.copier

  name                      = "${local.copier_name}-failed"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true

  tags = var.tags
}

resource "aws_sqs_queue_policy" "failed" {
  for_each = local.copier

  queue_url = aws_sqs_queue.failed[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "EventsThatCouldNotBeDelivered"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${local.copier_name}" } }
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

# As soon as RDS has finished an automated snapshot. Events are best effort; the schedule finds what they missed.
resource "aws_cloudwatch_event_rule" "snapshot_finished" {
  for_each = local.copier

  name        = local.copier_name
  description = "RDS has finished an automated snapshot (RDS-EVENT-0091)"

  event_pattern = jsonencode({
    source      = ["aws.rds"]
    detail-type = ["RDS DB Snapshot Event"]
    detail = {
      EventID          = ["RDS-EVENT-0091"]
      SourceIdentifier = [for identifier in var.database_identifiers : { prefix = "rds:${identifier}-" }]
    }
  })

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "snapshot_finished" {
  for_each = local.copier

  rule      = aws_cloudwatch_event_rule.snapshot_finished[each.key].name
  target_id = "snapshot-copier"
  arn       = aws_lambda_function.copier[each.key].arn

  dead_letter_config {
    arn = aws_sqs_queue.failed[each.key].arn
  }
}

resource "aws_lambda_permission" "snapshot_finished" {
  for_each = local.copier

  statement_id  = "EventBridge"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.copier[each.key].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.snapshot_finished[each.key].arn
}

resource "aws_iam_role" "scheduler" {
  for_each = local.copier

  name        = "${local.copier_name}-schedule"
  description = "EventBridge Scheduler starts ${local.copier_name}."

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
  for_each = local.copier

  name = "start"
  role = aws_iam_role.scheduler[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Start", Effect = "Allow", Action = ["lambda:InvokeFunction"], Resource = [local.copier_arn] },
      { Sid = "KeepFailures", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [local.queue_arn] },
      { Sid = "ReadSchedule", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.kms_key_arn] },
    ]
  })
}

resource "aws_scheduler_schedule" "copier" {
  for_each = local.copier

  name                = local.copier_name
  description         = "Copies what events missed, removes old copies, and tells how old the newest one is"
  schedule_expression = each.value.schedule_expression
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.copier[each.key].arn
    role_arn = aws_iam_role.scheduler[each.key].arn

    dead_letter_config {
      arn = aws_sqs_queue.failed[each.key].arn
    }

    retry_policy {
      maximum_retry_attempts       = 3
      maximum_event_age_in_seconds = 3600
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "copier_errors" {
  for_each = local.copier

  alarm_name          = "${local.copier_name}-errors"
  alarm_description   = "The snapshot copier failed."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = local.copier_name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 3600
  evaluation_periods  = 1
  treat_missing_data  = "missing"

  alarm_actions = var.alarm_topic_arns
  ok_actions    = var.alarm_topic_arns

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "copier_failed_messages" {
  for_each = local.copier

  alarm_name          = "${local.copier_name}-dead-letters"
  alarm_description   = "Runs of the snapshot copier were given up; the queue ${local.copier_name}-failed has them."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = "${local.copier_name}-failed" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  # A queue that nothing is put into publishes nothing.
  treat_missing_data = "notBreaching"

  alarm_actions = var.alarm_topic_arns
  ok_actions    = var.alarm_topic_arns

  tags = var.tags
}

# Events may be lost, the hourly run may not: silence is a failure.
resource "aws_cloudwatch_metric_alarm" "copier_silent" {
  for_each = local.copier

  alarm_name          = "${local.copier_name}-silent"
  alarm_description   = "The snapshot copier has not run for three hours."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = local.copier_name }
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 10800
  evaluation_periods  = 1
  treat_missing_data  = "breaching"

  alarm_actions = var.alarm_topic_arns
  ok_actions    = var.alarm_topic_arns

  tags = var.tags
}
