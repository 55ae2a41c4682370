"""Single requests of many callers in one process, each waiting for its own durable answer: `python -m benchmarks.ledger_singles [--quick]`.

256 coroutines post one movement after the other through the gatherer; then one journal after the other; then one caller alone
posts directly, each in a transaction of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from benchmarks import harness, ledger_load
from benchmarks.ledger_load import ASSET, PROGRAM, an_id
from counterfoil.base import edge
from counterfoil.base.edge import Database
from counterfoil.ledger.group_commit import Gatherer, Lane
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome
from counterfoil.ledger.journals.journal import NewJournal, post

CALLERS: Final = 256
LANE: Final = Lane(PROGRAM, ASSET, "bench", "bench")


async def run(ask: Callable[[int], Awaitable[Any]], *, callers: int, seconds: float) -> tuple[float, list[float]]:
    """Requests per second of so many callers, and how long each request took; the first second does not count."""
    waited: list[float] = []
    begin = time.perf_counter() + 1
    end = begin + seconds

    async def caller(number: int) -> None:
        while (started := time.perf_counter()) < end:
            await ask(number)
            if started >= begin:
                waited.append(time.perf_counter() - started)

    await asyncio.gather(*[caller(number) for number in range(callers)])
    return len(waited) / (time.perf_counter() - begin), waited


def main() -> None:
    """Measure, print a table, and one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 40 seconds")
    seconds = 4.0 if parser.parse_args().quick else 20.0
    with harness.private_server() as server:
        print(harness.machine(server))
        url = harness.fresh_database(server, "singles")
        names = ledger_load.prepare(url)
        database = Database(url, connections_max=2).open()
        gatherer = Gatherer(database, clock=edge.now, make_key=lambda: edge.make_id("gth")).start()

        async def move(_: int) -> None:
            debit, credit = random.sample(names, 2)
            outcome = await gatherer.move_soon(LANE, Movement(an_id(), debit, credit, 1))
            if outcome is not MovementOutcome.POSTED:
                raise RuntimeError(f"{outcome}: this measures nothing")

        async def journal(_: int) -> None:
            debit, credit = random.sample(names, 2)
            lines = [(debit, credit, 1)]
            await gatherer.post_soon(PROGRAM, NewJournal(an_id().hex(), "bench", lines, ASSET, "bench"))

        async def alone(_: int) -> None:
            debit, credit = random.sample(names, 2)
            with database.transaction() as conn:
                post(
                    conn,
                    PROGRAM,
                    key=an_id().hex(),
                    kind="bench",
                    lines=[(debit, credit, 1)],
                    asset=ASSET,
                    actor="bench",
                    now=edge.now(),
                )

        rows: list[list[Any]] = []
        figures: dict[str, float] = {}
        runs: list[tuple[str, str, Any, int]] = [
            ("movements, 256 callers gathered", "gathered", move, CALLERS),
            ("journals, 256 callers gathered", "journals", journal, CALLERS),
            ("journals, 32 callers gathered", "journals_32", journal, 32),
            ("journals, one caller, no gathering", "direct", alone, 1),
        ]
        for label, name, ask, callers in runs:
            before = gatherer.commits
            per_s, waited = asyncio.run(run(ask, callers=callers, seconds=seconds))
            commits = gatherer.commits - before
            p50, p99 = harness.percentile(waited, 0.5) * 1e3, harness.percentile(waited, 0.99) * 1e3
            size = len(waited) / commits if commits else 1
            rows.append([label, per_s, f"{p50:.2f}", f"{p99:.2f}", f"{size:.0f}"])
            figures |= {f"{name}_per_s": round(per_s), f"{name}_p50_ms": round(p50, 2), f"{name}_p99_ms": round(p99, 2)}
        gatherer.close()
        database.close()
        harness.table(["", "per s", "p50 ms", "p99 ms", "per commit"], rows)
    harness.last_line(figures | {"writer_memory_mb": harness.memory_mb()})


if __name__ == "__main__":
    main()
