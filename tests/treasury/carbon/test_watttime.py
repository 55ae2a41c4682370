"""The client of WattTime's API, against a server that follows what is published of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import watttime

from counterfoil.treasury.carbon.rules import IntensityPoint
from counterfoil.treasury.carbon.watttime import CarbonSourceAway, CarbonSourceMisread, CarbonSourceRefuses, WattTime
from tests.treasury.carbon.fake_watttime import PASSWORD, PERIOD, USER, FakeWattTime, fake_watttime

START = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Waiting:
    """A clock that only moves when somebody sleeps or it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def source() -> Iterator[tuple[FakeWattTime, WattTime, Waiting]]:
    with fake_watttime() as (fake, url):
        waiting = Waiting()
        yield fake, WattTime(USER, PASSWORD, url=url, sleep=waiting.sleep, monotonic=lambda: waiting.now), waiting


Source = tuple[FakeWattTime, WattTime, Waiting]


def test_history_comes_to_the_last_digit_and_without_the_inclusive_end(source: Source) -> None:
    fake, client, _ = source
    fake.values[START + PERIOD] = "870.123456789012345678"
    told = client.historical("CAISO_NORTH", START, START + HOUR)
    assert len(told.points) == 12
    assert told.points[1] == IntensityPoint(START + PERIOD, PERIOD, Decimal("870.123456789012345678"))
    assert told.model == "2026-03-01"


def test_the_client_that_watttime_publishes_is_told_the_same_by_the_same_server(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Login, history, forecast and region: so the server of these tests speaks as the real one does, and we read it as its maker does."""
    fake, client, _ = source
    fake.values |= {START: "0", START + PERIOD: "870.5", START + HOUR: "999"}
    monkeypatch.setattr(watttime.api.WattTimeBase, "url_base", str(client._http.base_url).rstrip("/"))
    for name, value in (("WATTTIME_USER", USER), ("WATTTIME_PASSWORD", PASSWORD)):
        monkeypatch.setenv(name, value)

    def of(told: dict[str, Any]) -> list[tuple[datetime, Decimal]]:
        return [(datetime.fromisoformat(one["point_time"]), Decimal(str(one["value"]))) for one in told["data"]]

    ours = client.historical("DE", START, START + HOUR)
    [history] = watttime.WattTimeHistorical().get_historical_jsons(START, START + HOUR, "DE")
    assert [(one.at, one.value) for one in ours.points] == of(history)[:-1], "its end is inclusive, ours is not"
    assert (len(ours.points), of(history)[-1], ours.model) == (12, (START + HOUR, Decimal(999)), history["meta"]["model"]["date"])
    forecast = watttime.WattTimeForecast().get_forecast_json("DE", horizon_hours=2)
    assert [(one.at, one.value) for one in client.forecast("DE", hours=2).points] == of(forecast)
    place = watttime.WattTimeHistorical().region_from_loc("37.7749", "-122.4194")
    assert client.region("37.7749", "-122.4194") == (place["region"], place["region_full_name"])
    assert fake.logins == 4  # ours once, and each of theirs


def test_one_login_serves_until_its_token_is_old_and_a_token_that_ended_early_is_renewed(source: Source) -> None:
    fake, client, waiting = source
    for _ in range(3):
        client.historical("DE", START, START + HOUR)
    assert fake.logins == 1
    waiting.now += 26 * 60
    client.historical("DE", START, START + HOUR)
    assert fake.logins == 2, "before the source ends it"
    fake.tokens.clear()
    client.historical("DE", START, START + HOUR)
    assert fake.logins == 3, "and where it ended it early"


def test_a_place_has_a_region_and_a_region_a_forecast(source: Source) -> None:
    _, client, _ = source
    assert client.region("37.7749", "-122.4194").region == "CAISO_NORTH"
    told = client.forecast("DE", hours=2)
    assert (len(told.points), told.generated_at) == (24, datetime(2026, 11, 20, 12, tzinfo=UTC))


def test_no_more_is_asked_than_the_source_allows(source: Source) -> None:
    _, client, waiting = source
    begun = waiting.now
    for _ in range(20):
        client.historical("DE", START, START + HOUR)
    assert waiting.now - begun >= 20 * 0.1 - 1e-6, "3,000 requests in five minutes"


def test_too_many_requests_are_waited_out_as_long_as_the_source_says(source: Source) -> None:
    fake, client, waiting = source
    client.historical("DE", START, START + HOUR)
    fake.next.append((429, {"Retry-After": "17"}))
    client.historical("DE", START, START + HOUR)
    assert 17.0 in waiting.slept


def test_what_is_broken_for_a_while_is_asked_again_and_what_stays_broken_is_said(source: Source) -> None:
    fake, client, waiting = source
    client.historical("DE", START, START + HOUR)
    fake.next.extend([(500, {}), (504, {})])
    assert client.historical("DE", START, START + HOUR).points
    assert [one for one in waiting.slept if one >= 1] == [1.0, 2.0]
    fake.next.extend([(503, {})] * 4)
    with pytest.raises(CarbonSourceAway):
        client.historical("DE", START, START + HOUR)


def test_a_source_that_is_not_there_is_away() -> None:
    waiting = Waiting()
    client = WattTime(USER, PASSWORD, url="http://127.0.0.1:9", sleep=waiting.sleep, monotonic=lambda: waiting.now)
    with pytest.raises(CarbonSourceAway):
        client.historical("DE", START, START + HOUR)


def test_a_refusal_is_said_at_once_and_never_asked_again(source: Source) -> None:
    fake, client, _ = source
    with pytest.raises(CarbonSourceRefuses, match="plan"):
        client.historical("MARS", START, START + HOUR)
    assert fake.asked.count("/v3/historical") == 1
    wrong = WattTime(USER, "another word", url=str(client._http.base_url), sleep=lambda _: None)
    with pytest.raises(CarbonSourceRefuses, match="watttime_password"):
        wrong.historical("DE", START, START + HOUR)


@pytest.mark.parametrize(
    "mangled",
    [
        {"units": "kg_co2_per_mwh"},
        {"region": "DE"},
        {"signal_type": "health_damage"},
        {"data_point_period_seconds": 0},
        {"data_point_period_seconds": "x"},
    ],
)
def test_figures_of_something_else_are_no_figures(source: Source, mangled: dict[str, Any]) -> None:
    fake, client, _ = source
    fake.mangle = mangled
    with pytest.raises(CarbonSourceMisread):
        client.historical("CAISO_NORTH", START, START + HOUR)


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity", "null", '"800"', "1e9", "true"])
def test_what_is_no_intensity_is_not_read(source: Source, value: str) -> None:
    fake, client, _ = source
    fake.values[START] = value
    with pytest.raises(CarbonSourceMisread):
        client.historical("DE", START, START + HOUR)
