"""One side of a measurement in turns: a checkout's ledger in a process of its own, which does one block of work whenever it is asked.

Run by the interpreter of the checkout that is measured, which may be an older one: this file uses nothing that a ledger of the first
days does not have, and says of what is newer whether it is there. Requests and answers are lines of JSON; the end of the input ends it.
Processor times are of this process and of the server's processes, in µs for a movement: they can be trusted on a busy machine, too.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg

# Modules of the ledger have moved; what they hold is taken from where every checkout's own benchmark has it.
from benchmarks import harness, ledger_load
from benchmarks.ledger_load import ASSET, PROGRAM, Bulk, Movement, Writer, an_id, batch_of  # type: ignore[attr-defined]
from benchmarks.ledger_singles import Gatherer, Lane  # type: ignore[attr-defined]
from counterfoil.base import edge
from counterfoil.base.edge import Database

AHEAD: Final = 4  # batches that are sent before the first answer is waited for
POSTED: Final = "posted"
REMEMBERED: Final = 200_000  # accounts whose totals a stream remembers unless it is told otherwise
TICKS: Final = os.sysconf("SC_CLK_TCK")


class Side:
    """A private server with a ledger in it, and what is asked of it."""

    def __init__(self, server: Any, accounts: int) -> None:
        """Where there are more accounts than a stream remembers by itself, it is told to remember them all, as an operator would."""
        self.url = harness.fresh_database(server, "side")
        self.names = ledger_load.prepare(self.url, accounts)
        self.postmaster = _postmaster(self.url)
        self.writer = Writer(self.url, f"side-{time.time_ns()}")
        self.stream: Any = None
        self.number = 0
        if importlib.util.find_spec("counterfoil.ledger.bulk_stream"):
            from counterfoil.ledger.bulk_stream import BulkStream

            more = {"accounts_max": accounts} if accounts > REMEMBERED else {}
            self.stream = BulkStream(Database(self.url, connections_max=1).open(), PROGRAM, clock=edge.now, **more).start()

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What came of a block of work. A side that is too old for it answers nothing."""
        act: Callable[..., dict[str, Any]] = getattr(self, asked.pop("act"))
        found: dict[str, Any] = act(**asked)
        return found

    def waiting(self, size: int, batches: int) -> dict[str, Any]:
        """Batches by one writer that waits for each answer."""
        todo = [batch_of(self.names, size, hot=False) for _ in range(batches)]
        with self.used(size * batches) as figures:
            for movements in todo:
                self.writer.write(movements)
        return figures

    def ahead(self, size: int, batches: int) -> dict[str, Any]:
        """Batches by one writer that sends ahead."""
        return self.lane(size, batches, writers=1) if self.stream else {}

    def lane(self, size: int, batches: int, writers: int, ahead: int = AHEAD) -> dict[str, Any]:
        """So many writers on one program, which share its line: each sends `ahead` batches before it waits for the first answer."""
        if self.stream is None:
            return {}
        todo = [[self._bulk(size) for _ in range(batches)] for _ in range(writers)]

        def write(mine: list[tuple[Bulk, list[Movement]]]) -> None:
            answers: list[Any] = []
            for bulk, movements in mine:
                if len(answers) >= ahead:
                    _all_posted(answers[len(answers) - ahead].result())
                answers.append(self.stream.send(bulk, movements))
            for one in answers:
                _all_posted(one.result())

        threads = [threading.Thread(target=write, args=(mine,)) for mine in todo]
        with self.used(size * batches * writers) as figures:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return figures

    def _bulk(self, size: int) -> tuple[Bulk, list[Movement]]:
        self.number += 1
        return Bulk(f"lane-{os.getpid()}-{self.number}", "bench", ASSET, "bench"), batch_of(self.names, size, hot=False)

    def gathered(self, callers: int, seconds: float) -> dict[str, Any]:
        """Movements of so many callers in this process, each waiting for its own durable answer before it asks for the next."""
        database = Database(self.url, connections_max=2).open()
        gatherer = Gatherer(database, clock=edge.now, make_key=lambda: edge.make_id("gth")).start()
        lane, waited = Lane(PROGRAM, ASSET, "bench", "bench"), list[float]()

        async def caller(end: float) -> None:
            while (started := time.perf_counter()) < end:
                debit, credit = random.sample(self.names, 2)
                if (await gatherer.move_soon(lane, Movement(an_id(), debit, credit, 1))).value != POSTED:
                    raise RuntimeError("a movement was refused: this measures nothing")
                waited.append(time.perf_counter() - started)

        async def all_callers() -> None:
            end = time.perf_counter() + seconds
            await asyncio.gather(*[caller(end) for _ in range(callers)])

        with self.used(0) as figures:
            asyncio.run(all_callers())
        commits = gatherer.commits
        gatherer.close()
        database.close()
        count = len(waited)
        for name in ("client_us", "server_us"):
            figures[name] /= count
        p50, p99 = (harness.percentile(waited, share) * 1e3 for share in (0.5, 0.99))
        return figures | {"per_s": count / figures["seconds"], "p50_ms": p50, "p99_ms": p99, "per_commit": count / max(1, commits)}

    @contextmanager
    def used(self, movements: int) -> Iterator[dict[str, Any]]:
        """Seconds and the time of processors that a block of work takes, for a movement."""
        figures: dict[str, Any] = {}
        mine, servers, started = _own_us(), _servers_us(self.postmaster), time.perf_counter()
        yield figures
        seconds = time.perf_counter() - started
        count = movements or 1
        figures |= {"seconds": seconds, "per_s": count / seconds}
        figures |= {"client_us": (_own_us() - mine) / count, "server_us": (_servers_us(self.postmaster) - servers) / count}


def _all_posted(done: Any) -> None:
    if any(outcome.value != POSTED for outcome in done.outcomes):
        raise RuntimeError("a movement was refused: this measures nothing")


def _postmaster(url: str) -> int:
    with psycopg.connect(url) as conn:
        return int(Path(f"/proc/{conn.info.backend_pid}/stat").read_text().rpartition(")")[2].split()[1])


def _own_us() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return (used.ru_utime + used.ru_stime) * 1e6


def _servers_us(postmaster: int) -> float:
    """Of the server and all its processes, ended ones too. Nothing is known of it where there is no /proc."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = stat.read_text().split(" ", 1)[0], stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        if int(number) == postmaster:
            ticks += sum(map(int, rest[11:15]))
        elif int(rest[1]) == postmaster:
            ticks += sum(map(int, rest[11:13]))
    return ticks / TICKS * 1e6


def main() -> None:
    """Answer each line, until there are no more."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else says something does not say it into the answers
    with harness.private_server() as server:
        side = Side(server, int(sys.argv[1]))
        gc.collect()
        gc.freeze()  # as every server and every command of the product does when all is loaded
        for line in sys.stdin:
            print(json.dumps(side.answer(json.loads(line))), file=out, flush=True)


if __name__ == "__main__" and sys.argv[1:]:  # by itself it has nobody to answer
    main()
