"""What the page about security says is met by a test is met by one that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/why/security.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`", PAGE)))
# How many requirements of the levels 1 and 2 each section of the standard (5.0.0) has: they stand before those of level 3.
COUNTS = """
1.1:2 1.2:9 1.3:11 1.4:3 1.5:2 2.1:3 2.2:3 2.3:4 2.4:1 3.2:2 3.3:4 3.4:6 3.5:5 3.7:2 4.1:3 4.2:1
4.3:2 4.4:4 5.1:1 5.2:3 5.3:2 5.4:3 6.1:3 6.2:12 6.3:4 6.4:4 6.5:5 6.6:3 6.8:4 7.1:3 7.2:4 7.3:2
7.4:5 7.5:2 7.6:2 8.1:2 8.2:3 8.3:1 8.4:1 9.1:3 9.2:4 10.1:2 10.2:2 10.3:4 10.4:11 10.5:5 10.6:2 10.7:3
11.1:2 11.2:3 11.3:3 11.4:4 11.5:1 11.6:1 12.1:3 12.2:2 12.3:4 13.1:1 13.2:5 13.3:2 13.4:5 14.1:2 14.2:4 14.3:3
15.1:3 15.2:3 15.3:7 16.1:1 16.2:5 16.3:4 16.4:3 16.5:3 17.1:1 17.2:4 17.3:2
"""
REQUIREMENTS = {section: range(1, int(count) + 1) for section, _, count in (each.partition(":") for each in COUNTS.split())}
ROW = re.compile(r"^\| *([0-9., ]*[^|]*?) *\| *([a-z ]+?) *\|(.*)\|$", re.MULTILINE)


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda one: one)
def test_a_test_that_the_page_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), "mend docs/why/security.md"


def test_every_requirement_is_met_open_or_not_applicable_and_says_by_what_or_why() -> None:
    rows = [(section, state, why.strip()) for section, state, why in ROW.findall(PAGE) if section != "requirement"]
    assert len(rows) > 150
    assert {state for _, state, _ in rows} == {"met", "open", "not applicable"}
    assert [section for section, _, why in rows if not why] == []


def test_each_requirement_of_the_levels_1_and_2_stands_on_the_page_once() -> None:
    found: list[str] = []
    for told, _, _ in ROW.findall(PAGE):
        for part in told.strip().split(", "):
            first, _, last = part.partition(" to ")
            if first.startswith("beyond") or not re.fullmatch(r"[0-9]+[.][0-9]+[.][0-9]+", first):
                continue
            group, _, number = first.rpartition(".")
            until = last.rpartition(".")[2] if last else number
            found += [f"{group}.{one}" for one in range(int(number), int(until) + 1)]
    wanted = [f"{group}.{number}" for group, numbers in REQUIREMENTS.items() for number in numbers]
    assert sorted(found) == sorted(wanted)
    assert len(wanted) == 253


def test_nothing_on_the_page_that_looks_like_a_test_is_none() -> None:
    assert len(NAMED) > 60
    assert PAGE.count("::test_") == len(re.findall(r"`tests/[a-z0-9_/]+\.py::test_[a-z0-9_]+`", PAGE))
