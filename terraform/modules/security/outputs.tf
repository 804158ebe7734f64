output "kms_key_arn" {
  description = "Key that encrypts data at rest."
  value       = aws_kms_key.this.arn
}

output "kms_key_alias" {
  description = "Alias of the key."
  value       = aws_kms_alias.this.name
}

output "ecs_task_execution_role_arn" {
  description = "Role with which ECS starts tasks."
  value       = aws_iam_role.execution.arn
}

output "ecs_task_role_arn" {
  description = "Role with which tasks run."
  value       = aws_iam_role.task.arn
}

output "alb_security_group_id" {
  description = "Group of the load balancer."
  value       = aws_security_group.alb.id
}

output "ecs_tasks_security_group_id" {
  description = "Group of the application's tasks."
  value       = aws_security_group.ecs_tasks.id
}

output "rds_security_group_id" {
  description = "Group of the database."
  value       = aws_security_group.rds.id
}

output "redis_security_group_id" {
  description = "Group of the cache."
  value       = aws_security_group.redis.id
}
