moved {
  from = module.database[0]
  to   = module.database
}

moved {
  from = module.cache[0]
  to   = module.cache
}

moved {
  from = module.cdn[0]
  to   = module.cdn
}
