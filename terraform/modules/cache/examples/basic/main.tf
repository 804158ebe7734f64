# Redis with a replica.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "cache" {
  source = "../.."

  identifier         = "berthcare-staging-redis"
  secret_prefix      = "berthcare-staging"
  subnet_ids         = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  security_group_ids = ["sg-0123456789abcdef0"]
  kms_key_arn        = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  tags = {
    Purpose = "example"
  }
}
