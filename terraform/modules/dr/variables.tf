variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 39
    error_message = "name: at most 39 lower-case letters, digits and single hyphens; a letter first. A role's name takes 64 characters, and NAME-snapshot-copier-schedule has 25 of them."
  }
}

variable "dr_region" {
  description = "Region that backups and copies go to."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.dr_region))
    error_message = "dr_region: a region's code, such as ca-west-1."
  }
}

variable "dr_kms_key_arn" {
  description = "Key of the DR region that encrypts backups and copies there. A key of AWS's own cannot be shared or named across regions."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:${var.dr_region}:[0-9]{12}:key/[A-Za-z0-9-]+$", var.dr_kms_key_arn))
    error_message = "dr_kms_key_arn: the ARN of a KMS key in dr_region, not of an alias."
  }
}

variable "kms_key_arn" {
  description = "Key of this region: snapshots are encrypted with it, and so are the copier's log and variables."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn)) && try(split(":", var.kms_key_arn)[3] != var.dr_region, false)
    error_message = "kms_key_arn: the ARN of a KMS key in this region, which is not the DR region."
  }
}

variable "database_arn" {
  description = "ARN of the instance whose backups are replicated."
  type        = string
}

variable "database_identifiers" {
  description = "Instances whose snapshots are copied."
  type        = list(string)

  validation {
    condition     = length(var.database_identifiers) > 0 && alltrue([for identifier in var.database_identifiers : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", identifier))])
    error_message = "database_identifiers: at least one identifier of an RDS instance."
  }
}

variable "backup_retention_days" {
  description = "Days for which replicated backups are kept in the DR region."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_retention_days >= 1 && var.backup_retention_days <= 35 && floor(var.backup_retention_days) == var.backup_retention_days
    error_message = "backup_retention_days: 1 to 35."
  }
}

variable "replicate_automated_backups" {
  description = "RDS replicates backups and logs: minutes of data may be lost. Not every pair of regions has it."
  type        = bool
  default     = true
}

variable "snapshot_copier" {
  description = "Lambda that copies snapshots and removes old copies: path of its zip (a program `bootstrap` for provided.al2023), how often it looks, how many copies and days it keeps, and tags of its copies. Null for none."
  type = object({
    zip_path            = string
    architecture        = optional(string, "arm64")
    schedule_expression = optional(string, "rate(1 hour)")
    keep_last           = optional(number, 7)
    keep_days           = optional(number, 7)
    timeout_seconds     = optional(number, 300)
    tags                = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.snapshot_copier == null || try(endswith(var.snapshot_copier.zip_path, ".zip") && fileexists(var.snapshot_copier.zip_path), false)
    error_message = "snapshot_copier: zip_path is a .zip file that exists."
  }

  validation {
    condition     = var.snapshot_copier == null || try(contains(["arm64", "x86_64"], var.snapshot_copier.architecture), false)
    error_message = "snapshot_copier: architecture is arm64 or x86_64, as the program was built."
  }

  # The alarm on silence rings after three hours.
  validation {
    condition     = var.snapshot_copier == null || can(regex("^rate\\((1 hour|[1-9][0-9]? minutes)\\)$", var.snapshot_copier.schedule_expression))
    error_message = "snapshot_copier: schedule_expression is rate(1 hour) or rate(N minutes)."
  }

  validation {
    condition     = var.snapshot_copier == null || try(var.snapshot_copier.keep_last >= 1 && var.snapshot_copier.keep_last <= 90 && floor(var.snapshot_copier.keep_last) == var.snapshot_copier.keep_last, false)
    error_message = "snapshot_copier: keep_last is 1 to 90; the last copy is never removed, and RDS keeps 100 manual snapshots by default."
  }

  validation {
    condition     = var.snapshot_copier == null || try(var.snapshot_copier.keep_days >= 1 && floor(var.snapshot_copier.keep_days) == var.snapshot_copier.keep_days, false)
    error_message = "snapshot_copier: keep_days is a whole number, 1 or more."
  }

  validation {
    condition     = var.snapshot_copier == null || try(var.snapshot_copier.timeout_seconds >= 30 && var.snapshot_copier.timeout_seconds <= 900, false)
    error_message = "snapshot_copier: timeout_seconds is 30 to 900, as Lambda takes."
  }
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps the copier's log."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days: one of the periods that CloudWatch Logs knows."
  }
}

variable "alarm_topic_arns" {
  description = "Topics of the copier's alarms, in this region."
  type        = list(string)
  default     = []
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
