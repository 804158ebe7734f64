locals {
  names = distinct(concat([var.domain_name], var.alternative_names))

  # The records that prove it. The attribute is looked up, not named, because schemas cut down for tests do not carry it.
  options = try([for certificate in [aws_acm_certificate.this] : certificate.domain_validation_options][0], null)
  proofs = {
    for name in local.names : name => {
      name  = try(one([for option in local.options : option.resource_record_name if option.domain_name == name]), "_unknown.${name}")
      type  = try(one([for option in local.options : option.resource_record_type if option.domain_name == name]), "CNAME")
      value = try(one([for option in local.options : option.resource_record_value if option.domain_name == name]), "unknown")
    }
  }
}

resource "aws_acm_certificate" "this" {
  region = var.region

  domain_name               = var.domain_name
  subject_alternative_names = var.alternative_names
  validation_method         = "DNS"

  tags = merge(var.tags, { Name = var.domain_name })

  lifecycle {
    # A listener or a distribution lets go of the old one after it has the new one.
    create_before_destroy = true
  }
}

# The same records in every region and for every renewal, so that the certificates of both regions share them.
resource "aws_route53_record" "proof" {
  for_each = var.zone_id == null ? {} : local.proofs

  zone_id         = var.zone_id
  name            = each.value.name
  type            = each.value.type
  ttl             = 300
  records         = [each.value.value]
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = var.zone_id == null ? 0 : 1

  region = var.region

  certificate_arn         = aws_acm_certificate.this.arn
  validation_record_fqdns = [for record in aws_route53_record.proof : record.fqdn]

  timeouts {
    create = var.timeouts.create
  }
}
