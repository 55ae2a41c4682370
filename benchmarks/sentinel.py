"""How long the sentinel takes over a large ledger: `python -m benchmarks.sentinel [--quick]`.

Real payments first: invoices, settlements and payouts through a whole installation, so that every check has something to look at. Then
postings up to 10,000,000 (quick: 200,000) in the same database, in journals of 8,192. A full run asks every check of all of it; then a
little more happens, and a recent run asks of that. A round of the monitors is what is asked each minute. At the end every check is asked
whether it finds the fault that was planted for it, each in a transaction that is undone (the tests beside `tests/integrity/planted.py`).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import psycopg

from benchmarks import harness, ledger_load
from benchmarks.ledger_load import Writer, batch_of
from benchmarks.payouts import Office, an_office, round_of
from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.base.encryption.keys import EncryptionKeys, parse_keys
from counterfoil.integrity import sentinel as sentinel_module
from counterfoil.integrity.runs import SentinelRun, answers_of
from counterfoil.integrity.sentinel import Sentinel
from counterfoil.wiring import CHECKS, TABLES

ROOT: Final = Path(__file__).parents[1]
BATCH: Final = 8_192
SLOWEST: Final = 12
FAULTS: Final = "tests/integrity/test_planted_faults.py"
CASE: Final = re.compile(r"test_a_planted_fault_is_found\[([A-Z_]+)-")
FAULTS_S: Final = 1_800
OVERLAP: Final = timedelta(seconds=5)


def fill(url: str, names: list[str], postings: int, label: str) -> None:
    """So many postings more, by one writer."""
    writer = Writer(url, f"{label}-{time.time_ns()}")
    for first in range(0, postings, BATCH):
        writer.write(batch_of(names, min(BATCH, postings - first), hot=False))
    writer.close()


def timed_run(sentinel: Sentinel, kind: Any) -> tuple[SentinelRun, float]:
    """A run, and how many seconds it took."""
    began = time.perf_counter()
    run = sentinel.run(kind)
    return run, time.perf_counter() - began


def show(database: Database, run: SentinelRun, took_s: float) -> None:
    """The checks that took longest, and what was found."""
    with database.transaction() as conn:
        answers = answers_of(conn, run.id)
    slowest = sorted(answers, key=lambda one: -one.took_ms)[:SLOWEST]
    print(f"\nA {run.kind} run, {run.state}, {run.checks} checks in {took_s:.2f} s; broken {run.broken}, failed {run.failed}\n")
    harness.table(["check", "outcome", "ms"], [[one.code, one.outcome, float(one.took_ms)] for one in slowest])
    for one in answers:
        if one.outcome == "failed":
            print(f"{one.code}: {one.error}")


def more_work(office: Office, names: list[str], *, invoices: int, postings: int) -> None:
    """What happens between two runs."""
    round_of(office, invoices)
    fill(office.world.postgres.url, names, postings, "more")


def codes_found() -> tuple[int, int]:
    """How many checks found every fault that was planted for them, and how many checks there are."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "faults.xml"
        command = [sys.executable, "-m", "pytest", FAULTS, "-n", "0", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=FAULTS_S, check=False)
        cases = defaultdict[str, list[bool]](list)
        for one in ET.parse(report).iter("testcase"):
            if named := CASE.match(one.get("name", "")):
                cases[named[1]].append(len(one) == 0)  # a failure, an error or a skip stands inside it
    found = {code for code, held in cases.items() if all(held)}
    missed = sorted({one.code for one in CHECKS} - found)
    print(f"\nPlanted faults that were not found: {', '.join(missed) or 'none'}")
    return len(found), len(CHECKS)


def main() -> None:
    """Measure, print the tables, and one JSON object as the last line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.sentinel", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--quick", action="store_true", help="200,000 postings")
    made.add_argument("--postings", type=int, help="how many (10,000,000)")
    made.add_argument("--no-faults", action="store_true", help="only measure; codes_found is null")
    options = made.parse_args()
    postings = options.postings or (200_000 if options.quick else 10_000_000)
    payments = 300 if options.quick else 5_000
    with an_office(500) as office:
        url = office.world.postgres.url
        print(f"\n{harness.machine(office.world.postgres)}\n", flush=True)
        round_of(office, payments)
        names = ledger_load.prepare(url)
        began = time.perf_counter()
        fill(url, names, max(0, postings - ledger_load.postings(url)), "fill")
        print(f"{ledger_load.postings(url):,} postings, filled in {time.perf_counter() - began:.0f} s", flush=True)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("drop table twin")
            conn.execute("vacuum analyze")
        office.world.worker.stop()  # it asks, too: what is measured is one run alone
        database = Database(url, connections_max=3, keys=EncryptionKeys(parse_keys(office.world.encryption_keys), entropy)).open()
        sentinel = Sentinel(database, CHECKS, now, make_id, TABLES)
        full, full_s = timed_run(sentinel, "full")
        show(database, full, full_s)
        office.world.worker.start()
        more_work(office, names, invoices=100, postings=10_000)
        office.world.worker.stop()
        # The ten minutes before the last run, in which the next one looks again, are those of the filling here: no ten minutes of work are.
        sentinel_module.OVERLAP = OVERLAP  # type: ignore[misc]
        recent, recent_s = timed_run(sentinel, "recent")
        show(database, recent, recent_s)
        began = time.perf_counter()
        monitors = sentinel.round()
        round_s = time.perf_counter() - began
        print(f"\nA round of the {monitors.asked} monitors: {round_s:.2f} s")
        total = ledger_load.postings(url)
        database.close()
    found, codes = (None, len(CHECKS)) if options.no_faults else codes_found()
    harness.last_line(
        {
            "full_s": round(full_s, 2),
            "recent_s": round(recent_s, 2),
            "round_s": round(round_s, 2),
            "postings": total,
            "checks_failed": full.failed + recent.failed,
            "codes_found": found,
            "codes": codes,
        }
    )


if __name__ == "__main__":
    main()
