# One repository, replicated.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "registry" {
  source = "../.."

  names          = ["berthcare/api"]
  kms_key_arn    = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  replica_region = "ca-west-1"
  tags = {
    Purpose = "example"
  }
}
