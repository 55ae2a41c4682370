"""Breaks as an engine finds them, runs that find them, and the desk of an office that works on them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.matching.findings.actions import action
from counterfoil.matching.findings.differences import Difference, Record
from counterfoil.matching.findings.findings import Finding, finding_identity
from counterfoil.matching.findings.hypotheses import Hypothesis
from counterfoil.matching.findings.recorded import detail_of
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.filing import Filed, file_breaks
from counterfoil.reconciliation.breaks.queries import Filter, list_breaks
from counterfoil.reconciliation.breaks.work import Break
from counterfoil.wiring import INVARIANTS
from tests.people import who

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = NOW.date()
PROGRAM, SOURCE = "main", "simulator"
MIRA, NOAH, OLGA = "person:mira", "person:noah", "person:olga"
_numbers = itertools.count(1)


def a_record(side: str, name: str, amount: int, *, asset: str = "EUR", on: date | None = DAY, **more: Any) -> Record:
    reference = more.pop("reference", name.rpartition(":")[2])
    return Record(side, name, reference, amount, asset, on, None, None, None, None, **more)


def a_break(
    name: str = "",
    *,
    ours: int | None = 1_000_00,
    theirs: int | None = 988_00,
    kind: str = "",
    cause: str = "",
    severity: str = "medium",
    on: date = DAY,
    asset: str = "EUR",
) -> Finding:
    """A break about a payout of both sides; an amount of None is a side that does not have it."""
    name = name or f"payout:pout_{next(_numbers)}"
    left = (a_record("left", name, ours, on=on, asset=asset),) if ours is not None else ()
    right = (a_record("right", name, theirs, on=on, asset=asset),) if theirs is not None else ()
    kind = kind or ("MISSING_RIGHT" if not right else "MISSING_LEFT" if not left else "AMOUNT_MISMATCH")
    hypotheses = (Hypothesis(cause, "supported", "is it so?", "it is so", 90),) if cause else ()
    fields = (Difference("amount", str(ours), str(theirs), f"{(theirs or 0) - (ours or 0):+d} minor units"),)
    return Finding(
        finding_identity(kind, left, right),
        kind,
        severity,
        asset,
        abs((theirs or 0) - (ours or 0)),
        "provider-id",
        "key equal",
        left,
        right,
        fields if left and right else (),
        (),
        hypotheses,
        action(kind, hypotheses, is_one_off=False),
        True,
    )


def an_open_program(conn: Connection[Any]) -> None:
    """Program `main` in EUR with the accounts that an adjustment needs."""
    open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=NOW)
    names = ["clearing:simulator", "suspense", "provider_fee"]
    open_accounts(conn, PROGRAM, names, asset="EUR", actor="test", now=NOW)


def a_number(conn: Connection[Any]) -> int:
    """What a run takes before it reads."""
    row = conn.execute("select nextval('reconciliation_run_number')").fetchone()
    assert row is not None
    return int(row[0])


def a_run(
    conn: Connection[Any],
    found: Sequence[Finding] = (),
    *,
    first: date = DAY,
    last: date = DAY,
    at: datetime = NOW,
    complete: bool = True,
    source: str = SOURCE,
    number: int | None = None,
    program: str = PROGRAM,
) -> tuple[str, Filed]:
    """A finished run that found this, with its cases filed. `number`: it began to read when that was given (see `a_number`)."""
    run_id, began = make_id("rec"), at - timedelta(seconds=2)
    number = number or a_number(conn)
    conn.execute(
        """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, verdict, actor, started_at, beat_at,
                  finished_at, matched, breaks, report, number)
           values (%s, %s, %s, %s, %s, 'finished', %s, 'test', %s, %s, %s, 7, %s, %s, %s)""",
        [
            run_id,
            program,
            source,
            first,
            last,
            "not reconciled" if found else "reconciled",
            began,
            at,
            at,
            len(found),
            Jsonb({"footing": [], "kinds": [], "passes": {}, "sources": []}),
            number,
        ],
    )
    for number, one in enumerate(found, start=1):
        conn.execute(
            """insert into run_finding (run_id, number, identity, kind, severity, asset, at_stake, cause, detail)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [run_id, number, one.id, one.kind, one.severity, one.asset, one.at_stake, one.cause, Jsonb(detail_of(one).written())],
        )
    filed = file_breaks(conn, run_id, program, source, found, first=first, last=last, make_id=make_id, now=at, complete=complete)
    return run_id, filed


def the_cases(conn: Connection[Any], **by: Any) -> list[Break]:
    """Every case, the oldest first; those of one run in the order in which it found them."""
    return sorted(list_breaks(conn, Filter(**by), rows_max=500), key=lambda one: (one.id[:16], one.last_number))


def a_case(conn: Connection[Any], found: Finding | None = None, *, state: str = "open", **more: Any) -> Break:
    """A break that was just found, brought to a state by the verbs."""
    an_open_program(conn)
    a_run(conn, [found or a_break(**more)])
    case = the_cases(conn)[-1]
    if state in ("investigating", "pending_adjustment"):
        work.investigate_break(conn, case.id, actor=MIRA, now=NOW)
    if state == "pending_adjustment":
        a_proposal(conn, case.id)
    return the_cases(conn)[-1]


def a_proposal(conn: Connection[Any], break_id: str, *, maker: str = MIRA, **more: Any) -> adjusting.AdjustmentProposal:
    """An adjustment of 12.00 by default: the provider kept more than we thought."""
    lines = more.pop("lines", [NewPosting("provider_fee", "clearing:simulator", 12_00)])
    return adjusting.propose_adjustment(
        conn,
        break_id,
        make_id("prop"),
        lines=lines,
        reason=more.pop("reason", "the fee was higher"),
        by=who(conn, maker),
        now=more.pop("now", NOW),
        **more,
    )


def an_approval(conn: Connection[Any], one: adjusting.AdjustmentProposal, *, checker: str = NOAH, **more: Any) -> Any:
    """A second person approves what was proposed."""
    return adjusting.approve_proposal(
        conn,
        one.break_id,
        payload_sha256=more.pop("payload_sha256", one.payload_sha256),
        reason="checked against the invoice",
        by=who(conn, checker),
        now=more.pop("now", NOW),
        **more,
    )


def still_true(conn: Connection[Any]) -> None:
    """Every invariant holds."""
    assert run_invariants(conn, INVARIANTS) == []
