"""Carbon over HTTP: energy in, the source asked, a day verified, credits bought and retired."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import Database
from counterfoil.treasury.carbon.model import CarbonMeans
from counterfoil.treasury.carbon.watttime import WattTime
from tests.api.office import PROGRAM, Office, fresh, seed, served, wiring_for
from tests.treasury.carbon.fake_watttime import PASSWORD, USER, fake_watttime

HOUR = timedelta(hours=1)


@pytest.fixture
def carbon_server(database: Database) -> Iterator[Office]:
    """A server that has a source."""
    keys, ids = seed(database)
    with fake_watttime() as (_, url):
        means = CarbonMeans(WattTime(USER, PASSWORD, url=url, sleep=lambda _: None))
        wiring = replace(wiring_for(database), carbon=means)
        with served(make_app(wiring, owner="test", log_requests=False)) as address:
            yield Office(address, database, wiring, keys, ids)


def send(office: Office, path: str, body: dict[str, Any], *, role: str = "operator") -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", f"/api/carbon/{path}", role=role, key=fresh(), json=body)
    return answer.status_code, answer.json()


def an_agent(office: Office) -> str:
    body = {"programId": PROGRAM, "name": fresh("agent")}
    return str(office.ask("POST", "/api/agents", role="operator", key=fresh(), json=body).json()["id"])


def record(agent: str, *, at: datetime, **more: Any) -> dict[str, Any]:
    given = {"reference": fresh("m"), "agentId": agent, "region": "DE", "wattHours": 1_000_000}
    return given | {"startsAt": at.isoformat(), "endsAt": (at + HOUR).isoformat()} | more


def test_energy_becomes_grams_that_agree_with_the_source(carbon_server: Office) -> None:
    office, agent = carbon_server, an_agent(carbon_server)
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    status, told = send(office, "energy", {"programId": PROGRAM, "records": [record(agent, at=day + 6 * HOUR)]})
    assert (status, told["new"]) == (201, 1)
    verify = f"/api/carbon/verify?date={day.date()}"
    assert office.ask("GET", verify).json()["verdict"] == "SYNC_LAG"
    status, told = send(office, "syncs", {"force": True})
    assert (status, told["posted"], told["failed"]) == (201, 1, 0)
    found = office.ask("GET", verify).json()
    assert (found["verdict"], found["lines"][0]["ledger"], found["lines"][0]["difference"]) == ("AGREES", "362874", "0")
    assert office.ask("GET", f"/api/agents/{agent}/explain").json()["findings"] == []
    assert office.ask("GET", "/api/carbon/syncs").json()["data"][0]["forced"] is True
    assert office.ask("GET", f"/api/accounts/carbon:agent:{agent}/balance", params={"asset": "CO2E"}).json()["balance"] == "362874"


def test_wrong_energy_is_named_and_nothing_of_it_is_recorded(carbon_server: Office) -> None:
    agent = an_agent(carbon_server)
    at = datetime(2026, 1, 5, tzinfo=UTC)
    records = [record(agent, at=at), record(agent, at=at, endsAt="2026-01-06T00:00:01Z")]
    status, told = send(carbon_server, "energy", {"programId": PROGRAM, "records": records})
    assert (status, told["field"]) == (422, "records[2].ends_at")
    assert carbon_server.ask("GET", "/api/carbon/verify?date=2026-01-05").json()["verdict"] == "NOTHING"


def test_a_day_is_forced_with_a_reason_only(carbon_server: Office) -> None:
    status, told = send(carbon_server, "syncs", {"force": True, "date": "2026-01-05"})
    assert (status, told["field"]) == (422, "reason")


def test_the_source_is_asked_for_what_is_to_come(carbon_server: Office) -> None:
    found = carbon_server.ask("GET", "/api/carbon/forecast?region=DE&hours=1").json()
    assert (len(found["points"]), found["points"][0]["poundsPerMwh"]) == (12, "800")
    assert carbon_server.ask("GET", "/api/carbon/region?latitude=37.7&longitude=-122.4").json()["region"] == "CAISO_NORTH"
    assert carbon_server.ask("GET", "/api/carbon/forecast?region=MARS").json()["type"].endswith("CarbonSourceRefuses")


def test_without_a_source_nothing_is_asked_and_that_is_said(office: Office) -> None:
    answer = office.ask("POST", "/api/carbon/syncs", role="operator", key=fresh(), json={})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/CarbonNotSetUp")


def test_credits_are_bought_retired_and_never_move_again(carbon_server: Office) -> None:
    office, agent = carbon_server, an_agent(carbon_server)
    lot = {"programId": PROGRAM, "registry": "Verra", "series": "VCS-191-2025", "firstSerial": 1, "lastSerial": 100}
    lot |= {"vintage": 2025, "reference": "order 81", "reason": "for the year"}
    status, bought = send(office, "credits", lot, role="controller")
    assert (status, bought["retired"]) == (201, 0)
    status, told = send(office, "credits", lot, role="controller")
    assert (status, told["field"]) == (422, "first_serial")
    retire = {"creditId": bought["id"], "firstSerial": 11, "lastSerial": 20, "agentId": agent, "reason": "its emissions of 2025"}
    status, told = send(office, "retirements", retire, role="controller")
    assert (status, told["grams"]) == (201, "10000000")
    assert send(office, "retirements", retire, role="controller")[1]["field"] == "first_serial"
    assert office.ask("GET", "/api/carbon/credits").json()["data"][0]["retired"] == 10
    assert office.ask("GET", "/api/carbon/retirements").json()["data"][0]["lastSerial"] == 20


def test_a_bill_is_held_against_the_books_day_by_day(carbon_server: Office) -> None:
    office = carbon_server
    day = (datetime.now(UTC) - timedelta(days=9)).date()
    lines = [{"region": "DE", "day": str(day), "wattHours": 1_000_000, "grams": 362_874}]
    given = {"programId": PROGRAM, "reference": fresh("bill"), "firstDay": str(day), "lastDay": str(day), "lines": lines}
    status, bill = send(office, "bills", given)
    assert (status, bill["source"], bill["grams"], bill["lines"]) == (201, "watttime", "362874", 1)
    assert send(office, "bills", given)[1]["id"] == bill["id"], "the same again is the bill that is known"
    assert send(office, "bills", given | {"lines": []})[1]["field"] == "reference"
    assert send(office, "bills", given | {"lines": [lines[0] | {"grams": 10**16}]})[0] == 422
    found = office.ask("GET", f"/api/carbon/bills/{bill['id']}").json()
    assert (found["verdict"], found["compared"], found["agree"], found["billed"]) == ("BREAK", 1, 0, "362874")
    assert found["days"][0]["why"].endswith("counts 1000000 Wh, and no energy of that day was recorded here")
    [listed] = [one for one in office.ask("GET", "/api/carbon/bills").json()["data"] if one["id"] == bill["id"]]
    assert (listed["verdict"], listed["difference"]) == ("BREAK", "-362874")
    verified = office.ask("GET", f"/api/carbon/verify?date={day}").json()
    assert (verified["verdict"], verified["billing"], verified["billDays"][0]["billed"]) == ("BREAK", "BREAK", "362874")
    missing = office.ask("GET", "/api/carbon/bills/cbill_01KA0000000000000000000000")
    assert (missing.status_code, missing.json()["what"]) == (404, "carbon bill")
