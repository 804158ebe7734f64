variable "identifier" {
  description = "ID of the replication group."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.identifier)) && length(var.identifier) <= 40
    error_message = "identifier: at most 40 lower-case letters, digits and single hyphens; a letter first, no hyphen last."
  }
}

variable "secret_prefix" {
  description = "Folder of the names of secrets; the task roles may read it."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=.@-]+$", var.secret_prefix)) && length(var.secret_prefix) <= 64
    error_message = "secret_prefix: letters, digits and _+=.@-, without a slash."
  }
}

variable "engine_version" {
  description = "Redis version."
  type        = string
  default     = "7.1"
  nullable    = false

  validation {
    condition     = contains(["7.0", "7.1"], var.engine_version)
    error_message = "engine_version: 7.0 or 7.1, the last of Redis that ElastiCache offers."
  }
}

variable "node_type" {
  description = "Node type."
  type        = string
  default     = "cache.t4g.micro"

  validation {
    condition     = can(regex("^cache\\.[a-z][a-z0-9-]*\\.(micro|small|medium|large|[0-9]*xlarge)$", var.node_type))
    error_message = "node_type: a type of ElastiCache such as cache.t4g.micro."
  }
}

variable "node_count" {
  description = "Primary and replicas."
  type        = number
  default     = 2

  # Failover needs a replica; a group without shards takes five.
  validation {
    condition     = var.node_count >= 2 && var.node_count <= 6 && floor(var.node_count) == var.node_count
    error_message = "node_count: 2 to 6."
  }
}

variable "port" {
  description = "Port of Redis."
  type        = number
  default     = 6379

  validation {
    condition     = var.port >= 1024 && var.port <= 65535 && floor(var.port) == var.port
    error_message = "port: a whole number from 1024 to 65535."
  }
}

variable "subnet_ids" {
  description = "Private subnets, in two zones or more."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids: nodes in two zones want two subnets or more."
  }
}

variable "security_group_ids" {
  description = "Security groups of the nodes."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) > 0
    error_message = "security_group_ids: at least one."
  }
}

variable "kms_key_arn" {
  description = "Key of data, logs and secret, in the region of the nodes."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a KMS key, not of an alias."
  }
}

variable "snapshot_retention_days" {
  description = "Days for which daily snapshots are kept."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.snapshot_retention_days >= 1 && var.snapshot_retention_days <= 35 && floor(var.snapshot_retention_days) == var.snapshot_retention_days
    error_message = "snapshot_retention_days: 1 to 35."
  }
}

variable "snapshot_window" {
  description = "Daily window of the snapshot, UTC; an hour at least."
  type        = string
  default     = "06:00-07:00"
  nullable    = false

  validation {
    condition     = can(regex("^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", var.snapshot_window))
    error_message = "snapshot_window: hh:mm-hh:mm, UTC."
  }
}

variable "maintenance_window" {
  description = "Weekly window of maintenance, UTC; an hour at least."
  type        = string
  default     = "sun:09:30-sun:10:30"
  nullable    = false

  validation {
    condition     = can(regex("^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$", var.maintenance_window))
    error_message = "maintenance_window: ddd:hh:mm-ddd:hh:mm, UTC."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps Redis's logs."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of the periods that CloudWatch Logs knows."
  }
}

variable "create" {
  description = "The nodes. Without them there is what they will need, almost free: groups, log groups and the secret."
  type        = bool
  default     = true
}

variable "timeouts" {
  description = "How long Terraform waits for ElastiCache."
  type = object({
    create = optional(string, "2h")
    update = optional(string, "2h")
    delete = optional(string, "1h")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for time in values(var.timeouts) : can(regex("^[0-9]+[hm]$", time))])
    error_message = "timeouts: hours or minutes, such as 2h."
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
  description = "Region and key of a copy of the secret; null keeps none."
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

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
