# Values that AWS or the stack would refuse, each refused by the validation of its variable: a run fails when
# one of its values is let through. Validations that look at each other's variables are in different runs.

mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                 = "berthcare-staging"
  vpc_id               = "vpc-0123456789abcdef0"
  bucket_names         = ["berthcare-photos-staging"]
  secret_names         = ["berthcare-staging/redis"]
  ecr_repository_names = ["berthcare*"]
}

run "refused_1" {
  command = plan

  variables {
    # empty
    name = ""
    # name
    vpc_id = "main"
    # privileged
    app_port = 80
    # low
    db_port = 1149
    # low
    redis_port = 1
    # none
    alb_ingress_cidrs = []
    # none
    bucket_names = []
    # wildcard
    secret_names = ["berthcare-staging/*"]
    # none
    ecr_repository_names = []
    # six
    kms_deletion_window_days = 6
  }

  expect_failures = [var.name, var.vpc_id, var.app_port, var.db_port, var.redis_port, var.alb_ingress_cidrs, var.bucket_names, var.secret_names, var.ecr_repository_names, var.kms_deletion_window_days]
}

run "refused_2" {
  command = plan

  variables {
    # capital
    name = "Berthcare"
    # too high
    app_port = 65536
    # too high
    db_port = 65536
    # too high
    redis_port = 65536
    # address
    alb_ingress_cidrs = ["203.0.113.7"]
    # wildcard
    bucket_names = ["*"]
    # of RDS
    secret_names = ["rds!db-1234abcd"]
    # wildcard
    ecr_repository_names = ["*"]
    # thirty one
    kms_deletion_window_days = 31
  }

  expect_failures = [var.name, var.app_port, var.db_port, var.redis_port, var.alb_ingress_cidrs, var.bucket_names, var.secret_names, var.ecr_repository_names, var.kms_deletion_window_days]
}

run "refused_3" {
  command = plan

  variables {
    # two hyphens
    name = "berth--care"
    # fraction
    app_port = 3000.5
    # twice
    alb_ingress_cidrs = ["0.0.0.0/0", "0.0.0.0/0"]
    # capital
    bucket_names = ["Berthcare"]
    # middle
    ecr_repository_names = ["berth*care"]
  }

  expect_failures = [var.name, var.app_port, var.alb_ingress_cidrs, var.bucket_names, var.ecr_repository_names]
}

run "refused_4" {
  command = plan

  variables {
    # too long
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  expect_failures = [var.name]
}

run "refused_bounds" {
  command = plan

  variables {
    # no slash at its end
    role_path = "/platform"
    # a role
    permissions_boundary_arn = "arn:aws:iam::111122223333:role/x"
  }

  expect_failures = [var.role_path, var.permissions_boundary_arn]
}
