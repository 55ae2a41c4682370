"""Books with agents that use energy, and a source that says what it emits, for tests that sync by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.ledger.invariants import INVARIANTS as LEDGER
from counterfoil.treasury.carbon.energy import NewEnergy, import_energy
from counterfoil.treasury.carbon.invariants import INVARIANTS as CARBON
from counterfoil.treasury.carbon.model import CarbonMeans, CarbonSync
from counterfoil.treasury.carbon.syncing import SyncWanted, sync_carbon
from counterfoil.treasury.carbon.verify import CarbonDay, verify_day
from counterfoil.treasury.carbon.watttime import WattTime
from tests.builders import NOW, PROGRAM
from tests.treasury.carbon.fake_watttime import PASSWORD, USER, FakeWattTime, fake_watttime
from tests.treasury.purse import a_treasury, an_agent

DAY = date(2026, 11, 20)
MORNING = datetime(2026, 11, 20, 6, tzinfo=NOW.tzinfo)
HOUR = timedelta(hours=1)
_numbers = itertools.count(1)


@dataclass
class CarbonOffice:
    """The clock is moved by hand."""

    database: Database
    fake: FakeWattTime
    means: CarbonMeans
    now: datetime = NOW
    agents: list[str] = field(default_factory=list)

    def agent(self) -> str:
        with self.database.transaction() as conn:
            self.agents.append(an_agent(conn))
        return self.agents[-1]

    def used(self, agent: str, watt_hours: int, *, at: datetime = MORNING, region: str = "DE", hours: int = 1) -> None:
        one = NewEnergy(f"meter {next(_numbers)}", agent, region, at, at + hours * HOUR, watt_hours)
        with self.database.transaction() as conn:
            import_energy(conn, PROGRAM, [one], make_id=make_id, actor="test", now=self.now)

    def sync(self, **more: Any) -> CarbonSync:
        return sync_carbon(self.database, self.means, SyncWanted("test", **more), make_id=make_id, clock=lambda: self.now)

    def verify(self, day: date = DAY) -> CarbonDay:
        with self.database.transaction(read_only=True) as conn:
            return verify_day(conn, self.means, day, now=self.now)

    def balance(self, name: str) -> int:
        with self.database.transaction(read_only=True) as conn:
            row = conn.execute("select credits - debits from account where name = %s", [name]).fetchone()
            return int(row[0]) if row else 0

    def still_true(self) -> None:
        with self.database.transaction(read_only=True) as conn:
            assert run_invariants(conn, [*CARBON, *LEDGER]) == []


@contextmanager
def carbon_office(database: Database) -> Iterator[CarbonOffice]:
    with database.transaction() as conn:
        a_treasury(conn)
    with fake_watttime() as (fake, url):
        yield CarbonOffice(database, fake, CarbonMeans(WattTime(USER, PASSWORD, url=url, sleep=lambda _: None)))
