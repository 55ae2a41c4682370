"""Working on a break: who owns it, what is said of it, and the steps that one person may take. Several at once, line by line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import StateMoved, take_step
from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput, NotFound, Problem, ReasonRequired
from counterfoil.base.text import prose_of
from counterfoil.reconciliation.breaks.breaks import BREAK, STANDS, make_copies

TEXT_MAX: Final = 2_000
OWNER_MAX: Final = 80


class BreakClosed(Problem):
    """This break is closed; if it comes back, a new one is opened and names it."""


class NoOriginal(Problem):
    """Name the one break of this program that this is a copy of, open or accepted; what no other break tells of is accepted instead."""


class SomeRefused(Problem):
    """Some of these breaks were refused; the others are done."""


class Break(NamedTuple):
    """A break as it stands. `at_stake` and `difference` (what the source has more) in minor units of `asset`."""

    id: str
    program_id: str
    source: str
    identity: str
    kind: str
    severity: str
    asset: str
    at_stake: int
    difference: int | None
    cause: str
    record_id: str
    reference: str
    first_on: date
    last_on: date
    first_run: str
    last_run: str
    last_number: int
    gone_run: str | None
    recurs_of: str | None
    owner: str | None
    due_on: date
    opened_at: datetime
    state: str
    state_at: datetime
    accepted_at_stake: int | None
    duplicate_of: str | None

    @property
    def stake(self) -> Money:
        """What is at stake."""
        return Money(self.at_stake, self.asset)

    @property
    def accepted(self) -> Money:
        """Of an accepted one: the amount for which it was accepted."""
        return Money(self.accepted_at_stake or 0, self.asset)

    @property
    def live(self) -> bool:
        """Does anybody still have to do something?"""
        return self.state in BREAK.open


BREAK_COLUMNS: Final = """id, program_id, source, identity, kind, severity, asset, at_stake, difference, cause, record_id, reference,
    first_on, last_on, first_run, last_run, last_number, gone_run, recurs_of, owner, due_on, opened_at, state, state_at,
    accepted_at_stake, duplicate_of"""


def lock_break(conn: Connection[Any], break_id: str, *, expected: str | None = None) -> Break:
    """The break, locked until the transaction ends, so that of two people who race the second sees the first.

    Raises NotFound, and StateMoved when it is no longer in the state in which the caller saw it.
    """
    with conn.cursor(row_factory=class_row(Break)) as cur:
        found = cur.execute(f"select {BREAK_COLUMNS} from break where id = %s for update", [break_id]).fetchone()
    if found is None:
        raise NotFound(what="break", id=break_id)
    if expected is not None and found.state != expected:
        raise StateMoved(machine=BREAK.name, id=break_id, expected=expected, state=found.state)
    return found


def assign_break(
    conn: Connection[Any],
    break_id: str,
    *,
    owner: str | None,
    actor: str,
    now: datetime,
    expected: str | None = None,
) -> str:
    """Make somebody its owner, or nobody; returns its state. Raises NotFound, StateMoved, BreakClosed, InvalidInput."""
    case = lock_break(conn, break_id, expected=expected)
    if case.state not in BREAK.open:
        raise BreakClosed(id=break_id, state=case.state)
    if owner is not None and (not 0 < len(owner) <= OWNER_MAX or not owner.isprintable() or owner != owner.strip()):
        raise InvalidInput("owner", f"1 to {OWNER_MAX} printable characters, or nothing", got=owner[:40])
    if owner != case.owner:
        conn.execute("update break set owner = %s where id = %s", [owner, break_id])
        _remark(conn, break_id, "owner", owner or "", actor=actor, now=now)
    return case.state


def comment_on_break(conn: Connection[Any], break_id: str, *, text: str, actor: str, now: datetime, expected: str | None = None) -> int:
    """Add a comment and return its number; it is never changed. Closed breaks take comments, too. Raises NotFound, InvalidInput."""
    lock_break(conn, break_id, expected=expected)
    said = prose_of(text)
    if not 0 < len(said) <= TEXT_MAX:
        raise InvalidInput("text", f"1 to {TEXT_MAX} characters")
    return _remark(conn, break_id, "comment", said, actor=actor, now=now)


def investigate_break(
    conn: Connection[Any],
    break_id: str,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    expected: str | None = None,
) -> str:
    """Investigate it; who does so owns it, if nobody did. Raises NotFound, StateMoved, TransitionRefused."""
    case = lock_break(conn, break_id, expected=expected)
    state = take_step(conn, BREAK, break_id, case.state, "investigate", actor=actor, at=now, reason=reason)
    if case.owner is None:
        assign_break(conn, break_id, owner=actor.rpartition(":")[2], actor=actor, now=now)
    return state


def wait_for_break(conn: Connection[Any], break_id: str, *, actor: str, now: datetime, reason: str, expected: str | None = None) -> str:
    """It is only a matter of time: a run matches it, or opens it again when it is still there on its due date."""
    return _step(conn, break_id, "wait", actor=actor, now=now, reason=reason, expected=expected)


def mature_break(conn: Connection[Any], break_id: str, *, actor: str, now: datetime, reason: str, expected: str | None = None) -> str:
    """It was thought to be only late, and somebody does not want to wait any longer."""
    return _step(conn, break_id, "mature", actor=actor, now=now, reason=reason, expected=expected)


def reopen_break(conn: Connection[Any], break_id: str, *, actor: str, now: datetime, reason: str, expected: str | None = None) -> str:
    """Unassign it, for somebody else: whoever investigates it next owns it."""
    state = _step(conn, break_id, "reopen", actor=actor, now=now, reason=reason, expected=expected)
    assign_break(conn, break_id, owner=None, actor=actor, now=now)
    return state


def accept_break(conn: Connection[Any], break_id: str, *, actor: str, now: datetime, reason: str, expected: str | None = None) -> str:
    """Close it as it is, for the amount and the fields that were found last: both records stand, nothing is booked, the reason is kept.

    Another amount later is another break. Raises ReasonRequired and as before.
    """
    lock_break(conn, break_id, expected=expected)
    conn.execute(
        "update break set accepted_at_stake = at_stake, accepted_sha256 = evidence_sha256 where id = %s and state = 'investigating'",
        [break_id],
    )
    return _step(conn, break_id, "accept", actor=actor, now=now, reason=reason, expected=expected)


def mark_duplicate(
    conn: Connection[Any],
    break_id: str,
    *,
    actor: str,
    now: datetime,
    reason: str,
    expected: str | None = None,
    duplicate_of: str | None = None,
) -> str:
    """Close it as a copy of another break that stands, through which it is shown; when that is closed and this still found, it opens.

    Without `duplicate_of`, the only other break that stands for the same thing or reference. Raises NoOriginal.
    """
    if not reason.strip():
        raise ReasonRequired(machine=BREAK.name, verb="mark_duplicate", field="reason", limit="at least one word")
    case = lock_break(conn, break_id, expected=expected)
    BREAK.next_state(case.state, "mark_duplicate")  # what the table refuses is refused for that, not for its original
    make_copies(conn, {break_id: _original(conn, case, duplicate_of)})
    return _step(conn, break_id, "mark_duplicate", actor=actor, now=now, reason=reason, expected=expected)


def _original(conn: Connection[Any], case: Break, named: str | None) -> str:
    rows = conn.execute(
        f"""select o.id from break o join break b on b.id = %(id)s
            where o.program_id = b.program_id and o.id <> b.id and {STANDS}
              and case when %(named)s::text is null then o.subject = b.subject or o.reference = b.reference else o.id = %(named)s end
            order by o.id limit 2""",
        {"id": case.id, "named": named},
    ).fetchall()
    if len(rows) != 1:
        raise NoOriginal(id=case.id, field="duplicateOf", got=named, fitting=len(rows))
    return str(rows[0][0])


def _step(conn: Connection[Any], break_id: str, verb: str, *, actor: str, now: datetime, reason: str, expected: str | None) -> str:
    if not reason.strip():
        raise ReasonRequired(machine=BREAK.name, verb=verb, field="reason", limit="at least one word")
    case = lock_break(conn, break_id, expected=expected)
    return take_step(conn, BREAK, break_id, case.state, verb, actor=actor, at=now, reason=reason)


STEPS: Final[Mapping[str, Callable[..., str]]] = {
    "investigate": investigate_break,
    "wait": wait_for_break,
    "mature": mature_break,
    "reopen": reopen_break,
    "accept": accept_break,
    "mark_duplicate": mark_duplicate,
}  # what one person may do to a break, by verb; each takes a reason


def _remark(conn: Connection[Any], break_id: str, kind: str, text: str, *, actor: str, now: datetime) -> int:
    """The break is locked, so that two remarks cannot take one number."""
    row = conn.execute(
        """insert into break_remark (break_id, number, kind, text, actor, at)
           select %(id)s, 1 + count(*), %(kind)s, %(text)s, %(actor)s, %(at)s from break_remark where break_id = %(id)s
           returning number""",
        {"id": break_id, "kind": kind, "text": text, "actor": actor, "at": now},
    ).fetchone()
    return int(row[0]) if row else 0
