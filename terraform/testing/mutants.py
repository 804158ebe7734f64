#!/usr/bin/env python3
"""Breaks the Terraform code in one way at a time, and sees whether the tests notice.

    terraform/testing/mutants.py [--jobs N] [--only NAME[,NAME]]

Each mutant is a replacement in one file of a copy; the tests of that module run, or those and the plans of the
environment; what a module's own tests do not notice, the plans of both environments may. Fails when fewer than 98 % are noticed, or when a mutant no longer applies or gets no answer, since a provider died
or the mutant is no Terraform. Survivors are listed with their reasons.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shutil
import sys
import tempfile
import time

import check

# name, file below terraform/, what is replaced, by what
MUTANTS = [
    ("vpc-other-range", "modules/networking/variables.tf", '"10.0.0.0/16"', '"10.9.0.0/16"'),
    ("subnets-public-address", "modules/networking/main.tf", "map_public_ip_on_launch = false", "map_public_ip_on_launch = true"),
    ("one-nat-for-two-zones", "modules/networking/main.tf", '"per-az" = local.subnets', '"per-az" = { "0" = local.zones[0] }'),
    ("nat-in-private-subnet", "modules/networking/main.tf", "subnet_id         = aws_subnet.public[each.key].id", "subnet_id         = aws_subnet.private[each.key].id"),
    ("private-route-to-internet", "modules/networking/main.tf", 'nat_gateway_id         = aws_nat_gateway.this[var.nat_gateways == "single" ? "0" : each.key].id', "gateway_id             = aws_internet_gateway.this.id"),
    ("private-subnets-in-public-table", "modules/networking/main.tf", "route_table_id = aws_route_table.private[each.key].id\n}\n\n# Free", "route_table_id = aws_route_table.public.id\n}\n\n# Free"),
    ("flow-logs-rejects-only", "modules/networking/main.tf", 'traffic_type             = "ALL"', 'traffic_type             = "REJECT"'),
    ("flow-logs-unencrypted", "modules/networking/main.tf", "  kms_key_id        = var.kms_key_arn\n", ""),
    ("no-dynamodb-endpoint", "modules/networking/main.tf", 'toset(["s3", "dynamodb"])', 'toset(["s3"])'),
    ("vpc-cidr-unchecked", "modules/networking/variables.tf", "condition     = can(regex(\"^(10\\\\.|172", "condition     = true || can(regex(\"^(10\\\\.|172"),
    ("key-not-rotated", "modules/security/kms.tf", "enable_key_rotation     = true", "enable_key_rotation     = false"),
    ("key-open-to-anyone", "modules/security/kms.tf", 'Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }', 'Principal = { AWS = "*" }'),
    ("key-for-any-log-group", "modules/security/kms.tf", ":log-group:*\" }", ":*\" }"),
    ("key-destroyed", "modules/security/kms.tf", "prevent_destroy = true", "prevent_destroy = false"),
    ("trail-key-destroyed", "modules/trail/main.tf", "    # Records outlive the stack, and without their key nobody reads them again.\n    prevent_destroy = true\n", ""),
    ("bucket-destroyed", "modules/storage/main.tf", "    # Data outlives the stack: docs/terraform.md has how a stack ends without it.\n    prevent_destroy = true\n", ""),
    ("bucket-stripped", "modules/storage/main.tf", 'versioning_configuration {\n    status = "Enabled"\n  }\n\n  lifecycle {\n    prevent_destroy = true\n  }\n', 'versioning_configuration {\n    status = "Enabled"\n  }\n'),
    ("tasks-read-master-secret", "modules/security/iam.tf", "Resource = local.secret_arns", 'Resource = concat(local.secret_arns, ["arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:rds!db-*"])'),
    ("tasks-read-secrets-that-begin-alike", "modules/security/iam.tf", "secret:${name}-??????", "secret:${name}*"),
    ("tasks-decrypt-every-secret", "modules/security/iam.tf", '        StringLike   = { "kms:EncryptionContext:SecretARN" = local.secret_arns }\n', ""),
    ("tasks-secret-by-wildcard", "modules/security/variables.tf", 'can(regex("^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$", name))', "name != \"\""),
    ("database-application-is-master", "modules/database/variables.tf", "var.application_username != var.username", "var.application_username != \"\""),
    ("database-application-secret-unencrypted", "modules/database/main.tf", '  description             = "username, password, engine, host, port and dbname of ${var.application_username} on ${var.identifier}"\n  kms_key_id              = var.kms_key_arn\n', '  description             = "username, password, engine, host, port and dbname of ${var.application_username} on ${var.identifier}"\n'),
    ("staging-credentials-are-the-masters", "environments/staging/outputs.tf", "module.database.application_username", "module.database.username"),
    ("tasks-role-for-anyone", "modules/security/iam.tf", 'Principal = { Service = "ecs-tasks.amazonaws.com" }', 'Principal = { AWS = "*" }'),
    ("tasks-any-bucket", "modules/security/iam.tf", '[for bucket in var.bucket_names : "arn:${local.partition}:s3:::${bucket}/*"]', '["*"]'),
    ("tasks-bucket-of-another-account", "modules/security/iam.tf", '"aws:ResourceAccount" = local.account', '"aws:PrincipalAccount" = local.account'),
    ("monitoring-of-any-instance", "modules/database/main.tf", ':db:${var.identifier}"', ':db:*"'),
    ("flow-log-role-for-any-source", "modules/networking/main.tf", ":vpc-flow-log/*", ":*"),
    ("off-hours-role-for-any-group", "modules/off-hours/main.tf", "schedule-group/default", "schedule-group/*"),
    ("keeper-role-for-any-machine", "modules/off-hours/keep-stopped.tf", '        ArnEquals    = { "aws:SourceArn" = local.keeper_arn }\n', ""),
    ("keeper-events-role-for-any-rule", "modules/off-hours/keep-stopped.tf", '        ArnEquals    = { "aws:SourceArn" = local.keeper_rule }\n', ""),
    ("copier-schedule-role-for-any-group", "modules/dr/copier.tf", "schedule-group/default", "schedule-group/*"),
    ("tasks-all-of-s3", "modules/security/iam.tf", '["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]', '["s3:*"]'),
    ("database-open-to-vpc", "modules/security/groups.tf", 'description                  = "PostgreSQL from the tasks"\n  referenced_security_group_id = aws_security_group.ecs_tasks.id', 'description                  = "PostgreSQL from the tasks"\n  cidr_ipv4                    = "10.0.0.0/16"'),
    ("redis-open-to-world", "modules/security/groups.tf", 'description                  = "Redis from the tasks"\n  referenced_security_group_id = aws_security_group.ecs_tasks.id', 'description                  = "Redis from the tasks"\n  cidr_ipv4                    = "0.0.0.0/0"'),
    ("ssh-on-load-balancer", "modules/security/groups.tf", "[80, 443]", "[22, 80, 443]"),
    ("tasks-from-any-port", "modules/security/groups.tf", 'description                  = "HTTP from the load balancer"\n  referenced_security_group_id = aws_security_group.alb.id\n  ip_protocol                  = "tcp"\n  from_port                    = var.app_port', 'description                  = "HTTP from the load balancer"\n  referenced_security_group_id = aws_security_group.alb.id\n  ip_protocol                  = "tcp"\n  from_port                    = 0'),
    ("database-unencrypted", "modules/database/main.tf", "storage_encrypted     = true", "storage_encrypted     = false"),
    ("database-single-az", "modules/database/variables.tf", 'description = "A standby in a second zone."\n  type        = bool\n  default     = true', 'description = "A standby in a second zone."\n  type        = bool\n  default     = false'),
    ("database-public", "modules/database/main.tf", "publicly_accessible    = false", "publicly_accessible    = true"),
    ("database-gp2", "modules/database/main.tf", '"gp3"', '"gp2"'),
    ("database-one-day-of-backups", "modules/database/variables.tf", "default     = 7\n\n  # 0 would", "default     = 1\n\n  # 0 would"),
    ("database-no-backups-let-through", "modules/database/variables.tf", "var.backup_retention_days >= 1", "var.backup_retention_days >= 0"),
    ("database-without-tls", "modules/database/main.tf", '"rds.force_ssl"              = { value = "1"', '"rds.force_ssl"              = { value = "0"'),
    ("database-no-insights", "modules/database/main.tf", "performance_insights_enabled          = true", "performance_insights_enabled          = false"),
    ("database-password-in-state", "modules/database/main.tf", "manage_master_user_password   = true", 'password                      = "in the state"'),
    ("database-unprotected", "modules/database/main.tf", "deletion_protection       = var.deletion_protection", "deletion_protection       = false"),
    ("database-no-final-snapshot", "modules/database/main.tf", "skip_final_snapshot       = var.skip_final_snapshot\n", "skip_final_snapshot       = true\n"),
    ("database-logs-all-statements", "modules/database/main.tf", 'value = "ddl"', 'value = "all"'),
    ("recovery-both-let-through", "modules/database/variables.tf", "(var.recovery.snapshot_identifier == null) != (var.recovery.automated_backup_arn == null)", "(var.recovery.snapshot_identifier == null) != (var.recovery.automated_backup_arn == null) || var.recovery.snapshot_identifier != null"),
    ("recovery-backup-ignored", "modules/database/main.tf", "for_each = try(var.recovery.automated_backup_arn, null) == null ? [] : [var.recovery]", "for_each = []"),
    ("recovery-replaces-instance", "modules/database/main.tf", "ignore_changes = [snapshot_identifier, restore_to_point_in_time, db_name, username]", "ignore_changes = [db_name]"),
    ("cache-one-node", "modules/cache/variables.tf", 'description = "Primary and replicas."\n  type        = number\n  default     = 2', 'description = "Primary and replicas."\n  type        = number\n  default     = 3'),
    ("cache-no-failover", "modules/cache/main.tf", "automatic_failover_enabled = true", "automatic_failover_enabled = false"),
    ("cache-without-tls", "modules/cache/main.tf", "transit_encryption_enabled = true", "transit_encryption_enabled = false"),
    ("cache-tls-preferred", "modules/cache/main.tf", '"required"', '"preferred"'),
    ("cache-unencrypted", "modules/cache/main.tf", "at_rest_encryption_enabled = true", "at_rest_encryption_enabled = false"),
    ("cache-without-token", "modules/cache/main.tf", "  auth_token                 = random_password.auth_token[0].result\n", ""),
    ("cache-no-snapshots", "modules/cache/main.tf", "snapshot_retention_limit   = var.snapshot_retention_days", "snapshot_retention_limit   = 0"),
    ("bucket-no-versions", "modules/storage/main.tf", 'versioning_configuration {\n    status = "Enabled"', 'versioning_configuration {\n    status = "Suspended"'),
    ("bucket-public", "modules/storage/main.tf", "restrict_public_buckets = true", "restrict_public_buckets = false"),
    ("bucket-aes-only", "modules/storage/main.tf", '"aws:kms"', '"AES256"'),
    ("bucket-acls", "modules/storage/main.tf", '"BucketOwnerEnforced"', '"ObjectWriter"'),
    ("bucket-glacier-after-a-month", "modules/storage/variables.tf", "default     = 365", "default     = 30"),
    ("bucket-expires-data", "modules/storage/main.tf", "expired_object_delete_marker = true", "days = 365"),
    ("bucket-noncurrent-week", "modules/storage/variables.tf", "default     = 90", "default     = 7"),
    ("bucket-no-deep-archive", "modules/storage/main.tf", '"DEEP_ARCHIVE"', '"GLACIER_IR"'),
    ("bucket-without-tls-rule", "modules/storage/main.tf", 'Condition = { Bool = { "aws:SecureTransport" = "false" } }', 'Condition = { Bool = { "aws:SecureTransport" = "true" } }'),
    ("bucket-old-tls", "modules/storage/main.tf", '"s3:TlsVersion" = "1.2"', '"s3:TlsVersion" = "1.0"'),
    ("bucket-access-unlogged", "modules/storage/main.tf", 'resource "aws_s3_bucket_logging" "this" {\n  for_each = local.data_kinds', 'resource "aws_s3_bucket_logging" "this" {\n  for_each = toset(["photos"])'),
    ("bucket-read-by-any-distribution", "modules/storage/main.tf", 'Condition = { StringEquals = { "aws:SourceArn" = try(var.cloudfront.distribution_arn, null) } }', 'Condition = { StringEquals = { "aws:SourceAccount" = local.account } }'),
    ("replication-without-tags", "modules/storage/replication.tf", ', "s3:ReplicateTags"]', "]"),
    ("replication-without-markers", "modules/storage/replication.tf", 'delete_marker_replication {\n      status = "Enabled"', 'delete_marker_replication {\n      status = "Disabled"'),
    ("replication-unnamed-rule", "modules/storage/replication.tf", "    id       = local.rule_ids[each.key]\n", ""),
    ("replication-to-another-account", "modules/storage/replication.tf", '[for kind in local.replicated : "${local.target_arns[kind]}/*"]\n          Condition = local.ours\n', '[for kind in local.replicated : "${local.target_arns[kind]}/*"]\n'),
    ("replication-asks-what-s3-may-not-tell", "modules/storage/replication.tf", '        StringEquals = { "aws:SourceAccount" = local.account }\n', '        StringEquals = { "aws:SourceAccount" = local.account }\n        ArnEquals    = { "aws:SourceArn" = [for kind in local.data_kinds : local.arns[kind]] }\n'),
    ("replication-role-for-any-account", "modules/storage/replication.tf", '        StringEquals = { "aws:SourceAccount" = local.account }\n', ""),
    ("replication-lag-wakes-at-night", "modules/storage/replication.tf", "  ok_actions    = var.replication.dr_alarm_topic_arns\n", "  ok_actions    = var.replication.dr_alarm_topic_arns\n\n  insufficient_data_actions = var.replication.dr_alarm_topic_arns\n"),
    ("bucket-logs-for-ever", "modules/storage/main.tf", 'each.key == "logs" ? [var.log_expiration_days] : []', "[]"),
    ("bucket-data-ends-with-the-logs", "modules/storage/main.tf", 'each.key == "logs" ? [var.log_expiration_days] : []', "[var.log_expiration_days]"),
    ("bucket-logs-end-in-the-archive", "modules/storage/variables.tf", "var.deep_archive_after_days + 180", "var.deep_archive_after_days"),
    ("replication-role-name-too-long", "modules/storage/replication.tf", '"s3-replication"]))) <= 64', '"s3-replication"]))) <= 128'),
    ("monitoring-role-name-too-long", "modules/database/variables.tf", "length(var.identifier) <= 53", "length(var.identifier) <= 63"),
    ("copier-role-name-too-long", "modules/dr/variables.tf", "length(var.name) <= 39", "length(var.name) <= 40"),
    ("copies-kept-for-another-time", "modules/dr/variables.tf", "keep_days           = optional(number, 7)", "keep_days           = optional(number, 35)"),
    ("staging-copies-kept-for-another-time", "environments/staging/variables.tf", "keep_days            = optional(number, 7)", "keep_days            = optional(number, 35)"),
    ("alarm-silence-of-snapshots-is-fine", "modules/monitoring/alarms.tf", 'datapoints_to_alarm = var.thresholds.snapshot_silence_hours\n  treat_missing_data  = "breaching"', 'datapoints_to_alarm = var.thresholds.snapshot_silence_hours\n  treat_missing_data  = "notBreaching"'),
    ("alarm-one-silent-hour", "modules/monitoring/alarms.tf", "  datapoints_to_alarm = var.thresholds.snapshot_silence_hours\n", "  datapoints_to_alarm = 1\n"),
    ("alarm-snapshots-of-what-begins-alike", "modules/monitoring/alarms.tf", 'prefix = "rds:${each.value}-"', 'prefix = "rds:${each.value}"'),
    ("staging-never-is-in-the-morning", "environments/staging/main.tf", "local.never_started ? null : var.off_hours.start", 'local.never_started ? "cron(0 7 ? * MON-FRI *)" : var.off_hours.start'),
    ("staging-snapshots-of-a-stopped-database", "environments/staging/main.tf", "var.off_hours == null ? 26 : local.never_started ? 0 : 122", "26"),
    ("dashboard-averages-the-age", "modules/monitoring/dashboard.tf", 'DR region (s)", stat = "Maximum"', 'DR region (s)", stat = "Average"'),
    ("bucket-archives-what-is-small", "modules/storage/main.tf", '"all_storage_classes_128K"', '"varies_by_storage_class"'),
    ("cdn-tls-not-told", "modules/cdn/outputs.tf", "TLSv1: CloudFront's own for *.cloudfront.net; TLS 1.2 is not met without cdn_domain", "TLSv1.2_2021"),
    ("cdn-caches-abroad-not-told", "modules/cdn/outputs.tf", "United States, Canada, Europe, Israel", "Canada"),
    ("database-differs-for-ever", "modules/database/main.tf", '"rds.force_ssl"              = { value = "1", apply_method = "pending-reboot" }', '"rds.force_ssl"              = { value = "1", apply_method = "immediate" }'),
    ("cache-differs-for-ever", "modules/cache/main.tf", "  lifecycle {\n    create_before_destroy = true\n", '  parameter {\n    name  = "maxmemory-policy"\n    value = "volatile-lru"\n  }\n\n  lifecycle {\n    create_before_destroy = true\n'),
    ("dashboard-averages-counts", "modules/monitoring/dashboard.tf", 'metric = "Requests", stat = "Sum"', 'metric = "Requests", stat = "Average"'),
    ("staging-reads-us-east-1", "environments/staging/main.tf", 'data "aws_partition" "current" {}\n', 'data "aws_partition" "current" {}\n\ndata "aws_cloudfront_cache_policy" "static" {\n  name = "Managed-CachingOptimized"\n}\n'),
    ("staging-copier-unwatched", "environments/staging/main.tf", "var.dr.snapshot_copier_zip != null), false)", "false), false)"),
    ("staging-database-goes-nowhere", "environments/staging/variables.tf", "try(var.dr.replicate_automated_backups, false)", "true"),
    ("staging-database-is-copied-by-a-word", "environments/staging/variables.tf", 'length(split(" ", trimspace(var.dr.copied_by))) >= 3', "length(trimspace(var.dr.copied_by)) >= 1"),
    ("staging-names-too-long", "environments/staging/main.tf", "-dr-redis\") <= 40", "-dr-redis\") <= 50"),
    ("replication-lag-in-source-region", "modules/storage/replication.tf", "  region = var.replication.region\n\n", ""),
    ("replication-lag-silent", "modules/storage/replication.tf", 'threshold           = var.replication_lag_minutes * 60\n  period              = 300\n  evaluation_periods  = 3\n  treat_missing_data  = "missing"', 'threshold           = var.replication_lag_minutes * 60\n  period              = 300\n  evaluation_periods  = 3\n  treat_missing_data  = "notBreaching"'),
    ("cdn-http", "modules/cdn/main.tf", '"redirect-to-https"', '"allow-all"'),
    ("cdn-tls-1.0", "modules/cdn/main.tf", '"TLSv1.2_2021"', '"TLSv1"'),
    ("cdn-whole-world", "modules/cdn/main.tf", 'restriction_type = "whitelist"\n      locations        = var.countries', 'restriction_type = "none"'),
    ("cdn-unsigned-origin", "modules/cdn/main.tf", 'signing_behavior                  = "always"', 'signing_behavior                  = "never"'),
    ("cdn-uncompressed", "modules/cdn/main.tf", "compress                   = true", "compress                   = false"),
    ("cdn-logs-in-home-region", "modules/cdn/main.tf", '  region = "us-east-1"\n\n  name         = local.delivery_source', "  name         = local.delivery_source"),
    ("cdn-signature-optional", "modules/cdn/main.tf", "count = length(var.signing_keys) > 0 ? 1 : 0", "count = 0"),
    ("cdn-keys-not-needed", "modules/cdn/variables.tf", "length(var.signing_keys) > 0 || length", "length(var.signing_keys) >= 0 || length"),
    ("cdn-other-paths-unsigned", "modules/cdn/main.tf", "local.key_groups[var.default_origin]", "[]"),
    ("cdn-one-path-unsigned", "modules/cdn/main.tf", "local.key_groups[ordered_cache_behavior.key]", 'ordered_cache_behavior.key == "signatures" ? [] : local.key_groups[ordered_cache_behavior.key]'),
    ("cdn-public-for-all", "modules/cdn/main.tf", "setsubtract(keys(var.origins), keys(var.public_read))", "length(var.public_read) == 0 ? keys(var.origins) : []"),
    ("cdn-public-without-reason", "modules/cdn/variables.tf", 'length(split(" ", trimspace(reason))) >= 3', 'reason != ""'),
    ("staging-keys-not-needed", "environments/staging/variables.tf", "length(var.cdn_signing_keys) > 0 ||", "length(var.cdn_signing_keys) >= 0 ||"),
    ("dr-keys-not-needed", "environments/dr/variables.tf", "length(var.cdn_signing_keys) > 0 ||", "length(var.cdn_signing_keys) >= 0 ||"),
    ("dr-public-not-shown", "environments/dr/outputs.tf", "module.cdn.public_read", "null"),
    ("alarm-missing", "modules/monitoring/alarms.tf", '"rds-free-storage" = {', '"rds-free-storage" = null, "x" = {'),
    ("alarm-cpu-95", "modules/monitoring/variables.tf", "db_cpu_percent         = optional(number, 80)", "db_cpu_percent         = optional(number, 95)"),
    ("alarm-memory-in-mib", "modules/monitoring/alarms.tf", "var.thresholds.db_free_memory_mib * local.mib", "var.thresholds.db_free_memory_mib"),
    ("alarm-storage-wrong-way", "modules/monitoring/alarms.tf", 'metric      = "FreeStorageSpace"\n      comparison  = "LessThanThreshold"', 'metric      = "FreeStorageSpace"\n      comparison  = "GreaterThanThreshold"'),
    ("alarm-first-node-only", "modules/monitoring/alarms.tf", "for node in var.cache_node_ids : {", "for node in slice(var.cache_node_ids, 0, min(1, length(var.cache_node_ids))) : {"),
    ("alarm-cloudfront-at-home", "modules/monitoring/alarms.tf", '  region = "us-east-1"\n\n', ""),
    ("alarm-tells-nobody", "modules/monitoring/alarms.tf", 'treat_missing_data  = "missing"\n\n  alarm_actions = [aws_sns_topic.alerts.arn]', 'treat_missing_data  = "missing"\n\n  alarm_actions = []'),
    ("alarm-backup-age-unknown-is-fine", "modules/monitoring/alarms.tf", '"breaching"', '"notBreaching"'),
    ("topic-unencrypted", "modules/monitoring/main.tf", "  kms_master_key_id = var.kms_key_arn\n", ""),
    ("queue-for-any-account", "modules/off-hours/main.tf", '        Condition = { ArnEquals = { "aws:SourceArn" = local.keeper_rule } }\n', "        Condition = {}\n"),
    ("topic-open", "modules/monitoring/main.tf", 'Principal = { Service = "cloudwatch.amazonaws.com" }\n        Action    = "sns:Publish"\n        Resource  = arn\n        Condition = { StringEquals = { "aws:SourceAccount" = local.account } }', 'Principal = "*"\n        Action    = "sns:Publish"\n        Resource  = arn\n        Condition = {}'),
    ("backups-not-replicated-to-dr", "modules/dr/main.tf", "  region = var.dr_region\n\n", ""),
    ("backups-without-dr-key", "modules/dr/main.tf", "  kms_key_id             = var.dr_kms_key_arn\n", ""),
    ("copier-removes-originals", "modules/dr/main.tf", '"arn:${local.partition}:rds:${var.dr_region}:${local.account}:snapshot:', '"arn:${local.partition}:rds:${local.region}:${local.account}:snapshot:'),
    ("copier-removes-what-begins-alike", "modules/dr/main.tf", "-${local.region}-${local.copy_time_and_digest}${attempt}", "-*"),
    ("copier-removes-what-others-made", "modules/dr/copier.tf", '        Condition = { StringEquals = { "aws:ResourceTag/dr-replicate:made-by" = "dr-replicate" } }\n', ""),
    ("copier-tags-any-snapshot", "modules/dr/copier.tf", 'Action   = ["rds:CopyDBSnapshot"]', 'Action   = ["rds:AddTagsToResource", "rds:CopyDBSnapshot"]'),
    ("copier-grants-to-anybody", "modules/dr/copier.tf", '          Bool         = { "kms:GrantIsForAWSResource" = "true" }\n', ""),
    ("copier-grants-past-rds", "modules/dr/copier.tf", '          StringEquals = { "kms:ViaService" = local.rds }\n', ""),
    ("copier-role-for-any-account", "modules/dr/copier.tf", '      Principal = { Service = "lambda.amazonaws.com" }\n      Action    = "sts:AssumeRole"\n      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }\n', '      Principal = { Service = "lambda.amazonaws.com" }\n      Action    = "sts:AssumeRole"\n'),
    ("copier-listens-to-starts", "modules/dr/copier.tf", '["RDS-EVENT-0091"]', '["RDS-EVENT-0090"]'),
    ("copier-without-dead-letters", "modules/dr/copier.tf", "  dead_letter_config {\n    target_arn = aws_sqs_queue.failed[each.key].arn\n  }\n", ""),
    ("copier-twice-at-once", "modules/dr/copier.tf", "  reserved_concurrent_executions = 1\n", ""),
    ("copier-wrong-region", "modules/dr/copier.tf", "TARGET_REGION  = var.dr_region", "TARGET_REGION  = local.region"),
    ("trail-of-one-region", "modules/trail/main.tf", "is_multi_region_trail         = true", "is_multi_region_trail         = false"),
    ("trail-unproven", "modules/trail/main.tf", "enable_log_file_validation    = true", "enable_log_file_validation    = false"),
    ("trail-unlocked", "modules/trail/main.tf", "  object_lock_enabled = true\n", ""),
    ("trail-mode-forgotten", "modules/trail/main.tf", "mode = var.lock_mode", 'mode = "GOVERNANCE"'),
    ("trail-retention-bypassed", "modules/trail/main.tf", '["s3:BypassGovernanceRetention"]', '["s3:GetObjectRetention"]'),
    ("trail-of-anybody", "modules/trail/main.tf", '"aws:SourceArn" = local.trail_arn, "s3:x-amz-acl"', '"s3:x-amz-acl"'),
    ("trail-key-for-any-trail", "modules/trail/main.tf", 'StringEquals = { "aws:SourceArn" = local.trail_arn }\n          StringLike', "StringLike"),
    ("trail-abroad", "modules/trail/main.tf", 'contains(["ca-central-1", "ca-west-1"], local.region)', 'local.region != ""'),
    ("trail-objects-of-buckets-that-begin-alike", "modules/trail/main.tf", '"${arn}/"', "arn"),
    ("trail-ends-before-its-lock", "modules/trail/variables.tf", "var.retention_days >= var.lock_days && ", ""),
    ("staging-no-trail-without-reason", "environments/staging/variables.tf", "var.audit_trail != null || length", "var.audit_trail == null || length"),
    ("off-hours-utc", "modules/off-hours/variables.tf", 'default     = "America/Toronto"', 'default     = "UTC"'),
    ("off-hours-seven-days-forgotten", "modules/off-hours/keep-stopped.tf", "keeper = var.start == null ? { this = true } : {}", "keeper = {}"),
    ("off-hours-stops-while-starting", "modules/off-hours/keep-stopped.tf", 'Default = "Wait"', 'Default = "Stop"'),
    ("staging-tag-missing", "environments/staging/main.tf", '    Owner       = var.owner\n', ""),
    ("staging-default-tags-missing", "environments/staging/versions.tf", "  default_tags {\n    tags = local.tags\n  }\n", ""),
    ("staging-residency-let-through", "environments/staging/variables.tf", 'try(contains(["ca-central-1", "ca-west-1"], var.dr.region), false)', "true"),
    ("staging-database-in-public-subnets", "environments/staging/main.tf", "subnet_ids               = module.networking.private_subnet_ids", "subnet_ids               = module.networking.public_subnet_ids"),
    ("staging-database-behind-alb-group", "environments/staging/main.tf", "[module.security.rds_security_group_id]", "[module.security.alb_security_group_id]"),
    ("dr-full-with-empty-database", "environments/dr/variables.tf", 'var.mode != "full" || (var', 'var.mode != "" || (var'),
    ("dr-recovery-not-passed-on", "environments/dr/main.tf", "  recovery                 = local.recovery\n", ""),
    ("dr-residency-let-through", "environments/dr/variables.tf", 'contains(["ca-central-1", "ca-west-1"], var.aws_region) || var.residency_exception != null', 'var.aws_region != "" || var.residency_exception != null'),
    ("dr-backup-of-dead-region", "environments/dr/variables.tf", "rds:${var.aws_region}:[0-9]{12}:auto-backup", "rds:[a-z0-9-]+:[0-9]{12}:auto-backup"),
    ("dr-import-forgotten", "environments/dr/main.tf", "for_each = var.restored_database == null || var.rehearsal ? {} : { this = var.restored_database }", "for_each = {}"),
    ("staging-import-forgotten", "environments/staging/main.tf", "for_each = var.restored_database == null ? {} : { this = var.restored_database }", "for_each = {}"),
    ("dr-restored-of-another-environment", "environments/dr/variables.tf", 'var.restored_database == "${var.project_name}-${var.environment}-postgres-dr"', 'var.restored_database != ""'),
    ("dr-restored-in-the-pilot-light", "environments/dr/variables.tf", 'var.mode != "pilot-light" || var.restored_database == null', 'var.mode != "" || var.restored_database == null'),
    ("dr-distribution-changes-in-the-outage", "environments/dr/main.tf", '  public_read          = var.cdn_public_read\n', '  public_read          = var.cdn_public_read\n  web_acl_arn          = local.full ? null : "arn:aws:wafv2:us-east-1:111122223333:global/webacl/x/1"\n'),
    ("dr-roles-change-in-the-outage", "environments/dr/main.tf", 'ecr_repository_names = ["${var.project_name}*"]', 'ecr_repository_names = local.full ? ["${var.project_name}*"] : ["${var.project_name}-none"]'),
    ("dr-monitoring-role-in-the-outage", "modules/database/main.tf", 'resource "aws_iam_role" "monitoring" {\n', 'resource "aws_iam_role" "monitoring" {\n  count = var.create ? 1 : 0\n'),
    ("dr-protected-in-drills", "environments/dr/main.tf", "  deletion_protection      = var.db_deletion_protection\n", ""),
    ("dr-tags-dropped", "environments/dr/main.tf", "tags = merge(var.tags, {", "tags = merge({"),
    ("database-group-named-by-chance", "modules/database/main.tf", '  name        = "${var.identifier}-pg${local.major}"', '  name_prefix = "${var.identifier}-pg${local.major}-"'),
    ("database-always-there", "modules/database/main.tf", "  count = var.create ? 1 : 0\n\n  identifier", "  count = 1\n\n  identifier"),
    ("database-final-snapshot-once", "modules/database/main.tf", '"final", var.run]', '"final"]'),
    ("database-given-up-in-40-minutes", "modules/database/main.tf", "    create = var.timeouts.create\n", ""),
    ("cache-given-up-early", "modules/cache/main.tf", "    create = var.timeouts.create\n", ""),
    ("cache-secret-of-each-drill", "modules/cache/main.tf", "  recovery_window_in_days = var.secret_recovery_window_days\n", "  recovery_window_in_days = 30\n"),
    ("application-given-up-early", "modules/application/main.tf", "    create = var.timeouts.create\n", ""),
    ("cache-always-there", "modules/cache/main.tf", "  count = var.create ? 1 : 0\n\n  replication_group_id", "  count = 1\n\n  replication_group_id"),
    ("nat-addresses-with-the-gateways", "modules/networking/main.tf", "var.reserve_nat_addresses ? local.subnets : local.nat", "local.nat"),
    ("dr-plain-plan-takes-the-database", "environments/dr/main.tf", "condition     = local.full || length", "condition     = true || length"),
    ("dr-database-given-up-by-any-name", "environments/dr/main.tf", "var.retire_database == local.db_identifier", "var.retire_database != null"),
    ("dr-leave-to-remove-stays", "environments/dr/variables.tf", 'var.retire_database == null || var.mode == "pilot-light"', 'var.retire_database == null || var.mode != ""'),
    ("dr-state-of-another-environment", "environments/dr/main.tf", 'self.output == "', 'self.output != "'),
    ("dr-state-takes-another-name", "environments/dr/main.tf", "    ignore_changes = [input]\n", ""),
    ("staging-state-of-another-environment", "environments/staging/main.tf", "    ignore_changes = [input]\n", ""),
    ("failover-marker-is-health", "modules/failover/main.tf", "invert_healthcheck = true", "invert_healthcheck = false"),
    ("failover-everybody-reads", "modules/failover/main.tf", '        Condition = { IpAddress = { "aws:SourceIp" = var.health_checker_cidrs } }\n', "        Condition = {}\n"),
    ("failover-every-key-is-read", "modules/failover/main.tf", '"${local.bucket_arn}/${local.marker}"]', '"${local.bucket_arn}/*"]'),
    ("failover-public", "modules/failover/main.tf", "restrict_public_buckets = true", "restrict_public_buckets = false"),
    ("failover-marker-by-prefix", "modules/failover/outputs.tf", "contains(data.aws_s3_objects.marker.keys, local.marker)", "length(data.aws_s3_objects.marker.keys) > 0"),
    ("failover-asked-from-us-east-1", "modules/failover/variables.tf", '["eu-west-1", "us-west-1", "us-west-2"]', '["eu-west-1", "us-east-1", "us-west-2"]'),
    ("failover-wide-networks", "modules/failover/variables.tf", '[1]) >= 16', '[1]) >= 0'),
    ("dr-marker-ignored", "environments/dr/main.tf", "condition     = local.full || !module.failover.failed_over", "condition     = local.full || module.failover.marker != null"),
    ("dr-leave-overrides-the-marker", "environments/dr/main.tf", "condition     = local.full || !module.failover.failed_over", "condition     = local.full || !module.failover.failed_over || var.retire_database != null"),
    ("dr-health-check-without-a-name", "environments/dr/main.tf", "health_check  = var.dns != null", "health_check  = true"),
    ("dr-health-check-with-the-outage", "environments/dr/main.tf", "health_check  = var.dns != null", "health_check  = var.dns != null && local.full"),
    ("dr-tasks-without-leave", "environments/dr/main.tf", "local.full && var.start_application", "local.full"),
    ("dr-tasks-in-the-pilot-light", "environments/dr/main.tf", "local.full && var.start_application", "var.start_application"),
    ("dr-name-in-the-outage", "environments/dr/main.tf", "  dns = var.dns == null ? null : {\n    zone_id  = var.dns.zone_id", "  dns = var.dns == null || !local.full ? null : {\n    zone_id  = var.dns.zone_id"),
    ("dr-certificate-in-the-outage", "environments/dr/main.tf", "  count  = var.dns == null ? 0 : 1\n\n  domain_name = var.dns.name", "  count  = var.dns == null || !local.full ? 0 : 1\n\n  domain_name = var.dns.name"),
    ("staging-tasks-with-the-masters-secret", "environments/staging/main.tf", "DATABASE_CREDENTIALS = module.database.application_secret_arn", "DATABASE_CREDENTIALS = module.database.connection_secret_arn"),
    ("dr-tasks-with-the-masters-secret", "environments/dr/main.tf", "DATABASE_CREDENTIALS = module.database.application_secret_arn", "DATABASE_CREDENTIALS = module.database.connection_secret_arn"),
    ("staging-application-without-certificate", "environments/staging/variables.tf", "var.application == null || var.dns != null ||", "var.application == null || var.dns == null ||"),
    ("cdn-copies-first", "modules/cdn/main.tf", 'member {\n        origin_id = origin_group.key\n      }\n\n      member {\n        origin_id = "${origin_group.key}-dr"\n      }', 'member {\n        origin_id = "${origin_group.key}-dr"\n      }\n\n      member {\n        origin_id = origin_group.key\n      }'),
    ("cdn-copies-of-what-is-not-there", "modules/cdn/main.tf", "[500, 502, 503, 504]", "[403, 404, 500, 502, 503, 504]"),
    ("cdn-copies-unused", "modules/cdn/main.tf", "      target_origin_id           = local.targets[ordered_cache_behavior.key]", "      target_origin_id           = ordered_cache_behavior.key"),
    ("cdn-copies-unsigned", "modules/cdn/main.tf", '      origin_id                = "${origin.key}-dr"\n      domain_name              = origin.value\n      origin_access_control_id = aws_cloudfront_origin_access_control.this.id\n', '      origin_id                = "${origin.key}-dr"\n      domain_name              = origin.value\n'),
    ("bucket-read-by-any-other-distribution", "modules/storage/main.tf", '"aws:SourceArn" = var.reader_distribution_arn', '"aws:SourceAccount" = local.account'),
    ("bucket-logs-of-any-load-balancer", "modules/storage/main.tf", "${local.account}:loadbalancer/*", "*:loadbalancer/*"),
    ("registry-tags-move", "modules/registry/main.tf", '"IMMUTABLE"', '"MUTABLE"'),
    ("registry-not-replicated", "modules/registry/main.tf", "count = var.replica_region == null ? 0 : 1", "count = 0"),
    ("registry-replicates-all", "modules/registry/main.tf", "for_each = toset(var.names)\n\n        content", "for_each = toset([])\n\n        content"),
    ("registry-unencrypted", "modules/registry/main.tf", '    encryption_type = "KMS"\n    kms_key         = var.kms_key_arn\n', '    encryption_type = "AES256"\n'),
    ("registry-ends-what-is-tagged", "modules/registry/main.tf", 'tagStatus = "untagged"', 'tagStatus = "any"'),
    ("certificate-by-mail", "modules/certificate/main.tf", 'validation_method         = "DNS"', 'validation_method         = "EMAIL"'),
    ("certificate-elsewhere", "modules/certificate/main.tf", "  region = var.region\n\n  domain_name", "  domain_name"),
    ("certificate-before-it-is-issued", "modules/certificate/outputs.tf", "one(aws_acm_certificate_validation.this[*].certificate_arn)", "aws_acm_certificate.this.id"),
    ("application-by-tag", "modules/application/variables.tf", '^[^@\\\\s]+@sha256:[0-9a-f]{64}$', '^.+$'),
    ("application-over-http", "modules/application/main.tf", 'type = "redirect"\n', 'type = "fixed-response"\n'),
    ("application-old-tls", "modules/application/main.tf", "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-2016-08"),
    ("application-public-tasks", "modules/application/main.tf", "assign_public_ip = false", "assign_public_ip = true"),
    ("application-writes-its-own-files", "modules/application/main.tf", "readonlyRootFilesystem = true", "readonlyRootFilesystem = false"),
    ("application-any-health", "modules/application/main.tf", 'matcher             = "200"', 'matcher             = "200-499"'),
    ("application-silent-tasks-are-fine", "modules/application/main.tf", '"breaching"', '"missing"'),
    ("application-keeps-a-broken-release", "modules/application/main.tf", "    rollback = true", "    rollback = false"),
    ("application-falls-over-by-itself", "modules/application/records.tf", "evaluate_target_health = false", "evaluate_target_health = true"),
    ("application-primary-without-a-check", "modules/application/records.tf", "  health_check_id = var.dns.health_check_id\n", ""),
    ("application-password-in-the-plan", "modules/application/variables.tf", '&& !can(regex("(?i)(password|secret|token|private_key)$", name))', ""),
    ("application-masters-secret", "modules/application/variables.tf", ' && !strcontains(arn, ":secret:rds!")', ""),
    ("application-name-too-long", "modules/application/variables.tf", "length(var.name) <= 28", "length(var.name) <= 32"),
    ("application-unlogged", "modules/application/main.tf", '    prefix  = "alb"\n    enabled = true', '    prefix  = "alb"\n    enabled = false'),
    ("roles-unbounded", "modules/security/iam.tf", "  permissions_boundary = var.permissions_boundary_arn\n", ""),
    ("copier-role-unbounded", "modules/dr/copier.tf", "  permissions_boundary = var.permissions_boundary_arn\n", ""),
    ("keeper-role-unbounded", "modules/off-hours/keep-stopped.tf", "  permissions_boundary = var.permissions_boundary_arn\n", ""),
    ("replication-role-unbounded", "modules/storage/replication.tf", "  permissions_boundary = var.permissions_boundary_arn\n", ""),
    ("monitoring-role-elsewhere", "modules/database/main.tf", "  path                 = var.role_path\n", ""),
    ("staging-boundary-forgotten", "environments/staging/main.tf", "  permissions_boundary_arn = var.permissions_boundary_arn\n", ""),
    ("dr-boundary-forgotten", "environments/dr/main.tf", "  permissions_boundary_arn = var.permissions_boundary_arn\n", ""),
    ("group-untagged", "modules/security/groups.tf", "  tags = merge(var.tags, ", "  tags = merge({}, "),
    ("any-path", "modules/security/variables.tf", '^/([A-Za-z0-9_+=,.@-]+/)*$', '^/.*$'),
    ("staging-input-dropped", "environments/staging/main.tf", "var.module_inputs.cdn.price_class", "null"),
    ("dr-input-dropped", "environments/dr/main.tf", "var.module_inputs.database.max_connections", "null"),
    ("dr-settings-of-the-primary", "environments/dr/outputs.tf", 'dr_id = "${local.db_identifier}"', 'dr_id = "${var.project_name}-${var.environment}-postgres"'),
    ("staging-settings-of-other-groups", "environments/staging/outputs.tf", 'security_groups = ["${module.security.rds_security_group_id}"]', 'security_groups = ["${module.security.alb_security_group_id}"]'),
    ("dr-settings-without-a-key", "environments/dr/outputs.tf", 'kms = "${module.security.kms_key_arn}"', 'kms = ""'),
    ("cdn-delivery-before-the-policy", "modules/cdn/main.tf", 'var.log_bucket_policy_id != ""', 'var.log_bucket_policy_id != null'),
    ("application-logs-before-the-policy", "modules/application/main.tf", 'var.log_bucket_policy_id != ""', 'var.log_bucket_policy_id != null'),
    ("staging-delivery-waits-for-nothing", "environments/staging/main.tf", "  log_bucket_policy_id = module.storage.log_bucket_policy_id", '  log_bucket_policy_id = "berthcare-logs-staging"'),
    ("dr-logs-wait-for-nothing", "environments/dr/main.tf", "  log_bucket_policy_id            = module.storage.log_bucket_policy_id", '  log_bucket_policy_id            = "berthcare-logs-staging-dr"'),
    ("dr-pilot-light-with-nat", "environments/dr/main.tf", 'local.full ? "per-az" : "none"', '"per-az"'),
    ("staging-part-taken-away", "environments/staging/main.tf", "  for_each = local.parts\n\n  input = each.key\n\n  lifecycle {\n    prevent_destroy = true\n  }\n", "  for_each = local.parts\n\n  input = each.key\n\n  lifecycle {\n    prevent_destroy = false\n  }\n"),
    ("staging-names-without-the-guards", "environments/staging/main.tf", "name    = [local.own, local.guards][0]", "name    = local.own"),
    ("staging-parts-unguarded", "environments/staging/main.tf", "guards  = [terraform_data.environment, terraform_data.part]", "guards  = [terraform_data.environment]"),
    ("staging-buckets-without-the-guards", "environments/staging/main.tf", "project = [var.project_name, local.guards][0]", "project = var.project_name"),
    ("staging-typos-dropped", "environments/staging/main.tf", "length(local.unknown) == 0", "length(local.unknown) >= 0"),
    ("staging-typos-of-modules-dropped", "environments/staging/written.tf", "}\" => inputs }", "}\" => inputs if false }"),
    ("staging-date-unseen", "environments/staging/main.tf", "    condition     = local.leave_counts\n", "    condition     = local.leave_counts || true\n"),
    ("staging-date-stops-nothing", "environments/staging/main.tf", "var.despite_residency != null\n      error", 'var.despite_residency != ""\n      error'),
    ("staging-load-balancer-name-too-long", "environments/staging/variables.tf", '-dr-app") <= 32', '-dr-app") <= 64'),
    ("staging-zones-of-another-region", "environments/staging/variables.tf", '"^${var.aws_region}[a-z]$"', '"^[a-z0-9-]+$"'),
    ("dr-part-taken-away", "environments/dr/main.tf", "  for_each = local.parts\n\n  input = each.key\n\n  lifecycle {\n    prevent_destroy = true\n  }\n", "  for_each = local.parts\n\n  input = each.key\n\n  lifecycle {\n    prevent_destroy = false\n  }\n"),
    ("dr-names-without-the-guards", "environments/dr/main.tf", "name    = [local.own, local.guards][0]", "name    = local.own"),
    ("dr-parts-unguarded", "environments/dr/main.tf", "guards  = [terraform_data.environment, terraform_data.part]", "guards  = [terraform_data.environment]"),
    ("dr-buckets-without-the-guards", "environments/dr/main.tf", "project = [var.project_name, local.guards][0]", "project = var.project_name"),
    ("dr-typos-dropped", "environments/dr/main.tf", "length(local.unknown) == 0", "length(local.unknown) >= 0"),
    ("dr-typos-of-modules-dropped", "environments/dr/written.tf", "}\" => inputs }", "}\" => inputs if false }"),
    ("dr-date-unseen", "environments/dr/main.tf", "    condition     = local.leave_counts\n", "    condition     = local.leave_counts || true\n"),
    ("dr-date-stops-nothing", "environments/dr/main.tf", "var.despite_residency != null\n      error", 'var.despite_residency != ""\n      error'),
    ("dr-load-balancer-name-too-long", "environments/dr/variables.tf", '-dr-app") <= 32', '-dr-app") <= 64'),
    ("dr-zones-of-another-region", "environments/dr/variables.tf", '"^${var.aws_region}[a-z]$"', '"^[a-z0-9-]+$"'),
    ("staging-empty-database", "environments/staging/main.tf", "  once                     = true\n", "  once                     = false\n"),
    ("database-made-again", "modules/database/main.tf", "  triggers_replace = [for instance", "  # triggers_replace = [for instance"),
    ("staging-copies-of-another-environment", "environments/staging/main.tf", "-${kind}-${var.environment}-${var.dr.bucket_suffix}", "-${kind}-${var.dr.bucket_suffix}"),
    ("staging-copies-of-one-kind", "environments/staging/main.tf", '["photos", "documents", "signatures"] : kind => "${var.project_name}-${kind}-', '["photos", "documents", "signatures"] : kind => "${var.project_name}-photos-'),
    ("staging-copies-in-place", "environments/staging/variables.tf", " && var.dr.bucket_suffix != var.bucket_suffix", ""),
    ("staging-copies-without-a-suffix", "environments/staging/variables.tf", 'can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.dr.bucket_suffix))', "true"),
    ("staging-topic-of-another-environment", "environments/staging/variables.tf", '":${var.project_name}-${var.environment}-dr-alerts"', '"-dr-alerts"'),
    ("staging-dr-region-nowhere", "environments/staging/variables.tf", 'can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.dr.region))', 'can(regex("^[a-z]", var.dr.region))'),
    ("dr-recovery-in-the-pilot-light", "environments/dr/variables.tf", 'var.mode != "pilot-light" || var.recovery == null', 'var.mode != "" || var.recovery == null'),
    ("dr-recovery-after-a-loss", "environments/dr/main.tf", "var.recovery == null || length(data.aws_db_instances.here.instance_identifiers) > 0", "true || length(data.aws_db_instances.here.instance_identifiers) > 0"),
    ("dr-alarm-of-us-east-1-in-the-outage", "environments/dr/main.tf", "distribution   = { id = module.cdn.distribution_id }", "distribution   = local.full ? { id = module.cdn.distribution_id } : null"),
    ("staging-unknown-variables-dropped", "environments/staging/written.tf", "setsubtract(keys(file), local.declared)", "[]"),
    ("staging-typos-of-timeouts-dropped", "environments/staging/written.tf", "if can(inputs.timeouts)", "if false"),
    ("dr-unknown-variables-dropped", "environments/dr/written.tf", "setsubtract(keys(file), local.declared)", "[]"),
    ("dr-typos-of-timeouts-dropped", "environments/dr/written.tf", "if can(inputs.timeouts)", "if false"),
    ("dr-date-stops-the-outage", "environments/dr/main.tf", "local.full || local.leave_counts ||", "local.leave_counts ||"),
    ("dr-traffic-to-nothing", "environments/dr/main.tf", "!local.full || !module.failover.failed_over || var.application == null || var.start_application", "!local.full || local.full"),
    ("dr-stopped-application-unseen", "environments/dr/main.tf", "    condition     = !local.full || var.application == null || var.start_application", "    condition     = true || var.start_application"),
    ("dr-rehearsal-takes-over", "environments/dr/main.tf", "var.restored_database == null || var.rehearsal ?", "var.restored_database == null ?"),
    ("staging-settings-are-looked-for-in-the-folder", "environments/staging/README.md", "init-backend --config ../../../infra.toml render", "init-backend render"),
    ("dr-backend-is-not-written", "environments/dr/README.md", "render dr --out dr.s3.tfbackend", "render dr"),
    ("off-hours-each-minute", "modules/off-hours/variables.tf", "[0-5]?[0-9](,[0-5]?[0-9])* ", "[0-9*,/-]+ "),
    ("off-hours-both-days", "modules/off-hours/variables.tf", "([?] [^ ]+ [^?]+|[^?]+ [^ ]+ [?])", "[^ ]+ [^ ]+ [^ ]+"),
]

# What shows nothing about the tests: a provider that is gone, or a mutant that is no Terraform.
NO_ANSWER = re.compile(r"Failed to load plugin schemas|Plugin did not respond|Unrecognized remote plugin message|Failed to install provider|Invalid precondition expression")

# Survivors that are let be, and why.
REASONS = {}


def values(_mutant, _folder, under, refused):
    """Runs the files that say which values are refused."""
    for file in refused:
        check.tests(under, f"-filter=tests/{file.name}")


def plans(mutant, folder, under, _refused):
    """Plans the example of a module, or of an environment what check.py plans."""
    if under.parent.name == "modules":
        check.alone(under)
    else:
        used(mutant, folder, {under.name})


def used(mutant, folder, environments):
    """Plans what check.py plans of these environments, each in a copy of its own."""
    name, path, old, new = mutant
    for entry in check.PLANS:
        if entry[0] in environments and entry[4] is not check.planned:
            fresh = check.copy_to(folder / f"{name}-{entry[1]}" / "terraform")
            (fresh / path).write_text((fresh / path).read_text().replace(old, new))
            try:
                check.plan_of(entry, fresh)
            finally:
                shutil.rmtree(fresh.parent)


def noticed(mutant, folder):
    """Whether anything fails, and what."""
    name, path, old, new = mutant
    copy = check.copy_to(folder / name / "terraform")
    file = copy / path
    text = file.read_text()
    if old not in text:
        return None, "does not apply"
    file.write_text(text.replace(old, new))
    under = file.parent
    refused = sorted((under / "tests").glob("bad_values.tftest.hcl"))
    try:
        if path.endswith("README.md"):
            check.followed(copy)
            return False, ""
        check.terraform(under, "init", "-backend=false")
        # The files that say what is, before those that say what is refused: most mutants end there.
        for file in sorted(set((under / "tests").glob("*.tftest.hcl")) - set(refused)):
            check.tests(under, f"-filter=tests/{file.name}")
        # What is refused is long in an environment, and the matter of its variables alone.
        for step in [values, plans] if path.endswith("variables.tf") else [plans, values]:
            step(mutant, folder, under, refused)
        # What a module alone does not show, such as a guard that a later plan meets.
        if under.parent.name == "modules":
            used(mutant, folder, {"staging", "dr"})
    except check.Failed as failed:
        return None if NO_ANSWER.search(str(failed)) else True, str(failed)
    finally:
        shutil.rmtree(copy.parent)
    return False, ""


def cause(why):
    """The line that says what failed, and in which runs of terraform's tests."""
    said = next((line.strip() for line in why.splitlines() if line.startswith(("Error", "Test", "plan:", "wiring:"))), why[:100])
    runs = dict.fromkeys(re.findall(r'in run "(\w+)"', why))
    return said + (f" in {', '.join(runs)}" if runs else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only")
    arguments = parser.parse_args()
    wanted = [m for m in MUTANTS if not arguments.only or m[0] in arguments.only.split(",")]
    started, killed, survived, broken = time.monotonic(), [], [], []
    with tempfile.TemporaryDirectory() as temporary, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        root = pathlib.Path(temporary)
        check.prerequisites(check.copy_to(root / "probe"))
        for mutant, (dead, why) in zip(wanted, pool.map(lambda m: noticed(m, root), wanted)):
            (broken if dead is None else killed if dead else survived).append(mutant[0])
            print(f"{'?' if dead is None else 'killed' if dead else 'SURVIVED'}  {mutant[0]}: {cause(why)}", flush=True)
    rate = 100 * len(killed) / max(1, len(wanted))
    print(f"{len(killed)} of {len(wanted)} killed, {rate:.1f} %, in {time.monotonic() - started:.0f} s")
    for name in survived:
        print(f"survivor {name}: {REASONS.get(name, 'no reason is written down')}")
    for name in broken:
        print(f"no answer: {name}")
    sys.exit(1 if rate < 98 or broken or any(name not in REASONS for name in survived) else 0)


if __name__ == "__main__":
    main()
