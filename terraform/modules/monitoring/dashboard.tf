locals {
  widgets = concat(
    [for widget in [
      { title = "Database: CPU (%)", metrics = ["CPUUtilization"], stat = "Average" },
      { title = "Database: free memory (bytes)", metrics = ["FreeableMemory"], stat = "Average" },
      { title = "Database: free storage (bytes)", metrics = ["FreeStorageSpace"], stat = "Average" },
      { title = "Database: connections", metrics = ["DatabaseConnections"], stat = "Average" },
      { title = "Database: latency (s)", metrics = ["ReadLatency", "WriteLatency"], stat = "Average" },
      ] : {
      title   = widget.title
      stat    = widget.stat
      region  = local.region
      metrics = [for metric in widget.metrics : ["AWS/RDS", metric, "DBInstanceIdentifier", try(var.database.identifier, "")]]
    } if var.database != null],
    [for widget in [
      { title = "Redis: CPU (%)", metric = "CPUUtilization", stat = "Average" },
      { title = "Redis: memory (%)", metric = "DatabaseMemoryUsagePercentage", stat = "Average" },
      { title = "Redis: evictions", metric = "Evictions", stat = "Sum" },
      { title = "Redis: replication lag (s)", metric = "ReplicationLag", stat = "Average" },
      ] : {
      title   = widget.title
      stat    = widget.stat
      region  = local.region
      metrics = [for node in var.cache_node_ids : ["AWS/ElastiCache", widget.metric, "CacheClusterId", node]]
    } if length(var.cache_node_ids) > 0],
    [for widget in [
      { title = "CloudFront: requests", metric = "Requests", stat = "Sum" },
      { title = "CloudFront: errors (%)", metric = "5xxErrorRate", stat = "Average" },
      ] : {
      title   = widget.title
      stat    = widget.stat
      region  = "us-east-1"
      metrics = [["AWS/CloudFront", widget.metric, "DistributionId", try(var.distribution.id, ""), "Region", "Global"]]
    } if var.distribution != null],
    [for widget in [{ title = "Age of the newest recovery point in the DR region (s)", stat = "Maximum" }] : {
      title   = widget.title
      stat    = widget.stat
      region  = local.region
      metrics = [for database in var.backup_age_databases : ["RegionRecovery", "RecoveryPointAge", "Database", database]]
    } if length(var.backup_age_databases) > 0],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  count = length(local.widgets) == 0 ? 0 : 1

  dashboard_name = local.dashboard_name

  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : {
      type   = "metric"
      x      = (index % 2) * 12
      y      = floor(index / 2) * 6
      width  = 12
      height = 6
      properties = {
        title   = widget.title
        region  = widget.region
        metrics = widget.metrics
        period  = 300
        stat    = widget.stat
        view    = "timeSeries"
      }
    }]
  })
}
