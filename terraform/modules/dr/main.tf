data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.region

  rds         = ["rds.${local.region}.amazonaws.com", "rds.${var.dr_region}.amazonaws.com"]
  copier      = var.snapshot_copier == null ? {} : { this = var.snapshot_copier }
  copier_name = "${var.name}-snapshot-copier"
  copier_arn  = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.copier_name}"
  log_name    = "/aws/lambda/${local.copier_name}"
  # Names that the copier gives (copy_id of crates/dr, which a test compares): database, region, time, digest, and the
  # attempt from the second on. A prefix would be too wide: berthcare-staging-postgres-* has the snapshots of
  # berthcare-staging-postgres-dr in it.
  copy_time_and_digest = "????????t??????z-????????"
  copy_arns = flatten([
    for identifier in var.database_identifiers : [
      for attempt in ["", "-?", "-??"] :
      "arn:${local.partition}:rds:${var.dr_region}:${local.account}:snapshot:${identifier}-${local.region}-${local.copy_time_and_digest}${attempt}"
    ]
  ])

  queue_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.copier_name}-failed"
}

# The resource lives in the DR region and pulls from this one.
resource "aws_db_instance_automated_backups_replication" "this" {
  count = var.replicate_automated_backups ? 1 : 0

  region = var.dr_region

  source_db_instance_arn = var.database_arn
  kms_key_id             = var.dr_kms_key_arn
  retention_period       = var.backup_retention_days
}
