variable "project_name" {
  description = "First part of every bucket's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.project_name)) && !startswith(var.project_name, "xn--") && !startswith(var.project_name, "sthree-") && !startswith(var.project_name, "amzn-s3-demo-")
    error_message = "project_name: lower-case letters, digits and single hyphens; a letter first; no prefix that S3 reserves."
  }
}

variable "environment" {
  description = "Environment, third part of every bucket's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.environment))
    error_message = "environment: lower-case letters, digits and single hyphens."
  }
}

variable "bucket_suffix" {
  description = "Last part of every bucket's name, since names are unique among all AWS accounts: an account ID, for example. Empty for none."
  type        = string
  default     = ""

  validation {
    condition     = var.bucket_suffix == "" || can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.bucket_suffix))
    error_message = "bucket_suffix: lower-case letters, digits and single hyphens; without hyphen at its ends."
  }

  validation {
    condition     = !can(regex("(^|-)(s3alias|an)$", var.bucket_suffix))
    error_message = "bucket_suffix: S3 reserves names that end in -s3alias or -an."
  }

  # signatures is the longest of the kinds.
  validation {
    condition     = length(join("-", compact([var.project_name, "signatures", var.environment, var.bucket_suffix]))) <= 63
    error_message = "bucket_suffix: a bucket's name takes 63 characters, and PROJECT-signatures-ENVIRONMENT-SUFFIX has more."
  }
}

variable "kms_key_arn" {
  description = "Key of the data buckets; null encrypts with AES256. Logs are always AES256, since S3 delivers access logs to no bucket with a KMS key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a KMS key, not of an alias."
  }
}

variable "glacier_after_days" {
  description = "Days after which an object moves to Glacier Flexible Retrieval."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.glacier_after_days >= 1 && floor(var.glacier_after_days) == var.glacier_after_days
    error_message = "glacier_after_days: a whole number of days, 1 or more."
  }
}

variable "deep_archive_after_days" {
  description = "Days after which an object moves to Glacier Deep Archive."
  type        = number
  default     = 2555
  nullable    = false

  # Glacier Flexible Retrieval is billed for 90 days at least.
  validation {
    condition     = var.deep_archive_after_days >= var.glacier_after_days + 90 && floor(var.deep_archive_after_days) == var.deep_archive_after_days
    error_message = "deep_archive_after_days: at least 90 days after glacier_after_days."
  }
}

variable "noncurrent_days" {
  description = "Days for which overwritten and deleted versions are kept."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 2147483647 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days: a whole number of days, 1 or more."
  }
}

variable "log_expiration_days" {
  description = "Days after which access logs are removed. Data never is."
  type        = number
  default     = 3650
  nullable    = false

  # Deep Archive is billed for 180 days at least.
  validation {
    condition     = var.log_expiration_days >= var.deep_archive_after_days + 180 && var.log_expiration_days <= 2147483647 && floor(var.log_expiration_days) == var.log_expiration_days
    error_message = "log_expiration_days: at least 180 days after deep_archive_after_days."
  }
}

variable "cloudfront" {
  description = "Distribution that may read the data buckets, and the name of its log delivery; null for none."
  type = object({
    distribution_arn     = string
    delivery_source_name = string
  })
  default = null
}

variable "load_balancer_logs" {
  description = "Load balancers of this account and region write their access logs to the log bucket, under `alb/`."
  type        = bool
  default     = false
}

variable "reader_distribution_arn" {
  description = "A further distribution that may read the data buckets, such as the primary region's, which reads here when its own buckets do not answer. Null for none."
  type        = string
  default     = null

  validation {
    condition     = var.reader_distribution_arn == null || can(regex("^arn:aws[a-z-]*:cloudfront::[0-9]{12}:distribution/[A-Z0-9]+$", var.reader_distribution_arn))
    error_message = "reader_distribution_arn: the ARN of a distribution, arn:aws:cloudfront::ACCOUNT:distribution/ID."
  }
}

variable "replication" {
  description = "Replicates the data buckets: name of the target of each kind (photos, documents, signatures), the DR region, its key when the buckets have one, and the topics of the alarms in this and in the DR region. Null for none."
  type = object({
    region              = string
    targets             = map(string)
    kms_key_arn         = optional(string)
    alarm_topic_arns    = optional(list(string), [])
    dr_alarm_topic_arns = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.replication == null || try(toset(keys(var.replication.targets)) == toset(["photos", "documents", "signatures"]), false)
    error_message = "replication: targets names a bucket for each of photos, documents and signatures."
  }

  validation {
    condition     = var.replication == null || try(alltrue([for target in values(var.replication.targets) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", target))]) && length(distinct(values(var.replication.targets))) == 3, false)
    error_message = "replication: targets are three different bucket names."
  }

  validation {
    condition     = var.replication == null || try((var.kms_key_arn == null) == (var.replication.kms_key_arn == null), false)
    error_message = "replication: kms_key_arn is needed exactly when the buckets have a KMS key."
  }

  validation {
    condition     = try(var.replication.kms_key_arn, null) == null || can(regex("^arn:aws[a-z-]*:kms:${var.replication.region}:[0-9]{12}:key/[A-Za-z0-9-]+$", var.replication.kms_key_arn))
    error_message = "replication: kms_key_arn is the ARN of a KMS key of the DR region."
  }

  validation {
    condition     = var.replication == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.replication.region))
    error_message = "replication: region is a region's code, such as ca-west-1."
  }
}

variable "replication_lag_minutes" {
  description = "Lag of replication above which the alarm rings. S3 promises 15 minutes for 99.9 % of objects."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.replication_lag_minutes >= 1 && var.replication_lag_minutes <= 1440
    error_message = "replication_lag_minutes: 1 to 1440."
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
