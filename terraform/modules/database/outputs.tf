output "identifier" {
  description = "Identifier of the instance."
  value       = one(aws_db_instance.this[*].identifier)
}

output "arn" {
  description = "ARN of the instance."
  value       = one(aws_db_instance.this[*].arn)
}

output "endpoint" {
  description = "Host and port."
  value       = one(aws_db_instance.this[*].endpoint)
}

output "address" {
  description = "Host."
  value       = one(aws_db_instance.this[*].address)
}

output "port" {
  description = "Port."
  value       = one(aws_db_instance.this[*].port)
}

output "db_name" {
  description = "Database of the application."
  value       = var.db_name
}

output "username" {
  description = "Master user."
  value       = var.username
}

output "engine_version" {
  description = "PostgreSQL version in use."
  value       = one(aws_db_instance.this[*].engine_version_actual)
}

output "max_connections" {
  description = "Connections that PostgreSQL takes."
  value       = var.max_connections
}

output "application_username" {
  description = "User of the application."
  value       = var.application_username
}

output "application_secret_arn" {
  description = "Secret of the application's user: username, password, engine, host, port and dbname."
  value       = aws_secretsmanager_secret.application.arn
}

output "application_secret_name" {
  description = "Name of that secret, for the policies of those who may read it."
  value       = aws_secretsmanager_secret.application.name
}

output "master_secret_arn" {
  description = "Secret of RDS with username and password of the master user."
  value       = local.password_secret_arn
}

output "connection_secret_arn" {
  description = "Secret with engine, host, port, dbname, username and the ARN of the password's secret."
  value       = aws_secretsmanager_secret.connection.arn
}

output "parameter_group_name" {
  description = "Parameter group."
  value       = aws_db_parameter_group.this.name
}

output "subnet_group_name" {
  description = "Subnet group."
  value       = aws_db_subnet_group.this.name
}
