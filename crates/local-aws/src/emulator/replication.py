# While a region is down, nothing replicates into it or out of it, as on AWS: S3 objects stay PENDING, writes
# to global tables wait, and what waited is written in order when both regions are up. The proxy names the
# regions that are down with every request; a number tells which of two requests under way at once knows more.
import copy

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import dynamodb, s3

REGIONS_DOWN = b"x-local-aws-regions-down"
seen, down, waiting = -1, frozenset(), []


def held(regions, deliver):
    """Keeps `deliver` for later if one of `regions` is down."""
    if not regions & down:
        return False
    waiting.append((get_account_id(), get_region(), regions, deliver))
    return True


def learn(header):
    global seen, down
    number, _, names = header.decode().partition(" ")
    if int(number) <= seen:
        return
    seen, down = int(number), frozenset(names.split())
    ready = [entry for entry in waiting if not entry[2] & down]
    waiting[:] = [entry for entry in waiting if entry[2] & down]
    for account, region, _, deliver in ready:
        with request_scope(account, region):
            deliver()
    if not waiting and not down:
        last_write.clear()


async def app_with_regions(scope, receive, send):
    for name, value in scope.get("headers", ()):
        if name == REGIONS_DOWN:
            learn(value)
    await app(scope, receive, send)


# S3
replicate_marker = s3._maybe_replicate_delete_marker


def is_denied(target, key, role, actions):
    """Whether the destination's policy denies one of `actions` to the role; S3 asks for them over TLS."""
    name, account, _ = target
    policy = s3._bucket_policies.get_scoped(account, None, name)
    parts = role.split(":")
    asked = {
        "principal_arn": role,
        "principal_type": "AssumedRole",
        "principal_account": parts[4] if len(parts) > 4 else account,
        "resource_arn": f"arn:aws:s3:::{name}/{key}",
        "region": s3.bucket_region(name),
        "secure_transport": True,
    }
    decisions = (evaluate_resource_policy(policy, EvalContext(action=action, **asked)).decision for action in actions)
    return bool(policy) and "Deny" in decisions


def actions_for(rule, tags):
    owned = (rule.get("Destination") or {}).get("AccessControlTranslation")
    wanted = [("s3:ReplicateObject", True), ("s3:ReplicateTags", tags), ("s3:ObjectOwnerOverrideToBucketOwner", owned)]
    return [action for action, is_needed in wanted if is_needed]


def replicate_object(bucket, key, obj, data, tags=None):
    """Writes the replica, with its source's version ID and an encryption and ETag of its own."""
    rule, role = s3._replication_rule_for(bucket, key, tags)
    if rule is None:
        return
    target = s3._replication_destination(bucket, key, rule, role)
    if target is None or is_denied(target, key, role, actions_for(rule, tags)):
        obj["replication_status"] = "FAILED"
        return
    name, account, destination = target
    wanted = rule.get("Destination") or {}
    replica = copy.deepcopy(obj)
    replica["replication_status"] = "REPLICA"
    replica["version_to_be"] = obj.get("version_id") or obj.get("version_to_be")
    for internal in ("version_id", "_replica"):
        replica.pop(internal, None)
    if wanted.get("StorageClass"):
        replica["storage_class"] = wanted["StorageClass"]
    encrypt_replica(replica, name, wanted)
    prior = destination["objects"].get(key)
    destination["objects"][key] = replica
    with s3._in_account(account):
        version = s3._record_object_version(name, key, prior, replica, data)
    obj["_replica"] = (name, version, account)
    obj["replication_status"] = "COMPLETED"


def encrypt_replica(replica, bucket, wanted):
    """The rule's key for what has one, the bucket's default for what has none."""
    headers = replica["preserved_headers"]
    name = "x-amz-server-side-encryption"
    key = (wanted.get("EncryptionConfiguration") or {}).get("ReplicaKmsKeyID")
    if headers.get(name, "").startswith("aws:kms"):
        if key:
            headers[f"{name}-aws-kms-key-id"] = key
    elif f"{name}-customer-algorithm" not in headers:
        headers.pop(name, None)
        headers.update(s3._bucket_default_sse_headers(bucket))
    give_etag(replica, replica["plain_etag"])


def both(bucket, target):
    return {s3.bucket_region(bucket), target[2].get("region", "us-east-1")}


def hold_object(bucket, key, obj, data, tags=None):
    rule, role = s3._replication_rule_for(bucket, key, tags)
    target = rule and s3._replication_destination(bucket, key, rule, role)

    def deliver():
        version = obj.get("version_id")
        stored = [v for v in s3._object_versions.get((bucket, key), []) if v["version_id"] == version]
        if not stored:
            return  # deleted meanwhile: there is nothing left to replicate
        tags = s3._object_tags.get((bucket, key, version))
        replicate_object(bucket, key, obj, data, tags)
        stored[0]["replication_status"] = obj["replication_status"]
        if tags and obj.get("_replica"):
            name, replica, account = obj["_replica"]
            with s3._in_account(account):
                s3._object_tags[(name, key, replica)] = dict(tags)

    if target and held(both(bucket, target), deliver):
        obj["replication_status"] = "PENDING"
    else:
        replicate_object(bucket, key, obj, data, tags)


def hold_marker(bucket, key):
    config = s3._bucket_replication.get(bucket) or {}
    rules = [r for r in config.get("Rules", []) if key.startswith(s3._replication_rule_prefix(r))]
    rule = next((r for r in rules if r.get("Status") == "Enabled"), None)
    role = config.get("Role", "")
    target = rule and s3._replication_destination(bucket, key, rule, role)

    def deliver():
        if not (target and is_denied(target, key, role, ["s3:ReplicateDelete"])):
            replicate_marker(bucket, key)

    if not (target and held(both(bucket, target), deliver)):
        deliver()


s3._maybe_replicate, s3._maybe_replicate_delete_marker = hold_object, hold_marker

# DynamoDB global tables: of two writes to one item, the later one wins in every region.
replicate_write = dynamodb._replicate_write
writes, last_write = 0, {}


def hold_write(table, event, old, new):
    global writes
    account, home, name = get_account_id(), get_region(), table["TableName"]
    others = [region for region in dynamodb._replica_group(table) if region != home]
    if not others:
        return
    item = old if new is None else new
    key = tuple(str(item.get(table[part])) for part in ("pk_name", "sk_name") if table[part])
    writes += 1
    number = writes
    last_write[account, home, name, key] = number

    def deliver(region):
        if last_write.get((account, region, name, key), 0) < number:
            last_write[account, region, name, key] = number
            replicate_write({**table, "_global_regions": [region]}, event, old, new)

    for region in others:
        if not held({home, region}, lambda region=region: deliver(region)):
            deliver(region)
    if not waiting and not down:
        last_write.clear()


dynamodb._replicate_write = hold_write
