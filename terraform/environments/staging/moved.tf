moved {
  from = terraform_data.database
  to   = module.database.terraform_data.made[0]
}
