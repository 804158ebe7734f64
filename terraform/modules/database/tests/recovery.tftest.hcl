mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  identifier         = "berthcare-staging-postgres"
  secret_prefix      = "berthcare-staging"
  subnet_ids         = ["subnet-a", "subnet-b"]
  security_group_ids = ["sg-rds"]
  kms_key_arn        = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

# aws-behaviour: 6
run "from_a_replicated_backup" {
  command = plan

  variables {
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" }
  }

  assert {
    condition     = aws_db_instance.this[0].restore_to_point_in_time[0].source_db_instance_automated_backups_arn == "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh" && aws_db_instance.this[0].restore_to_point_in_time[0].use_latest_restorable_time && aws_db_instance.this[0].restore_to_point_in_time[0].restore_time == null
    error_message = "the latest time that the backup has"
  }
  assert {
    condition     = aws_db_instance.this[0].multi_az && aws_db_instance.this[0].vpc_security_group_ids == toset(["sg-rds"]) && aws_db_instance.this[0].manage_master_user_password
    error_message = "restored into the same surroundings, not into RDS's defaults"
  }
}

run "to_a_point_in_time" {
  command = plan

  variables {
    recovery = { automated_backup_arn = "arn:aws:rds:ca-west-1:111122223333:auto-backup:ab-abcdefgh", restore_time = "2026-11-22T21:00:00Z" }
  }

  assert {
    condition     = aws_db_instance.this[0].restore_to_point_in_time[0].restore_time == "2026-11-22T21:00:00Z" && aws_db_instance.this[0].restore_to_point_in_time[0].use_latest_restorable_time == null
    error_message = "either a time or the latest"
  }
}

run "from_a_snapshot" {
  variables {
    recovery = { snapshot_identifier = "berthcare-staging-postgres-2026-11-22-07-10" }
  }

  assert {
    condition     = aws_db_instance.this[0].snapshot_identifier == "berthcare-staging-postgres-2026-11-22-07-10" && length(aws_db_instance.this[0].restore_to_point_in_time) == 0
    error_message = "from the copy"
  }
  assert {
    condition     = aws_db_instance.this[0].db_name == "not-given" && aws_db_instance.this[0].username == "not-given"
    error_message = "name and user come with the copy"
  }
  assert {
    condition     = aws_db_instance.this[0].parameter_group_name == aws_db_parameter_group.this.name && aws_db_instance.this[0].db_subnet_group_name == aws_db_subnet_group.this.name
    error_message = "into the same surroundings, not into RDS's defaults"
  }
}

# The recovery point counts once: a later change of it does not touch the instance, which would be replaced.
run "recovery_is_not_repeated" {
  variables {
    recovery = { snapshot_identifier = "another-copy" }
  }

  assert {
    condition     = aws_db_instance.this[0].snapshot_identifier == "berthcare-staging-postgres-2026-11-22-07-10"
    error_message = "the instance stays what it was made from"
  }
}
