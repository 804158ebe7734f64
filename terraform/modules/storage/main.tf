data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id

  data_kinds = toset(["photos", "documents", "signatures"])
  kinds      = setunion(local.data_kinds, ["logs"])
  names      = { for kind in local.kinds : kind => join("-", compact([var.project_name, kind, var.environment, var.bucket_suffix])) }
  arns       = { for kind in local.kinds : kind => "arn:${local.partition}:s3:::${local.names[kind]}" }
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV2_AWS_62:Nothing listens to events of these buckets.
  #checkov:skip=CKV_AWS_144:Data buckets replicate when replication is given; logs stay where they are read.
  #checkov:skip=CKV_AWS_145:Only the log bucket is without a KMS key: S3 delivers access logs to no other.
  #tf-nag:skip=AwsSolutions-S10:aws_s3_bucket_policy.this has DenyWithoutTls; the rule does not join the two through for_each.
  for_each = local.kinds

  bucket = local.names[each.key]
  # A bucket with objects in it is not deleted.
  force_destroy = false

  tags = merge(var.tags, { Name = local.names[each.key], Kind = each.key })

  lifecycle {
    # Data outlives the stack: docs/terraform.md has how a stack ends without it.
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  lifecycle {
    # A bucket that is not empty is not deleted, but what protects it would be.
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.kinds

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    # With bucket keys, replication and CloudFront would need further grants and another encryption context.
    bucket_key_enabled = false

    apply_server_side_encryption_by_default {
      sse_algorithm     = each.key == "logs" || var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = each.key == "logs" ? null : var.kms_key_arn
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  # Said, since it is what S3 does: smaller objects, signatures above all, stay where they are. Archived, each would pay for
  # 40 KB more than it has, and for its transition.
  transition_default_minimum_object_size = "all_storage_classes_128K"

  rule {
    id     = "archive"
    status = "Enabled"

    filter {}

    transition {
      days          = var.glacier_after_days
      storage_class = "GLACIER"
    }

    transition {
      days          = var.deep_archive_after_days
      storage_class = "DEEP_ARCHIVE"
    }
  }

  rule {
    id     = "expire-noncurrent"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    # A delete marker with nothing behind it only slows listings down.
    expiration {
      expired_object_delete_marker = true
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  # Who read what is asked for years, and not for ever. Data is removed by people, never by the calendar.
  dynamic "rule" {
    for_each = each.key == "logs" ? [var.log_expiration_days] : []

    content {
      id     = "expire-logs"
      status = "Enabled"

      filter {}

      expiration {
        days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each = local.data_kinds

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["logs"].id
  target_prefix = "s3/${local.names[each.key]}/"
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.kinds

  bucket = aws_s3_bucket.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "DenyWithoutTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [local.arns[each.key], "${local.arns[each.key]}/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "DenyOldTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [local.arns[each.key], "${local.arns[each.key]}/*"]
          Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
        },
      ],
      [for statement in [{
        Sid       = "CloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["s3:GetObject"]
        Resource  = ["${local.arns[each.key]}/*"]
        Condition = { StringEquals = { "aws:SourceArn" = try(var.cloudfront.distribution_arn, null) } }
      }] : statement if var.cloudfront != null && each.key != "logs"],
      [for statement in [{
        Sid       = "PrimaryCloudFrontReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["s3:GetObject"]
        Resource  = ["${local.arns[each.key]}/*"]
        Condition = { StringEquals = { "aws:SourceArn" = var.reader_distribution_arn } }
      }] : statement if var.reader_distribution_arn != null && each.key != "logs"],
      [for statement in [{
        Sid       = "CloudFrontDeliversLogs"
        Effect    = "Allow"
        Principal = { Service = "delivery.logs.amazonaws.com" }
        Action    = ["s3:PutObject"]
        Resource  = ["${local.arns["logs"]}/AWSLogs/${local.account}/CloudFront/*"]
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account, "s3:x-amz-acl" = "bucket-owner-full-control" }
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:logs:us-east-1:${local.account}:delivery-source:${try(var.cloudfront.delivery_source_name, "")}" }
        }
      }] : statement if var.cloudfront != null && each.key == "logs"],
      [for statement in [{
        Sid       = "S3DeliversAccessLogs"
        Effect    = "Allow"
        Principal = { Service = "logging.s3.amazonaws.com" }
        Action    = ["s3:PutObject"]
        Resource  = ["${local.arns["logs"]}/s3/*"]
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = [for kind in local.data_kinds : local.arns[kind]] }
        }
      }] : statement if each.key == "logs"],
      [for statement in [{
        Sid       = "LoadBalancersDeliverLogs"
        Effect    = "Allow"
        Principal = { Service = "logdelivery.elasticloadbalancing.amazonaws.com" }
        Action    = ["s3:PutObject"]
        Resource  = ["${local.arns["logs"]}/alb/AWSLogs/${local.account}/*"]
        Condition = { ArnLike = { "aws:SourceArn" = "arn:${local.partition}:elasticloadbalancing:${data.aws_region.current.region}:${local.account}:loadbalancer/*" } }
      }] : statement if var.load_balancer_logs && each.key == "logs"],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.this]

  lifecycle {
    prevent_destroy = true
  }
}
