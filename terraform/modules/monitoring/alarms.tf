locals {
  mib = 1024 * 1024
  gib = 1024 * 1024 * 1024

  database_alarms = var.database == null ? {} : {
    "rds-cpu" = {
      description = "CPU of the database above ${var.thresholds.db_cpu_percent} %."
      metric      = "CPUUtilization"
      comparison  = "GreaterThanThreshold"
      threshold   = var.thresholds.db_cpu_percent
    }
    "rds-free-memory" = {
      description = "Free memory of the database below ${var.thresholds.db_free_memory_mib} MiB."
      metric      = "FreeableMemory"
      comparison  = "LessThanThreshold"
      threshold   = var.thresholds.db_free_memory_mib * local.mib
    }
    "rds-free-storage" = {
      description = "Free storage of the database below ${var.thresholds.db_free_storage_gib} GiB."
      metric      = "FreeStorageSpace"
      comparison  = "LessThanThreshold"
      threshold   = var.thresholds.db_free_storage_gib * local.gib
    }
    "rds-connections" = {
      description = "More than ${var.thresholds.db_connections_percent} % of the connections that the database takes."
      metric      = "DatabaseConnections"
      comparison  = "GreaterThanThreshold"
      threshold   = floor(var.database.max_connections * var.thresholds.db_connections_percent / 100)
    }
  }

  cache_alarms = {
    "redis-cpu"       = { metric = "CPUUtilization", statistic = "Average", threshold = var.thresholds.cache_cpu_percent, description = "CPU of a Redis node above ${var.thresholds.cache_cpu_percent} %." }
    "redis-memory"    = { metric = "DatabaseMemoryUsagePercentage", statistic = "Average", threshold = var.thresholds.cache_memory_percent, description = "Memory of a Redis node above ${var.thresholds.cache_memory_percent} %." }
    "redis-evictions" = { metric = "Evictions", statistic = "Sum", threshold = var.thresholds.cache_evictions, description = "A Redis node dropped more than ${var.thresholds.cache_evictions} keys in five minutes." }
  }

  # CloudWatch knows Redis by node, not by group.
  node_alarms = merge([for node in var.cache_node_ids : { for kind, alarm in local.cache_alarms : "${kind}-${element(split("-", node), length(split("-", node)) - 1)}" => merge(alarm, { node = node }) }]...)
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each = local.database_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/RDS"
  metric_name         = each.value.metric
  dimensions          = { DBInstanceIdentifier = var.database.identifier }
  statistic           = "Average"
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 2
  treat_missing_data  = "missing"

  alarm_actions = [aws_sns_topic.alerts.arn]
  ok_actions    = [aws_sns_topic.alerts.arn]

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "cache" {
  for_each = local.node_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/ElastiCache"
  metric_name         = each.value.metric
  dimensions          = { CacheClusterId = each.value.node }
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 2
  treat_missing_data  = "missing"

  alarm_actions = [aws_sns_topic.alerts.arn]
  ok_actions    = [aws_sns_topic.alerts.arn]

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "cloudfront_5xx" {
  count = var.distribution == null ? 0 : 1

  region = "us-east-1"

  alarm_name          = "${var.name}-cloudfront-5xx"
  alarm_description   = "CloudFront answers more than ${var.thresholds.cloudfront_5xx_percent} % of requests with a server error."
  namespace           = "AWS/CloudFront"
  metric_name         = "5xxErrorRate"
  dimensions          = { DistributionId = var.distribution.id, Region = "Global" }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.cloudfront_5xx_percent
  period              = 300
  evaluation_periods  = 2
  # No requests, no errors.
  treat_missing_data = "notBreaching"

  alarm_actions = [aws_sns_topic.global[0].arn]
  ok_actions    = [aws_sns_topic.global[0].arn]

  tags = var.tags
}

# RDS has no metric for its snapshots either, but tells of each (RDS-EVENT-0091), and EventBridge counts what a rule matches. An
# hour without one is an hour without data: the alarm rings when that goes on for longer than a day, whoever else has died.
locals {
  snapshots = { for name in var.database == null || var.thresholds.snapshot_silence_hours == 0 ? [] : ["rds-no-snapshot"] : name => var.database.identifier }
}

resource "aws_cloudwatch_event_rule" "snapshot" {
  for_each = local.snapshots

  name        = "${var.name}-${each.key}"
  description = "Counts the automated snapshots of ${each.value} (RDS-EVENT-0091)"

  event_pattern = jsonencode({
    source      = ["aws.rds"]
    detail-type = ["RDS DB Snapshot Event"]
    detail = {
      EventID          = ["RDS-EVENT-0091"]
      SourceIdentifier = [{ prefix = "rds:${each.value}-" }]
    }
  })

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "snapshot" {
  for_each = local.snapshots

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "RDS has finished no automated snapshot of ${each.value} for ${var.thresholds.snapshot_silence_hours} hours."
  namespace           = "AWS/Events"
  metric_name         = "MatchedEvents"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.snapshot[each.key].name }
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 3600
  evaluation_periods  = var.thresholds.snapshot_silence_hours
  datapoints_to_alarm = var.thresholds.snapshot_silence_hours
  treat_missing_data  = "breaching"

  alarm_actions = [aws_sns_topic.alerts.arn]
  ok_actions    = [aws_sns_topic.alerts.arn]

  tags = var.tags
}

# RDS has no metric for it: somebody has to look and publish. When nobody does, nobody knows how old the newest
# recovery point is, and that is as bad as an old one.
resource "aws_cloudwatch_metric_alarm" "backup_age" {
  for_each = toset(var.backup_age_databases)

  alarm_name          = "${var.name}-backup-age-${each.key}"
  alarm_description   = "The newest recovery point of ${each.key} in the DR region is older than ${var.thresholds.backup_age_hours} hours, or nobody looked."
  namespace           = "RegionRecovery"
  metric_name         = "RecoveryPointAge"
  dimensions          = { Database = each.key }
  statistic           = "Maximum"
  unit                = "Seconds"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.thresholds.backup_age_hours * 3600
  period              = 3600
  evaluation_periods  = 3
  datapoints_to_alarm = 3
  treat_missing_data  = "breaching"

  alarm_actions = [aws_sns_topic.alerts.arn]
  ok_actions    = [aws_sns_topic.alerts.arn]

  tags = var.tags
}
