# What EC2 of the base leaves out: a flow log's group, role and deliveries, its tags at creation, and the
# addresses of NAT gateways. A flow log delivers while its role and its log group are there.
import re

from ministack.services import cloudwatch_logs, ec2, iam

create_flow_logs, describe_flow_logs = ec2._create_flow_logs, ec2._describe_flow_logs
describe_nat_gateways = ec2._describe_nat_gateways


def make_flow_logs(params):
    before = set(ec2._flow_logs)
    answer = create_flow_logs(params)
    for log in set(ec2._flow_logs) - before:
        ec2._flow_logs[log]["Role"] = ec2._p(params, "DeliverLogsPermissionArn")
        ec2._flow_logs[log]["Interval"] = ec2._p(params, "MaxAggregationInterval") or "600"
        ec2._parse_tag_specs(params, "vpc-flow-log", log)
    return answer


def group_of(log):
    return re.sub(r"^arn:.*:log-group:|:\*$", "", log.get("LogDestination") or "")


def more_of_flow_log(match):
    log = ec2._flow_logs.get(match[1])
    if not log or log["LogDestinationType"] != "cloud-watch-logs":
        return match[0]
    group, role = group_of(log), log.get("Role") or ""
    if group not in cloudwatch_logs._log_groups:
        delivery = ("FAILED", "Unknown error")
    elif role.rpartition("/")[2] not in iam._roles:
        delivery = ("FAILED", "Access error")
    else:
        delivery = ("SUCCESS", "")
    fields = {
        "logGroupName": group, "deliverLogsPermissionArn": role, "maxAggregationInterval": log.get("Interval"),
        "deliverLogsStatus": delivery[0], "deliverLogsErrorMessage": delivery[1],
    }
    return match[0] + "".join(f"<{name}>{ec2._esc(value)}</{name}>" for name, value in fields.items() if value)


def show_flow_logs(params):
    status, headers, body = describe_flow_logs(params)
    text = re.sub(r"<flowLogId>(fl-\w+)</flowLogId>", more_of_flow_log, body.decode())
    return status, headers, text.encode()


def addresses_of(match):
    gateway = ec2._nat_gateways.get(match[1], {})
    address = ec2._addresses.get(gateway.get("AllocationId"), {})
    if not address:
        return match[0]
    item = f"<allocationId>{address['AllocationId']}</allocationId><publicIp>{address['PublicIp']}</publicIp>"
    return match[0].replace("<natGatewayAddressSet/>", f"<natGatewayAddressSet><item>{item}</item></natGatewayAddressSet>")


def show_nat_gateways(params):
    status, headers, body = describe_nat_gateways(params)
    text = re.sub(r"<natGatewayId>(nat-\w+)</natGatewayId>.*?<natGatewayAddressSet/>", addresses_of, body.decode(), flags=re.S)
    return status, headers, text.encode()


ec2._ACTION_MAP.update(
    CreateFlowLogs=make_flow_logs, DescribeFlowLogs=show_flow_logs, DescribeNatGateways=show_nat_gateways,
)
