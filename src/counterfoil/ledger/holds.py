"""Holds: money set aside on its way, resolved once: posted in full or in part, voided, or expired.

What is held stays on its account's balance and leaves what is available. A hold that expires is warned about before, by
`holds_expiring`, and cannot be posted from its expiry on, whether or not the sweep has come by.

Until then a hold can always be posted: a freeze stops new holds only, an account with a hold on it is not closed, and in a period
that was closed meanwhile it is booked on the first open day. A hold that is **promised** (a participant of a transaction voted yes)
has no expiry, and only who took it gives it back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput, KeyReused, check
from counterfoil.ledger.clock import SEQ_BITS, from_us, recorded_at, to_us
from counterfoil.ledger.journals.batch import decide
from counterfoil.ledger.journals.batch_types import Movement, MovementKind, MovementOutcome, Terms
from counterfoil.ledger.journals.journal import NARRATIVE_LENGTH_MAX, Posted, Source
from counterfoil.ledger.journals.key_spaces import HOLD_POST, KeySpace, word_of
from counterfoil.ledger.journals.write import (
    Facts,
    Header,
    Lines,
    PostingPlace,
    insert_headers,
    insert_holds,
    insert_late,
    insert_postings,
    insert_resolutions,
    journal_id,
    newest_of,
)
from counterfoil.ledger.problems import HoldPromised, KeyReserved, UnknownHold, refusal
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
    promised: bool


def hold_id(program_id: str, key: str) -> UUID:
    """The id that a hold's key makes in its program: the same key is the same hold."""
    digest = hashlib.sha256(f"hold\n{program_id}\n{key}".encode()).digest()
    number = int.from_bytes(digest[:16]) & ~(0xF000 << 64 | 0xC000 << 48)
    return UUID(int=number | 0x8000 << 64 | 0x8000 << 48)  # version 8, which UUID() itself takes only from Python 3.14 on


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
    promised: bool = False,
    space: KeySpace | None = None,
) -> Hold:
    """Set money aside on its way from `debit` to `credit`. The same key with the same request: the same hold.

    `promised`: somebody else builds on it, so it has a `source` and no expiry, and `void_hold` takes that source. `space`: the key
    space that the key lies in, of a part of the product that has one. Raises KeyReserved,
    InsufficientFunds, UnknownAccount, AccountClosed, AccountFrozen, KeyReused, InvalidInput, UnknownProgram.
    """
    id_ = hold_id(program_id, key)
    if word_of(key) != (space.word if space else None):
        raise KeyReserved(field="key", got=key[:40])
    if promised and (expires_at is not None or source is None):
        raise InvalidInput("expires_at", "none, and a source, for a hold that is promised")
    if len(narrative or "") > NARRATIVE_LENGTH_MAX:
        raise InvalidInput("narrative", f"at most {NARRATIVE_LENGTH_MAX} characters")
    expires_us = None if expires_at is None else to_us(expires_at, "expires_at")
    movement = Movement(id_.bytes, debit, credit, minor, MovementKind.HOLD, expires_us=expires_us)
    ground = enter(conn, program_id, alone=False)
    book = ground.book(asset)
    accounts = accounts_of(conn, ground, asset, [debit, credit])
    known = known_of(conn, book, [id_.bytes], newest_posted=id_, newest_held=id_)
    decision = decide(accounts, [movement], terms_of(ground, now), known=known)
    if decision.outcomes[0] not in (MovementOutcome.POSTED, MovementOutcome.EXISTS):
        raise refusal(decision.outcomes[0], movement, asset)
    asked = (kind, narrative, source[0] if source else None, source[1] if source else None, promised)
    for write in decision.writes:
        facts = Facts(kind, actor, narrative, asked[2], asked[3], promised)
        insert_holds(conn, write.holds, facts, now=now)
    hold = get_hold(conn, program_id, id_)
    if (hold.kind, hold.narrative, hold.source_type, hold.source_id, hold.promised) != asked:
        raise KeyReused(key=key, hold=str(id_))
    return hold


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
    source: Source | None = None,
) -> Posted:
    """Post what was held, or `minor` of it: the rest returns. Again with the same request: the first answer. One that is promised takes
    the `source` it was taken for.

    The journal's key is `hold.post:` and the hold's id. In a period that is closed it is booked on the first open day. Raises
    UnknownHold, HoldResolved, HoldExpired, HoldTooSmall, HoldPromised, KeyReused, UnknownProgram.
    """
    hold = get_hold(conn, program_id, hold_id)
    if hold.promised and source != (hold.source_type, hold.source_id):
        raise HoldPromised(hold=str(hold_id), source=f"{hold.source_type} {hold.source_id}")
    amount = hold.minor if minor is None else minor
    effective_us = None if effective_at is None else to_us(effective_at)
    movement = Movement(None, "", "", amount, MovementKind.POST_HOLD, effective_us, hold_id=hold_id.bytes)
    ground = enter(conn, program_id, alone=False)
    book = ground.book(hold.asset)
    accounts = accounts_of(conn, ground, hold.asset, [hold.debit, hold.credit])
    decision = decide(accounts, [movement], terms_of(ground, now), holds=holds_of(conn, book, [hold_id.bytes]))
    key = HOLD_POST.key(str(hold_id))
    request_hash = post_hash(hold_id, amount, kind, effective_at, narrative)
    if decision.outcomes[0] is MovementOutcome.EXISTS:
        return _posted_before(conn, hold_id, amount, key, request_hash)
    if decision.outcomes[0] is not MovementOutcome.POSTED:
        raise refusal(decision.outcomes[0], movement, hold.asset)
    (write,) = decision.writes
    seq = ground.seq(newest_of(accounts.values()), 1)
    id_ = journal_id(program_id, key, seq >> SEQ_BITS, 0)
    booked_at = from_us(write.postings[0][6])
    header = Header(id_, book, 1, booked_at, kind, key, request_hash, actor, narrative, hold.source_type, hold.source_id)
    insert_headers(conn, program_id, [header], recorded_at=recorded_at(seq))
    insert_resolutions(conn, write.resolutions, id_, actor=actor, reason=narrative, now=now)
    insert_postings(conn, [Lines(id_, write.postings)], PostingPlace(seq, ground.segment))
    insert_late(conn, [(id_, row, -1) for row in write.late])
    return Posted(id_, recorded_at(seq), booked_at)


def void_hold(
    conn: Connection[Any],
    program_id: str,
    hold_id: UUID,
    *,
    reason: str,
    actor: str,
    now: datetime,
    source: Source | None = None,
) -> None:
    """Give back what was held. Nothing happens when it was voided before. One that is promised takes the `source` it was taken for.

    Raises UnknownHold, HoldResolved, HoldPromised.
    """
    if not reason.strip():
        raise InvalidInput("reason", "at least one word")
    hold = get_hold(conn, program_id, hold_id)
    if hold.promised and source != (hold.source_type, hold.source_id):
        raise HoldPromised(hold=str(hold_id), source=f"{hold.source_type} {hold.source_id}")
    movement = Movement(None, "", "", 0, MovementKind.VOID_HOLD, hold_id=hold_id.bytes)
    outcomes = _release(conn, program_id, [movement], reason=reason, actor=actor, now=now)
    if outcomes[0] not in (MovementOutcome.POSTED, MovementOutcome.EXISTS):
        raise refusal(outcomes[0], movement, hold.asset)


def expire_holds(
    conn: Connection[Any],
    program_id: str,
    *,
    actor: str,
    now: datetime,
    rows_max: int = SWEEP_ROWS_MAX,
    after: timedelta = timedelta(),
) -> list[UUID]:
    """Give back what is held past its time by `after`, oldest first, and return the holds; call again while it returns `rows_max`."""
    due = conn.execute(
        """select o.hold_id from open_hold o join book b on b.id = o.debit >> 40
           where o.expires_at <= %s and b.program_id = %s
           order by o.expires_at, o.hold_id limit %s""",
        [now - after, program_id, rows_max],
    ).fetchall()
    movements = [Movement(None, "", "", 0, MovementKind.EXPIRE_HOLD, hold_id=id_.bytes) for (id_,) in due]
    outcomes = _release(conn, program_id, movements, reason="its time is over", actor=actor, now=now) if due else []
    return [id_ for (id_,), outcome in zip(due, outcomes, strict=True) if outcome is MovementOutcome.POSTED]


def holds_expiring(
    conn: Connection[Any], program_id: str, *, now: datetime, within: timedelta, rows_max: int = SWEEP_ROWS_MAX
) -> list[Hold]:
    """Holds that expire within that time from now: warn while something can still be done. Soonest first."""
    return _select(
        conn,
        """h.id in (select o.hold_id from open_hold o join book c on c.id = o.debit >> 40
                    where o.expires_at > %(now)s and o.expires_at <= %(until)s and c.program_id = %(program)s
                    order by o.expires_at, o.hold_id limit %(rows_max)s)""",
        {"program": program_id, "now": now, "until": now + within, "rows_max": rows_max},
    )


def holds_on(conn: Connection[Any], program_id: str, name: str, *, asset: str, rows_max: int = SWEEP_ROWS_MAX) -> list[Hold]:
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
                       h.source_type, h.source_id, h.promised
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
) -> list[MovementOutcome]:
    """Void or expire holds of any of the program's books."""
    ground = enter(conn, program_id, alone=len(movements) > 1)
    ids = [movement.hold_id or b"" for movement in movements]
    outcomes: dict[bytes, MovementOutcome] = {}
    for asset, book in ground.books.items():  # in the order of their numbers
        held = holds_of(conn, book, ids)  # read twice: the accounts are known only from the holds, the rest only under lock
        if not held:
            continue
        names = {name for hold in held.values() for name in (hold.debit, hold.credit)}
        accounts = accounts_of(conn, ground, asset, names)
        here = [movement for movement in movements if movement.hold_id in held]
        decision = decide(accounts, here, terms_of(ground, now), holds=holds_of(conn, book, list(held)))
        for write in decision.writes:
            insert_resolutions(conn, write.resolutions, None, actor=actor, reason=reason, now=now)
        outcomes |= dict(zip([movement.hold_id or b"" for movement in here], decision.outcomes, strict=True))
    return [outcomes.get(id_, MovementOutcome.HOLD_UNKNOWN) for id_ in ids]


def terms_of(ground: Ground, now: datetime) -> Terms:
    """What bounds a hold, and the posting of one, at this moment."""
    now_us = to_us(now, "now")
    latest_us = ground.clock_ms * 1000 + EFFECTIVE_AHEAD_MAX_US
    # What says no time of its own happens now; a close of the books up to this very moment does not make it late.
    return Terms(now_us, max(now_us, ground.closed_until_us), ground.closed_until_us, latest_us)


def post_hash(hold_id: UUID, amount: int, kind: str, effective_at: datetime | None, narrative: str | None) -> bytes:
    """SHA-256 of what is asked for; not of a time that was not given: a retry has another."""
    effective_us = None if effective_at is None else to_us(effective_at)
    asked = [str(hold_id), amount, kind, effective_us, narrative]
    return hashlib.sha256(json.dumps(asked, separators=(",", ":")).encode()).digest()


def _posted_before(conn: Connection[Any], hold_id: UUID, amount: int, key: str, request_hash: bytes) -> Posted:
    """The journal in which a hold was posted: the first answer again, if the same was asked. Raises KeyReused."""
    row = conn.execute(
        """select j.id, j.recorded_at, p.effective_at, j.key, j.request_hash
           from hold_resolution r
           join journal j on j.id = r.journal_id
           join posting p on p.journal_id = r.journal_id and p.line = r.line
           where r.hold_id = %s""",
        [hold_id],
    ).fetchone()
    check(row is not None, "a hold that was posted has its journal", hold=str(hold_id))
    assert row is not None
    by_earlier_version = hashlib.sha256(f"{hold_id}\n{amount}".encode()).digest()  # which hashed no more than these
    if row[3] == key and row[4] not in (request_hash, by_earlier_version):
        raise KeyReused(key=key, journal=str(row[0]))
    return Posted(row[0], row[1], row[2], existed=True)
