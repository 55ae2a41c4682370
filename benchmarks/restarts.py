"""How long the service is away when its database dies: `python -m benchmarks.restarts [--quick]`.

A real server process, clients that post movements over HTTP and ask again under the same id until they are answered, PostgreSQL with
fsync on. It is killed (SIGKILL) in the middle and started again. Told: the rate before, how long nothing was answered, when the rate over
five seconds was back at nine tenths of it, without a hand laid on the server, and whether every movement that was acknowledged is in the
books, and once. It fails where one is lost or doubled, and where the rate is not back within 30 seconds of the kill.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from typing import Any, Final

import httpx2
import psycopg

from benchmarks.harness import last_line, machine, private_server, table
from benchmarks.http_posts import ACCOUNTS, ASSET, PROGRAM, server

CLIENTS: Final = 16
BEFORE_S, AFTER_S = 20, 60
WARM_S: Final = 5
WINDOW_S: Final = 5
SHARE: Final = 0.9
BACK_S: Final = 30


class Traffic:
    """Clients that post until told to stop; what was acknowledged, and in which second."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url, key
        self._done = threading.Event()
        self._began = time.monotonic()
        self.seconds: Counter[int] = Counter()
        self.moments: list[float] = []  # of the answers
        self.answered: list[str] = []
        self.refused: list[str] = []
        self._clients = [threading.Thread(target=self._post, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Traffic:
        for client in self._clients:
            client.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for client in self._clients:
            client.join()

    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def rate(self, start: int, seconds: int) -> float:
        """Movements per second that were acknowledged in these seconds."""
        return sum(self.seconds[start + number] for number in range(seconds)) / seconds

    def _post(self, seed: int) -> None:
        draw = random.Random(seed)
        with httpx2.Client(base_url=self._url, headers={"Authorization": f"Bearer {self._key}"}, timeout=10, trust_env=False) as client:
            while not self._done.is_set():
                debit = draw.randrange(ACCOUNTS)
                body = {
                    "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
                    "programId": PROGRAM,
                    "asset": ASSET,
                    "debit": f"account:{debit}",
                    "credit": f"account:{(debit + 1) % ACCOUNTS}",
                    "amount": "1",
                }
                while not self._acknowledged(client, body) and not self._done.is_set():
                    time.sleep(0.05)

    def _acknowledged(self, client: httpx2.Client, body: dict[str, str]) -> bool:
        try:
            answer = client.post("/api/movements", json=body)
        except httpx2.HTTPError:
            return False
        if answer.status_code >= 500:
            return False
        if answer.status_code not in (200, 201):
            self.refused.append(f"{answer.status_code} {answer.text}")
            self._done.set()
            return False
        self.moments.append(self.now())
        self.seconds[int(self.moments[-1])] += 1
        self.answered.append(body["id"])
        return True


def _longest_silence(moments: list[float], since: float) -> float:
    """The longest time without an answer, from the kill on."""
    after = sorted([since, *(at for at in moments if at > since)])
    return max((later - earlier for earlier, later in itertools.pairwise(after)), default=0.0)


def main() -> int:
    """Kill, and print what came of it; 1 where it did not come back as it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restarts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the time before and after")
    quick = parser.parse_args().quick
    before_s, after_s = (BEFORE_S // 2, AFTER_S // 2) if quick else (BEFORE_S, AFTER_S)
    with private_server() as postgres, server(postgres) as (url, key):
        print(machine(postgres))
        with Traffic(url, key) as traffic:
            time.sleep(before_s)
            pid, killed = postgres.pid, traffic.now()
            if pid is None:
                raise SystemExit("the database ended by itself")
            os.kill(pid, signal.SIGKILL)
            while postgres.pid is not None:
                time.sleep(0.01)
            postgres.start()
            started = traffic.now()
            time.sleep(after_s)
        if traffic.refused:
            raise SystemExit(traffic.refused[0])
        with psycopg.connect(postgres.url) as conn:
            rows = conn.execute(
                "select count(*), count(distinct movement) from posting where movement = any(%s::uuid[])", [traffic.answered]
            ).fetchone()
    usual = traffic.rate(WARM_S, before_s - WARM_S - 1)
    last = int(killed) + after_s - WINDOW_S
    ends = (at + WINDOW_S for at in range(int(killed) + 1, last) if traffic.rate(at, WINDOW_S) >= SHARE * usual)
    back = next(ends, None)
    by_second = [traffic.seconds[at] for at in range(last)]
    print("movements acknowledged in each second: " + " ".join(str(one) for one in by_second))
    figures: dict[str, Any] = {
        "usual_per_s": round(usual, 1),
        "database_away_s": round(started - killed, 1),
        "silent_s": round(_longest_silence(traffic.moments, killed), 1),
        "back_s": None if back is None else round(back - killed, 1),
        "rate_after": round(traffic.rate(last - WINDOW_S, WINDOW_S) / usual, 3) if usual else None,
        "acknowledged": len(traffic.answered),
        "in_the_books": rows[1] if rows else 0,
        "in_the_books_twice": rows[0] - rows[1] if rows else 0,
    }
    table(["what", "figure"], [[name, str(value)] for name, value in figures.items()])
    last_line(figures)
    lost, doubled = figures["acknowledged"] - figures["in_the_books"], figures["in_the_books_twice"]
    return 1 if lost or doubled or figures["back_s"] is None or figures["back_s"] > BACK_S else 0


if __name__ == "__main__":
    sys.exit(main())
