output "arn" {
  description = "ARN of the trail."
  value       = aws_cloudtrail.this.arn
}

output "bucket_name" {
  description = "Bucket of the records."
  value       = aws_s3_bucket.this.bucket
}

output "kms_key_arn" {
  description = "Key of the records; readers need kms:Decrypt."
  value       = aws_kms_key.this.arn
}
