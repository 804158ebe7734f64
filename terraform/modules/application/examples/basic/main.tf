# A service under the name of its load balancer.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "application" {
  source = "../.."

  name                            = "berthcare-staging"
  image                           = "111122223333.dkr.ecr.ca-central-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  vpc_id                          = "vpc-0123456789abcdef0"
  public_subnet_ids               = ["subnet-0123456789abcdef2", "subnet-0123456789abcdef3"]
  private_subnet_ids              = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  load_balancer_security_group_id = "sg-0123456789abcdef1"
  tasks_security_group_id         = "sg-0123456789abcdef2"
  execution_role_arn              = "arn:aws:iam::111122223333:role/berthcare-staging-ecs-execution"
  task_role_arn                   = "arn:aws:iam::111122223333:role/berthcare-staging-ecs-task"
  certificate_arn                 = "arn:aws:acm:ca-central-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"
  log_bucket_name                 = "berthcare-logs-staging"
  log_bucket_policy_id            = "berthcare-logs-staging"
  kms_key_arn                     = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  environment = {
    NODE_ENV = "production"
  }
  secrets = {
    DATABASE_CREDENTIALS = "arn:aws:secretsmanager:ca-central-1:111122223333:secret:berthcare-staging/database-application-AbCdEf"
  }
  tags = {
    Purpose = "example"
  }
}
