# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                            = "berthcare-staging"
  image                           = "111122223333.dkr.ecr.ca-central-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  vpc_id                          = "vpc-1"
  public_subnet_ids               = ["subnet-a", "subnet-b"]
  private_subnet_ids              = ["subnet-c", "subnet-d"]
  load_balancer_security_group_id = "sg-alb"
  tasks_security_group_id         = "sg-tasks"
  execution_role_arn              = "arn:aws:iam::111122223333:role/berthcare-staging-ecs-execution"
  task_role_arn                   = "arn:aws:iam::111122223333:role/berthcare-staging-ecs-task"
  certificate_arn                 = "arn:aws:acm:ca-central-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"
  log_bucket_name                 = "berthcare-logs-staging"
  log_bucket_policy_id            = "berthcare-logs-staging"
  kms_key_arn                     = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "refused_1" {
  command = plan

  variables {
    # a load balancer's would have 33 characters
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    # by a tag
    image = "111122223333.dkr.ecr.ca-central-1.amazonaws.com/berthcare/api:1.4.2"
    # root's
    port = 80
    # two vCPU and a bit
    cpu = 2049
    # for Windows
    architecture = "AMD64"
    # none
    min_tasks = 0
    # always
    cpu_percent = 100
    # a password
    environment = { DB_PASSWORD = "x" }
    # the master's
    secrets = { DATABASE = "arn:aws:secretsmanager:ca-central-1:111122223333:secret:rds!db-1234-AbCdEf" }
    # one
    public_subnet_ids = ["subnet-a"]
    # one
    private_subnet_ids = ["subnet-c"]
    # none
    certificate_arn = ""
    # relative
    health_check_path = "health"
    # an alias
    kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:alias/x"
    # ten
    log_retention_days = 10
    # seconds
    timeouts = { create = "90s" }
  }

  expect_failures = [var.name, var.image, var.port, var.cpu, var.architecture, var.min_tasks, var.cpu_percent, var.environment, var.secrets, var.public_subnet_ids, var.private_subnet_ids, var.certificate_arn, var.health_check_path, var.kms_key_arn, var.log_retention_days, var.timeouts]
}

run "refused_2" {
  command = plan

  variables {
    # too much for half a vCPU
    memory = 8192
    # below min_tasks
    max_tasks = 1
    # one role for both
    task_role_arn = "arn:aws:iam::111122223333:role/berthcare-staging-ecs-execution"
    # never
    grace_seconds = -1
    # no errors at all
    errors_in_five_minutes = 0
    # a third one
    dns = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca", failover = "TERTIARY" }
  }

  expect_failures = [var.memory, var.max_tasks, var.task_role_arn, var.grace_seconds, var.errors_in_five_minutes, var.dns]
}

run "refused_3" {
  command = plan

  variables {
    # who says when it fails?
    dns = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca", failover = "PRIMARY" }
  }

  expect_failures = [var.dns]
}

run "refused_4" {
  command = plan

  variables {
    # down together with the primary
    dns = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca", failover = "SECONDARY", health_check_id = "abcd" }
  }

  expect_failures = [var.dns]
}

run "refused_logs_before_the_policy" {
  command = plan

  variables {
    # nothing to wait for
    log_bucket_policy_id = ""
  }

  expect_failures = [aws_lb.this]
}
