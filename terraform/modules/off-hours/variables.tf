variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 40
    error_message = "name: at most 40 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "database_identifier" {
  description = "Instance that is stopped and started."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.database_identifier)) && length(var.database_identifier) <= 63
    error_message = "database_identifier: an identifier of an RDS instance."
  }
}

variable "stop" {
  description = "When the instance is stopped: a cron expression of EventBridge Scheduler."
  type        = string
  default     = "cron(0 20 ? * MON-FRI *)"

  validation {
    condition     = can(regex("^cron\\([0-5]?[0-9](,[0-5]?[0-9])* ([01]?[0-9]|2[0-3])(,([01]?[0-9]|2[0-3]))* [0-9LW?*,/-]+ [0-9A-Z*,/-]+ [0-9A-Z#L?*,/-]+ [0-9*,/-]+\\)$", var.stop)) && can(regex("^cron\\([^ ]+ [^ ]+ ([?] [^ ]+ [^?]+|[^?]+ [^ ]+ [?]) [^ ]+\\)$", var.stop))
    error_message = "stop: cron(minutes hours day-of-month month day-of-week year), with minutes and hours as numbers and ? for one of the two days."
  }
}

variable "start" {
  description = "When it is started. Null keeps it stopped, against AWS too, which starts it after seven days."
  type        = string
  default     = "cron(0 7 ? * MON-FRI *)"

  validation {
    condition     = var.start == null || can(regex("^cron\\([0-5]?[0-9](,[0-5]?[0-9])* ([01]?[0-9]|2[0-3])(,([01]?[0-9]|2[0-3]))* [0-9LW?*,/-]+ [0-9A-Z*,/-]+ [0-9A-Z#L?*,/-]+ [0-9*,/-]+\\)$", var.start)) && can(regex("^cron\\([^ ]+ [^ ]+ ([?] [^ ]+ [^?]+|[^?]+ [^ ]+ [?]) [^ ]+\\)$", var.start))
    error_message = "start: cron(minutes hours day-of-month month day-of-week year), with minutes and hours as numbers and ? for one of the two days, or null."
  }

  validation {
    condition     = var.start != var.stop
    error_message = "start: not when the instance is stopped."
  }
}

variable "timezone" {
  description = "Time zone of both."
  type        = string
  default     = "America/Toronto"

  validation {
    condition     = can(regex("^(UTC|[A-Z][A-Za-z]+(/[A-Z][A-Za-z_-]+)+)$", var.timezone))
    error_message = "timezone: a name such as America/Toronto, or UTC."
  }
}

variable "kms_key_arn" {
  description = "Key of the schedules, the log and the state machine, in this region."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a KMS key, not of an alias."
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
