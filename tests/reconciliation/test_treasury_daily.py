"""The daily question to the treasury of agents: at its hour once, by hand at once, and what it finds is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.treasury.carbon.billing import BillLine, NewBill, import_bill
from counterfoil.wiring import JOBS
from tests.api.office import wiring_for
from tests.builders import NOW, PROGRAM
from tests.points import at_points
from tests.stories.superuser import by_a_superuser
from tests.treasury.carbon.office import DAY, CarbonOffice, carbon_office
from tests.treasury.purse import begun

JOB = next(job for job in JOBS if job.name == "treasury-daily")


@pytest.fixture
def office(database: Database) -> Iterator[CarbonOffice]:
    with carbon_office(database) as made:
        yield made


def context(office: CarbonOffice) -> Any:
    return replace(wiring_for(office.database), carbon=office.means, clock=lambda: office.now).context("worker:test")


def told(office: CarbonOffice) -> list[tuple[str, dict[str, Any]]]:
    with office.database.transaction(read_only=True) as conn:
        return conn.execute("select name, payload from event where name like 'treasury_%%' order by at, name", []).fetchall()


def test_it_is_asked_at_midnight_once_and_by_hand_at_any_time(office: CarbonOffice) -> None:
    office.agent()
    assert JOB.tick(context(office), None).handled == 0, "the schedule is only noted"
    office.now = NOW.replace(hour=0, minute=1) + timedelta(days=1)
    assert [JOB.tick(context(office), None).handled for _ in range(2)] == [1, 0]
    assert JOB.run(context(office)).handled == 1
    assert [name for name, _ in told(office)] == ["treasury_checked"] * 2
    assert told(office)[0][1]["carbon"] == "NOTHING", "nothing was compared, and it says so"


def test_what_differs_or_waits_is_told_and_counted(office: CarbonOffice) -> None:
    wrong, waiting = office.agent(), office.agent()
    office.used(wrong, 1_000_000)
    office.sync()
    office.fake.flat = "900"
    with office.database.transaction() as conn:
        begun(conn, (waiting, "debit", 5), (office.agent(), "credit", 5))
    account = f"(select min(id) from account where name = 'treasury:agent:{wrong}')"  # in one asset
    by_a_superuser(office, f"update account set credits = credits + 7 where id = {account}")  # type: ignore[arg-type]
    office.now = NOW + timedelta(days=1)
    found = JOB.run(context(office))
    by = dict(told(office))
    assert found.failed == len(by["treasury_differs"]["which"]) > 0
    assert wrong in by["treasury_differs"]["which"]
    assert waiting in by["treasury_pending"]["which"]
    assert by["treasury_checked"]["carbon"] == "AGREES", f"of {DAY} in {PROGRAM}, as far as the source was heard"


def test_a_day_whose_window_is_over_is_a_break_that_it_finds_and_names(office: CarbonOffice) -> None:
    office.used(office.agent(), 1_000_000)
    office.sync()
    office.fake.flat = "900"
    office.now = NOW + timedelta(days=4)
    office.sync()
    assert JOB.run(context(office)).failed == 1
    by = dict(told(office))
    assert (by["treasury_differs"]["carbon"], by["treasury_differs"]["carbon_days"]) == ("BREAK", {DAY.isoformat(): "BREAK"})
    office.now = NOW + timedelta(days=11)
    assert JOB.run(context(office)).failed == 0, "long after its window: the source is no longer asked, either"


def test_a_bill_of_the_source_is_looked_at_for_ever_also_of_a_program_without_agents(office: CarbonOffice) -> None:
    with office.database.transaction() as conn:
        long_ago = DAY - timedelta(days=200)
        new = NewBill("watttime", "2026-01", long_ago, long_ago + timedelta(days=9), [BillLine("DE", long_ago, 5, 5)])
        import_bill(conn, office.means, make_id("cbill"), PROGRAM, new, actor="test", now=office.now)
    assert JOB.run(context(office)).failed == 1
    by = dict(told(office))
    assert (by["treasury_differs"]["bills"], by["treasury_differs"]["carbon"]) == ({"watttime 2026-01": "BREAK"}, "NOTHING")


def test_a_worker_that_ends_in_the_middle_leaves_the_day_to_the_next(office: CarbonOffice) -> None:
    office.agent()
    JOB.tick(context(office), None)
    office.now = NOW.replace(hour=0, minute=1) + timedelta(days=1)

    def end(point: str) -> None:
        if point == "treasury_daily.before_record":
            raise SystemExit(point)

    with at_points(end), pytest.raises(SystemExit):
        JOB.tick(context(office), None)
    assert told(office) == []
    assert JOB.tick(context(office), None).handled == 1
