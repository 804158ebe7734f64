mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  project_name = "berthcare"
  environment  = "staging"
  kms_key_arn  = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "buckets" {
  assert {
    condition     = { for kind, bucket in aws_s3_bucket.this : kind => bucket.bucket } == { photos = "berthcare-photos-staging", documents = "berthcare-documents-staging", signatures = "berthcare-signatures-staging", logs = "berthcare-logs-staging" }
    error_message = "the four buckets by their names"
  }
  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : bucket.force_destroy == false])
    error_message = "a bucket with objects is not deleted"
  }
  assert {
    condition     = length(aws_s3_bucket_versioning.this) == 4 && alltrue([for versioning in aws_s3_bucket_versioning.this : versioning.versioning_configuration[0].status == "Enabled"])
    error_message = "versions in each"
  }
  assert {
    condition     = alltrue([for kind in ["photos", "documents", "signatures"] : one(one(aws_s3_bucket_server_side_encryption_configuration.this[kind].rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms" && one(one(aws_s3_bucket_server_side_encryption_configuration.this[kind].rule).apply_server_side_encryption_by_default).kms_master_key_id == var.kms_key_arn])
    error_message = "data under our key"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this["logs"].rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256" && length(aws_s3_bucket_server_side_encryption_configuration.this) == 4
    error_message = "logs under AES256, the only one that S3 delivers access logs to"
  }
  assert {
    condition     = length(aws_s3_bucket_public_access_block.this) == 4 && alltrue([for block in aws_s3_bucket_public_access_block.this : block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets])
    error_message = "nothing is public"
  }
  assert {
    condition     = length(aws_s3_bucket_ownership_controls.this) == 4 && alltrue([for controls in aws_s3_bucket_ownership_controls.this : controls.rule[0].object_ownership == "BucketOwnerEnforced"])
    error_message = "no ACLs"
  }
  assert {
    condition     = toset(keys(aws_s3_bucket_logging.this)) == toset(["photos", "documents", "signatures"]) && alltrue([for kind, logging in aws_s3_bucket_logging.this : logging.target_bucket == aws_s3_bucket.this["logs"].id && logging.target_prefix == "s3/berthcare-${kind}-staging/"])
    error_message = "access to data is logged, each under its name"
  }
}

run "lifecycle" {
  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this) == 4 && alltrue([for configuration in aws_s3_bucket_lifecycle_configuration.this : { for t in configuration.rule[0].transition : t.storage_class => t.days } == { GLACIER = 365, DEEP_ARCHIVE = 2555 } && configuration.rule[0].status == "Enabled"])
    error_message = "Glacier after a year, Deep Archive after seven"
  }
  assert {
    condition     = alltrue([for configuration in aws_s3_bucket_lifecycle_configuration.this : one(configuration.rule[1].noncurrent_version_expiration).noncurrent_days == 90 && configuration.rule[1].status == "Enabled"])
    error_message = "deleted objects can be had back for 90 days"
  }
  assert {
    condition     = alltrue([for configuration in aws_s3_bucket_lifecycle_configuration.this : one(configuration.rule[1].abort_incomplete_multipart_upload).days_after_initiation == 7 && one(configuration.rule[1].expiration).expired_object_delete_marker])
    error_message = "uploads never completed and lone markers go"
  }
  assert {
    condition     = alltrue([for configuration in aws_s3_bucket_lifecycle_configuration.this : length(configuration.rule[0].expiration) == 0 && one(configuration.rule[1].expiration).days == null || one(configuration.rule[1].expiration).days == 0])
    error_message = "no current object ever expires by the rules of all buckets"
  }
  assert {
    condition     = alltrue([for kind, configuration in aws_s3_bucket_lifecycle_configuration.this : length(configuration.rule) == (kind == "logs" ? 3 : 2)]) && [for rule in aws_s3_bucket_lifecycle_configuration.this["logs"].rule : one(rule.expiration).days if rule.id == "expire-logs"] == [3650]
    error_message = "logs end after ten years, and only logs"
  }
  assert {
    condition     = alltrue([for configuration in aws_s3_bucket_lifecycle_configuration.this : configuration.transition_default_minimum_object_size == "all_storage_classes_128K"])
    error_message = "what is archived is said: nothing below 128 KB"
  }
}

run "policies" {
  assert {
    condition = length(aws_s3_bucket_policy.this) == 4 && alltrue([for kind, policy in aws_s3_bucket_policy.this : length([
      for s in jsondecode(policy.policy).Statement : s if s.Effect == "Deny" && s.Principal == "*" && s.Action == "s3:*" && try(s.Condition.Bool["aws:SecureTransport"], "") == "false" && contains(s.Resource, "arn:aws:s3:::berthcare-${kind}-staging") && contains(s.Resource, "arn:aws:s3:::berthcare-${kind}-staging/*")
    ]) == 1])
    error_message = "no request without TLS, to no bucket and no object"
  }
  assert {
    condition = alltrue([for policy in aws_s3_bucket_policy.this : length([
      for s in jsondecode(policy.policy).Statement : s if s.Effect == "Deny" && try(s.Condition.NumericLessThan["s3:TlsVersion"], "") == "1.2"
    ]) == 1])
    error_message = "nor with an old one"
  }
  assert {
    condition     = alltrue([for kind, policy in aws_s3_bucket_policy.this : join(",", [for s in jsondecode(policy.policy).Statement : s.Sid if s.Effect == "Allow"]) == (kind == "logs" ? "S3DeliversAccessLogs" : "")])
    error_message = "nobody is let in but the delivery of access logs"
  }
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement : s.Condition.StringEquals["aws:SourceAccount"] if s.Sid == "S3DeliversAccessLogs"] == ["111122223333"] && toset(flatten([for s in jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement : s.Condition.ArnLike["aws:SourceArn"] if s.Sid == "S3DeliversAccessLogs"])) == toset(["arn:aws:s3:::berthcare-photos-staging", "arn:aws:s3:::berthcare-documents-staging", "arn:aws:s3:::berthcare-signatures-staging"])
    error_message = "those of our buckets"
  }
}

run "no_replication" {
  assert {
    condition     = length(aws_s3_bucket_replication_configuration.this) == 0 && length(aws_iam_role.replication) == 0 && length(aws_cloudwatch_metric_alarm.replication_lag) == 0 && output.replication_role_arn == null
    error_message = "none unless asked for"
  }
}

run "suffix_and_days" {
  variables {
    bucket_suffix           = "111122223333"
    glacier_after_days      = 30
    deep_archive_after_days = 120
    noncurrent_days         = 7
    log_expiration_days     = 300
  }

  assert {
    condition     = output.bucket_names["signatures"] == "berthcare-signatures-staging-111122223333"
    error_message = "names can be made unique"
  }
  assert {
    condition     = { for t in aws_s3_bucket_lifecycle_configuration.this["photos"].rule[0].transition : t.storage_class => t.days } == { GLACIER = 30, DEEP_ARCHIVE = 120 } && one(aws_s3_bucket_lifecycle_configuration.this["photos"].rule[1].noncurrent_version_expiration).noncurrent_days == 7 && one(aws_s3_bucket_lifecycle_configuration.this["logs"].rule[2].expiration).days == 300
    error_message = "days as asked"
  }
}

run "without_a_key" {
  variables {
    kms_key_arn = null
  }

  assert {
    condition     = alltrue([for configuration in aws_s3_bucket_server_side_encryption_configuration.this : one(one(configuration.rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"])
    error_message = "AES256 then"
  }
}

run "with_cloudfront" {
  variables {
    cloudfront = { distribution_arn = "arn:aws:cloudfront::111122223333:distribution/E2EXAMPLE", delivery_source_name = "berthcare-staging-cloudfront" }
  }

  assert {
    condition = alltrue([for kind in ["photos", "documents", "signatures"] : [
      for s in jsondecode(aws_s3_bucket_policy.this[kind].policy).Statement : s if s.Effect == "Allow"
      ] == [{
        Sid       = "CloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["s3:GetObject"]
        Resource  = ["arn:aws:s3:::berthcare-${kind}-staging/*"]
        Condition = { StringEquals = { "aws:SourceArn" = "arn:aws:cloudfront::111122223333:distribution/E2EXAMPLE" } }
    }]])
    error_message = "this distribution reads objects, and no more"
  }
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement : s.Condition.ArnLike["aws:SourceArn"] if s.Sid == "CloudFrontDeliversLogs"] == ["arn:aws:logs:us-east-1:111122223333:delivery-source:berthcare-staging-cloudfront"]
    error_message = "its log delivery writes"
  }
}

run "read_by_the_primary_region" {
  variables {
    reader_distribution_arn = "arn:aws:cloudfront::111122223333:distribution/E2PRIMARY"
  }

  assert {
    condition     = alltrue([for kind in ["photos", "documents", "signatures"] : [for s in jsondecode(aws_s3_bucket_policy.this[kind].policy).Statement : "${s.Sid} ${s.Condition.StringEquals["aws:SourceArn"]}" if s.Effect == "Allow"] == ["PrimaryCloudFrontReads arn:aws:cloudfront::111122223333:distribution/E2PRIMARY"]])
    error_message = "that distribution reads, and no other"
  }
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement : s.Sid if s.Effect == "Allow"] == ["S3DeliversAccessLogs"]
    error_message = "and no logs"
  }
}

run "with_a_load_balancer" {
  variables {
    load_balancer_logs = true
  }

  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this["logs"].policy).Statement : "${s.Principal.Service} ${s.Resource[0]} ${s.Condition.ArnLike["aws:SourceArn"]}" if s.Sid == "LoadBalancersDeliverLogs"] == ["logdelivery.elasticloadbalancing.amazonaws.com arn:aws:s3:::berthcare-logs-staging/alb/AWSLogs/111122223333/* arn:aws:elasticloadbalancing:ca-central-1:111122223333:loadbalancer/*"]
    error_message = "those of this account and region write their logs"
  }
  assert {
    condition     = alltrue([for kind in ["photos", "documents", "signatures"] : length([for s in jsondecode(aws_s3_bucket_policy.this[kind].policy).Statement : s if s.Effect == "Allow"]) == 0])
    error_message = "and nothing else"
  }
}
