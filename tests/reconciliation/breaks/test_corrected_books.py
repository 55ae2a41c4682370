"""A day whose statement lost, doubled and altered a line: what people adjust is found no more, and the balance speaks on."""

from __future__ import annotations

from counterfoil.base.edge import make_id, now
from counterfoil.base.invariant import run_invariants
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.invariants import INVARIANTS
from counterfoil.reconciliation.breaks.queries import list_breaks
from counterfoil.reconciliation.runs.run import latest_runs
from tests.dashboard import days
from tests.dashboard.conftest import desk as desk  # a database and a provider
from tests.people import who

KINDS = {"AMOUNT_MISMATCH", "DUPLICATE_RIGHT", "MISSING_RIGHT"}


def verdict(desk):
    with desk.database.transaction() as conn:
        (run,) = latest_runs(conn)
    return run.verdict, run.breaks


def test_what_is_adjusted_is_found_no_more_and_no_journal_is_a_new_break(desk):
    desk.spoil_the_statement()
    days.a_full_day(desk, prices=days.PRICES[:6])
    days.reconciled(desk)
    assert verdict(desk) == ("not reconciled", 3)
    with desk.database.transaction() as conn:
        cases = list_breaks(conn, rows_max=50)
        assert {one.kind for one in cases} == KINDS
        for case in cases:
            debit, credit, minor = adjusting.suggested_line(case)
            work.investigate_break(conn, case.id, actor="person:mira", now=now())
            made = adjusting.propose_adjustment(
                conn,
                case.id,
                make_id("prop"),
                lines=[NewPosting(debit or "suspense", credit or "suspense", minor)],
                reason="as they say",
                by=who(conn, "person:mira"),
                now=now(),
            )
            adjusting.approve_proposal(
                conn, case.id, payload_sha256=made.payload_sha256, reason="seen", by=who(conn, "person:noah"), now=now()
            )
    days.reconciled(desk)
    assert verdict(desk) == ("not reconciled", 0)  # the balance never agreed with these lines
    with desk.database.transaction() as conn:
        after = list_breaks(conn, rows_max=50)
        assert {(one.kind, one.state) for one in after} == {(kind, "adjusted") for kind in KINDS}
        assert all(one.gone_run for one in after)
        assert run_invariants(conn, INVARIANTS) == []
