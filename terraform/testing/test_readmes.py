"""The READMEs are in terraform-docs' format: check.py runs this in its step `readmes`. What is expected here is what
terraform-docs wrote for modules of terraform-aws-modules that have the same (docs/terraform.md, "For a platform team")."""

import pathlib
import tempfile
import unittest

import readmes

VERSIONS = '''terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}
'''
MAIN = '''data "aws_region" "current" {}

resource "aws_kms_key" "this" {}

module "log_group" {
  source = "../log-group"
}
'''
VARIABLES = '''variable "key_users" {
  description = "Who may use it, see [users](https://example.com/key_users.html); `key_users` and *others* | none"
  type        = list(string)
  default     = []
}

variable "grants" {
  description = "Grants"
  type = map(object({
    name = optional(string)
  }))
}

variable "kinds" {
  description = "Kinds"
  type        = list(string)
  default     = ["a", "b"]
}
'''
OUTPUTS = '''output "key_arn" {
  description = "The key_arn"
  value       = aws_kms_key.this.arn
}
'''
EXPECTED = r'''<!-- BEGIN_TF_DOCS -->
## Requirements

| Name | Version |
|------|---------|
| <a name="requirement_terraform"></a> [terraform](#requirement\_terraform) | >= 1.10 |
| <a name="requirement_aws"></a> [aws](#requirement\_aws) | ~> 6.0 |

## Providers

| Name | Version |
|------|---------|
| <a name="provider_aws"></a> [aws](#provider\_aws) | ~> 6.0 |

## Modules

| Name | Source | Version |
|------|--------|---------|
| <a name="module_log_group"></a> [log\_group](#module\_log\_group) | ../log-group | n/a |

## Resources

| Name | Type |
|------|------|
| [aws_kms_key.this](https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/kms_key) | resource |
| [aws_region.current](https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/region) | data source |

## Inputs

| Name | Description | Type | Default | Required |
|------|-------------|------|---------|:--------:|
| <a name="input_grants"></a> [grants](#input\_grants) | Grants | <pre>map(object({<br/>    name = optional(string)<br/>  }))</pre> | n/a | yes |
| <a name="input_key_users"></a> [key\_users](#input\_key\_users) | Who may use it, see [users](https://example.com/key_users.html); `key_users` and \*others\* \| none | `list(string)` | `[]` | no |
| <a name="input_kinds"></a> [kinds](#input\_kinds) | Kinds | `list(string)` | <pre>[<br/>  "a",<br/>  "b"<br/>]</pre> | no |

## Outputs

| Name | Description |
|------|-------------|
| <a name="output_key_arn"></a> [key\_arn](#output\_key\_arn) | The key\_arn |
<!-- END_TF_DOCS -->'''


class Format(unittest.TestCase):
    maxDiff = None

    def test_tables_are_those_of_terraform_docs(self):
        with tempfile.TemporaryDirectory() as temporary:
            folder = pathlib.Path(temporary)
            for name, text in (("versions", VERSIONS), ("main", MAIN), ("variables", VARIABLES), ("outputs", OUTPUTS)):
                (folder / f"{name}.tf").write_text(text)
            self.assertEqual(readmes.tables(folder), EXPECTED)


if __name__ == "__main__":
    unittest.main()
