variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 40
    error_message = "name: at most 40 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "vpc_id" {
  description = "VPC of the security groups."
  type        = string

  validation {
    condition     = can(regex("^vpc-[0-9a-z-]+$", var.vpc_id))
    error_message = "vpc_id: the ID of a VPC, vpc-…."
  }
}

variable "app_port" {
  description = "Port on which the application's tasks listen."
  type        = number
  default     = 3000

  validation {
    condition     = var.app_port >= 1024 && var.app_port <= 65535 && floor(var.app_port) == var.app_port
    error_message = "app_port: a whole number from 1024 to 65535; the tasks do not run as root."
  }
}

variable "db_port" {
  description = "Port of PostgreSQL."
  type        = number
  default     = 5432

  validation {
    condition     = var.db_port >= 1150 && var.db_port <= 65535 && floor(var.db_port) == var.db_port
    error_message = "db_port: a whole number from 1150 to 65535, as RDS takes."
  }
}

variable "redis_port" {
  description = "Port of Redis."
  type        = number
  default     = 6379

  validation {
    condition     = var.redis_port >= 1024 && var.redis_port <= 65535 && floor(var.redis_port) == var.redis_port
    error_message = "redis_port: a whole number from 1024 to 65535."
  }
}

variable "alb_ingress_cidrs" {
  description = "IPv4 networks from which the load balancer is reached on 80 and 443."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.alb_ingress_cidrs) > 0 && alltrue([for cidr in var.alb_ingress_cidrs : can(cidrnetmask(cidr))])
    error_message = "alb_ingress_cidrs: at least one IPv4 network such as 203.0.113.0/24."
  }

  validation {
    condition     = length(distinct(var.alb_ingress_cidrs)) == length(var.alb_ingress_cidrs)
    error_message = "alb_ingress_cidrs: AWS refuses the same rule twice."
  }
}

variable "bucket_names" {
  description = "Buckets that the application reads and writes."
  type        = list(string)

  validation {
    condition     = length(var.bucket_names) > 0 && alltrue([for bucket in var.bucket_names : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "bucket_names: at least one bucket name; no wildcard."
  }
}

variable "secret_names" {
  description = "Secrets that the tasks are given, by their whole names; none of RDS's own."
  type        = list(string)

  validation {
    condition     = length(var.secret_names) > 0 && alltrue([for name in var.secret_names : can(regex("^[A-Za-z0-9_+=.@-]+(/[A-Za-z0-9_+=.@-]+)*$", name))])
    error_message = "secret_names: at least one, each the whole name of a secret; no wildcard, and no secret of RDS (rds!…)."
  }
}

variable "ecr_repository_names" {
  description = "Repositories from which the tasks' images are pulled; `*` at the end is allowed."
  type        = list(string)

  validation {
    condition     = length(var.ecr_repository_names) > 0 && alltrue([for repository in var.ecr_repository_names : can(regex("^[a-z0-9][a-z0-9._/-]+\\*?$", repository))])
    error_message = "ecr_repository_names: names, at most with one * at the end of a prefix of two characters or more."
  }
}

variable "kms_deletion_window_days" {
  description = "Days between the request to delete the key and its end."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.kms_deletion_window_days >= 7 && var.kms_deletion_window_days <= 30 && floor(var.kms_deletion_window_days) == var.kms_deletion_window_days
    error_message = "kms_deletion_window_days: 7 to 30, as KMS takes."
  }
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}

variable "role_path" {
  description = "Path of the roles, where a policy of the organisation asks for one."
  type        = string
  default     = "/"

  validation {
    condition     = can(regex("^/([A-Za-z0-9_+=,.@-]+/)*$", var.role_path)) && length(var.role_path) <= 512
    error_message = "role_path: / or a path such as /platform/, with a slash at both ends."
  }
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles may do, where the organisation asks for one. It has to allow what they need."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn: the ARN of a managed policy."
  }
}
