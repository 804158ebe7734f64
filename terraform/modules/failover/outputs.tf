output "bucket_name" {
  description = "Bucket of the marker."
  value       = aws_s3_bucket.this.bucket
}

output "marker" {
  description = "Key of the marker: the object whose presence says that this region serves."
  value       = local.marker
}

output "failed_over" {
  description = "Whether the marker is there."
  value       = contains(data.aws_s3_objects.marker.keys, local.marker)
}

output "health_check_id" {
  description = "Health check for the primary's records, healthy while there is no marker; null without."
  value       = one(aws_route53_health_check.this[*].id)
}
