"""Pieces of SQL that are computed once a row and named twice: a value as it was read, and the condition that it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from counterfoil.matching.engines.engine import identifier

Keep = Callable[[str], str]


class SqlValue(NamedTuple):
    """A value as SQL, and the condition under which it cannot be read; empty where it always can."""

    value: str
    bad: str


def keeper(reads: dict[str, str], name: str) -> Keep:
    """Keeps an expression under a name that no source uses, and gives the name: a condition may then ask for it again for nothing."""

    def keep(sql: str) -> str:
        reads[identifier(f"counterfoil {name}")] = sql
        return identifier(f"counterfoil {name}")

    return keep
