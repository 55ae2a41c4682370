"""What the page about security says is met by a test is met by one that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/why/security.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", PAGE)))
ROW = re.compile(r"^\| *([0-9., ]*[^|]*?) *\| *([a-z ]+?) *\|(.*)\|$", re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda one: one)
def test_a_test_that_the_page_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), "mend docs/why/security.md"


def test_every_section_is_met_open_or_not_applicable_and_says_by_what_or_why() -> None:
    rows = [(section, state, why.strip()) for section, state, why in ROW.findall(PAGE) if section != "section"]
    assert len(rows) > 50
    assert {state for _, state, _ in rows} == {"met", "open", "not applicable"}
    assert [section for section, _, why in rows if not why] == []


def test_nothing_on_the_page_that_looks_like_a_test_is_none() -> None:
    assert len(NAMED) > 60
    assert PAGE.count("::test_") == len(re.findall(r"`tests/[a-z0-9_/]+\.py::test_[a-z0-9_]+`", PAGE))
