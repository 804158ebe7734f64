mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  names       = ["berthcare/api", "berthcare/worker"]
  kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "repositories" {
  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE" && !repository.force_delete && one(repository.encryption_configuration).kms_key == var.kms_key_arn && one(repository.encryption_configuration).encryption_type == "KMS" && one(repository.image_scanning_configuration).scan_on_push]) && length(aws_ecr_repository.this) == 2
    error_message = "tags that do not move, the stack's key, looked at when pushed"
  }
  assert {
    condition     = alltrue([for policy in aws_ecr_lifecycle_policy.this : [for rule in jsondecode(policy.policy).rules : "${rule.selection.tagStatus} ${rule.selection.countNumber}"] == ["untagged 90"]])
    error_message = "what has a tag stays"
  }
  assert {
    condition     = length(aws_ecr_replication_configuration.this) == 0
    error_message = "not replicated unless asked for"
  }
}

run "replicated" {
  variables {
    replica_region = "ca-west-1"
  }

  assert {
    condition     = one(one(one(aws_ecr_replication_configuration.this).replication_configuration).rule).destination[0].region == "ca-west-1" && one(one(one(aws_ecr_replication_configuration.this).replication_configuration).rule).destination[0].registry_id == "111122223333"
    error_message = "to the DR region, in this account"
  }
  assert {
    condition     = one(one(one(aws_ecr_replication_configuration.this).replication_configuration).rule).repository_filter[*].filter == tolist(["berthcare/api", "berthcare/worker"])
    error_message = "these repositories, and not all of the account's"
  }
}
