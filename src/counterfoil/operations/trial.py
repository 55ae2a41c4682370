"""Trying what is only proposed: it is done and taken back, and whoever previews it hears before that what it would have done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from psycopg import Connection

Hear = Callable[[Connection[Any]], None]
_hears: Final[ContextVar[Hear | None]] = ContextVar("hears_trials", default=None)


@contextmanager
def trial(conn: Connection[Any]) -> Iterator[None]:
    """All that is done within is taken back at its end. What it raises is raised: nobody proposes what cannot be done."""
    with conn.transaction(force_rollback=True):
        yield
        hear = _hears.get()
        if hear is not None:
            hear(conn)


@contextmanager
def trials_heard(hear: Hear) -> Iterator[None]:
    """Within, `hear` is called at the end of each trial, while what it did is still there."""
    token = _hears.set(hear)
    try:
        yield
    finally:
        _hears.reset(token)
