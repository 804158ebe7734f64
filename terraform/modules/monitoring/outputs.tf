output "topic_arn" {
  description = "Topic of the alarms in this region."
  value       = aws_sns_topic.alerts.arn
}

output "global_topic_arn" {
  description = "Topic of CloudFront's alarms in us-east-1; null without a distribution."
  value       = one(aws_sns_topic.global[*].arn)
}

output "dashboard_name" {
  description = "Name of the dashboard; null when there is nothing to show."
  value       = length(local.widgets) == 0 ? null : local.dashboard_name
}

output "dashboard_url" {
  description = "Where the dashboard opens; null when there is nothing to show."
  value       = length(local.widgets) == 0 ? null : "https://${local.region}.console.aws.amazon.com/cloudwatch/home?region=${local.region}#dashboards:name=${local.dashboard_name}"
}

output "alarm_names" {
  description = "Names of the alarms."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.database : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.cache : alarm.alarm_name],
    aws_cloudwatch_metric_alarm.cloudfront_5xx[*].alarm_name,
    [for alarm in aws_cloudwatch_metric_alarm.snapshot : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.backup_age : alarm.alarm_name],
  ))
}
