"""Transactions in two phases per second, and how long recovery takes: `python -m benchmarks.two_phase [--quick]`.

Local: transactions between agents of one server, all begun before, taken by one worker's ticks to committed. Remote: the same between two
servers with a database each, over HTTP, both in this process. Recovery: a coordinator stops after the last vote, as if it was killed
there, and so many are in doubt; the next one decides all of them and has them applied. What really kills processes is `make jepsen`.
PostgreSQL with fsync on. At the end all invariants are asked.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import uvicorn
from psycopg import Connection

from benchmarks import harness
from counterfoil.api.http.app import make_app
from counterfoil.base import edge
from counterfoil.base.edge import Database
from counterfoil.base.encryption.keys import EncryptionKeys, parse_keys
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.secret import SigningSecret
from counterfoil.cli.local.working import kept_for_good
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.treasury.agents.agents import NewMandate, create_agent, grant_mandate
from counterfoil.treasury.agents.model import account_name
from counterfoil.treasury.two_phase.model import TRANSACTION, participants_of_each, transactions_of
from counterfoil.treasury.two_phase.moving import prepare_together
from counterfoil.treasury.two_phase.peers import HttpPeer
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction
from counterfoil.wiring import INVARIANTS, Wiring, ticks

PROGRAM: Final = "main"
AGENTS: Final = 64
TIME_OUT: Final = timedelta(hours=6)
KEYS: Final = EncryptionKeys(parse_keys(base64.b64encode(hashlib.sha256(b"bench").digest()).decode()), edge.entropy)
SECRET: Final = SigningSecret(f"whsec_{base64.b64encode(hashlib.sha256(b'of two servers').digest()).decode()}", "peers")


class Installation:
    """A database with agents that have money and a mandate, and its wiring."""

    def __init__(self, server: PrivatePostgres, name: str) -> None:
        self.name = name
        self.database = Database(harness.fresh_database(server, name), connections_max=20, keys=KEYS).open()
        self.peers: dict[str, Any] = {}
        self.wiring = Wiring(
            database=self.database,
            providers={},
            program_id=PROGRAM,
            clock=edge.now,
            make_id=edge.make_id,
            silent_after=timedelta(minutes=10),
            lease=timedelta(minutes=5),
            rows_max=500,
            peers=self.peers,
        )
        with self.database.transaction() as conn:
            open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=edge.now())
            open_accounts(conn, PROGRAM, ["cash:bank:own"], asset="EUR", actor="bench", now=edge.now())
            self.agents = [self._agent(conn, number) for number in range(AGENTS)]

    def _agent(self, conn: Connection[Any], number: int) -> str:
        given: dict[str, Any] = {"actor": "bench", "now": edge.now()}
        one = create_agent(conn, edge.make_id("agent"), PROGRAM, name=f"agent {number}", **given).id
        grant_mandate(conn, edge.make_id("mdt"), one, NewMandate("EUR", None, "anyone", {}, None), reason="bench", **given)
        lines = [("cash:bank:own", account_name(one), 10**9)]
        post(conn, PROGRAM, key=f"give {number}", kind="bench", lines=lines, asset="EUR", **given)
        return one

    def begin(self, count: int, there: Installation | None = None, *, commits: str = "by_itself") -> None:
        """So many transactions; with agents of `there` on the other side."""
        for first in range(0, count, 200):
            with self.database.transaction() as conn:
                for number in range(first, min(first + 200, count)):
                    payer = self.agents[number % AGENTS]
                    other = (there or self).agents[(number * 7 + 1 + number % AGENTS) % AGENTS]
                    if other == payer:
                        other = self.agents[(number + 1) % AGENTS]
                    parts = [
                        NewParticipant(payer, "debit", "EUR", 1 + number % 100),
                        NewParticipant(other, "credit", "EUR", 1 + number % 100, there.name if there else None),
                    ]
                    new = NewTransaction(PROGRAM, "bench", parts, commits, TIME_OUT, peers=frozenset(self.peers))
                    begin_transaction(conn, edge.make_id("txn"), new, actor="bench", now=edge.now())

    def count(self, states: Sequence[str]) -> int:
        """How many transactions are in one of these states."""
        with self.database.transaction(read_only=True) as conn:
            row = conn.execute("select count(*) from two_phase where state = any(%s)", [list(states)]).fetchone()
            return int(row[0]) if row else 0

    def work(self, jobs: Sequence[str], until: str, count: int) -> float:
        """Tick until so many are in the state `until`; the seconds that it took."""
        run = ticks(self.wiring, f"worker:{self.name}")
        wanted, begun = self.count([until]) + count, time.perf_counter()
        while self.count([until]) < wanted:
            for job in jobs:
                run[job]()
        return time.perf_counter() - begun

    def still_true(self) -> None:
        """Every invariant, or this measures nothing."""
        with self.database.transaction(read_only=True) as conn:
            if found := run_invariants(conn, INVARIANTS):
                raise SystemExit(f"{self.name}: {found}")


@contextmanager
def served(one: Installation) -> Iterator[str]:
    """Its API on a socket; the address."""
    app = make_app(one.wiring, owner=one.name, log_requests=False)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def main() -> None:
    """Measure, print a table, and one JSON object last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer of each; of recovery as many as are told")
    quick = parser.parse_args().quick
    local, remote, doubt = (500, 100, 500) if quick else (10_000, 2_000, 10_000)
    with harness.private_server() as server:
        print(harness.machine(server))
        north, south = Installation(server, "north"), Installation(server, "south")
        with kept_for_good():  # as a worker's process does
            measure(north, south, local, remote, doubt)


def measure(north: Installation, south: Installation, local: int, remote: int, doubt: int) -> None:
    """Local, remote, recovery."""
    north.begin(local)
    local_s = north.work(["transactions"], "committed", local)
    with served(north) as url, served(south) as other:
        north.peers["south"] = HttpPeer(other, SECRET, ours="north")
        south.peers["north"] = HttpPeer(url, SECRET, ours="south")
        north.begin(remote, south)
        remote_s = north.work(["transactions", "peers"], "committed", remote)
    in_doubt, recovery_s = recover(north, doubt)
    for one in (north, south):
        one.still_true()
        one.database.close()
    harness.table(
        ["what", "transactions", "seconds", "a second"],
        [
            ["local", local, round(local_s, 1), local / local_s],
            ["two servers", remote, round(remote_s, 1), remote / remote_s],
            ["recovery", in_doubt, round(recovery_s, 1), in_doubt / recovery_s],
        ],
    )
    harness.last_line(
        {
            "local_per_s": round(local / local_s, 1),
            "remote_per_s": round(remote / remote_s, 1),
            "in_doubt": in_doubt,
            "recovery_s": round(recovery_s, 1),
            "recovery_10k_s": round(recovery_s, 1) if in_doubt == 10_000 else None,
        }
    )


def recover(one: Installation, count: int) -> tuple[int, float]:
    """As a coordinator leaves them that dies after the last vote: every one promised, none decided. Then the next one comes: how many it
    decided, and in how many seconds all were applied."""
    one.begin(count)
    for _ in range(0, count, 500):
        with one.database.transaction() as conn:
            rows = conn.execute("select id from two_phase where state = any(%s) limit 500", [list(TRANSACTION.initial)]).fetchall()
            fresh = transactions_of(conn, [row[0] for row in rows])
            parts = participants_of_each(conn, [each.id for each in fresh])
            prepare_together(conn, PROGRAM, fresh, parts, now=edge.now())
    in_doubt = one.count(["prepared"])
    return in_doubt, one.work(["transactions"], "committed", in_doubt)


if __name__ == "__main__":
    main()
