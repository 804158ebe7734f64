mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name                            = "berthcare-staging"
  image                           = "111122223333.dkr.ecr.ca-central-1.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  vpc_id                          = "vpc-1"
  public_subnet_ids               = ["subnet-a", "subnet-b"]
  private_subnet_ids              = ["subnet-c", "subnet-d"]
  load_balancer_security_group_id = "sg-alb"
  tasks_security_group_id         = "sg-tasks"
  execution_role_arn              = "arn:aws:iam::111122223333:role/berthcare-staging-ecs-execution"
  task_role_arn                   = "arn:aws:iam::111122223333:role/berthcare-staging-ecs-task"
  certificate_arn                 = "arn:aws:acm:ca-central-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"
  log_bucket_name                 = "berthcare-logs-staging"
  log_bucket_policy_id            = "berthcare-logs-staging"
  kms_key_arn                     = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  environment                     = { NODE_ENV = "production" }
  secrets                         = { DATABASE = "arn:aws:secretsmanager:ca-central-1:111122223333:secret:berthcare-staging/database-application-AbCdEf" }
  alarm_topic_arns                = ["arn:aws:sns:ca-central-1:111122223333:alerts"]
}

run "task" {
  assert {
    condition     = [for c in jsondecode(aws_ecs_task_definition.this.container_definitions) : [c.image == var.image, c.readonlyRootFilesystem, c.portMappings[0].containerPort]] == [[true, true, 3000]]
    error_message = "the image by its digest, and a file system that stays as it was built"
  }
  assert {
    condition     = flatten([for c in jsondecode(aws_ecs_task_definition.this.container_definitions) : [[for s in c.secrets : "${s.name} ${s.valueFrom}"], [for e in c.environment : "${e.name} ${e.value}"]]]) == ["DATABASE ${var.secrets["DATABASE"]}", "NODE_ENV production"]
    error_message = "secrets by their ARNs, and no value in the plan"
  }
  assert {
    condition     = [for c in jsondecode(aws_ecs_task_definition.this.container_definitions) : c.logConfiguration.options["awslogs-group"]] == ["/ecs/berthcare-staging"] && aws_cloudwatch_log_group.this.name == "/ecs/berthcare-staging" && aws_cloudwatch_log_group.this.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.this.retention_in_days == 365
    error_message = "into the group that the execution role may write to, encrypted"
  }
  assert {
    condition     = aws_ecs_task_definition.this.execution_role_arn == var.execution_role_arn && aws_ecs_task_definition.this.task_role_arn == var.task_role_arn && aws_ecs_task_definition.this.network_mode == "awsvpc" && one(aws_ecs_task_definition.this.runtime_platform).cpu_architecture == "ARM64"
    error_message = "two roles, on Graviton"
  }
}

run "service" {
  assert {
    condition     = one(aws_ecs_service.this["this"].network_configuration).assign_public_ip == false && one(aws_ecs_service.this["this"].network_configuration).subnets == toset(var.private_subnet_ids) && one(aws_ecs_service.this["this"].network_configuration).security_groups == toset(["sg-tasks"])
    error_message = "tasks have no address on the internet"
  }
  assert {
    condition     = one(aws_ecs_service.this["this"].deployment_circuit_breaker).rollback && aws_ecs_service.this["this"].deployment_minimum_healthy_percent == 100 && aws_ecs_service.this["this"].desired_count == 2 && !aws_ecs_service.this["this"].enable_execute_command
    error_message = "a release that fails gives way to the one before"
  }
  assert {
    condition     = [for target in aws_appautoscaling_target.this : [target.min_capacity, target.max_capacity]] == [[2, 6]] && [for policy in aws_appautoscaling_policy.cpu : one(policy.target_tracking_scaling_policy_configuration).target_value] == [60]
    error_message = "two to six, by CPU"
  }
}

run "load_balancer" {
  assert {
    condition     = aws_lb.this.timeouts == { create = "20m", update = "20m", delete = "20m" }
    error_message = "terraform waits as long as it is told"
  }
  assert {
    condition     = aws_lb.this.drop_invalid_header_fields && aws_lb.this.enable_deletion_protection && !aws_lb.this.internal && aws_lb.this.security_groups == toset(["sg-alb"]) && aws_lb.this.subnets == toset(var.public_subnet_ids)
    error_message = "guarded, in the public subnets"
  }
  assert {
    condition     = one(aws_lb.this.access_logs).enabled && one(aws_lb.this.access_logs).bucket == "berthcare-logs-staging" && one(aws_lb.this.access_logs).prefix == "alb"
    error_message = "who asked what is logged"
  }
  assert {
    condition     = one(aws_lb_listener.http.default_action).type == "redirect" && one(one(aws_lb_listener.http.default_action).redirect).protocol == "HTTPS"
    error_message = "HTTP is answered with HTTPS"
  }
  assert {
    condition     = aws_lb_listener.https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06" && aws_lb_listener.https.certificate_arn == var.certificate_arn && one(aws_lb_listener.https.default_action).target_group_arn == aws_lb_target_group.this.arn
    error_message = "TLS 1.2 or later"
  }
  assert {
    condition     = one(aws_lb_target_group.this.health_check).path == "/health" && one(aws_lb_target_group.this.health_check).matcher == "200" && aws_lb_target_group.this.target_type == "ip" && aws_lb_target_group.this.port == 3000
    error_message = "a task that does not say that it is well gets no requests"
  }
}

run "alarms" {
  assert {
    condition     = [for alarm in aws_cloudwatch_metric_alarm.healthy : [alarm.metric_name, alarm.comparison_operator, alarm.treat_missing_data, alarm.threshold]] == [["HealthyHostCount", "LessThanThreshold", "breaching", 2]] && alltrue([for alarm in concat(values(aws_cloudwatch_metric_alarm.healthy), values(aws_cloudwatch_metric_alarm.errors)) : alarm.alarm_actions == toset(var.alarm_topic_arns)])
    error_message = "no data is no task"
  }
  assert {
    condition     = [for alarm in aws_cloudwatch_metric_alarm.errors : [alarm.metric_name, alarm.treat_missing_data, alarm.threshold]] == [["HTTPCode_Target_5XX_Count", "notBreaching", 10]]
    error_message = "no errors are no data"
  }
}

run "pilot_light" {
  variables {
    running = false
    dns     = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca", failover = "SECONDARY" }
  }

  assert {
    condition     = length(aws_ecs_service.this) == 0 && length(aws_appautoscaling_target.this) == 0 && length(aws_appautoscaling_policy.cpu) == 0 && length(aws_cloudwatch_metric_alarm.healthy) == 0 && length(aws_cloudwatch_metric_alarm.errors) == 0 && output.service_name == null
    error_message = "nothing runs, and nobody is woken up"
  }
  assert {
    condition     = aws_lb.this.name == "berthcare-staging-app" && length(aws_route53_record.this) == 1 && aws_lb_listener.https.port == 443 && aws_ecs_task_definition.this.family == "berthcare-staging-app"
    error_message = "what a failover must not make is there"
  }
  assert {
    condition     = [for record in aws_route53_record.this : [one(record.failover_routing_policy).type, record.health_check_id == null, record.set_identifier]] == [["SECONDARY", true, "secondary-ca-central-1"]]
    error_message = "the name that counts when the primary's does not"
  }
}

run "primary" {
  variables {
    dns = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca", failover = "PRIMARY", health_check_id = "abcd" }
  }

  assert {
    condition     = [for record in aws_route53_record.this : [one(record.failover_routing_policy).type, record.health_check_id, one(record.alias).evaluate_target_health]] == [["PRIMARY", "abcd", false]] && output.url == "https://api.staging.berthcare.ca"
    error_message = "only the marker of the DR region decides"
  }
}

run "name_without_another_region" {
  variables {
    dns = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca" }
  }

  assert {
    condition     = [for record in aws_route53_record.this : [length(record.failover_routing_policy), record.set_identifier == null]] == [[0, true]]
    error_message = "one record"
  }
}

run "longest_name" {
  variables {
    name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  assert {
    condition     = length(aws_lb.this.name) == 32 && length(aws_lb_target_group.this.name) == 32
    error_message = "as long as AWS takes"
  }
}
