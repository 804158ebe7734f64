# A new, empty database.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "database" {
  source = "../.."

  identifier               = "berthcare-staging-postgres"
  secret_prefix            = "berthcare-staging"
  subnet_ids               = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
  security_group_ids       = ["sg-0123456789abcdef0"]
  kms_key_arn              = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  role_path                = "/platform/"
  permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
  tags = {
    Purpose = "example"
  }
}
