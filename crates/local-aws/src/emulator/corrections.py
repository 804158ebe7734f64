# What the emulator answers otherwise than AWS, and what tests of whole stacks would notice.
import json

from ministack.services import elasticache, iam, s3, secretsmanager, sns


def changed(answer, change):
    status, headers, body = answer
    text = body.decode() if isinstance(body, bytes) else body
    return status, headers, change(text).encode()


# ElastiCache: nodes of a group with one shard are GROUP-001, GROUP-002; a group shows its KMS key; a change of a
# group is one of its nodes.
create_group, modify_group = elasticache._create_replication_group, elasticache._modify_replication_group
decrease, increase = elasticache._decrease_replica_count, elasticache._increase_replica_count
group_xml = elasticache._rg_xml


def settle(group):
    """Names the nodes of a group, and keeps exactly those."""
    name, known, kept = group["ReplicationGroupId"], elasticache._clusters, []
    for shard in group["NodeGroups"]:
        for number, node in enumerate(shard["NodeGroupMembers"], 1):
            old = node["CacheClusterId"]
            if len(group["NodeGroups"]) == 1:
                node["CacheClusterId"] = f"{name}-{number:03d}"
            new = node["CacheClusterId"]
            kept.append(new)
            if new in known:
                continue
            model = known.pop(old, None) or dict(next(known[id] for id in kept if id in known))
            arn = elasticache._arn_cluster(new)
            tags = elasticache._tags.pop(model["CacheClusterArn"], None) or elasticache._tags.get(group["ARN"], [])
            known[new] = {**model, "CacheClusterId": new, "CacheClusterArn": arn}
            elasticache._tags[arn] = list(tags)
    for gone in set(group["MemberClusters"]) - set(kept):
        known.pop(gone, None)
    group["MemberClusters"] = kept


def of_group(original, action, take=lambda p, group: None):
    def handler(p):
        answer = original(p)
        group = elasticache._replication_groups.get(elasticache._p(p, "ReplicationGroupId"))
        if answer[0] != 200 or group is None:
            return answer
        settle(group)
        take(p, group)
        body = f"<ReplicationGroup>{elasticache._rg_xml(group)}</ReplicationGroup>"
        return elasticache._xml(200, f"{action}Response", f"<{action}Result>{body}</{action}Result>")

    return handler


def take_key(p, group):
    if elasticache._p(p, "KmsKeyId"):
        group["KmsKeyId"] = elasticache._p(p, "KmsKeyId")


def take_changes(p, group):
    groups = elasticache._extract_configs(p, "SecurityGroupIds", ("SecurityGroupId", "member"))
    if groups:
        group["SecurityGroups"] = [{"SecurityGroupId": id, "Status": "active"} for id in groups]
    if elasticache._p(p, "TransitEncryptionMode"):
        group["TransitEncryptionMode"] = elasticache._p(p, "TransitEncryptionMode")
    for id in group["MemberClusters"]:
        names = "SecurityGroups", "SnapshotRetentionLimit", "SnapshotWindow", "TransitEncryptionMode", "AuthTokenEnabled"
        elasticache._clusters[id].update({name: group[name] for name in names})


elasticache._create_replication_group = of_group(create_group, "CreateReplicationGroup", take_key)
elasticache._modify_replication_group = of_group(modify_group, "ModifyReplicationGroup", take_changes)
elasticache._decrease_replica_count = of_group(decrease, "DecreaseReplicaCount")
elasticache._increase_replica_count = of_group(increase, "IncreaseReplicaCount")
elasticache._rg_xml = lambda group: group_xml(group) + (
    f"<KmsKeyId>{group['KmsKeyId']}</KmsKeyId>" if group.get("KmsKeyId") else ""
)

# SNS: a subscription by e-mail waits until somebody confirms it. The token that AWS would mail is here the last
# part of the subscription's ARN.
subscribe = sns._subscribe


def subscribe_pending(params):
    answer = subscribe(params)
    if answer[0] != 200 or not sns._p(params, "Protocol").startswith("email"):
        return answer
    topic, _ = sns._get_topic(sns._p(params, "TopicArn"))
    asked = sns._p(params, "Protocol"), sns._p(params, "Endpoint")
    found = next(s for s in topic["subscriptions"] if (s["protocol"], s["endpoint"]) == asked)
    if not found.get("asked"):
        found.update(asked=True, confirmed=False, token=found["arn"].rpartition(":")[2])
        found["attributes"].update(PendingConfirmation="true", ConfirmationWasAuthenticated="false")
        sns._refresh_subscription_counts(topic)
    if found["confirmed"] or sns._p(params, "ReturnSubscriptionArn") == "true":
        return answer
    return changed(answer, lambda text: text.replace(found["arn"], "pending confirmation"))


def without_pending(original):
    def handler(params):
        def hide(text):
            for topic in sns._topics.values():
                for found in topic["subscriptions"]:
                    if not found["confirmed"]:
                        text = text.replace(f"<SubscriptionArn>{found['arn']}<", "<SubscriptionArn>PendingConfirmation<")
            return text

        return changed(original(params), hide)

    return handler


sns._subscribe = subscribe_pending
sns._list_subscriptions = without_pending(sns._list_subscriptions)
sns._list_subscriptions_by_topic = without_pending(sns._list_subscriptions_by_topic)

# Secrets Manager: a secret of another service says whose it is.
describe_secret = secretsmanager._describe_secret


def describe_owner(data):
    def owner(text):
        secret = json.loads(text)
        tags = {tag["Key"]: tag["Value"] for tag in secret.get("Tags", [])}
        if "aws:secretsmanager:owningService" in tags:
            secret["OwningService"] = tags["aws:secretsmanager:owningService"]
        return json.dumps(secret)

    answer = describe_secret(data)
    return changed(answer, owner) if answer[0] == 200 else answer


secretsmanager._describe_secret = describe_owner

# Secrets Manager: a replica is promoted in its own region, and keeps its ARN.
answer_secrets = secretsmanager.handle_request


async def with_promotion(method, path, headers, body, query_params):
    if not headers.get("x-amz-target", "").endswith(".StopReplicationToReplica"):
        return await answer_secrets(method, path, headers, body, query_params)
    refuse = secretsmanager.error_response_json
    _, secret = secretsmanager._resolve(json.loads(body or "{}").get("SecretId"))
    if not secret:
        return refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", 400)
    if not secretsmanager._is_replica(secret):
        return refuse("InvalidRequestException", "You can't perform this operation on a primary secret.", 400)
    secretsmanager._unlink_from_primary(secret)
    for link in ("_PrimarySecretArn", "_PrimaryRegion"):
        secret.pop(link, None)
    return secretsmanager.json_response({"ARN": secret["ARN"]})


secretsmanager.handle_request = with_promotion

# S3: whether a bucket's policy is public; the emulator knows, but is not asked.
list_objects = s3._list_objects_v1


def policy_status(name, query_params):
    if "policyStatus" not in query_params:
        return list_objects(name, query_params)
    answer = s3._get_bucket_policy(name)
    if answer[0] != 200:
        return answer
    public = str(s3._policy_is_public(answer[2].decode())).lower()
    body = f'<PolicyStatus xmlns="{s3.S3_NS}"><IsPublic>{public}</IsPublic></PolicyStatus>'
    return 200, {"Content-Type": "application/xml"}, body.encode()


s3._list_objects_v1 = policy_status

# IAM: a policy of AWS's own that RDS wants for enhanced monitoring.
iam._aws_managed_policies[f"{iam._AWS_MANAGED_POLICY_PREFIX}service-role/AmazonRDSEnhancedMonitoringRole"] = (
    iam._make_aws_managed_record(
        "service-role/AmazonRDSEnhancedMonitoringRole",
        json.dumps({"Version": "2012-10-17", "Statement": [
            {
                "Sid": "EnableCreationAndManagementOfRDSCloudwatchLogGroups",
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:PutRetentionPolicy"],
                "Resource": ["arn:aws:logs:*:*:log-group:RDS*"],
            },
            {
                "Sid": "EnableCreationAndManagementOfRDSCloudwatchLogStreams",
                "Effect": "Allow",
                "Action": [
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "logs:DescribeLogStreams",
                    "logs:GetLogEvents",
                ],
                "Resource": ["arn:aws:logs:*:*:log-group:RDS*:log-stream:*"],
            },
        ]}),
        "Provides access to Cloudwatch for RDS Enhanced Monitoring",
    )
)
