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
  description = "Environment; second part of every name and the tag Environment."
  type        = string
  default     = "staging"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.environment)) && length(var.environment) <= 15
    error_message = "environment: at most 15 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "aws_region" {
  description = "Region of the stack. Its data stays in Canada."
  type        = string
  default     = "ca-central-1"

  validation {
    condition     = contains(["ca-central-1", "ca-west-1"], var.aws_region)
    error_message = "aws_region: a region in Canada, ca-central-1 or ca-west-1."
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

  # S3 and IAM treat keys that differ in case alone as one; the four of the stack are its own.
  validation {
    condition     = alltrue([for key in keys(var.tags) : !contains(["project", "environment", "managedby", "owner"], lower(key))]) && length(var.tags) <= 40
    error_message = "tags: Project, Environment, ManagedBy and Owner are set by the stack; at most 40 others."
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
  description = "Last part of the buckets' names, when a name is taken: the account ID, for example."
  type        = string
  default     = ""
}

variable "vpc_cidr" {
  description = "IPv4 block of the VPC."
  type        = string
  default     = "10.0.0.0/16"
}

variable "availability_zones" {
  description = "Zones by name; empty takes the first two of the region."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for zone in var.availability_zones : can(regex("^${var.aws_region}[a-z]$", zone))]) && length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones: zones of aws_region, such as ca-central-1a, each once."
  }
}

variable "nat_gateways" {
  description = "per-az, or single to save the second gateway."
  type        = string
  default     = "per-az"

  validation {
    condition     = contains(["per-az", "single"], var.nat_gateways)
    error_message = "nat_gateways: per-az or single; the application cannot reach AWS without one."
  }
}

variable "app_port" {
  description = "Port on which the application's tasks listen."
  type        = number
  default     = 3000
}

variable "db_engine_version" {
  description = "PostgreSQL 15, or a minor of it that AWS still offers for new instances."
  type        = string
  default     = "15"

  validation {
    condition     = can(regex("^15(\\.[0-9]{1,2})?$", var.db_engine_version))
    error_message = "db_engine_version: 15, or a minor such as 15.12. A major upgrade is a change of its own."
  }
}

variable "db_instance_class" {
  description = "Class of the database."
  type        = string
  default     = "db.t4g.medium"
}

variable "db_allocated_storage_gb" {
  description = "Storage of the database to begin with, in GiB."
  type        = number
  default     = 100
}

variable "db_max_allocated_storage_gb" {
  description = "Storage up to which it grows, in GiB."
  type        = number
  default     = 500
}

variable "db_multi_az" {
  description = "A standby in a second zone."
  type        = bool
  default     = true
}

variable "db_backup_retention_days" {
  description = "Days for which automated backups are kept."
  type        = number
  default     = 7
}

variable "db_deletion_protection" {
  description = "AWS refuses to delete the database."
  type        = bool
  default     = true
}

variable "db_skip_final_snapshot" {
  description = "Deleting the database leaves no snapshot."
  type        = bool
  default     = false
}

variable "despite_residency" {
  description = "Why a plan goes on although `residency_exception` of `dr` has run out. dr-runbook writes it into failback.auto.tfvars.json where a failback brings data home after that day. A warning shows the date."
  type        = string
  default     = null

  validation {
    condition     = var.despite_residency == null || try(trimspace(var.despite_residency) != "", false)
    error_message = "despite_residency: a reason."
  }
}

variable "restored_database" {
  description = "Identifier of the instance that `dr-replicate restore` has made here in a failback, to be taken into the state. Keep it set: it does nothing a second time."
  type        = string
  default     = null

  validation {
    condition     = var.restored_database == null || var.restored_database == "${var.project_name}-${var.environment}-postgres"
    error_message = "restored_database: the identifier of this environment's database, PROJECT-ENVIRONMENT-postgres, as `id` of infra.toml has it."
  }
}

variable "run" {
  description = "Last part of the final snapshot's name, which RDS takes once: another one after each failback."
  type        = string
  default     = ""
}

variable "redis_node_type" {
  description = "Type of the Redis nodes."
  type        = string
  default     = "cache.t4g.micro"
}

variable "redis_node_count" {
  description = "Redis primary and replicas."
  type        = number
  default     = 2
}

variable "cdn_domain" {
  description = "Own names of the distribution and their certificate in us-east-1, which is made in the zone of `dns` where none is given. TLS 1.2 is enforced for these; for *.cloudfront.net CloudFront decides."
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

variable "cdn_web_acl_arn" {
  description = "AWS WAF web ACL of the distribution."
  type        = string
  default     = null
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
  description = "Repositories of images, encrypted with the stack's key and replicated to the DR region where there is one: that configuration is the account's only one in this region."
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

  # Load balancer and target group of the DR region, whose names are the longest.
  validation {
    condition     = var.application == null || length("${var.project_name}-${var.environment}-dr-app") <= 32
    error_message = "application: project_name and environment have together at most 24 characters where there is one: AWS takes 32 for the name of a load balancer, and that of the DR region is PROJECT-ENVIRONMENT-dr-app."
  }
}

variable "thresholds" {
  description = "Where the alarms ring; see modules/monitoring. Empty takes the defaults."
  type        = map(number)
  default     = {}

  validation {
    condition = length(setsubtract(keys(var.thresholds), [
      "db_cpu_percent", "db_free_memory_mib", "db_free_storage_gib", "db_connections_percent", "cache_cpu_percent",
      "cache_memory_percent", "cache_evictions", "cloudfront_5xx_percent", "backup_age_hours",
      "snapshot_silence_hours",
    ])) == 0
    error_message = "thresholds: only those that modules/monitoring knows."
  }
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
    storage = optional(object({
      glacier_after_days      = optional(number)
      deep_archive_after_days = optional(number)
      noncurrent_days         = optional(number)
      log_expiration_days     = optional(number)
      replication_lag_minutes = optional(number)
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

variable "audit_trail" {
  description = "CloudTrail of the account into a bucket with Object Lock, see modules/trail for what it costs: how long (`lock_days`) and how (`lock_mode`, GOVERNANCE or COMPLIANCE) records are held, when they end, and whether reads and writes of objects are recorded (`data_events`). Null for none: an account has one."
  type = object({
    lock_mode      = optional(string, "GOVERNANCE")
    lock_days      = optional(number, 365)
    retention_days = optional(number, 2555)
    data_events    = optional(bool, false)
  })
  default = null
}

variable "no_audit_trail_reason" {
  description = "Why there is no `audit_trail` in this stack; not needed with one."
  type        = string
  default     = "The account has a trail of its own, which verify-staging check --only account-cloudtrail asks about"

  validation {
    condition     = var.audit_trail != null || length(split(" ", trimspace(var.no_audit_trail_reason))) >= 3
    error_message = "no_audit_trail_reason: a sentence of three words or more, or an audit_trail."
  }
}

variable "off_hours" {
  description = "Stops the database at `stop` and starts it at `start` (`never`: it stays stopped, against AWS too). Null leaves it running."
  type = object({
    stop     = optional(string, "cron(0 20 ? * MON-FRI *)")
    start    = optional(string, "cron(0 7 ? * MON-FRI *)")
    timezone = optional(string, "America/Toronto")
  })
  default = null
}

variable "dr" {
  description = "The DR region: outputs of environments/dr, which is applied first. Null for none."
  type = object({
    region          = string
    kms_key_arn     = string
    alarm_topic_arn = string
    # bucket_suffix of environments/dr: the copies of this environment's buckets are PROJECT-KIND-ENVIRONMENT-SUFFIX.
    bucket_suffix = optional(string, "dr")
    # Of the application's record: unhealthy while the DR region serves.
    health_check_id = optional(string)
    # For a region outside Canada.
    residency_exception = optional(object({
      reason      = string
      approved_by = string
      expires     = string
    }))
    replicate_automated_backups = optional(bool, true)
    # Who copies snapshots, where neither backups are replicated nor the copier is there: a sentence.
    copied_by            = optional(string)
    snapshot_copier_zip  = optional(string)
    snapshot_copier_arch = optional(string, "arm64")
    keep_last            = optional(number, 7)
    keep_days            = optional(number, 7)
    # An alarm on RecoveryPointAge, which the copier publishes: on where there is a copier, unless this says otherwise.
    watch_recovery_point_age = optional(bool)
  })
  default = null

  validation {
    condition     = var.dr == null || try(var.dr.region != var.aws_region, false)
    error_message = "dr: region is another one than aws_region."
  }

  validation {
    condition     = var.dr == null || try(contains(["ca-central-1", "ca-west-1"], var.dr.region), false) || try(length(trimspace(var.dr.residency_exception.reason)) > 0 && length(trimspace(var.dr.residency_exception.approved_by)) > 0 && can(timecmp("${var.dr.residency_exception.expires}T23:59:59Z", plantimestamp())), false)
    error_message = "dr: data leaves Canada in this region; residency_exception needs a reason, approved_by and expires (YYYY-MM-DD)."
  }

  validation {
    condition     = var.dr == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.dr.region))
    error_message = "dr: region is a region's code, such as ca-west-1."
  }

  # Records of one environment among those of another would be read by its tasks, and ended by its rules. So their names are not
  # given, and the topic, which is, says whose it is.
  validation {
    condition     = var.dr == null || try(can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", var.dr.bucket_suffix)) && var.dr.bucket_suffix != var.bucket_suffix, false)
    error_message = "dr: bucket_suffix is that of environments/dr: lower-case letters, digits and single hyphens, and another one than that of the buckets here."
  }

  validation {
    condition     = var.dr == null || try(endswith(var.dr.alarm_topic_arn, ":${var.project_name}-${var.environment}-dr-alerts"), false)
    error_message = "dr: alarm_topic_arn is that of this environment, PROJECT-ENVIRONMENT-dr-alerts, as the output sns_alerts_topic_arn of environments/dr has it."
  }

  # Objects would go there and the database would not, which nobody would notice before the outage.
  validation {
    condition     = var.dr == null || try(var.dr.replicate_automated_backups, false) || try(var.dr.snapshot_copier_zip != null, false) || try(length(split(" ", trimspace(var.dr.copied_by))) >= 3, false)
    error_message = "dr: nothing takes the database to the DR region. Replicate automated backups, name a snapshot_copier_zip, or say in copied_by, in three words or more, who copies snapshots."
  }

  validation {
    condition     = var.dr == null || can(regex("^arn:aws[a-z-]*:kms:${var.dr.region}:[0-9]{12}:key/[A-Za-z0-9-]+$", var.dr.kms_key_arn))
    error_message = "dr: kms_key_arn is the ARN of a KMS key in dr.region."
  }

  validation {
    condition     = var.dr == null || can(regex("^arn:aws[a-z-]*:sns:${var.dr.region}:[0-9]{12}:[A-Za-z0-9_-]+$", var.dr.alarm_topic_arn))
    error_message = "dr: alarm_topic_arn is the ARN of a topic in dr.region."
  }
}
