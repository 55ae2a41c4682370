"""`counterfoil proof export`: the proof is made at the server, and here is shown how far it is, however long it takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from counterfoil.base.edge import make_id
from counterfoil.base.text import printable
from counterfoil.cli.core.output import Json, say
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem, Unreachable
from counterfoil.client.transport import IN_FLIGHT

EXPORTS: Final = "/api/proof-exports"
LOOK_EVERY_S: Final = 1.0
LINE_EVERY_S: Final = 30.0  # where there is no terminal to draw a bar on
ROWS: Final = 20


def export_followed(client: Client, body: Json) -> Json:
    """The proof that was made. On standard error it is shown what the server does, how many entries are done of how many, and when nothing
    is heard of it. Raises ApiProblem, Unreachable."""
    key, ended = f"cli-{make_id('key')}", list[Any]()
    known = _newest(client)

    def make() -> None:
        try:
            ended.append(_made(client, body, key))
        except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
            ended.append(error)

    thread = threading.Thread(target=make, name="export", daemon=True)
    thread.start()
    try:
        with _shown() as show:
            while thread.is_alive():
                thread.join(LOOK_EVERY_S)
                if thread.is_alive() and (found := _look(client, body, known)):
                    show(found)
    except KeyboardInterrupt:
        say("It goes on at the server: counterfoil proof exports")
        raise
    if isinstance(ended[0], BaseException):
        raise ended[0]
    done: Json = ended[0]
    return done


def _made(client: Client, body: Json, key: str) -> Json:
    """A server that is at it longer than an answer may take is asked again, for the same."""
    while True:
        try:
            return client.post("/api/proofs", body, key=key)
        except ApiProblem as problem:
            if problem.name != IN_FLIGHT:
                raise
        time.sleep(LOOK_EVERY_S)


def _newest(client: Client) -> str:
    """The export that is the newest by now: ours is newer."""
    try:
        return next((str(one["id"]) for one in client.every(EXPORTS, rows_max=1)), "")
    except (ApiProblem, Unreachable):
        return ""


def _look(client: Client, body: Json, known: str) -> Json | None:
    """Our export, as it stands now; None while nothing is known of it, or this key may not look."""
    try:
        rows = list(client.every(EXPORTS, rows_max=ROWS, state="running"))
    except (ApiProblem, Unreachable):
        return None
    ours = [one for one in rows if one["id"] > known and _same(one["fromAt"], body["from"]) and _same(one["toAt"], body["to"])]
    return min(ours, key=lambda one: str(one["id"]), default=None)


def _same(one: str, other: str) -> bool:
    return datetime.fromisoformat(one) == datetime.fromisoformat(other)


def told(export: Json) -> str:
    """What it does, and whether it lives."""
    silent = export["silentS"]
    doing = printable(str(export["stage"]))
    return doing if silent is None else f"{doing}. Nothing was heard of it for {silent} s: its process may be gone"


@contextmanager
def _shown() -> Iterator[Callable[[Json], None]]:
    """A bar at a terminal; elsewhere a line now and then."""
    console = Console(stderr=True)
    last = [time.monotonic()]

    def line(export: Json) -> None:
        if time.monotonic() - last[0] >= LINE_EVERY_S:
            last[0] = time.monotonic()
            console.print(f"{export['entriesDone']:,} of {export['entries'] or 0:,} entries. {told(export)}", markup=False)

    if not console.is_terminal:
        yield line
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("It begins", total=None)
        yield lambda export: bar.update(task, completed=export["entriesDone"], total=export["entries"], description=told(export))
