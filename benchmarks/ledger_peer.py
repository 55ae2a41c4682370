"""A TigerBeetle of one replica to measure beside the ledger, from a program and a Python client that lie on this machine.

Nothing is fetched: `--peer-binary` is the server's program, `--peer-client` the folder in which its package `tigerbeetle` was installed
(`pip install --target FOLDER tigerbeetle`), both 0.17 or later, the client not newer than the server. The data file lies where the
private PostgreSQL of a benchmark has its own, on the same disk, and writes are durable as the program makes them by itself.
"""

from __future__ import annotations

import importlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.ledger_load import FUNDS, HOT, an_id
from counterfoil.ledger.journals.batch_types import Movement

LARGEST: Final = 8_189  # events in one of its requests, by its own setting
CASH: Final = "cash:bank:client"
LEDGER: Final = 1
CODE: Final = 1
START_SECONDS_MAX: Final = 30.0


class Peer:
    """A client of it, with the accounts of a benchmark and money in them. Counts seconds per batch."""

    def __init__(self, module: Any, port: int, names: Sequence[str]) -> None:
        self.module = module
        self.client = module.ClientSync(cluster_id=0, replica_addresses=f"127.0.0.1:{port}")
        self.numbers = {name: number for number, name in enumerate([*names, HOT, CASH], start=1)}
        self.seconds: list[float] = []
        limited = module.AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
        accounts = [
            module.Account(id=number, ledger=LEDGER, code=CODE, flags=module.AccountFlags.NONE if name in (HOT, CASH) else limited)
            for name, number in self.numbers.items()
        ]
        for part in _parts(accounts):
            self._done(self.client.create_accounts(part), part, module.CreateAccountStatus.CREATED)
        for funds in _parts([Movement(an_id(), CASH, name, FUNDS) for name in names]):
            self.write(funds)
        self.seconds.clear()

    def write(self, movements: Sequence[Movement]) -> None:
        """Post a batch, durably, and note how long it took, without making the client's objects. Every movement must be posted."""
        transfers = [
            self.module.Transfer(
                id=int.from_bytes(one.id or b"", "big"),
                debit_account_id=self.numbers[one.debit],
                credit_account_id=self.numbers[one.credit],
                amount=one.minor,
                ledger=LEDGER,
                code=CODE,
            )
            for one in movements
        ]
        started = time.perf_counter()
        results = self.client.create_transfers(transfers)
        self.seconds.append(time.perf_counter() - started)
        self._done(results, transfers, self.module.CreateTransferStatus.CREATED)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    @staticmethod
    def _done(results: Sequence[Any], asked: Sequence[Any], created: Any) -> None:
        """All was created. Clients before 0.17 tell only what was not, so an empty answer proves nothing."""
        if len(results) != len(asked):
            raise RuntimeError(f"{len(results)} results for {len(asked)} events: this needs a client of 0.17 or later")
        wrong = next((one.status for one in results if one.status != created), None)
        if wrong is not None:
            raise RuntimeError(f"{wrong!r}: this measures nothing")


@contextmanager
def tigerbeetle(binary: Path, client: Path, names: Sequence[str]) -> Iterator[Peer]:
    """A replica of its own in a temporary folder, and its client; both are gone afterwards.

    Raises RuntimeError when the server does not start, with what it said, and FileNotFoundError when there is no such program or package.
    """
    module = _package(client)
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-bench-peer-"))
    data, log = folder / "0_0.tigerbeetle", folder / "log"
    try:
        made = [str(binary), "format", "--cluster=0", "--replica=0", "--replica-count=1", str(data)]
        told = subprocess.run(made, capture_output=True, text=True, check=False)
        if told.returncode:
            raise RuntimeError(f"{binary} format: {told.stderr.strip()[-500:]}")
        port = _free_port()
        with log.open("w") as out:
            server = subprocess.Popen([str(binary), "start", f"--addresses=127.0.0.1:{port}", str(data)], stdout=out, stderr=out)
        try:
            _wait_for(server, port, log)
            peer = Peer(module, port, names)
            try:
                yield peer
            finally:
                peer.close()
        finally:
            server.kill()
            server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _package(client: Path) -> Any:
    if not (client / "tigerbeetle" / "__init__.py").exists():
        raise FileNotFoundError(f"{client} has no package tigerbeetle")
    sys.path.insert(0, str(client))
    try:
        return importlib.import_module("tigerbeetle")
    finally:
        sys.path.remove(str(client))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until it listens; a client would wait without end for one that never does."""
    end = time.monotonic() + START_SECONDS_MAX
    while server.poll() is None and time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"tigerbeetle does not listen: {log.read_text('utf-8', 'replace').strip()[-500:]}")


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), LARGEST):
        yield items[start : start + LARGEST]
