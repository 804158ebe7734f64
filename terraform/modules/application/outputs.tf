output "load_balancer_dns_name" {
  description = "Name that AWS gives the load balancer."
  value       = aws_lb.this.dns_name
}

output "url" {
  description = "Where the application answers; null without a name of its own."
  value       = var.dns == null ? null : "https://${var.dns.name}"
}

output "cluster_name" {
  description = "Cluster of the tasks."
  value       = aws_ecs_cluster.this.name
}

output "service_name" {
  description = "Service that runs the tasks; null where none run."
  value       = one([for service in aws_ecs_service.this : service.name])
}

output "task_definition_arn" {
  description = "Task definition, with the image by its digest."
  value       = aws_ecs_task_definition.this.arn
}

output "log_group_name" {
  description = "Log group of the tasks."
  value       = aws_cloudwatch_log_group.this.name
}
