mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  domain_name = "api.staging.berthcare.ca"
  zone_id     = "Z0123456789ABC"
}

run "certificate" {
  assert {
    condition     = aws_acm_certificate.this.validation_method == "DNS" && aws_acm_certificate.this.domain_name == "api.staging.berthcare.ca"
    error_message = "proven by DNS, so that it renews itself"
  }
  assert {
    condition     = toset(keys(aws_route53_record.proof)) == toset(["api.staging.berthcare.ca"]) && alltrue([for record in aws_route53_record.proof : record.zone_id == "Z0123456789ABC" && record.allow_overwrite])
    error_message = "in the zone, whoever of the two regions comes first"
  }
  assert {
    condition     = output.arn == aws_acm_certificate_validation.this[0].certificate_arn && one(aws_acm_certificate_validation.this[*].timeouts.create) == "1h"
    error_message = "used when it is issued"
  }
}

run "for_cloudfront" {
  variables {
    region            = "us-east-1"
    alternative_names = ["files.staging.berthcare.ca"]
  }

  assert {
    condition     = aws_acm_certificate.this.region == "us-east-1" && aws_acm_certificate_validation.this[0].region == "us-east-1" && length(aws_route53_record.proof) == 2
    error_message = "where CloudFront looks for it"
  }
}

run "without_a_zone" {
  variables {
    zone_id = null
  }

  assert {
    condition     = length(aws_route53_record.proof) == 0 && length(aws_acm_certificate_validation.this) == 0 && output.arn == aws_acm_certificate.this.arn && length(output.proofs) == 1
    error_message = "the records are told, and nobody waits"
  }
}
