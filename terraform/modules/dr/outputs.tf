output "automated_backups_replication_id" {
  description = "ARN of the replicated automated backup in the DR region; null without it."
  value       = one(aws_db_instance_automated_backups_replication.this[*].id)
}

output "snapshot_copier_name" {
  description = "Name of the copier's function; null without it."
  value       = one([for function in aws_lambda_function.copier : function.function_name])
}

output "snapshot_copier_queue_url" {
  description = "Queue of runs that were given up; null without the copier."
  value       = one([for queue in aws_sqs_queue.failed : queue.url])
}
