# Key, roles and groups of an application with one bucket and one secret.

terraform {
  required_version = ">= 1.10"
}

provider "aws" {
  region = "ca-central-1"
}

module "security" {
  source = "../.."

  name                     = "berthcare-staging"
  vpc_id                   = "vpc-0123456789abcdef0"
  bucket_names             = ["berthcare-photos-staging"]
  secret_names             = ["berthcare-staging/redis"]
  ecr_repository_names     = ["berthcare*"]
  role_path                = "/platform/"
  permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
  tags = {
    Purpose = "example"
  }
}
