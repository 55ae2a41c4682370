"""Make the file that shows that a journal, or everything that was posted for a payout, is in the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import Problem
from counterfoil.ledger.reads.listing import show_journal
from counterfoil.payouts.payouts.verbs import provider_payouts_of, show_payout
from counterfoil.proofs.inclusion.stating import FORMAT, JOURNAL, PAYOUT
from counterfoil.proofs.log.inclusion import Inclusion, inclusion_of
from counterfoil.proofs.log.key_changes import told_keys

ENTRIES_MAX: Final = 200  # a payout has a handful: each attempt reserves, and ends once


class NothingBooked(Problem):
    """Nothing was posted for this payout yet, so nothing of it is in the log."""

    todo = "Ask again once it is reserved: `counterfoil payouts show ID` says what it waits for."


class InclusionTooLarge(Problem, kind="invalid"):
    """More journals were posted for this payout than one file shows."""

    todo = "Ask for each journal by itself: `counterfoil journal list --source ID`, then `counterfoil proof inclusion JOURNAL`."


class InclusionFile(NamedTuple):
    """Of what it is, the keys of the log as a file of keys tells them, and each entry with its proof, in the order of the log."""

    kind: str
    id: str
    log: list[dict[str, Any]]
    entries: list[Inclusion]

    def written(self) -> bytes:
        """In its one form."""
        return canonical_json({"format": FORMAT, **self._asdict(), "entries": [one._asdict() for one in self.entries]}).encode()

    @property
    def name(self) -> str:
        """As which it is saved."""
        return f"{self.id}.inclusion.json"


def _journal(conn: Connection[Any], journal_id: str) -> list[str]:
    # By the journal and not by the log, which the database does not keep to programs.
    return [str(show_journal(conn, UUID(journal_id), lines_max=0).id)]


def _payout(conn: Connection[Any], payout_id: str) -> list[str]:
    """What was posted for it, and for each attempt at it."""
    show_payout(conn, payout_id)
    sources = [payout_id, *(one.id for one in provider_payouts_of(conn, payout_id))]
    rows = conn.execute(
        """select j.id::text from unnest(%s::text[], %s::text[]) as s (type, id)
           join journal j on (j.source_type, j.source_id) = (s.type, s.id) order by j.id limit %s""",
        [["payout"] + ["provider_payout"] * (len(sources) - 1), sources, ENTRIES_MAX + 1],
    ).fetchall()
    if not rows:
        raise NothingBooked(payout=payout_id)
    if len(rows) > ENTRIES_MAX:
        raise InclusionTooLarge(payout=payout_id, limit=f"{ENTRIES_MAX} journals")
    return [row[0] for row in rows]


SUBJECTS: Final[Mapping[str, Callable[[Connection[Any], str], list[str]]]] = {JOURNAL: _journal, PAYOUT: _payout}


def inclusion_file(conn: Connection[Any], kind: str, subject_id: str) -> InclusionFile:
    """Of a journal or a payout, against the latest checkpoint; whole, or none while something of it is not below that yet.

    Raises NotFound, UnknownJournal, NothingBooked, InclusionTooLarge, LogNotBegun, LogBehind.
    """
    found = [inclusion_of(conn, "journal", one) for one in SUBJECTS[kind](conn, subject_id)]
    return InclusionFile(kind, subject_id, told_keys(conn), sorted(found))
