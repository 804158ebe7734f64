moved {
  from = aws_db_instance.this
  to   = aws_db_instance.this[0]
}

moved {
  from = aws_secretsmanager_secret_version.connection
  to   = aws_secretsmanager_secret_version.connection[0]
}
