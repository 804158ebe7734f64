variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 40
    error_message = "name: at most 40 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "bucket_suffix" {
  description = "Last part of the bucket's name, since names are unique among all AWS accounts. Empty for none."
  type        = string
  default     = ""

  validation {
    condition     = var.bucket_suffix == "" || (can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.bucket_suffix)) && length(var.bucket_suffix) <= 16 && !can(regex("(^|-)(s3alias|an)$", var.bucket_suffix)))
    error_message = "bucket_suffix: at most 16 lower-case letters, digits and single hyphens; not s3alias or an, which S3 reserves."
  }
}

variable "data_bucket_arns" {
  description = "Buckets of which every read and write of an object is recorded. Each record costs; none for changes of settings alone."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.data_bucket_arns : can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", arn))])
    error_message = "data_bucket_arns: ARNs of buckets, without a path or a wildcard."
  }
}

variable "lock_mode" {
  description = "GOVERNANCE: nobody deletes a record, but an administrator may lift the policy that says so. COMPLIANCE: nobody, not even root or AWS, and it cannot be taken back."
  type        = string
  default     = "GOVERNANCE"

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.lock_mode)
    error_message = "lock_mode: GOVERNANCE or COMPLIANCE."
  }
}

variable "lock_days" {
  description = "Days for which no record can be deleted."
  type        = number
  default     = 365

  validation {
    condition     = var.lock_days >= 1 && var.lock_days <= 36500 && floor(var.lock_days) == var.lock_days
    error_message = "lock_days: a whole number from 1 to 36500, as S3 takes."
  }
}

variable "retention_days" {
  description = "Days after which records are removed."
  type        = number
  default     = 2555

  validation {
    condition     = var.retention_days >= var.lock_days && var.retention_days > 90 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days: a whole number above 90, when records are archived, and not below lock_days."
  }
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
