# A topic, and nothing to watch yet.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "monitoring" {
  source = "../.."

  name        = "berthcare-staging"
  alarm_email = "ops@berthcare.ca"
  kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  tags = {
    Purpose = "example"
  }
}
