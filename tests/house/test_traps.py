"""Each known mistake of systems that pay out has its tests, and they are there: `traps.toml` is the table."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from typing import Final

import pytest

from tests.house.tree import ROOT

TRAPS: Final = tomllib.loads((ROOT / "tests" / "house" / "traps.toml").read_text())["trap"]


@cache
def names_in(file: str) -> frozenset[str]:
    path = ROOT / "tests" / file
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(), re.M)) if path.is_file() else frozenset()


@pytest.mark.parametrize("trap", TRAPS, ids=lambda one: one["mistake"][:60])
def test_a_known_mistake_has_tests_and_they_are_there(trap):
    assert trap["tests"], "name a test that fails when this mistake is made"
    gone = [name for name in trap["tests"] if name.split("::")[1] not in names_in(name.split("::")[0])]
    assert gone == [], "these tests are gone: name those that took their place"


def test_no_mistake_stands_twice():
    told = [one["mistake"] for one in TRAPS]
    assert len(told) == len(set(told)) > 60
