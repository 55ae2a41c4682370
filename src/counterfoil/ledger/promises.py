"""Promised holds, many at once: taken one after the other and posted in full, each as `ledger.holds` does it by itself.

Whoever calls has the program alone until the transaction ends. A hold that is refused stops no other; whatever else goes wrong stops all
of them, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.base.problems import Problem, check
from counterfoil.ledger.clock import SEQ_BITS, from_us, recorded_at
from counterfoil.ledger.holds import hold_id, post_hash, terms_of
from counterfoil.ledger.journals.batch import decide
from counterfoil.ledger.journals.batch_types import LateRow, Movement, MovementKind, MovementOutcome, PostingRow, ResolutionRow
from counterfoil.ledger.journals.journal import NARRATIVE_LENGTH_MAX, Posted, Source
from counterfoil.ledger.journals.key_spaces import HOLD_POST, KeySpace, word_of
from counterfoil.ledger.journals.write import (
    Facts,
    Header,
    Lines,
    PostingPlace,
    insert_headers,
    insert_holds_of,
    insert_late,
    insert_postings,
    insert_resolutions_of,
    journal_id,
    newest_of,
)
from counterfoil.ledger.problems import refusal
from counterfoil.ledger.write_context import Ground, accounts_of, enter, holds_of

PROMISES_MAX: Final = 8_192  # in one call


class NewPromise(NamedTuple):
    """Money to set aside on its way from `debit` to `credit`, `minor` units of an asset. Only who names its `source` resolves it."""

    key: str
    debit: str
    credit: str
    minor: int
    asset: str
    narrative: str
    source: Source


class Kept(NamedTuple):
    """A promise to post in full: its hold, the source that it was taken for, and what its journal tells."""

    hold_id: UUID
    source: Source
    narrative: str


def take_promises(
    conn: Connection[Any], program_id: str, wanted: Sequence[NewPromise], *, kind: str, space: KeySpace, actor: str, now: datetime
) -> list[UUID | Problem]:
    """Set aside what is wanted, in order, so that a later one finds what an earlier one left: the hold of each, or why it was refused.

    None of the keys was used before: one that was breaks the whole call, and `take_hold` answers it. Raises UnknownProgram.
    """
    check(len(wanted) <= PROMISES_MAX, "so many promises are parted by who takes them", got=len(wanted))
    check(all(word_of(one.key) == space.word and len(one.narrative) <= NARRATIVE_LENGTH_MAX for one in wanted), "keys are of their space")
    ground = enter(conn, program_id, alone=True)
    found: dict[int, UUID | Problem] = {}
    for asset, group in _by_asset(wanted):
        accounts = accounts_of(conn, ground, asset, {name for one in group.values() for name in (one.debit, one.credit)})
        movements = [
            Movement(hold_id(program_id, one.key).bytes, one.debit, one.credit, one.minor, MovementKind.HOLD) for one in group.values()
        ]
        decision = decide(accounts, movements, terms_of(ground, now))
        facts: list[Facts] = []
        for (place, one), movement, outcome in zip(group.items(), movements, decision.outcomes, strict=True):
            if outcome is MovementOutcome.POSTED:
                found[place] = UUID(bytes=movement.id)
                facts.append(Facts(kind, actor, one.narrative, *one.source, promised=True))
            else:
                found[place] = refusal(outcome, movement, asset)
        for write in decision.writes:  # one: it resolves nothing
            insert_holds_of(conn, write.holds, facts, now=now)
    return [found[place] for place in range(len(wanted))]


def post_promises(conn: Connection[Any], program_id: str, kept: Sequence[Kept], *, kind: str, actor: str, now: datetime) -> list[Posted]:
    """Post each in full, by a journal of its own; in a closed period on the first open day. In order.

    All are open: one that is resolved breaks the whole call, and `post_hold` answers it. Raises what `post_hold` does.
    """
    check(len(kept) <= PROMISES_MAX, "so many promises are parted by who posts them", got=len(kept))
    ground = enter(conn, program_id, alone=True, postings=len(kept))
    assets = _assets_of(conn, program_id, kept)
    placed = {one.hold_id: one for one in kept}
    batches = [_decided(conn, ground, asset, ids, now) for asset, ids in assets.items()]
    seq = ground.seq(max((one.newest for one in batches), default=0), len(kept))
    headers: list[Header] = []
    lines: list[Lines] = []
    late: list[tuple[UUID, LateRow, int]] = []
    resolutions: list[tuple[ResolutionRow, UUID, str]] = []
    for batch in batches:
        for row, resolution, minor in zip(batch.postings, batch.resolutions, batch.minors, strict=True):
            one = placed[UUID(bytes=resolution.hold_id)]
            key = HOLD_POST.key(str(one.hold_id))
            id_ = journal_id(program_id, key, seq >> SEQ_BITS, len(headers))
            request_hash = post_hash(one.hold_id, minor, kind, None, one.narrative)
            headers.append(
                Header(id_, ground.book(batch.asset), 1, from_us(row[6]), kind, key, request_hash, actor, one.narrative, *one.source)
            )
            lines.append(Lines(id_, [row], row[0] - 1))
            resolutions.append((resolution, id_, one.narrative))
            late += [(id_, each, row[0] - 1) for each in batch.late if each.place == row[0]]
    if headers:
        insert_headers(conn, program_id, headers, recorded_at=recorded_at(seq))
        insert_resolutions_of(conn, resolutions, actor=actor, now=now)
        insert_postings(conn, lines, PostingPlace(seq, ground.segment))
        insert_late(conn, late)
    at = recorded_at(seq)
    posted = {row.hold_id: Posted(head.id, at, head.effective_at) for (row, *_), head in zip(resolutions, headers, strict=True)}
    return [posted[one.hold_id.bytes] for one in kept]


class _Decided(NamedTuple):
    """What is written of one asset: a posting and a resolution for each of its holds, in the same order."""

    asset: str
    newest: int
    minors: list[int]
    postings: list[PostingRow]
    resolutions: list[ResolutionRow]
    late: list[LateRow]


def _decided(conn: Connection[Any], ground: Ground, asset: str, ids: Sequence[UUID], now: datetime) -> _Decided:
    holds = holds_of(conn, ground.book(asset), [one.bytes for one in ids])
    accounts = accounts_of(conn, ground, asset, {name for hold in holds.values() for name in (hold.debit, hold.credit)})
    minors = [holds[one.bytes].minor for one in ids]
    movements = [Movement(None, "", "", minor, MovementKind.POST_HOLD, hold_id=one.bytes) for one, minor in zip(ids, minors, strict=True)]
    decision = decide(accounts, movements, terms_of(ground, now), holds=holds)
    for outcome, movement in zip(decision.outcomes, movements, strict=True):
        if outcome is not MovementOutcome.POSTED:
            raise refusal(outcome, movement, asset)
    (write,) = decision.writes
    return _Decided(asset, newest_of(accounts.values()), minors, write.postings, write.resolutions, write.late)


def _assets_of(conn: Connection[Any], program_id: str, kept: Sequence[Kept]) -> dict[str, list[UUID]]:
    """The holds of each asset, in order, after a look that each is a promise of its source."""
    rows = conn.execute(
        """select h.id, b.asset, h.source_type, h.source_id
           from hold h join account d on d.id = h.debit join book b on b.id = d.book_id
           where h.id = any(%s) and b.program_id = %s and h.promised order by b.id""",
        [[one.hold_id for one in kept], program_id],
    ).fetchall()
    known = {row[0]: row for row in rows}
    check(len(known) == len(kept) == len({one.hold_id for one in kept}), "a promise has its hold, once", got=len(kept), known=len(known))
    found: dict[str, list[UUID]] = {asset: [] for _, asset, *_ in rows}
    for one in kept:
        row = known[one.hold_id]
        check((row[2], row[3]) == one.source, "a promise is posted by who took it", hold=str(one.hold_id))
        found[row[1]].append(one.hold_id)
    return found


def _by_asset(wanted: Sequence[NewPromise]) -> Iterable[tuple[str, dict[int, NewPromise]]]:
    """The promises of each asset, by their places."""
    found: dict[str, dict[int, NewPromise]] = {}
    for place, one in enumerate(wanted):
        found.setdefault(one.asset, {})[place] = one
    return found.items()
