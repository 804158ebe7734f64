mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  project_name = "berthcare"
  environment  = "staging"
  kms_key_arn  = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  replication = {
    region = "ca-west-1"
    targets = {
      photos     = "berthcare-photos-staging-dr"
      documents  = "berthcare-documents-staging-dr"
      signatures = "berthcare-signatures-staging-dr"
    }
    kms_key_arn         = "arn:aws:kms:ca-west-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab"
    alarm_topic_arns    = ["arn:aws:sns:ca-central-1:111122223333:alerts"]
    dr_alarm_topic_arns = ["arn:aws:sns:ca-west-1:111122223333:alerts"]
  }
}

# aws-behaviour: 16
run "rules" {
  assert {
    condition     = { for kind, configuration in aws_s3_bucket_replication_configuration.this : kind => configuration.rule[0].id } == { photos = "photos-to-dr", documents = "documents-to-dr", signatures = "signatures-to-dr" }
    error_message = "each rule has a name, by which CloudWatch knows it"
  }
  assert {
    condition     = alltrue([for kind, configuration in aws_s3_bucket_replication_configuration.this : configuration.rule[0].status == "Enabled" && configuration.rule[0].destination[0].bucket == "arn:aws:s3:::berthcare-${kind}-staging-dr" && configuration.role == aws_iam_role.replication[0].arn])
    error_message = "to the bucket of the same kind"
  }
  assert {
    condition     = alltrue([for configuration in aws_s3_bucket_replication_configuration.this : configuration.rule[0].delete_marker_replication[0].status == "Enabled" && configuration.rule[0].destination[0].replication_time[0].status == "Enabled" && configuration.rule[0].destination[0].replication_time[0].time[0].minutes == 15 && configuration.rule[0].destination[0].metrics[0].status == "Enabled"])
    error_message = "delete markers too, within 15 minutes, and measured"
  }
  assert {
    condition     = alltrue([for kind, alarm in aws_cloudwatch_metric_alarm.replication_lag : alarm.dimensions == tomap({ SourceBucket = "berthcare-${kind}-staging", DestinationBucket = "berthcare-${kind}-staging-dr", RuleId = "${kind}-to-dr" }) && alarm.region == "ca-west-1" && alarm.metric_name == "ReplicationLatency" && alarm.statistic == "Maximum" && alarm.threshold == 900 && alarm.comparison_operator == "GreaterThanThreshold"])
    error_message = "the lag is watched where S3 publishes it: in the target's region"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.replication_lag) == 3 && alltrue([for alarm in aws_cloudwatch_metric_alarm.replication_lag : alarm.treat_missing_data == "missing" && length(coalesce(alarm.insufficient_data_actions, [])) == 0 && alarm.alarm_actions == toset(["arn:aws:sns:ca-west-1:111122223333:alerts"])])
    error_message = "no data is never good, and wakes nobody"
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.replication_failures) == 3 && alltrue([for kind, alarm in aws_cloudwatch_metric_alarm.replication_failures : alarm.metric_name == "OperationsFailedReplication" && alarm.statistic == "Sum" && alarm.threshold == 0 && alarm.alarm_actions == toset(["arn:aws:sns:ca-central-1:111122223333:alerts"]) && alarm.dimensions["RuleId"] == "${kind}-to-dr" && alarm.region != "ca-west-1"])
    error_message = "failures are watched in the source's region"
  }
}

# aws-behaviour: 17
run "role_with_keys" {
  assert {
    condition     = jsondecode(aws_iam_role.replication[0].assume_role_policy).Statement[0].Principal == { Service = "s3.amazonaws.com" } && jsondecode(aws_iam_role.replication[0].assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "111122223333" } }
    error_message = "S3 takes the role, for this account; nothing is asked that S3 may not tell"
  }
  assert {
    condition     = toset(flatten([for s in jsondecode(aws_iam_role_policy.replication[0].policy).Statement : s.Action])) == toset(["s3:GetReplicationConfiguration", "s3:ListBucket", "s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging", "s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags", "kms:Decrypt", "kms:Encrypt"])
    error_message = "all that replication needs, tags included, and no more"
  }
  assert {
    condition     = { for s in jsondecode(aws_iam_role_policy.replication[0].policy).Statement : s.Sid => s.Resource if startswith(s.Action[0], "kms:") } == { DecryptSource = [var.kms_key_arn], EncryptReplicas = [var.replication.kms_key_arn] }
    error_message = "each key for its side"
  }
  assert {
    condition     = { for s in jsondecode(aws_iam_role_policy.replication[0].policy).Statement : s.Sid => s.Condition.StringLike["kms:ViaService"][0] if startswith(s.Action[0], "kms:") } == { DecryptSource = "s3.ca-central-1.amazonaws.com", EncryptReplicas = "s3.ca-west-1.amazonaws.com" }
    error_message = "through S3 of its region"
  }
  assert {
    condition     = toset(flatten([for s in jsondecode(aws_iam_role_policy.replication[0].policy).Statement : s.Resource if s.Sid == "WriteReplicas"])) == toset(["arn:aws:s3:::berthcare-photos-staging-dr/*", "arn:aws:s3:::berthcare-documents-staging-dr/*", "arn:aws:s3:::berthcare-signatures-staging-dr/*"])
    error_message = "it writes to the targets"
  }
  assert {
    condition     = { for s in jsondecode(aws_iam_role_policy.replication[0].policy).Statement : s.Sid => s.Condition.StringEqualsIfExists["aws:ResourceAccount"] if anytrue([for action in s.Action : startswith(action, "s3:")]) } == { ReadConfiguration = "111122223333", ReadVersions = "111122223333", WriteReplicas = "111122223333" }
    error_message = "as long as they are ours: a name that was given up may be taken by another account"
  }
  assert {
    condition     = alltrue([for configuration in aws_s3_bucket_replication_configuration.this : configuration.rule[0].source_selection_criteria[0].sse_kms_encrypted_objects[0].status == "Enabled" && configuration.rule[0].destination[0].encryption_configuration[0].replica_kms_key_id == var.replication.kms_key_arn])
    error_message = "encrypted objects are selected, and encrypted again"
  }
}

run "role_without_keys" {
  variables {
    kms_key_arn = null
    replication = {
      region = "ca-west-1"
      targets = {
        photos     = "berthcare-photos-staging-dr"
        documents  = "berthcare-documents-staging-dr"
        signatures = "berthcare-signatures-staging-dr"
      }
    }
  }

  assert {
    condition     = !strcontains(aws_iam_role_policy.replication[0].policy, "kms:") && alltrue([for configuration in aws_s3_bucket_replication_configuration.this : length(configuration.rule[0].source_selection_criteria) == 0 && length(configuration.rule[0].destination[0].encryption_configuration) == 0])
    error_message = "with AES256, no key is spoken of"
  }
}

# The example has none of these.
run "roles_are_bounded" {
  variables {
    role_path                = "/platform/"
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
  }

  assert {
    condition     = alltrue([for role in [aws_iam_role.replication[0]] : role.path == "/platform/" && role.permissions_boundary == "arn:aws:iam::111122223333:policy/platform-boundary"])
    error_message = "the role of replication is where the platform wants roles, and no wider"
  }
}
