mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                 = "berthcare-staging"
  vpc_id               = "vpc-0123456789abcdef0"
  bucket_names         = ["berthcare-photos-staging", "berthcare-documents-staging"]
  secret_names         = ["berthcare-staging/database-application", "berthcare-staging/redis"]
  ecr_repository_names = ["berthcare*"]
}

run "key" {
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "the key is rotated and not deleted in haste"
  }
  assert {
    condition     = aws_kms_alias.this.target_key_id == aws_kms_key.this.key_id && aws_kms_alias.this.name == "alias/berthcare-staging"
    error_message = "the alias names the key"
  }
  assert {
    condition     = [for s in jsondecode(aws_kms_key.this.policy).Statement : s.Sid] == ["AccountAdministersByIam", "LogGroupsOfThisAccount", "CloudFrontOfThisAccountReads", "AlarmsPublishToEncryptedTopics"]
    error_message = "who uses the key, and nobody else"
  }
  assert {
    condition     = jsondecode(aws_kms_key.this.policy).Statement[0].Principal == { AWS = "arn:aws:iam::111122223333:root" }
    error_message = "only this account administers the key"
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_kms_key.this.policy).Statement : length(try(s.Condition, {})) > 0 if s.Sid != "AccountAdministersByIam"])
    error_message = "services use the key for this account only"
  }
  assert {
    condition     = jsondecode(aws_kms_key.this.policy).Statement[1].Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"] == "arn:aws:logs:ca-central-1:111122223333:log-group:*"
    error_message = "CloudWatch Logs uses the key for log groups of this account"
  }
  assert {
    condition     = jsondecode(aws_kms_key.this.policy).Statement[2].Condition.StringEquals["aws:SourceAccount"] == "111122223333" && jsondecode(aws_kms_key.this.policy).Statement[2].Action == ["kms:Decrypt"]
    error_message = "CloudFront reads, for this account"
  }
}

run "roles" {
  assert {
    condition = alltrue([for role in [aws_iam_role.execution, aws_iam_role.task] :
      jsondecode(role.assume_role_policy).Statement[0].Principal == { Service = "ecs-tasks.amazonaws.com" } &&
      jsondecode(role.assume_role_policy).Statement[0].Condition.StringEquals["aws:SourceAccount"] == "111122223333" &&
      length(jsondecode(role.assume_role_policy).Statement) == 1
    ])
    error_message = "only ECS tasks of this account take the roles"
  }
  assert {
    condition = alltrue(flatten([for policy in [aws_iam_role_policy.execution, aws_iam_role_policy.task] : [
      for s in jsondecode(policy.policy).Statement : [for action in s.Action : !strcontains(action, "*")]
    ]]))
    error_message = "every action is named"
  }
  assert {
    condition = alltrue(flatten([for policy in [aws_iam_role_policy.execution, aws_iam_role_policy.task] : [
      for s in jsondecode(policy.policy).Statement : !contains(s.Resource, "*") if s.Sid != "LogInToRegistry"
    ]]))
    error_message = "every resource is named, except where AWS knows none"
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.execution.policy).Statement : s.Sid] == ["LogInToRegistry", "PullImages", "WriteLogs", "ReadOwnSecrets", "DecryptSecrets"]
    error_message = "what the execution role may"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.execution.policy).Statement[0].Action == ["ecr:GetAuthorizationToken"]
    error_message = "on every resource: the login, and nothing else"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.execution.policy).Statement[1].Resource == ["arn:aws:ecr:ca-central-1:111122223333:repository/berthcare*"]
    error_message = "images of the project"
  }
  assert {
    condition = alltrue([for policy in [aws_iam_role_policy.execution, aws_iam_role_policy.task] :
      [for s in jsondecode(policy.policy).Statement : s.Resource if anytrue([for action in s.Action : startswith(action, "secretsmanager:")])] == [[
        "arn:aws:secretsmanager:ca-central-1:111122223333:secret:berthcare-staging/database-application-??????",
        "arn:aws:secretsmanager:ca-central-1:111122223333:secret:berthcare-staging/redis-??????",
      ]]
    ])
    error_message = "two secrets by their whole names, and none of RDS's"
  }
  assert {
    condition = alltrue([for policy in [aws_iam_role_policy.execution, aws_iam_role_policy.task] :
      [for s in jsondecode(policy.policy).Statement : s.Condition if s.Sid == "DecryptSecrets"] == [{
        StringEquals = { "kms:ViaService" = "secretsmanager.ca-central-1.amazonaws.com" }
        StringLike = { "kms:EncryptionContext:SecretARN" = [
          "arn:aws:secretsmanager:ca-central-1:111122223333:secret:berthcare-staging/database-application-??????",
          "arn:aws:secretsmanager:ca-central-1:111122223333:secret:berthcare-staging/redis-??????",
        ] }
      }]
    ])
    error_message = "and the key for these alone"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.task.policy).Statement[1].Resource == ["arn:aws:s3:::berthcare-photos-staging/*", "arn:aws:s3:::berthcare-documents-staging/*"]
    error_message = "objects of the data buckets"
  }
  assert {
    condition     = toset(jsondecode(aws_iam_role_policy.task.policy).Statement[1].Action) == toset(["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"])
    error_message = "the application cannot remove versions"
  }
  assert {
    condition     = [for s in jsondecode(aws_iam_role_policy.task.policy).Statement : s.Condition.StringEquals["aws:ResourceAccount"] if anytrue([for action in s.Action : startswith(action, "s3:")])] == ["111122223333", "111122223333"]
    error_message = "and writes to no bucket that another account has under the name"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.task.policy).Statement[2].Condition.StringEquals["kms:ViaService"] == "s3.ca-central-1.amazonaws.com"
    error_message = "the key through S3 only"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.task.policy).Statement[2].Resource == [aws_kms_key.this.arn]
    error_message = "our key only"
  }
}

run "groups" {
  assert {
    condition     = { for key, rule in aws_vpc_security_group_ingress_rule.alb : key => "${rule.cidr_ipv4} ${rule.ip_protocol} ${rule.from_port}-${rule.to_port}" } == { "0.0.0.0/0-80" = "0.0.0.0/0 tcp 80-80", "0.0.0.0/0-443" = "0.0.0.0/0 tcp 443-443" }
    error_message = "the world reaches the load balancer on 80 and 443"
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.alb : rule.security_group_id == aws_security_group.alb.id])
    error_message = "and nothing else"
  }
  assert {
    condition = alltrue([for rule in [
      aws_vpc_security_group_ingress_rule.tasks_from_alb, aws_vpc_security_group_ingress_rule.rds_from_tasks, aws_vpc_security_group_ingress_rule.redis_from_tasks,
      aws_vpc_security_group_egress_rule.alb_to_tasks, aws_vpc_security_group_egress_rule.tasks_to_rds, aws_vpc_security_group_egress_rule.tasks_to_redis,
    ] : rule.cidr_ipv4 == null && rule.cidr_ipv6 == null && rule.ip_protocol == "tcp" && rule.from_port == rule.to_port])
    error_message = "inside, groups are named, not networks, and one port each"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks_from_alb.security_group_id == aws_security_group.ecs_tasks.id && aws_vpc_security_group_ingress_rule.tasks_from_alb.referenced_security_group_id == aws_security_group.alb.id && aws_vpc_security_group_ingress_rule.tasks_from_alb.from_port == 3000
    error_message = "load balancer to tasks"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.alb_to_tasks.security_group_id == aws_security_group.alb.id && aws_vpc_security_group_egress_rule.alb_to_tasks.referenced_security_group_id == aws_security_group.ecs_tasks.id && aws_vpc_security_group_egress_rule.alb_to_tasks.from_port == 3000
    error_message = "the load balancer talks to tasks only"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.rds_from_tasks.security_group_id == aws_security_group.rds.id && aws_vpc_security_group_ingress_rule.rds_from_tasks.referenced_security_group_id == aws_security_group.ecs_tasks.id && aws_vpc_security_group_ingress_rule.rds_from_tasks.from_port == 5432
    error_message = "tasks to PostgreSQL"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.redis_from_tasks.security_group_id == aws_security_group.redis.id && aws_vpc_security_group_ingress_rule.redis_from_tasks.referenced_security_group_id == aws_security_group.ecs_tasks.id && aws_vpc_security_group_ingress_rule.redis_from_tasks.from_port == 6379
    error_message = "tasks to Redis"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.tasks_to_rds.referenced_security_group_id == aws_security_group.rds.id && aws_vpc_security_group_egress_rule.tasks_to_rds.from_port == 5432 && aws_vpc_security_group_egress_rule.tasks_to_redis.referenced_security_group_id == aws_security_group.redis.id && aws_vpc_security_group_egress_rule.tasks_to_redis.from_port == 6379
    error_message = "tasks reach database and cache"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.tasks_to_https.from_port == 443 && aws_vpc_security_group_egress_rule.tasks_to_https.to_port == 443 && aws_vpc_security_group_egress_rule.tasks_to_https.ip_protocol == "tcp"
    error_message = "outside, tasks speak HTTPS only"
  }
}

run "outputs" {
  assert {
    condition     = [output.alb_security_group_id, output.ecs_tasks_security_group_id, output.rds_security_group_id, output.redis_security_group_id] == [aws_security_group.alb.id, aws_security_group.ecs_tasks.id, aws_security_group.rds.id, aws_security_group.redis.id]
    error_message = "each group under its name"
  }
  assert {
    condition     = output.ecs_task_execution_role_arn == aws_iam_role.execution.arn && output.ecs_task_role_arn == aws_iam_role.task.arn && output.kms_key_arn == aws_kms_key.this.arn
    error_message = "roles and key"
  }
}

run "narrower" {
  variables {
    alb_ingress_cidrs        = ["203.0.113.0/24", "198.51.100.0/24"]
    app_port                 = 8080
    kms_deletion_window_days = 7
    secret_names             = ["berthcare-staging/redis"]
  }

  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.alb) == 4 && !contains([for rule in aws_vpc_security_group_ingress_rule.alb : rule.cidr_ipv4], "0.0.0.0/0")
    error_message = "two networks on two ports, and no other"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.tasks_from_alb.to_port == 8080 && aws_vpc_security_group_egress_rule.alb_to_tasks.to_port == 8080
    error_message = "both sides move"
  }
  assert {
    condition     = aws_kms_key.this.deletion_window_in_days == 7
    error_message = "the window is the one asked for"
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.task.policy, "database")
    error_message = "no database, no secret of one"
  }
}
