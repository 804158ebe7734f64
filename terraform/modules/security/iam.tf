locals {
  assumed_by_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account }
        ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:${local.region}:${local.account}:*" }
      }
    }]
  })

  # A bucket that was deleted leaves its name to any account, which would then get the records.
  ours = { StringEquals = { "aws:ResourceAccount" = local.account } }

  logs_arn = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/ecs/${var.name}"

  # Secrets Manager puts a hyphen and six characters behind a name: with a star instead, a secret whose name begins alike
  # would be read too. Never the master secret of RDS: its user may do anything to the database.
  secret_arns = [for name in var.secret_names : "arn:${local.partition}:secretsmanager:${local.region}:${local.account}:secret:${name}-??????"]

  reads_secrets = [
    {
      Sid      = "ReadOwnSecrets"
      Effect   = "Allow"
      Action   = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"]
      Resource = local.secret_arns
    },
    {
      Sid      = "DecryptSecrets"
      Effect   = "Allow"
      Action   = ["kms:Decrypt"]
      Resource = [aws_kms_key.this.arn]
      Condition = {
        StringEquals = { "kms:ViaService" = "secretsmanager.${local.region}.amazonaws.com" }
        StringLike   = { "kms:EncryptionContext:SecretARN" = local.secret_arns }
      }
    },
  ]
}

resource "aws_iam_role" "execution" {
  #tf-nag:skip=AwsSolutions-IAM5:Stars stand for objects of named buckets, streams of named groups, and what AWS names by chance.
  name               = "${var.name}-ecs-execution"
  description        = "ECS pulls images, writes logs and hands secrets to the tasks of ${var.name}."
  assume_role_policy = local.assumed_by_tasks

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags
}

resource "aws_iam_role_policy" "execution" {
  #tf-nag:skip=AwsSolutions-IAM5:Stars stand for objects of named buckets, streams of named groups, and what AWS names by chance.
  name = "start-tasks"
  role = aws_iam_role.execution.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        # AWS knows no resource for this action.
        Sid      = "LogInToRegistry"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken"]
        Resource = ["*"]
      },
      {
        Sid      = "PullImages"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = [for repository in var.ecr_repository_names : "arn:${local.partition}:ecr:${local.region}:${local.account}:repository/${repository}"]
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${local.logs_arn}:*", "${local.logs_arn}/*:*"]
      },
    ], local.reads_secrets)
  })
}

resource "aws_iam_role" "task" {
  #tf-nag:skip=AwsSolutions-IAM5:Stars stand for objects of named buckets, streams of named groups, and what AWS names by chance.
  name               = "${var.name}-ecs-task"
  description        = "What the application of ${var.name} may do while it runs."
  assume_role_policy = local.assumed_by_tasks

  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn

  tags = var.tags
}

resource "aws_iam_role_policy" "task" {
  #tf-nag:skip=AwsSolutions-IAM5:Stars stand for objects of named buckets, streams of named groups, and what AWS names by chance.
  name = "run-application"
  role = aws_iam_role.task.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        Sid       = "ListBuckets"
        Effect    = "Allow"
        Action    = ["s3:GetBucketLocation", "s3:ListBucket"]
        Resource  = [for bucket in var.bucket_names : "arn:${local.partition}:s3:::${bucket}"]
        Condition = local.ours
      },
      {
        Sid       = "UseObjects"
        Effect    = "Allow"
        Action    = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource  = [for bucket in var.bucket_names : "arn:${local.partition}:s3:::${bucket}/*"]
        Condition = local.ours
      },
      {
        Sid       = "UseKeyThroughS3"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = [aws_kms_key.this.arn]
        Condition = { StringEquals = { "kms:ViaService" = "s3.${local.region}.amazonaws.com" } }
      },
    ], local.reads_secrets)
  })
}
