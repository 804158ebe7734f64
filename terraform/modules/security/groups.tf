# Nothing is open except the load balancer on 80 and 443. Rules are resources of their own, so that a change to one
# touches no other, and none of the groups has rules inside.

resource "aws_security_group" "alb" {
  #checkov:skip=CKV2_AWS_5:The load balancer is deployed with the application, not with this stack.
  name        = "${var.name}-alb"
  description = "Load balancer: HTTP and HTTPS from outside"
  vpc_id      = var.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-alb" })
}

resource "aws_security_group" "ecs_tasks" {
  #checkov:skip=CKV2_AWS_5:The tasks are deployed with the application, not with this stack.
  name        = "${var.name}-ecs-tasks"
  description = "Application tasks: HTTP from the load balancer"
  vpc_id      = var.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-ecs-tasks" })
}

resource "aws_security_group" "rds" {
  #checkov:skip=CKV2_AWS_5:The database is in another module, which the check does not follow.
  name        = "${var.name}-rds"
  description = "PostgreSQL from the application tasks"
  vpc_id      = var.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-rds" })
}

resource "aws_security_group" "redis" {
  #checkov:skip=CKV2_AWS_5:Redis is in another module, which the check does not follow.
  name        = "${var.name}-redis"
  description = "Redis from the application tasks"
  vpc_id      = var.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-redis" })
}

resource "aws_vpc_security_group_ingress_rule" "alb" {
  #checkov:skip=CKV_AWS_260:The load balancer answers on 80 to send clients to HTTPS; alb_ingress_cidrs narrows it.
  #tf-nag:skip=AwsSolutions-EC23:The one group that is open, on 80 and 443, as the guide has it; alb_ingress_cidrs narrows it.
  for_each = { for pair in setproduct(var.alb_ingress_cidrs, [80, 443]) : "${pair[0]}-${pair[1]}" => { cidr = pair[0], port = pair[1] } }

  security_group_id = aws_security_group.alb.id
  description       = each.value.port == 80 ? "HTTP, to be redirected to HTTPS" : "HTTPS"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port

  tags = var.tags
}

resource "aws_vpc_security_group_egress_rule" "alb_to_tasks" {
  security_group_id            = aws_security_group.alb.id
  description                  = "Requests and health checks to the tasks"
  referenced_security_group_id = aws_security_group.ecs_tasks.id
  ip_protocol                  = "tcp"
  from_port                    = var.app_port
  to_port                      = var.app_port

  tags = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "tasks_from_alb" {
  security_group_id            = aws_security_group.ecs_tasks.id
  description                  = "HTTP from the load balancer"
  referenced_security_group_id = aws_security_group.alb.id
  ip_protocol                  = "tcp"
  from_port                    = var.app_port
  to_port                      = var.app_port

  tags = var.tags
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_rds" {
  security_group_id            = aws_security_group.ecs_tasks.id
  description                  = "PostgreSQL"
  referenced_security_group_id = aws_security_group.rds.id
  ip_protocol                  = "tcp"
  from_port                    = var.db_port
  to_port                      = var.db_port

  tags = var.tags
}

resource "aws_vpc_security_group_egress_rule" "tasks_to_redis" {
  security_group_id            = aws_security_group.ecs_tasks.id
  description                  = "Redis"
  referenced_security_group_id = aws_security_group.redis.id
  ip_protocol                  = "tcp"
  from_port                    = var.redis_port
  to_port                      = var.redis_port

  tags = var.tags
}

# The APIs of AWS, and what the application calls outside, have no fixed addresses.
resource "aws_vpc_security_group_egress_rule" "tasks_to_https" {
  security_group_id = aws_security_group.ecs_tasks.id
  description       = "HTTPS to AWS and to services outside"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  tags = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "rds_from_tasks" {
  security_group_id            = aws_security_group.rds.id
  description                  = "PostgreSQL from the tasks"
  referenced_security_group_id = aws_security_group.ecs_tasks.id
  ip_protocol                  = "tcp"
  from_port                    = var.db_port
  to_port                      = var.db_port

  tags = var.tags
}

resource "aws_vpc_security_group_ingress_rule" "redis_from_tasks" {
  security_group_id            = aws_security_group.redis.id
  description                  = "Redis from the tasks"
  referenced_security_group_id = aws_security_group.ecs_tasks.id
  ip_protocol                  = "tcp"
  from_port                    = var.redis_port
  to_port                      = var.redis_port

  tags = var.tags
}
