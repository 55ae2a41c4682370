"""Reaching the database: within three seconds it answers, or it is said in plain words what is the matter, and where."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

from counterfoil.base.postgres.passwords import FileConnection
from counterfoil.base.problems import DatabaseAway, Problem

REACHED_WITHIN_S: Final = 2.8  # said within three seconds; libpq's own patience begins anew with each address of a name
_PASSING: Final = ("starting up", "shutting down", "recovery", "too many", "reserved for")


class DatabaseLoginRefused(Problem):
    """The database is there and does not let this login in; nothing was changed."""


def address_of(url: str) -> str:
    """Where it is and with which login, without the password: `deploy@db.example:5432/books`."""
    given = conninfo_to_dict(url)
    host = str(given.get("host") or given.get("hostaddr") or "the local socket")
    port = f":{given['port']}" if given.get("port") else ""
    login = f"{given['user']}@" if given.get("user") else ""
    return f"{login}{host}{port}/{given.get('dbname') or given.get('user') or ''}"


@contextmanager
def connected(url: str) -> Iterator[Connection[Any]]:
    """A connection for the block, committed at its end. Raises DatabaseAway, DatabaseLoginRefused, each within 3 s."""
    with _connect(url) as conn:
        yield conn


def refuse_unless_reached(url: str) -> None:
    """Raises DatabaseAway, DatabaseLoginRefused, each within 3 s."""
    with connected(url):
        pass


def _connect(url: str) -> Connection[Any]:
    """In a thread of its own: a name that is looked up, or an address that swallows packets, is waited for no longer than this."""
    made: list[Connection[Any] | psycopg.Error] = []
    late = threading.Event()
    turn = threading.Lock()

    def reach() -> None:
        found: Connection[Any] | psycopg.Error
        try:
            found = FileConnection.connect(url, connect_timeout=int(REACHED_WITHIN_S))
        except psycopg.Error as error:
            found = error
        with turn:
            made.append(found)
            if late.is_set() and isinstance(found, Connection):
                found.close()

    thread = threading.Thread(target=reach, daemon=True)
    thread.start()
    thread.join(REACHED_WITHIN_S)
    with turn:
        if not made:
            late.set()
            raise DatabaseAway(address=address_of(url), limit="an answer within 3 s")
    if isinstance(made[0], Connection):
        return made[0]
    raise _refusal(url, made[0]) from made[0]


def is_refusal(error: psycopg.Error) -> bool:
    """Did the database answer that it does not let this login in? One that is full, starts or stops has not answered that."""
    said = str(error)
    return "FATAL" in said and not any(word in said for word in _PASSING)


def _refusal(url: str, error: psycopg.Error) -> Problem:
    lines = str(error).strip().splitlines()
    said = lines[0] if lines else type(error).__name__
    return (DatabaseLoginRefused if is_refusal(error) else DatabaseAway)(address=address_of(url), detail=said)
