# A certificate of this region for one name.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "certificate" {
  source = "../.."

  domain_name = "api.staging.berthcare.ca"
  zone_id     = "Z0123456789ABC"
  tags = {
    Purpose = "example"
  }
}
