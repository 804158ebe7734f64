output "distribution_id" {
  description = "ID of the distribution."
  value       = aws_cloudfront_distribution.this.id
}

output "distribution_arn" {
  description = "ARN of the distribution, for the buckets' policies."
  value       = aws_cloudfront_distribution.this.arn
}

output "domain_name" {
  description = "Domain name of the distribution, *.cloudfront.net."
  value       = aws_cloudfront_distribution.this.domain_name
}

output "public_read" {
  description = "Why whoever knows a name may read these kinds; empty when every reader needs a signature."
  value       = var.public_read
}

output "delivery_source_name" {
  description = "Name under which CloudFront delivers its access logs, for the policy of the log bucket."
  value       = local.delivery_source
}

output "minimum_tls" {
  description = "Lowest TLS version that viewers may use."
  value       = var.domain == null ? "TLSv1: CloudFront's own for *.cloudfront.net; TLS 1.2 is not met without cdn_domain" : "TLSv1.2_2021"
}

output "edge_locations" {
  description = "Where copies of files are cached, encrypted in transit and at rest, for as long as CloudFront likes."
  value       = { PriceClass_100 = "United States, Canada, Europe, Israel", PriceClass_200 = "all but South America, Australia and New Zealand", PriceClass_All = "everywhere" }[var.price_class]
}
