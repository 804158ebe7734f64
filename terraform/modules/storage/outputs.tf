output "bucket_names" {
  description = "Names of the buckets by kind: photos, documents, signatures, logs."
  value       = { for kind, bucket in aws_s3_bucket.this : kind => bucket.bucket }
}

output "data_bucket_names" {
  description = "Names of the buckets with application data, by kind."
  value       = { for kind in local.data_kinds : kind => aws_s3_bucket.this[kind].bucket }
}

output "data_bucket_domains" {
  description = "Regional domain names of the data buckets, by kind."
  value       = { for kind in local.data_kinds : kind => aws_s3_bucket.this[kind].bucket_regional_domain_name }
}

output "log_bucket_arn" {
  description = "Bucket of access logs."
  value       = "arn:${local.partition}:s3:::${aws_s3_bucket.this["logs"].bucket}"
}

output "replication_role_arn" {
  description = "Role with which S3 replicates; null without replication."
  value       = one(aws_iam_role.replication[*].arn)
}

output "replication_rule_ids" {
  description = "Replication rule of each data bucket; empty without replication."
  value       = { for kind in local.replicated : kind => local.rule_ids[kind] }
}

output "log_bucket_policy_id" {
  description = "Known once the log bucket lets deliveries in: what delivers waits for it."
  value       = aws_s3_bucket_policy.this["logs"].id
}
