data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # Of the execution role's policy: it writes to this group and no other.
  log_group = "/ecs/${var.name}"
  service   = "${var.name}-app"
  container = "application"
  tasks     = var.running ? { this = true } : {}
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = merge(var.tags, { Name = local.log_group })
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }

  tags = merge(var.tags, { Name = var.name })
}

# Known in the pilot light, too: that its image, its secrets and its roles are there is seen before an outage.
resource "aws_ecs_task_definition" "this" {
  #tf-nag:skip=AwsSolutions-ECS2:Names of buckets and a port; what is secret comes from Secrets Manager, and a name that ends like a secret is refused.
  family                   = local.service
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode([{
    name                   = local.container
    image                  = var.image
    essential              = true
    readonlyRootFilesystem = true
    portMappings           = [{ containerPort = var.port, hostPort = var.port, protocol = "tcp" }]
    environment            = [for name in sort(keys(var.environment)) : { name = name, value = var.environment[name] }]
    secrets                = [for name in sort(keys(var.secrets)) : { name = name, valueFrom = var.secrets[name] }]
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = local.log_group
        "awslogs-region"        = data.aws_region.current.region
        "awslogs-stream-prefix" = local.container
      }
    }
  }])

  # The one place that may be written to; it ends with the task.
  volume {
    name = "tmp"
  }

  tags = merge(var.tags, { Name = local.service })
}

resource "aws_lb" "this" {
  #checkov:skip=CKV2_AWS_28:A web ACL belongs to the account, as that of the distribution does.
  name               = local.service
  load_balancer_type = "application"
  internal           = false
  subnets            = var.public_subnet_ids
  security_groups    = [var.load_balancer_security_group_id]

  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection
  idle_timeout               = 60

  access_logs {
    bucket  = var.log_bucket_name
    prefix  = "alb"
    enabled = true
  }

  tags = merge(var.tags, { Name = local.service })

  timeouts {
    create = var.timeouts.create
    update = var.timeouts.update
    delete = var.timeouts.delete
  }

  lifecycle {
    # AWS writes a first object when logs are turned on: this waits for the bucket's policy.
    precondition {
      condition     = var.log_bucket_policy_id != ""
      error_message = "log_bucket_policy_id: the log bucket has no policy that lets deliveries in."
    }
  }
}

resource "aws_lb_target_group" "this" {
  # TLS ends at the load balancer; from there it is the VPC, and the tasks' group lets nobody else in.
  name                 = local.service
  vpc_id               = var.vpc_id
  target_type          = "ip"
  port                 = var.port
  protocol             = "HTTP"
  deregistration_delay = "30"

  health_check {
    path                = var.health_check_path
    matcher             = "200"
    interval            = 15
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }

  tags = merge(var.tags, { Name = local.service })
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"

    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }

  tags = merge(var.tags, { Name = "${local.service}-http" })
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = var.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }

  tags = merge(var.tags, { Name = "${local.service}-https" })
}

# Only where the application runs: a service of the pilot light would try to start tasks whose secrets have no values.
resource "aws_ecs_service" "this" {
  for_each = local.tasks

  name                               = local.service
  cluster                            = aws_ecs_cluster.this.id
  task_definition                    = aws_ecs_task_definition.this.arn
  desired_count                      = var.min_tasks
  launch_type                        = "FARGATE"
  platform_version                   = "LATEST"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.grace_seconds
  enable_execute_command             = false
  propagate_tags                     = "SERVICE"
  availability_zone_rebalancing      = "ENABLED"

  # A release that does not start gives way to the one before; the first one has none, and says so.
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [var.tasks_security_group_id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = local.container
    container_port   = var.port
  }

  tags = merge(var.tags, { Name = local.service })

  lifecycle {
    # How many there are is autoscaling's from the first minute on.
    ignore_changes = [desired_count]
  }

  depends_on = [aws_lb_listener.https, aws_cloudwatch_log_group.this]
}

resource "aws_appautoscaling_target" "this" {
  for_each = local.tasks

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this[each.key].name}"
  min_capacity       = var.min_tasks
  max_capacity       = var.max_tasks

  tags = merge(var.tags, { Name = local.service })
}

resource "aws_appautoscaling_policy" "cpu" {
  for_each = local.tasks

  name               = "${local.service}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[each.key].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[each.key].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[each.key].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.cpu_percent
    scale_in_cooldown  = 300
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

# Fewer healthy tasks than there should be at least. Where the application is meant to run, no data is no task.
resource "aws_cloudwatch_metric_alarm" "healthy" {
  for_each = local.tasks

  alarm_name          = "${local.service}-healthy-tasks"
  alarm_description   = "Fewer than ${var.min_tasks} tasks of ${local.service} are healthy."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HealthyHostCount"
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix, TargetGroup = aws_lb_target_group.this.arn_suffix }
  statistic           = "Minimum"
  comparison_operator = "LessThanThreshold"
  threshold           = var.min_tasks
  period              = 60
  evaluation_periods  = 5
  treat_missing_data  = "breaching"

  alarm_actions = var.alarm_topic_arns
  ok_actions    = var.alarm_topic_arns

  tags = merge(var.tags, { Name = "${local.service}-healthy-tasks" })
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.tasks

  alarm_name          = "${local.service}-5xx"
  alarm_description   = "Tasks of ${local.service} answer with a server error more than ${var.errors_in_five_minutes} times in five minutes."
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HTTPCode_Target_5XX_Count"
  dimensions          = { LoadBalancer = aws_lb.this.arn_suffix }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.errors_in_five_minutes
  period              = 300
  evaluation_periods  = 1
  # No errors, no data.
  treat_missing_data = "notBreaching"

  alarm_actions = var.alarm_topic_arns
  ok_actions    = var.alarm_topic_arns

  tags = merge(var.tags, { Name = "${local.service}-5xx" })
}
