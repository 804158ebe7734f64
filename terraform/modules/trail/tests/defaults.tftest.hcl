mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name = "berthcare-staging"
}

run "trail" {
  assert {
    condition     = aws_cloudtrail.this.is_multi_region_trail && aws_cloudtrail.this.include_global_service_events && aws_cloudtrail.this.enable_logging
    error_message = "it records every region, and IAM"
  }
  assert {
    condition     = aws_cloudtrail.this.enable_log_file_validation && aws_cloudtrail.this.kms_key_id == aws_kms_key.this.arn && aws_cloudtrail.this.s3_bucket_name == aws_s3_bucket.this.id
    error_message = "encrypted, and a changed file is noticed"
  }
  assert {
    condition     = [for s in aws_cloudtrail.this.advanced_event_selector : [for f in s.field_selector : f.equals]] == [[tolist(["Management"])]]
    error_message = "reading and changing of settings; objects cost, and are asked for"
  }
  assert {
    condition     = output.arn == aws_cloudtrail.this.arn && output.bucket_name == "berthcare-staging-trail" && output.kms_key_arn == aws_kms_key.this.arn
    error_message = "outputs"
  }
}

run "bucket" {
  assert {
    condition     = aws_s3_bucket.this.object_lock_enabled && aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].mode == "GOVERNANCE" && aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].days == 365 && aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "records are held for a year"
  }
  assert {
    condition     = !aws_s3_bucket.this.force_destroy && aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "the bucket goes when it is empty, and owns what is in it"
  }
  assert {
    condition     = alltrue([aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy, aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets])
    error_message = "nothing is public"
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).kms_master_key_id == aws_kms_key.this.arn && one(one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
    error_message = "encrypted with the trail's key"
  }
  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration[0].days == 2555 && one(aws_s3_bucket_lifecycle_configuration.this.rule[0].transition).storage_class == "GLACIER_IR"
    error_message = "seven years, then they end"
  }
}

run "policies" {
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s.Sid] == ["DenyWithoutTls", "DenyOldTls", "NobodyShortensRetention", "TrailLooksAtTheBucket", "TrailWrites"]
    error_message = "who may do what with the bucket, and nobody else"
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s.Principal == { Service = "cloudtrail.amazonaws.com" } && s.Condition.StringEquals["aws:SourceArn"] == "arn:aws:cloudtrail:ca-central-1:111122223333:trail/berthcare-staging-trail" if s.Effect == "Allow"])
    error_message = "this trail, and not one of somebody else that names our bucket"
  }
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s.Resource if s.Sid == "TrailWrites"] == [["arn:aws:s3:::berthcare-staging-trail/AWSLogs/111122223333/*"]] && [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s.Condition.StringEquals["s3:x-amz-acl"] if s.Sid == "TrailWrites"] == ["bucket-owner-full-control"]
    error_message = "records of this account"
  }
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : [s.Effect, s.Principal, s.Action] if s.Sid == "NobodyShortensRetention"] == [["Deny", "*", ["s3:BypassGovernanceRetention"]]]
    error_message = "nobody deletes before the time"
  }
  assert {
    condition     = [for s in jsondecode(aws_s3_bucket_policy.this.policy).Statement : s.Condition if startswith(s.Sid, "Deny")] == [{ Bool = { "aws:SecureTransport" = "false" } }, { NumericLessThan = { "s3:TlsVersion" = "1.2" } }]
    error_message = "TLS 1.2 or later"
  }
  assert {
    condition     = aws_kms_key.this.enable_key_rotation && [for s in jsondecode(aws_kms_key.this.policy).Statement : s.Sid] == ["AccountAdministersByIam", "TrailEncrypts", "TrailLooksAtTheKey"] && alltrue([for s in jsondecode(aws_kms_key.this.policy).Statement : s.Condition.StringEquals["aws:SourceArn"] == "arn:aws:cloudtrail:ca-central-1:111122223333:trail/berthcare-staging-trail" if startswith(s.Sid, "Trail")])
    error_message = "the key is for this trail"
  }
  assert {
    condition     = [for s in jsondecode(aws_kms_key.this.policy).Statement : s.Condition.StringLike["kms:EncryptionContext:aws:cloudtrail:arn"] if s.Sid == "TrailEncrypts"] == ["arn:aws:cloudtrail:ca-central-1:111122223333:trail/berthcare-staging-trail"]
    error_message = "and for its records"
  }
}

run "objects_and_compliance" {
  variables {
    data_bucket_arns = ["arn:aws:s3:::berthcare-photos-staging", "arn:aws:s3:::berthcare-documents-staging"]
    lock_mode        = "COMPLIANCE"
    lock_days        = 2555
    bucket_suffix    = "111122223333"
  }

  assert {
    condition     = length(aws_cloudtrail.this.advanced_event_selector) == 2 && toset([for f in aws_cloudtrail.this.advanced_event_selector[1].field_selector : f.starts_with if f.field == "resources.ARN"]) == toset([tolist(["arn:aws:s3:::berthcare-photos-staging/", "arn:aws:s3:::berthcare-documents-staging/"])])
    error_message = "every object of these buckets, and of none whose name begins alike"
  }
  assert {
    condition     = aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].mode == "COMPLIANCE" && aws_s3_bucket_object_lock_configuration.this.rule[0].default_retention[0].days == 2555 && aws_s3_bucket.this.bucket == "berthcare-staging-trail-111122223333"
    error_message = "as asked"
  }
}

run "outside_canada" {
  command = plan

  override_data {
    target = data.aws_region.current
    values = { region = "us-east-1" }
  }

  expect_failures = [aws_s3_bucket.this]
}
