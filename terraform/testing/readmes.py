#!/usr/bin/env python3
"""Writes what terraform-docs would into the README of each module and environment, between its two marks: requirements,
providers, modules, resources, inputs and outputs, in its format (`markdown table`).

    terraform/testing/readmes.py [--check]
"""

import json
import pathlib
import re
import sys

TERRAFORM = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- BEGIN_TF_DOCS -->", "<!-- END_TF_DOCS -->"
REGISTRY = "https://registry.terraform.io/providers/hashicorp"


def blocks(path, kind):
    """(name, body) of each block of a kind in a formatted file."""
    if not path.exists():
        return []
    return re.findall(rf'^{kind} "([^"]+)" {{\n(.*?)^}}$', path.read_text(), re.MULTILINE | re.DOTALL)


def argument(body, name):
    """The text of an argument, as it is written: a scalar, or an expression in brackets."""
    found = re.search(rf"^  {name} += (.*(?:\n(?:    .*|  [)}}\]]+.*))*)", body, re.MULTILINE)
    return found and found.group(1)


def escaped(text):
    """Without what Markdown would take for its own, but in code and where links lead."""
    parts = re.split(r"(`[^`]*`|\]\([^)]*\))", text)
    parts[::2] = [re.sub(r"([_*])", r"\\\1", part) for part in parts[::2]]
    return "".join(parts).replace("|", "\\|")


def value(text):
    """A type or a default: code where it is one line, else as it is written."""
    if "\n" not in text:
        return f"`{text}`"
    return f"<pre>{text.replace('|', chr(92) + '|').replace(chr(10), '<br/>')}</pre>"


def default(text):
    """As JSON, the way terraform-docs has it."""
    if text is None:
        return "n/a"
    if "\n" not in text and not re.match(r"[\[{].", text) or text in ("{}", "[]"):
        return f"`{text}`"
    # Lists and objects of literals, which are JSON but for a comma at their end.
    return value(json.dumps(json.loads(re.sub(r",\s*\]", "]", text)), indent=2))


def anchor(kind, name, shown=None, link=None):
    hidden = name.replace("_", r"\_")
    return f'<a name="{kind}_{name}"></a> [{(shown or name)}]({link or f"#{kind}{chr(92)}_{hidden}"})'.replace(f"[{name}]", f"[{hidden}]")


def tables(folder):
    files = sorted(folder.glob("*.tf"))
    text = "\n".join(path.read_text() for path in files)
    versions = (folder / "versions.tf").read_text()
    required = re.search(r'required_version = "([^"]+)"', versions).group(1)
    providers = re.findall(r'^    (\w+) = {\n      source  = "[^"]+"\n      version = "([^"]+)"', versions, re.MULTILINE)
    lines = [BEGIN, "## Requirements", "", "| Name | Version |", "|------|---------|"]
    lines += [f"| {anchor('requirement', name)} | {version} |" for name, version in [("terraform", required), *providers]]
    used = [(name, version) for name, version in providers if re.search(rf'^(?:resource|data) "{name}_', text, re.MULTILINE)]
    lines += ["", "## Providers", ""]
    lines += ["| Name | Version |", "|------|---------|", *[f"| {anchor('provider', name)} | {version} |" for name, version in used]] if used else ["No providers."]
    modules = sorted(re.findall(r'^module "(\w+)" {\n  source += "([^"]+)"', text, re.MULTILINE))
    lines += ["", "## Modules", ""]
    lines += ["| Name | Source | Version |", "|------|--------|---------|", *[f"| {anchor('module', name)} | {source} | n/a |" for name, source in modules]] if modules else ["No modules."]
    found = sorted(set(re.findall(r'^(resource|data) "(\w+)" "(\w+)" {', text, re.MULTILINE)), key=lambda one: (one[1], one[2], one[0]))
    lines += ["", "## Resources", "", "| Name | Type |", "|------|------|"]
    for mode, kind, name in [one for one in found if one[0] == "resource"] + [one for one in found if one[0] == "data"]:
        provider, what = kind.split("_", 1)
        place = "https://registry.terraform.io/providers/hashicorp/terraform/latest/docs" if provider == "terraform" else f"{REGISTRY}/{provider}/latest/docs"
        section = "resources" if mode == "resource" else "data-sources"
        lines.append(f"| [{kind}.{name}]({place}/{section}/{what}) | {'resource' if mode == 'resource' else 'data source'} |")
    lines += ["", "## Inputs", "", "| Name | Description | Type | Default | Required |", "|------|-------------|------|---------|:--------:|"]
    for name, body in sorted(blocks(folder / "variables.tf", "variable")):
        description = argument(body, "description").strip('"')
        text, kind = argument(body, "default"), argument(body, "type")
        lines.append(f"| {anchor('input', name)} | {escaped(description)} | {value(kind)} | {default(text)} | {'yes' if text is None else 'no'} |")
    lines += ["", "## Outputs", "", "| Name | Description |", "|------|-------------|"]
    for name, body in sorted(blocks(folder / "outputs.tf", "output")):
        lines.append(f"| {anchor('output', name)} | {escaped(argument(body, 'description').strip(chr(34)))} |")
    return "\n".join([*lines, END])


def wanted(folder):
    text = (folder / "README.md").read_text()
    before, rest = text.split(BEGIN, 1)
    return before + tables(folder) + rest.split(END, 1)[1]


def folders():
    return sorted(path.parent for path in TERRAFORM.glob("*/*/variables.tf"))


def stale():
    """Folders whose README is missing or not what the code says."""
    def differs(folder):
        path = folder / "README.md"
        return not path.exists() or BEGIN not in path.read_text() or wanted(folder) != path.read_text()
    return [folder.name for folder in folders() if differs(folder)]


def main():
    if sys.argv[1:] == ["--check"]:
        names = stale()
        print("\n".join(f"stale: {name}" for name in names))
        sys.exit(1 if names else 0)
    for folder in folders():
        (folder / "README.md").write_text(wanted(folder))


if __name__ == "__main__":
    main()
