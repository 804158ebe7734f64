mock_provider "aws" {
  source = "../../testing/mocks"
}

mock_provider "random" {}

variables {
  identifier         = "berthcare-staging-redis"
  secret_prefix      = "berthcare-staging"
  subnet_ids         = ["subnet-a", "subnet-b"]
  security_group_ids = ["sg-redis"]
  kms_key_arn        = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "group" {
  assert {
    condition     = aws_elasticache_replication_group.this[0].engine == "redis" && aws_elasticache_replication_group.this[0].engine_version == "7.1" && aws_elasticache_replication_group.this[0].node_type == "cache.t4g.micro" && aws_elasticache_replication_group.this[0].num_cache_clusters == 2 && aws_elasticache_replication_group.this[0].port == 6379
    error_message = "Redis 7.1, two nodes"
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].automatic_failover_enabled && aws_elasticache_replication_group.this[0].multi_az_enabled
    error_message = "failover to another zone"
  }
  assert {
    condition     = tobool(aws_elasticache_replication_group.this[0].at_rest_encryption_enabled) && aws_elasticache_replication_group.this[0].kms_key_id == var.kms_key_arn
    error_message = "encrypted with our key"
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].transit_encryption_enabled && aws_elasticache_replication_group.this[0].transit_encryption_mode == "required"
    error_message = "TLS, and nothing else"
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].auth_token == random_password.auth_token[0].result && random_password.auth_token[0].length == 64 && random_password.auth_token[0].special == false
    error_message = "a token that AUTH takes"
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].snapshot_retention_limit == 5 && aws_elasticache_replication_group.this[0].snapshot_window == "06:00-07:00" && aws_elasticache_replication_group.this[0].maintenance_window == "sun:09:30-sun:10:30"
    error_message = "five days of snapshots, at night"
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].subnet_group_name == aws_elasticache_subnet_group.this.name && aws_elasticache_subnet_group.this.subnet_ids == toset(["subnet-a", "subnet-b"]) && aws_elasticache_replication_group.this[0].security_group_ids == toset(["sg-redis"])
    error_message = "in the private subnets, behind its own group"
  }
  assert {
    condition     = aws_elasticache_parameter_group.this.family == "redis7" && aws_elasticache_replication_group.this[0].parameter_group_name == aws_elasticache_parameter_group.this.name && length(aws_elasticache_parameter_group.this.parameter) == 0
    error_message = "with a group of its own, which says nothing that AWS does anyway"
  }
  assert {
    condition     = toset([for log in aws_elasticache_replication_group.this[0].log_delivery_configuration : log.log_type]) == toset(["engine-log", "slow-log"]) && alltrue([for group in aws_cloudwatch_log_group.this : group.kms_key_id == var.kms_key_arn && group.retention_in_days == 365])
    error_message = "logs, encrypted, with an end"
  }
  assert {
    condition     = output.node_ids == ["berthcare-staging-redis-001", "berthcare-staging-redis-002"]
    error_message = "nodes as ElastiCache numbers them"
  }
}

run "secret" {
  assert {
    condition     = jsondecode(aws_secretsmanager_secret_version.this[0].secret_string) == { auth_token = random_password.auth_token[0].result, host = aws_elasticache_replication_group.this[0].primary_endpoint_address, port = 6379, engine = "redis" }
    error_message = "token and address"
  }
  assert {
    condition     = aws_secretsmanager_secret.this.name == "berthcare-staging/redis" && aws_secretsmanager_secret.this.kms_key_id == var.kms_key_arn && aws_secretsmanager_secret.this.recovery_window_in_days == 30 && length(aws_secretsmanager_secret.this.replica) == 0
    error_message = "where the tasks may read it, encrypted"
  }
}

run "three_nodes_and_a_copy" {
  variables {
    node_count     = 3
    engine_version = "7.0"
    secret_replica = { region = "ca-west-1", kms_key_arn = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab" }
  }

  assert {
    condition     = aws_elasticache_replication_group.this[0].num_cache_clusters == 3 && output.node_ids[2] == "berthcare-staging-redis-003"
    error_message = "three nodes"
  }
  assert {
    condition     = one(aws_secretsmanager_secret.this.replica).region == "ca-west-1" && one(aws_secretsmanager_secret.this.replica).kms_key_id == var.secret_replica.kms_key_arn
    error_message = "a copy in the DR region, under its key"
  }
}

run "a_drill" {
  command = plan

  variables {
    secret_recovery_window_days = 0
    timeouts                    = { create = "90m" }
  }

  assert {
    condition     = aws_secretsmanager_secret.this.recovery_window_in_days == 0
    error_message = "the next drill finds no name taken"
  }
  assert {
    condition     = aws_elasticache_replication_group.this[0].timeouts == { create = "90m", update = "2h", delete = "1h" }
    error_message = "terraform waits as long as it is told"
  }
}

run "before_it_is_needed" {
  variables {
    create = false
  }

  assert {
    condition     = length(aws_elasticache_replication_group.this) == 0 && length(random_password.auth_token) == 0 && length(aws_secretsmanager_secret_version.this) == 0 && output.identifier == null && length(output.node_ids) == 0
    error_message = "no nodes and no token"
  }
  assert {
    condition     = output.credentials_secret_name == "berthcare-staging/redis" && aws_elasticache_subnet_group.this.name == "berthcare-staging-redis"
    error_message = "but the secret that the tasks may read, and the groups"
  }
}
