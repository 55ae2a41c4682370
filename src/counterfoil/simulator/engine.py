"""The provider at work: one event loop that decides, one journal that makes it lasting, two tasks that settle and tell."""

from __future__ import annotations

import asyncio
import heapq
import os
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from counterfoil.simulator.http.views import SimulatorReply
from counterfoil.simulator.http.webhooks import Sender, body_of, signed_headers, stripe_headers
from counterfoil.simulator.journal import SimulatorJournal
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.decisions import SimulatorDecision, decide_attempt, decide_step
from counterfoil.simulator.rules.state import Delivery, SimulatorSettings, State, replay
from counterfoil.simulator.stripe.views import stripe_event

DELIVERIES_AT_ONCE_MAX = 32
STEPS_PER_TURN_MAX = 200
EXIT_BROKEN = 70  # sysexits: an error of our own
_NAP_MAX_S = 1.0

Clock = Callable[[], int]  # microseconds since 1970, UTC


class Simulation:
    """State, journal and clock together. Everything runs on one loop, so a decision and its facts cannot interleave."""

    def __init__(self, journal: SimulatorJournal, settings: SimulatorSettings, clock: Clock) -> None:
        """Take up what the journal holds."""
        self.journal, self.settings, self.clock = journal, settings, clock
        self.state: State = replay(journal.entries)
        journal.entries = []
        self._work = asyncio.Event()
        self._tells = asyncio.Event()
        self._in_flight: set[tuple[int, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sender = Sender(timeout_ms=settings.webhook_timeout_ms)

    def open(self, *, instance: str, seed: int) -> None:
        """Write the first fact of a new journal; a journal that exists keeps its own instance and seed."""
        if self.state.entries == 0:
            self.record([f.Opened(instance, seed)])

    def start(self) -> None:
        """Begin to settle and to tell."""
        for work in (self._settle(), self._tell()):
            self._spawn(work)

    async def stop(self) -> None:
        """Stop both tasks; what was not told yet is told after the next start."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()

    def now_us(self) -> int:
        """The provider's time: the clock's, moved on as asked, never backwards."""
        return max(self.clock() + self.state.offset_us, self.state.at_us)

    def record(self, facts: list[f.Fact], at_us: int | None = None) -> None:
        """Take facts in and queue them for the disk, as one entry."""
        entry = f.FactEntry(self.state.entries + 1, self.now_us() if at_us is None else at_us, facts)
        self.state.apply(entry)
        self.journal.append(entry)
        self._work.set()
        self._tells.set()

    async def act(self, decide: Callable[[State, SimulatorSettings, int], SimulatorDecision]) -> SimulatorReply:
        """Decide, record, and give the answer once it and all it rests on is on disk."""
        now_us = self.now_us()
        decision = decide(self.state, self.settings, now_us)
        if decision.facts:
            self.record(decision.facts, now_us)
        await self.journal.durable()
        return decision.answer

    async def write(self, decide: Callable[[State, int], list[f.Fact]]) -> None:
        """Decide and record; return when it is on disk."""
        now_us = self.now_us()
        facts = decide(self.state, now_us)
        if facts:
            self.record(facts, now_us)
        await self.journal.durable()

    async def advance(self, by_us: int) -> int:
        """Move the clock on: what falls due on the way happens at its own time. Returns the new time."""
        target_us = self.now_us() + by_us
        while self._take_steps(target_us):
            await asyncio.sleep(0)
        self.record([f.ClockAdvanced(by_us)], max(target_us, self.state.at_us))
        await self.journal.durable()
        return self.now_us()

    def _take_steps(self, until_us: int) -> bool:
        """Take up to a turn's worth of steps that are due; is there perhaps more?"""
        for _ in range(STEPS_PER_TURN_MAX):
            step = decide_step(self.state, self.settings, until_us)
            if step is None:
                return False
            self.record(step[1], step[0])
        return True

    async def _settle(self) -> None:
        while True:
            self._work.clear()
            if self._take_steps(self.now_us()):
                await asyncio.sleep(0)
            else:
                await self._wait(self._work, self.state.due[0][0] if self.state.due else None)

    async def _tell(self) -> None:
        while True:
            self._tells.clear()
            due = self._due_deliveries()
            if due:
                await self.journal.durable()  # nothing is told that a crash could take back
                for delivery in due:
                    self._spawn(self._deliver(delivery))
            else:
                full = len(self._in_flight) >= DELIVERIES_AT_ONCE_MAX
                queue = self.state.delivery_due
                await self._wait(self._tells, queue[0][0] if queue and not full else None)

    def _due_deliveries(self) -> list[Delivery]:
        """The webhooks that are due now, as many as there is room for. Queue entries that no longer hold are dropped on the way."""
        queue, now_us = self.state.delivery_due, self.now_us()
        due: list[Delivery] = []
        while queue and queue[0][0] <= now_us and len(self._in_flight) < DELIVERIES_AT_ONCE_MAX:
            due_us, event, copy = heapq.heappop(queue)
            delivery = self.state.deliveries[event, copy]
            waiting = delivery.outcome in ("pending", "retry") and (event, copy) not in self._in_flight
            if waiting and delivery.due_us == due_us:
                self._in_flight.add((event, copy))
                due.append(delivery)
        return due

    async def _deliver(self, delivery: Delivery) -> None:
        endpoint, event = self.state.endpoint, self.state.events[delivery.event - 1]
        try:
            if endpoint is None:
                return
            body, headers = self._signed(endpoint, event, badly=delivery.attempts < delivery.bad_signatures)
            sent = await self._sender.send(endpoint.url, body, headers)
            now_us = self.now_us()
            attempt = decide_attempt(
                self.state,
                self.settings,
                delivery.event,
                delivery.copy,
                status=sent.status,
                error_text=sent.error,
                now_us=now_us,
            )
            self.record([attempt], now_us)
        finally:
            self._in_flight.discard((delivery.event, delivery.copy))
            self._tells.set()

    def _signed(self, endpoint: f.EndpointSet, event: f.EventEmitted, *, badly: bool) -> tuple[bytes, dict[str, str]]:
        """The webhook's bytes and headers. The receiver holds its time against the real clock, wherever ours was moved to."""
        at_s = self.clock() // 1_000_000
        if endpoint.style == "stripe":
            body = body_of(stripe_event(self.state, event))
            return body, stripe_headers(endpoint.secret, timestamp_s=at_s, body=body, badly=badly)
        body = body_of(event.body)
        return body, signed_headers(endpoint.secret, event_id=event.id, timestamp_s=at_s, body=body, badly=badly)

    async def _wait(self, woken: asyncio.Event, due_us: int | None) -> None:
        """Until something happens, or `due_us` comes; looks up now and then, because the clock may be set."""
        nap_s = _NAP_MAX_S if due_us is None else min(_NAP_MAX_S, max(0, due_us - self.now_us()) / 1_000_000)
        with suppress(TimeoutError):
            async with asyncio.timeout(nap_s):  # not wait_for: before 3.12 it loses a cancellation that comes with its result
                await woken.wait()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A provider that answers but no longer settles would be a fault nobody asked for.
            os.write(2, "".join(traceback.format_exception(error)).encode())
            os._exit(EXIT_BROKEN)
