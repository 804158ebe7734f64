variable "project_name" {
  description = "Project; first part of every name and the tag Project."
  type        = string
  default     = "berthcare"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.project_name)) && length(var.project_name) <= 20
    error_message = "project_name: at most 20 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "environment" {
  description = "Environment that is recovered here; second part of every name and the tag Environment."
  type        = string
  default     = "staging"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.environment)) && length(var.environment) <= 15
    error_message = "environment: at most 15 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "aws_region" {
  description = "The DR region. Its data stays in Canada, unless `residency_exception` says why not."
  type        = string
  default     = "ca-west-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "aws_region: a region's code, such as ca-west-1."
  }

  validation {
    condition     = contains(["ca-central-1", "ca-west-1"], var.aws_region) || var.residency_exception != null
    error_message = "aws_region: health data leaves Canada in this region. Use ca-west-1, or write down a residency_exception."
  }
}

variable "primary_region" {
  description = "Region that is recovered."
  type        = string
  default     = "ca-central-1"

  validation {
    condition     = var.primary_region != var.aws_region
    error_message = "primary_region: another one than aws_region."
  }
}

variable "residency_exception" {
  description = "Why, by whose leave and until when (YYYY-MM-DD) data may leave Canada."
  type = object({
    reason      = string
    approved_by = string
    expires     = string
  })
  default = null

  validation {
    condition     = var.residency_exception == null || try(length(trimspace(var.residency_exception.reason)) > 0 && length(trimspace(var.residency_exception.approved_by)) > 0, false)
    error_message = "residency_exception: reason and approved_by are not blank."
  }

  validation {
    condition     = var.residency_exception == null || can(timecmp("${var.residency_exception.expires}T23:59:59Z", plantimestamp()))
    error_message = "residency_exception: expires is a date, YYYY-MM-DD."
  }
}

variable "despite_residency" {
  description = "Why a plan goes on although `residency_exception` has run out. dr-runbook writes the reason of its run into failover.auto.tfvars.json. In full mode the date stops nothing, and a warning shows it."
  type        = string
  default     = null

  validation {
    condition     = var.despite_residency == null || try(trimspace(var.despite_residency) != "", false)
    error_message = "despite_residency: a reason."
  }
}

variable "owner" {
  description = "Who answers for the stack; the tag Owner."
  type        = string
  default     = "platform"

  validation {
    condition     = can(regex("^[A-Za-z0-9 _.:/=+@-]{1,256}$", var.owner))
    error_message = "owner: 1 to 256 of the characters that a tag takes."
  }
}

variable "tags" {
  description = "Further tags of everything."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[A-Za-z0-9 _.:/=+@-]{1,128}$", key)) && !startswith(lower(key), "aws:") && can(regex("^[A-Za-z0-9 _.:/=+@-]{0,256}$", value))])
    error_message = "tags: keys of 1 to 128 and values of up to 256 letters, digits, spaces and _.:/=+@-; no key begins with aws:."
  }

  # S3 and IAM treat keys that differ in case alone as one; those of the stack are its own.
  validation {
    condition     = alltrue([for key in keys(var.tags) : !contains(["project", "environment", "managedby", "owner", "role", "residencyexception"], lower(key))]) && length(var.tags) <= 40
    error_message = "tags: Project, Environment, ManagedBy, Owner, Role and ResidencyException are set by the stack; at most 40 others."
  }
}

variable "role_path" {
  description = "Path of the roles, where a policy of the organisation asks for one."
  type        = string
  default     = "/"
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds what the roles may do, where the organisation asks for one. It has to allow what they need."
  type        = string
  default     = null
}

variable "alarm_email" {
  description = "Address that alarms are sent to."
  type        = string
}

variable "bucket_suffix" {
  description = "Last part of the buckets' names."
  type        = string
  default     = "dr"

  validation {
    condition     = var.bucket_suffix != ""
    error_message = "bucket_suffix: not empty, or the names would be those of the primary region."
  }
}

variable "vpc_cidr" {
  description = "IPv4 block of the VPC, apart from the primary's, so that the two can be connected."
  type        = string
  default     = "10.1.0.0/16"
}

variable "availability_zones" {
  description = "Zones by name; empty takes the first two of the region."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for zone in var.availability_zones : can(regex("^${var.aws_region}[a-z]$", zone))]) && length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones: zones of aws_region, such as ca-west-1a, each once."
  }
}

variable "mode" {
  description = "pilot-light: network, keys, roles, buckets, groups, secrets, distribution and topics, almost free. full: database, cache and NAT too. In a failover it is set in failover.auto.tfvars.json, so that the next plain plan keeps it."
  type        = string
  default     = "pilot-light"

  validation {
    condition     = contains(["pilot-light", "full"], var.mode)
    error_message = "mode: pilot-light or full."
  }

  # An empty database beside the one to be restored would be the first of two.
  validation {
    condition     = var.mode != "full" || (var.recovery == null) != (var.restored_database == null)
    error_message = "mode: full needs restored_database or recovery, and one of them: the database is taken over, or made from a recovery point, never empty."
  }

  validation {
    condition     = var.mode != "pilot-light" || var.restored_database == null
    error_message = "mode: full with restored_database. In the pilot light that instance would be taken over and destroyed."
  }

  # The next failover takes a restored database over, and is refused with both.
  validation {
    condition     = var.mode != "pilot-light" || var.recovery == null
    error_message = "mode: full with recovery. In the pilot light it makes nothing, and the next failover would find it, as old as it is by then."
  }
}

variable "restored_database" {
  description = "Identifier of the instance that `dr-replicate restore` has made here, to be taken into the state. Keep it set: it does nothing a second time."
  type        = string
  default     = null

  validation {
    condition     = var.restored_database == null || var.restored_database == "${var.project_name}-${var.environment}-postgres-dr"
    error_message = "restored_database: the identifier of this environment's database here, PROJECT-ENVIRONMENT-postgres-dr, as `dr_id` of infra.toml has it."
  }
}

variable "rehearsal" {
  description = "For a plan that is never applied: what a failover would do, before `restored_database` is there to be taken over. `dr-runbook preflight` sets it."
  type        = bool
  default     = false
}

variable "recovery" {
  description = "Recovery point of this region that the database is made from: snapshot_identifier or automated_backup_arn (with restore_time, or the latest). Keep it set while `mode` is full: it is used again only where the database is gone and the marker is not there."
  type = object({
    snapshot_identifier  = optional(string)
    automated_backup_arn = optional(string)
    restore_time         = optional(string)
  })
  default = null

  validation {
    condition     = var.recovery == null || try((var.recovery.snapshot_identifier == null) != (var.recovery.automated_backup_arn == null), false)
    error_message = "recovery: either snapshot_identifier or automated_backup_arn, not both and not neither."
  }

  # RDS restores from what lies in its own region. In an outage, nothing of the other one can be reached either.
  validation {
    condition     = try(var.recovery.automated_backup_arn, null) == null || can(regex("^arn:aws[a-z-]*:rds:${var.aws_region}:[0-9]{12}:auto-backup:ab-[a-z0-9]+$", var.recovery.automated_backup_arn))
    error_message = "recovery: automated_backup_arn is that of a replicated backup in aws_region."
  }

  validation {
    condition     = !startswith(coalesce(try(var.recovery.snapshot_identifier, null), "none"), "arn:") || can(regex("^arn:aws[a-z-]*:rds:${var.aws_region}:", var.recovery.snapshot_identifier))
    error_message = "recovery: snapshot_identifier is that of a copy in aws_region."
  }
}

variable "retire_database" {
  description = "Identifier of this region's database that may go when `mode` returns to pilot-light. Without it the plan is refused while that database is there."
  type        = string
  default     = null

  validation {
    condition     = var.retire_database == null || var.mode == "pilot-light"
    error_message = "retire_database: it goes with the pilot light; in full mode the database stays, and the next failover would find leave to remove it."
  }
}

variable "db_engine_version" {
  description = "PostgreSQL 15, or a minor not older than that of the recovery point."
  type        = string
  default     = "15"

  validation {
    condition     = can(regex("^15(\\.[0-9]{1,2})?$", var.db_engine_version))
    error_message = "db_engine_version: 15, or a minor such as 15.12, as in the primary region."
  }
}

variable "db_instance_class" {
  description = "Class of the database."
  type        = string
  default     = "db.t4g.medium"
}

variable "db_allocated_storage_gb" {
  description = "Storage of the database, in GiB; not less than the recovery point has."
  type        = number
  default     = 100
}

variable "db_max_allocated_storage_gb" {
  description = "Storage up to which it grows, in GiB."
  type        = number
  default     = 500
}

variable "db_deletion_protection" {
  description = "AWS refuses to delete the database. A drill sets false from its beginning; after a failover it is an apply of its own before the pilot light."
  type        = bool
  default     = true
}

variable "db_skip_final_snapshot" {
  description = "Deleting the database leaves no snapshot. For drills, whose data is a copy."
  type        = bool
  default     = false
}

variable "run" {
  description = "Name of the failover or drill, such as 2026-q4: last part of the final snapshot's name, which RDS takes once."
  type        = string
  default     = ""
}

variable "secret_recovery_window_days" {
  description = "Days for which a deleted secret can be restored, 7 to 30; 0 deletes at once. Secrets stay in the pilot light: this counts when a copy of the environment ends."
  type        = number
  default     = 30
}

variable "reserve_nat_addresses" {
  description = "Public addresses of the gateways, allocated in the pilot light too, for the allow-lists of partners. Each is charged while nothing uses it."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days for which CloudWatch keeps every log of the stack. Null for what each module keeps, a year."
  type        = number
  default     = null
}

variable "module_inputs" {
  description = "Inputs of modules that have no variable of their own here, by module; their READMEs say what each does. What is left out has the module's default."
  type = object({
    networking = optional(object({
      az_count = optional(number)
    }), {})
    security = optional(object({
      alb_ingress_cidrs        = optional(list(string))
      kms_deletion_window_days = optional(number)
    }), {})
    storage = optional(object({
      glacier_after_days      = optional(number)
      deep_archive_after_days = optional(number)
      noncurrent_days         = optional(number)
      log_expiration_days     = optional(number)
    }), {})
    failover = optional(object({
      health_check_regions = optional(list(string))
      health_checker_cidrs = optional(list(string))
    }), {})
    database = optional(object({
      backup_window           = optional(string)
      maintenance_window      = optional(string)
      max_connections         = optional(number)
      insights_retention_days = optional(number)
      timeouts = optional(object({
        create = optional(string)
        update = optional(string)
        delete = optional(string)
      }))
    }), {})
    cache = optional(object({
      engine_version          = optional(string)
      snapshot_retention_days = optional(number)
      snapshot_window         = optional(string)
      maintenance_window      = optional(string)
      timeouts = optional(object({
        create = optional(string)
        update = optional(string)
        delete = optional(string)
      }))
    }), {})
    cdn = optional(object({
      default_origin = optional(string)
      countries      = optional(list(string))
      price_class    = optional(string)
    }), {})
    certificate = optional(object({
      timeouts = optional(object({
        create = optional(string)
      }))
    }), {})
    registry = optional(object({
      untagged_days = optional(number)
    }), {})
    application = optional(object({
      cpu_percent            = optional(number)
      grace_seconds          = optional(number)
      errors_in_five_minutes = optional(number)
      deletion_protection    = optional(bool)
      timeouts = optional(object({
        create = optional(string)
        update = optional(string)
        delete = optional(string)
      }))
    }), {})
  })
  default  = {}
  nullable = false
}

variable "redis_node_type" {
  description = "Type of the Redis nodes."
  type        = string
  default     = "cache.t4g.micro"
}

variable "dns" {
  description = "Name of the application and the Route 53 zone that it is in: for its certificates and its record. Null for none."
  type = object({
    zone_id = string
    name    = string
  })
  default = null

  validation {
    condition     = var.dns == null || can(regex("^Z[A-Z0-9]{1,31}$", var.dns.zone_id)) && can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", var.dns.name))
    error_message = "dns: the ID of a hosted zone, Z…, and a name in it."
  }
}

variable "image_repositories" {
  description = "Repositories of images, those of the primary region, which are replicated here."
  type        = list(string)
  default     = []
}

variable "application" {
  description = "The application on Fargate, see modules/application: `image` by its digest, from a registry of this region. Null for none. Without `dns` it needs a `certificate_arn` of this region."
  type = object({
    image             = string
    certificate_arn   = optional(string)
    architecture      = optional(string, "ARM64")
    cpu               = optional(number, 512)
    memory            = optional(number, 1024)
    min_tasks         = optional(number, 2)
    max_tasks         = optional(number, 6)
    health_check_path = optional(string, "/health")
    environment       = optional(map(string), {})
  })
  default = null

  validation {
    condition     = var.application == null || var.dns != null || try(var.application.certificate_arn != null, false)
    error_message = "application: a name in dns, for which a certificate is made, or a certificate_arn."
  }

  # Load balancer and target group.
  validation {
    condition     = var.application == null || length("${var.project_name}-${var.environment}-dr-app") <= 32
    error_message = "application: project_name and environment have together at most 24 characters where there is one: AWS takes 32 for the name of a load balancer, PROJECT-ENVIRONMENT-dr-app."
  }
}

variable "start_application" {
  description = "In full mode, whether the application's tasks run: in failover.auto.tfvars.json, from `[failover] variables` of infra.toml, so that they run before traffic is turned. Their secrets need values by then: ECS gives up tasks that do not start."
  type        = bool
  default     = false
}

variable "app_port" {
  description = "Port on which the application's tasks listen."
  type        = number
  default     = 3000
}

variable "cdn_domain" {
  description = "Own names of the distribution and their certificate in us-east-1, which is made in the zone of `dns` where none is given. A name belongs to one distribution at a time."
  type = object({
    aliases         = list(string)
    certificate_arn = optional(string)
  })
  default = null

  validation {
    condition     = var.cdn_domain == null || var.dns != null || try(var.cdn_domain.certificate_arn != null, false)
    error_message = "cdn_domain: certificate_arn, or a zone in dns, in which the names are proven."
  }
}

variable "primary_distribution_arn" {
  description = "Distribution of the primary region, which reads the copies here when its own buckets do not answer: after its first apply. Null lets it read nothing here."
  type        = string
  default     = null
}

variable "cdn_signing_keys" {
  description = "Public keys (PEM) by name: viewers need URLs that are signed by one of them. Needed, unless each kind is in `cdn_public_read`."
  type        = map(string)
  default     = {}

  # Asked here, so that the answer is about the variable that somebody can set.
  validation {
    condition     = length(var.cdn_signing_keys) > 0 || length(setsubtract(["photos", "documents", "signatures"], keys(var.cdn_public_read))) == 0
    error_message = "cdn_signing_keys: at least one public key, or everybody who knows a name could read health records. docs/terraform.md says how to make one; a kind that may be public has its reason in cdn_public_read."
  }
}

variable "cdn_public_read" {
  description = "Why a kind (photos, documents, signatures) may be read by everybody who knows an object's name, by kind. infra.toml needs the same reason, or the check cloudfront-viewers fails."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for reason in values(var.cdn_public_read) : length(split(" ", trimspace(reason))) >= 3])
    error_message = "cdn_public_read: the reason is a sentence of three words or more."
  }

  validation {
    condition     = length(setsubtract(keys(var.cdn_public_read), ["photos", "documents", "signatures"])) == 0
    error_message = "cdn_public_read: photos, documents or signatures."
  }
}
