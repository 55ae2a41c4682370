"""Stands between every process and PostgreSQL, reads along, and cuts connections at the one moment that matters: a commit."""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Never

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.base.edge import Database

Cut = Literal["before", "after"]  # the commit never arrives; or it lands, and its client does not learn it
BYTES = 1 << 16
_WRITES = (b"INSERT", b"UPDATE", b"DELETE", b"COPY")


# Is given bytes as they come, and gives back those that are passed on: whole messages.
Reader = Generator[bytes, bytes, Never]


class _Ended(Exception):
    """This connection is over."""


class Session:
    """What is known of one connection: who asked for it, and whether its transaction has written anything yet."""

    def __init__(self) -> None:
        self.who = ""
        self.wrote = False


class Wire:
    """Passes everything on. Told to, it cuts the next connection whose transaction has written and commits."""

    def __init__(self, target: Callable[[], str]) -> None:
        """`target` names the server's address; it is asked for each connection, since the server may be another by then."""
        self._target = target
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._lock = threading.Lock()
        self._armed: tuple[Cut, str] | None = None
        self.cuts: Counter[tuple[Cut, str]] = Counter()

    def __enter__(self) -> Wire:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._door.close()

    @contextmanager
    def database(self, url: str) -> Iterator[Database]:
        """The database of this address, through the wire."""
        opened = Database(make_conninfo(url, host="127.0.0.1", port=self.port, sslmode="disable", gssencmode="disable")).open()
        yield opened
        opened.close()

    def arm(self, cut: Cut, whose: str = "") -> None:
        """The next commit of something written is cut so, of a process whose name begins like this."""
        self._armed = (cut, whose)

    def armed(self) -> bool:
        """Does it still wait for one?"""
        return self._armed is not None

    def _hits(self, cut: Cut, session: Session) -> bool:
        with self._lock:
            if self._armed is None or self._armed[0] != cut or not session.wrote or not session.who.startswith(self._armed[1]):
                return False
            self._armed = None
            self.cuts[cut, session.who] += 1
            return True

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                try:
                    server = _connect(self._target())
                except OSError:  # it is not there at this moment
                    client.close()
                    continue
                session = Session()
                threading.Thread(target=self._pass_on, args=(client, server, self._asked(session)), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(server, client, self._told(session)), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket, keep: Reader) -> None:
        with suppress(OSError, _Ended):
            next(keep)
            while given := one.recv(BYTES):
                other.sendall(keep.send(given))
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _asked(self, session: Session) -> Reader:
        """From the client: the first message says who it is, all others carry their kind."""
        rest, begun = b"", False
        passed = b""
        while True:
            rest += yield passed
            passed = b""
            while (size := _size(rest, 0 if not begun else 1)) is not None:
                message, rest = rest[:size], rest[size:]
                if not begun:
                    begun, session.who = True, _who(message)
                elif message[:1] in b"QP" and b"COMMIT\0" in message.upper() and self._hits("before", session):
                    raise _Ended
                passed += message

    def _told(self, session: Session) -> Reader:
        """From the server: what each command did, until the word that a commit has landed."""
        rest = passed = b""
        while True:
            rest += yield passed
            passed = b""
            while (size := _size(rest, 1)) is not None:
                message, rest = rest[:size], rest[size:]
                if message[:1] == b"C":
                    tag = message[5:-1]
                    if tag.startswith(_WRITES) and not tag.endswith(b" 0"):
                        session.wrote = True
                    if tag == b"COMMIT" and self._hits("after", session):
                        raise _Ended
                    if tag in (b"COMMIT", b"ROLLBACK"):
                        session.wrote = False
                passed += message


def _size(given: bytes, kind: int) -> int | None:
    """How long the first message is, if all of it is there: a byte of its kind, where it has one, and its length with these four bytes."""
    if len(given) < kind + 4:
        return None
    size = kind + struct.unpack_from(">i", given, kind)[0]
    return size if len(given) >= size else None


def _who(startup: bytes) -> str:
    told = startup[8:].split(b"\0")
    names = dict(zip(told[::2], told[1::2], strict=False))
    return names.get(b"application_name", b"").decode().split(" ")[0] or "unnamed"


def _connect(url: str) -> socket.socket:
    said = conninfo_to_dict(url)
    host, port = str(said["host"]), int(said.get("port") or 5432)
    if not host.startswith("/"):
        return socket.create_connection((host, port))
    found = socket.socket(socket.AF_UNIX)
    found.connect(str(Path(host) / f".s.PGSQL.{port}"))
    return found
