output "identifier" {
  description = "ID of the replication group."
  value       = aws_elasticache_replication_group.this.replication_group_id
}

output "node_ids" {
  description = "IDs of the nodes, by which CloudWatch knows them."
  value       = [for number in range(1, var.node_count + 1) : format("%s-%03d", var.identifier, number)]
}

output "primary_endpoint" {
  description = "Host that takes writes."
  value       = aws_elasticache_replication_group.this.primary_endpoint_address
}

output "reader_endpoint" {
  description = "Host that serves reads."
  value       = aws_elasticache_replication_group.this.reader_endpoint_address
}

output "port" {
  description = "Port."
  value       = var.port
}

output "credentials_secret_arn" {
  description = "Secret with auth_token, host, port and engine."
  value       = aws_secretsmanager_secret.this.arn
}
