"""Energy, the source's figures and the books: posted once, changed while they may be, and never in silence after that."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.database import AppendOnly, DatabaseRefused
from counterfoil.base.edge import Database, make_id
from counterfoil.base.problems import InvalidInput
from counterfoil.treasury.carbon import syncing
from counterfoil.treasury.carbon.energy import NewEnergy, import_energy
from counterfoil.treasury.carbon.model import CarbonMeans, emissions_of
from counterfoil.treasury.carbon.syncing import CarbonNotSetUp, SyncWanted, sync_carbon
from counterfoil.treasury.carbon.verify import explain_agent
from tests.builders import PROGRAM
from tests.points import at_points
from tests.treasury.carbon.fake_watttime import PERIOD
from tests.treasury.carbon.office import DAY, HOUR, MORNING, CarbonOffice, carbon_office

G_PER_MWH = 362_874  # 800 pounds


@pytest.fixture
def office(database: Database) -> Iterator[CarbonOffice]:
    with carbon_office(database) as made:
        yield made


def test_grams_are_posted_by_agent_and_region_and_once(office: CarbonOffice) -> None:
    one, two = office.agent(), office.agent()
    office.used(one, 1_000_000)
    office.used(one, 500_000, at=MORNING + HOUR, region="CAISO_NORTH")
    office.used(two, 2_000_000)
    made = office.sync()
    assert (made.days, made.failed, made.posted, made.breaks) == (2, 0, 3, 0)
    assert office.balance(emissions_of(one)) == G_PER_MWH + 181_437
    assert office.balance(emissions_of(two)) == 725_748, "rounded once, not twice"
    assert office.sync(forced=True).posted == 0, "the same again moves nothing"
    told = office.verify()
    assert (told.verdict, told.final, [line.difference for line in told.lines]) == ("AGREES", False, [0, 0, 0])
    office.still_true()


def test_what_has_no_figure_yet_is_lag_and_then_a_break_and_never_green(office: CarbonOffice) -> None:
    agent = office.agent()
    office.used(agent, 1_000_000)
    assert office.verify().verdict == "SYNC_LAG", "the source was not heard"
    office.fake.until = MORNING + HOUR / 2
    office.sync()
    told = office.verify()
    assert (told.verdict, told.lines[0].uncovered, office.balance(emissions_of(agent))) == ("SYNC_LAG", 1_000_000, 0)
    office.now += timedelta(days=4)
    assert office.verify().verdict == "BREAK"
    office.fake.until = None
    office.sync()
    assert (office.verify().verdict, office.balance(emissions_of(agent))) == ("AGREES", G_PER_MWH), "it had no figure before: it is posted"
    assert office.verify().final
    office.still_true()


def test_what_the_source_changes_in_time_is_posted_as_a_difference(office: CarbonOffice) -> None:
    agent = office.agent()
    office.used(agent, 1_000_000)
    office.sync()
    office.fake.flat = "700"
    office.now += 2 * HOUR
    assert (office.sync().posted, office.balance(emissions_of(agent))) == (1, 317_515)
    assert office.verify().verdict == "AGREES"
    office.still_true()


def test_what_it_changes_too_late_is_a_break_that_a_person_has_posted(office: CarbonOffice) -> None:
    agent = office.agent()
    office.used(agent, 1_000_000)
    office.sync()
    office.fake.values = {MORNING + PERIOD * n: "900.5" for n in range(12)}
    office.now += timedelta(days=4)
    made = office.sync()
    assert (made.posted, made.breaks, office.balance(emissions_of(agent))) == (0, 1, G_PER_MWH)
    told = office.verify()
    assert (told.verdict, told.lines[0].difference) == ("BREAK", G_PER_MWH - 408_460)
    office.now += timedelta(days=1, hours=1)
    assert office.sync().breaks == 1, "it is found again"
    with office.database.transaction(read_only=True) as conn:
        assert len(conn.execute("select 1 from event where name = 'carbon_break'").fetchall()) == 1, "and told once"
        [finding] = explain_agent(conn, office.means, agent, now=office.now)
        assert (finding.symptom, finding.cause) == ("carbon mismatch", "changed figure")
    assert office.sync(forced=True).posted == 0, "force alone does not settle a break"
    assert office.sync(forced=True, day=DAY, reason="the source explained it").posted == 1
    assert (office.verify().verdict, office.balance(emissions_of(agent))) == ("AGREES", 408_460)
    office.still_true()


def test_energy_that_comes_late_is_posted_with_the_next_sync(office: CarbonOffice) -> None:
    agent = office.agent()
    office.used(agent, 1_000_000)
    office.sync()
    office.now += timedelta(days=30)
    office.used(agent, 1_000_000, at=MORNING + HOUR)
    assert office.verify().verdict == "BREAK"
    assert (office.sync().posted, office.balance(emissions_of(agent))) == (1, 725_748)
    office.still_true()


def test_a_region_that_is_refused_holds_up_no_other_and_is_said(office: CarbonOffice) -> None:
    agent = office.agent()
    office.used(agent, 1_000_000, region="ATLANTIS")
    office.used(agent, 1_000_000, at=MORNING + HOUR)
    made = office.sync()
    assert (made.days, made.failed, made.posted) == (2, 1, 1)
    assert "ATLANTIS on 2026-11-20" in str(made.error)
    assert office.verify().verdict == "SYNC_LAG", "the day is not green for its other region"


def test_days_that_are_refused_starve_no_other_whatever_their_number(office: CarbonOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syncing, "DAYS_MAX", 4)
    agent = office.agent()
    for back in range(5):
        office.used(agent, 1_000_000, at=MORNING - timedelta(days=back), region="ATLANTIS")
        office.used(agent, 1_000_000, at=MORNING - timedelta(days=60 + back), region="CAISO_NORTH")
    office.used(agent, 1_000_000)
    office.fake.oldest = MORNING - timedelta(days=30)
    made = office.sync()
    assert (made.days, made.failed, made.posted, made.left) == (4, 3, 1, 7), "one of each, and the newest of one that was refused"
    office.used(agent, 1_000_000, at=MORNING - timedelta(days=1), region="CAISO_NORTH")
    assert office.sync().posted == 1, "of a region whose old days the plan does not have"


@pytest.mark.parametrize("status", [500, 403])
def test_a_source_that_is_away_or_lets_nobody_in_is_asked_once(office: CarbonOffice, status: int) -> None:
    agent = office.agent()
    for back in range(5):
        office.used(agent, 1_000_000, at=MORNING - timedelta(days=back))
    office.fake.next.extend([(status, {})] * 40)
    made = office.sync()
    assert (made.days, made.failed, made.left) == (1, 1, 4)
    office.fake.next.clear()
    assert (office.sync().posted, office.verify().verdict) == (5, "AGREES")


def test_two_syncs_at_once_post_once(office: CarbonOffice) -> None:
    agent = office.agent()
    office.used(agent, 1_000_000)
    together = threading.Barrier(2, timeout=20)
    arrived: list[str] = []

    def wait(point: str) -> None:
        if point == "carbon.before_record":
            arrived.append(point)
            together.wait()

    with at_points(wait):
        threads = [threading.Thread(target=office.sync, kwargs={"forced": True}) for _ in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert len(arrived) == 2, "both had asked before either wrote"
    assert office.balance(emissions_of(agent)) == G_PER_MWH
    office.still_true()


def test_a_day_is_left_alone_until_it_is_due_again(office: CarbonOffice) -> None:
    office.used(office.agent(), 1_000_000)
    assert office.sync().days == 1
    office.now += HOUR / 2
    assert office.sync().days == 0
    office.now += HOUR
    assert office.sync().days == 1
    office.now += timedelta(days=30)
    assert office.sync().days == 0, "long after its window"


def test_nothing_is_synced_without_a_source_or_for_a_day_to_come(office: CarbonOffice) -> None:
    with pytest.raises(CarbonNotSetUp):
        sync_carbon(office.database, CarbonMeans(), SyncWanted("test"), make_id=make_id, clock=lambda: office.now)
    with pytest.raises(InvalidInput, match="past"):
        office.sync(day=DAY + timedelta(days=1))
    assert office.verify().verdict == "NOTHING", "an empty day is not green"


def test_energy_counts_once_and_all_of_it_or_nothing(office: CarbonOffice) -> None:
    agent = office.agent()
    good = NewEnergy("m-1", agent, "DE", MORNING, MORNING + HOUR, 500)

    def send(*records: NewEnergy) -> Any:
        with office.database.transaction() as conn:
            return import_energy(conn, PROGRAM, records, make_id=make_id, actor="test", now=office.now)

    assert send(good) == (1, 1)
    assert send(good) == (1, 0), "the same again"
    for wrong, field in (
        (good._replace(watt_hours=501), "reference"),
        (good._replace(reference="m-2", agent_id=make_id("agent")), "agent_id"),
        (good._replace(reference="m-2", ends_at=MORNING), "later than starts_at"),
        (good._replace(reference="m-2", ends_at=office.now + HOUR), "not later than now"),
        (good._replace(reference="m-2", starts_at=MORNING - 10 * HOUR), "same day"),
    ):
        with pytest.raises(InvalidInput, match=field):
            send(good._replace(reference="m-3"), wrong)
    with office.database.transaction() as conn:
        assert conn.execute("select count(*) from carbon_energy").fetchone() == (1,)


@pytest.mark.parametrize("table", ["carbon_energy", "carbon_intensity", "carbon_fetch", "carbon_posting", "carbon_sync"])
def test_what_was_said_and_posted_stays(office: CarbonOffice, table: str) -> None:
    office.used(office.agent(), 1_000_000)
    office.sync()
    with pytest.raises((AppendOnly, DatabaseRefused)), office.database.transaction() as conn:
        conn.execute(f"delete from {table}")
