"""The engine on a disk that is slow, and with a clock that goes backwards."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from counterfoil.simulator.engine import Simulation
from counterfoil.simulator.http.views import SimulatorReply
from counterfoil.simulator.journal import SimulatorJournal
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.decisions import ChargeAsk, decide_charge, decide_read
from counterfoil.simulator.rules.state import SimulatorSettings
from tests.loops import run_in_loop
from tests.simulator.builders import SECRET, START_US, Receiver

ASK = ChargeAsk("c1", "inv_1", 100, "USD", 0)


def test_neither_answer_nor_webhook_nor_reading_gives_away_what_is_not_on_disk(tmp_path: Path):
    receiver, may_sync = Receiver(), threading.Event()
    may_sync.set()

    async def story() -> None:
        journal = SimulatorJournal(tmp_path, sync=lambda _: may_sync.wait(10) and None)
        journal.start(asyncio.get_running_loop())
        engine = Simulation(journal, SimulatorSettings(), lambda: START_US)
        engine.open(instance="cafe", seed=1)
        engine.record([f.EndpointSet(receiver.url, SECRET)])
        await journal.durable()
        engine.start()
        may_sync.clear()
        made = asyncio.ensure_future(engine.act(lambda state, how, now_us: decide_charge(state, how, ASK, now_us)))
        await asyncio.sleep(0)
        seen = SimulatorReply(200, {"charges": len(engine.state.charges)})
        read = asyncio.ensure_future(engine.act(lambda state, _, at: decide_read(state, "x", ("x",), seen, at)))
        await asyncio.sleep(0.2)
        assert (made.done(), read.done(), receiver.got) == (False, False, [])
        may_sync.set()
        assert (await made).status == 201
        assert (await read).body == {"charges": 1}
        for _ in range(500):
            if receiver.got:
                break
            await asyncio.sleep(0.01)
        assert receiver.types() == ["charge.succeeded"]
        await engine.stop()
        journal.close()

    run_in_loop(story())
    receiver.close()


def test_a_clock_that_goes_backwards_does_not_take_the_journal_along(tmp_path: Path):
    async def story() -> list[int]:
        times = [START_US + 5_000, START_US, START_US + 1_000, START_US + 9_000]
        journal = SimulatorJournal(tmp_path)
        journal.start(asyncio.get_running_loop())
        engine = Simulation(journal, SimulatorSettings(), lambda: times[0])
        for _ in range(len(times)):
            engine.record([f.ClockAdvanced(0)])
            times.append(times.pop(0))
        await engine.stop()
        journal.close()
        return [entry.at_us - START_US for entry in SimulatorJournal(tmp_path).entries]

    assert run_in_loop(story()) == [5_000, 5_000, 5_000, 9_000]


@pytest.mark.parametrize("turns", range(6))
def test_stopping_ends_also_in_the_turn_in_which_something_happens(tmp_path: Path, turns: int):
    async def story() -> None:
        journal = SimulatorJournal(tmp_path)
        journal.start(asyncio.get_running_loop())
        engine = Simulation(journal, SimulatorSettings(), lambda: START_US)
        engine.open(instance="cafe", seed=1)
        engine.start()
        await asyncio.sleep(0.05)
        engine.record([f.ClockAdvanced(1)])
        for _ in range(turns):
            await asyncio.sleep(0)
        stopping = asyncio.ensure_future(engine.stop())
        done, _ = await asyncio.wait([stopping], timeout=3)
        journal.close()
        for task in engine._tasks:
            task.cancel()
        assert done, "a task took no notice of being cancelled"

    run_in_loop(story())
