"""Is a connection from the pool still one? Asked before each transaction, without asking the server."""

from __future__ import annotations

import select
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool


def check_alive(conn: Connection[Any]) -> None:
    """Return when the connection may be used; raise what psycopg raises when it is gone.

    A server that ended it, or a proxy, has written so, or closed it: either can be read, and then the server is asked. Nothing to read
    is what a connection is like that works, and asking each time would be one of five trips of a small transaction.
    """
    waiting = select.poll()
    waiting.register(conn.fileno(), select.POLLIN | select.POLLPRI)
    if waiting.poll(0):
        ConnectionPool.check_connection(conn)
