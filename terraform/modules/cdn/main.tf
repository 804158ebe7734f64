locals {
  # AWS's own policies, whose IDs are the same in every account: CachingOptimized and SecurityHeadersPolicy. To look them up by
  # name, each plan would have to reach CloudFront in us-east-1.
  cache_policy   = "658327ea-f89d-4fab-a63d-7e88639e58f6"
  headers_policy = "67f7725c-6f97-4210-82d7-5512b31e9d03"

  # What is public is written down; everything else needs a signature.
  private    = setsubtract(keys(var.origins), keys(var.public_read))
  key_groups = { for kind in keys(var.origins) : kind => contains(local.private, kind) ? aws_cloudfront_key_group.this[*].id : [] }
  public     = length(var.public_read) == 0 ? "" : "; public: ${join(", ", keys(var.public_read))}"

  # Where there is a copy, a kind is served by the group of both.
  targets = { for kind in keys(var.origins) : kind => contains(keys(var.dr_origins), kind) ? "${kind}-or-dr" : kind }

  # The default origin has its path too, so that a URL stays right when the default changes.
  paths = { for kind in sort(keys(var.origins)) : kind => "/${kind}/*" }

  delivery_source = "${var.name}-cloudfront"
}

resource "aws_cloudfront_origin_access_control" "this" {
  name                              = var.name
  description                       = "CloudFront signs its requests to the buckets of ${var.name}"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_public_key" "this" {
  for_each = var.signing_keys

  name        = "${var.name}-${each.key}"
  encoded_key = each.value
  comment     = "Signs URLs of ${var.name}"
}

resource "aws_cloudfront_key_group" "this" {
  count = length(var.signing_keys) > 0 ? 1 : 0

  name  = var.name
  items = [for key in aws_cloudfront_public_key.this : key.id]
}

resource "aws_cloudfront_distribution" "this" {
  #checkov:skip=CKV_AWS_68:A web ACL belongs to the account; web_acl_arn attaches it.
  #checkov:skip=CKV2_AWS_47:A web ACL belongs to the account; web_acl_arn attaches it.
  #checkov:skip=CKV_AWS_86:Access logs are delivered by aws_cloudwatch_log_delivery, which needs no ACL on the bucket.
  #checkov:skip=CKV_AWS_174:With the default certificate CloudFront fixes the TLS version; with domain it is TLSv1.2_2021.
  #checkov:skip=CKV2_AWS_42:An own certificate needs an own name, which staging may not have; domain takes both.
  #checkov:skip=CKV_AWS_310:Origin groups are there where there are copies (dr_origins); the DR region has none of its own.
  #checkov:skip=CKV2_AWS_32:The policy is there, one of those that AWS manages; the check wants one made here.
  #tf-nag:skip=AwsSolutions-CFR2:A web ACL belongs to the account; web_acl_arn attaches it.
  #tf-nag:skip=AwsSolutions-CFR3:Access logs are delivered by aws_cloudwatch_log_delivery, which the rule does not know.
  enabled         = true
  comment         = "Photos, documents and signatures of ${var.name}${local.public}"
  http_version    = "http2and3"
  is_ipv6_enabled = true
  price_class     = var.price_class
  aliases         = try(var.domain.aliases, [])
  web_acl_id      = var.web_acl_arn

  # Nothing is served at /, and a bucket is not listed.
  default_root_object = "index.html"

  dynamic "origin" {
    for_each = var.origins

    content {
      origin_id                = origin.key
      domain_name              = origin.value
      origin_access_control_id = aws_cloudfront_origin_access_control.this.id
    }
  }

  # Reads go to the copies by themselves when S3 of the primary region fails: at the edge, with nothing to be changed in an outage.
  # What is not there or not allowed is no failure, and stays the answer.
  dynamic "origin" {
    for_each = var.dr_origins

    content {
      origin_id                = "${origin.key}-dr"
      domain_name              = origin.value
      origin_access_control_id = aws_cloudfront_origin_access_control.this.id
    }
  }

  dynamic "origin_group" {
    for_each = var.dr_origins

    content {
      origin_id = "${origin_group.key}-or-dr"

      failover_criteria {
        status_codes = [500, 502, 503, 504]
      }

      member {
        origin_id = origin_group.key
      }

      member {
        origin_id = "${origin_group.key}-dr"
      }
    }
  }

  default_cache_behavior {
    target_origin_id           = local.targets[var.default_origin]
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = local.cache_policy
    response_headers_policy_id = local.headers_policy
    trusted_key_groups         = local.key_groups[var.default_origin]
  }

  dynamic "ordered_cache_behavior" {
    for_each = local.paths

    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = local.targets[ordered_cache_behavior.key]
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = ["GET", "HEAD"]
      cached_methods             = ["GET", "HEAD"]
      compress                   = true
      cache_policy_id            = local.cache_policy
      response_headers_policy_id = local.headers_policy
      trusted_key_groups         = local.key_groups[ordered_cache_behavior.key]
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "whitelist"
      locations        = var.countries
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.domain == null
    acm_certificate_arn            = try(var.domain.certificate_arn, null)
    ssl_support_method             = var.domain == null ? null : "sni-only"
    minimum_protocol_version       = var.domain == null ? null : "TLSv1.2_2021"
  }

  tags = var.tags
}

# Logging of the second kind: it needs no ACL on the log bucket. CloudFront's log deliveries live in us-east-1,
# wherever the bucket is.
resource "aws_cloudwatch_log_delivery_source" "this" {
  region = "us-east-1"

  name         = local.delivery_source
  log_type     = "ACCESS_LOGS"
  resource_arn = aws_cloudfront_distribution.this.arn

  tags = var.tags
}

resource "aws_cloudwatch_log_delivery_destination" "this" {
  region = "us-east-1"

  name          = "${var.name}-log-bucket"
  output_format = "w3c"

  delivery_destination_configuration {
    destination_resource_arn = var.log_bucket_arn
  }

  tags = var.tags
}

resource "aws_cloudwatch_log_delivery" "this" {
  region = "us-east-1"

  delivery_source_name     = aws_cloudwatch_log_delivery_source.this.name
  delivery_destination_arn = aws_cloudwatch_log_delivery_destination.this.arn

  tags = var.tags

  lifecycle {
    # AWS looks whether the bucket takes the logs when a delivery is made: this waits for the bucket's policy.
    precondition {
      condition     = var.log_bucket_policy_id != ""
      error_message = "log_bucket_policy_id: the log bucket has no policy that lets deliveries in."
    }
  }
}
