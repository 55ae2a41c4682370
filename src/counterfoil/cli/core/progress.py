"""What a long work is doing: a reconciliation, shown while it takes more than two seconds; and any thing, followed until it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import typer
from rich.console import Console

from counterfoil.cli.core.output import SHOWN_AFTER_S, Json
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem, Unreachable

LOOK_EVERY_S: Final = 1.0
RUNS_SEEN: Final = 20


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


def follow(look: Callable[[], Json], said: Callable[[Json], str], is_over: Callable[[Json], bool], *, wait_s: float) -> Json:
    """Looks every second until it is over, at most `wait_s` seconds, and says on standard error each time that something has changed.

    The thing as it was seen last; to stop looking changes nothing of it. A server that is away meanwhile is asked again.
    """
    end, last, found = time.monotonic() + wait_s, "", look()
    while True:
        if (now := said(found)) != last:
            typer.echo(now, err=True)
            last = now
        left = end - time.monotonic()
        if is_over(found) or left <= 0:
            return found
        time.sleep(min(LOOK_EVERY_S, left))
        with suppress(Unreachable):
            found = look()
