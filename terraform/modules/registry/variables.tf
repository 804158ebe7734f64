variable "names" {
  description = "Repositories. The DR region has those of the same names before images are replicated: ECR would make them without this key."
  type        = list(string)

  validation {
    condition     = length(var.names) > 0 && length(distinct(var.names)) == length(var.names) && alltrue([for name in var.names : can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", name)) && length(name) >= 2 && length(name) <= 256])
    error_message = "names: at least one, each once; 2 to 256 lower-case letters and digits, with single . _ / - between them."
  }
}

variable "kms_key_arn" {
  description = "Key of the images, in this region."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:[^:]*key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn: the ARN of a KMS key, not of an alias."
  }
}

variable "replica_region" {
  description = "Region that images are replicated to, by a configuration that an account has once in each region; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.replica_region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.replica_region))
    error_message = "replica_region: a region's code, such as ca-west-1."
  }
}

variable "untagged_days" {
  description = "Days after which images without a tag are removed."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = var.untagged_days >= 1 && floor(var.untagged_days) == var.untagged_days
    error_message = "untagged_days: a whole number of days, 1 or more."
  }
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
