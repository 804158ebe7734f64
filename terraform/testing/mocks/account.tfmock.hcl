# What every module asks of its account, and ARNs that look like AWS's where another argument checks them.

mock_data "aws_caller_identity" {
  defaults = {
    account_id = "111122223333"
  }
}

mock_data "aws_partition" {
  defaults = {
    partition  = "aws"
    dns_suffix = "amazonaws.com"
  }
}

mock_data "aws_region" {
  defaults = {
    region = "ca-central-1"
  }
}

mock_data "aws_availability_zones" {
  defaults = {
    names = ["ca-central-1a", "ca-central-1b", "ca-central-1d"]
  }
}

# What the configuration leaves to AWS shows as this, so that a test can tell.
mock_resource "aws_db_instance" {
  defaults = {
    snapshot_identifier = "not-given"
    db_name             = "not-given"
    username            = "not-given"
  }
}
