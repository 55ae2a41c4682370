"""How runs stand: what was the same before and another in between is back; what people accepted shows as accepted everywhere."""

from __future__ import annotations

import copy
from datetime import timedelta

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.matching.findings.recorded import FindingDetail, RunReport
from counterfoil.reconciliation.breaks import work
from counterfoil.reconciliation.breaks.invariants import INVARIANTS
from counterfoil.reconciliation.client_money import make_client_money
from counterfoil.reconciliation.runs.nightly import reconcile_due
from counterfoil.reconciliation.runs.rows import findings_of, show_run
from counterfoil.reconciliation.runs.schedule import gaps, take_slot
from counterfoil.reconciliation.runs.slot_ends import schedules
from counterfoil.reconciliation.runs.standing import concluded, standings
from tests.reconciliation.runs.builders import PROGRAM, TODAY, House, at

PAST = TODAY - timedelta(days=5)  # past every window
DAILY, HOURLY = "0 2 * * *", "0 * * * *"


def stolen(house: House) -> None:
    """500.00 left the provider, and we know nothing of it."""
    house.charged("ch-1", 100_00, PAST)
    house.provider.line("payout", "po_9", -500_00, PAST, reference="stolen")


def states(house: House) -> list[str]:
    return [row[0] for row in house.rows("select state from break order by recurs_of nulls first, id")]  # one clock: ids tell no order


def test_what_is_found_gone_and_found_again_is_three_runs_and_two_breaks(house: House):
    stolen(house)
    told = copy.deepcopy(house.provider.lines)
    first = house.run(first=PAST)
    house.provider.lines.pop()
    second = house.run(first=PAST)
    house.provider.lines = told
    third = house.run(first=PAST)
    assert len({first.id, second.id, third.id}) == 3
    assert states(house) == ["matched", "open"]
    assert house.rows("select count(*) from break where recurs_of is not null") == [(1,)]
    with house.database.transaction() as conn:
        [money] = make_client_money(conn, PROGRAM, on=PAST, make_id=make_id, actor="t", now=house.clock.now)
        assert run_invariants(conn, INVARIANTS) == []
    place = next(one for one in money.detail["places"] if one["account"] == "clearing:simulator")
    assert (place["run"], money.difference, place["proven"]) == (third.id, -500_00, False)


def test_the_same_inputs_again_are_the_same_run_read_later_and_open_what_somebody_closed_too_soon(house: House):
    stolen(house)
    first = house.run(first=PAST)
    house.rows("update break set state_at = state_at returning id")
    again = house.run(first=PAST)
    assert (again.id, again.number > first.number) == (first.id, True)
    assert states(house) == ["open"]


def accept_all(house: House) -> None:
    with house.database.transaction() as conn:
        for (break_id,) in conn.execute("select id from break where state = 'open' order by id").fetchall():
            work.investigate_break(conn, break_id, actor="key:ann", now=house.clock.now)
            work.accept_break(conn, break_id, actor="key:ann", now=house.clock.now, reason="seen")


def test_a_run_whose_breaks_were_all_accepted_says_so_in_every_view_and_the_next_run_says_it_again(house: House):
    stolen(house)
    run = house.run(first=PAST)
    with house.database.transaction() as conn:
        before = standings(conn, [run])[run.id]
    assert (before.verdict, before.open, before.decided, before.green) == ("not reconciled", 1, 0, False)
    accept_all(house)
    house.charged("ch-2", 5_00, PAST)
    later = house.run(first=PAST)
    with house.database.transaction() as conn:
        for one in (run, later):
            stands = standings(conn, [show_run(conn, one.id)])[one.id]
            assert (stands.verdict, stands.open, stands.decided) == ("reconciled with accepted items", 0, 1)
        [(success, standing)] = concluded(conn)
    assert (success.run_id, standing.verdict) == (later.id, "reconciled with accepted items")


def test_what_is_accepted_does_not_explain_a_balance(house: House):
    stolen(house)
    house.provider.closing_off = 7
    run = house.run(first=PAST)
    accept_all(house)
    with house.database.transaction() as conn:
        stands = standings(conn, [run])[run.id]
    assert (stands.verdict, stands.unexplained, stands.open) == ("not reconciled", {"EUR": 7}, 0)
    assert "unexplained" in stands.sentence()


def test_a_run_is_measured_when_it_began_to_read(house: House):
    stolen(house)
    began = house.clock.now
    run = house.run(first=PAST)
    house.clock.now += timedelta(minutes=9)
    again = house.run(first=PAST)
    with house.database.transaction() as conn:
        assert standings(conn, [run])[run.id].measured_at == began
        assert standings(conn, [again])[again.id].measured_at == house.clock.now


def test_reports_and_findings_are_read_as_they_were_written_and_old_ones_with_what_they_lack(house: House):
    stolen(house)
    run = house.run(first=PAST)
    assert RunReport.read(run.report).written() == run.report
    assert run.report["version"] == 2
    with house.database.transaction() as conn:
        for found in findings_of(conn, run.id, rows_max=500):
            assert FindingDetail.read(found.detail).written() == found.detail
    old = RunReport.read({"footing": [], "kinds": [], "passes": {}, "sources": [], "balances": [{"asset": "EUR", "stated": "5"}]})
    assert (old.version, old.balances[0].stated, old.balances[0].unexplained, old.not_checked) == (1, 5, None, ())


def taken(house: House, cron: str, now):
    with house.database.transaction() as conn:
        return take_slot(conn, "full", cron, by="w", now=now)


def test_moments_that_nobody_took_are_a_gap_that_stays(house: House):
    taken(house, DAILY, at(TODAY))
    slot = taken(house, DAILY, at(TODAY + timedelta(days=3), 5))
    assert (slot.skipped, slot.missed) == (2, (at(TODAY + timedelta(days=1), 2), at(TODAY + timedelta(days=2), 2)))
    assert taken(house, DAILY, at(TODAY + timedelta(days=4), 5)).skipped == 0
    with house.database.transaction() as conn:
        [gap] = gaps(conn)
    assert (gap.missed, gap.first_at, gap.last_at) == (
        2,
        at(TODAY + timedelta(days=1), 2),
        at(TODAY + timedelta(days=2), 2),
    )


def test_another_schedule_does_not_hide_what_the_old_one_missed(house: House):
    taken(house, DAILY, at(TODAY))
    assert taken(house, HOURLY, at(TODAY + timedelta(days=2), 5)) is None
    with house.database.transaction() as conn:
        [gap] = gaps(conn)
        [due] = schedules(conn, {"full": HOURLY}, now=at(TODAY + timedelta(days=2), 5))
    assert (gap.missed, gap.noticed_by, due.overdue_s) == (2, "w", None)


def tick(house: House):
    with_schedule = {"full": DAILY}
    return reconcile_due(house.means, list(house.pairings.values()), with_schedule, by="w", make_id=make_id)


def test_every_day_that_was_missed_gets_its_statement_of_client_money_when_somebody_is_there_again(house: House):
    house.charged("ch-1", 100_00, TODAY)
    tick(house)  # the schedule is known from now on
    house.clock.now = at(TODAY + timedelta(days=3), 5)
    tick(house)
    days = [row[0] for row in house.rows("select distinct on_day from client_money order by 1")]
    assert days == [TODAY, TODAY + timedelta(days=1), TODAY + timedelta(days=2)]
    assert house.rows("select level, (payload ->> 'missed')::int from event where name = 'reconciliation_missed'") == [("warning", 2)]
    tick(house)
    assert house.rows("select count(*) from reconciliation_gap") == [(1,)]


def test_what_waited_too_long_is_opened_by_the_worker_although_no_run_finds_it(house: House):
    house.charged("ch-1", 100_00, PAST, there=False)
    house.run(first=PAST)
    with house.database.transaction() as conn:
        [(break_id,)] = conn.execute("select id from break").fetchall()
        work.wait_for_break(conn, break_id, actor="key:ann", now=house.clock.now, reason="it comes with the next file")
    house.provider.broken = httpx2.ConnectError("gone")
    house.clock.now += timedelta(days=30)
    tick(house)
    assert states(house) == ["open"]
    assert house.rows("select reason from step where machine = 'break' order by step desc limit 1") == [("its window is over",)]


def test_a_run_that_is_confirmed_after_one_of_other_days_speaks_last_and_files_anew(house: House):
    stolen(house)
    told = copy.deepcopy(house.provider.lines)
    first = house.run(first=PAST)
    house.provider.lines.pop()
    between = house.run(first=PAST - timedelta(days=1), last=PAST)  # it covers the day, and finds nothing
    house.provider.lines = told
    again = house.run(first=PAST)
    assert (again.id, again.number > between.number) == (first.id, True)
    assert states(house) == ["matched", "open"]
    with house.database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []
