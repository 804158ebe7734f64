data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition

  bucket_name = join("-", compact([var.project_name, "failover", var.environment, var.bucket_suffix]))
  bucket_arn  = "arn:${local.partition}:s3:::${local.bucket_name}"
  # The object that says so: while it is there, this region serves, and the primary does not.
  marker = "failed-over"
}

# Of one object, without data in it. Putting and deleting it is S3's data plane in this region: nothing of IAM, CloudFront or
# Route 53 changes in an outage, and us-east-1 is not asked.
resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV2_AWS_62:Nothing listens to events of this bucket.
  #checkov:skip=CKV_AWS_144:A copy in the region that failed would say nothing.
  #checkov:skip=CKV_AWS_145:Route 53 reads without credentials, and so without a KMS key; the object says that a failover is on, and by which run.
  #tf-nag:skip=AwsSolutions-S1:Each health checker asks twice a minute; who wrote the object is in CloudTrail.
  #tf-nag:skip=AwsSolutions-S10:aws_s3_bucket_policy.this has DenyWithoutTls; the rule looks at the bucket alone.
  bucket        = local.bucket_name
  force_destroy = false

  tags = merge(var.tags, { Name = local.bucket_name, Kind = "failover" })

  lifecycle {
    # With the bucket, the marker would go, and traffic back to the primary.
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }

  lifecycle {
    prevent_destroy = true
  }
}

# A policy that lets in fixed networks alone is none that S3 calls public, so that the block is whole.
resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true

  lifecycle {
    prevent_destroy = true
  }
}

# What was the marker when, and by whom, can be told afterwards.
resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    bucket_key_enabled = false

    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "expire-noncurrent"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = 2555
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  #checkov:skip=CKV_AWS_70:One object without data, for the networks of Route 53's health checkers alone, which have no credentials.
  bucket = aws_s3_bucket.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid       = "DenyWithoutTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "DenyOldTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "s3:*"
          Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
          Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
        },
      ],
      # Without leave to list, S3 answers 403 where there is no object: a health check that is not 2xx or 3xx.
      [for statement in [{
        Sid       = "HealthCheckersRead"
        Effect    = "Allow"
        Principal = "*"
        Action    = ["s3:GetObject"]
        Resource  = ["${local.bucket_arn}/${local.marker}"]
        Condition = { IpAddress = { "aws:SourceIp" = var.health_checker_cidrs } }
      }] : statement if var.health_check],
    )
  })

  depends_on = [aws_s3_bucket_public_access_block.this]

  lifecycle {
    prevent_destroy = true
  }
}

# Turned round: no marker, a healthy primary. Whatever else is wrong, with this region, with the bucket or with what the
# checkers may read, leaves traffic where it is.
resource "aws_route53_health_check" "this" {
  count = var.health_check ? 1 : 0

  type               = "HTTPS"
  fqdn               = "${local.bucket_name}.s3.${data.aws_region.current.region}.${data.aws_partition.current.dns_suffix}"
  port               = 443
  resource_path      = "/${local.marker}"
  enable_sni         = true
  invert_healthcheck = true
  request_interval   = 30
  failure_threshold  = 3
  regions            = var.health_check_regions

  tags = merge(var.tags, { Name = "${local.bucket_name}-${local.marker}" })
}

# By its id, which is not known before there is a bucket: the first plan has nothing to list.
data "aws_s3_objects" "marker" {
  bucket = aws_s3_bucket.this.id
  prefix = local.marker
}
