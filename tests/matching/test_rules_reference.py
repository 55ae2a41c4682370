"""The reference of the rule set is what the models say."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from counterfoil.matching.rules.model import COMPARED, NORMAL, Compared, Normal
from counterfoil.matching.rules.names import FIELDS
from counterfoil.matching.rules.reference import rule_set_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rule-set.md"


def test_the_page_is_what_the_models_say():
    assert PAGE.read_text("utf-8").strip().endswith(rule_set_page().strip()), "run `make reference`"


def test_every_kind_of_pass_is_on_the_page():
    assert all(f'`kind = "{kind}"`' in rule_set_page() for kind in ("key", "embedded", "reversal", "group", "subset", "amount", "text"))


def test_every_column_and_every_word_of_normalise_and_compare_has_its_meaning_on_the_page():
    assert set(get_args(Compared)) == set(COMPARED)
    assert set(get_args(Normal)) == set(NORMAL)
    page = rule_set_page()
    assert all(f"| `{name}` | {what} |" in page for words in (FIELDS, COMPARED, NORMAL) for name, what in words.items())


def test_no_row_of_the_page_is_without_an_explanation():
    bare = [line for line in rule_set_page().splitlines() if line.startswith("| `") and line.endswith("|  |")]
    assert bare == []
