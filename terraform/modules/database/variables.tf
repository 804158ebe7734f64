variable "identifier" {
  description = "Identifier of the instance."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.identifier)) && length(var.identifier) <= 53
    error_message = "identifier: at most 53 lower-case letters, digits and single hyphens; a letter first, no hyphen last. A role's name takes 64 characters, and IDENTIFIER-monitoring has 11 of them."
  }
}

variable "create" {
  description = "The instance. Without it there is what a restore needs, almost free: groups, role, log groups and secrets."
  type        = bool
  default     = true
}

variable "once" {
  description = "The instance is made once: a plan that would make it again, because somebody has deleted it or it has left the state, is refused. False where it comes and goes."
  type        = bool
  default     = true
}

variable "secret_prefix" {
  description = "Folder of the names of secrets."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=.@-]+$", var.secret_prefix)) && length(var.secret_prefix) <= 64
    error_message = "secret_prefix: letters, digits and _+=.@-, without a slash."
  }
}

variable "engine_version" {
  description = "PostgreSQL version. A major alone takes the minor that AWS offers by default; AWS stops offering old minors for new instances."
  type        = string
  default     = "15"

  validation {
    condition     = can(regex("^1[3-8](\\.[0-9]{1,2})?$", var.engine_version))
    error_message = "engine_version: a PostgreSQL major from 13 to 18, or a minor of one, such as 15.12."
  }
}

variable "instance_class" {
  description = "Instance class."
  type        = string
  default     = "db.t4g.medium"

  validation {
    condition     = can(regex("^db\\.[a-z][a-z0-9-]*\\.(micro|small|medium|large|[0-9]*xlarge|metal)$", var.instance_class))
    error_message = "instance_class: a class of RDS such as db.t4g.medium."
  }
}

variable "allocated_storage_gb" {
  description = "Storage to begin with, in GiB."
  type        = number
  default     = 100

  validation {
    condition     = var.allocated_storage_gb >= 20 && var.allocated_storage_gb <= 65536 && floor(var.allocated_storage_gb) == var.allocated_storage_gb
    error_message = "allocated_storage_gb: 20 to 65536, as RDS takes for gp3."
  }
}

variable "max_allocated_storage_gb" {
  description = "Storage up to which RDS grows by itself, in GiB."
  type        = number
  default     = 500

  validation {
    condition     = var.max_allocated_storage_gb >= var.allocated_storage_gb * 1.1 && var.max_allocated_storage_gb <= 65536
    error_message = "max_allocated_storage_gb: at least 10 % above allocated_storage_gb, as RDS asks, and at most 65536."
  }
}

variable "multi_az" {
  description = "A standby in a second zone."
  type        = bool
  default     = true
}

variable "backup_retention_days" {
  description = "Days for which automated backups are kept."
  type        = number
  default     = 7

  # 0 would switch backups off, and with them replication to the DR region.
  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35 && floor(var.backup_retention_days) == var.backup_retention_days
    error_message = "backup_retention_days: 1 to 35."
  }
}

variable "backup_window" {
  description = "Daily window of the backup, UTC. It must not overlap the maintenance window."
  type        = string
  default     = "07:00-08:00"
  nullable    = false

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.backup_window))
    error_message = "backup_window: hh:mm-hh:mm, UTC."
  }
}

variable "maintenance_window" {
  description = "Weekly window of maintenance, UTC."
  type        = string
  default     = "sun:08:30-sun:09:30"
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window: ddd:hh:mm-ddd:hh:mm, UTC."
  }
}

variable "db_name" {
  description = "Database that is created with the instance."
  type        = string
  default     = "berthcare"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.db_name)) && !contains(["postgres", "template0", "template1", "rdsadmin"], var.db_name)
    error_message = "db_name: at most 63 lower-case letters, digits and _; a letter first; none of PostgreSQL's own."
  }
}

variable "username" {
  description = "Master user."
  type        = string
  default     = "berthcare_admin"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.username)) && !contains(["admin", "rdsadmin", "postgres", "rdsrepladmin"], var.username)
    error_message = "username: at most 63 lower-case letters, digits and _; a letter first; none that RDS reserves."
  }
}

variable "application_username" {
  description = "User of the application, whom `verify-staging db-user` makes; another one than the master user."
  type        = string
  default     = "berthcare_app"

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.application_username)) && !startswith(var.application_username, "pg_") && !startswith(var.application_username, "rds") && !contains(["admin", "postgres"], var.application_username)
    error_message = "application_username: at most 63 lower-case letters, digits and _; a letter first; none of PostgreSQL's or RDS's own."
  }

  validation {
    condition     = var.application_username != var.username
    error_message = "application_username: another one than the master user, who may do anything."
  }
}

variable "port" {
  description = "Port of PostgreSQL."
  type        = number
  default     = 5432

  validation {
    condition     = var.port >= 1150 && var.port <= 65535 && floor(var.port) == var.port
    error_message = "port: a whole number from 1150 to 65535, as RDS takes."
  }
}

variable "max_connections" {
  description = "Connections that PostgreSQL takes; the alarm at 80 % is derived from it. 400 suits 4 GiB of memory."
  type        = number
  default     = 400
  nullable    = false

  validation {
    condition     = var.max_connections >= 6 && var.max_connections <= 8388607 && floor(var.max_connections) == var.max_connections
    error_message = "max_connections: 6 to 8388607, as RDS takes."
  }
}

variable "subnet_ids" {
  description = "Private subnets, in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: RDS wants subnets in two zones or more."
  }
}

variable "security_group_ids" {
  description = "Security groups of the instance."
  type        = list(string)

  # None would mean the default group of the VPC.
  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids: at least one."
  }
}

variable "kms_key_arn" {
  description = "Key of storage, backups, insights, logs and secrets, in the region of the instance."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a KMS key, not of an alias."
  }
}

variable "insights_retention_days" {
  description = "Days for which Database Insights keeps performance data; 7 is free. From 465 on, the advanced mode is used."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = contains([7, 731], var.insights_retention_days) || (var.insights_retention_days % 31 == 0 && var.insights_retention_days >= 31 && var.insights_retention_days <= 713)
    error_message = "insights_retention_days: 7, 731, or 31 times 1 to 23."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps PostgreSQL's logs."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of the periods that CloudWatch Logs knows."
  }
}

variable "deletion_protection" {
  description = "AWS refuses to delete the instance."
  type        = bool
  default     = true
}

variable "skip_final_snapshot" {
  description = "Deleting the instance leaves no snapshot. For throw-away environments only."
  type        = bool
  default     = false
}

variable "run" {
  description = "What tells this use of the identifier from the next: last part of the final snapshot's name, which RDS takes once."
  type        = string
  default     = ""

  validation {
    condition     = var.run == "" || can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.run)) && length(var.run) <= 20
    error_message = "run: at most 20 lower-case letters, digits and single hyphens, such as 2026-q4."
  }
}

variable "timeouts" {
  description = "How long Terraform waits for RDS."
  type = object({
    create = optional(string, "6h")
    update = optional(string, "3h")
    delete = optional(string, "2h")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for time in values(var.timeouts) : can(regex("^[0-9]+[hm]$", time))])
    error_message = "timeouts: hours or minutes, such as 6h."
  }
}

variable "secret_recovery_window_days" {
  description = "Days for which a deleted secret can be restored; 0 deletes at once, so that the next run of a drill may have its name."
  type        = number
  default     = 30

  validation {
    condition     = var.secret_recovery_window_days == 0 || var.secret_recovery_window_days >= 7 && var.secret_recovery_window_days <= 30
    error_message = "secret_recovery_window_days: 7 to 30, or 0."
  }
}

variable "secret_replica" {
  description = "Region and key of copies of the two secrets; null keeps none."
  type = object({
    region      = string
    kms_key_arn = string
  })
  default = null

  validation {
    condition     = var.secret_replica == null || try(split(":", var.secret_replica.kms_key_arn)[3] == var.secret_replica.region && startswith(split(":", var.secret_replica.kms_key_arn)[5], "key/"), false)
    error_message = "secret_replica: kms_key_arn is the ARN of a key in that region."
  }
}

variable "recovery" {
  description = "From what the instance is made: a snapshot, or a replicated automated backup (latest time, or `restore_time`, RFC 3339 UTC). Null makes an empty database. It counts when the instance is created and never again."
  type = object({
    snapshot_identifier  = optional(string)
    automated_backup_arn = optional(string)
    restore_time         = optional(string)
  })
  default = null

  validation {
    condition     = var.recovery == null || try((var.recovery.snapshot_identifier == null) != (var.recovery.automated_backup_arn == null), false)
    error_message = "recovery: either snapshot_identifier or automated_backup_arn, not both and not neither."
  }

  validation {
    condition     = try(var.recovery.snapshot_identifier, null) == null || can(regex("^(arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{12}:snapshot:)?[A-Za-z](-?[A-Za-z0-9]+)*$", var.recovery.snapshot_identifier))
    error_message = "recovery: snapshot_identifier is the identifier or ARN of a manual snapshot, such as a copy in this region."
  }

  validation {
    condition     = try(var.recovery.automated_backup_arn, null) == null || can(regex("^arn:aws[a-z-]*:rds:[a-z0-9-]+:[0-9]{12}:auto-backup:ab-[a-z0-9]+$", var.recovery.automated_backup_arn))
    error_message = "recovery: automated_backup_arn is an ARN such as arn:aws:rds:REGION:ACCOUNT:auto-backup:ab-…."
  }

  validation {
    condition     = try(var.recovery.restore_time, null) == null || (try(var.recovery.automated_backup_arn, null) != null && can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", var.recovery.restore_time)))
    error_message = "recovery: restore_time goes with automated_backup_arn and is written 2026-11-22T21:00:00Z."
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
