"""Holds: money set aside on its way, resolved once: posted in full or in part, voided, or expired.

What is held stays on its account's balance and leaves what is available. A hold that expires is warned about before, by
`holds_expiring`, and cannot be posted from its expiry on, whether or not the sweep has come by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.clock import SEQ_BITS, recorded_at, to_us
from counterfoil.ledger.journals.batch import decide
from counterfoil.ledger.journals.batch_types import Kind, Movement, Outcome, Terms
from counterfoil.ledger.journals.journal import NARRATIVE_LENGTH_MAX, Posted, Source
from counterfoil.ledger.journals.write import (
    Facts,
    Header,
    Lines,
    Place,
    insert_headers,
    insert_holds,
    insert_postings,
    insert_resolutions,
    journal_id,
    newest_of,
)
from counterfoil.ledger.problems import UnknownHold, refusal
from counterfoil.ledger.write_context import EFFECTIVE_AHEAD_MAX_US, Ground, accounts_of, enter, holds_of, known_of

SWEEP_ROWS_MAX: Final = 500


class Hold(NamedTuple):
    """A hold as it stands. `state` is held, post, void or expire; `posted_minor` is what of it was posted."""

    id: UUID
    debit: str
    credit: str
    minor: int
    asset: str
    state: str
    posted_minor: int
    taken_at: datetime
    expires_at: datetime | None
    kind: str
    narrative: str | None
    source_type: str | None
    source_id: str | None


def hold_id(program_id: str, key: str) -> UUID:
    """The id that a hold's key makes in its program: the same key is the same hold."""
    digest = hashlib.sha256(f"hold\n{program_id}\n{key}".encode()).digest()
    number = int.from_bytes(digest[:16]) & ~(0xF000 << 64 | 0xC000 << 48)
    return UUID(
        int=number | 0x8000 << 64 | 0x8000 << 48
    )  # version 8, which UUID() itself takes only from Python 3.14 on


def take_hold(
    conn: Connection[Any],
    program_id: str,
    *,
    key: str,
    debit: str,
    credit: str,
    minor: int,
    asset: str,
    actor: str,
    now: datetime,
    expires_at: datetime | None = None,
    kind: str = "hold",
    narrative: str | None = None,
    source: Source | None = None,
) -> Hold:
    """Set money aside on its way from `debit` to `credit`. The same key with the same accounts and amount: the same hold.

    Raises InsufficientFunds, UnknownAccount, AccountClosed, AccountFrozen, KeyReused, InvalidInput, UnknownProgram.
    """
    id_ = hold_id(program_id, key)
    if len(narrative or "") > NARRATIVE_LENGTH_MAX:
        raise InvalidInput("narrative", f"at most {NARRATIVE_LENGTH_MAX} characters")
    expires_us = None if expires_at is None else to_us(expires_at, "expires_at")
    movement = Movement(id_.bytes, debit, credit, minor, Kind.HOLD, expires_us=expires_us)
    ground = enter(conn, program_id, alone=False)
    book = ground.book(asset)
    accounts = accounts_of(conn, ground, asset, [debit, credit])
    known = known_of(conn, book, [id_.bytes], newest_posted=id_, newest_held=id_)
    decision = decide(accounts, [movement], _terms(ground, now, now), known=known)
    if decision.outcomes[0] not in (Outcome.POSTED, Outcome.EXISTS):
        raise refusal(decision.outcomes[0], movement)
    for write in decision.writes:
        facts = Facts(kind, actor, narrative, source[0] if source else None, source[1] if source else None)
        insert_holds(conn, write.holds, facts, now=now)
    return get_hold(conn, program_id, id_)


def post_hold(
    conn: Connection[Any],
    program_id: str,
    hold_id: UUID,
    *,
    actor: str,
    now: datetime,
    minor: int | None = None,
    kind: str = "hold.post",
    effective_at: datetime | None = None,
    narrative: str | None = None,
) -> Posted:
    """Post what was held, or `minor` of it: the rest returns. Again with the same amount: the first answer.

    The journal's key is `hold.post:` and the hold's id. Raises UnknownHold, HoldResolved, HoldExpired, HoldTooSmall, and what
    `post` raises.
    """
    hold = get_hold(conn, program_id, hold_id)
    amount = hold.minor if minor is None else minor
    at = effective_at or now
    movement = Movement(None, "", "", amount, Kind.POST_HOLD, to_us(at), hold_id=hold_id.bytes)
    ground = enter(conn, program_id, alone=False)
    book = ground.book(hold.asset)
    accounts = accounts_of(conn, ground, hold.asset, [hold.debit, hold.credit])
    decision = decide(accounts, [movement], _terms(ground, now, at), holds=holds_of(conn, book, [hold_id.bytes]))
    key = f"hold.post:{hold_id}"
    if decision.outcomes[0] is Outcome.EXISTS:
        return _posted_before(conn, program_id, key)
    if decision.outcomes[0] is not Outcome.POSTED:
        raise refusal(decision.outcomes[0], movement)
    (write,) = decision.writes
    seq = ground.seq(newest_of(accounts.values()), 1)
    id_ = journal_id(program_id, key, seq >> SEQ_BITS, 0)
    request_hash = hashlib.sha256(f"{hold_id}\n{amount}".encode()).digest()
    header = Header(id_, book, 1, at, kind, key, request_hash, actor, narrative, hold.source_type, hold.source_id)
    insert_headers(conn, program_id, [header], recorded_at=recorded_at(seq))
    insert_resolutions(conn, write.resolutions, id_, actor=actor, reason=narrative, now=now)
    insert_postings(conn, [Lines(id_, write.postings)], Place(seq, ground.segment))
    return Posted(id_, recorded_at(seq), at)


def void_hold(conn: Connection[Any], program_id: str, hold_id: UUID, *, reason: str, actor: str, now: datetime) -> None:
    """Give back what was held. Nothing happens when it was voided before. Raises UnknownHold, HoldResolved."""
    if not reason.strip():
        raise InvalidInput("reason", "at least one word")
    movement = Movement(None, "", "", 0, Kind.VOID_HOLD, hold_id=hold_id.bytes)
    outcomes = _release(conn, program_id, [movement], reason=reason, actor=actor, now=now)
    if outcomes[0] not in (Outcome.POSTED, Outcome.EXISTS):
        raise refusal(outcomes[0], movement)


def expire_holds(
    conn: Connection[Any], program_id: str, *, actor: str, now: datetime, rows_max: int = SWEEP_ROWS_MAX
) -> list[UUID]:
    """Give back what is held past its time, oldest first, and return the holds; call again while it returns `rows_max`."""
    due = conn.execute(
        """select o.hold_id from open_hold o join book b on b.id = o.debit >> 40
           where o.expires_at <= %s and b.program_id = %s
           order by o.expires_at, o.hold_id limit %s""",
        [now, program_id, rows_max],
    ).fetchall()
    movements = [Movement(None, "", "", 0, Kind.EXPIRE_HOLD, hold_id=id_.bytes) for (id_,) in due]
    outcomes = _release(conn, program_id, movements, reason="its time is over", actor=actor, now=now) if due else []
    return [id_ for (id_,), outcome in zip(due, outcomes, strict=True) if outcome is Outcome.POSTED]


def holds_expiring(
    conn: Connection[Any], program_id: str, *, now: datetime, within: timedelta, rows_max: int = SWEEP_ROWS_MAX
) -> list[Hold]:
    """Holds that expire within that time from now: warn while something can still be done. Soonest first."""
    return _select(
        conn,
        """h.id in (select hold_id from open_hold where expires_at > %(now)s and expires_at <= %(until)s
                    order by expires_at, hold_id limit %(rows_max)s)""",
        {"program": program_id, "now": now, "until": now + within, "rows_max": rows_max},
    )


def holds_on(
    conn: Connection[Any], program_id: str, name: str, *, asset: str, rows_max: int = SWEEP_ROWS_MAX
) -> list[Hold]:
    """Open holds that lower or raise this account when they are posted, oldest first."""
    return _select(
        conn,
        """b.asset = %(asset)s and %(name)s in (d.name, c.name)
           and h.id in (select hold_id from open_hold where debit = h.debit and credit = h.credit)""",
        {"program": program_id, "name": name, "asset": asset, "rows_max": rows_max},
    )


def get_hold(conn: Connection[Any], program_id: str, hold_id: UUID) -> Hold:
    """One hold. Raises UnknownHold."""
    found = _select(conn, "h.id = %(id)s", {"program": program_id, "id": hold_id, "rows_max": 1})
    if not found:
        raise UnknownHold(program=program_id, hold=str(hold_id))
    return found[0]


def _select(conn: Connection[Any], condition: str, given: dict[str, Any]) -> list[Hold]:
    with conn.cursor(row_factory=class_row(Hold)) as cursor:
        return cursor.execute(
            f"""select h.id, d.name as debit, c.name as credit, h.amount as minor, b.asset, coalesce(r.verb, 'held') as state,
                       coalesce(r.amount, 0) as posted_minor, h.taken_at, h.expires_at, h.kind, h.narrative,
                       h.source_type, h.source_id
                from hold h
                join account d on d.id = h.debit
                join account c on c.id = h.credit
                join book b on b.id = d.book_id
                left join hold_resolution r on r.hold_id = h.id
                where b.program_id = %(program)s and {condition}
                order by h.expires_at nulls last, h.taken_at, h.id limit %(rows_max)s""",
            given,
        ).fetchall()


def _release(
    conn: Connection[Any], program_id: str, movements: Sequence[Movement], *, reason: str, actor: str, now: datetime
) -> list[Outcome]:
    """Void or expire holds of any of the program's books."""
    ground = enter(conn, program_id, alone=len(movements) > 1)
    ids = [movement.hold_id or b"" for movement in movements]
    outcomes: dict[bytes, Outcome] = {}
    for asset, book in ground.books.items():  # in the order of their numbers
        held = holds_of(
            conn, book, ids
        )  # read twice: the accounts are known only from the holds, the rest only under lock
        if not held:
            continue
        names = {name for hold in held.values() for name in (hold.debit, hold.credit)}
        accounts = accounts_of(conn, ground, asset, names)
        here = [movement for movement in movements if movement.hold_id in held]
        decision = decide(accounts, here, _terms(ground, now, now), holds=holds_of(conn, book, list(held)))
        for write in decision.writes:
            insert_resolutions(conn, write.resolutions, None, actor=actor, reason=reason, now=now)
        outcomes |= dict(zip([movement.hold_id or b"" for movement in here], decision.outcomes, strict=True))
    return [outcomes.get(id_, Outcome.HOLD_UNKNOWN) for id_ in ids]


def _terms(ground: Ground, now: datetime, effective_at: datetime) -> Terms:
    latest_us = ground.clock_ms * 1000 + EFFECTIVE_AHEAD_MAX_US
    return Terms(to_us(now, "now"), to_us(effective_at), ground.closed_until_us, latest_us)


def _posted_before(conn: Connection[Any], program_id: str, key: str) -> Posted:
    row = conn.execute(
        "select id, recorded_at, effective_at from journal where program_id = %s and key = %s", [program_id, key]
    ).fetchone()
    if row is None:
        raise UnknownHold(program=program_id, key=key)
    return Posted(row[0], row[1], row[2], existed=True)
