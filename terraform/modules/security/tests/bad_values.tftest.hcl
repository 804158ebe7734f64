# Values that AWS or the stack would refuse, each refused by the validation of its variable.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                 = "berthcare-staging"
  vpc_id               = "vpc-0123456789abcdef0"
  bucket_names         = ["berthcare-photos-staging"]
  db_instance_arns     = ["arn:aws:rds:ca-central-1:111122223333:db:berthcare-staging-postgres"]
  ecr_repository_names = ["berthcare*"]
}

run "name_empty" {
  command = plan

  variables {
    name = ""
  }

  expect_failures = [var.name]
}

run "name_capital" {
  command = plan

  variables {
    name = "Berthcare"
  }

  expect_failures = [var.name]
}

run "name_two_hyphens" {
  command = plan

  variables {
    name = "berth--care"
  }

  expect_failures = [var.name]
}

run "name_too_long" {
  command = plan

  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}

run "vpc_id_name" {
  command = plan

  variables {
    vpc_id = "main"
  }

  expect_failures = [var.vpc_id]
}

run "app_port_privileged" {
  command = plan

  variables {
    app_port = 80
  }

  expect_failures = [var.app_port]
}

run "app_port_too_high" {
  command = plan

  variables {
    app_port = 65536
  }

  expect_failures = [var.app_port]
}

run "app_port_fraction" {
  command = plan

  variables {
    app_port = 3000.5
  }

  expect_failures = [var.app_port]
}

run "db_port_low" {
  command = plan

  variables {
    db_port = 1149
  }

  expect_failures = [var.db_port]
}

run "db_port_too_high" {
  command = plan

  variables {
    db_port = 65536
  }

  expect_failures = [var.db_port]
}

run "redis_port_low" {
  command = plan

  variables {
    redis_port = 1
  }

  expect_failures = [var.redis_port]
}

run "redis_port_too_high" {
  command = plan

  variables {
    redis_port = 65536
  }

  expect_failures = [var.redis_port]
}

run "alb_ingress_cidrs_none" {
  command = plan

  variables {
    alb_ingress_cidrs = []
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "alb_ingress_cidrs_address" {
  command = plan

  variables {
    alb_ingress_cidrs = ["203.0.113.7"]
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "alb_ingress_cidrs_twice" {
  command = plan

  variables {
    alb_ingress_cidrs = ["0.0.0.0/0", "0.0.0.0/0"]
  }

  expect_failures = [var.alb_ingress_cidrs]
}

run "bucket_names_none" {
  command = plan

  variables {
    bucket_names = []
  }

  expect_failures = [var.bucket_names]
}

run "bucket_names_wildcard" {
  command = plan

  variables {
    bucket_names = ["*"]
  }

  expect_failures = [var.bucket_names]
}

run "bucket_names_capital" {
  command = plan

  variables {
    bucket_names = ["Berthcare"]
  }

  expect_failures = [var.bucket_names]
}

run "db_instance_arns_wildcard" {
  command = plan

  variables {
    db_instance_arns = ["*"]
  }

  expect_failures = [var.db_instance_arns]
}

run "db_instance_arns_cluster" {
  command = plan

  variables {
    db_instance_arns = ["arn:aws:rds:ca-central-1:111122223333:cluster:x"]
  }

  expect_failures = [var.db_instance_arns]
}

run "ecr_repository_names_none" {
  command = plan

  variables {
    ecr_repository_names = []
  }

  expect_failures = [var.ecr_repository_names]
}

run "ecr_repository_names_wildcard" {
  command = plan

  variables {
    ecr_repository_names = ["*"]
  }

  expect_failures = [var.ecr_repository_names]
}

run "ecr_repository_names_middle" {
  command = plan

  variables {
    ecr_repository_names = ["berth*care"]
  }

  expect_failures = [var.ecr_repository_names]
}

run "kms_deletion_window_days_six" {
  command = plan

  variables {
    kms_deletion_window_days = 6
  }

  expect_failures = [var.kms_deletion_window_days]
}

run "kms_deletion_window_days_thirty_one" {
  command = plan

  variables {
    kms_deletion_window_days = 31
  }

  expect_failures = [var.kms_deletion_window_days]
}
