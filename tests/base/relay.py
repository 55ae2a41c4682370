"""Stands between a process and its PostgreSQL, to lose the answer to a commit that has landed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.base.edge import Database

_COMMITTED = b"C\0\0\0\x0bCOMMIT\0"  # CommandComplete, as PostgreSQL says it


class Relay:
    """Passes on all bytes both ways; told so, it ends a connection in the place of telling it that its commit has landed."""

    def __init__(self, url: str) -> None:
        """In front of the server of this address."""
        self.url, self.lost = url, 0
        self._armed = threading.Event()
        self._door = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._door.close()

    def lose_next_acknowledgement(self) -> None:
        """Of the next commit that lands, its client learns nothing."""
        self._armed.set()

    @contextmanager
    def database(self) -> Iterator[Database]:
        """The database behind it, through it."""
        host, port = self._door.getsockname()
        opened = Database(make_conninfo(self.url, host=host, port=port)).open()
        yield opened
        opened.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = self._server()
                threading.Thread(target=self._pass_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, True), daemon=True).start()

    def _server(self) -> socket.socket:
        said = conninfo_to_dict(self.url)
        host, port = str(said["host"]), int(said.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        found = socket.socket(socket.AF_UNIX)
        found.connect(str(Path(host) / f".s.PGSQL.{port}"))
        return found

    def _pass_on(self, one: socket.socket, other: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while told := one.recv(65_536):
                if answers and self._armed.is_set() and _COMMITTED in told:
                    self._armed.clear()
                    self.lost += 1
                    break
                other.sendall(told)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
