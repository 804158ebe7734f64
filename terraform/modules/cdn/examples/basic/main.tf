# A distribution that serves what one key has signed.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "cdn" {
  source = "../.."

  name = "berthcare-staging"
  origins = {
    photos     = "berthcare-photos-staging.s3.ca-central-1.amazonaws.com"
    documents  = "berthcare-documents-staging.s3.ca-central-1.amazonaws.com"
    signatures = "berthcare-signatures-staging.s3.ca-central-1.amazonaws.com"
  }
  log_bucket_arn       = "arn:aws:s3:::berthcare-logs-staging"
  log_bucket_policy_id = "berthcare-logs-staging"
  signing_keys = {
    "2026" = <<-KEY
      -----BEGIN PUBLIC KEY-----
      MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA
      -----END PUBLIC KEY-----
    KEY
  }
  tags = {
    Purpose = "example"
  }
}
