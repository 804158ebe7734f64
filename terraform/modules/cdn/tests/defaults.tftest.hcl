mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name = "berthcare-staging"
  origins = {
    photos     = "berthcare-photos-staging.s3.ca-central-1.amazonaws.com"
    documents  = "berthcare-documents-staging.s3.ca-central-1.amazonaws.com"
    signatures = "berthcare-signatures-staging.s3.ca-central-1.amazonaws.com"
  }
  log_bucket_arn       = "arn:aws:s3:::berthcare-logs-staging"
  log_bucket_policy_id = "berthcare-logs-staging"
  signing_keys         = { "2026" = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n" }
}

run "distribution" {
  assert {
    condition     = aws_cloudfront_distribution.this.enabled && aws_cloudfront_distribution.this.is_ipv6_enabled && aws_cloudfront_distribution.this.http_version == "http2and3"
    error_message = "it serves"
  }
  assert {
    condition     = tomap({ for origin in aws_cloudfront_distribution.this.origin : origin.origin_id => origin.domain_name }) == var.origins && alltrue([for origin in aws_cloudfront_distribution.this.origin : origin.origin_access_control_id == aws_cloudfront_origin_access_control.this.id])
    error_message = "three buckets, each through the origin access control"
  }
  assert {
    condition     = aws_cloudfront_origin_access_control.this.signing_behavior == "always" && aws_cloudfront_origin_access_control.this.signing_protocol == "sigv4" && aws_cloudfront_origin_access_control.this.origin_access_control_origin_type == "s3"
    error_message = "every request to a bucket is signed"
  }
  assert {
    condition     = { for behavior in aws_cloudfront_distribution.this.ordered_cache_behavior : behavior.path_pattern => behavior.target_origin_id } == { "/photos/*" = "photos", "/documents/*" = "documents", "/signatures/*" = "signatures" } && aws_cloudfront_distribution.this.default_cache_behavior[0].target_origin_id == "photos"
    error_message = "each kind under its path"
  }
  assert {
    condition     = length(aws_cloudfront_distribution.this.origin_group) == 0
    error_message = "without a copy there is nothing to fall back on"
  }
  assert {
    condition = alltrue([for behavior in concat(aws_cloudfront_distribution.this.ordered_cache_behavior, aws_cloudfront_distribution.this.default_cache_behavior) :
    behavior.viewer_protocol_policy == "redirect-to-https" && behavior.compress && behavior.allowed_methods == toset(["GET", "HEAD"])])
    error_message = "HTTPS only, compressed, read-only"
  }
  assert {
    condition = alltrue([for behavior in concat(aws_cloudfront_distribution.this.ordered_cache_behavior, aws_cloudfront_distribution.this.default_cache_behavior) :
    behavior.cache_policy_id == "658327ea-f89d-4fab-a63d-7e88639e58f6" && behavior.response_headers_policy_id == "67f7725c-6f97-4210-82d7-5512b31e9d03"])
    error_message = "cached, with security headers, by AWS's policies for static files"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.restrictions[0].geo_restriction[0].restriction_type == "whitelist" && aws_cloudfront_distribution.this.restrictions[0].geo_restriction[0].locations == toset(["CA", "US"])
    error_message = "for Canada and the United States"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].cloudfront_default_certificate && aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version == null
    error_message = "without an own name, CloudFront's certificate, whose TLS version cannot be set"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.price_class == "PriceClass_100"
    error_message = "from the fewest edges that North America has"
  }
}

run "copies_in_the_dr_region" {
  variables {
    dr_origins = { photos = "berthcare-photos-staging-dr.s3.ca-west-1.amazonaws.com", documents = "berthcare-documents-staging-dr.s3.ca-west-1.amazonaws.com" }
  }

  assert {
    condition     = { for origin in aws_cloudfront_distribution.this.origin : origin.origin_id => origin.domain_name if endswith(origin.origin_id, "-dr") } == { "photos-dr" = "berthcare-photos-staging-dr.s3.ca-west-1.amazonaws.com", "documents-dr" = "berthcare-documents-staging-dr.s3.ca-west-1.amazonaws.com" } && alltrue([for origin in aws_cloudfront_distribution.this.origin : origin.origin_access_control_id == aws_cloudfront_origin_access_control.this.id])
    error_message = "the copies, through the same access control"
  }
  assert {
    condition     = alltrue([for group in aws_cloudfront_distribution.this.origin_group : join(" ", group.member[*].origin_id) == "${trimsuffix(group.origin_id, "-or-dr")} ${trimsuffix(group.origin_id, "-or-dr")}-dr" && one(group.failover_criteria).status_codes == toset([500, 502, 503, 504])]) && length(aws_cloudfront_distribution.this.origin_group) == 2
    error_message = "the bucket first, its copy when S3 fails, and no copy of what is not there or not allowed"
  }
  assert {
    condition     = { for behavior in aws_cloudfront_distribution.this.ordered_cache_behavior : behavior.path_pattern => behavior.target_origin_id } == { "/photos/*" = "photos-or-dr", "/documents/*" = "documents-or-dr", "/signatures/*" = "signatures" } && aws_cloudfront_distribution.this.default_cache_behavior[0].target_origin_id == "photos-or-dr"
    error_message = "where there is a copy, by both"
  }
}

run "what_the_plan_says_of_viewers" {
  assert {
    condition     = strcontains(output.minimum_tls, "not met") && output.edge_locations == "United States, Canada, Europe, Israel"
    error_message = "old TLS and caches abroad are told, not hidden"
  }
}

run "logs" {
  assert {
    condition     = aws_cloudwatch_log_delivery_source.this.resource_arn == aws_cloudfront_distribution.this.arn && aws_cloudwatch_log_delivery_source.this.log_type == "ACCESS_LOGS" && aws_cloudwatch_log_delivery_destination.this.delivery_destination_configuration[0].destination_resource_arn == "arn:aws:s3:::berthcare-logs-staging"
    error_message = "access logs go to the log bucket"
  }
  assert {
    condition     = aws_cloudwatch_log_delivery.this.delivery_source_name == aws_cloudwatch_log_delivery_source.this.name && aws_cloudwatch_log_delivery.this.delivery_destination_arn == aws_cloudwatch_log_delivery_destination.this.arn
    error_message = "the delivery joins the two"
  }
  assert {
    condition     = alltrue([for region in [aws_cloudwatch_log_delivery_source.this.region, aws_cloudwatch_log_delivery_destination.this.region, aws_cloudwatch_log_delivery.this.region] : region == "us-east-1"])
    error_message = "where CloudFront's deliveries live"
  }
  assert {
    condition     = output.delivery_source_name == aws_cloudwatch_log_delivery_source.this.name
    error_message = "under the name that the bucket's policy lets in"
  }
}

run "own_name" {
  variables {
    domain      = { aliases = ["files.berthcare.ca"], certificate_arn = "arn:aws:acm:us-east-1:111122223333:certificate/1234abcd" }
    web_acl_arn = "arn:aws:wafv2:us-east-1:111122223333:global/webacl/x/1234abcd"
  }

  assert {
    condition     = output.minimum_tls == "TLSv1.2_2021"
    error_message = "met with a name"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021" && aws_cloudfront_distribution.this.viewer_certificate[0].ssl_support_method == "sni-only" && aws_cloudfront_distribution.this.viewer_certificate[0].acm_certificate_arn == var.domain.certificate_arn && !aws_cloudfront_distribution.this.viewer_certificate[0].cloudfront_default_certificate
    error_message = "TLS 1.2 or later"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.aliases == toset(["files.berthcare.ca"]) && aws_cloudfront_distribution.this.web_acl_id == var.web_acl_arn
    error_message = "its name, and its firewall"
  }
}

run "signed_urls" {
  assert {
    condition = length(aws_cloudfront_key_group.this) == 1 && alltrue([for behavior in concat(aws_cloudfront_distribution.this.ordered_cache_behavior, aws_cloudfront_distribution.this.default_cache_behavior) :
    behavior.trusted_key_groups == tolist([aws_cloudfront_key_group.this[0].id])])
    error_message = "every path needs a signature"
  }
  assert {
    condition     = tomap({ for name, key in aws_cloudfront_public_key.this : name => key.encoded_key }) == var.signing_keys && toset(aws_cloudfront_key_group.this[0].items) == toset([for key in aws_cloudfront_public_key.this : key.id])
    error_message = "by one of the keys, and no other"
  }
  assert {
    condition     = length(output.public_read) == 0
    error_message = "nothing is public"
  }
}

run "public_by_a_written_reason" {
  variables {
    public_read = { documents = "Leaflets for everybody; no health records in this bucket" }
  }

  assert {
    condition     = { for behavior in aws_cloudfront_distribution.this.ordered_cache_behavior : behavior.target_origin_id => length(coalesce(behavior.trusted_key_groups, [])) } == { documents = 0, photos = 1, signatures = 1 }
    error_message = "the kind with a reason, and no other"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.default_cache_behavior[0].trusted_key_groups == tolist([aws_cloudfront_key_group.this[0].id])
    error_message = "everything else is photos, which need a signature"
  }
  assert {
    condition     = output.public_read == var.public_read && strcontains(aws_cloudfront_distribution.this.comment, "public: documents")
    error_message = "and it is said"
  }
}

run "the_default_origin_is_public_with_its_kind" {
  variables {
    public_read    = { documents = "Leaflets for everybody; no health records in this bucket" }
    default_origin = "documents"
  }

  assert {
    condition     = length(coalesce(aws_cloudfront_distribution.this.default_cache_behavior[0].trusted_key_groups, [])) == 0
    error_message = "other paths are of the kind that is public"
  }
}

run "without_keys_when_all_is_public" {
  variables {
    signing_keys = {}
    public_read  = { photos = "Pictures of a demonstration", documents = "Papers of a demonstration", signatures = "Signatures of a demonstration" }
  }

  assert {
    condition     = length(aws_cloudfront_key_group.this) == 0 && length(aws_cloudfront_public_key.this) == 0
    error_message = "no key is needed"
  }
}
