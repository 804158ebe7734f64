"""The check of lock files is itself checked: check.py runs this in its step `locks`."""

import pathlib
import tempfile
import unittest

import locks

AWS = "registry.terraform.io/hashicorp/aws"
WANTED = {AWS: {"~> 6.0"}}


def lock(version="6.66.0", hashes=("h1:a", "h1:b", "zh:c"), name=AWS):
    listed = "".join(f'    "{one}",\n' for one in hashes)
    return f'provider "{name}" {{\n  version     = "{version}"\n  constraints = "~> 6.0"\n  hashes = [\n{listed}  ]\n}}\n'


class Locks(unittest.TestCase):
    def test_of_the_registry_for_two_platforms_is_fine(self):
        self.assertEqual(locks.faults(lock(), WANTED), [])

    def test_versions_that_do_not_fit_are_told(self):
        for version in ("5.99.0", "7.0.0", "6.0.0-beta1", ""):
            self.assertIn("does not fit ~> 6.0", "\n".join(locks.faults(lock(version), WANTED)), version)
        # One module of several is enough.
        self.assertEqual(len(locks.faults(lock(), {AWS: {"~> 6.0", ">= 6.70"}})), 1)

    def test_of_a_mirror_or_of_one_platform_is_refused(self):
        self.assertEqual(len(locks.faults(lock(hashes=("h1:a",)), WANTED)), 2)
        self.assertEqual(len(locks.faults(lock(hashes=("h1:a", "zh:c")), WANTED)), 1)
        self.assertEqual(len(locks.faults(lock(hashes=("h1:a", "h1:b")), WANTED)), 1)
        self.assertEqual(len(locks.faults(lock(hashes=()), WANTED)), 2)

    def test_lacking_and_superfluous_providers_are_told(self):
        self.assertEqual(locks.faults("", WANTED), [f"{AWS} is not locked"])
        other = locks.faults(lock() + lock(name="registry.terraform.io/someone/else"), WANTED)
        self.assertEqual(other, ["registry.terraform.io/someone/else is locked and nothing asks for it"])

    def test_constraints_are_read_as_terraform_reads_them(self):
        for version, constraint, expected in (
            ("3.7.2", "~> 3.6", True), ("4.0.0", "~> 3.6", False), ("3.5.9", "~> 3.6", False),
            ("3.6.9", "~> 3.6.1", True), ("3.7.0", "~> 3.6.1", False), ("2.0.0", ">= 1.2, < 2.0.0", False),
            ("1.9", ">= 1.2, < 2.0.0", True), ("1.2.3", "1.2.3", True), ("1.2.4", "= 1.2.3", False), ("1.2.3", "!= 1.2.3", False),
        ):
            self.assertEqual(locks.fits(version, constraint), expected, (version, constraint))

    def test_what_an_environment_asks_for_is_found_in_its_modules_too(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "environment").mkdir()
            (root / "module").mkdir()
            block = 'terraform {\n  required_providers {\n    aws = {\n      source  = "hashicorp/aws"\n      version = "%s"\n    }\n  }\n}\n'
            (root / "environment/versions.tf").write_text(block % "~> 6.0")
            (root / "environment/main.tf").write_text('module "x" {\n  source = "../module"\n}\n')
            (root / "module/versions.tf").write_text(block % ">= 6.3")
            self.assertEqual(locks.required(root / "environment"), {AWS: {"~> 6.0", ">= 6.3"}})
        for name in ("staging", "dr"):
            found = locks.required(locks.TERRAFORM / "environments" / name)
            self.assertEqual(set(found), {AWS, "registry.terraform.io/hashicorp/random"}, name)


if __name__ == "__main__":
    unittest.main()
