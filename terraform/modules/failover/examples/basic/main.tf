# The marker of a DR region, and the health check that reads it.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-west-1"
}

module "failover" {
  source = "../.."

  project_name  = "berthcare"
  environment   = "staging"
  bucket_suffix = "dr"
  health_check  = true
  tags = {
    Purpose = "example"
  }
}
