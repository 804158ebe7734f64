# terraform/environments/dr for this infra.toml: copy to terraform.tfvars there.

project_name   = "berthcare"
environment    = "staging"
primary_region = "ca-central-1"
aws_region     = "ca-west-1"
bucket_suffix  = "ca-west"

alarm_email = "your-email@example.com" # Update this: the example's address is refused.

# The public keys of cdn_signing_keys in environments/staging, so that the application goes on signing with what it has.
cdn_signing_keys = {} # Update this: without a key the plan is refused.
