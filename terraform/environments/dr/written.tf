# A name that is no variable's, and an attribute that an object's type has not, are dropped by Terraform, the attribute without a
# word. So the files that it reads by itself are read once more, as they are written. What comes by -var, -var-file or TF_VAR_… is
# not seen here.
locals {
  written = concat(
    [for file in setunion(fileset(path.module, "terraform.tfvars"), fileset(path.module, "*.auto.tfvars")) : provider::terraform::decode_tfvars(file("${path.module}/${file}"))],
    [for file in setunion(fileset(path.module, "terraform.tfvars.json"), fileset(path.module, "*.auto.tfvars.json")) : jsondecode(file("${path.module}/${file}"))],
  )

  declared = flatten(regexall("(?m)^variable \"(\\w+)\" ", file("${path.module}/variables.tf")))

  # By their types, which have each attribute, given or not.
  known = {
    application         = var.application
    cdn_domain          = var.cdn_domain
    dns                 = var.dns
    module_inputs       = var.module_inputs
    recovery            = var.recovery
    residency_exception = var.residency_exception
  }

  # Every object by its path: first as the types have it, then as each file does.
  objects = [
    for one in concat([local.known], local.written) : merge(
      one,
      { for name, inputs in try(one.module_inputs, {}) : "module_inputs.${name}" => inputs },
      { for name, inputs in try(one.module_inputs, {}) : "module_inputs.${name}.timeouts" => inputs.timeouts if can(inputs.timeouts) },
    )
  ]

  unknown = sort(distinct(flatten([
    [for file in local.written : setsubtract(keys(file), local.declared)],
    [
      for file in slice(local.objects, 1, length(local.objects)) : [
        for path, object in local.objects[0] : [
          for attribute in try(keys(file[path]), []) : "${path}.${attribute}" if !contains(try(keys(object), [attribute]), attribute)
        ]
      ]
    ],
  ])))
}
