variable "domain_name" {
  description = "Name that the certificate is for."
  type        = string

  validation {
    condition     = can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.domain_name)) && length(var.domain_name) <= 64
    error_message = "domain_name: a name of at most 64 characters, as ACM takes for the first, such as api.staging.berthcare.ca."
  }
}

variable "alternative_names" {
  description = "Further names."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.alternative_names : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", name))]) && length(var.alternative_names) <= 9
    error_message = "alternative_names: up to nine names, as ACM takes besides the first without asking for more."
  }
}

variable "zone_id" {
  description = "Route 53 zone that the proofs are written into. Null leaves that to you, and the certificate unproven until it is done."
  type        = string
  default     = null

  validation {
    condition     = var.zone_id == null || can(regex("^Z[A-Z0-9]{1,31}$", var.zone_id))
    error_message = "zone_id: the ID of a hosted zone, Z…."
  }
}

variable "region" {
  description = "Region of the certificate: us-east-1 for CloudFront. Null for that of the provider."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region: a region's code, such as us-east-1."
  }
}

variable "timeouts" {
  description = "How long Terraform waits for ACM to see the proofs."
  type = object({
    create = optional(string, "1h")
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for time in values(var.timeouts) : can(regex("^[0-9]+[hm]$", time))])
    error_message = "timeouts: hours or minutes, such as 1h."
  }
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
