output "schedule_names" {
  description = "Schedules that stop and start the instance."
  value       = [for schedule in aws_scheduler_schedule.this : schedule.name]
}

output "keeper_name" {
  description = "State machine that stops the instance again after seven days; null when it is started by schedule."
  value       = one([for machine in aws_sfn_state_machine.keeper : machine.name])
}
