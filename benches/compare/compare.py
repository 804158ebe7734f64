#!/usr/bin/env python3
"""Measures dr-replicate against other tools on one S3 server (garage), and prints tables with ratios.

Needs garage, s3sync, rclone and s5cmd on PATH (see README.md), and release builds of dr-replicate and local-aws.
Everything it starts and writes is in one temporary directory and ends with it.
"""

import argparse
import hashlib
import hmac
import http.client
import itertools
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from datetime import datetime, timezone

from synthetic import Synthetic, unicode_key

KEY, SECRET, REGION = "GK" + "0123456789abcdef01234567", "0123456789abcdef" * 4, "us-east-1"
OWNERS = ["--from-owner", "000000000000", "--to-owner", "000000000000"]


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Garage:
    def __init__(self, folder):
        self.s3 = port()
        config = os.path.join(folder, "garage.toml")
        rpc, admin = port(), port()
        with open(config, "w") as f:
            f.write(
                f'metadata_dir = "{folder}/meta"\ndata_dir = "{folder}/data"\ndb_engine = "lmdb"\n'
                "replication_factor = 1\nmetadata_fsync = false\ndata_fsync = false\n"
                f'rpc_bind_addr = "127.0.0.1:{rpc}"\nrpc_public_addr = "127.0.0.1:{rpc}"\nrpc_secret = "{"ab" * 32}"\n'
                f'[s3_api]\ns3_region = "{REGION}"\napi_bind_addr = "127.0.0.1:{self.s3}"\nroot_domain = ".s3.local"\n'
                f'[admin]\napi_bind_addr = "127.0.0.1:{admin}"\nadmin_token = "t"\n'
            )
        self.env = dict(os.environ, GARAGE_CONFIG_FILE=config, GARAGE_DEFAULT_ACCESS_KEY=KEY,
                        GARAGE_DEFAULT_SECRET_KEY=SECRET, RUST_LOG="error")
        self.process = subprocess.Popen(
            ["garage", "server", "--single-node", "--default-access-key"], env=self.env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            time.sleep(0.1)
            if self.cli("key", "info", KEY) == 0:
                break
        else:
            sys.exit("garage does not answer")
        self.endpoint = f"http://127.0.0.1:{self.s3}"

    def cli(self, *args):
        return subprocess.run(["garage", *args], env=self.env, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode

    def bucket(self, name):
        self.cli("bucket", "create", name)
        self.cli("bucket", "allow", "--read", "--write", "--owner", name, "--key", KEY)

    def cpu(self):
        """Seconds of processor time that it has used."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            user, system = f.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def signed(connection, method, path, query="", body=b"", headers=None):
    """One request, signed with AWS Signature V4."""
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    headers = {"host": f"{connection.host}:{connection.port}", "x-amz-date": now,
               "x-amz-content-sha256": digest, **(headers or {})}
    names = sorted(headers)
    canonical = "\n".join([method, path, query, *(f"{n}:{headers[n]}" for n in names), "", ";".join(names), digest])
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{SECRET}".encode()
    for part in [now[:8], REGION, "s3", "aws4_request"]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, "
                                f"SignedHeaders={';'.join(names)}, Signature={signature}")
    connection.request(method, path + ("?" + query if query else ""), body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def each(garage, work, workers=16):
    """Runs work(connection, item) for every item, on some connections."""
    items = iter(work[1])
    lock = threading.Lock()
    failed = []

    def loop():
        connection = http.client.HTTPConnection("127.0.0.1", garage.s3)
        while True:
            with lock:
                item = next(items, None)
            if item is None:
                return
            status = work[0](connection, item)
            if status != 200 or failed:
                return failed.append(f"{item}: {status}")

    threads = [threading.Thread(target=loop) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        sys.exit(f"the server refused {failed[0]}")


def keys(count, layout):
    if layout == "flat":
        return [f"object-{n:08d}.bin" for n in range(count)]
    if layout == "unicode":
        return [unicode_key(n, count) for n in range(count)]
    return [f"{n % 50:02d}/{n // 50 % 20:02d}/object-{n:08d}.bin" for n in range(count)]


def put(bucket, size):
    def work(connection, key):
        return signed(connection, "PUT", f"/{bucket}/{urllib.parse.quote(key)}", body=os.urandom(size))
    return work


def measure(command, env, expect=(0,)):
    """Wall seconds, CPU seconds and peak MB of a command."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=env, stdout=output, stderr=subprocess.STDOUT)
        # ru_maxrss would count this script's own memory, from before the exec.
        peak, ended = 0, False
        while not ended:
            try:
                with open(f"/proc/{process.pid}/status") as f:
                    peak = max([peak, *(int(line.split()[1]) for line in f if line.startswith("VmHWM"))])
            except OSError:
                pass
            time.sleep(0.002)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            ended = pid != 0
        wall = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expect:
            output.seek(0)
            sys.exit(f"{command} ended with {process.returncode}: {output.read().decode(errors='replace')[-2000:]}")
    return wall, usage.ru_utime + usage.ru_stime, peak / 1024


def tools(garage, folder, ours):
    env = dict(os.environ, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION=REGION,
               AWS_EC2_METADATA_DISABLED="true", HOME=folder, RCLONE_CONFIG=f"{folder}/rclone.conf",
               DR_REPLICATE_RUNS=f"{folder}/runs")
    with open(f"{folder}/rclone.conf", "w") as f:
        f.write(f"[g]\ntype = s3\nprovider = Other\naccess_key_id = {KEY}\nsecret_access_key = {SECRET}\n"
                f"endpoint = {garage.endpoint}\nregion = {REGION}\nforce_path_style = true\n")
    aws = dict(env, AWS_ENDPOINT_URL=garage.endpoint)
    # No STS says whose the buckets are.
    pair = ["--from-region", "us-east-1", "--to-region", "us-east-1", *OWNERS]

    def dr(what, a, b):
        more = ["--yes", "--overwrite-unversioned"] if what == "sync" else []
        return [ours, what, "--from", f"s3://{a}", "--to", f"s3://{b}", *pair, *more], aws

    def s3sync(what, a, b):
        side = lambda s: [f"--{s}-access-key", KEY, f"--{s}-secret-access-key", SECRET, f"--{s}-region", REGION,
                          f"--{s}-endpoint-url", garage.endpoint, f"--{s}-force-path-style"]
        more = ["--report-sync-status", "--check-etag"] if what == "parity" else ["--check-etag"]
        return ["s3sync", *side("source"), *side("target"), "--worker-size", "64", "--object-listing-queue-size", "2000",
                "--server-side-copy", *more, f"s3://{a}", f"s3://{b}"], env

    def rclone(what, a, b):
        flags = ["--checksum", "--transfers", "64", "--checkers", "64", "--fast-list", "--no-update-modtime"]
        return ["rclone", "check" if what == "parity" else "copy", *flags, f"g:{a}", f"g:{b}"], env

    def s5cmd(what, a, b):
        if what == "parity":
            return None
        return ["s5cmd", "--numworkers", "64", "--endpoint-url", garage.endpoint, "--log", "error",
                "sync", f"s3://{a}/*", f"s3://{b}/"], env

    return {"dr-replicate": dr, "s3sync": s3sync, "rclone": rclone, "s5cmd": s5cmd}


def row(name, what, garage, folder, ours, a, b, runs, prepare=None):
    print(f"\n### {name}\n\n| tool | wall s | CPU s | peak MB | wall / best peer | CPU / best peer |\n|---|---|---|---|---|---|")
    results = {}
    for tool, command in tools(garage, folder, ours).items():
        best = None
        for _ in range(runs):
            if prepare:
                prepare(tool)
            made = command(what, a, b if not prepare else prepare.bucket)
            if made is None or shutil.which(made[0][0]) is None:
                break
            got = measure(*made)
            best = got if best is None or got[0] < best[0] else best
        if best:
            results[tool] = best
    peers = [r for t, r in results.items() if t != "dr-replicate"]
    for tool, (wall, cpu, peak) in results.items():
        ratios = (f"{wall / min(p[0] for p in peers):.2f} | {cpu / min(p[1] for p in peers):.2f}"
                  if tool == "dr-replicate" and peers else " | ")
        print(f"| {tool} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {ratios} |", flush=True)


def pin(process, cores):
    """Keeps a process, with all its threads, on these cores."""
    for thread in os.listdir(f"/proc/{process}/task"):
        os.sched_setaffinity(int(thread), cores)


def against_the_limit(garage, folder, ours, source, names, pairs, concurrency):
    """First sync beside raw CopyObject requests, each into a fresh bucket, in turns: a server's rate changes while
    it fills. Server and clients have cores of their own, or else the clients' work would count as the server's limit.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return print("\nFirst sync against the server's limit: skipped: one core for both")
    pin(garage.process.pid, cores[:len(cores) // 2])
    os.sched_setaffinity(0, cores[len(cores) // 2:])
    command = tools(garage, folder, ours)["dr-replicate"]
    print(f"\n### first sync of {len(names)} objects against the server's limit, server and client on cores of their "
          "own\n\n| pair | raw CopyObject/s | own copies/s | share | server busy, raw | own | own CPU s |\n"
          "|---|---|---|---|---|---|---|")
    shares = []
    for pair in range(pairs):
        rates, busy = {}, {}
        for who in ["raw", "own"] if pair % 2 else ["own", "raw"]:
            bucket = f"limit-{who}-{pair}"
            garage.bucket(bucket)
            used, begin = garage.cpu(), time.perf_counter()
            if who == "raw":
                rates[who] = raw_copies(garage, bucket, source, names, workers=concurrency)
            else:
                wall, cpu, _ = measure(*command("sync", source, bucket))
                rates[who] = len(names) / wall
            busy[who] = (garage.cpu() - used) / (time.perf_counter() - begin)
        shares.append(rates["own"] / rates["raw"])
        print(f"| {pair + 1} | {rates['raw']:.0f} | {rates['own']:.0f} | {shares[-1]:.2f} | {busy['raw']:.2f} | "
              f"{busy['own']:.2f} | {cpu:.2f} |", flush=True)
    print(f"\nMedian share: {statistics.median(shares):.2f}")
    pin(garage.process.pid, cores)
    os.sched_setaffinity(0, cores)


def raw_copies(garage, bucket, source, names, workers=16):
    """The server's own limit: signed CopyObject requests and nothing else."""
    def work(connection, key):
        quoted = urllib.parse.quote(key)
        return signed(connection, "PUT", f"/{bucket}/{quoted}",
                      headers={"x-amz-copy-source": f"/{source}/{quoted}"})
    begin = time.perf_counter()
    each(garage, (work, names), workers)
    return len(names) / (time.perf_counter() - begin)


def memory(ours, counts, runs):
    """Peak memory by the number of objects, on a server that makes its listings up."""
    print("\n### synthetic listings\n\n| what | layout | objects | wall s | CPU s | peak MB |\n|---|---|---|---|---|---|")
    server = Synthetic()
    env = dict(os.environ, AWS_ACCESS_KEY_ID=KEY, AWS_SECRET_ACCESS_KEY=SECRET, AWS_REGION=REGION,
               AWS_EC2_METADATA_DISABLED="true", AWS_ENDPOINT_URL=server.endpoint)
    kinds = {"nothing changed": (["sync", "--yes"], "", "-dr"), "parity": (["parity"], "", "-dr"),
             "parity under KMS keys": (["parity"], "-keyed", "-keyed-dr"),
             "1 % changed": (["sync", "--yes"], "", "-dr-changed")}
    with tempfile.TemporaryDirectory() as folder:
        for (what, (command, one, other)), layout in itertools.product(kinds.items(), ["flat", "nested", "unicode"]):
            for count in counts:
                pair = ["--from", f"s3://{layout}-{count}{one}", "--to", f"s3://{layout}-{count}{other}",
                        "--from-region", REGION, "--to-region", REGION, *OWNERS]
                run_env = dict(env, DR_REPLICATE_RUNS=folder)
                # What is measured has to be what the row says: parity ends with 1 where something differs.
                measure([ours, "parity", *pair], run_env, expect=(1 if other.endswith("-changed") else 0,))
                results = [measure([ours, *command, *pair], run_env) for _ in range(runs)]
                # The highest peak, not the best: memory that is flat only now and then is not flat.
                wall, cpu, peak = min(r[0] for r in results), min(r[1] for r in results), max(r[2] for r in results)
                print(f"| {what} | {layout} | {count} | {wall:.2f} | {cpu:.2f} | {peak:.1f} |", flush=True)
    server.stop()


def latency(ours, local_aws, milliseconds, objects, concurrencies):
    """First sync where every call takes some time: the share of concurrency / latency that is reached."""
    process = subprocess.Popen([local_aws, "up"], stdout=subprocess.PIPE, text=True)
    env = dict(os.environ)
    for line in process.stdout:
        name, _, value = line.removeprefix("export ").strip().partition("=")
        env[name] = value.strip("'\"")
        if name == "LOCAL_AWS_URL":
            break
    try:
        class Server:
            s3 = urllib.parse.urlsplit(env["AWS_ENDPOINT_URL"]).port

        def bucket(name):
            status = signed(http.client.HTTPConnection("127.0.0.1", Server.s3), "PUT", f"/{name}")
            assert status == 200, status

        names = keys(objects, "flat")
        bucket("from")
        each(Server, (put("from", 4096), names))
        subprocess.run([local_aws, "fault", "add", "latency", "--ms", str(milliseconds)], env=env, check=True,
                       stdout=subprocess.DEVNULL)
        # The emulator takes its time, too: what one copy takes that is alone.
        bucket("alone")
        alone = 1 / raw_copies(Server, "alone", "from", names[:50], workers=1)
        print(f"\n### first sync of {objects} objects, each call delayed by {milliseconds} ms (one copy alone: "
              f"{alone * 1000:.1f} ms)\n\n"
              "| concurrency | wall s | copies/s | concurrency / latency | share |\n|---|---|---|---|---|")
        for concurrency in concurrencies:
            bucket(f"to-{concurrency}")
            with tempfile.TemporaryDirectory() as runs:
                wall, _, _ = measure(
                    [ours, "sync", "--from", "s3://from", "--to", f"s3://to-{concurrency}", "--from-region", REGION,
                     "--to-region", REGION, "--concurrency", str(concurrency), "--yes", "--overwrite-unversioned",
                     "--runs", runs], env)
            limit = concurrency / alone
            rate = objects / wall
            print(f"| {concurrency} | {wall:.2f} | {rate:.0f} | {limit:.0f} | {rate / limit:.2f} |", flush=True)
    finally:
        process.terminate()
        process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ours", default="dr-replicate", help="the program under test")
    parser.add_argument("--objects", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--layouts", nargs="*", default=["nested", "flat", "unicode"])
    parser.add_argument("--size", type=int, default=4096, help="bytes of each object")
    parser.add_argument("--runs", type=int, default=3, help="the best of so many")
    parser.add_argument("--first-sync", type=int, default=10_000, help="objects of the first sync; 0 leaves it out")
    parser.add_argument("--pairs", type=int, default=5, help="raw and own first syncs in turns")
    parser.add_argument("--synthetic", type=int, nargs="*", default=[100_000, 1_000_000],
                        help="objects of the made-up listings")
    parser.add_argument("--local-aws", default="local-aws", help="the program that delays calls; left out if not there")
    parser.add_argument("--latency", type=int, default=30, help="milliseconds for each call; 0 leaves it out")
    args = parser.parse_args()
    # The servers here have no certificates, and a bundle in the environment would be read all the same.
    os.environ.pop("AWS_CA_BUNDLE", None)
    ours = shutil.which(args.ours) or sys.exit(f"{args.ours} is not there: build it, or name it with --ours")
    memory(ours, args.synthetic, args.runs)
    if args.latency and shutil.which(args.local_aws):
        latency(ours, shutil.which(args.local_aws), args.latency, 4_000, [8, 16, 64, 256])
    if not (args.objects and args.layouts or args.first_sync):
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    folder = tempfile.mkdtemp(prefix="compare-")
    garage = Garage(folder)
    try:
        for layout in args.layouts:
            for count in args.objects:
                a, b = f"{layout}-{count}", f"{layout}-{count}-dr"
                names = keys(count, layout)
                garage.bucket(a)
                garage.bucket(b)
                each(garage, (put(a, args.size), names))
                # Not by dr-replicate, whose journal in the bucket the peers would call a difference.
                raw_copies(garage, b, a, names)
                title = f"{count} objects, {layout}"
                row(f"nothing changed: {title}", "sync", garage, folder, ours, a, b, args.runs)
                row(f"parity: {title}", "parity", garage, folder, ours, a, b, args.runs)

                def change(_tool, names=names, bucket=b):
                    each(garage, (put(bucket, args.size), names[::100]))
                change.bucket = b
                row(f"1 % changed: {title}", "sync", garage, folder, ours, a, b, args.runs, change)
        if args.first_sync:
            a = "first"
            names = keys(args.first_sync, "nested")
            garage.bucket(a)
            each(garage, (put(a, args.size), names))
            serial = [0]

            def empty(_tool):
                serial[0] += 1
                empty.bucket = f"first-dr-{serial[0]}"
                garage.bucket(empty.bucket)
            row(f"first sync: {args.first_sync} objects", "sync", garage, folder, ours, a, None, args.runs, empty)
            against_the_limit(garage, folder, ours, a, names, args.pairs, 16)
    finally:
        garage.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
