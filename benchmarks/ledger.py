"""Movements per second, durable, against a plain COPY of the same rows: `python -m benchmarks.ledger [--quick]`.

10,000 accounts that must not be overdrawn, results, limits, totals, ids and indexes all on, fsync on. The ledger and the plain COPY
take turns within one run, so that both meet the same noise; the median batch counts, and its spread is told.

With `--peer tigerbeetle --peer-binary PROGRAM --peer-client FOLDER` the same movements also run, in turns with the ledger, through a
TigerBeetle that lies on this machine, by its own Python client. With `--old FOLDER` an older checkout is measured in turns with this one.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import time
from concurrent.futures import Future
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

from benchmarks import harness, ledger_load, ledger_peer, ledger_turns
from benchmarks.ledger_load import Twin, Writer, batch_of
from counterfoil.base import edge
from counterfoil.base.edge import Database
from counterfoil.ledger.bulk_stream import BulkStream
from counterfoil.ledger.journals import bulk, write
from counterfoil.ledger.journals.batch import Batch
from counterfoil.ledger.journals.batch_types import MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, BulkPosted
from counterfoil.ledger.journals.memory import Memory

FULL: Final = 8_192
GROUP: Final = 4  # batches in one commit, where they are sent ahead
BLOCK: Final = 5  # batches of the ledger, then as many of the plain COPY
STEPS: Final = [
    (bulk, "_checked"),
    (bulk, "_request_hash"),
    (bulk, "enter_for_bulks"),
    (Memory, "recall"),
    (bulk, "known_of"),
    (bulk, "insert_headers"),
    (bulk, "copy_postings"),
    (Batch, "take"),
    (write, "encode"),
]


def measure(
    url: str,
    names: list[str],
    *,
    size: int,
    batches: int,
    hot: bool = False,
    twin: bool = True,
    seconds_max: float = 1e9,
) -> dict[str, float]:
    """Batches of one size by one writer, in turns with the plain COPY of the same rows."""
    writer, plain = Writer(url, f"{size}-{hot}-{time.time_ns()}"), Twin(url)
    steps: dict[str, float] = {}
    begun = time.perf_counter()
    for done in range(0, batches, BLOCK):
        if done >= 2 * BLOCK and time.perf_counter() - begun > seconds_max:
            break  # a busy machine: fewer batches, the same median
        todo = [batch_of(names, size, hot=hot) for _ in range(BLOCK)]
        journals = []
        with ledger_load.timed(steps, STEPS):
            for movements in todo:
                writer.write(movements)
                journals.append(writer.journal)
        for journal in journals if twin else []:
            plain.write(journal)
    writer.close()
    plain.close()
    seconds, copied = writer.seconds[1:], plain.seconds[1:] or [1.0]
    middle = harness.percentile(seconds, 0.5)
    return {
        "per_s": size / middle,
        "slow_per_s": size / harness.percentile(seconds, 0.9),
        "fast_per_s": size / harness.percentile(seconds, 0.1),
        "raw_per_s": size / harness.percentile(copied, 0.5),
        "p50_ms": middle * 1e3,
        "p99_ms": harness.percentile(seconds, 0.99) * 1e3,
        **{f"step_{name}": spent / (len(writer.seconds) * size) * 1e6 for name, spent in steps.items()},
    }


def sent_ahead(url: str, names: list[str], *, batches: int) -> float:
    """Movements per second of batches of 8,192 that are sent ahead, each with its own answer: from the first sent to the last answered."""
    database = Database(url, connections_max=1).open()
    stream = BulkStream(database, ledger_load.PROGRAM, clock=edge.now).start()
    todo = [batch_of(names, FULL, hot=False) for _ in range(batches + GROUP)]
    label, started = f"ahead-{time.time_ns()}", 0.0
    answers: list[Future[BulkPosted]] = []
    for number, movements in enumerate(todo):
        if number == GROUP:  # the first are not counted: they read the accounts
            for answer in answers:
                answer.result()
            started = time.perf_counter()
        answers.append(stream.send(Bulk(f"{label}-{number}", "bench", ledger_load.ASSET, "bench"), movements))
    for answer in answers:
        if answer.result().outcomes.count(MovementOutcome.POSTED) != FULL:
            raise RuntimeError("a movement was refused: this measures nothing")
    spent = time.perf_counter() - started
    stream.close()
    database.close()
    return batches * FULL / spent


def _write_alone(url: str, names: list[str], number: int, batches: int, barrier: Barrier, told: Any) -> None:
    """A writer in a process of its own."""
    gc.freeze()
    writer = Writer(url, f"writer-{number}-{time.time_ns()}")
    todo = [batch_of(names, FULL, hot=False) for _ in range(batches)]
    barrier.wait()
    started = time.perf_counter()
    for movements in todo:
        writer.write(movements)
    told.put((started, time.perf_counter(), harness.memory_mb()))
    writer.close()


def side_by_side(url: str, names: list[str], *, writers: int, batches: int) -> tuple[float, float]:
    """Movements per second of so many writers on one program together, each with `batches` batches; and the memory of one."""
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(writers), context.Queue()
    processes = [context.Process(target=_write_alone, args=(url, names, number, batches, barrier, told)) for number in range(writers)]
    for process in processes:
        process.start()
    results = [told.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    span = max(end for _, end, _ in results) - min(start for start, _, _ in results)
    return writers * batches * FULL / span, max(memory for *_, memory in results)


def memory_growth(url: str, names: list[str], *, batches: int) -> tuple[float, float]:
    """The most memory a writer has had after a tenth of its batches, and after all."""
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    process = context.Process(target=_remember, args=(url, names, batches, told))
    process.start()
    first, last = told.get(timeout=600)
    process.join()
    return first, last


def _remember(url: str, names: list[str], batches: int, told: Any) -> None:
    writer, first = Writer(url, f"memory-{time.time_ns()}"), 0.0
    for number in range(batches):
        writer.write(batch_of(names, FULL, hot=False))
        if number == max(2, batches // 10):
            first = harness.memory_mb()
    writer.close()
    told.put((first, harness.memory_mb()))


def grow(url: str, names: list[str], until: int) -> None:
    """Post until there are so many postings."""
    writer = Writer(url, f"grow-{time.time_ns()}")
    twin = Twin(url)
    for _ in range(max(0, until - ledger_load.postings(url)) // FULL):
        writer.write(batch_of(names, FULL, hot=False))
        twin.write(writer.journal)
    writer.close()
    twin.close()


def main() -> None:
    """Measure, print a table, and one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about two minutes, without growth")
    parser.add_argument("--old", type=Path, help="an older checkout, with its environment in .venv, to measure in turns with this one")
    parser.add_argument("--peer", choices=["tigerbeetle"], help="measure this beside the ledger")
    parser.add_argument("--peer-binary", type=Path, help="the peer's server, a program on this machine")
    parser.add_argument("--peer-client", type=Path, help="the folder that holds the peer's Python package")
    options = parser.parse_args()
    quick = options.quick
    if options.peer and not (options.peer_binary and options.peer_client):
        parser.error("--peer needs --peer-binary and --peer-client: nothing is fetched")
    with harness.private_server() as server:
        print(harness.machine(server))
        url = harness.fresh_database(server, "ledger")
        names = ledger_load.prepare(url)
        rows = {}
        runs: list[tuple[str, dict[str, Any]]] = [
            ("8,192 per batch", {"size": FULL, "batches": 25 if quick else 60}),
            ("8,192 per batch, one hot account", {"size": FULL, "batches": 15 if quick else 40, "hot": True}),
            ("1,000 per batch", {"size": 1_000, "batches": 30 if quick else 100}),
            ("100 per batch", {"size": 100, "batches": 60 if quick else 300}),
            ("1 per batch", {"size": 1, "batches": 100 if quick else 500}),
        ]
        measure(url, names, size=FULL, batches=BLOCK)  # warm
        for label, run in runs:
            rows[label] = measure(url, names, **run, seconds_max=4.0 if quick else 1e9)
        one, memory = side_by_side(url, names, writers=1, batches=8 if quick else 60)
        two, _ = side_by_side(url, names, writers=2, batches=4 if quick else 30)
        pairs = []
        for _ in range(2 if quick else 5):  # in turns, so that both meet the same noise
            alone = side_by_side(url, names, writers=1, batches=8 if quick else 16)[0]
            pairs.append((alone, sent_ahead(url, names, batches=8 if quick else 16)))
        full, hot = rows["8,192 per batch"], rows["8,192 per batch, one hot account"]
        figures = {
            "movements_per_s": round(full["per_s"]),
            "raw_copy_per_s": round(full["raw_per_s"]),
            "ratio": round(full["per_s"] / full["raw_per_s"], 3),
            "hot_ratio": round(hot["per_s"] / full["per_s"], 3),
            "sent_ahead_per_s": round(harness.percentile([ahead for _, ahead in pairs], 0.5)),
            "sent_ahead_ratio": round(harness.percentile([ahead / alone for alone, ahead in pairs], 0.5), 3),
            "one_writer_per_s": round(one),
            "two_writers_per_s": round(two),
            "two_writers_ratio": round(two / one, 3),
            "per_s_by_batch": {label: round(row["per_s"]) for label, row in rows.items()},
            "writer_memory_mb": memory,
        }
        if options.peer:
            with ledger_peer.tigerbeetle(options.peer_binary, options.peer_client, names) as peer:
                figures |= beside_peer(url, names, peer, batches=15 if quick else 60)
        if not quick:
            figures |= growth(server)
        _show(rows)
        told = ", ".join(f"{alone:,.0f} and {ahead:,.0f}/s" for alone, ahead in pairs)
        print(f"in turns, one writer that waits for each answer, and one whose batches are sent ahead: {told}")
        print(f"one writer {one:,.0f}/s, two writers on one program {two:,.0f}/s together")
        spent = {name[5:]: value for name, value in full.items() if name.startswith("step_")}
        print("µs per movement at 8,192: " + ", ".join(f"{name} {value:.2f}" for name, value in spent.items()))
    size = ledger_turns.QUICKLY if quick else ledger_turns.FULLY
    figures |= ledger_turns.of_this(size)
    if options.old:
        figures |= ledger_turns.against(options.old, size)
    harness.last_line(figures)


def _show(rows: dict[str, dict[str, float]]) -> None:
    harness.table(
        ["", "per s", "p10 per s", "p90 per s", "plain COPY per s", "p50 ms", "p99 ms"],
        [
            [
                label,
                row["per_s"],
                row["slow_per_s"],
                row["fast_per_s"],
                row["raw_per_s"],
                f"{row['p50_ms']:.1f}",
                f"{row['p99_ms']:.1f}",
            ]
            for label, row in rows.items()
        ],
    )


def beside_peer(url: str, names: list[str], peer: ledger_peer.Peer, *, batches: int) -> dict[str, Any]:
    """Movements per second of the ledger and of its peer, in turns, with the same movements in batches of the peer's largest size."""
    size = ledger_peer.LARGEST
    with closing(Writer(url, f"peer-{time.time_ns()}")) as writer:
        for _ in range(0, batches, BLOCK):
            todo = [batch_of(names, size, hot=False) for _ in range(BLOCK)]
            for side in (writer, peer):
                for movements in todo:
                    side.write(movements)
        ours, theirs = [size / harness.percentile(seconds[1:], 0.5) for seconds in (writer.seconds, peer.seconds)]
    print(f"in turns, {size:,} per batch: the ledger {ours:,.0f}/s, tigerbeetle {theirs:,.0f}/s, median batch")
    return {"beside_peer_per_s": round(ours), "peer_per_s": round(theirs), "peer_ratio": round(ours / theirs, 3)}


def growth(server: Any) -> dict[str, Any]:
    """The rate at 10⁵, 10⁶ and 10⁷ postings in one table, and the memory of a writer that goes on."""
    url = harness.fresh_database(server, "growth")
    names = ledger_load.prepare(url)
    found = {}
    for size in (10**5, 10**6, 10**7):
        grow(url, names, size - 15 * FULL)
        found[size] = measure(url, names, size=FULL, batches=30)
        print(
            f"at {size:,} postings: {found[size]['per_s']:,.0f}/s, plain COPY {found[size]['raw_per_s']:,.0f}/s",
            flush=True,
        )
    first, last = memory_growth(url, names, batches=100)
    return {
        "growth_ratio": round(found[10**7]["per_s"] / found[10**5]["per_s"], 3),
        "growth_raw_ratio": round(found[10**7]["raw_per_s"] / found[10**5]["raw_per_s"], 3),
        "per_s_by_postings": {f"{size:.0e}": round(one["per_s"]) for size, one in found.items()},
        "writer_memory_mb_after_a_tenth": first,
        "writer_memory_mb": last,
    }


if __name__ == "__main__":
    main()
