"""Migrations that two people wrote at once must not meet under one number: whoever lands second takes the next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from counterfoil.base.migrations.runner import FOLDER


def of_one_number(names: Iterable[str]) -> list[str]:
    """Each number that several files carry, with all of them."""
    found = defaultdict(list)
    for name in sorted(names):
        found[name[:4]].append(name)
    return [f"{number}: {', '.join(those)}" for number, those in found.items() if len(those) > 1]


def test_no_two_migrations_carry_one_number() -> None:
    names = [path.name for path in FOLDER.glob("[0-9]*.sql")]
    assert len(names) > 30
    assert of_one_number(names) == [], "give the one that is not on main yet the next free number, then `make schema`"


def test_both_files_are_named() -> None:
    assert of_one_number(["0001_one.sql", "0002_two.sql", "0002_another.sql"]) == ["0002: 0002_another.sql, 0002_two.sql"]
