"""The brakes that hold now, as the top of every page says them."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.operations.work.pauses import Pause, paused_now


class BrakesTold(NamedTuple):
    """How many parts of queues are paused; `machine`: how many of them by the machine, for an incident; `said`: the first of them."""

    number: int
    machine: int
    said: str


def brakes_told(conn: Connection[Any], *, only: str | None) -> BrakesTold:
    """What is paused now, what the machine paused first; for who sees one program what is of it, or of all."""
    found = sorted(
        (one for one in paused_now(conn) if only in (None, one.program_id) or not one.program_id), key=lambda one: not one.by_machine
    )
    return BrakesTold(len(found), sum(one.by_machine for one in found), _said(found[0]) if found else "")


def _said(one: Pause) -> str:
    of = ", ".join(filter(None, (one.provider, one.program_id)))
    return f"{one.queue} of {of}" if of else one.queue
