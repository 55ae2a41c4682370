"""Entries per second through the log and a proof: `python -m benchmarks.proofs [--quick]`.

Journals of one line each, fsync on: numbered by the sequencer, exported as a package, verified by the command and by the package's own
verify.py (standard library only). Beside that, how much slower single posts become while a sequencer follows them, and while one works off
a backlog in a process of its own as fast as it can; and how long it takes to show that a record is in a log of 10,000,000 (quick: 100,000).
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import harness, proof_inclusion
from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.base.encryption.keys import EncryptionKeys, parse_keys
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewJournal, NewPosting, post, post_journals
from counterfoil.proofs.log.sequencing import sequence
from counterfoil.proofs.packages.exporting import Exporter, export_proof
from counterfoil.proofs.packages.standalone import verifier_text
from counterfoil.proofs.packages.store import stored
from counterfoil.proofs.signing.signers import trusted_keys
from counterfoil.proofs.verifying.entries import processes_here
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import verify_package

PROGRAM: Final = "bench"
PART: Final = 5_000
PAYEES: Final = 1_000
POSTS: Final = 1_500
WANTED: Final = {
    "sequenced_per_s": "≥ 16,667 (a million in a minute)",
    "backlog_per_s": "≥ 16,667 (a million in a minute)",
    "export_per_s": "≥ 50,000",
    "verify_per_s": "≥ 100,000",
    "post_slowdown": "≤ 0.10",
    "backlog_post_slowdown": "≤ 0.10",
    "inclusion_p50_ms": "< 5, in a log of 10,000,000",
    "inclusion_p99_ms": "< 5, in a log of 10,000,000",
}
KEY: Final = "kJ2vN8sQ4xR7tY1wZ5bC9dF3gH6jL0mPqU2aE8iO4uM="


def prepare(database: Database) -> None:
    """A program with payees."""
    with database.transaction() as conn:
        open_program(conn, PROGRAM, name="Benchmark", assets=[Asset("EUR", 2)], now=now())
        names = ["cash:bank:client", *(f"payable:payee:{number}" for number in range(PAYEES))]
        open_accounts(conn, PROGRAM, names, asset="EUR", actor="bench", now=now())


def fill(database: Database, word: str, entries: int) -> None:
    """So many journals of one line."""
    for first in range(0, entries, PART):
        journals = [
            NewJournal(
                key=f"{word}-{number}",
                kind="settlement",
                lines=[NewPosting("cash:bank:client", f"payable:payee:{number % PAYEES}", 100)],
                asset="EUR",
                actor="bench",
                narrative="a settlement of the benchmark",
                source=("invoice", f"inv-{word}-{number}"),
            )
            for number in range(first, min(first + PART, entries))
        ]
        with database.transaction() as conn:
            post_journals(conn, PROGRAM, journals, now=now())


def number(database: Database) -> float:
    """Number everything; the seconds that it took."""
    begun = time.perf_counter()
    while True:
        with database.transaction() as conn:
            if not sequence(conn, make_origin="bench/log", now=now()).taken:
                return time.perf_counter() - begun


def exported(database: Database, folder: Path, start: datetime) -> tuple[Path, int, float]:
    """The package from `start` on, its entries, and the seconds that it took to make; nothing is reconciled or checked in them."""
    exporter = Exporter(database, folder, make_id, now, [], [], 2)
    begun = time.perf_counter()
    proof, _ = export_proof(exporter, start, now(), by="bench")
    took = time.perf_counter() - begun
    path = folder / "package.zip"
    with database.transaction() as conn, path.open("wb") as out:
        for part in stored(conn, folder, proof.id).parts():
            out.write(part)
    return path, proof.entries, took


def verified(path: Path, keys: dict[str, Any]) -> tuple[float, float]:
    """Seconds of the command's verification, and of verify.py's."""
    begun = time.perf_counter()
    found = verify_package(path, TrustedKeys.read(keys), processes=processes_here())  # as the command does
    ours = time.perf_counter() - begun
    alone = path.with_name("verify_alone.py")
    alone.write_text(verifier_text())
    spec = importlib.util.spec_from_file_location("verify_alone", alone)
    if spec is None or spec.loader is None:
        raise SystemExit("verify.py cannot be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    begun = time.perf_counter()
    code, said = module.judged(str(path), keys, "")
    theirs = time.perf_counter() - begun
    differ = [one for one in {*found.said} ^ {*said} if "ML-DSA-44" not in one]  # which the standard library has not, and says so
    if found.code != code or differ:
        raise SystemExit(f"the verifiers do not agree: {found} {code} {said}")
    return ours, theirs


def posts_per_s(database: Database, word: str, more: Callable[[int], bool] = lambda made: made < POSTS) -> float:
    """Single posts one after the other, each its own commit, as long as there shall be more."""
    begun, made = time.perf_counter(), 0
    while more(made):
        with database.transaction() as conn:
            lines = [("cash:bank:client", f"payable:payee:{made % PAYEES}", 1)]
            post(conn, PROGRAM, key=f"{word}-{made}", kind="t", lines=lines, asset="EUR", actor="bench", now=now())
        made += 1
    return made / (time.perf_counter() - begun)


def slowdown(database: Database) -> float:
    """Posts per second beside a sequencer, against posts alone: the share that is lost. In turns, so that both meet the same noise."""
    alone, beside = list[float](), list[float]()
    for turn in range(3):
        alone.append(posts_per_s(database, f"alone-{turn}-{time.time_ns()}"))
        ended = threading.Event()
        thread = threading.Thread(target=_follow, args=(database, ended), daemon=True)
        thread.start()
        beside.append(posts_per_s(database, f"beside-{turn}-{time.time_ns()}"))
        ended.set()
        thread.join()
    return 1 - sorted(beside)[1] / sorted(alone)[1]


def _follow(database: Database, ended: threading.Event) -> None:
    """As the worker does: every two seconds, until it has caught up."""
    while not ended.wait(2.0):
        number(database)


def beside_a_backlog(database: Database, entries: int) -> tuple[float, float]:
    """Records per second that another process numbers of a backlog, and the share of single posts that is lost while it does."""
    alone = posts_per_s(database, f"calm-{time.time_ns()}")
    spawn = multiprocessing.get_context("spawn")
    ready, took = spawn.Event(), spawn.Value("d", 0.0)
    worker = spawn.Process(target=_work_off, args=(database.url, ready, took))
    worker.start()
    ready.wait()
    beside = posts_per_s(database, f"busy-{time.time_ns()}", lambda _: not took.value and worker.is_alive())
    worker.join()
    if worker.exitcode:
        raise SystemExit("the process that works the backlog off failed")
    return entries / took.value, 1 - beside / alone


def _work_off(url: str, ready: Any, took: Any) -> None:
    database = Database(url, keys=EncryptionKeys(parse_keys(KEY), entropy)).open()
    ready.set()
    took.value = number(database)
    database.close()


def main() -> None:
    """Measure, print a table, and one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 entries instead of a million")
    quick = parser.parse_args().quick
    entries, backlog, leaves = (20_000, 60_000, 100_000) if quick else (1_000_000, 300_000, 10_000_000)
    with harness.private_server() as server, tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder:
        print(harness.machine(server))
        keys = EncryptionKeys(parse_keys(KEY), entropy)
        database = Database(harness.fresh_database(server, "proofs"), keys=keys).open()
        prepare(database)
        lost = slowdown(database)
        fill(database, "late", backlog)
        backlog_per_s, backlog_lost = beside_a_backlog(database, backlog)
        start = now()
        fill(database, "b", entries)
        sequenced = number(database)
        path, proven, making = exported(database, Path(folder), start)
        with database.transaction() as conn:
            trusted = trusted_keys(conn, 2)
        ours, theirs = verified(path, trusted)
        database.close()
        memory = harness.memory_mb()
        large = Database(harness.fresh_database(server, "inclusion"), keys=keys).open()
        included = proof_inclusion.measured(large, leaves)
        large.close()
        result = {
            "entries": proven,
            "package_mb": path.stat().st_size / 1e6,
            "sequenced_per_s": entries / sequenced,
            "export_per_s": proven / making,
            "verify_per_s": proven / ours,
            "stdlib_verify_per_s": proven / theirs,
            "post_slowdown": lost,
            "backlog_per_s": backlog_per_s,
            "backlog_post_slowdown": backlog_lost,
            "memory_mb": memory,
            **included,
        }
        harness.table(["what", "figure", "wanted"], [[name, f"{value:,.2f}", WANTED.get(name, "")] for name, value in result.items()])
        harness.last_line(result)


if __name__ == "__main__":
    main()
