"""Checks: invariants, which must always hold, and monitors, which must hold in time. Each is a query that must find nothing.

Pages, documentation, tests and the sentinel read the same lists. An entry tells all there is to know of a code: what it asks, how grave a
finding is, what it means, which playbook says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, LiteralString, NamedTuple

from psycopg import Connection

SHOWN_MAX = 20
Severity = Literal["critical", "warning"]
IncidentLevel = Literal["P0", "P1", "P2", "P3"]
_MARK: Final = re.compile(r"/\* recent (\w+): ([^*]+?) \*/")
_FULL_ONLY: Final = "/* full only */"


class Invariant(NamedTuple):
    """One thing that must always hold. `offenders` is the query of the rows that break it, the first column naming them; or a function
    that finds them where no query can.

    A column `program_id` says of which program a row is, `period` of which time, and `severity` how grave it is, where the entry's own
    word is not of all of them. `playbook`: what to do, by its name. `incident`: a finding opens one of this level.

    A recent run asks of what was touched since the last run alone. Where the query says so itself, `/* recent noun: column */` stands
    behind a condition and narrows it to the ids of that noun which were touched, and `/* full only */` leaves a part out; where the same
    question has another query then, it is `recent`, with the ids as the parameters `%(noun)s`. Without either only full runs ask it.

    A `monitor` depends on the moment: its query takes `%(now)s`, its function the moment after the connection. It looks at what is open
    alone, so every run asks it, and what it no longer finds is over.
    """

    code: str
    question: str
    offenders: LiteralString | Callable[..., Sequence[Sequence[Any]]]
    severity: Severity
    meaning: str
    playbook: str
    recent: LiteralString | None = None
    incident: IncidentLevel | None = None
    monitor: bool = False


def recent_query(one: Invariant) -> str | None:
    """The query of a recent run, with the touched ids as parameters; None where only a full run asks."""
    if one.recent is not None:
        return one.recent
    if not isinstance(one.offenders, str) or _MARK.search(one.offenders) is None:
        return None
    plain = one.offenders.replace("%", "%%").replace(_FULL_ONLY, "and false")
    return _MARK.sub(r"and \2 = any(%(\1)s)", plain)


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
