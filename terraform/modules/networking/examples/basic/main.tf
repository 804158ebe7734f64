# A network in two zones, with a gateway in each.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "networking" {
  source = "../.."

  name                     = "berthcare-staging"
  kms_key_arn              = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  role_path                = "/platform/"
  permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
  tags = {
    Purpose = "example"
  }
}
