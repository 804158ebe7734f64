variable "project_name" {
  description = "First part of the bucket's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.project_name)) && length(join("-", compact([var.project_name, "failover", var.environment, var.bucket_suffix]))) <= 63
    error_message = "project_name: lower-case letters, digits and single hyphens; a letter first; PROJECT-failover-ENVIRONMENT-SUFFIX has at most 63 characters."
  }
}

variable "environment" {
  description = "Environment that is recovered here, third part of the bucket's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.environment))
    error_message = "environment: lower-case letters, digits and single hyphens."
  }
}

variable "bucket_suffix" {
  description = "Last part of the bucket's name. Empty for none."
  type        = string
  default     = ""

  validation {
    condition     = var.bucket_suffix == "" || can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.bucket_suffix))
    error_message = "bucket_suffix: lower-case letters, digits and single hyphens; without hyphen at its ends."
  }
}

variable "health_check" {
  description = "A health check of Route 53 that reads the marker, for the primary's records. Charged by the month."
  type        = bool
  default     = false
}

variable "health_check_regions" {
  description = "Where Route 53 asks from: three or more, and none that may be lost together with the primary."
  type        = list(string)
  default     = ["eu-west-1", "us-west-1", "us-west-2"]
  nullable    = false

  validation {
    condition     = length(distinct(var.health_check_regions)) >= 3 && length(setsubtract(var.health_check_regions, ["ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-1", "sa-east-1", "us-east-1", "us-west-1", "us-west-2"])) == 0
    error_message = "health_check_regions: three or more of those that Route 53 has checkers in."
  }
}

variable "health_checker_cidrs" {
  description = "Networks of Route 53's health checkers, which may read the marker: `aws route53 get-checker-ip-ranges`. From an older list, a new checker reads nothing and counts the primary as healthy."
  type        = list(string)
  default = [
    "15.177.0.0/18", "54.183.255.128/26", "54.228.16.0/26", "54.232.40.64/26", "54.241.32.64/26", "54.243.31.192/26",
    "54.244.52.192/26", "54.245.168.0/26", "54.248.220.0/26", "54.250.253.192/26", "54.251.31.128/26", "54.252.79.128/26",
    "54.252.254.192/26", "54.255.254.192/26", "107.23.255.0/26", "176.34.159.192/26", "177.71.207.128/26",
  ]
  nullable = false

  # S3 calls a policy public whose networks are too wide.
  validation {
    condition     = length(var.health_checker_cidrs) > 0 && alltrue([for cidr in var.health_checker_cidrs : can(cidrnetmask(cidr)) && try(tonumber(split("/", cidr)[1]) >= 16, false)])
    error_message = "health_checker_cidrs: IPv4 networks of /16 or narrower."
  }
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
