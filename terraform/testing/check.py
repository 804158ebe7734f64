#!/usr/bin/env python3
"""Everything that the Terraform code has to hold, in one run.

    terraform/testing/check.py [--only STEP[,STEP]] [--jobs N]

Steps: format, readmes, rules (those for policies, on examples; inputs of modules, each within reach; commands of docs/verification-ladder.md; tests and resources of docs/acceptance.md), locks (lock files of the providers, where they are committed), fixture (the staging environment that crates/verify is tested with), commands (those of the documents), modules (init, validate and test of each, and a plan of
its example), environments (the same, then apply and a second plan), scan (checkov and tf-nag). Works on copies; the tree stays as it is. `terraform init` must reach the
providers, through TF_CLI_CONFIG_FILE if need be; where it cannot, or terraform is missing, the run says
"skipped: why" and ends with 0. Scanners come from the Python package index into a private environment in the cache
folder; where they cannot be had, that step is skipped.

A finding of a scanner is accepted where the resource's block has `#checkov:skip=ID:reason` or `#tf-nag:skip=ID:reason`.
An acceptance without a finding is an error, as is one without a reason.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib

import readmes

TERRAFORM = pathlib.Path(__file__).resolve().parent.parent
SCANNERS = ["checkov==3.3.30", "tf-nag==0.1.6"]
MINIMUM = (1, 10)
EXAMPLES = TERRAFORM.parent / "examples"
TAGS = {"Project": "berthcare", "Environment": "staging", "ManagedBy": "terraform", "Owner": "platform"}
# No key that anybody has the private half of.
SIGNER = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----\n"
KEYS = f'cdn_signing_keys = {{ "2026" = {json.dumps(SIGNER)} }}'
EMAIL = 'alarm_email = "ops@berthcare.ca"'
RESTORED = "berthcare-staging-postgres-dr"
RECOVERY = {"automated_backup_arn": "arn:aws:rds:us-east-1:111122223333:auto-backup:ab-abcdefgh"}

# How a resource says that no plan destroys it.
GUARD = re.compile(r"prevent_destroy\s*=\s*true")
GUIDE = TERRAFORM.parent / "docs/terraform.md"


class Failed(Exception):
    """What did not hold."""


def example(name, environment, dr=False):
    """Variables as somebody has them who copied an example and changed what it says has to be changed: the files of
    examples/NAME, those of examples/berthcare-staging beside the environments. `dr` takes the comment from its block."""
    own = EXAMPLES / name / f"{environment}.tfvars"
    text = (own if own.exists() else TERRAFORM / "environments" / environment / "terraform.tfvars.example").read_text()
    for begin, line in (("alarm_email ", EMAIL), ("cdn_signing_keys ", KEYS)):
        text, found = re.subn(rf"(?m)^{begin}.*Update this.*$", lambda _, line=line: line, text)
        if found != 1:
            raise Failed(f"{name}: {begin} is not to be updated in the example for {environment}")
    if dr:
        text, found = re.subn(r"(?m)^# dr = \{\n(?:#.*\n)*?# \}\n", lambda block: re.sub(r"(?m)^# ?", "", block[0]), text)
        if found != 1:
            raise Failed(f"{name}: the example for {environment} has no block dr")
    # An example that has run out is no reason to stop.
    return re.sub(r'(?m)^(\s*expires\s*=) "2[0-9-]+"', r'\1 "2099-12-31"', text)


def run(*command, cwd, ok=(0,)):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode not in ok:
        raise Failed(f"{cwd.name}: {' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done


# What a row of docs/verification-ladder.md may have run.
PROGRAMS = {"aws", "curl", "dig", "dr-replicate", "dr-runbook", "terraform", "terraform/testing/check.py", "verify-staging"}


def rungs(text):
    """What only the real provider or an account can show has, each, the command to run there and what it must print."""
    wrong, count = [], 0
    for rung in ("6", "7"):
        part = text.split(f"\n## Only on rung {rung}\n", 1)[-1].split("\n## ")[0]
        rows = [re.split(r"(?<!\\)\|", line.strip().strip("|")) for line in part.splitlines() if line.startswith("| ")][1:]
        rows = [row for row in rows if set("".join(row)) - set("- ")]
        if not rows or re.search(r"(?m)^- ", part):
            wrong.append(f"rung {rung}: {len(rows)} rows, and points that are in none")
        for row in rows:
            count += 1
            commands = {code.split()[0] for code in re.findall(r"`([^`]+)`", row[1])} if len(row) == 3 else set()
            # Or it is said elsewhere, by a heading.
            if len(row) != 3 or not row[2].strip() or not commands & PROGRAMS and not re.search(r'"[^"]+" in \[', row[1]):
                wrong.append(f"rung {rung}: no command, or nothing that it must print: {row[0].strip()}")
    if wrong:
        raise Failed("ladder: " + "\n        ".join(wrong))
    return f"{count} things that only AWS can show have their command"


def accepted_by(text):
    """What docs/acceptance.md names is there: resources of modules, runs of tests or files of them, checks of this program,
    files of the repository; and every row says whether it is met."""
    repository = TERRAFORM.parent
    modules = "".join(path.read_text() for path in sorted((TERRAFORM / "modules").glob("*/*.tf")))
    wrong, count = [], 0
    for table in re.findall(r"(?m)(^\|.*\n\| ---.*\n(?:\|.*\n)+)", text):
        width = table.splitlines()[0].count("|")
        if not re.search(r"\| not met \|$", table.splitlines()[0]):
            wrong.append(f"a table does not say what is not met: {table.splitlines()[0]}")
        for row in table.splitlines()[2:]:
            count += 1
            if row.count("|") != width:
                wrong.append(f"a row has other columns than its table: {row}")
            for kind, name in re.findall(r"`(aws_\w+)\.(\w+)`", row):
                if f'resource "{kind}" "{name}" {{' not in modules:
                    wrong.append(f"no module has {kind}.{name}")
            for path in re.findall(r"`([\w/-]+\.rs)`", row):
                if not (repository / path).exists():
                    wrong.append(f"there is no {path}")
            for where, names in re.findall(r"`([\w./-]+)` / (`\w+`(?:, `\w+`)*)", row):
                folder = TERRAFORM / (where if where.startswith("environments/") else f"modules/{where}") / "tests"
                there = {path.name.split(".")[0] for path in folder.glob("*")}
                there.update(*(re.findall(r'(?m)^run "(\w+)"', path.read_text()) for path in folder.glob("*.tftest.hcl")))
                there |= {name for name in globals() if where == "check.py"}
                wrong += [f"{where} has no test {name}" for name in re.findall(r"\w+", names) if name not in there]
    if wrong or count < 40:
        raise Failed(f"acceptance: {count} rows\n            " + "\n            ".join(wrong))
    return f"{count} rows name tests and resources that are there"


def terraform(folder, *arguments, ok=(0,)):
    return run("terraform", *arguments, "-no-color", cwd=folder, ok=ok)


def copy_to(folder):
    """A copy of the code without what a run leaves behind."""
    ignored = shutil.ignore_patterns(".terraform", ".terraform.lock.hcl", "*.tfstate*", "terraform.tfvars", "__pycache__")
    return pathlib.Path(shutil.copytree(TERRAFORM, folder, ignore=ignored))


def code(folder):
    """The files of a module or environment, and of the modules that it uses."""
    modules = folder.parent.parent / "modules" if folder.parent.name == "environments" else folder
    return sorted({*folder.glob("*.tf"), *modules.rglob("*.tf")})


def tests(folder, *filters):
    """Runs `terraform test` and counts. A run ends with a destroy, which the guards of keys and buckets would refuse:
    each block of such a type is seen to have one, and then they are off."""
    open_to = sorted(unguarded(code(folder)))
    if open_to:
        raise Failed(f"{folder.name}: prevent_destroy is missing: {', '.join(open_to)}")
    guarded = {path: path.read_text() for path in code(folder)}
    for path, text in guarded.items():
        path.write_text(re.sub(GUARD, "prevent_destroy = false", text))
    try:
        return tested(folder, *filters)
    finally:
        for path, text in guarded.items():
            path.write_text(text)


def tested(folder, *filters):
    done = terraform(folder, "test", *filters, ok=(0, 1))
    found = re.search(r"(\d+) passed, (\d+) failed", done.stdout)
    if done.returncode or not found or found.group(1) == "0":
        raise Failed(f"{folder.name}: tests failed\n{done.stdout}{done.stderr}")
    return int(found.group(1))


def module(folder):
    terraform(folder, "init", "-backend=false")
    terraform(folder, "validate")
    count = tests(folder)
    return count, alone(folder)


def alone(folder):
    """Plans a module's example: it is whole, and what the example asks for reaches each resource that can have it."""
    at = folder / "examples/basic"
    terraform(at, "init", "-backend=false")
    _, plan = shown(at, "plan", ok=(2,))
    given = next(iter(plan["configuration"]["root_module"]["module_calls"].values()))["expressions"]
    said = {name: given.get(name, {}).get("constant_value") for name in ("tags", "role_path", "permissions_boundary_arn")}
    found = resources(plan)
    wrong = [one["address"] for one in found if "tags" in one["values"] and not (said["tags"] or {}).items() <= (one["values"]["tags"] or {}).items()]
    wrong += [
        one["address"] for one in found
        if one["type"] == "aws_iam_role" and (one["values"]["path"], one["values"]["permissions_boundary"]) != (said["role_path"], said["permissions_boundary_arn"])
    ]
    if wrong or not said["tags"]:
        raise Failed(f"example: {folder.name}: tags, path or boundary do not reach {wrong}")
    return len(found)


# What an environment decides by itself, or what only the other one has: no variable hands these on.
DECIDED = {
    "tags": "default_tags of the provider",
    "create": "mode", "running": "mode", "region": "certificates are here and in us-east-1", "alternative_names": "one name",
    "port": "as the groups let through", "db_port": "PostgreSQL's", "redis_port": "Redis's",
    "db_name": "the application's", "username": "the guide's", "application_username": "the guide's",
    "secret_recovery_window_days": "of drills", "reserve_nat_addresses": "of the DR region", "reader_distribution_arn": "of the DR region",
    "multi_az": "as the primary's", "node_count": "as the primary's", "backup_retention_days": "as the primary's", "thresholds": "the module's",
    "replication": "of the primary", "replication_lag_minutes": "of the primary", "secret_replica": "of the primary", "replica_region": "of the primary",
    "dr_origins": "of the primary", "web_acl_arn": "of the primary", "backup_age_databases": "of the primary",
}


def reachable():
    """Every input of every module can be set from each environment that calls it, or is decided there."""
    lost, count = [], 0
    for environment_ in sorted((TERRAFORM / "environments").iterdir()):
        calls = re.findall(r'(?ms)^module "(\w+)" \{\n(.*?)^\}', (environment_ / "main.tf").read_text())
        for name, body in calls:
            source = TERRAFORM / "modules" / re.search(r'modules/([\w-]+)"', body).group(1)
            given = set(re.findall(r"(?m)^  (\w+) +=", body))
            inputs = re.findall(r'(?m)^variable "(\w+)"', (source / "variables.tf").read_text())
            count += len(inputs)
            lost += [f"{environment_.name}: {name}.{one}" for one in inputs if one not in given and one not in DECIDED]
    if lost:
        raise Failed(f"inputs: no variable reaches {', '.join(lost)}")
    return f"{count} inputs of modules are handed on or decided"


def use(folder, variables):
    """Makes an environment runnable here: a state file beside it, and its variables."""
    (folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    (folder / "terraform.tfvars").write_text(variables)
    terraform(folder, "init")


def shown(folder, name, ok=(0,), options=()):
    done = terraform(folder, "plan", "-detailed-exitcode", f"-out={name}", *options, ok=ok)
    return done.returncode, json.loads(terraform(folder, "show", "-json", name).stdout)


def section(title):
    """What stands in docs/terraform.md under a heading, its subsections included."""
    level, text = title.split()[0], GUIDE.read_text()
    if f"\n{title}\n" not in text:
        raise Failed(f"docs/terraform.md has no {title}")
    return re.split(rf"\n#{{1,{len(level)}}} ", text.split(f"\n{title}\n")[1])[0]


def refused(folder, why, *options):
    """A plan is refused for this reason."""
    done = terraform(folder, "plan", "-input=false", *options, ok=(0, 1, 2))
    if done.returncode != 1 or why not in " ".join(re.sub("[│╷╵]", " ", done.stderr).split()):
        raise Failed(f"omission: {folder.name}: a plan with {options} is not refused by {why!r}\n{done.stdout[-2000:]}{done.stderr}")


def omissions(folder, plan):
    """What nobody wrote takes nothing away, by a plan of the whole or of a part."""
    given = plan["variables"]
    kept = 'terraform_data.part["{}"] has lifecycle.prevent_destroy set'
    if given.get("application", {}).get("value"):
        refused(folder, kept.format("application"), "-var=application=null")
        refused(folder, kept.format("application"), "-var=application=null", "-target=module.application")
    if given.get("dr", {}).get("value"):
        refused(folder, kept.format("dr"), "-var=dr=null")
        refused(folder, kept.format("dr"), "-var=dr=null", "-target=module.dr")
    other = "-var=environment=qa" if folder.name == "dr" else "-var=aws_region=ca-west-1"
    refused(folder, "This state is that of", other, "-target=module.networking")
    # The module waits for the guards by its key, too; the buckets alone by their names.
    refused(folder, "This state is that of", other, "-target=module.storage.aws_s3_bucket.this")
    typo = folder / "typo.auto.tfvars"
    typo.write_text('module_inputs = { cdn = { price_clas = "PriceClass_All" }, cache = { timeouts = { creat = "1h" } } }\n')
    other = folder / "typo.auto.tfvars.json"
    other.write_text(json.dumps({"db_deletion_protektion": True} | ({"cdn_domain": {"alias": [], "aliases": ["f.berthcare.ca"], "certificate_arn": "arn:aws:acm:us-east-1:111122223333:certificate/1"}} if folder.name == "dr" else {"off_hours": {"begin": "never"}})))
    object_ = "cdn_domain.alias, db_deletion_protektion" if folder.name == "dr" else "db_deletion_protektion"
    refused(folder, f"Unknown in the files of variables: {object_}, module_inputs.cache.timeouts.creat, module_inputs.cdn.price_clas{'' if folder.name == 'dr' else ', off_hours.begin'}.")
    typo.unlink()
    other.unlink()
    if folder.name == "staging":
        state = folder / "terraform.tfstate"
        before = state.read_bytes()
        terraform(folder, "state", "rm", "module.database.aws_db_instance.this[0]")
        for part in ([], ["-target=module.database"]):
            refused(folder, "terraform_data.made[0] has lifecycle.prevent_destroy set", *part)
        state.write_bytes(before)


def environment(folder, variables):
    """First plan, its promises, apply, and a second plan, which must be empty."""
    use(folder, variables)
    _, first = shown(folder, "first", ok=(2,))
    promises(first)
    terraform(folder, "apply", "-auto-approve", "first")
    changed, second = shown(folder, "second", ok=(0, 2))
    if changed:
        raise Failed(f"{folder}: the second plan is not empty")
    wiring(second)
    permissions(second)
    apart(folder, second)
    omissions(folder, second)
    survives(folder, second)
    return first, second


# What every plan reads of AWS, whatever it changes: each in the stack's own region.
READ = {"aws_availability_zones", "aws_caller_identity", "aws_db_instances", "aws_partition", "aws_region", "aws_s3_objects"}


def apart(folder, plan):
    """A change in the stack's own region plans while the other regions are silent: without a refresh (docs/terraform.md),
    nothing is read and nothing changed there."""
    _, change = shown(folder, "change", ok=(2,), options=["-refresh=false", "-var=db_instance_class=db.t4g.large"])
    home = plan["variables"]["aws_region"]["value"]
    changed = [one for one in change["resource_changes"] if one["mode"] == "managed" and one["change"]["actions"] != ["no-op"]]
    abroad = [one["address"] for one in changed if (one["change"]["after"] or {}).get("region", home) != home]
    if abroad or [one["type"] for one in changed] != ["aws_db_instance"]:
        raise Failed(f"outage: a change of the database changes {[one['address'] for one in changed]}")


# What holds data, what data cannot be read without, and what keeps others out of it.
KEPT = re.compile(r"aws_(kms_key|ecr_repository|s3_bucket(_(versioning|server_side_encryption_configuration|public_access_block|ownership_controls|policy|object_lock_configuration))?)")


def unguarded(files):
    """Blocks of such a type that a plan may destroy."""
    for path in files:
        for kind, name, body in re.findall(r'^resource "(\w+)" "(\w+)" \{\n(.*?)^\}', path.read_text(), re.DOTALL | re.MULTILINE):
            if KEPT.fullmatch(kind) and not GUARD.search(body):
                yield f"{path.parent.name}: {kind}.{name}"


def survives(folder, plan):
    """What a destroy does to data: nothing, whether it is tried at once or in the way of docs/terraform.md. Terraform's
    refusal names what it comes to first and not what that needs; `tests` looks at each block."""
    kept = {resource["address"] for resource in resources(plan) if KEPT.fullmatch(resource["type"])}
    if not any(".aws_kms_key." in address for address in kept) or len(kept) < 20:
        raise Failed(f"{folder}: {len(kept)} keys, buckets and what protects them, there should be more")
    refused = terraform(folder, "plan", "-destroy", "-input=false", ok=(0, 1))
    if refused.returncode != 1 or "has lifecycle.prevent_destroy set" not in " ".join(refused.stderr.split()):
        raise Failed(f"destroy: it is not refused\n{refused.stdout}{refused.stderr}")
    # As a stack ends: keys and buckets are let go of, the rest is destroyed. While the DR region serves, or does not say, nothing is.
    commands = re.findall(r"(?m)^    (.*)$", section("## The end of a stack"))
    if [line.split()[-2:] for line in commands[-1:]] != [["terraform", "destroy"]]:
        raise Failed("destroy: docs/terraform.md has no commands that end a stack")
    state = folder / "terraform.tfstate"
    before = state.read_bytes()
    for answers in (("1", "0"), ("0", "1"), ("", "0"), ("0", "")):
        if ended_by(folder, commands, *answers).returncode == 0 or state.read_bytes() != before:
            raise Failed(f"destroy: a stack ends where AWS says {answers} of the marker and the database")
    done = ended_by(folder, commands[:-1], "0", "0")
    if done.returncode:
        raise Failed(f"destroy: the commands of docs/terraform.md end with {done.returncode}\n{done.stdout}{done.stderr}")
    _, ended = shown(folder, "ended", ok=(2,), options=["-destroy"])
    lost = sorted(change["address"] for change in ended["resource_changes"] if KEPT.fullmatch(change["type"]))
    if lost or len(ended["resource_changes"]) < 30:
        raise Failed(f"destroy: {len(ended['resource_changes'])} resources go, of which should stay: {', '.join(lost) or 'none'}")


def ended_by(folder, commands, marker, instances):
    """Runs what docs/terraform.md says of the end of a stack, where AWS has that many markers and databases; nothing is no answer."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / "aws").write_text(f"""#!/bin/sh
case $1 in s3api) count={marker} ;; rds) count={instances} ;; esac
test -n "$count" && echo "$count" || {{ echo "Could not connect to the endpoint" >&2; exit 255; }}
""")
    (programs / "aws").chmod(0o755)
    script = f"PATH={programs}:$PATH\n" + "\n".join(commands)
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


def printed():
    """The variables files of a failover and of the way back, as docs/terraform.md prints them."""
    blocks = re.findall(r"(?m)^    \{\n(?:    .*\n)*?    \}$", section("## The DR region"))
    found = [json.loads(block) for block in blocks]
    if [one.get("mode") for one in found] != ["full", "pilot-light"]:
        raise Failed(f"docs/terraform.md prints other files than those of a failover and of the way back: {found}")
    return found


# What is in us-east-1 besides, by its address.
GLOBAL = r"cloudfront_5xx|sns_topic\w*\.global|log_delivery|module\.cdn_certificate"


def transition(plan):
    """How many resources a plan changes in which way, and that it changes nothing that us-east-1 has to answer for."""
    counts, global_services, lost = {}, [], []
    for resource in plan["resource_changes"]:
        if resource["mode"] != "managed":
            continue
        actions = [action for action in resource["change"]["actions"] if action != "no-op"]
        for action in actions + ["import"] * bool(resource["change"].get("importing")):
            counts[action] = counts.get(action, 0) + 1
        if actions and (resource["type"].split("_")[1] in ("iam", "cloudfront", "route53") or re.search(GLOBAL, resource["address"])):
            global_services.append(resource["address"])
        if "delete" in actions and KEPT.fullmatch(resource["type"]):
            lost.append(resource["address"])
    if global_services or lost:
        raise Failed(f"transition: changes {global_services} of global services, destroys {lost}")
    return counts


def drill(folder, variables):
    """The pilot light, two failovers and two ways back; after each apply the next plain plan is empty. docs/terraform.md has
    the counts, and a list here, so that they are noticed when they change."""
    use(folder, variables)
    file, counted, plans = folder / "failover.auto.tfvars.json", [], {}
    over, away = printed()  # and the marker is gone on the way back, which the failback has deleted
    again = {name: value for name, value in over.items() if name != "restored_database"}
    steps = [
        ("pilot light", None),
        ("failover, taking over", over),
        ("back", away),
        ("failover, from a backup", again | {"recovery": RECOVERY, "run": "second", "db_deletion_protection": False}),
        ("back again", away),
    ]
    for name, text in steps:
        if text:
            file.write_text(json.dumps(text))
        # The second failover is one with us-east-1 lost, too: nothing is refreshed that could not answer.
        _, plan = shown(folder, "first", ok=(2,), options=["-refresh=false"] * ("backup" in name))
        promises(plan)
        counted.append(transition(plan) if text else {"create": len(resources(plan))})
        terraform(folder, "apply", "-auto-approve", "first")
        changed, settled = shown(folder, "second", ok=(0, 2))
        if changed:
            raise Failed(f"{folder}: the plan after {name} is not empty: {transition(settled)}")
        wiring(settled)
        for one in [resource["values"] for resource in resources(settled) if resource["type"] == "aws_db_instance"]:
            if one["deletion_protection"] != text.get("db_deletion_protection", True) or one["final_snapshot_identifier"] != f"{RESTORED}-final-{text['run']}":
                raise Failed(f"drill: after {name} the instance is not protected as asked, or its snapshot's name is taken: {one['final_snapshot_identifier']}")
        plans[name] = plan, settled
    for here, there in ((counted[1], counted[3] | {"import": 1}), (counted[2], counted[4])):
        if here | {"create": 0, "update": 0} != there | {"create": 0, "update": 0}:
            raise Failed(f"transition: the second drill is another one than the first: {counted}")
    permissions(plans["failover, taking over"][1])
    omissions(folder, settled)
    survives(folder, settled)
    documented(counted)
    return plans["failover, taking over"]


def documented(counted, first=1):
    """The table of docs/terraform.md says what was counted, from a row on."""
    rows = dict(re.findall(r"(?m)^\| (\d) \|.*\| ([^|]*) \|$", GUIDE.read_text()))
    rows = [rows.get(str(number)) for number in range(first, first + len(counted))]
    found = [", ".join(f"{number} to {action}" for action, number in sorted(counts.items())) for counts in counted]
    if rows != found:
        raise Failed(f"transition: docs/terraform.md counts\n{rows}\nand terraform\n{found}")


def planned(folder, variables):
    """A plan alone, for what another environment's run has shown already."""
    use(folder, variables)
    _, plan = shown(folder, "first", ok=(2,))
    promises(plan)
    return plan, plan


def failback(folder, variables):
    """The instance that the outage left is let go of, the restored one taken over; the next plain plan is empty."""
    use(folder, variables)
    terraform(folder, "apply", "-auto-approve")
    terraform(folder, "state", "rm", "module.database.aws_db_instance.this[0]")
    (folder / "failback.auto.tfvars.json").write_text(json.dumps({"restored_database": "berthcare-staging-postgres", "run": "back"}))
    _, plan = shown(folder, "first", ok=(2,))
    promises(plan)
    counts = transition(plan)
    if counts.get("import") != 1 or not set(counts) <= {"import", "update"}:
        raise Failed(f"transition: the failback changes {counts}")
    documented([counts], first=6)
    terraform(folder, "apply", "-auto-approve", "first")
    changed, settled = shown(folder, "second", ok=(0, 2))
    if changed:
        raise Failed(f"{folder}: the plan after a failback is not empty: {transition(settled)}")
    wiring(settled)
    return plan, settled


def wiring(plan):
    """Which module's output goes where: known once everything is applied."""
    outputs = {name: output.get("value") for name, output in plan["planned_values"]["outputs"].items()}
    private = set(outputs["private_subnet_ids"])
    wanted = {
        "aws_db_instance": ("vpc_security_group_ids", {outputs["rds_security_group_id"]}),
        "aws_elasticache_replication_group": ("security_group_ids", {outputs["redis_security_group_id"]}),
        "aws_db_subnet_group": ("subnet_ids", private),
        "aws_elasticache_subnet_group": ("subnet_ids", private),
    }
    wrong = [
        f"{resource['address']}.{wanted[resource['type']][0]} is {resource['values'][wanted[resource['type']][0]]}"
        for resource in resources(plan)
        if resource["type"] in wanted and set(resource["values"][wanted[resource["type"]][0]]) != wanted[resource["type"]][1]
    ]
    for resource in resources(plan):
        key = resource["values"].get("kms_key_id")
        if resource["type"] in ("aws_db_instance", "aws_elasticache_replication_group", "aws_cloudwatch_log_group") and key != outputs["kms_key_arn"]:
            wrong.append(f"{resource['address']} is encrypted with {key}")
        if resource["type"] == "aws_db_instance":
            recovery = plan["variables"].get("recovery", {}).get("value") or {}
            restored = resource["values"].get("restore_to_point_in_time") or [{}]
            if restored[0].get("source_db_instance_automated_backups_arn") != recovery.get("automated_backup_arn"):
                wrong.append(f"{resource['address']} is not made from {recovery}")
    wrong += tasks_secrets(plan, outputs)
    if wrong:
        raise Failed("wiring: " + "\n        ".join(wrong))


def tasks_secrets(plan, outputs):
    """Tasks are given the secrets of the application's users: that of the master, or of how to reach the database, has an
    ARN as well, and only the tasks' own start would notice."""
    wanted = {"DATABASE_CREDENTIALS": outputs["db_credentials_secret_arn"], "REDIS_CREDENTIALS": outputs["redis_credentials_secret_arn"]}
    definitions = [resource for resource in resources(plan) if resource["type"] == "aws_ecs_task_definition"]
    asked = plan["variables"].get("application", {}).get("value") is not None
    wrong = [] if bool(definitions) == asked else [f"{len(definitions)} task definitions, where an application is {'' if asked else 'not '}asked for"]
    for definition in definitions:
        for container in json.loads(definition["values"]["container_definitions"]):
            given = {one["name"]: one["valueFrom"] for one in container.get("secrets", [])}
            if given != wanted:
                wrong.append(f"{definition['address']}: the secrets of {container['name']} are {given}, they should be {wanted}")
    return wrong


# What a role may do on everything, since AWS knows no resource for it, by the statement's Sid.
EVERYWHERE = {"LogInToRegistry", "Look", "DeliverLogs"}
# By which of these a service is held to this account or to one resource of it.
HOLDS = {"aws:SourceAccount", "aws:SourceArn", "kms:EncryptionContext:aws:logs:arn"}


# What AWS looks whether it may write, when it is made; and what cannot be read without its key. The marker has none: Route 53
# reads it.
WRITERS = re.compile(r"\.aws_(cloudwatch_log_delivery|lb)\.")
SEALED = re.compile(r"(?<!module\.failover)\.aws_(db_instance|ecr_repository|elasticache_replication_group|s3_bucket_server_side_encryption_configuration|secretsmanager_secret|sns_topic)\.(?!global)")


def ordered(graph):
    """What waits for what, as `terraform graph` has it, and a destroy goes the other way: logs are delivered to a bucket whose
    policy lets them in, and nothing that a key seals is made before the key or outlives it."""
    after = {}
    for one, other in re.findall(r'"([^"]+)" -> "([^"]+)"', graph):
        after.setdefault(one, set()).add(other)

    def reached(start):
        found, todo = set(), [start]
        while todo:
            for one in after.get(todo.pop(), set()) - found:
                found.add(one)
                todo.append(one)
        return found

    nodes = set(after) | {one for others in after.values() for one in others}
    writers, sealed = ({node for node in nodes if kind.search(node)} for kind in (WRITERS, SEALED))
    wrong = [f"{node} does not wait for the log bucket's policy" for node in writers if "module.storage.aws_s3_bucket_policy.this" not in reached(node)]
    wrong += [f"{node} waits for no key" for node in sealed if not any(".aws_kms_key." in one for one in reached(node))]
    if len(writers) < 2 or len(sealed) < 6:
        wrong.append(f"{len(writers)} deliveries of logs and {len(sealed)} kinds of what a key seals, there should be more")
    if wrong:
        raise Failed("order: " + "\n       ".join(sorted(wrong)))


def permissions(plan):
    """What every policy of the stack has to hold, whoever wrote it. In a settled plan, where policies are known."""
    wrong, seen = [], 0
    for resource in resources(plan):
        of_identity = resource["type"] == "aws_iam_role_policy"
        for attribute in ("policy", "assume_role_policy"):
            text = resource["values"].get(attribute)
            # That of a registry is about images, not about who may do what.
            if not isinstance(text, str) or not text.startswith("{") or resource["type"] == "aws_ecr_lifecycle_policy":
                continue
            for statement in json.loads(text)["Statement"]:
                seen += 1
                wrong += [f"{resource['address']} {statement.get('Sid', '')}: {flaw}" for flaw in flaws(statement, of_identity)]
    if seen < 20:
        wrong.append(f"{seen} statements, there should be more")
    secret = {r["values"]["result"] for r in resources(plan) if r["type"] == "random_password" and r["values"].get("result")}
    for name, output in plan["planned_values"]["outputs"].items():
        shown = json.dumps(output.get("value"))
        if not output.get("sensitive") and any(value in shown for value in secret):
            wrong.append(f"the output {name} shows a secret")
    if wrong:
        raise Failed("permissions: " + "\n             ".join(wrong))


def flaws(statement, of_identity):
    """What an attacker would like about a statement."""
    if statement["Effect"] != "Allow":
        return []
    listed = lambda value: value if isinstance(value, list) else [value]  # noqa: E731
    found = [f"{key} leaves open what is meant" for key in ("NotAction", "NotPrincipal", "NotResource") if key in statement]
    actions, principal = listed(statement.get("Action", [])), statement.get("Principal")
    keys = {key for condition in statement.get("Condition", {}).values() for key in condition}
    everybody = principal == "*" or "*" in listed((principal or {}).get("AWS", []) if isinstance(principal, dict) else [])
    if everybody and not from_few_networks(statement):
        found.append("lets everybody in")
    if isinstance(principal, dict) and "Service" in principal and not keys & HOLDS:
        found.append(f"{principal['Service']} is let in for any account")
    if of_identity and "*" in listed(statement.get("Resource", [])) and statement.get("Sid") not in EVERYWHERE:
        found.append("is about every resource")
    if of_identity:
        found += [f"allows {action}" for action in actions if action == "*" or action.endswith(":*")]
    if "kms:CreateGrant" in actions and not {"kms:GrantIsForAWSResource", "kms:ViaService"} <= keys:
        found.append("grants keys to more than AWS's services")
    return found


def from_few_networks(statement):
    """Whether a statement reads one object, for networks that are named and narrow: those of Route 53's health checkers."""
    listed = lambda value: value if isinstance(value, list) else [value]  # noqa: E731
    networks = listed(statement.get("Condition", {}).get("IpAddress", {}).get("aws:SourceIp", []))
    narrow = [network for network in networks if int((network.split("/") + ["32"])[1]) >= 16]
    resources_ = listed(statement.get("Resource", []))
    return bool(networks) and narrow == networks and statement["Action"] == ["s3:GetObject"] and not any("*" in one for one in resources_)


def everything(values):
    found, todo = [], [values["root_module"]]
    while todo:
        at = todo.pop()
        found += at.get("resources", [])
        todo += at.get("child_modules", [])
    return found


def resources(plan):
    return [resource for resource in everything(plan["planned_values"]) if resource["mode"] == "managed"]


def promises(plan):
    """What only a whole plan shows."""
    wrong = []
    variables = plan["variables"]
    region = variables["aws_region"]["value"]
    count = len(resources(plan))
    if count < 50:
        wrong.append(f"{count} resources, the guide counts 50 or more")
    for resource in resources(plan):
        address, values = resource["address"], resource["values"]
        missing = {key for key, value in TAGS.items() if (values.get("tags_all") or {}).get(key) != value}
        if "tags_all" in values and missing:
            wrong.append(f"{address} lacks the tags {sorted(missing)}")
        elsewhere = values.get("region", region) != region
        may = re.search(GLOBAL + "|replication_lag|automated_backups_replication", address)
        if elsewhere and not may:
            wrong.append(f"{address} is in {values['region']}")
        if re.search(GLOBAL, address) and values.get("region", "us-east-1") != "us-east-1":
            wrong.append(f"{address} is not in us-east-1")
        if resource["type"] == "aws_cloudfront_distribution":
            unsigned = [
                behavior.get("path_pattern", "default")
                for behavior in values["default_cache_behavior"] + values["ordered_cache_behavior"]
                # Known after the apply: the group of the keys, whose id is not known yet.
                if "trusted_key_groups" in behavior and not behavior["trusted_key_groups"]
            ]
            if unsigned:
                wrong.append(f"{address} serves {unsigned} without a signature")
        if resource["type"] == "aws_secretsmanager_secret_version" and "database.aws" in address:
            if "password" in json.loads(values.get("secret_string") or "{}"):
                wrong.append(f"{address} has a password in its state")
        if resource["type"] == "aws_iam_role_policy" and "rds!db" in (values.get("policy") or ""):
            wrong.append(f"{address} lets a role read the master password")
        if resource["type"] == "aws_db_instance" and values.get("password"):
            wrong.append(f"{address} has a password in its state")
        if resource["type"] == "aws_iam_role":
            bounds = {name: variables.get(variable, {}).get("value") for name, variable in (("path", "role_path"), ("permissions_boundary", "permissions_boundary_arn"))}
            if any(values.get(name) != bound for name, bound in bounds.items()):
                wrong.append(f"{address} is not bounded by {bounds}")
        if resource["type"] == "aws_ecs_service" and not (variables.get("mode", {"value": "full"})["value"] == "full"):
            wrong.append(f"{address} runs in the pilot light")
    read = {resource["type"] for resource in everything(plan.get("prior_state", {}).get("values", plan["planned_values"])) if resource["mode"] == "data"}
    if read - READ or not read:
        wrong.append(f"each plan reads {sorted(read - READ)}, which an outage of us-east-1 would stop")
    databases = [r["address"] for r in resources(plan) if r["type"] == "aws_db_instance"]
    wanted = 0 if variables.get("mode", {}).get("value") == "pilot-light" else 1
    if len(databases) != wanted:
        wrong.append(f"databases: {databases}, there should be {wanted}")
    if wrong:
        raise Failed("plan: " + "\n      ".join(wrong))


# The application, by a digest, and its name, by roles as an organisation may ask for. The zone is nobody's.
APPLICATION = """role_path                = "/platform/"
permissions_boundary_arn = "arn:aws:iam::111122223333:policy/platform-boundary"
image_repositories = ["berthcare/api"]
dns = { zone_id = "Z0123456789ABC", name = "api.staging.berthcare.ca" }
application = {
  image       = "111122223333.dkr.ecr.REGION.amazonaws.com/berthcare/api@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  environment = { NODE_ENV = "production" }
}
"""
MORE = """off_hours = { start = "never" }
audit_trail = { data_events = true }
""" + APPLICATION.replace("REGION", "ca-central-1")
MORE_DR = """primary_distribution_arn = "arn:aws:cloudfront::111122223333:distribution/E2PRIMARY"
""" + APPLICATION.replace("REGION", "us-east-1")

# Environment, its name here, the example whose variables it has, further ones, and what is done with it.
PLANS = [
    ("staging", "staging", ("berthcare-staging", False), "", environment),
    ("staging", "staging-dr", ("berthcare-staging", True), MORE, environment),
    ("dr", "dr", ("berthcare-staging", False), MORE_DR, drill),
    ("staging", "ca-west-staging", ("berthcare-ca-west", True), "", failback),
    ("dr", "ca-west-dr", ("berthcare-ca-west", False), "", planned),
]


# What stands for init-backend where commands are only followed: it wants the settings and the folder to be where they are said.
STANDS_IN = """#!/bin/sh
set -eu
settings=infra.toml
out=
while [ $# -gt 0 ]; do
  case $1 in
    --config) settings=$2; shift ;;
    --out) out=$2; shift ;;
  esac
  shift
done
test -f "$settings" || { echo "there is no $settings in $PWD" >&2; exit 2; }
test -z "$out" || : >"$out"
"""


def followed(folder):
    """The commands of README.md, of docs/terraform.md and of the environments' own READMEs, run where they say, up to the first
    that changes AWS."""
    root = TERRAFORM.parent
    shutil.copytree(EXAMPLES, folder.parent / "examples")
    (folder.parent / "bin").mkdir()
    program = folder.parent / "bin/init-backend"
    program.write_text(STANDS_IN)
    program.chmod(0o755)
    for name in ("staging", "dr"):
        (folder / "environments" / name / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    readme = re.findall(r"(?m)^\$ ((?:cp|sed|terraform|cargo run -q -p init-backend) .*)$", (root / "README.md").read_text())
    readme = [line.replace("cargo run -q -p init-backend --", "init-backend") for line in readme]
    guide = re.findall(r"(?m)^    (.*)$", section("## Staging"))
    # "The commands are those of staging with dr in place of staging and of primary."
    other = [line.replace("staging", "dr").replace("primary", "dr") for line in guide]
    own = {name: re.findall(r"(?m)^    (.*)$", (folder / "environments" / name / "README.md").read_text().split("<!--")[0]) for name in ("staging", "dr")}
    runs = [("staging", [line for line in readme if "local-aws" not in line]), ("staging", guide), ("dr", other)]
    runs += [(name, [f"cd terraform/environments/{name}", *lines]) for name, lines in own.items()]
    count = 0
    for name, lines in runs:
        updated = "cat > terraform.tfvars <<'END'\n" + example("berthcare-staging", name) + "END"
        # What other commands have left here would hide that these do not write it.
        for left in ("tfplan", "terraform.tfvars", f"{name}.s3.tfbackend"):
            (folder / "environments" / name / left).unlink(missing_ok=True)
        script = []
        for line in lines:
            if line.startswith("terraform apply"):
                break
            script.append(line)
            script += [updated] * line.endswith(" terraform.tfvars")
            count += 1
        done = run("bash", "-euo", "pipefail", "-c", "PATH=$PWD/bin:$PATH\n" + "\n".join(script), cwd=folder.parent)
        # Which ends with 0.
        if "initialized in an empty directory" in done.stdout:
            raise Failed(f"commands: terraform init where there is no code\n{done.stdout}")
        if any(line.startswith("terraform plan") for line in script) != (folder / "environments" / name / "tfplan").exists():
            raise Failed(f"commands: no plan of {name} came of {lines}")
    if count < 20:
        raise Failed(f"commands: {count} were followed, there should be more")
    return f"{count} commands run where the documents say"


def plan_of(entry, folder):
    """The two plans of an entry of PLANS, in a copy of the code."""
    name, label, (of, with_dr), more, work = entry
    text = example(of, name, with_dr) + more
    if label == "staging-dr":
        zip_file = 'snapshot_copier_zip = "../../modules/dr/tests/bootstrap.zip"'
        text = text.replace("  keep_last = 7\n", f"  {zip_file}\n  health_check_id = \"0123abcd\"\n  keep_last = 7\n")
    result = work(folder / "environments" / name, text)
    if label in ("staging-dr", "dr"):
        ordered(terraform(folder / "environments" / name, "graph").stdout)
    return result


def told(settings, settled, of):
    """What an environment says that infra.toml takes from it, of the database itself or of its `failback`, is what infra.toml
    has, but for the IDs that only AWS gives."""
    text = settled["planned_values"]["outputs"]["infra_toml"]["value"]
    said, outputs = tomllib.loads(text), settled["planned_values"]["outputs"]
    databases = said["databases"][0], settings["databases"][0]
    mine, theirs = [one[of] for one in databases] if of else databases
    restore = mine["restore"]
    if mine.pop("kms") != outputs["kms_key_arn"]["value"] or restore.pop("security_groups") != [outputs["rds_security_group_id"]["value"]]:
        raise Failed(f"names: infra_toml has another key or group than the outputs\n{text}")
    simple = {name: one for name, one in databases[0].items() if isinstance(one, str)}
    pairs = [(said["regions"], settings["regions"]), (said.get("failover", {}), settings["failover"]), (restore, theirs["restore"]), (simple, databases[1])]
    for one, other in pairs:
        if not one.items() <= other.items():
            raise Failed(f"names: infra_toml says {one}, infra.toml has {other}")
    return 2 + sum(len(one) for one, _ in pairs)


def kept_by_default():
    """How many copies and days terraform keeps where nobody says: the environment and the module have the same."""
    files = TERRAFORM / "environments/staging/variables.tf", TERRAFORM / "modules/dr/variables.tf"
    found = [{name: int(number) for name, number in re.findall(r"(keep_last|keep_days) += optional\(number, (\d+)\)", path.read_text())} for path in files]
    if found[0] != found[1] or len(found[0]) != 2:
        raise Failed(f"names: copies are kept for {found[0]} by the environment and for {found[1]} by the module")
    return found[0]


def agree(example_name, staging, dr):
    """infra.toml and what terraform makes of the example's variables have one name for one thing, whichever is asked."""
    settings = tomllib.loads((EXAMPLES / example_name / "infra.toml").read_text())
    data = {"photos", "documents", "signatures"}

    def variable(plan, name):
        return plan["variables"].get(name, {}).get("value")

    def those(plan, kind, attribute, where=lambda resource: True):
        return {r["values"].get(attribute) for r in resources(plan) if r["type"] == kind and where(r)}

    def data_buckets(plan):
        return {r["index"]: r["values"]["bucket"] for r in resources(plan) if r["address"].startswith("module.storage.aws_s3_bucket.this") and r["index"] in data}

    database, restore = settings["databases"][0], settings["databases"][0]["restore"]
    to_dr, failover = variable(staging, "dr"), settings.get("failover", {})
    keys = [r for plan in (staging, dr) for r in resources(plan) if r["address"] == "module.security.aws_kms_key.this"]
    own = {"ManagedBy", "Role", "ResidencyException"}
    names = data_buckets(staging)
    rules = [r for r in resources(staging) if r["address"].startswith("module.storage.aws_s3_bucket_replication_configuration.this")]
    targets = {r["index"]: r["values"]["rule"][0]["destination"][0]["bucket"].split(":")[-1] for r in rules}
    exceptions = [
        {key: str(one[key]) for key in ("reason", "approved_by")}
        for one in settings["residency"].get("exceptions", []) if one["region"] == settings["regions"]["dr"]
    ]
    written = [{key: one[key] for key in ("reason", "approved_by")} for one in (variable(dr, "residency_exception"), to_dr.get("residency_exception")) if one]
    # What, by infra.toml, by terraform; what neither says has the default of each.
    pairs = [
        ("regions", [settings["regions"]["primary"], settings["regions"]["dr"]], [variable(staging, "aws_region"), variable(dr, "aws_region")]),
        ("regions of the other side", [settings["regions"]["primary"], settings["regions"]["dr"]], [variable(dr, "primary_region"), to_dr["region"]]),
        ("project and environment", {(settings["project"], settings["environment"])}, {(variable(plan, "project_name"), variable(plan, "environment")) for plan in (staging, dr)}),
        ("buckets", {(one["name"], one["dr"]) for one in settings["buckets"]}, {(names[kind], targets[kind]) for kind in names}),
        ("buckets of the DR region", {one["dr"] for one in settings["buckets"]}, set(data_buckets(dr).values())),
        ("databases", {one["id"] for one in settings["databases"]}, those(staging, "aws_db_instance", "identifier")),
        ("retention", {database.get("retention_days", 7)}, those(staging, "aws_db_instance", "backup_retention_period")),
        ("database of the DR region", {database["dr_id"]}, {variable(dr, "project_name") + "-" + variable(dr, "environment") + "-postgres-dr"}),
        ("subnet group", {restore["subnet_group"]}, those(dr, "aws_db_subnet_group", "name")),
        ("parameter group", {restore["parameter_group"]}, those(dr, "aws_db_parameter_group", "name")),
        ("class", {restore.get("class", variable(staging, "db_instance_class"))}, {variable(dr, "db_instance_class")}),
        ("copies", {"keep_last": 7, "keep_days": 7} | database.get("copies", {}), kept_by_default() | {key: to_dr[key] for key in ("keep_last", "keep_days") if key in to_dr}),
        ("what a failover sets", set(failover.get("variables", printed()[0])) | {failover.get("restored_database", "restored_database")}, set(printed()[0])),
        ("what a failback leaves in the DR region", settings.get("failback", {}).get("pilot_light", printed()[1]), printed()[1]),
        ("tags", [{"Project": settings["project"], "Environment": settings["environment"], **settings.get("tags", {})}] * 2, [{key: value for key, value in one["values"]["tags_all"].items() if key not in own} for one in keys]),
        ("residency exceptions", exceptions * 2, written),
    ]
    for what, by_settings, by_terraform in pairs:
        if by_settings != by_terraform:
            raise Failed(f"names: {example_name}, {what}: infra.toml has {by_settings}, terraform {by_terraform}")
    return len(pairs)


def scanners():
    """Programs of the scanners, or why there are none."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    home = cache / "berthcare-dr" / ("scanners-" + "-".join(SCANNERS).replace("==", "-"))
    if not (home / "ready").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, capture_output=True)
            subprocess.run([home / "bin/pip", "-q", "install", *SCANNERS], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return None, f"{' and '.join(SCANNERS)} cannot be installed: {error}"
        (home / "ready").touch()
    return home / "bin", None


def findings(programs, plan, folder):
    """(scanner, rule, address) of every finding in a plan."""
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    checkov = run(
        programs / "checkov", "-f", path, "--framework", "terraform_plan", "--compact", "--quiet", "--skip-download",
        "-o", "json", cwd=folder, ok=(0, 1),
    )
    report = json.loads(checkov.stdout)
    if not report.get("summary", {}).get("passed"):
        raise Failed("checkov looked at nothing")
    found = {("checkov", f["check_id"], f["resource"]) for f in report["results"]["failed_checks"]}
    nag = json.loads(run(programs / "tf-nag", "scan", "--plan-json", path, "--format", "json", "--fail-on", "never", cwd=folder).stdout)
    found |= {("tf-nag", f["rule_id"], f["address"]) for f in nag}
    return found


def acceptances():
    """(scanner, rule, place of the resource) → reason, from the comments in the code."""
    accepted = {}
    for path in sorted((TERRAFORM / "modules").glob("*/*.tf")):
        at = None
        for line in path.read_text().splitlines():
            opened = re.match(r'resource "(\w+)" "(\w+)"', line)
            at = (path.parent.name, *opened.groups()) if opened else None if line == "}" else at
            said = re.match(r"\s*#(checkov|tf-nag):skip=([\w-]+):?(.*)", line)
            if said and (not at or len(said.group(3).split()) < 3):
                raise Failed(f"{path.name}: {line.strip()} stands in no resource or has no reason")
            if said:
                accepted[(said.group(1), said.group(2), at)] = said.group(3)
    return accepted


def place(address):
    """module.off_hours[0].aws_x.this["y"] → (off-hours, aws_x, this)"""
    module_name, kind, name = re.match(r"module\.(\w+)(?:\[[^]]*\])?\.(\w+)\.(\w+)", address).groups()
    return module_name.replace("_", "-"), kind, name


def scan(plans, folder):
    """What both the first and the settled plan show: the first has references but unknown values, the settled one
    has values but no references, and each alone makes a scanner report what is not so."""
    programs, why = scanners()
    if why:
        return f"skipped: {why}"
    accepted, used, left, total = acceptances(), set(), [], 0
    for name, (first, second) in plans.items():
        if name.startswith("ca-west"):  # it has nothing that the others have not
            continue
        (folder / name).mkdir()
        for scanner, rule, address in sorted(findings(programs, first, folder / name) & findings(programs, second, folder / name)):
            total += 1
            key = (scanner, rule, place(address))
            used.add(key)
            if key not in accepted:
                left.append(f"{name}: {scanner} {rule} {address}")
    left += [f"accepted, but not found: {key}" for key in accepted if key not in used]
    if left:
        raise Failed("scan:\n" + "\n".join(left))
    return f"{total} findings in the plans, each accepted by one of {len(accepted)} written reasons"


def skipped(why):
    print(f"skipped: {why}")
    sys.exit(0)


def prerequisites(folder):
    if not shutil.which("terraform"):
        skipped("terraform is not installed")
    version = json.loads(run("terraform", "version", "-json", cwd=folder).stdout)["terraform_version"]
    if tuple(map(int, version.split(".")[:2])) < MINIMUM:
        skipped(f"terraform {version} is older than 1.10")
    probe = subprocess.run(
        ["terraform", "init", "-no-color", "-backend=false"], cwd=folder / "modules/cache", capture_output=True, text=True, check=False,
    )
    if probe.returncode:
        skipped("terraform init reaches no providers: " + " ".join(probe.stderr.split())[:300])
    return version


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="format,readmes,rules,locks,fixture,modules,commands,environments,scan")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    steps = arguments.only.split(",")
    problems, started = [], time.monotonic()

    def report(name, text, since):
        print(f"{time.monotonic() - since:6.1f} s  {name}: {text}", flush=True)

    with tempfile.TemporaryDirectory() as temporary, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        root = pathlib.Path(temporary)
        version = prerequisites(copy_to(root / "probe"))
        print(f"terraform {version}")

        def step(name, work):
            since = time.monotonic()
            try:
                report(name, work(), since)
            except Failed as failed:
                problems.append(name)
                report(name, f"FAILED\n{failed}", since)

        if "format" in steps:
            step("format", lambda: run("terraform", "fmt", "-check", "-recursive", cwd=TERRAFORM) and "as terraform fmt has it")
        if "readmes" in steps:
            def check_readmes():
                stale = readmes.stale()
                if stale:
                    raise Failed(f"stale, run testing/readmes.py: {', '.join(stale)}")
                run(sys.executable, "-m", "unittest", "-q", "test_readmes", cwd=TERRAFORM / "testing")
                return "inputs and outputs are those of the code, in the format of terraform-docs"
            step("readmes", check_readmes)
        if "rules" in steps:
            step("rules", lambda: run(sys.executable, "-m", "unittest", "-q", "test_check", "test_mutants", cwd=TERRAFORM / "testing") and "each flaw of a policy is told, and each mutant breaks the code")
            step("inputs", reachable)
            step("acceptance", lambda: accepted_by((TERRAFORM.parent / "docs/acceptance.md").read_text()))
            step("ladder", lambda: rungs((TERRAFORM.parent / "docs/verification-ladder.md").read_text()))
        if "locks" in steps:
            def check_locks():
                run(sys.executable, "-m", "unittest", "-q", "test_locks", cwd=TERRAFORM / "testing")
                return run(sys.executable, TERRAFORM / "testing/locks.py", cwd=TERRAFORM).stdout.strip()
            step("locks", check_locks)
        if "fixture" in steps:
            def check_fixture():
                return run(sys.executable, TERRAFORM / "testing/fixture.py", "--check", cwd=TERRAFORM).stdout.strip()
            step("fixture", check_fixture)
        if "modules" in steps:
            copy, since = copy_to(root / "modules"), time.monotonic()
            jobs = {pool.submit(module, folder): folder.name for folder in sorted((copy / "modules").iterdir())}
            passed = 0
            for job in concurrent.futures.as_completed(jobs):
                try:
                    count, planned = job.result()
                    passed += count
                    report(f"module {jobs[job]}", f"{count} tests, {planned} resources in its example", since)
                except Failed as failed:
                    problems.append(jobs[job])
                    report(f"module {jobs[job]}", f"FAILED\n{failed}", since)
            print(f"          modules: {passed} tests passed")
        if "commands" in steps:
            (root / "checkout").mkdir()
            step("commands", lambda: followed(copy_to(root / "checkout/terraform")))
        plans = {}
        if "environments" in steps or "scan" in steps:
            since = time.monotonic()

            def one(*entry):
                name, label = entry[:2]
                copy = copy_to(root / label)
                folder = copy / "environments" / name
                if "environments" in steps and label == name:
                    terraform(folder, "init", "-backend=false")
                    terraform(folder, "validate")
                    count = tests(folder)
                    shutil.rmtree(folder / ".terraform")
                else:
                    count = 0
                return count, plan_of(entry, copy)

            jobs = {pool.submit(one, *plan): plan[1] for plan in PLANS}
            for job in concurrent.futures.as_completed(jobs):
                try:
                    count, plans[jobs[job]] = job.result()
                    report(f"environment {jobs[job]}", f"{count} tests, {len(resources(plans[jobs[job]][0]))} resources", since)
                except Failed as failed:
                    problems.append(jobs[job])
                    report(f"environment {jobs[job]}", f"FAILED\n{failed}", since)
        if len(plans) == len(PLANS):
            def check_names():
                facts = agree("berthcare-staging", plans["staging-dr"][0], plans["dr"][0])
                # A field that the example leaves to those who turn traffic is right where it is turned on.
                written = re.sub(r"(?m)^# (marker_bucket = )", r"\1", (EXAMPLES / "berthcare-staging/infra.toml").read_text())
                facts += told(tomllib.loads(written), plans["dr"][1], None)
                facts += told(tomllib.loads(written), plans["staging-dr"][1], "failback")
                facts += agree("berthcare-ca-west", plans["ca-west-staging"][0], plans["ca-west-dr"][0])
                return f"{facts} facts are the same in infra.toml and in terraform"
            step("names", check_names)
        if "scan" in steps and len(plans) == len(PLANS):
            (root / "scan").mkdir()
            step("scan", lambda: scan(plans, root / "scan"))
    print(f"{time.monotonic() - started:6.1f} s  in all; {'failed: ' + ', '.join(problems) if problems else 'all holds'}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
