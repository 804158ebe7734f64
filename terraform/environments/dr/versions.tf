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

  # `init-backend render dr --out dr.s3.tfbackend`, in this folder, writes the other arguments and keeps this key, which is
  # not that of the state of environments/staging in the same bucket; then
  # `terraform init -backend-config=dr.s3.tfbackend`.
  backend "s3" {
    key = "dr/terraform.tfstate"
  }
}

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = local.tags
  }
}
