"""Breaks as lasting cases: one for each thing that does not agree, from the run that found it first until it is closed.

Every finished run calls `file_breaks`, in the transaction that records it and after its rows are written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Machine, Move, record_birth, take_steps
from counterfoil.matching.findings.findings import Break

BREAK: Final = Machine(
    name="break",
    table="break",
    initial=("open",),
    transitions={
        ("open", "investigate"): "investigating",
        ("open", "match"): "matched",
        ("open", "wait"): "timing",
        ("timing", "match"): "matched",
        ("timing", "mature"): "open",
        ("investigating", "match"): "matched",
        ("investigating", "propose"): "pending_adjustment",
        ("investigating", "accept"): "accepted",
        ("investigating", "mark_duplicate"): "duplicate",
        ("investigating", "reopen"): "open",
        ("pending_adjustment", "adjust"): "adjusted",
        ("pending_adjustment", "write_off"): "written_off",
        ("pending_adjustment", "withdraw"): "investigating",
    },
    reasoned=frozenset({"accept"}),
    paired=frozenset({"adjust", "write_off"}),
)
LIVE: Final = ("open", "timing", "investigating", "pending_adjustment")
MATCHING: Final = ("open", "timing", "investigating")  # what a run may close by itself
DUE_DAYS: Final[Mapping[str, int]] = {"critical": 1, "high": 2, "medium": 5, "low": 10}
ACTOR: Final = "system:reconciliation"
WAITING: Final = "wait"  # the one safe action of what is only late
_LOCKS: Final = 4_271_007


class Filed(NamedTuple):
    """What a run did to the cases, by count. `recurred` are among `opened`; `gone` are closed by people and no longer found."""

    opened: int
    recurred: int
    seen: int
    matched: int
    matured: int
    gone: int


class Sight(NamedTuple):
    """A break as a run saw it. `difference`: how many minor units the right side has more, None over several assets."""

    identity: str
    number: int
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
    waits: bool


class Known(NamedTuple):
    """What the filing needs to know of a case that is there."""

    id: str
    identity: str
    state: str
    severity: str
    record_id: str
    owner: str | None
    due_on: date
    opened_at: datetime
    gone_run: str | None


def file_breaks(
    conn: Connection[Any],
    run_id: str,
    program_id: str,
    source: str,
    found: Sequence[Break],
    *,
    first: date,
    last: date,
    make_id: Callable[[str], str],
    now: datetime,
    complete: bool = True,
) -> Filed:
    """Bring the cases of one program and source up to what a finished run of the days `first` to `last` found.

    `found` are the run's breaks in their order (`outcome.breaks`, numbered from 1 as they were written); the run's own row is there.
    What is found for the first time is opened; what is found again is touched; what lies within the days and is found no more is
    matched, with the run as its cause. What comes back after it had gone is a new case that names the earlier one. With
    `complete` false (more breaks than `found` lists) nothing is taken to have gone.
    """
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, %s))", [f"{program_id}\x1f{source}", _LOCKS])
    sights = list(sights_of(found, first))
    known = _known(conn, program_id, source, [one.identity for one in sights], first, last)
    standing = {one.identity: one for one in known if one.gone_run is None or one.state == "pending_adjustment"}
    seen = [(standing[one.identity], one) for one in sights if one.identity in standing]
    matured = _touch(conn, run_id, seen, now)
    identities = {one.identity for one in sights}
    absent = [one for one in standing.values() if one.gone_run is None and one.identity not in identities]
    gone = absent if complete else []
    matched = _leave(conn, run_id, gone, now)
    fresh = [one for one in sights if one.identity not in standing]
    earlier = [*gone, *(one for one in known if one.gone_run is not None)]
    recurred = _open(conn, run_id, program_id, source, fresh, earlier, make_id, now)
    return Filed(len(fresh), recurred, len(seen), matched, matured, len(gone) - matched)


def sights_of(found: Iterable[Break], fallback: date) -> Iterable[Sight]:
    """Each break with its identity: lines that are the same to the letter are told apart by their order."""
    times: Counter[str] = Counter()
    for number, one in enumerate(found, start=1):
        times[one.id] += 1
        records = (*one.left, *one.right)
        days = [record.day for record in records if record.day is not None] or [fallback]
        assets = {record.asset for record in records}
        off = sum(record.amount for record in one.right) - sum(record.amount for record in one.left)
        yield Sight(
            identity=one.id if times[one.id] == 1 else f"{one.id}#{times[one.id]}",
            number=number,
            kind=one.kind,
            severity=one.severity,
            asset=one.asset,
            at_stake=one.at_stake,
            difference=off if len(assets) == 1 else None,
            cause=one.cause,
            record_id=records[0].id,
            reference=next((record.reference for record in records if record.reference), records[0].id),
            first_on=min(days),
            last_on=max(days),
            waits=one.action.verb == WAITING,
        )


def due_on(severity: str, opened_at: datetime) -> date:
    """By when somebody should have closed it: critical in a day, high in two, medium in five, low in ten."""
    return opened_at.date() + timedelta(days=DUE_DAYS[severity])


def _known(
    conn: Connection[Any], program_id: str, source: str, identities: list[str], first: date, last: date
) -> list[Known]:
    """The newest case of every identity that was found, and every standing case of these days; locked in id order."""
    with conn.cursor(row_factory=class_row(Known)) as cur:
        return cur.execute(
            """select id, identity, state, severity, record_id, owner, due_on, opened_at, gone_run from break
               where program_id = %(program)s and source = %(source)s
                 and (identity = any(%(identities)s)
                      or (gone_run is null and first_on >= %(first)s and last_on <= %(last)s))
               order by id for update""",
            {"program": program_id, "source": source, "identities": identities, "first": first, "last": last},
        ).fetchall()


def _touch(conn: Connection[Any], run_id: str, seen: Sequence[tuple[Known, Sight]], now: datetime) -> int:
    """Say of cases that they were found again, and as what. What was only late and is so no more, is opened; returns how many."""
    if not seen:
        return 0
    rows = [
        (
            case.id, run_id, one.number, one.severity, one.at_stake, one.difference, one.cause,
            min(case.due_on, due_on(one.severity, case.opened_at)),
        )
        for case, one in seen
    ]  # fmt: skip
    conn.execute(
        """update break b set last_run = %s, last_number = t.number, gone_run = null, severity = t.severity,
                  at_stake = t.at_stake, difference = t.difference, cause = t.cause, due_on = t.due_on
           from unnest(%s::text[], %s::integer[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::date[])
                as t (id, number, severity, at_stake, difference, cause, due_on)
           where b.id = t.id""",
        [run_id, *([row[at] for row in rows] for at in (0, 2, 3, 4, 5, 6, 7))],
    )
    over = [case for case, one in seen if case.state == "timing" and (not one.waits or now.date() > case.due_on)]
    _step(conn, over, "mature", run_id, now)
    return len(over)


def _leave(conn: Connection[Any], run_id: str, gone: Sequence[Known], now: datetime) -> int:
    """Say of cases that a run no longer found them, and match those that nobody has decided on; returns how many were matched."""
    if not gone:
        return 0
    conn.execute("update break set gone_run = %s where id = any(%s)", [run_id, [one.id for one in gone]])
    matching = [one for one in gone if one.state in MATCHING]
    _step(conn, matching, "match", run_id, now)
    return len(matching)


def _open(
    conn: Connection[Any],
    run_id: str,
    program_id: str,
    source: str,
    fresh: Sequence[Sight],
    earlier: Sequence[Known],
    make_id: Callable[[str], str],
    now: datetime,
) -> int:
    """Open a case for each; one that was there before, or whose record was in another that has just gone, names it. How many did."""
    if not fresh:
        return 0
    before = {one.record_id: one for one in sorted(earlier, key=lambda one: one.id)}
    before |= {one.identity: one for one in sorted(earlier, key=lambda one: one.id)}
    rows = [(make_id("break"), one, before.get(one.identity) or before.get(one.record_id)) for one in fresh]
    with conn.cursor() as cur:
        cur.executemany(
            """insert into break (id, program_id, source, identity, kind, severity, asset, at_stake, difference, cause, record_id,
                      reference, first_on, last_on, first_run, last_run, last_number, recurs_of, owner, due_on, opened_at, state, state_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'open', %s)""",
            [
                (
                    break_id, program_id, source, one.identity, one.kind, one.severity, one.asset, one.at_stake, one.difference,
                    one.cause, one.record_id, one.reference, one.first_on, one.last_on, run_id, run_id, one.number,
                    old.id if old else None, old.owner if old else None, due_on(one.severity, now), now, now,
                )
                for break_id, one, old in rows
            ],
        )  # fmt: skip
    record_birth(conn, BREAK, [row[0] for row in rows], "open", actor=ACTOR, at=now, cause=run_id)
    waiting = [Move(break_id, "open", "wait") for break_id, one, _ in rows if one.waits]
    take_steps(conn, BREAK, waiting, actor=ACTOR, at=now, cause=run_id)
    if owners := [(break_id, old.owner) for break_id, _, old in rows if old and old.owner]:
        _inherit(conn, owners, now)
    return sum(old is not None for _, _, old in rows)


def _inherit(conn: Connection[Any], owners: Sequence[tuple[str, str]], now: datetime) -> None:
    """Who worked on the earlier case is told to be the owner of the new one."""
    conn.execute(
        """insert into break_remark (break_id, number, kind, text, actor, at)
           select id, 1, 'owner', owner, %s, %s from unnest(%s::text[], %s::text[]) as t (id, owner)""",
        [ACTOR, now, [one[0] for one in owners], [one[1] for one in owners]],
    )


def _step(conn: Connection[Any], cases: Sequence[Known], verb: str, run_id: str, now: datetime) -> None:
    take_steps(conn, BREAK, [Move(one.id, one.state, verb) for one in cases], actor=ACTOR, at=now, cause=run_id)
