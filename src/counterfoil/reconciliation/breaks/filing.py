"""What a run that has ended does to the cases, in the transaction that records it: read them, decide each, write it down.

The decision itself is `life`. Every finished run calls `file_breaks`, after its own rows are written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Move, listed, record_birth, take_steps
from counterfoil.base.problems import check
from counterfoil.matching.findings.findings import Finding
from counterfoil.reconciliation.breaks.breaks import ACTOR, BREAK, STANDS, due_on, lock_source, make_copies, open_copies
from counterfoil.reconciliation.breaks.life import MATCHING, BreakState, on_absent, on_found
from counterfoil.reconciliation.breaks.sights import PARTS, Sight, sights_of, whole_of

TOLD_APART: Final = ("COUNTERPARTY_MISMATCH",)  # about the same thing, and still a difference of its own


class Filed(NamedTuple):
    """What a run did to the cases, by count. `recurred` and `copies` (shown through another case) are among `opened`; `gone` are closed
    by people and no longer found; `shown` are found again as they were accepted, or through another; `late` a newer run had spoken of."""

    opened: int
    recurred: int
    copies: int
    seen: int
    shown: int
    matched: int
    matured: int
    gone: int
    late: int


class KnownBreak(NamedTuple):
    """What the filing needs to know of a case that is there."""

    id: str
    identity: str
    state: str
    severity: str
    record_id: str
    owner: str | None
    first_on: date
    last_on: date
    due_on: date
    opened_at: datetime
    gone_run: str | None
    seen_number: int
    accepted_at_stake: int | None
    accepted_sha256: bytes | None
    posted_after: int | None
    original_stands: bool


class View(NamedTuple):
    """The run that files: what it saw of which days, and how late it began to look."""

    run_id: str
    number: int
    program_id: str
    source: str
    first: date
    last: date
    complete: bool
    newer: tuple[tuple[date, date], ...]  # the days of complete runs that read later
    now: datetime

    def superseded(self, first_on: date, last_on: date) -> bool:
        """Has a run that read later spoken for these days?"""
        return any(first <= first_on and last_on <= last for first, last in self.newer)


def file_breaks(
    conn: Connection[Any],
    run_id: str,
    program_id: str,
    source: str,
    found: Sequence[Finding],
    *,
    first: date,
    last: date,
    make_id: Callable[[str], str],
    now: datetime,
    complete: bool = True,
) -> Filed:
    """Bring the cases of one program and source up to what a finished run of the days `first` to `last` found.

    `found` are the run's breaks in their order (`outcome.breaks`, numbered from 1 as they were written); the run's own row is there.
    What is found is opened, touched, or shown through what people decided; what lies within the days and is found no more is matched,
    with the run as its cause. Where a run that read later has spoken, this one says nothing. With `complete` false (it listed a part, or
    could not see all of its days) nothing is taken to have gone.
    """
    lock_source(conn, program_id, source)
    view = _view(conn, run_id, program_id, source, first, last, complete, now)
    sights = list(sights_of(source, found, first))
    known = _known(conn, view, [one.identity for one in sights])
    # Of one identity the last is the newest: what spoke of it read latest, and of two of one run the one that is still there.
    newest = {one.identity: one for one in sorted(known, key=lambda one: (one.seen_number, one.gone_run is None, one.id))}
    said = [(one, newest.get(one.identity)) for one in sights]
    decided = [(one, case, _on_found(view, one, case)) for one, case in said]
    seen = [(case, one) for one, case, what in decided if what == "touch" and case is not None]
    shown = [(case, one) for one, case, what in decided if what == "show" and case is not None]
    matured = _touch(conn, view, [*seen, *shown])
    identities = {one.identity for one in sights}
    absent = [one for one in newest.values() if one.identity not in identities]
    matched, gone = _leave(conn, view, absent)
    fresh = [(one, case) for one, case, what in decided if what == "open"]
    earlier = [one for one in known if one.gone_run is not None or one.state not in BREAK.open or one in absent]
    recurred, copies = _open(conn, view, fresh, earlier, make_id)
    late = sum(what == "nothing" for _, _, what in decided)
    return Filed(len(fresh), recurred, copies, len(seen), len(shown), matched, matured, gone, late)


def _view(conn: Connection[Any], run_id: str, program_id: str, source: str, first: date, last: date, complete: bool, now: datetime) -> View:
    row = conn.execute("update reconciliation_run set complete = %s where id = %s returning number", [complete, run_id]).fetchone()
    check(row is not None, "a run that files is there", run=run_id)
    number = int(row[0]) if row else 0
    newer = conn.execute(
        """select first_on, last_on from reconciliation_run
           where program_id = %s and source = %s and state = 'finished' and complete and number > %s""",
        [program_id, source, number],
    ).fetchall()
    return View(run_id, number, program_id, source, first, last, complete, tuple(newer), now)


def _on_found(view: View, one: Sight, case: KnownBreak | None) -> str:
    return on_found(view.number, view.superseded(one.first_on, one.last_on), case and _standing(case, one))


def _standing(case: KnownBreak, one: Sight | None = None) -> BreakState:
    same = one is not None and case.accepted_at_stake == one.at_stake
    return BreakState(
        state=case.state,
        seen=case.seen_number,
        gone=case.gone_run is not None,
        as_accepted=same and (case.accepted_sha256 is None or (one is not None and case.accepted_sha256 == one.evidence)),
        original_stands=case.original_stands,
        posted_after=case.posted_after or 0,
    )


def _known(conn: Connection[Any], view: View, identities: list[str]) -> list[KnownBreak]:
    """The cases of every identity that was found, and every one that stands in these days; the oldest first, locked in id order."""
    with conn.cursor(row_factory=class_row(KnownBreak)) as cur:
        return cur.execute(
            f"""select b.id, b.identity, b.state, b.severity, b.record_id, b.owner, b.first_on, b.last_on, b.due_on, b.opened_at,
                       b.gone_run, b.seen_number, b.accepted_at_stake, b.accepted_sha256, b.posted_after,
                       exists (select from break o where o.id = b.duplicate_of and {STANDS}) as original_stands
                from break b
                where b.program_id = %(program)s and b.source = %(source)s
                  and (b.identity = any(%(identities)s)
                       or (b.gone_run is null and b.first_on >= %(first)s and b.last_on <= %(last)s))
                order by b.id for update of b""",
            {
                "program": view.program_id,
                "source": view.source,
                "identities": identities,
                "first": view.first,
                "last": view.last,
            },
        ).fetchall()


def _touch(conn: Connection[Any], view: View, seen: Sequence[tuple[KnownBreak, Sight]]) -> int:
    """Say of cases that they were found again, and as what. What was only late and is so no more, is opened; returns how many."""
    if not seen:
        return 0
    rows = [
        (
            case.id,
            view.run_id,
            one.number,
            one.severity,
            one.at_stake,
            one.difference,
            one.cause,
            min(case.due_on, due_on(one.severity, case.opened_at)),
            one.evidence,
        )
        for case, one in seen
    ]
    conn.execute(
        """update break b set last_run = %s, seen_number = %s, last_number = t.number, gone_run = null, severity = t.severity,
                  at_stake = t.at_stake, difference = t.difference, cause = t.cause, due_on = t.due_on, evidence_sha256 = t.evidence
           from unnest(%s::text[], %s::integer[], %s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::date[], %s::bytea[])
                as t (id, number, severity, at_stake, difference, cause, due_on, evidence)
           where b.id = t.id""",
        [view.run_id, view.number, *([row[at] for row in rows] for at in (0, 2, 3, 4, 5, 6, 7, 8))],
    )
    today = view.now.date()
    over = [case for case, one in seen if case.state == "timing" and (not one.waits or today > case.due_on)]
    _step(conn, over, "mature", view.run_id, view.now)
    return len(over)


def _leave(conn: Connection[Any], view: View, absent: Sequence[KnownBreak]) -> tuple[int, int]:
    """Say of cases that a run no longer found them, and match those that nobody has decided on; how many of each."""
    said = [(one, on_absent(view.number, view.superseded(one.first_on, one.last_on), view.complete, _standing(one))) for one in absent]
    matching = [one for one, what in said if what == "match"]
    gone = [one for one, what in said if what == "gone"]
    _note_gone(conn, view, [*matching, *gone])
    _step(conn, matching, "match", view.run_id, view.now)
    open_copies(conn, [one.id for one in matching], cause=view.run_id, actor=ACTOR, now=view.now, since=view.number)
    return len(matching), len(gone)


def _note_gone(conn: Connection[Any], view: View, gone: Sequence[KnownBreak]) -> None:
    if gone:
        conn.execute(
            "update break set gone_run = %s, seen_number = %s where id = any(%s)",
            [view.run_id, view.number, [one.id for one in gone]],
        )


def _open(
    conn: Connection[Any],
    view: View,
    fresh: Sequence[tuple[Sight, KnownBreak | None]],
    earlier: Sequence[KnownBreak],
    make_id: Callable[[str], str],
) -> tuple[int, int]:
    """Open a case for each, which names the one that was there before, or whose record was in another that has just gone.

    How many did, and how many are only shown through the case of the whole source.
    """
    if not fresh:
        return 0, 0
    _note_gone(conn, view, [case for _, case in fresh if case is not None and case.gone_run is None])
    before = {one.record_id: one for one in earlier} | {one.identity: one for one in earlier}
    rows = [(make_id("break"), one, before.get(one.identity) or before.get(one.record_id)) for one, _ in fresh]
    _insert(conn, view, rows)
    record_birth(conn, BREAK, [row[0] for row in rows], "open", actor=ACTOR, at=view.now, cause=view.run_id)
    if owners := [(break_id, old.owner) for break_id, _, old in rows if old and old.owner]:
        _inherit(conn, owners, view.now)
    copies = _tell_once(conn, view, [break_id for break_id, one, _ in rows if one.kind not in TOLD_APART])
    waiting = [Move(break_id, "open", "wait") for break_id, one, _ in rows if one.waits and break_id not in copies]
    take_steps(conn, BREAK, waiting, actor=ACTOR, at=view.now, cause=view.run_id)
    return sum(old is not None for _, _, old in rows), len(copies)


def _insert(conn: Connection[Any], view: View, rows: Sequence[tuple[str, Sight, KnownBreak | None]]) -> None:
    with conn.cursor() as cur:
        cur.executemany(
            """insert into break (id, program_id, source, identity, subject, kind, severity, asset, at_stake, difference, cause,
                      record_id, reference, first_on, last_on, first_run, last_run, last_number, seen_number, evidence_sha256,
                      recurs_of, due_on, opened_at, state, state_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'open', %s)""",
            [
                (
                    break_id,
                    view.program_id,
                    view.source,
                    one.identity,
                    one.subject,
                    one.kind,
                    one.severity,
                    one.asset,
                    one.at_stake,
                    one.difference,
                    one.cause,
                    one.record_id,
                    one.reference,
                    one.first_on,
                    one.last_on,
                    view.run_id,
                    view.run_id,
                    one.number,
                    view.number,
                    one.evidence,
                    old.id if old else None,
                    due_on(one.severity, view.now),
                    view.now,
                    view.now,
                )
                for break_id, one, old in rows
            ],
        )


def _tell_once(conn: Connection[Any], view: View, fresh: Sequence[str]) -> set[str]:
    """The sources of one provider tell of the same thing: it stands once, on the whole; the parts' cases are shown through that one.

    Returns which of the new cases are copies. On the whole, cases of the parts that nobody has decided on become copies, and who worked
    on one of them owns the new one.
    """
    whole = whole_of(view.source)
    if whole == view.source:
        pairs = conn.execute(
            f"""select p.id, p.state, w.id, p.owner from break w join break p on p.program_id = w.program_id and p.subject = w.subject
               where w.id = any(%s) and p.source = any(%s) and p.state in {listed(MATCHING)} and p.kind <> all(%s)
               order by p.id, w.id for update of p""",
            [fresh, [f"{whole}:{part}" for part in PARTS], list(TOLD_APART)],
        ).fetchall()
    else:
        pairs = conn.execute(
            f"""select b.id, b.state, o.id, null from break b
                join break o on o.program_id = b.program_id and o.subject = b.subject
                where b.id = any(%s) and o.source = %s and o.kind <> all(%s) and {STANDS} order by b.id, o.id""",
            [fresh, whole, list(TOLD_APART)],
        ).fetchall()
    first = {row[0]: row for row in reversed(pairs)}.values()
    make_copies(conn, {copy: original for copy, _, original, _ in first})
    states = {copy: state for copy, state, _, _ in first}
    for verb in ("mature", "investigate", "mark_duplicate"):
        moves = [Move(copy, state, verb) for copy, state in states.items() if verb in BREAK.allowed(state)]
        take_steps(conn, BREAK, moves, actor=ACTOR, at=view.now, cause=view.run_id)
        states |= {move.subject_id: BREAK.next_state(move.state, verb) for move in moves}
    if owners := {original: owner for _, _, original, owner in first if owner}:
        _inherit(conn, list(owners.items()), view.now)
    return {copy for copy, *_ in first}.intersection(fresh)


def _inherit(conn: Connection[Any], owners: Sequence[tuple[str, str]], now: datetime) -> None:
    """Who worked on another case of it is told to be the owner of the new one, unless it has one."""
    given = [[one[0] for one in owners], [one[1] for one in owners]]
    conn.execute(
        """update break b set owner = t.owner from unnest(%s::text[], %s::text[]) as t (id, owner) where b.id = t.id""",
        given,
    )
    conn.execute(
        """insert into break_remark (break_id, number, kind, text, actor, at)
           select t.id, 1 + (select count(*) from break_remark r where r.break_id = t.id), 'owner', t.owner, %s, %s
           from unnest(%s::text[], %s::text[]) as t (id, owner)""",
        [ACTOR, now, *given],
    )


def _step(conn: Connection[Any], cases: Sequence[KnownBreak], verb: str, run_id: str, now: datetime) -> None:
    take_steps(conn, BREAK, [Move(one.id, one.state, verb) for one in cases], actor=ACTOR, at=now, cause=run_id)
