# S3 where the emulator answers otherwise than AWS: lists of versions, ETags of encrypted objects, conditions on copies.
import uuid
from xml.etree.ElementTree import Element, SubElement

from ministack.services import s3

# Lists of versions. The emulator lists groups before keys and begins again with a group that it has listed.


def history(bucket_name, bucket, prefix, delimiter):
    """Keys with their versions, newest first, and groups, in the order of their names."""
    names = {key for key in bucket["objects"]} | {key for name, key in s3._object_versions if name == bucket_name}
    groups = set()
    for key in sorted(name for name in names if name.startswith(prefix)):
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end >= 0:
            group = key[: end + len(delimiter)]
            if group not in groups:
                groups.add(group)
                yield group, None
            continue
        versions = s3._object_versions.get((bucket_name, key))
        current = bucket["objects"].get(key)
        if not versions and current:
            versions = [{**current, "version_id": current.get("version_id") or "null", "is_latest": True}]
        for version in reversed(versions or []):
            yield key, version


def after(entries, key_marker, version_marker):
    """What follows the entry that the markers name, or the place where it would be."""
    for at, (name, version) in enumerate(entries):
        if version_marker and version and (name, version["version_id"]) == (key_marker, version_marker):
            return entries[at + 1 :]
    return [entry for entry in entries if entry[0] > key_marker]


def list_versions(bucket_name, query_params):
    bucket = s3._ensure_bucket(bucket_name)
    if bucket is None:
        return s3._no_such_bucket(bucket_name)

    def asked(name, default=""):
        return s3._qp(query_params, name, default)

    prefix, delimiter, limit = asked("prefix"), asked("delimiter"), int(asked("max-keys", "1000"))
    key_marker, version_marker = asked("key-marker"), asked("version-id-marker")
    entries = list(history(bucket_name, bucket, prefix, delimiter))
    if key_marker:
        entries = after(entries, key_marker, version_marker)
    page, more = entries[:limit], len(entries) > limit

    root = Element("ListVersionsResult", xmlns=s3.S3_NS)

    def say(parent, name, text):
        SubElement(parent, name).text = text

    for name, text in [("Name", bucket_name), ("Prefix", prefix), ("KeyMarker", key_marker),
                       ("VersionIdMarker", version_marker), ("MaxKeys", str(limit)), ("IsTruncated", str(more).lower())]:
        say(root, name, text)
    if delimiter:
        say(root, "Delimiter", delimiter)
    if more and page:
        name, version = page[-1]
        say(root, "NextKeyMarker", name)
        if version:
            say(root, "NextVersionIdMarker", version["version_id"])
    owner_id = s3._canonical_owner_id()
    for name, version in page:
        if version is None:
            say(SubElement(root, "CommonPrefixes"), "Prefix", name)
            continue
        gone = version.get("is_delete_marker")
        entry = SubElement(root, "DeleteMarker" if gone else "Version")
        say(entry, "Key", name)
        say(entry, "VersionId", version["version_id"])
        say(entry, "IsLatest", str(bool(version["is_latest"])).lower())
        say(entry, "LastModified", version["last_modified"])
        if not gone:
            say(entry, "ETag", version["etag"])
            say(entry, "Size", str(version["size"]))
            say(entry, "StorageClass", version.get("storage_class") or "STANDARD")
        owner = SubElement(entry, "Owner")
        say(owner, "ID", owner_id)
        say(owner, "DisplayName", "ministack")
    return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)


s3._list_object_versions = list_versions

# ETags. Under a KMS key or the customer's own an ETag is no MD5, and that of a copy is another one. A copy that is not
# so encrypted has the MD5 of its bytes.
renamed, given, copying = [], set(), False


def is_opaque(headers):
    by_key = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    return by_key or "x-amz-server-side-encryption-customer-algorithm" in headers


def give_etag(holder, plain):
    """`holder` is an object, or a part with the headers of its upload."""
    holder["plain_etag"] = plain
    wanted = plain
    if is_opaque(holder.get("preserved_headers", {})):
        _, dash, parts = plain.strip('"').partition("-")
        wanted = f'"{uuid.uuid4().hex}{dash}{parts}"'
        given.add(wanted)
    holder["etag"] = wanted


def give_etag_and_say_so(holder, plain):
    old = holder["etag"]
    give_etag(holder, plain)
    if holder["etag"] != old:
        renamed.append((old.strip('"'), holder["etag"].strip('"')))


def say_etag(original):
    """Answers with the ETags that objects got meanwhile."""

    def handler(*arguments):
        renamed.clear()
        status, headers, body = original(*arguments)
        for old, new in renamed:
            headers = {name: value.replace(old, new) for name, value in headers.items()}
            body = body.replace(old.encode(), new.encode()) if isinstance(body, bytes) else body.replace(old, new)
        return status, headers, body

    return handler


complete_upload, copy_object = s3._complete_multipart_upload, s3._copy_object
upload_part, upload_part_copy = s3._upload_part, s3._upload_part_copy


def complete_with_etag(bucket_name, key, body, query_params, headers=None):
    answer = say_etag(complete_upload)(bucket_name, key, body, query_params, headers)
    done = s3._completed_multipart_uploads.get(s3._qp(query_params, "uploadId"))
    if done and done.get("key") == key and answer[0] == 200:
        done["response"] = answer  # what a repeated request is told
    return answer


def part_with_etag(original):
    def handler(bucket_name, key, *rest):
        answer = original(bucket_name, key, *rest)
        query_params = next(argument for argument in rest if isinstance(argument, dict) and "uploadId" in argument)
        upload = s3._multipart_uploads.get(s3._qp(query_params, "uploadId"))
        if answer[0] == 200 and upload and is_opaque(upload.get("preserved_headers", {})):
            part = upload["parts"][int(s3._qp(query_params, "partNumber"))]
            part["preserved_headers"] = upload["preserved_headers"]
            give_etag_and_say_so(part, part["etag"])
        return answer

    return handler


def copy_if(bucket_name, key, headers):
    """A copy has conditions on what it replaces, as a put has."""
    global copying
    bucket = s3._ensure_bucket(bucket_name)
    refused = bucket and s3._check_put_preconditions(headers, bucket["objects"].get(key))
    if refused:
        return refused
    copying = True
    try:
        return copy_object(bucket_name, key, headers)
    finally:
        copying = False


s3._put_object, s3._post_object = say_etag(s3._put_object), say_etag(s3._post_object)
s3._complete_multipart_upload, s3._copy_object = complete_with_etag, say_etag(copy_if)
s3._upload_part, s3._upload_part_copy = say_etag(part_with_etag(upload_part)), say_etag(part_with_etag(upload_part_copy))

# Versions. A replica has its source's version ID, so that one is chosen before the object is replicated. Whether it is
# encrypted with a key is said by the rule, or by its own bucket.
record_version, replicate = s3._record_object_version, s3._maybe_replicate


def begin_object(bucket, key, obj, data, tags=None):
    of_source = copying and obj["etag"] in given
    give_etag_and_say_so(obj, f'"{s3.md5_hash(data)}"' if of_source else obj["etag"])
    if s3._bucket_versioning.get(bucket) == "Enabled":
        obj["version_to_be"] = s3.new_uuid()
    replicate(bucket, key, obj, data, tags)


def keep_version(bucket, key, prior, obj, data):
    version = record_version(bucket, key, prior, obj, data)
    if version and obj.get("version_to_be"):
        version = obj["version_id"] = s3._object_versions[bucket, key][-1]["version_id"] = obj["version_to_be"]
    return version


s3._maybe_replicate, s3._record_object_version = begin_object, keep_version
