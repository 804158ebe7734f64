output "arn" {
  description = "ARN of the certificate; with a zone it is known when ACM has issued it."
  value       = var.zone_id == null ? aws_acm_certificate.this.arn : one(aws_acm_certificate_validation.this[*].certificate_arn)
}

output "proofs" {
  description = "Records that prove the names, for whoever keeps the zone."
  value       = local.proofs
}
