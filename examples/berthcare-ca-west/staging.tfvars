# terraform/environments/staging for this infra.toml: copy to terraform.tfvars there. environments/dr is applied first: its outputs
# go into `dr`.

project_name = "berthcare"
environment  = "staging"
aws_region   = "ca-central-1"

alarm_email = "your-email@example.com" # Update this: the example's address is refused.

# Files are served to URLs that one of these keys has signed; docs/terraform.md says how to make one.
cdn_signing_keys = {} # Update this: without a key the plan is refused.

# dr = {
#   region          = "ca-west-1"
#   kms_key_arn     = "arn:aws:kms:ca-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#   alarm_topic_arn = "arn:aws:sns:ca-west-1:111122223333:berthcare-staging-dr-alerts"
#   bucket_suffix   = "ca-west"
#   # As infra.toml has it by default.
#   keep_days = 7
# }
