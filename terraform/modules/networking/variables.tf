variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 40
    error_message = "name: at most 40 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "vpc_cidr" {
  description = "IPv4 block of the VPC. Each subnet gets a sixteenth of it."
  type        = string
  default     = "10.0.0.0/16"

  # A VPC takes /16 to /28, a subnet /28 at the smallest, and a sixteenth of a /24 is a /28.
  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(cidrhost(var.vpc_cidr, 0) == split("/", var.vpc_cidr)[0], false)
    error_message = "vpc_cidr: an IPv4 network such as 10.0.0.0/16, without host bits."
  }

  validation {
    condition     = try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 24, false)
    error_message = "vpc_cidr: /16 to /24, so that every subnet is one that AWS takes."
  }

  validation {
    condition     = can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.vpc_cidr))
    error_message = "vpc_cidr: a private range (RFC 1918)."
  }
}

variable "az_count" {
  description = "Availability Zones in use; one public and one private subnet in each."
  type        = number
  default     = 2
  nullable    = false

  validation {
    condition     = contains([2, 3], var.az_count)
    error_message = "az_count: 2 or 3; one zone is no redundancy, and RDS and ElastiCache want two."
  }
}

variable "availability_zones" {
  description = "Zones by name, for a region where some lack a service; empty takes the first `az_count` of the region."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.availability_zones) == 0 || length(distinct(var.availability_zones)) == var.az_count
    error_message = "availability_zones: as many different zones as az_count."
  }

  validation {
    condition     = alltrue([for zone in var.availability_zones : can(regex("^[a-z]{2}(-[a-z]+)+-[0-9][a-z]$", zone))])
    error_message = "availability_zones: names such as ca-central-1a."
  }
}

variable "nat_gateways" {
  description = "`per-az` survives the loss of a zone, `single` is cheaper, `none` is for a network that nothing runs in yet."
  type        = string
  default     = "per-az"

  validation {
    condition     = contains(["per-az", "single", "none"], var.nat_gateways)
    error_message = "nat_gateways: per-az, single or none."
  }
}

variable "reserve_nat_addresses" {
  description = "Elastic IPs of a gateway in each zone, also before there are gateways, for the allow-lists of others; each is charged while nothing uses it."
  type        = bool
  default     = false
}

variable "flow_log_retention_days" {
  description = "Days for which CloudWatch keeps the flow logs."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.flow_log_retention_days)
    error_message = "flow_log_retention_days: one of the periods that CloudWatch Logs knows."
  }
}

variable "kms_key_arn" {
  description = "Key that encrypts the flow logs."
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
