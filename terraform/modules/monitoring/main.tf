data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  partition      = data.aws_partition.current.partition
  account        = data.aws_caller_identity.current.account_id
  region         = data.aws_region.current.region
  dashboard_name = var.name

  topic_arn        = "arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-alerts"
  global_topic_arn = "arn:${local.partition}:sns:us-east-1:${local.account}:${var.name}-alerts-global"

  topic_policies = { for arn in [local.topic_arn, local.global_topic_arn] : arn => jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccountPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = arn
        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
      },
      {
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  }) }
}

resource "aws_sns_topic" "alerts" {
  name              = "${var.name}-alerts"
  kms_master_key_id = var.kms_key_arn

  tags = var.tags
}

resource "aws_sns_topic_policy" "alerts" {
  arn    = aws_sns_topic.alerts.arn
  policy = local.topic_policies[local.topic_arn]
}

resource "aws_sns_topic_subscription" "alerts" {
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

# CloudFront's metrics and their alarms live in us-east-1, and an alarm publishes to topics of its own region only.
resource "aws_sns_topic" "global" {
  #checkov:skip=CKV_AWS_26:Alarm names and numbers only; alarms cannot publish under aws/sns, and a key of us-east-1 would serve this alone.
  count = var.distribution == null ? 0 : 1

  region = "us-east-1"

  name = "${var.name}-alerts-global"

  tags = var.tags
}

resource "aws_sns_topic_policy" "global" {
  count = var.distribution == null ? 0 : 1

  region = "us-east-1"

  arn    = aws_sns_topic.global[0].arn
  policy = local.topic_policies[local.global_topic_arn]
}

resource "aws_sns_topic_subscription" "global" {
  count = var.distribution == null ? 0 : 1

  region = "us-east-1"

  topic_arn = aws_sns_topic.global[0].arn
  protocol  = "email"
  endpoint  = var.alarm_email
}
