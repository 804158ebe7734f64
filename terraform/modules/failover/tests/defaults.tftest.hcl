mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  project_name  = "berthcare"
  environment   = "staging"
  bucket_suffix = "dr"
}

run "marker" {
  assert {
    condition     = output.bucket_name == "berthcare-failover-staging-dr" && output.marker == "failed-over" && output.health_check_id == null && !output.failed_over
    error_message = "a bucket for one object, and nobody has failed over"
  }
  assert {
    condition     = alltrue([for setting in ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"] : aws_s3_bucket_public_access_block.this[setting]])
    error_message = "nobody opens it"
  }
  assert {
    condition     = one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled" && one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "with versions, and with a key that a checker needs no leave for"
  }
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : "${s.Effect} ${s.Sid}"] == ["Deny DenyWithoutTls", "Deny DenyOldTls"]
    error_message = "without a health check nobody is let in"
  }
}

run "health_check" {
  variables {
    health_check = true
  }

  assert {
    condition     = [for check in aws_route53_health_check.this : [check.type, check.fqdn, check.resource_path, check.invert_healthcheck, check.port]] == [["HTTPS", "berthcare-failover-staging-dr.s3.ca-central-1.amazonaws.com", "/failed-over", true, 443]]
    error_message = "no marker is a healthy primary"
  }
  assert {
    condition     = !contains(aws_route53_health_check.this[0].regions, "us-east-1") && length(aws_route53_health_check.this[0].regions) == 3
    error_message = "asked from where an outage of us-east-1 is not felt"
  }
  assert {
    condition = [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : join(" ", concat(s.Action, s.Resource, s.Condition.IpAddress["aws:SourceIp"])) if s.Effect == "Allow"] == [
      join(" ", concat(["s3:GetObject", "arn:aws:s3:::berthcare-failover-staging-dr/failed-over"], var.health_checker_cidrs))
    ]
    error_message = "one key, for the networks of the checkers alone"
  }
}

run "failed_over" {
  override_data {
    target = data.aws_s3_objects.marker
    values = { keys = ["failed-over"] }
  }

  assert {
    condition     = output.failed_over
    error_message = "the marker is there"
  }
}

run "what_begins_alike" {
  override_data {
    target = data.aws_s3_objects.marker
    values = { keys = ["failed-over-2026"] }
  }

  assert {
    condition     = !output.failed_over
    error_message = "is no marker"
  }
}
