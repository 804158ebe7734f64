terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.6"
    }
    # A part of Terraform itself, for its function decode_tfvars.
    terraform = {
      source = "terraform.io/builtin/terraform"
    }
  }

  # `init-backend render primary --out staging.s3.tfbackend` writes the arguments; then
  # `terraform init -backend-config=staging.s3.tfbackend`.
  backend "s3" {}
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = local.tags
  }
}
