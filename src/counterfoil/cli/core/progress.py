"""What a long work is doing: a reconciliation, shown while it takes more than two seconds; a file, as far as it is taken in; and any
thing, followed until it is over."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from counterfoil.cli.core.output import SHOWN_AFTER_S, Json
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem, Unreachable
from counterfoil.client.transport import AGAIN_AT

LOOK_EVERY_S: Final = 1.0
TOLD_EVERY_S: Final = 10.0  # where nobody watches a bar: in the log of a job, or through a pipe
STILL_AFTER_S: Final = 60.0
RUNS_SEEN: Final = 20
AWAY_SAID: Final = "The server does not answer. What is under way goes on without it; it is asked again."


@contextmanager
def watching(client: Client) -> Iterator[None]:
    """Shows what the run under way does; every look is a question of its own to the server."""
    ended = threading.Event()
    thread = threading.Thread(target=_watch, args=(client, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _watch(client: Client, ended: threading.Event) -> None:
    if ended.wait(SHOWN_AFTER_S):
        return
    with Console(stderr=True).status("Reconciling …") as status:
        while not ended.wait(LOOK_EVERY_S):
            try:
                rows = client.get("/api/reconciliation/runs", limit=RUNS_SEEN)["data"]
            except (ApiProblem, Unreachable):
                continue  # a key that may not read, or a server that is busy: the answer comes all the same
            if under_way := [one for one in rows if one["state"] == "running"]:
                one = under_way[0]
                status.update(f"{one['source']}, {one['firstOn']} to {one['lastOn']}: {one['progress'] or 'it begins'} …")


@contextmanager
def taken_in(what: str, *, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[int, int], None]]:
    """How far a file is, on standard error: a bar at a terminal, elsewhere a line every ten seconds. It is told how much of how much."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    told_at = clock()

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        if clock() - told_at >= TOLD_EVERY_S:
            told_at = clock()
            typer.echo(f"{what}: {100 * done // max(total, 1)} % is taken in.", err=True)

    yield tell


def follow(look: Callable[[], Json], said: Callable[[Json], str], is_over: Callable[[Json], bool], *, wait_s: float, still: str) -> Json:
    """Looks every second until it is over, at most `wait_s` seconds, and says on standard error each time that something has changed;
    `still`, once nothing has for a minute.

    The thing as it was seen last; to stop looking changes nothing of it. A server, or its database, that is away meanwhile is asked again,
    which is said. Raises Unreachable, ApiProblem where it was away all the time.
    """
    changed_at = time.monotonic()
    end, last, told_still = changed_at + wait_s, "", False
    found: Json | None = None
    while True:
        away: Exception | None = None
        try:
            found = look()
        except (Unreachable, ApiProblem) as error:
            if isinstance(error, ApiProblem) and error.kind != "busy" and error.status not in AGAIN_AT:
                raise
            away = error
        now = said(found) if found is not None and away is None else AWAY_SAID
        if now != last:
            typer.echo(now, err=True)
            last, changed_at, told_still = now, time.monotonic(), False
        elif not told_still and time.monotonic() - changed_at >= STILL_AFTER_S:
            typer.echo(still, err=True)
            told_still = True
        left = end - time.monotonic()
        if found is not None and away is None and is_over(found):
            return found
        if left <= 0 and found is not None:
            return found
        if left <= 0 and away is not None:
            raise away
        time.sleep(min(LOOK_EVERY_S, left))
