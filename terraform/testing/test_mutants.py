"""Each mutant still breaks what it is named after: check.py runs this in its step `rules`."""

import unittest

import check
import mutants


class Mutants(unittest.TestCase):
    def test_each_changes_the_code(self):
        lost = [name for name, path, old, new in mutants.MUTANTS if old == new or old not in (check.TERRAFORM / path).read_text()]
        self.assertEqual(lost, [])

    def test_each_has_a_name_of_its_own(self):
        names = [mutant[0] for mutant in mutants.MUTANTS]
        self.assertEqual(sorted(names), sorted(set(names)))

    def test_the_guide_counts_them(self):
        self.assertIn(f"breaks the code in {len(mutants.MUTANTS)} ways", check.GUIDE.read_text())
