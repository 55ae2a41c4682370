"""Single movements over HTTP, each durable when it is answered: `python -m benchmarks.http_posts [--quick]`.

A real server process over a private PostgreSQL with fsync on. The clients are a process of their own that speaks plain HTTP over
kept-open connections: what is measured is the server, not a client library.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks.harness import last_line, machine, percentile, private_server, table
from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.base.encryption.key_file import new_key
from counterfoil.base.migrations.runner import migrate
from counterfoil.base.money import Asset
from counterfoil.base.postgres.launcher import DATABASE, PrivatePostgres
from counterfoil.base.postgres.logins import SERVER, make_logins
from counterfoil.ledger.accounts.accounts import NewAccount, open_accounts, open_program
from counterfoil.operations.access import access

CLIENTS: Final = (1, 8, 32, 128)
ACCOUNTS: Final = 10_000
WANTED_CLIENTS: Final = 32
PROGRAM, ASSET = "main", "EUR"


class Result(NamedTuple):
    """One run."""

    clients: int
    posts_per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    posts: int


@contextmanager
def server(postgres: PrivatePostgres) -> Iterator[tuple[str, str]]:
    """A server process of its own: its address, and a controller's key."""
    migrate(postgres.url)
    make_logins(postgres.url)  # a server refuses to serve as a superuser
    key, log = _seed(postgres.url), postgres.folder / "server.log"
    environment = {
        **os.environ,
        "COUNTERFOIL_DATABASE_URL": postgres.url_of(DATABASE, login=SERVER),
        "COUNTERFOIL_ENCRYPTION_KEYS": new_key(entropy),
        "COUNTERFOIL_PORT": "0",
        "COUNTERFOIL_KEY_REQUESTS_MAX": "1000000",  # one key asks for all clients: what is measured is not how it is held back
        "COUNTERFOIL_ADDRESS_REQUESTS_MAX": "1000000",
    }
    with log.open("ab") as told:
        process = subprocess.Popen([sys.executable, "-m", "counterfoil", "serve"], env=environment, stdout=told, stderr=told)
    try:
        yield _listening(log, process), key
    finally:
        process.terminate()
        process.wait(60)


def _seed(url: str) -> str:
    database = Database(url).open()
    secret = access.new_secret(entropy(access.SECRET_BYTES), live=False)
    with database.transaction() as conn:
        open_program(conn, PROGRAM, name="Benchmark", assets=[Asset(ASSET, 2)], now=now())
        names = [NewAccount(f"account:{number}", "credit", no_overdraft=False) for number in range(ACCOUNTS)]
        open_accounts(conn, PROGRAM, names, asset=ASSET, actor="benchmark", now=now())
        access.create_key(conn, make_id("key"), secret, name="benchmark", role="controller", by="benchmark", now=now())
    database.close()
    return secret


def _listening(log: Path, process: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        for line in log.read_text().splitlines():
            if '"listening"' in line:
                return str(json.loads(line)["url"])
        time.sleep(0.05)
    raise SystemExit(log.read_text())


async def _client(url: str, key: str, seed: int, end: float, took: list[float]) -> None:
    where, draw = urlsplit(url), random.Random(seed)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"POST /api/movements HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"
    while (began := time.perf_counter()) < end:
        debit = draw.randrange(ACCOUNTS)
        credit = (debit + draw.randrange(1, ACCOUNTS)) % ACCOUNTS
        body = json.dumps(
            {
                "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
                "programId": PROGRAM,
                "asset": ASSET,
                "debit": f"account:{debit}",
                "credit": f"account:{credit}",
                "amount": str(draw.randrange(1, 10_000)),
            }
        ).encode()
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        told = await reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 201"):
            raise SystemExit(f"{answer!r} {told!r}")
        took.append(time.perf_counter() - began)
    writer.close()


async def _all(url: str, key: str, clients: int, seconds: float) -> Result:
    began = time.perf_counter()
    took: list[float] = []
    seeds = [int.from_bytes(os.urandom(8)) for _ in range(clients)]
    await asyncio.gather(*[_client(url, key, seed, began + seconds, took) for seed in seeds])
    elapsed = time.perf_counter() - began
    p50, p99, worst = (1000 * percentile(took, share) for share in (0.5, 0.99, 1.0))
    return Result(clients, len(took) / elapsed, p50, p99, worst, len(took))


def load(url: str, key: str, clients: int, seconds: float) -> Result:
    """What so many clients are answered, in a process of their own, each asking for one movement after the other."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.http_posts",
        "--load",
        url,
        "--clients",
        str(clients),
        "--seconds",
        str(seconds),
    ]
    ended = subprocess.run(command, input=key, capture_output=True, text=True, check=True)
    return Result(*json.loads(ended.stdout))


def _count(postgres: PrivatePostgres) -> int:
    database = Database(postgres.url, connections_max=2).open()
    with database.transaction(read_only=True) as conn:
        row = conn.execute("select count(*) from posting").fetchone()
    database.close()
    return int(row[0]) if row else 0


def _report(results: list[Result], rounds: int) -> None:
    """The median run of each number of clients, and the figures of the one that was asked for."""
    best: dict[int, Result] = {}
    for clients in CLIENTS:
        runs = sorted((one for one in results if one.clients == clients), key=lambda one: one.posts_per_s)
        best[clients] = runs[len(runs) // 2]
    table(
        ("clients", "posts/s", "p50 ms", "p99 ms", "worst ms"),
        [(str(one.clients), one.posts_per_s, f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", f"{one.worst_ms:.1f}") for one in best.values()],
    )
    shown = best[WANTED_CLIENTS]
    last_line(
        {
            "clients": shown.clients,
            "posts_per_s": round(shown.posts_per_s),
            "p50_ms": round(shown.p50_ms, 2),
            "p99_ms": round(shown.p99_ms, 2),
            "rounds": rounds,
            "by_clients": {str(one.clients): round(one.posts_per_s) for one in best.values()},
        }
    )


def main() -> int:
    """Run, print a table, and one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_posts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 40 s")
    parser.add_argument("--load", help=argparse.SUPPRESS)
    parser.add_argument("--clients", type=int, default=WANTED_CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(asyncio.run(_all(options.load, sys.stdin.read().strip(), options.clients, options.seconds))))
        return 0
    seconds, rounds = (4.0, 1) if options.quick else (10.0, 3)
    with private_server() as postgres, server(postgres) as (url, key):
        print(machine(postgres))
        load(url, key, WANTED_CLIENTS, 1.0)  # warm
        before = _count(postgres)
        results = [load(url, key, clients, seconds) for _ in range(rounds) for clients in CLIENTS]
        posted, answered = _count(postgres) - before, sum(one.posts for one in results)
    if posted != answered:
        raise SystemExit(f"{answered} were answered and {posted} are in the books")
    _report(results, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
