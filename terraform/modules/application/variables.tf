variable "name" {
  description = "Prefix of every name."
  type        = string

  # The load balancer's is the shortest that AWS takes: 32 characters, with -app.
  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 28 && !startswith(var.name, "internal-")
    error_message = "name: at most 28 lower-case letters, digits and single hyphens; a letter first, and not internal-. A load balancer's name takes 32 characters, and NAME-app has 4 of them."
  }
}

variable "running" {
  description = "The service with its tasks. Without it there is what it will need: load balancer, certificate, task definition, log group, records."
  type        = bool
  default     = true
}

variable "image" {
  description = "Image by its digest, in a registry of this region: a tag is another image tomorrow, and in the other region perhaps today."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image: with its digest, REPOSITORY@sha256:… of 64 hexadecimal digits."
  }
}

variable "port" {
  description = "Port on which the tasks listen."
  type        = number
  default     = 3000

  validation {
    condition     = var.port >= 1024 && var.port <= 65535 && floor(var.port) == var.port
    error_message = "port: a whole number from 1024 to 65535; the tasks do not run as root."
  }
}

variable "cpu" {
  description = "CPU of a task: 1024 is a vCPU."
  type        = number
  default     = 512

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "cpu: 256, 512, 1024, 2048 or 4096."
  }
}

variable "memory" {
  description = "Memory of a task, in MiB."
  type        = number
  default     = 1024

  # Fargate's pairs: two to eight times the CPU; a quarter of a vCPU has 2 GB at most.
  validation {
    condition     = var.memory >= var.cpu * 2 && var.memory <= var.cpu * 8 && var.memory % (var.cpu < 1024 ? 512 : 1024) == 0
    error_message = "memory: two to eight times cpu, in steps of 512 below a vCPU and of 1024 from there on, as Fargate takes."
  }
}

variable "architecture" {
  description = "ARM64 or X86_64, as the image was built."
  type        = string
  default     = "ARM64"

  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "architecture: ARM64 or X86_64."
  }
}

variable "min_tasks" {
  description = "Tasks at least; two are in two zones."
  type        = number
  default     = 2

  validation {
    condition     = var.min_tasks >= 1 && floor(var.min_tasks) == var.min_tasks
    error_message = "min_tasks: a whole number, 1 or more; none at all is running = false."
  }
}

variable "max_tasks" {
  description = "Tasks at most."
  type        = number
  default     = 6

  validation {
    condition     = var.max_tasks >= var.min_tasks && floor(var.max_tasks) == var.max_tasks
    error_message = "max_tasks: a whole number, not below min_tasks."
  }
}

variable "cpu_percent" {
  description = "Average CPU that autoscaling aims at."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.cpu_percent >= 10 && var.cpu_percent <= 90
    error_message = "cpu_percent: 10 to 90."
  }
}

variable "environment" {
  description = "Variables of the tasks. Nothing secret: they are in the state and in every plan."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && !can(regex("(?i)(password|secret|token|private_key)$", name))])
    error_message = "environment: names of variables; what ends in PASSWORD, SECRET, TOKEN or PRIVATE_KEY belongs into secrets."
  }
}

variable "secrets" {
  description = "Variables whose values ECS takes from Secrets Manager when a task starts: ARN of the secret, or ARN:field::."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, arn in var.secrets : can(regex("^[A-Za-z_][A-Za-z0-9_]*$", name)) && can(regex("^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:", arn)) && !strcontains(arn, ":secret:rds!")])
    error_message = "secrets: ARNs of secrets by the names of variables; none of RDS's own, whose user may do anything."
  }
}

variable "vpc_id" {
  description = "VPC of the targets."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer, in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.public_subnet_ids) >= 2
    error_message = "public_subnet_ids: a load balancer wants two zones or more."
  }
}

variable "private_subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)

  validation {
    condition     = length(var.private_subnet_ids) >= 2
    error_message = "private_subnet_ids: tasks in two zones want two subnets or more."
  }
}

variable "load_balancer_security_group_id" {
  description = "Security group of the load balancer."
  type        = string
}

variable "tasks_security_group_id" {
  description = "Security group of the tasks."
  type        = string
}

variable "execution_role_arn" {
  description = "Role with which ECS starts tasks."
  type        = string
}

variable "task_role_arn" {
  description = "Role with which tasks run."
  type        = string

  validation {
    condition     = var.task_role_arn != var.execution_role_arn
    error_message = "task_role_arn: another role than execution_role_arn, which may read every secret that is handed to a task."
  }
}

variable "certificate_arn" {
  description = "Certificate of the load balancer, in this region. There is no HTTP but the redirect."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:", var.certificate_arn))
    error_message = "certificate_arn: the ARN of a certificate of ACM."
  }
}

variable "health_check_path" {
  description = "Path that answers 200 while a task can serve. One that asks the database takes every task out with it."
  type        = string
  default     = "/health"

  validation {
    condition     = can(regex("^/[^\\s?#]*$", var.health_check_path))
    error_message = "health_check_path: a path such as /health."
  }
}

variable "grace_seconds" {
  description = "Seconds for which a new task may be unhealthy."
  type        = number
  default     = 60
  nullable    = false

  validation {
    condition     = var.grace_seconds >= 0 && var.grace_seconds <= 3600
    error_message = "grace_seconds: 0 to 3600."
  }
}

variable "errors_in_five_minutes" {
  description = "Server errors in five minutes above which the alarm rings."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.errors_in_five_minutes >= 1
    error_message = "errors_in_five_minutes: 1 or more."
  }
}

variable "dns" {
  description = "Name of the application in a Route 53 zone. `failover` is PRIMARY (with the health check of the DR region's marker) or SECONDARY; null for a name without another region."
  type = object({
    zone_id         = string
    name            = string
    failover        = optional(string)
    health_check_id = optional(string)
  })
  default = null

  validation {
    condition     = try(var.dns.failover, null) == null || try(contains(["PRIMARY", "SECONDARY"], var.dns.failover), false)
    error_message = "dns: failover is PRIMARY or SECONDARY."
  }

  # Route 53 refuses a primary without one; a secondary with one would be down together with it.
  validation {
    condition     = var.dns == null || try((var.dns.failover == "PRIMARY") == (var.dns.health_check_id != null), false)
    error_message = "dns: health_check_id goes with PRIMARY, and PRIMARY with it."
  }
}

variable "log_bucket_name" {
  description = "Bucket of the load balancer's access logs, in this region."
  type        = string
}

variable "log_bucket_policy_id" {
  description = "Policy of that bucket, which has to let deliveries in before there are any."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the log group, in this region."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a KMS key, not of an alias."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the application's log."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of the periods that CloudWatch Logs knows."
  }
}

variable "deletion_protection" {
  description = "AWS refuses to delete the load balancer."
  type        = bool
  default     = true
  nullable    = false
}

variable "timeouts" {
  description = "How long Terraform waits for the load balancer."
  type = object({
    create = optional(string, "20m")
    update = optional(string, "20m")
    delete = optional(string, "20m")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for time in values(var.timeouts) : can(regex("^[0-9]+[hm]$", time))])
    error_message = "timeouts: hours or minutes, such as 20m."
  }
}

variable "alarm_topic_arns" {
  description = "Topics of the alarms, in this region."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
