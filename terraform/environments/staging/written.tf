# An attribute that an object's type has not is dropped by Terraform without a word. So the files that it reads by itself are read
# once more, as they are written. What comes by -var, -var-file or TF_VAR_… is not seen here.
locals {
  written = concat(
    [for file in setunion(fileset(path.module, "terraform.tfvars"), fileset(path.module, "*.auto.tfvars")) : provider::terraform::decode_tfvars(file("${path.module}/${file}"))],
    [for file in setunion(fileset(path.module, "terraform.tfvars.json"), fileset(path.module, "*.auto.tfvars.json")) : jsondecode(file("${path.module}/${file}"))],
  )

  # By the types of the variables, which have each attribute, given or not.
  objects = merge(
    {
      application   = var.application
      audit_trail   = var.audit_trail
      cdn_domain    = var.cdn_domain
      dns           = var.dns
      dr            = var.dr
      module_inputs = var.module_inputs
      off_hours     = var.off_hours
    },
    { for name, inputs in var.module_inputs : "module_inputs.${name}" => inputs },
  )

  unknown_attributes = sort(distinct(flatten([
    for file in local.written : [
      for name, object in local.objects : [
        for attribute in try(keys(startswith(name, "module_inputs.") ? file.module_inputs[trimprefix(name, "module_inputs.")] : file[name]), []) :
        "${name}.${attribute}" if !contains(try(keys(object), [attribute]), attribute)
      ]
    ]
  ])))
}
