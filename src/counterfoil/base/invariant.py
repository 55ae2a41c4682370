"""Invariants: questions with a query that must find nothing. Pages, documentation, tests and the sentinel read the same list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, LiteralString, NamedTuple

from psycopg import Connection

SHOWN_MAX = 20


class Invariant(NamedTuple):
    """One thing that must always hold. `offenders` is the query of the rows that break it, the first column naming them; or a function
    that finds them where no query can."""

    code: str
    question: str
    offenders: LiteralString | Callable[[Connection[Any]], Sequence[Sequence[Any]]]
    severity: Literal["critical", "warning"]
    meaning: str


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that does not hold: how many rows break it, and the first of them."""

    code: str
    question: str
    severity: str
    count: int
    shown: list[str]


def run_invariants(conn: Connection[Any], invariants: Sequence[Invariant]) -> list[Violation]:
    """Ask every question; nothing found is an empty list. A query that cannot run raises: it is never an answer."""
    findings = []
    for one in invariants:
        found = one.offenders
        rows = conn.execute(found).fetchall() if isinstance(found, str) else found(conn)
        if rows:
            shown = [" ".join(str(value) for value in row) for row in rows[:SHOWN_MAX]]
            findings.append(Violation(one.code, one.question, one.severity, len(rows), shown))
    return findings
