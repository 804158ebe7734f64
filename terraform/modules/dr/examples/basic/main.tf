# Replicated backups of one database.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "dr" {
  source = "../.."

  name                     = "berthcare-staging"
  dr_region                = "ca-west-1"
  dr_kms_key_arn           = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  kms_key_arn              = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  database_arn             = "arn:aws:rds:ca-central-1:111122223333:db:berthcare-staging-postgres"
  database_identifiers     = ["berthcare-staging-postgres"]
  role_path                = "/platform/"
  permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
  tags = {
    Purpose = "example"
  }
}
