"""The calendar of what was compared: by real runs, what they found, and what people decided on it since."""

from __future__ import annotations

from datetime import date, timedelta

from counterfoil.reconciliation.coverage import CoverageDay, coverage, gaps_in
from counterfoil.reconciliation.runs.pairings import pairings
from tests.reconciliation.runs.builders import PROGRAM, TODAY, House
from tests.reconciliation.runs.test_standing import PAST, accept_all, stolen


def days_of(house: House, first: date, last: date, source: str = "simulator") -> list[CoverageDay]:
    with house.database.transaction() as conn:
        rows = coverage(conn, list(pairings(["simulator"]).values()), program_id=PROGRAM, first=first, last=last, now=house.clock.now)
    return list(next(row for row in rows if row.source == source).days)


def test_a_day_with_a_break_is_accepted_only_once_somebody_decided_and_the_days_beside_it_are_their_own(house: House):
    stolen(house)
    run = house.run(first=PAST, last=PAST + timedelta(days=1))
    found, beside = days_of(house, PAST, PAST + timedelta(days=1))
    assert (found.word, found.breaks, found.run_id) == ("breaks", 1, run.id)
    assert beside.word == "reconciled"
    accept_all(house)
    found, beside = days_of(house, PAST, PAST + timedelta(days=1))
    assert (found.word, beside.word) == ("accepted", "reconciled")


def test_the_newest_run_of_a_day_speaks_for_it_and_a_day_of_no_run_is_a_gap(house: House):
    stolen(house)
    house.run(first=PAST, last=PAST)
    house.provider.lines.pop()
    newest = house.run(first=PAST, last=PAST)
    found = days_of(house, PAST - timedelta(days=1), PAST + timedelta(days=2))
    assert [one.word for one in found][1:] == ["reconciled", "not_compared", "not_compared"]
    assert found[1].run_id == newest.id
    with house.database.transaction() as conn:
        rows = coverage(conn, list(pairings(["simulator"]).values()), program_id=PROGRAM, first=PAST, last=PAST, now=house.clock.now)
    charges = [one for one in gaps_in(rows) if one.source == "simulator:charges"]
    assert [(one.first_on, one.last_on) for one in charges] == [(PAST, PAST)], "what nobody asked of the same provider is a gap, too"


def test_of_today_nothing_is_whole_and_what_is_unexplained_is_no_green(house: House):
    stolen(house)
    house.provider.closing_off = 7
    house.run(first=PAST, last=PAST)
    accept_all(house)
    [found] = days_of(house, PAST, PAST)
    assert (found.word, found.said) == ("breaks", "an amount is unexplained")
    house.charged("ch-9", 1_00, TODAY)
    house.provider.closing_off = 0
    house.run(first=TODAY, last=TODAY)
    [today] = days_of(house, TODAY, TODAY)
    assert (today.word, today.until) == ("partly", house.clock.now)
