# S3 Batch Replication: a job of S3 Control that replicates what a bucket has already. It is a step further each time that it
# is described, and writes its replicas and its report in the last one.
import re
import uuid
from urllib.parse import parse_qs
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring

from ministack.core.responses import get_account_id, request_scope
from ministack.services import s3

JOBS = "/v20180820/jobs"
STEPS = ("New", "Preparing", "Ready", "Active", "Complete")
ENDED = ("Complete", "Failed", "Cancelled")
STATUSES = {None: "NONE", "PENDING": "NONE", "FAILED": "FAILED", "COMPLETED": "COMPLETED", "REPLICA": "REPLICA"}
jobs = {}  # (account, region, ID) -> job


class Refused(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.answer = s3.s3control_error(code, message, status)


def invalid(message):
    return Refused("InvalidRequest", message)


def child(element, *names):
    for name in names:
        element = next((c for c in element if c.tag.split("}")[-1] == name), None) if element is not None else None
    return element


def text(element, *names, default=None):
    found = child(element, *names)
    return default if found is None else (found.text or "").strip()


def texts(element, *names):
    found = child(element, *names)
    return [(member.text or "").strip() for member in found] if found is not None else []


def bucket_of(arn):
    return (arn or "").rpartition(":::")[2]


def read_job(body):
    """What a job is to do, where S3 would take it."""
    try:
        request = fromstring(body)
    except ParseError:
        raise Refused("MalformedXML", "The XML you provided was not well-formed") from None
    for name in ("ClientRequestToken", "Priority", "RoleArn", "Operation", "Report"):
        if child(request, name) is None:
            raise invalid(f"{name} is missing")
    operations = [operation.tag.split("}")[-1] for operation in child(request, "Operation")]
    if operations != ["S3ReplicateObject"]:
        raise Refused("NotImplemented", f"the local AWS runs S3ReplicateObject alone, and not {operations}", 501)
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::\d{12}:role/.+", text(request, "RoleArn")):
        raise invalid("RoleArn is not the ARN of a role")
    generator = child(request, "ManifestGenerator", "S3JobManifestGenerator")
    if (generator is None) == (child(request, "Manifest") is None):
        raise invalid("exactly one of Manifest and ManifestGenerator is needed")
    if generator is None:
        raise Refused("NotImplemented", "the local AWS makes the manifest itself", 501)
    report = child(request, "Report")
    is_reported = text(report, "Enabled") == "true"
    if is_reported and not (text(report, "Bucket") and text(report, "Format") and text(report, "ReportScope")):
        raise invalid("a report needs a bucket, a format and a scope")
    unknown = set(texts(generator, "Filter", "ObjectReplicationStatuses")) - {"NONE", "FAILED", "COMPLETED", "REPLICA"}
    if unknown:
        raise invalid(f"no replication status is called {unknown}")
    return {
        "token": text(request, "ClientRequestToken"),
        "request": body,
        "description": text(request, "Description", default=""),
        "priority": text(request, "Priority"),
        "role": text(request, "RoleArn"),
        "bucket": bucket_of(text(generator, "SourceBucket")),
        "statuses": texts(generator, "Filter", "ObjectReplicationStatuses"),
        "larger": text(generator, "Filter", "ObjectSizeGreaterThanBytes"),
        "eligible": text(generator, "Filter", "EligibleForReplication") == "true",
        "report": (bucket_of(text(report, "Bucket")), text(report, "Prefix", default=""), text(report, "ReportScope")) if is_reported else None,
        "status": "Suspended" if text(request, "ConfirmationRequired") == "true" else "New",
        "done": [],
        "failed": [],
        "total": 0,
    }


def create(region, body):
    job = read_job(body)
    account = get_account_id()
    for (owner, place, name), other in jobs.items():
        if (owner, place, other["token"]) == (account, region, job["token"]):
            if other["request"] != body:
                raise Refused("IdempotencyException", "another job was made with this token")
            return answer("CreateJobResult", JobId=name)
    if s3._ensure_bucket(job["bucket"]) is None:
        raise invalid(f"there is no bucket {job['bucket']}")
    if s3.bucket_region(job["bucket"]) != region:
        raise invalid("the source bucket is not in the region of the job")
    if not s3._bucket_replication.get(job["bucket"]):
        raise invalid("the source bucket has no replication configuration")
    name = str(uuid.uuid4())
    jobs[account, region, name] = job
    return answer("CreateJobResult", JobId=name)


def versions_of(name, key, current):
    """Of an object that was there before its bucket kept versions there is the object alone."""
    stored = s3._object_versions.get((name, key)) or ([current] if current else [])
    return [version for version in stored if not version.get("is_delete_marker")]


def manifest(job):
    """Versions of the source bucket that the filter lets through."""
    name = job["bucket"]
    bucket = s3._ensure_bucket(name)
    keys = set(bucket["objects"]) | {key for owner, key in s3._object_versions if owner == name}
    for key in sorted(keys):
        for version in versions_of(name, key, bucket["objects"].get(key)):
            status = STATUSES.get(version.get("replication_status"), "NONE")
            is_wanted = not job["statuses"] or status in job["statuses"]
            if is_wanted and version["size"] > int(job["larger"] or -1):
                yield key, version


def replicate_version(source, key, version):
    """Whether S3 replicates it: what is archived it does not, nor into a region that is down."""
    bucket = s3._ensure_bucket(source)
    current, number = bucket["objects"].get(key), version.get("version_id")
    is_current = current is not None and (current.get("version_id") or "null") == (number or "null")
    tags = s3._object_tags.get((source, key, number))
    rule, role = s3._replication_rule_for(source, key, tags)
    target = rule and s3._replication_destination(source, key, rule, role)
    is_archived = (version.get("storage_class") or "STANDARD") in ("GLACIER", "DEEP_ARCHIVE")
    if not target or is_archived or both(source, target) & down:
        return False
    if "data" in version:
        record, data = s3._object_record_from_version(version), s3._version_body(bucket, source, key, version)
    else:
        record, data = dict(version), s3._read_body(source, key, version)
    record.setdefault("plain_etag", f'"{s3.md5_hash(data)}"')
    replicate_object(source, key, record, data, tags)
    for holder in (version, current) if is_current else (version,):
        holder["replication_status"] = record["replication_status"]
    return record["replication_status"] == "COMPLETED"


def run(job):
    for key, version in list(manifest(job)):
        job["total"] += 1
        is_done = replicate_version(job["bucket"], key, version)
        (job["done"] if is_done else job["failed"]).append((key, version.get("version_id")))


def report(region, name, job):
    if job["report"] is None:
        return
    where, prefix, scope = job["report"]
    lines = [f"{job['bucket']},{key},{version or ''},failed,403,AccessDenied,not replicated" for key, version in job["failed"]]
    if scope == "AllTasks":
        lines += [f"{job['bucket']},{key},{version or ''},succeeded,200,,Successful" for key, version in job["done"]]
    folder = f"{prefix}/job-{name}" if prefix else f"job-{name}"
    for path, body in ((f"{folder}/results/{uuid.uuid4().hex}.csv", "\n".join(lines) + "\n"), (f"{folder}/manifest.json", "{}")):
        s3._put_object(where, path, body.encode(), {})


def step(region, name, job):
    if job["status"] in STEPS[:-1]:
        job["status"] = STEPS[STEPS.index(job["status"]) + 1]
        if job["status"] == "Complete":
            run(job)
            report(region, name, job)


def shown(name, job):
    root = Element("Job")
    for tag, value in (("JobId", name), ("Description", job["description"]), ("Priority", job["priority"]),
                       ("Status", job["status"]), ("RoleArn", job["role"])):
        SubElement(root, tag).text = value
    summary = SubElement(root, "ProgressSummary")
    for tag, value in (("TotalNumberOfTasks", job["total"]), ("NumberOfTasksSucceeded", len(job["done"])),
                       ("NumberOfTasksFailed", len(job["failed"]))):
        SubElement(summary, tag).text = str(value)
    return root


def answer(tag, *children, **texts_of):
    root = Element(tag, xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/")
    for element in children:
        root.append(element)
    for name, value in texts_of.items():
        SubElement(root, name).text = value
    return 200, {"Content-Type": "application/xml"}, s3._xml_body(root)


def handle(method, path, query, region, body):
    rest = path[len(JOBS):].strip("/")
    if not rest and method == "POST":
        return create(region, body)
    account = get_account_id()
    if not rest:
        wanted = query.get("jobStatuses", [])
        entries = Element("Jobs")
        for (owner, place, name), job in jobs.items():
            if (owner, place) == (account, region) and (not wanted or job["status"] in wanted):
                member = shown(name, job)
                member.tag = "member"
                entries.append(member)
        return answer("ListJobsResult", entries)
    name, _, change = rest.partition("/")
    job = jobs.get((account, region, name))
    if job is None:
        raise Refused("NoSuchJob", f"The specified job does not exist: {name}", 404)
    if change == "status" and method == "POST":
        wanted = query.get("requestedJobStatus", [""])[0]
        if job["status"] in ENDED or wanted not in ("Ready", "Cancelled"):
            raise Refused("JobStatusException", f"a job that is {job['status']} cannot become {wanted}")
        job["status"] = wanted
        return answer("UpdateJobStatusResult", JobId=name, Status=wanted)
    step(region, name, job)
    return answer("DescribeJobResult", shown(name, job))


async def app_with_jobs(scope, receive, send):
    path = scope.get("path", "")
    if scope["type"] != "http" or not (path == JOBS or path.startswith(f"{JOBS}/")):
        return await app_with_regions(scope, receive, send)
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    if REGIONS_DOWN.decode() in headers:
        learn(headers[REGIONS_DOWN.decode()].encode())
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    credential = re.search(r"Credential=([^/,]+)/\d+/([^/,]+)/", headers.get("authorization", ""))
    key, region = credential.groups() if credential else ("test", "us-east-1")
    account = key if re.fullmatch(r"\d{12}", key) else "000000000000"
    query = parse_qs(scope.get("query_string", b"").decode())
    with request_scope(account, region):
        try:
            status, answered, content = handle(scope["method"], path, query, region, body)
        except Refused as refused:
            status, answered, content = refused.answer
    content = content if isinstance(content, bytes) else content.encode()
    answered = [(name.encode(), value.encode()) for name, value in answered.items() if name.lower() != "content-length"]
    answered.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": answered})
    await send({"type": "http.response.body", "body": content})
