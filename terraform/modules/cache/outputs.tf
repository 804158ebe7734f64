output "identifier" {
  description = "ID of the replication group."
  value       = one(aws_elasticache_replication_group.this[*].replication_group_id)
}

output "node_ids" {
  description = "IDs of the nodes, by which CloudWatch knows them."
  value       = [for number in range(1, var.create ? var.node_count + 1 : 1) : format("%s-%03d", var.identifier, number)]
}

output "primary_endpoint" {
  description = "Host that takes writes."
  value       = one(aws_elasticache_replication_group.this[*].primary_endpoint_address)
}

output "reader_endpoint" {
  description = "Host that serves reads."
  value       = one(aws_elasticache_replication_group.this[*].reader_endpoint_address)
}

output "port" {
  description = "Port."
  value       = var.port
}

output "credentials_secret_arn" {
  description = "Secret with auth_token, host, port and engine."
  value       = aws_secretsmanager_secret.this.arn
}

output "credentials_secret_name" {
  description = "Name of that secret, for the policies of those who may read it."
  value       = aws_secretsmanager_secret.this.name
}
