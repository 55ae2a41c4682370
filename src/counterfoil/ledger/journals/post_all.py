"""What the product posts itself: journals of any programs and assets at once, in the key spaces of their writers.

The one way in which a part of the product writes to the books. It opens the accounts of the chart that are not open yet, groups by
program and asset, and never leaves a fact unbooked because of what was done to an account since.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import Problem, check
from counterfoil.ledger.accounts.accounts import open_accounts, reopen_account
from counterfoil.ledger.journals.journal import JOURNALS_MAX, LINES_MAX, NewJournal, Posted, post_journals
from counterfoil.ledger.journals.traced import traced_postings
from counterfoil.ledger.write_context import enter


class ProgramJournal(NamedTuple):
    """A journal and the program in whose books it lies."""

    program_id: str
    journal: NewJournal


def post_all(conn: Connection[Any], journals: Sequence[ProgramJournal], *, now: datetime) -> list[Posted]:
    """Post all of them, in their order, or raise the first refusal: then nothing of the transaction stands.

    Raises what `post` raises, of a journal that is no fact.
    """
    results = post_each(conn, journals, now=now)
    for result in results:
        if isinstance(result, Problem):
            raise result
    return [result for result in results if isinstance(result, Posted)]


def post_each(conn: Connection[Any], journals: Sequence[ProgramJournal], *, now: datetime) -> list[Posted | Problem]:
    """Post each by itself; a result each, in their order: what is refused is a Problem, returned, and holds nobody up.

    Programs are entered in the order of their names, so that two who post to the same ones wait and never block each other.
    """
    check(all(one.journal.space is not None for one in journals), "what the product posts lies in a key space")
    with traced_postings(conn, [one.journal for one in journals]):
        return _post_each(conn, journals, now)


def _post_each(conn: Connection[Any], journals: Sequence[ProgramJournal], now: datetime) -> list[Posted | Problem]:
    found: dict[int, Posted | Problem] = {}
    for program_id in sorted({one.program_id for one in journals}):
        places = [place for place, one in enumerate(journals) if one.program_id == program_id]
        _open(conn, program_id, [journals[place].journal for place in places], now)
        for part in _parts(journals, places):
            results = post_journals(conn, program_id, [journals[place].journal for place in part], now=now)
            found |= dict(zip(part, results, strict=True))
    return [found[place] for place in range(len(journals))]


def _parts(journals: Sequence[ProgramJournal], places: Sequence[int]) -> list[list[int]]:
    """As many as one call of `post_journals` takes."""
    parts: list[list[int]] = [[]]
    lines = 0
    for place in places:
        more = len(journals[place].journal.lines)
        if parts[-1] and (len(parts[-1]) == JOURNALS_MAX or lines + more > LINES_MAX):
            parts.append([])
            lines = 0
        parts[-1].append(place)
        lines += more
    return parts


def _open(conn: Connection[Any], program_id: str, journals: Sequence[NewJournal], now: datetime) -> None:
    for asset in sorted({one.asset for one in journals}):
        group = [one for one in journals if one.asset == asset]
        names = sorted({name for one in group for line in one.lines for name in line[:2]})
        open_accounts(conn, program_id, names, asset=asset, actor=group[0].actor, now=now)
        needed = {name: one for one in group if one.space and one.space.is_fact for line in one.lines for name in line[:2]}
        closed = _closed(conn, program_id, asset, sorted(needed))
        if closed:
            enter(conn, program_id, alone=True)  # before the flags take it shared: two who do that would block each other
        for name in closed:
            # Money that has moved is booked: an account that was closed too early opens again, and says why.
            one = needed[name]
            reason = f"{one.key} has happened and is booked here"
            reopen_account(conn, program_id, name, asset=asset, reason=reason, actor=one.actor, now=now)


def _closed(conn: Connection[Any], program_id: str, asset: str, names: list[str]) -> list[str]:
    if not names:
        return []
    rows = conn.execute(
        """select a.name from account a join book b on b.id = a.book_id
           where b.program_id = %s and b.asset = %s and a.name = any(%s) and a.closed order by a.name""",
        [program_id, asset, names],
    ).fetchall()
    return [row[0] for row in rows]
