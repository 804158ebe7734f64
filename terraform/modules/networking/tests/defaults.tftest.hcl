mock_provider "aws" {
  source = "../../testing/mocks"
}

variables {
  name        = "berthcare-staging"
  kms_key_arn = "arn:aws:kms:ca-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

run "defaults" {
  assert {
    condition     = aws_vpc.this.cidr_block == "10.0.0.0/16" && aws_vpc.this.enable_dns_hostnames && aws_vpc.this.enable_dns_support
    error_message = "the VPC is 10.0.0.0/16 with DNS"
  }
  assert {
    condition     = [for key in ["0", "1"] : aws_subnet.public[key].cidr_block] == ["10.0.0.0/20", "10.0.16.0/20"]
    error_message = "two public subnets"
  }
  assert {
    condition     = [for key in ["0", "1"] : aws_subnet.private[key].cidr_block] == ["10.0.128.0/20", "10.0.144.0/20"]
    error_message = "two private subnets"
  }
  assert {
    condition     = [for key in ["0", "1"] : aws_subnet.private[key].availability_zone] == ["ca-central-1a", "ca-central-1b"] && [for key in ["0", "1"] : aws_subnet.public[key].availability_zone] == ["ca-central-1a", "ca-central-1b"]
    error_message = "each pair in its own zone"
  }
  assert {
    condition     = alltrue([for subnet in concat(values(aws_subnet.public), values(aws_subnet.private)) : !subnet.map_public_ip_on_launch])
    error_message = "nothing gets a public address by itself"
  }
  assert {
    condition     = length(aws_subnet.public) == 2 && length(aws_subnet.private) == 2
    error_message = "two and two"
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 2 && length(aws_eip.nat) == 2
    error_message = "one NAT gateway in each zone"
  }
  assert {
    condition     = alltrue([for key in ["0", "1"] : aws_nat_gateway.this[key].subnet_id == aws_subnet.public[key].id && aws_nat_gateway.this[key].connectivity_type == "public"])
    error_message = "NAT gateways stand in the public subnet of their zone"
  }
  assert {
    condition     = alltrue([for key in ["0", "1"] : aws_route.nat[key].nat_gateway_id == aws_nat_gateway.this[key].id && aws_route.nat[key].route_table_id == aws_route_table.private[key].id && aws_route.nat[key].destination_cidr_block == "0.0.0.0/0"])
    error_message = "each private subnet leaves through its own zone"
  }
  assert {
    condition     = aws_route.internet.gateway_id == aws_internet_gateway.this.id && aws_route.internet.route_table_id == aws_route_table.public.id && aws_route.internet.destination_cidr_block == "0.0.0.0/0"
    error_message = "public subnets reach the internet gateway"
  }
  assert {
    condition     = alltrue([for key in ["0", "1"] : aws_route_table_association.private[key].route_table_id == aws_route_table.private[key].id && aws_route_table_association.private[key].subnet_id == aws_subnet.private[key].id])
    error_message = "private subnets use private tables"
  }
  assert {
    condition     = alltrue([for key in ["0", "1"] : aws_route_table_association.public[key].route_table_id == aws_route_table.public.id && aws_route_table_association.public[key].subnet_id == aws_subnet.public[key].id])
    error_message = "public subnets use the public table"
  }
  assert {
    condition     = toset([for endpoint in aws_vpc_endpoint.gateway : endpoint.service_name]) == toset(["com.amazonaws.ca-central-1.s3", "com.amazonaws.ca-central-1.dynamodb"]) && alltrue([for endpoint in aws_vpc_endpoint.gateway : endpoint.vpc_endpoint_type == "Gateway"])
    error_message = "gateway endpoints for S3 and DynamoDB"
  }
  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.gateway : toset(endpoint.route_table_ids) == toset([for table in aws_route_table.private : table.id])])
    error_message = "the private tables know the endpoints"
  }
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_flow_log.this.vpc_id == aws_vpc.this.id && aws_flow_log.this.log_destination == aws_cloudwatch_log_group.flow.arn
    error_message = "flow logs record all traffic of the VPC"
  }
  assert {
    condition     = aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.flow.retention_in_days == 365
    error_message = "flow logs are encrypted and kept for a year"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.flow.policy).Statement[0].Resource == ["arn:aws:logs:ca-central-1:111122223333:log-group:/vpc/berthcare-staging/flow-logs:*"]
    error_message = "the role of the flow logs writes to their group alone"
  }
  assert {
    condition     = jsondecode(aws_iam_role.flow.assume_role_policy).Statement[0].Principal.Service == "vpc-flow-logs.amazonaws.com" && jsondecode(aws_iam_role.flow.assume_role_policy).Statement[0].Condition == { StringEquals = { "aws:SourceAccount" = "111122223333" }, ArnLike = { "aws:SourceArn" = "arn:aws:ec2:ca-central-1:111122223333:vpc-flow-log/*" } }
    error_message = "only flow logs of this account and region take the role"
  }
  assert {
    condition     = length(coalesce(aws_default_security_group.this.ingress, [])) == 0 && length(coalesce(aws_default_security_group.this.egress, [])) == 0
    error_message = "the default group lets nothing through"
  }
}

run "one_nat_gateway" {
  variables {
    nat_gateways = "single"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_eip.nat) == 1
    error_message = "one gateway and one address"
  }
  assert {
    condition     = alltrue([for route in aws_route.nat : route.nat_gateway_id == aws_nat_gateway.this["0"].id]) && length(aws_route.nat) == 2
    error_message = "both private subnets leave through it"
  }
}

run "no_nat_gateway" {
  variables {
    nat_gateways = "none"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 0 && length(aws_route.nat) == 0
    error_message = "nothing to pay for, and no way out"
  }
}

run "three_zones_by_name" {
  variables {
    az_count           = 3
    availability_zones = ["ca-central-1d", "ca-central-1b", "ca-central-1a"]
  }

  assert {
    condition     = output.availability_zones == tolist(["ca-central-1d", "ca-central-1b", "ca-central-1a"]) && length(aws_nat_gateway.this) == 3
    error_message = "three zones, in the order given"
  }
  assert {
    condition     = length(distinct([for subnet in concat(values(aws_subnet.public), values(aws_subnet.private)) : subnet.cidr_block])) == 6
    error_message = "six different networks"
  }
}

run "outputs" {
  assert {
    condition     = output.public_subnet_ids == [aws_subnet.public["0"].id, aws_subnet.public["1"].id] && output.private_subnet_ids == [aws_subnet.private["0"].id, aws_subnet.private["1"].id]
    error_message = "subnets in the order of zones, public and private not mixed up"
  }
  assert {
    condition     = output.nat_gateway_ids == [aws_nat_gateway.this["0"].id, aws_nat_gateway.this["1"].id] && output.vpc_id == aws_vpc.this.id
    error_message = "gateways and VPC"
  }
}

run "addresses_before_gateways" {
  variables {
    nat_gateways          = "none"
    reserve_nat_addresses = true
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_eip.nat) == 2 && length(output.nat_addresses) == 2 && length(aws_route.nat) == 0
    error_message = "what partners let in is known before anything runs"
  }
}
