"""A fact of a closed day is booked on the first open one: a run of either day alone finds its partner and says when it was booked."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import PAYMENT
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.ledger.periods import close_period
from counterfoil.reconciliation.runs.books import late_reach
from tests.reconciliation.runs.builders import PROGRAM, TODAY, House, at

LONG_AGO = TODAY - timedelta(days=40)
OPEN = TODAY - timedelta(days=3)  # the first open day


def charged_late(house: House, charge: str, amount: int, day, *, there: int | None = None) -> None:
    """The provider took it on a day that was closed by us when we heard of it."""
    lines = (("clearing:simulator", "escrow:inv-9", amount),)
    journal = NewJournal(PAYMENT.key(charge), "payment", lines, "EUR", "system:worker", at(day), source=("charge", charge), space=PAYMENT)
    with house.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["clearing:simulator", "escrow:inv-9"], asset="EUR", actor="t", now=at(TODAY))
        (done,) = post_all(conn, [ProgramJournal(PROGRAM, journal)], now=at(TODAY))
    assert done.effective_at.date() == OPEN, "it is booked on the first open day"
    if there is not None:
        house.provider.line("charge", charge, there, day)


def month_end(house: House) -> None:
    with house.database.transaction() as conn:
        close_period(conn, PROGRAM, until=at(OPEN, 0), reason="month end", actor="ann", now=at(TODAY))


@pytest.fixture
def closed(house: House) -> House:
    house.charged("ch-1", 200_00, LONG_AGO)
    month_end(house)
    return house


@pytest.mark.parametrize("day", [LONG_AGO, OPEN], ids=["the closed day", "the open day"])
@pytest.mark.parametrize("happened", [LONG_AGO, OPEN - timedelta(days=2)], ids=["forty days", "two days"])
def test_a_late_fact_is_matched_and_told_with_both_days_in_the_run_of_either_alone(closed: House, day, happened):
    charged_late(closed, "ch-2", 50_00, happened, there=50_00)
    run = closed.run(first=happened if day == LONG_AGO else OPEN)
    assert (closed.found(run), run.verdict) == ([], "reconciled")
    [told] = run.report["booked_later"]
    days = (told["happened_on"], told["booked_on"])
    assert (told["id"], told["amount"], days) == ("charge:ch-2", "5000", (str(happened), str(OPEN)))
    [balance] = run.report["balances"]
    assert balance["unexplained"] == "0"


def test_what_is_really_missing_stays_missing_beside_a_late_fact(closed: House):
    charged_late(closed, "ch-2", 50_00, LONG_AGO, there=50_00)
    closed.provider.line("charge", "ch-3", 70_00, LONG_AGO)
    run = closed.run(first=LONG_AGO)
    assert (closed.found(run), run.verdict) == ([("MISSING_LEFT", LONG_AGO)], "not reconciled")


def test_a_late_fact_that_the_provider_never_had_is_missing_on_the_day_of_its_booking(closed: House):
    charged_late(closed, "ch-2", 50_00, LONG_AGO)
    run = closed.run(first=OPEN, last=TODAY)
    assert (closed.found(run), run.verdict) == ([("MISSING_RIGHT", OPEN)], "not reconciled")
    assert run.report["booked_later"] == []


def test_a_late_fact_of_another_amount_is_one_break_and_not_two(closed: House):
    charged_late(closed, "ch-2", 50_00, LONG_AGO, there=60_00)
    run = closed.run(first=LONG_AGO)
    assert closed.found(run) == [("AMOUNT_MISMATCH", LONG_AGO)]


def test_a_run_of_days_without_a_late_fact_reads_no_further_than_before(closed: House):
    charged_late(closed, "ch-2", 50_00, LONG_AGO, there=50_00)
    closed.run(first=TODAY - timedelta(days=20))
    assert min(first for first, _ in closed.provider.asked) == str(TODAY - timedelta(days=34))
    with closed.database.transaction() as conn:
        days = {"first": TODAY - timedelta(days=20), "last": TODAY - timedelta(days=20)}
        assert late_reach(conn, PROGRAM, "clearing:simulator", **days) is None
