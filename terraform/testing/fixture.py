#!/usr/bin/env python3
"""What terraform has in its state after an apply of environments/staging, as the tests of crates/verify build it.

    terraform/testing/fixture.py [--check]

Writes crates/local-aws/src/stack/staging.json: outputs, and every managed resource with its values. With --check
nothing is written, and the run fails when the file is not what terraform says today. `terraform init` must reach
providers that answer from the schemas alone, as for check.py; where it cannot, or terraform is missing, the run says
"skipped: why" and ends with 0.
"""

import argparse
import hashlib
import json
import pathlib
import re
import sys
import tempfile

import check

FIXTURE = check.TERRAFORM.parent / "crates/local-aws/src/stack/staging.json"


def state(folder):
    """Outputs and resources after an apply."""
    check.use(folder, check.example("berthcare-staging", "staging"))
    _, plan = check.shown(folder, "plan", ok=(2,))
    made_up = {change["address"]: change["change"]["after_unknown"] for change in plan["resource_changes"]}
    check.terraform(folder, "apply", "-auto-approve", "plan")
    shown = json.loads(check.terraform(folder, "show", "-json").stdout)
    outputs = json.loads(check.terraform(folder, "output", "-json").stdout)
    found = sorted(check.resources({"planned_values": shown["values"]}), key=lambda one: one["address"])
    # Of terraform alone, and nothing that AWS could be asked about.
    found = [one for one in found if one["type"] != "terraform_data"]
    resources = [
        {"address": one["address"], "type": one["type"], "values": without_made_up_numbers(one["values"], made_up[one["address"]])}
        for one in found
    ]
    return settled(json.dumps({"outputs": outputs, "resources": resources}, indent=1, sort_keys=True) + "\n", found)


def without_made_up_numbers(values, unknown):
    """The providers invent a value for what only AWS knows. Texts say that they are invented, numbers do not."""
    return {key: value for key, value in values.items() if not (unknown.get(key) is True and type(value) in (int, float))}


def settled(text, found):
    """Invented texts carry a random number of their resource: it becomes one that its address gives."""
    for one in found:
        random = re.search(r"[0-9a-f]{8,}$", one["values"]["id"])
        if random:
            own = hashlib.sha256(one["address"].encode()).hexdigest()
            text = re.sub(random[0][:8] + "[0-9a-f]*", lambda match: own[: len(match[0])], text)
    return text


def ordered(value):
    """Sets come in the order of what they hold, invented texts included."""
    if isinstance(value, dict):
        return {key: ordered(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted((ordered(one) for one in value), key=lambda one: json.dumps(one, sort_keys=True))
    return value


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        copy = check.copy_to(pathlib.Path(temporary) / "terraform")
        check.prerequisites(copy)
        text = state(copy / "environments" / "staging")
    name = FIXTURE.relative_to(check.TERRAFORM.parent)
    if FIXTURE.exists() and ordered(json.loads(FIXTURE.read_text())) == ordered(json.loads(text)):
        print(f"{name} is what terraform says")
    elif arguments.check:
        print(f"stale, run testing/fixture.py: {name}")
        sys.exit(1)
    else:
        FIXTURE.write_text(text)
        print(f"{name} written")


if __name__ == "__main__":
    main()
