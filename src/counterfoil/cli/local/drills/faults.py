"""The drills that take something away while payments go on: workers, the provider's webhooks, the database.

Each on an installation of its own with the simulator as its only provider; in the end the provider's journal and our books agree to the
unit, or it has failed.
"""

from __future__ import annotations

import logging
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Final

import httpx2
import psycopg

from counterfoil.base.problems import InvariantBroken, Problem
from counterfoil.cli.local.drills.payments import KillMissed, Practice, within
from counterfoil.cli.local.drills.windows import WINDOWS, Window
from counterfoil.cli.local.local_stack import ProcessDidNotStart
from counterfoil.drills.drills import DATABASE, WEBHOOKS, WORKERS, Drill, DrillMeasures
from counterfoil.drills.running import DrillMeans, MakeRun
from counterfoil.drills.scratch import Looked, Progress
from counterfoil.simulator.process import SimulatorDidNotStart

TRIES: Final = 3  # a kill whose evidence was gone proves nothing, and is dealt again
AWAY_S: Final = 10
BACK_S: Final = 60
LOST: Final = 1_000_000  # more webhooks than there will be
KILLS: Final = tuple(one for one in WINDOWS if one.victim == "worker" and one.plain)
DEATHS: Final = tuple(one for one in WINDOWS if one.victim == "database")
IN_THE_END: Final = ("payments", "nothing lost", "nothing paid twice", "no differences")
# At a terminal nothing is logged to: connections that a killed database closed are no news there. A worker's log has them.
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())
BROKEN: Final = (Problem, InvariantBroken, KillMissed, ProcessDidNotStart, SimulatorDidNotStart, OSError, psycopg.Error, httpx2.HTTPError)


class PaymentDrill(ABC):
    """One run of one of them. What it does not come to is not checked."""

    between: ClassVar[tuple[str, ...]] = ()  # what is looked at between the provider and the verdict

    def __init__(self, folder: Path, progress: Progress) -> None:
        """In a folder of its own, which is gone with it."""
        self.folder, self.progress = folder, progress
        self.looked: list[Looked] = []
        self.measures = DrillMeasures()

    @property
    def parts(self) -> tuple[str, ...]:
        """What a run looks at, in order."""
        return ("provider", *self.between, *IN_THE_END)

    def run(self) -> None:
        """Whatever goes wrong is a check that failed."""
        self.progress(self._next())
        try:
            practice = Practice(self.folder)
            with practice.running():
                self._provider(practice)
                self.faults(practice)
                self._verdict(practice)
        except BROKEN as error:
            self.note(self._next(), error.sentence() if isinstance(error, Problem) else f"{type(error).__name__}: {error}")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        done = {what for what, _, _ in self.looked}
        self.looked += [(part, "not_checked", "the drill did not come to it") for part in self.parts if part not in done]

    @abstractmethod
    def faults(self, practice: Practice) -> None:
        """What is taken away, and what is seen of it."""

    def note(self, what: str, wrong: str | None, told: str = "") -> None:
        """What was looked at: it failed when something is wrong."""
        self.looked.append((what, "failed" if wrong else "passed", wrong or told))
        self.progress(self._next())

    def _provider(self, practice: Practice) -> None:
        """The settings of this installation name no other: it was made for the drill, with the simulator's address and key alone."""
        found = practice.ask("GET", "/api/providers", None)["data"]
        names = sorted(one["id"] for one in found)
        told = f"the only provider is the simulator at {practice.world.simulator.url}, which moves no money"
        self.note("provider", None if names == ["simulator"] else f"there are {', '.join(names)}", told)

    def _verdict(self, practice: Practice) -> None:
        verdict = practice.verdict()
        self.note("payments", None, f"{practice.invoices} invoices were paid by customers, settled and paid out")
        for what, found in zip(IN_THE_END[1:], verdict, strict=True):
            self.note(what, "; ".join(found) or None, "by the provider's journal and our books, payout by payout")

    def killed(self, practice: Practice, window: Window) -> None:
        """A kill at this point, dealt again where its evidence was gone."""
        for number in range(1, TRIES + 1):
            if practice.cycle(window):
                self.note(window.name, None, f"the {window.victim} was killed and started again: {window.says} (try {number})")
                return
        self.note(window.name, f"in {TRIES} tries the {window.victim} was killed there, and never with the evidence in sight")

    def _next(self) -> str:
        done = {what for what, _, _ in self.looked}
        return next((part for part in self.parts if part not in done), "drill")


class WorkersDrill(PaymentDrill):
    """Workers are killed at every point of a payment."""

    between = tuple(one.name for one in KILLS)

    def faults(self, practice: Practice) -> None:
        """A kill at each point, dealt again where its evidence was gone."""
        for window in KILLS:
            self.killed(practice, window)


class WebhooksDrill(PaymentDrill):
    """Nothing that the provider sends arrives."""

    between = ("webhooks",)

    def faults(self, practice: Practice) -> None:
        """Each is lost, for ever; what happened is learnt by asking."""
        practice.ok(practice.simulator.post("/v1/faults", json={"fault": "webhook_lost", "on": "*", "count": LOST}))
        for _ in range(2):
            practice.traffic()

        def all_paid() -> bool:
            with psycopg.connect(practice.world.postgres.url, autocommit=True) as conn:
                row = conn.execute("select count(*) from invoice where state <> 'paid'").fetchone()
            return row == (0,)

        within(all_paid, BACK_S * 5)
        oracle = practice.world.simulator.oracle()
        lost, arrived = len(oracle.events), len(oracle.attempts)
        wrong = None if lost and not arrived else f"{lost} events happened, and {arrived} webhooks were sent all the same"
        self.note("webhooks", wrong, f"{lost} events happened at the provider, and not one webhook was sent")


class DatabaseDrill(PaymentDrill):
    """The database is killed, and then stopped for a while."""

    between = (*(one.name for one in DEATHS), f"stopped for {AWAY_S} s", "processes")

    def faults(self, practice: Practice) -> None:
        """Killed under a settlement and while the provider has a payout; stopped while customers pay."""
        for window in DEATHS:
            self.killed(practice, window)
        before = [practice.world.server.pid, *(one.pid for one in practice.world.workers)]
        practice.traffic()
        practice.world.postgres.stop()
        time.sleep(AWAY_S)
        gone = practice.world.postgres.pid is None
        practice.world.postgres.start()
        began = time.monotonic()
        back = within(lambda: self._answers(practice), BACK_S)
        took = int((time.monotonic() - began) * 1000)
        wrong = "it did not stop" if not gone else f"the server did not serve again within {BACK_S} s"
        told = f"the server served again {took} ms after the database was back"
        self.note(f"stopped for {AWAY_S} s", None if gone and back else wrong, told)
        after = [practice.world.server.pid, *(one.pid for one in practice.world.workers)]
        alive = practice.world.server.alive() and all(one.alive() for one in practice.world.workers)
        ended = None if alive and before == after else "a process ended with the database"
        self.note("processes", ended, "all waited for it and went on by themselves")

    def _answers(self, practice: Practice) -> bool:
        try:
            return practice.api.get("/api/payouts").status_code == 200
        except httpx2.HTTPError:
            return False


def _maker(kind: Callable[[Path, Progress], PaymentDrill]) -> MakeRun:
    def make(means: DrillMeans, drill: Drill, folder: Path, progress: Progress) -> PaymentDrill:  # noqa: ARG001
        return kind(folder, progress)

    return make


PAYMENT_DRILLS: Final[Mapping[str, MakeRun]] = {
    WORKERS: _maker(WorkersDrill),
    WEBHOOKS: _maker(WebhooksDrill),
    DATABASE: _maker(DatabaseDrill),
}
