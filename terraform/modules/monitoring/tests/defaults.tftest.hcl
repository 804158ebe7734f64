mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name           = "berthcare-staging"
  alarm_email    = "ops@berthcare.ca"
  kms_key_arn    = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  database       = { identifier = "berthcare-staging-postgres", max_connections = 400 }
  cache_node_ids = ["berthcare-staging-redis-001", "berthcare-staging-redis-002"]
  distribution   = { id = "E2EXAMPLE" }
}

run "database_alarms" {
  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.database : key => "${alarm.metric_name} ${alarm.comparison_operator} ${alarm.threshold}" } == {
      "rds-cpu"          = "CPUUtilization GreaterThanThreshold 80"
      "rds-free-memory"  = "FreeableMemory LessThanThreshold 536870912"
      "rds-free-storage" = "FreeStorageSpace LessThanThreshold 10737418240"
      "rds-connections"  = "DatabaseConnections GreaterThanThreshold 320"
    }
    error_message = "CPU above 80 %, memory below 512 MB, storage below 10 GB, connections above 80 % of 400"
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.database : alarm.namespace == "AWS/RDS" && alarm.dimensions == tomap({ DBInstanceIdentifier = "berthcare-staging-postgres" }) && alarm.statistic == "Average" && alarm.period == 300 && alarm.evaluation_periods == 2])
    error_message = "of our database, over ten minutes"
  }
}

run "cache_alarms" {
  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.cache : key => "${alarm.metric_name} ${alarm.statistic} ${alarm.comparison_operator} ${alarm.threshold} ${alarm.dimensions["CacheClusterId"]}" } == {
      "redis-cpu-001"       = "CPUUtilization Average GreaterThanThreshold 75 berthcare-staging-redis-001"
      "redis-cpu-002"       = "CPUUtilization Average GreaterThanThreshold 75 berthcare-staging-redis-002"
      "redis-memory-001"    = "DatabaseMemoryUsagePercentage Average GreaterThanThreshold 80 berthcare-staging-redis-001"
      "redis-memory-002"    = "DatabaseMemoryUsagePercentage Average GreaterThanThreshold 80 berthcare-staging-redis-002"
      "redis-evictions-001" = "Evictions Sum GreaterThanThreshold 1000 berthcare-staging-redis-001"
      "redis-evictions-002" = "Evictions Sum GreaterThanThreshold 1000 berthcare-staging-redis-002"
    }
    error_message = "CPU above 75 %, memory above 80 %, more than 1000 evictions, for each node"
  }
}

# aws-behaviour: 35
run "cloudfront_alarm" {
  assert {
    condition     = aws_cloudwatch_metric_alarm.cloudfront_5xx[0].region == "us-east-1" && aws_sns_topic.global[0].region == "us-east-1" && aws_sns_topic_policy.global[0].region == "us-east-1" && aws_sns_topic_subscription.global[0].region == "us-east-1"
    error_message = "alarm and topic live where CloudFront's metrics are"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.cloudfront_5xx[0].metric_name == "5xxErrorRate" && aws_cloudwatch_metric_alarm.cloudfront_5xx[0].threshold == 5 && aws_cloudwatch_metric_alarm.cloudfront_5xx[0].comparison_operator == "GreaterThanThreshold" && aws_cloudwatch_metric_alarm.cloudfront_5xx[0].dimensions == tomap({ DistributionId = "E2EXAMPLE", Region = "Global" })
    error_message = "more than 5 % server errors of our distribution"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.cloudfront_5xx[0].alarm_actions == toset([aws_sns_topic.global[0].arn])
    error_message = "an alarm publishes in its own region only"
  }
}

run "topics" {
  assert {
    condition     = aws_sns_topic.alerts.kms_master_key_id == var.kms_key_arn && aws_sns_topic.alerts.name == "berthcare-staging-alerts"
    error_message = "the topic is encrypted"
  }
  assert {
    condition     = alltrue([for subscription in [aws_sns_topic_subscription.alerts, aws_sns_topic_subscription.global[0]] : subscription.protocol == "email" && subscription.endpoint == "ops@berthcare.ca"]) && aws_sns_topic_subscription.alerts.topic_arn == aws_sns_topic.alerts.arn && aws_sns_topic_subscription.global[0].topic_arn == aws_sns_topic.global[0].arn
    error_message = "both mail to the address"
  }
  assert {
    condition = alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.database), values(aws_cloudwatch_metric_alarm.cache)) :
    alarm.alarm_actions == toset([aws_sns_topic.alerts.arn]) && alarm.ok_actions == toset([aws_sns_topic.alerts.arn])])
    error_message = "alarms are told, and so is their end"
  }
  assert {
    condition     = alltrue([for policy in [aws_sns_topic_policy.alerts, aws_sns_topic_policy.global[0]] : [for s in jsondecode(policy.policy).Statement : "${s.Sid} ${s.Effect}"] == ["AlarmsOfThisAccountPublish Allow", "DenyWithoutTls Deny"] && jsondecode(policy.policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333"])
    error_message = "alarms of this account publish, over TLS"
  }
}

run "dashboard" {
  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets) == 11 && aws_cloudwatch_dashboard.this[0].dashboard_name == "berthcare-staging"
    error_message = "database, cache and distribution"
  }
  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.region == (strcontains(widget.properties.title, "CloudFront") ? "us-east-1" : "ca-central-1")])
    error_message = "each from the region of its metrics"
  }
  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.title if widget.properties.stat == "Sum"] == ["Redis: evictions", "CloudFront: requests"]
    error_message = "counts are added up, measures averaged"
  }
  assert {
    condition     = toset([for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.stat if !contains(["Redis: evictions", "CloudFront: requests"], widget.properties.title)]) == toset(["Average"])
    error_message = "and nothing else"
  }
  assert {
    condition     = output.dashboard_url == "https://ca-central-1.console.aws.amazon.com/cloudwatch/home?region=ca-central-1#dashboards:name=berthcare-staging" && output.dashboard_name == "berthcare-staging"
    error_message = "the address that the guide gives"
  }
  assert {
    condition     = length(output.alarm_names) == 12 && length(aws_cloudwatch_metric_alarm.backup_age) == 0
    error_message = "four, six, one, and that on snapshots"
  }
}

run "no_snapshot" {
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.snapshot["rds-no-snapshot"].event_pattern).detail == { EventID = ["RDS-EVENT-0091"], SourceIdentifier = [{ prefix = "rds:berthcare-staging-postgres-" }] }
    error_message = "counts the automated snapshots of this database, and of no other whose name begins alike"
  }
  assert {
    condition     = [for alarm in [aws_cloudwatch_metric_alarm.snapshot["rds-no-snapshot"]] : [alarm.namespace, alarm.metric_name, alarm.dimensions["RuleName"], alarm.comparison_operator, alarm.treat_missing_data, alarm.period, alarm.evaluation_periods, alarm.datapoints_to_alarm, alarm.threshold]] == [["AWS/Events", "MatchedEvents", "berthcare-staging-rds-no-snapshot", "LessThanThreshold", "breaching", 3600, 26, 26, 1]]
    error_message = "26 hours of silence are an alarm, and one snapshot among them is none"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.snapshot["rds-no-snapshot"].alarm_actions == toset([aws_sns_topic.alerts.arn])
    error_message = "somebody is told"
  }
}

run "no_snapshot_of_a_stopped_database" {
  variables {
    thresholds = { snapshot_silence_hours = 0 }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.snapshot) == 0 && length(aws_cloudwatch_event_rule.snapshot) == 0
    error_message = "nothing is expected of it"
  }
}

run "backup_age" {
  variables {
    backup_age_databases = ["berthcare-staging-postgres"]
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.backup_age["berthcare-staging-postgres"].threshold == 93600 && aws_cloudwatch_metric_alarm.backup_age["berthcare-staging-postgres"].treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.backup_age["berthcare-staging-postgres"].comparison_operator == "GreaterThanThreshold"
    error_message = "older than 26 hours, or unknown"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.backup_age["berthcare-staging-postgres"].namespace == "RegionRecovery" && aws_cloudwatch_metric_alarm.backup_age["berthcare-staging-postgres"].metric_name == "RecoveryPointAge" && aws_cloudwatch_metric_alarm.backup_age["berthcare-staging-postgres"].dimensions == tomap({ Database = "berthcare-staging-postgres" }) && aws_cloudwatch_metric_alarm.backup_age["berthcare-staging-postgres"].alarm_actions == toset([aws_sns_topic.alerts.arn])
    error_message = "as the copier publishes it"
  }
  assert {
    condition     = [for widget in jsondecode(aws_cloudwatch_dashboard.this[0].dashboard_body).widgets : widget.properties.stat if strcontains(widget.properties.title, "recovery point")] == ["Maximum"]
    error_message = "the worst, not the average"
  }
}

run "other_thresholds" {
  variables {
    thresholds = { db_cpu_percent = 70, db_connections_percent = 50, cache_evictions = 10, cloudfront_5xx_percent = 1 }
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.database["rds-cpu"].threshold == 70 && aws_cloudwatch_metric_alarm.database["rds-connections"].threshold == 200 && aws_cloudwatch_metric_alarm.cache["redis-evictions-001"].threshold == 10 && aws_cloudwatch_metric_alarm.cloudfront_5xx[0].threshold == 1
    error_message = "as asked"
  }
}

run "topic_alone" {
  variables {
    database       = null
    cache_node_ids = []
    distribution   = null
  }

  assert {
    condition     = length(output.alarm_names) == 0 && length(aws_cloudwatch_dashboard.this) == 0 && length(aws_sns_topic.global) == 0 && output.dashboard_name == null
    error_message = "a pilot light has nothing to watch but the topic of others"
  }
}
