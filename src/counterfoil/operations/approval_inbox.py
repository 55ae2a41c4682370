"""What a second person is asked for: every proposal that waits, the one that expires first at the top, and what became of the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.approvals import LIFE, PROPOSAL_SQL, Proposal, proposals_by_id
from counterfoil.operations.noun_pages import ListCondition, Narrow, PlainList, SortKey, between_moments

# Those that somebody may still decide, for a list that is narrowed to them.
STILL_WAITING: Final = ListCondition("t.expires_at >= %(now)s and not exists (select from approval_decision d where d.proposal_id = t.id)")
PROPOSAL_LIST: Final = PlainList(
    "approvals",
    "prop",
    "approval_proposal",
    proposals_by_id,
    (SortKey("made_at", datetime), SortKey("expires_at", datetime)),
    (
        Narrow("machine", "t.machine = %(machine)s", "Only about things of this noun, such as break."),
        Narrow("subject_id", "t.subject_id = %(subject_id)s", "Only about this thing.", flag="subject"),
        Narrow("maker", "t.maker = %(maker)s", "Only what this person or key proposed, such as person:ann."),
        *between_moments("made_at", "made"),
    ),
    order="-madeAt",
)
_WAITS: Final = """d.proposal_id is null and u.proposal_id is null and p.expires_at >= %(now)s
                   and (%(program)s::text is null or p.program_id is null or p.program_id = %(program)s)"""


def waiting_proposals(
    conn: Connection[Any], *, now: datetime, rows_max: int, program_id: str | None = None, after: str | None = None
) -> list[Proposal]:
    """Those that somebody may still decide, the one that expires first before the others; with `after` those behind that one. With
    `program_id` those of that program, and those of the whole installation."""
    behind = "%(after)s::text is null or (p.expires_at, p.id) > (select a.expires_at, a.id from approval_proposal a where a.id = %(after)s)"
    ending = f"where {_WAITS} and ({behind}) order by p.expires_at, p.id limit %(rows)s"
    return _select(conn, ending, now=now, program=program_id, rows=rows_max, after=after)


def count_waiting(conn: Connection[Any], *, now: datetime, program_id: str | None = None) -> int:
    """How many wait. Those of before are not read: none waits for longer than it lives."""
    row = conn.execute(
        """select count(*) from approval_proposal p
           where p.made_at >= %(since)s and p.expires_at >= %(now)s
             and (%(program)s::text is null or p.program_id is null or p.program_id = %(program)s)
             and not exists (select from approval_decision d where d.proposal_id = p.id)
             and not exists (select from approval_use u where u.proposal_id = p.id)""",
        {"now": now, "since": now - 2 * LIFE, "program": program_id},
    ).fetchone()
    return int(row[0]) if row else 0


def decided_proposals(
    conn: Connection[Any], *, since: datetime, now: datetime, rows_max: int, program_id: str | None = None
) -> list[Proposal]:
    """Those that were decided since then, and those that nobody decided in time and expired since then; the latest first."""
    return _select(
        conn,
        """where (d.at >= %(since)s or d.proposal_id is null and p.expires_at >= %(since)s and p.expires_at < %(now)s)
             and (%(program)s::text is null or p.program_id is null or p.program_id = %(program)s)
           order by coalesce(d.at, p.expires_at) desc, p.id desc limit %(rows)s""",
        since=since,
        now=now,
        program=program_id,
        rows=rows_max,
    )


def approved_proposals(
    conn: Connection[Any], verbs: Sequence[tuple[str, str]], *, subject_id: str | None, now: datetime, rows_max: int
) -> list[Proposal]:
    """Those of these machines and verbs that were approved and are not done yet, the one that expires first before the others; with
    `subject_id` those of that thing."""
    return _select(
        conn,
        """where d.decision = 'approved' and u.proposal_id is null and p.expires_at >= %(now)s
             and (p.machine, p.verb) in (select * from unnest(%(machines)s::text[], %(verbs)s::text[]))
             and (%(subject)s::text is null or p.subject_id = %(subject)s)
           order by p.expires_at, p.id limit %(rows)s""",
        machines=[one[0] for one in verbs],
        verbs=[one[1] for one in verbs],
        subject=subject_id,
        now=now,
        rows=rows_max,
    )


def _select(conn: Connection[Any], ending: str, **given: Any) -> list[Proposal]:
    with conn.cursor(row_factory=class_row(Proposal)) as cur:
        return cur.execute(f"{PROPOSAL_SQL} {ending}".encode(), given).fetchall()
