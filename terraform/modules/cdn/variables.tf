variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.name)) && length(var.name) <= 40
    error_message = "name: at most 40 lower-case letters, digits and single hyphens; a letter first."
  }
}

variable "origins" {
  description = "Regional domain name of each bucket by kind; a kind is served under /KIND/, and `default_origin` also under everything else."
  type        = map(string)

  validation {
    condition     = length(var.origins) > 0 && alltrue([for kind in keys(var.origins) : can(regex("^[a-z][a-z0-9-]*$", kind))])
    error_message = "origins: at least one, each named in lower-case letters, digits and hyphens."
  }
}

variable "dr_origins" {
  description = "Regional domain name of each bucket's copy in the DR region, by kind: it is read where the bucket does not answer. The copies' policies have to let this distribution read."
  type        = map(string)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.dr_origins), keys(var.origins))) == 0 && length(setintersection(values(var.dr_origins), values(var.origins))) == 0
    error_message = "dr_origins: of kinds that are origins, and other buckets than theirs."
  }
}

variable "default_origin" {
  description = "Kind that serves paths of no other kind."
  type        = string
  default     = "photos"
  nullable    = false

  validation {
    condition     = contains(keys(var.origins), var.default_origin)
    error_message = "default_origin: one of the origins."
  }
}

variable "log_bucket_arn" {
  description = "Bucket of the access logs."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.log_bucket_arn))
    error_message = "log_bucket_arn: the ARN of a bucket."
  }
}

variable "log_bucket_policy_id" {
  description = "Policy of that bucket, which has to let CloudFront's deliveries in before there is one."
  type        = string
}

variable "countries" {
  description = "Countries that are served (ISO 3166-1)."
  type        = list(string)
  default     = ["CA", "US"]
  nullable    = false

  validation {
    condition     = length(var.countries) > 0 && alltrue([for country in var.countries : can(regex("^[A-Z]{2}$", country))])
    error_message = "countries: at least one code of two capital letters."
  }
}

variable "price_class" {
  description = "Edge locations in use. PriceClass_100 has those of the United States, Canada, Europe and Israel."
  type        = string
  default     = "PriceClass_100"
  nullable    = false

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "price_class: PriceClass_100, PriceClass_200 or PriceClass_All."
  }
}

variable "domain" {
  description = "Own names and their ACM certificate of us-east-1. Without it viewers use *.cloudfront.net, where CloudFront fixes the lowest TLS version and takes none from us."
  type = object({
    aliases         = list(string)
    certificate_arn = string
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^arn:aws[a-z-]*:acm:us-east-1:[0-9]{12}:certificate/[0-9a-f-]+$", var.domain.certificate_arn))
    error_message = "domain: certificate_arn is an ACM certificate of us-east-1, the only region CloudFront reads."
  }

  validation {
    condition     = var.domain == null || try(length(var.domain.aliases) > 0 && alltrue([for alias in var.domain.aliases : can(regex("^(\\*\\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", alias))]), false)
    error_message = "domain: aliases are at least one host name."
  }
}

variable "signing_keys" {
  description = "Public keys (PEM) by name: viewers need URLs or cookies signed by one of them. Needed, unless every origin is in `public_read`."
  type        = map(string)
  default     = {}

  # Without keys, whoever learns the name of an object reads somebody's health record.
  validation {
    condition     = length(var.signing_keys) > 0 || length(setsubtract(keys(var.origins), keys(var.public_read))) == 0
    error_message = "signing_keys: at least one public key. Without it everybody could read ${join(", ", setsubtract(keys(var.origins), keys(var.public_read)))}; a kind that may be public has its reason in public_read."
  }

  validation {
    condition     = alltrue([for key in values(var.signing_keys) : can(regex("^-----BEGIN PUBLIC KEY-----\n[A-Za-z0-9+/=\n]+\n-----END PUBLIC KEY-----\n?$", key))])
    error_message = "signing_keys: public keys in PEM form, without a private one."
  }
}

variable "public_read" {
  description = "Why a kind may be read by everybody who knows an object's name, by kind. Kinds that are not here need signed URLs."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for reason in values(var.public_read) : length(split(" ", trimspace(reason))) >= 3])
    error_message = "public_read: the reason is a sentence of three words or more."
  }

  validation {
    condition     = length(setsubtract(keys(var.public_read), keys(var.origins))) == 0
    error_message = "public_read: kinds that are origins."
  }
}

variable "web_acl_arn" {
  description = "AWS WAF web ACL of scope CLOUDFRONT; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.web_acl_arn == null || can(regex("^arn:aws[a-z-]*:wafv2:us-east-1:[0-9]{12}:global/webacl/[^/]+/[0-9a-f-]+$", var.web_acl_arn))
    error_message = "web_acl_arn: a global web ACL, which lives in us-east-1."
  }
}

variable "tags" {
  description = "Further tags of everything here."
  type        = map(string)
  default     = {}
}
