variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 40
    error_message = "name: at most 40 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "alarm_email" {
  description = "Address that alarms are sent to. Its owner confirms the subscription from the first mail."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\\.)+[A-Za-z]{2,}$", var.alarm_email)) && !endswith(lower(var.alarm_email), "@example.com")
    error_message = "alarm_email: an e-mail address, and not the one of the example."
  }
}

variable "kms_key_arn" {
  description = "Key of the topic, in the region of the stack. CloudWatch needs a key whose policy lets it in, which aws/sns does not."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a KMS key, not of an alias."
  }
}

variable "database" {
  description = "Instance to watch, and how many connections it takes; null for none."
  type = object({
    identifier      = string
    max_connections = number
  })
  default = null

  validation {
    condition     = var.database == null || try(var.database.max_connections > 0, false)
    error_message = "database: max_connections is more than 0."
  }
}

variable "cache_node_ids" {
  description = "Redis nodes to watch."
  type        = list(string)
  default     = []
}

variable "distribution" {
  description = "CloudFront distribution to watch; null for none."
  type = object({
    id = string
  })
  default = null
}

variable "thresholds" {
  description = "Where the alarms ring: percentages, MiB of memory, GiB of storage, evictions in five minutes, hours; `snapshot_silence_hours` is 0 where the database is stopped for good."
  type = object({
    db_cpu_percent         = optional(number, 80)
    db_free_memory_mib     = optional(number, 512)
    db_free_storage_gib    = optional(number, 10)
    db_connections_percent = optional(number, 80)
    cache_cpu_percent      = optional(number, 75)
    cache_memory_percent   = optional(number, 80)
    cache_evictions        = optional(number, 1000)
    cloudfront_5xx_percent = optional(number, 5)
    backup_age_hours       = optional(number, 26)
    snapshot_silence_hours = optional(number, 26)
  })
  default = {}

  validation {
    condition = alltrue([for percent in [
      var.thresholds.db_cpu_percent, var.thresholds.db_connections_percent, var.thresholds.cache_cpu_percent,
      var.thresholds.cache_memory_percent, var.thresholds.cloudfront_5xx_percent,
    ] : percent > 0 && percent < 100])
    error_message = "thresholds: a percentage is more than 0 and less than 100; at 100 the alarm never rings."
  }

  validation {
    condition = alltrue([for amount in [
      var.thresholds.db_free_memory_mib, var.thresholds.db_free_storage_gib, var.thresholds.cache_evictions,
    ] : amount > 0])
    error_message = "thresholds: memory, storage and evictions are more than 0."
  }

  validation {
    condition     = var.thresholds.backup_age_hours >= 1 && var.thresholds.backup_age_hours <= 168
    error_message = "thresholds: backup_age_hours is 1 to 168."
  }

  # CloudWatch looks back seven days at most; a daily snapshot is late at times.
  validation {
    condition     = (var.thresholds.snapshot_silence_hours == 0 || var.thresholds.snapshot_silence_hours >= 25 && var.thresholds.snapshot_silence_hours <= 168) && floor(var.thresholds.snapshot_silence_hours) == var.thresholds.snapshot_silence_hours
    error_message = "thresholds: snapshot_silence_hours is 25 to 168, or 0 for no alarm."
  }
}

variable "backup_age_databases" {
  description = "Instances whose newest recovery point in the DR region is watched. Its age has to be published, see docs/terraform.md."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
