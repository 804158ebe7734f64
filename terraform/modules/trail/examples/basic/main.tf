# A trail of the account, without reads and writes of objects.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "trail" {
  source = "../.."

  name = "berthcare-staging"
  tags = {
    Purpose = "example"
  }
}
