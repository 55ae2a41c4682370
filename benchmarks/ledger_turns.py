"""What is measured in turns, both sides of a ratio in the same noise: `python -m benchmarks.ledger_turns --old FOLDER [--quick]`.

Writers that share a line, callers that are gathered, many accounts and single movements over HTTP are measured as a part of
`benchmarks.ledger`; by itself this measures the ledger of an older checkout, which has an environment of its own in `.venv`, beside this
one. Each side has a process and a private server; one block of work of the one is followed by the same block of the other, and the
ratio of each pair counts, by the median.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import harness, http_posts
from benchmarks.ledger_load import ACCOUNTS

FULL: Final = 8_192
CALLERS: Final = 256
TIMED: Final = ("server_us", "client_us", "p50_ms", "p99_ms", "per_commit")
MANY: Final = 10**6  # accounts
MANY_QUICK: Final = 10**5
CLIENTS: Final = (32, 128)  # over HTTP
HERE: Final = Path(__file__).resolve().parent
Figures = dict[str, Any]


class Pairs(NamedTuple):
    """What both sides did, block by block."""

    ours: list[Figures]
    theirs: list[Figures]

    def ratio(self, name: str = "per_s") -> float:
        """Ours by theirs, the median of the pairs."""
        return round(harness.percentile([mine[name] / other[name] for mine, other in zip(self.ours, self.theirs, strict=True)], 0.5), 3)


def middle(blocks: list[Figures], name: str) -> float:
    """The median of a figure."""
    return harness.percentile([one[name] for one in blocks], 0.5)


class Process:
    """A side in a process of its own: see `benchmarks.ledger_side`."""

    def __init__(self, checkout: Path, interpreter: Path, accounts: int) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), str(checkout / "src")])}
        self.process = subprocess.Popen(
            [interpreter, "-P", HERE / "ledger_side.py", str(accounts)],
            cwd=checkout,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, act: str, **asked: Any) -> Figures:
        """What came of a block of work. Raises RuntimeError when the side ended; what it said stands in this program's own error output."""
        if self.process.stdin is None or self.process.stdout is None:
            raise RuntimeError("the side has no lines")
        print(json.dumps({"act": act, **asked}), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the side ended with {self.process.wait()}")
        found: Figures = json.loads(line)
        return found

    def close(self) -> None:
        """No more is asked; it stops its server and ends."""
        self.process.communicate(timeout=60)


@contextmanager
def side_of(checkout: Path | None = None, *, accounts: int = ACCOUNTS) -> Iterator[Process]:
    """The side of a checkout; of this one, if none is named. Raises FileNotFoundError when it has no environment."""
    interpreter = checkout.resolve() / ".venv" / "bin" / "python" if checkout else Path(sys.executable)
    if not interpreter.exists():
        raise FileNotFoundError(f"{interpreter}: an older checkout needs an environment of its own (`make setup` in it)")
    side = Process(checkout.resolve() if checkout else HERE.parent, interpreter, accounts)
    try:
        yield side
    finally:
        side.close()


class Size(NamedTuple):
    """How much is done."""

    rounds: int
    batches: int
    seconds: float
    many: int  # accounts


FULLY: Final = Size(rounds=12, batches=16, seconds=6.0, many=MANY)
QUICKLY: Final = Size(rounds=3, batches=8, seconds=2.0, many=MANY_QUICK)


def of_this(size: Size) -> Figures:
    """Ratios of this checkout by itself: two writers that share a line, many accounts; and the rates of callers, gathered and over HTTP."""
    one, two, few, many = [], [], [], []
    with side_of() as side, side_of(accounts=size.many) as wide:
        for each in (side, wide):
            each.ask("waiting", size=FULL, batches=3)
        for _ in range(size.rounds):
            one.append(side.ask("lane", size=FULL, batches=size.batches, writers=1, ahead=1))
            two.append(side.ask("lane", size=FULL, batches=size.batches // 2, writers=2, ahead=1))
            few.append(side.ask("ahead", size=FULL, batches=size.batches))
            many.append(wide.ask("ahead", size=FULL, batches=size.batches))
        side.ask("gathered", callers=CALLERS, seconds=1.0)
        gathered = [side.ask("gathered", callers=CALLERS, seconds=size.seconds) for _ in range(size.rounds)]
    line, accounts = Pairs(two, one), Pairs(many, few)
    _show({"two writers in one line, one writer": line, f"{size.many:,} accounts, {ACCOUNTS:,}": accounts})
    return {
        "line_writer_per_s": round(middle(one, "per_s")),
        "line_two_writers_per_s": round(middle(two, "per_s")),
        "line_two_writers_ratio": line.ratio(),
        "many_accounts": size.many,
        "many_accounts_per_s": round(middle(many, "per_s")),
        "many_accounts_ratio": accounts.ratio(),
        "gathered_per_s": round(middle(gathered, "per_s")),
        "gathered_p99_ms": round(middle(gathered, "p99_ms"), 2),
        **over_http(size.seconds),
    }


def over_http(seconds: float) -> Figures:
    """Single movements over HTTP, by 32 and by 128 clients."""
    figures: Figures = {}
    with harness.private_server() as postgres, http_posts.server(postgres) as (url, key):
        http_posts.load(url, key, CLIENTS[0], 1.0)  # warm
        for clients in CLIENTS:
            found = http_posts.load(url, key, clients, seconds)
            print(f"over HTTP, {clients} clients: {found.posts_per_s:,.0f}/s, p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms")
            figures |= {f"http_{clients}_per_s": round(found.posts_per_s), f"http_{clients}_p99_ms": round(found.p99_ms, 2)}
    return figures


def against(old: Path, size: Size) -> Figures:
    """This checkout and an older one, in turns: one writer that waits and one that sends ahead, against the older one's, which waits;
    callers gathered."""
    waiting, ahead, gathered = Pairs([], []), Pairs([], []), Pairs([], [])
    with side_of() as ours, side_of(old) as theirs:
        for side in (ours, theirs):  # warm: accounts are read, plans made
            side.ask("waiting", size=FULL, batches=3)
            side.ask("gathered", callers=CALLERS, seconds=1.0)
        ours.ask("ahead", size=FULL, batches=size.batches)
        for _ in range(size.rounds):
            waiting.ours.append(ours.ask("waiting", size=FULL, batches=size.batches))
            before = theirs.ask("waiting", size=FULL, batches=size.batches)
            waiting.theirs.append(before)
            ahead.theirs.append(before)
            ahead.ours.append(ours.ask("ahead", size=FULL, batches=size.batches))
        for _ in range(size.rounds):
            gathered.ours.append(ours.ask("gathered", callers=CALLERS, seconds=size.seconds))
            gathered.theirs.append(theirs.ask("gathered", callers=CALLERS, seconds=size.seconds))
    _show({"waits, this and the older": waiting, "sent ahead, and the older that waits": ahead, f"{CALLERS} callers gathered": gathered})
    return {
        "old_per_s": round(middle(waiting.theirs, "per_s")),
        "waiting_to_old": waiting.ratio(),
        "ahead_to_old": ahead.ratio(),
        "waiting_server_us_to_old": waiting.ratio("server_us"),
        "ahead_server_us_to_old": ahead.ratio("server_us"),
        "old_gathered_per_s": round(middle(gathered.theirs, "per_s")),
        "gathered_to_old": gathered.ratio(),
        "gathered_p99_to_old": gathered.ratio("p99_ms"),
    }


def _show(runs: dict[str, Pairs]) -> None:
    rows = []
    for label, pairs in runs.items():
        for which, blocks in zip(("the first", "the second"), pairs, strict=True):
            timed = [f"{middle(blocks, name):.1f}" if name in blocks[0] else "" for name in TIMED]
            rows.append([f"{label}: {which}", middle(blocks, "per_s"), *timed])
        rows.append([f"{label}: by pair", f"{pairs.ratio():.2f}", *[""] * len(TIMED)])
    harness.table(["in turns, median block", "per s", "server µs", "own µs", "p50 ms", "p99 ms", "a commit"], rows)


def main() -> None:
    """Measure, print a table, and one JSON object last. Without an older checkout there is nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=Path, help="an older checkout, with its environment in .venv")
    parser.add_argument("--quick", action="store_true", help="about a minute")
    options = parser.parse_args()
    harness.last_line(against(options.old, QUICKLY if options.quick else FULLY) if options.old else {})


if __name__ == "__main__":
    main()
