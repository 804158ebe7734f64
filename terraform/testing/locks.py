#!/usr/bin/env python3
"""Whether the committed lock files of the providers are worth something.

    terraform/testing/locks.py

A lock file of an environment names each provider that its code asks for, and no other, in a version that every module
takes, with the hashes of the registry (zh:) and those of two platforms at least (h1:). One that `terraform init` wrote
beside a mirror or a stub has one h1: and nothing that AWS's users could verify: it is refused.
"""

import pathlib
import re
import subprocess
import sys

TERRAFORM = pathlib.Path(__file__).resolve().parent.parent
NAME = ".terraform.lock.hcl"


def number(version):
    """1.2.3 → (1, 2, 3); None for anything else, such as a pre-release."""
    return tuple(map(int, version.split("."))) if re.fullmatch(r"\d+(\.\d+)*", version) else None


def fits(version, constraint):
    """Whether a version satisfies a constraint as Terraform writes it: `~> 6.0`, `>= 1.2, < 2.0.0`, `1.2.3`."""
    found = number(version)
    for part in constraint.split(","):
        operator, wanted = re.fullmatch(r"\s*(~>|>=|<=|>|<|!=|=)?\s*([\d.]+)\s*", part).groups()
        wanted = number(wanted)
        width = max(len(found or ()), len(wanted))
        have, want = (value + (0,) * (width - len(value)) for value in (found or (), wanted))
        upper = wanted[:-2] + (wanted[-2] + 1,) if len(wanted) > 1 else None
        holds = {
            "~>": lambda: have >= want and (upper is None or have[: len(upper)] < upper),
            ">=": lambda: have >= want,
            "<=": lambda: have <= want,
            ">": lambda: have > want,
            "<": lambda: have < want,
            "!=": lambda: have != want,
        }.get(operator, lambda: have == want)
        if found is None or not holds():
            return False
    return True


def required(folder):
    """Provider → all constraints, of a folder and of the modules that it calls."""
    found, todo, seen = {}, [folder.resolve()], set()
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        for file in at.glob("*.tf"):
            text = file.read_text()
            for block in re.findall(r"required_providers\s*{(.*?)\n  }", text, re.S):
                for source, version in re.findall(r'source\s*=\s*"([^"]+)"\s*version\s*=\s*"([^"]+)"', block):
                    found.setdefault(f"registry.terraform.io/{source}", set()).add(version)
            todo += [(at / source).resolve() for source in re.findall(r'^\s*source\s*=\s*"(\.[^"]*)"', text, re.M)]
    return found


def faults(text, wanted):
    """What is wrong with a lock file's text."""
    wrong, locked = [], {}
    for name, body in re.findall(r'^provider "([^"]+)" {\n(.*?)^}', text, re.M | re.S):
        version = re.search(r'^\s*version\s*=\s*"([^"]+)"', body, re.M)
        locked[name] = version.group(1) if version else ""
        hashes = re.findall(r'"(h1|zh):[^"]+"', body)
        if hashes.count("h1") < 2:
            wrong.append(f"{name}: h1 hashes of {hashes.count('h1')} platform, there should be 2 or more")
        if "zh" not in hashes:
            wrong.append(f"{name}: no zh hash: it was not made from the registry")
    for name, constraints in sorted(wanted.items()):
        if name not in locked:
            wrong.append(f"{name} is not locked")
        wrong += [f"{name} {locked[name]} does not fit {one}" for one in sorted(constraints) if name in locked and not fits(locked[name], one)]
    return wrong + [f"{name} is locked and nothing asks for it" for name in sorted(set(locked) - set(wanted))]


def committed():
    """The lock files under version control, or where there is none, those beside the environments."""
    listed = subprocess.run(["git", "ls-files", "--", f"*{NAME}"], cwd=TERRAFORM, capture_output=True, text=True, check=False)
    if listed.returncode:
        return sorted(TERRAFORM.glob(f"environments/*/{NAME}"))
    return [TERRAFORM / line for line in listed.stdout.splitlines()]


def main():
    wrong, files = [], committed()
    for file in files:
        wrong += [f"{file.relative_to(TERRAFORM)}: {fault}" for fault in faults(file.read_text(), required(file.parent))]
    print("\n".join(wrong) or f"{len(files)} lock files are committed" + ("" if files else ": docs/terraform.md says how they are made"))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
