output "vpc_id" {
  description = "ID of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "IPv4 block of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "IDs of the public subnets, one in each zone."
  value       = [for key in sort(keys(local.subnets)) : aws_subnet.public[key].id]
}

output "private_subnet_ids" {
  description = "IDs of the private subnets, one in each zone."
  value       = [for key in sort(keys(local.subnets)) : aws_subnet.private[key].id]
}

output "availability_zones" {
  description = "Zones in use."
  value       = local.zones
}

output "nat_gateway_ids" {
  description = "IDs of the NAT gateways."
  value       = [for key in sort(keys(local.nat)) : aws_nat_gateway.this[key].id]
}

output "nat_public_ips" {
  description = "Addresses from which the private subnets reach the internet."
  value       = [for key in sort(keys(local.nat)) : aws_eip.nat[key].public_ip]
}

output "flow_log_id" {
  description = "ID of the flow log."
  value       = aws_flow_log.this.id
}

output "flow_log_group_name" {
  description = "Log group of the flow logs."
  value       = aws_cloudwatch_log_group.flow.name
}

output "nat_addresses" {
  description = "Public addresses from which what runs here reaches others."
  value       = [for address in aws_eip.nat : address.public_ip]
}
