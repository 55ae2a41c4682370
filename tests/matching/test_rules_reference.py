"""The reference of the rule set is what the models say."""

from __future__ import annotations

from pathlib import Path

from counterfoil.matching.rules.reference import rule_set_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "rule-set.md"


def test_the_page_is_what_the_models_say():
    assert PAGE.read_text("utf-8").strip().endswith(rule_set_page().strip()), "run `make reference`"


def test_every_kind_of_pass_is_on_the_page():
    assert all(f'`kind = "{kind}"`' in rule_set_page() for kind in ("key", "embedded", "reversal", "group", "subset", "amount", "text"))
