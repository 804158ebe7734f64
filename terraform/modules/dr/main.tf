data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  region    = data.aws_region.current.region

  copier      = var.snapshot_copier == null ? {} : { this = var.snapshot_copier }
  copier_name = "${var.name}-snapshot-copier"
  copier_arn  = "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${local.copier_name}"
  log_name    = "/aws/lambda/${local.copier_name}"
  queue_arn   = "arn:${local.partition}:sqs:${local.region}:${local.account}:${local.copier_name}-failed"
}

# The resource lives in the DR region and pulls from this one.
resource "aws_db_instance_automated_backups_replication" "this" {
  count = var.replicate_automated_backups ? 1 : 0

  region = var.dr_region

  source_db_instance_arn = var.database_arn
  kms_key_id             = var.dr_kms_key_arn
  retention_period       = var.backup_retention_days
}
