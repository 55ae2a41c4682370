"""Bills of the source against the books: by region and day, lag first, then a break, each by its facts; nothing of a bill is posted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.treasury.carbon.billing import BillLine, CheckedBill, NewBill, check_bill, import_bill, list_bills
from counterfoil.treasury.carbon.invariants import INVARIANTS, MONITORS
from counterfoil.treasury.carbon.rules import BilledFigure, bill_cause
from tests.builders import NOW, PROGRAM
from tests.treasury.carbon.office import DAY, MORNING, CarbonOffice, carbon_office

FIRST = DAY - timedelta(days=5)
LATER = timedelta(days=8)
MWH, GRAMS = 1_000_000, 362_874  # of a MWh by the fake source: 800 pounds


@pytest.fixture
def office(database: Database) -> Iterator[CarbonOffice]:
    with carbon_office(database) as made:
        yield made


def bill(office: CarbonOffice, *lines: BillLine, reference: str = "2026-11", first: date = FIRST, last: date = DAY) -> CheckedBill:
    with office.database.transaction() as conn:
        new = NewBill("watttime", reference, first, last, lines)
        made = import_bill(conn, office.means, make_id("cbill"), PROGRAM, new, actor="test", now=office.now)
        return check_bill(conn, office.means, made.id, now=office.now)


def booked(office: CarbonOffice, watt_hours: int = MWH) -> int:
    """Energy of an agent on the day, and its grams in the books."""
    office.used(office.agent(), watt_hours)
    office.sync()
    [line] = office.verify().lines
    return line.ledger


def told_by_the_watch(office: CarbonOffice) -> list[tuple[Any, ...]]:
    [check] = MONITORS
    with office.database.transaction(read_only=True) as conn:
        return list(conn.execute(str(check.offenders), {"now": office.now}).fetchall())


def test_a_bill_that_says_what_the_books_say_agrees_and_posts_nothing(office: CarbonOffice) -> None:
    grams = booked(office)
    found = bill(office, BillLine("DE", DAY, MWH, grams))
    assert (found.verdict, found.compared, found.agree, found.days, found.difference) == ("AGREES", 1, 1, [], 0)
    assert (office.verify().billing, office.verify().verdict) == ("AGREES", "AGREES")
    assert office.balance(f"carbon:agent:{office.agents[0]}") == grams
    office.now += LATER
    assert told_by_the_watch(office) == []
    office.still_true()


def test_what_differs_is_lag_within_the_window_and_a_break_after_it(office: CarbonOffice) -> None:
    grams = booked(office)
    found = bill(office, BillLine("DE", DAY, MWH, grams + 7))
    [day] = found.days
    assert (found.verdict, day.verdict, day.difference, day.command) == ("SYNC_LAG", "SYNC_LAG", -7, None)
    assert day.next_step.startswith("Wait: it becomes a break at")
    assert (office.verify().verdict, told_by_the_watch(office)) == ("SYNC_LAG", [])
    office.now += LATER
    with office.database.transaction(read_only=True) as conn:
        found = check_bill(conn, office.means, found.id, now=office.now)
    [day] = found.days
    assert (found.verdict, day.why) == ("BREAK", "the energy is the same, and the bill counts other grams than were booked")
    assert day.command == f"counterfoil carbon sync --force --date {DAY} --reason …"
    verified = office.verify()
    assert (verified.verdict, verified.billing, [one.verdict for one in verified.lines]) == ("BREAK", "BREAK", ["AGREES"])
    assert "other grams than were booked" in verified.next_step, "it is the bill that differs, and the next step says so"
    assert told_by_the_watch(office) == [("watttime 2026-11", PROGRAM, "DE", DAY, grams + 7, grams)]


def test_a_day_that_no_bill_speaks_of_was_not_compared(office: CarbonOffice) -> None:
    booked(office)
    assert (office.verify().billing, office.verify().bill_days, office.verify().verdict) == ("NOTHING", [], "AGREES")
    found = bill(office, first=FIRST, last=FIRST)
    assert (found.verdict, found.compared) == ("NOTHING", 0), "a bill of nothing for a day of nothing is no green one"
    assert office.verify().billing == "NOTHING"


def test_grams_that_a_bill_should_name_and_does_not_are_found(office: CarbonOffice) -> None:
    grams = booked(office)
    office.now += LATER
    [day] = bill(office).days
    assert (day.verdict, day.billed, day.ledger, day.bills) == ("BREAK", 0, grams, ())
    assert day.why == f"watttime 2026-11 speaks of that day and does not name it; {MWH} Wh were recorded here"
    assert told_by_the_watch(office) == [("watttime 2026-11", PROGRAM, "DE", DAY, 0, grams)]


def test_a_day_that_is_billed_twice_names_both_bills_and_a_line_below_nothing_takes_it_back(office: CarbonOffice) -> None:
    grams = booked(office)
    office.now += LATER
    line = BillLine("DE", DAY, MWH, grams)
    bill(office, line)
    [day] = bill(office, line, reference="2026-11b", first=DAY).days
    assert (day.bills, day.difference) == (("watttime 2026-11", "watttime 2026-11b"), -grams)
    assert day.why == f"watttime 2026-11 and watttime 2026-11b together count {2 * MWH} Wh, and {MWH} Wh were recorded here"
    taken_back = bill(office, line._replace(watt_hours=-MWH, grams=-grams), reference="2026-11c", first=DAY)
    assert (taken_back.verdict, taken_back.grams, taken_back.agree) == ("AGREES", -grams, 1)
    with office.database.transaction(read_only=True) as conn:
        assert [one.verdict for one in list_bills(conn, office.means, now=office.now, rows_max=5)] == ["AGREES"] * 3
    assert told_by_the_watch(office) == []


def test_the_same_bill_again_is_the_one_that_is_known_and_another_under_its_number_is_refused(office: CarbonOffice) -> None:
    line = BillLine("DE", DAY, 1, 1)
    assert bill(office, line).id == bill(office, line).id
    for other in ((line._replace(grams=2),), (line, line._replace(region="FR")), ()):
        with pytest.raises(InvalidInput) as said:
            bill(office, *other)
        assert said.value.facts["field"] == "reference"
    with office.database.transaction(read_only=True) as conn:
        assert conn.execute("select count(*) from carbon_bill_line").fetchone() == (1,)
        with pytest.raises(NotFound):
            check_bill(conn, office.means, make_id("cbill"), now=office.now)


@pytest.mark.parametrize(
    ("lines", "days", "field"),
    [
        ([BillLine("DE", DAY + timedelta(days=1), 1, 1)], (FIRST, DAY), "lines[1].day"),
        ([BillLine("DE", DAY, 1, 1), BillLine("DE", DAY, 2, 2)], (FIRST, DAY), "lines"),
        ([], (DAY, FIRST), "last_day"),
        ([], (DAY - timedelta(days=400), DAY), "last_day"),
        ([], (DAY, DAY + timedelta(days=300)), "last_day"),
    ],
)
def test_a_bill_that_cannot_be_is_refused_by_its_field(
    office: CarbonOffice, lines: list[BillLine], days: tuple[date, date], field: str
) -> None:
    with pytest.raises(InvalidInput) as said:
        bill(office, *lines, first=days[0], last=days[1])
    assert said.value.facts["field"] == field
    with office.database.transaction(read_only=True) as conn:
        assert conn.execute("select count(*) from carbon_bill").fetchone() == (0,)


@pytest.mark.parametrize(
    "wrong",
    [
        "insert into carbon_bill_line select id, program_id, 'FR', first_day, 1, 1 from carbon_bill",
        "update carbon_bill set grams = 2",
        "delete from carbon_bill_line",
        """insert into carbon_bill select 'x', program_id, source, 'another', first_day, last_day, 1, watt_hours, grams, digest, final_at,
           actor, at from carbon_bill""",
    ],
)
def test_the_database_keeps_a_bill_as_it_came(office: CarbonOffice, wrong: str) -> None:
    bill(office, BillLine("DE", DAY, 1, 1))
    with pytest.raises(Problem), office.database.transaction() as conn:
        conn.execute(wrong)  # type: ignore[call-overload]
    office.still_true()


def test_the_watch_waits_for_every_bill_that_speaks_of_a_day(office: CarbonOffice) -> None:
    """A bill that is not final may still add what an earlier one left out."""
    booked(office)
    bill(office)
    office.now += LATER
    assert told_by_the_watch(office)
    bill(office, reference="to come", first=DAY, last=office.now.date())
    assert told_by_the_watch(office) == []
    with office.database.transaction(read_only=True) as conn:
        assert run_invariants(conn, INVARIANTS) == []


@given(
    billed=st.tuples(st.integers(-5, 5), st.integers(-5, 5)),
    ours=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    bills=st.lists(st.sampled_from("ab"), max_size=2, unique=True),
)
def test_only_what_is_the_same_agrees_and_forcing_is_only_advised_where_the_energy_is_the_same(
    billed: tuple[int, int], ours: tuple[int, int], bills: list[str]
) -> None:
    one = BilledFigure(billed[0], ours[0], billed[1], ours[1], tuple(bills), ("a", "b"))
    cause = bill_cause(one)
    assert (cause.next_step == "Nothing to do.") == (billed == ours)
    assert not cause.forced or (billed[0] == ours[0] and billed[1] != ours[1] and bills)


def test_the_days_of_a_bill_are_of_utc(office: CarbonOffice) -> None:
    """A moment before midnight belongs to the day that ends."""
    last = datetime(DAY.year, DAY.month, DAY.day, 23, tzinfo=NOW.tzinfo)
    office.now = max(office.now, last + timedelta(hours=2))
    office.used(office.agent(), MWH, at=last)
    office.used(office.agents[0], MWH, at=MORNING)
    office.sync()
    [day] = bill(office, last=DAY).days
    assert (day.day, day.recorded_wh) == (DAY, 2 * MWH)
