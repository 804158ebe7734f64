# While a region is down, nothing replicates into it or out of it: the source stays PENDING, as on AWS,
# and what waited is written in order when both regions are up. The front names the regions that are down
# with every request; a number tells which of two requests under way at once knows more.
from ministack.services import s3

REGIONS_DOWN = b"x-local-aws-regions-down"
seen, down, waiting = -1, frozenset(), []
replicate_object, replicate_marker = s3._maybe_replicate, s3._maybe_replicate_delete_marker


def held(bucket, target, deliver):
    regions = {s3.bucket_region(bucket), target[2].get("region", "us-east-1")}
    if not regions & down:
        return False
    waiting.append((s3.get_account_id(), regions, deliver))
    return True


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

    if target and held(bucket, target, deliver):
        obj["replication_status"] = "PENDING"
    else:
        replicate_object(bucket, key, obj, data, tags)


def hold_marker(bucket, key):
    config = s3._bucket_replication.get(bucket) or {}
    rules = [r for r in config.get("Rules", []) if key.startswith(s3._replication_rule_prefix(r))]
    rule = next((r for r in rules if r.get("Status") == "Enabled"), None)
    target = rule and s3._replication_destination(bucket, key, rule, config.get("Role", ""))
    if not (target and held(bucket, target, lambda: replicate_marker(bucket, key))):
        replicate_marker(bucket, key)


s3._maybe_replicate, s3._maybe_replicate_delete_marker = hold_object, hold_marker


def learn(header):
    global seen, down
    number, _, names = header.decode().partition(" ")
    if int(number) <= seen:
        return
    seen, down = int(number), frozenset(names.split())
    ready = [entry for entry in waiting if not entry[1] & down]
    waiting[:] = [entry for entry in waiting if entry[1] & down]
    for account, _, deliver in ready:
        with s3._in_account(account):
            deliver()


async def app_with_regions(scope, receive, send):
    for name, value in scope.get("headers", ()):
        if name == REGIONS_DOWN:
            learn(value)
    await app(scope, receive, send)
