"""Carbon in the books: its unit, its accounts, and the rows."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from psycopg import Connection

from counterfoil.base.money import CO2E, Asset
from counterfoil.base.problems import NotFound
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.events.events import declare
from counterfoil.treasury.carbon.watttime import Forecast, GridRegion, IntensityHistory

UNIT: Final = Asset(CO2E, 0)  # grams
EMITTED: Final = "carbon:emitted"
BOUGHT: Final = "carbon:bought"
HELD: Final = "carbon:held"
HOUSE: Final = "house"
LOOKED_AFTER: Final = timedelta(days=7)  # for so long after the window a day is still asked for, once a day, and looked at
EVENT_KINDS: Final = declare(
    info={
        "carbon_billed": "A bill of the source of carbon figures came.",
        "carbon_credits_bought": "Carbon credits were bought.",
        "carbon_credits_retired": "Carbon credits were retired; they never move again.",
    },
    warning={
        "carbon_break": "Grams in the books are not what the source says, and its time for changes is over.",
        "carbon_sync_failed": "The source of carbon figures did not answer, or for some days did not.",
    },
)


class CarbonSource(Protocol):
    """Who says what a region's grid emits."""

    name: str

    def region(self, latitude: str, longitude: str) -> GridRegion:
        """The region that a place lies in."""

    def historical(self, region: str, start: datetime, end: datetime) -> IntensityHistory:
        """What there is from `start` up to and without `end`."""

    def forecast(self, region: str, *, hours: int = 24) -> Forecast:
        """What is to come."""


class CarbonMeans(NamedTuple):
    """How carbon figures are had. `source`: None where none is set up. `window`: for so long after a day's end the source may still
    change its figures. `every`: how often it is asked."""

    source: CarbonSource | None = None
    window: timedelta = timedelta(hours=48)
    every: timedelta = timedelta(hours=1)


class CarbonSync(NamedTuple):
    """A time that the source was asked. `days`: of a region, that were asked for; `failed` of them have no answer. `points` were new or
    other than before, `posted` figures of agents changed by them, `breaks` are changes too late to be posted. `left` days wait for the
    next time."""

    id: str
    actor: str
    forced: bool
    reason: str | None
    days: int
    failed: int
    points: int
    posted: int
    breaks: int
    error: str | None
    started_at: datetime
    ended_at: datetime
    left: int = 0


class CarbonCredit(NamedTuple):
    """Credits that were bought, by their serials, and how many of them are retired."""

    id: str
    program_id: str
    registry: str
    series: str
    first_serial: int
    last_serial: int
    grams_each: int
    vintage: int
    reference: str
    reason: str
    actor: str
    at: datetime
    retired: int


class CarbonRetirement(NamedTuple):
    """Serials that were retired, for whose emissions, and the grams that they stand for."""

    id: str
    program_id: str
    credit_id: str
    first_serial: int
    last_serial: int
    agent_id: str | None
    grams: int
    reason: str
    actor: str
    at: datetime


class DayOfRegion(NamedTuple):
    """What the source is asked at once."""

    region: str
    day: date


def emissions_of(agent_id: str) -> str:
    """Where the grams of an agent lie. Source: Money, Chart of accounts."""
    return f"carbon:agent:{agent_id}"


def retired_for(agent_id: str | None) -> str:
    """Where credits lie that were retired for an agent, or for the house."""
    return f"carbon:retired:{agent_id or HOUSE}"


def open_unit(conn: Connection[Any], program_id: str, *, now: datetime) -> None:
    """Books of grams beside the program's books of money. Raises NotFound."""
    row = conn.execute("select name from program where id = %s", [program_id]).fetchone()
    if row is None:
        raise NotFound(what="program", id=program_id)
    open_program(conn, program_id, name=row[0], assets=[UNIT], now=now)
