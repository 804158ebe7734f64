locals {
  replicated  = var.replication == null ? toset([]) : local.data_kinds
  rule_ids    = { for kind in local.data_kinds : kind => "${kind}-to-dr" }
  target_arns = { for kind in local.replicated : kind => "arn:${local.partition}:s3:::${var.replication.targets[kind]}" }
  with_kms    = var.kms_key_arn != null

  # A bucket that was deleted leaves its name to any account, which would then get the records. IfExists: AWS promises the
  # key for most requests, and does not name those that S3 makes for itself.
  ours = { StringEqualsIfExists = { "aws:ResourceAccount" = local.account } }
}

resource "aws_iam_role" "replication" {
  #tf-nag:skip=AwsSolutions-IAM5:The star stands for the objects of named buckets.
  count = var.replication == null ? 0 : 1

  name        = join("-", compact([var.project_name, var.environment, var.bucket_suffix, "s3-replication"]))
  description = "S3 replicates the data buckets to the DR region."

  # Only S3, for this account. AWS does not say that S3 Replication tells aws:SourceArn, and where it did not, nothing would be
  # replicated; the policy below holds the role to these buckets.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
      }
    }]
  })

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags

  lifecycle {
    precondition {
      condition     = length(join("-", compact([var.project_name, var.environment, var.bucket_suffix, "s3-replication"]))) <= 64
      error_message = "bucket_suffix: a role's name takes 64 characters, and PROJECT-ENVIRONMENT-SUFFIX-s3-replication has more."
    }
  }
}

resource "aws_iam_role_policy" "replication" {
  #tf-nag:skip=AwsSolutions-IAM5:The star stands for the objects of named buckets.
  count = var.replication == null ? 0 : 1

  name = "replicate"
  role = aws_iam_role.replication[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "ReadConfiguration"
          Effect    = "Allow"
          Action    = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
          Resource  = [for kind in local.data_kinds : local.arns[kind]]
          Condition = local.ours
        },
        {
          # Without GetObjectVersionTagging and ReplicateTags, tags stay behind and nobody is told.
          Sid       = "ReadVersions"
          Effect    = "Allow"
          Action    = ["s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"]
          Resource  = [for kind in local.data_kinds : "${local.arns[kind]}/*"]
          Condition = local.ours
        },
        {
          Sid       = "WriteReplicas"
          Effect    = "Allow"
          Action    = ["s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"]
          Resource  = [for kind in local.replicated : "${local.target_arns[kind]}/*"]
          Condition = local.ours
        },
      ],
      [for statement in [
        {
          Sid      = "DecryptSource"
          Effect   = "Allow"
          Action   = ["kms:Decrypt"]
          Resource = [var.kms_key_arn]
          Condition = {
            StringLike = {
              "kms:ViaService"                   = ["s3.${split(":", coalesce(var.kms_key_arn, ":::"))[3]}.amazonaws.com"]
              "kms:EncryptionContext:aws:s3:arn" = [for kind in local.data_kinds : "${local.arns[kind]}/*"]
            }
          }
        },
        {
          Sid      = "EncryptReplicas"
          Effect   = "Allow"
          Action   = ["kms:Encrypt"]
          Resource = [var.replication.kms_key_arn]
          Condition = {
            StringLike = {
              "kms:ViaService"                   = ["s3.${split(":", coalesce(var.replication.kms_key_arn, ":::"))[3]}.amazonaws.com"]
              "kms:EncryptionContext:aws:s3:arn" = [for kind in local.replicated : "${local.target_arns[kind]}/*"]
            }
          }
        },
      ] : statement if local.with_kms],
    )
  })
}

resource "aws_s3_bucket_replication_configuration" "this" {
  for_each = local.replicated

  bucket = aws_s3_bucket.this[each.key].id
  role   = aws_iam_role.replication[0].arn

  rule {
    # CloudWatch knows the rule by this name; without it the name would be a random one.
    id       = local.rule_ids[each.key]
    priority = 1
    status   = "Enabled"

    filter {}

    delete_marker_replication {
      status = "Enabled"
    }

    dynamic "source_selection_criteria" {
      for_each = local.with_kms ? [true] : []

      content {
        sse_kms_encrypted_objects {
          status = "Enabled"
        }
      }
    }

    destination {
      bucket        = local.target_arns[each.key]
      storage_class = "STANDARD"

      dynamic "encryption_configuration" {
        for_each = local.with_kms ? [true] : []

        content {
          replica_kms_key_id = var.replication.kms_key_arn
        }
      }

      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }

      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this, aws_iam_role_policy.replication]
}

# S3 publishes the lag in the region of the target, and failures in that of the source. Where nothing is written there is
# nothing to measure: the alarm goes to INSUFFICIENT_DATA, which is neither good nor bad, and mails nobody each quiet night.
resource "aws_cloudwatch_metric_alarm" "replication_lag" {
  for_each = local.replicated

  region = var.replication.region

  alarm_name          = "${local.names[each.key]}-replication-lag"
  alarm_description   = "Objects of ${local.names[each.key]} reach the DR region later than ${var.replication_lag_minutes} minutes."
  namespace           = "AWS/S3"
  metric_name         = "ReplicationLatency"
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.replication_lag_minutes * 60
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "missing"

  dimensions = {
    SourceBucket      = local.names[each.key]
    DestinationBucket = var.replication.targets[each.key]
    RuleId            = local.rule_ids[each.key]
  }

  alarm_actions = var.replication.dr_alarm_topic_arns
  ok_actions    = var.replication.dr_alarm_topic_arns

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "replication_failures" {
  for_each = local.replicated

  alarm_name          = "${local.names[each.key]}-replication-failures"
  alarm_description   = "S3 could not replicate objects of ${local.names[each.key]}; it does not try again."
  namespace           = "AWS/S3"
  metric_name         = "OperationsFailedReplication"
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "missing"

  dimensions = {
    SourceBucket      = local.names[each.key]
    DestinationBucket = var.replication.targets[each.key]
    RuleId            = local.rule_ids[each.key]
  }

  alarm_actions = var.replication.alarm_topic_arns
  ok_actions    = var.replication.alarm_topic_arns

  tags = var.tags
}
