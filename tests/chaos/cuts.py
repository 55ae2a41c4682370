"""The test of commits that nobody hears of: `python -m tests.chaos.cuts --cuts 300`.

Server and workers speak with PostgreSQL through a wire that cuts connections at a commit which has something to write: before it arrives,
or after it has landed and before its client learns of it. Customers pay all the while, and whoever gets no answer asks again under the
same key. In the end the provider's journal is held against the books, and every answer against what is there.
Prints the cuts by kind and by whose they were, then `lost 0, doubled 0, differences 0`; exits 1 when it cannot.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from counterfoil.base.postgres.launcher import DATABASE
from counterfoil.base.postgres.logins import SERVER
from counterfoil.cli.local.drills.payments import KillMissed, Practice, Verdict
from tests.chaos.wire import Cut, Wire

CUTS: tuple[tuple[Cut, str], ...] = (
    ("after", "counterfoil-server"),
    ("after", "counterfoil-worker"),
    ("before", "counterfoil-server"),
    ("before", "counterfoil-worker"),
)
HIT_S = 60


class Cuts(Practice):
    """A world whose processes reach the database through the wire; what looks at it afterwards goes past it."""

    def __init__(self, folder: Path) -> None:
        self.wire = Wire(lambda: self.world.postgres.url_of(DATABASE, login=SERVER))
        through = f"postgresql://{SERVER}@127.0.0.1:{self.wire.port}/{DATABASE}?sslmode=disable&gssencmode=disable"
        super().__init__(folder, {"COUNTERFOIL_DATABASE_URL": through})
        self.answers: list[str] = []

    def ask(self, method: str, path: str, key: str | None, **more: Any) -> Any:
        told = super().ask(method, path, key, **more)
        if path.endswith("/invoices/issue"):
            self.answers += told["invoiceIds"]
        return told

    def suffer(self, cuts: int) -> None:
        """So many cuts, by turns of each kind and of server and workers, while customers pay without a pause."""
        done, failed = threading.Event(), []

        def pay() -> None:
            try:
                while not done.is_set():
                    self.traffic()
            except (KillMissed, httpx2.HTTPError) as error:
                failed.append(error)

        paying = threading.Thread(target=pay)
        paying.start()
        try:
            for number in range(cuts):
                self.supervise()
                self.wire.arm(*CUTS[number % len(CUTS)])
                end = time.monotonic() + HIT_S
                while self.wire.armed() and not failed:
                    if time.monotonic() > end:
                        raise KillMissed(f"nobody wrote anything within {HIT_S} s")
                    time.sleep(0.005)
                if failed:
                    raise failed[0]
        finally:
            done.set()
            paying.join()
        if failed:
            raise failed[0]

    def verdict(self) -> Verdict:
        """As after any crash; and no answer said what is not so, nothing is there that no answer said, nobody was made to pay again."""
        lost, doubled, differences = super().verdict()
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            there = {row[0] for row in conn.execute("select id from invoice").fetchall()}
            records = conn.execute("select count(*) from usage_record").fetchone()
        told = Counter(self.answers)
        lost += [f"answered and not there: {invoice}" for invoice in told.keys() - there]
        doubled += [f"there and in no answer: {invoice}" for invoice in there - told.keys()]
        doubled += [f"issued twice: {invoice}" for invoice, times in told.items() if times > 1]
        if records != (self.invoices,):
            differences.append(f"{records} records of usage, sent were {self.invoices}")
        return Verdict(lost, doubled, differences)


def main(arguments: list[str] | None = None) -> int:
    """Cut, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.cuts", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cuts", type=int, default=300, help="how many commits are cut; 300 when left out")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="counterfoil-cuts-") as folder:
        chaos = Cuts(Path(folder))
        began = time.monotonic()
        with chaos.wire, chaos.running():
            chaos.suffer(options.cuts)
            verdict = chaos.verdict()
        print(f"{options.cuts} cuts in {time.monotonic() - began:.0f} s, {chaos.invoices} invoices")
        for (cut, who), count in sorted(chaos.wire.cuts.items()):
            print(f"  {count:4}  {cut} the commit, {who}")
        for line in (*verdict.lost, *verdict.doubled, *verdict.differences):
            print(f"  ! {line}")
        print(verdict)
    return 0 if verdict.clean() and chaos.wire.cuts.total() == options.cuts else 1


if __name__ == "__main__":
    sys.exit(main())
