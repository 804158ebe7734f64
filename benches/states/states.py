#!/usr/bin/env python3
"""Measures init-backend over many states, and over one large one, on a local AWS.

Needs release builds of init-backend and local-aws on PATH (see README.md). Everything it starts and writes is in one
temporary directory and ends with it.
"""

import argparse
import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = os.path.join(HERE, "../../examples/berthcare-staging/infra.toml")
REGION = "ca-central-1"
BUCKET, TABLE = "berthcare-terraform-state", "berthcare-terraform-locks"


class Aws:
    """The local AWS that this program runs in: see `main`."""

    def __init__(self):
        url = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"])
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=600)

    def send(self, method, service, path, body, headers=None):
        # Nobody checks the signature here; the region is read from it.
        scope = f"test/20261129/{REGION}/{service}/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        self.connection.request(method, path, body, {"authorization": authorization, **(headers or {})})
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            sys.exit(f"{method} {path}: {answer.status} {text[:200]}")

    def put_state(self, key, body):
        self.send("PUT", "s3", f"/{BUCKET}/{urllib.parse.quote(key)}", body)

    def put_row(self, item):
        body = json.dumps({"TableName": TABLE, "Item": {name: {"S": value} for name, value in item.items()}})
        headers = {"x-amz-target": "DynamoDB_20120810.PutItem", "content-type": "application/x-amz-json-1.0"}
        self.send("POST", "dynamodb", "/", body, headers)


def state(serial, resources, padding=""):
    instance = {"attributes": {"id": "i-0123456789abcdef0", "tags": {"Name": "x" * 60}, "padding": padding}}
    return json.dumps({
        "version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": "9db590f1-b6fe-c5f2-2678-8804f089deba",
        "outputs": {}, "resources": [
            {"mode": "managed", "type": "aws_instance", "name": f"r{n}", "instances": [instance]} for n in range(resources)
        ]}).encode()


def large(mib):
    """A state of about so many MiB, of resources of 4 kB."""
    one = len(state(1, 1, "x" * 4000)) - len(state(1, 0))
    return state(1, (mib << 20) // one, "x" * 4000)


def run(*arguments):
    """Runs init-backend; its exit code, wall seconds, processor seconds and peak MiB."""
    with tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        child = subprocess.Popen(["init-backend", *arguments], stdout=subprocess.DEVNULL, stderr=errors)
        # ru_maxrss would count this script's own memory, from before the exec.
        peak, ended = 0, False
        while not ended:
            try:
                with open(f"/proc/{child.pid}/status") as f:
                    peak = max([peak, *(int(line.split()[1]) for line in f if line.startswith("VmHWM"))])
            except OSError:
                pass
            time.sleep(0.002)
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            ended = pid != 0
        wall = time.monotonic() - begun
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, 1):
            errors.seek(0)
            sys.exit(f"{arguments}: {code}\n{errors.read().decode()}")
    return code, wall, used.ru_utime + used.ru_stime, peak / 1024


def measure(name, runs, *arguments):
    ran = [run(*arguments) for _ in range(runs)]
    codes = {code for code, *_ in ran}
    wall, cpu = min(wall for _, wall, _, _ in ran), min(cpu for _, _, cpu, _ in ran)
    # Of memory the highest counts.
    peak = max(peak for *_, peak in ran)
    print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.1f} | {', '.join(map(str, sorted(codes)))} |", flush=True)


def inside(options):
    aws = Aws()
    run("apply", "--yes", "--skip-canary")
    body = state(7, options.resources)
    digest = hashlib.md5(body).hexdigest()
    for n in range(options.states):
        aws.put_state(f"env:/team-{n:04d}/terraform.tfstate", body)
        aws.put_row({"LockID": f"{BUCKET}/env:/team-{n:04d}/terraform.tfstate-md5", "Digest": digest})
    print(f"{options.states} states of {len(body) >> 10} KiB, in both regions, best of {options.runs}\n")
    print("| command | wall s | processor s | peak MiB | exit |\n|---|---|---|---|---|")
    for command in ("integrity", "status", "locks", "verify"):
        measure(command, options.runs, command)
    measure("failover --dry-run", options.runs, "failover", "--dry-run")
    aws.put_state("large/terraform.tfstate", large(options.large))
    measure(f"integrity, with one of {options.large} MiB", options.runs, "integrity")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--states", type=int, default=1000)
    parser.add_argument("--resources", type=int, default=60, help="of each state")
    parser.add_argument("--large", type=int, default=200, help="MiB of the one large state")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return inside(options)
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, INFRA_CONFIG=CONFIG)
        command = ["local-aws", "exec", "--", sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--inside"]
        sys.exit(subprocess.run(command, env=environment, cwd=folder).returncode)


if __name__ == "__main__":
    main()
