"""Passwords of database logins, in a password file of PostgreSQL: read at each connection, so that one may change while everything runs.

The file's form is libpq's: a line `host:port:database:login:password` each, where `*` stands for any and `\\` goes before a `:` or `\\`
that is part of a word. While a password is being changed, the file holds two lines for the login. Whoever connects tries the first, then
the other, and reads the file again before it gives up: at no moment is there a connection that no line lets in.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from psycopg import OperationalError
from psycopg.conninfo import conninfo_to_dict

from counterfoil.base.postgres.ahead import SpeakingConnection

LOOK_EVERY_S: Final = 1.0
OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_WORD: Final = r"((?:\\.|[^\\:])*)"
_LINE: Final = re.compile(rf"{_WORD}:{_WORD}:{_WORD}:{_WORD}:(.*)")


class Login(NamedTuple):
    """Where and as whom one connects, in the words that a line is compared with."""

    hosts: tuple[str, ...]
    ports: tuple[str, ...]
    database: str
    user: str


class Line(NamedTuple):
    """A line of a password file as it stands there, and its words; a comment or what cannot be read has none."""

    text: str
    words: tuple[str, ...] = ()

    @property
    def password(self) -> str:
        """Its last word."""
        return self.words[-1]

    def suits(self, login: Login) -> bool:
        """Is it the line of this login?"""
        if not self.words:
            return False
        host, port, database, user, _ = self.words
        return (
            (host == "*" or host in login.hosts)
            and (port == "*" or port in login.ports)
            and database in ("*", login.database)
            and user in ("*", login.user)
        )

    def with_password(self, password: str) -> Line:
        """The same place and login, with another password."""
        words = (*self.words[:-1], password)
        return Line(":".join(re.sub(r"([\\:])", r"\\\1", word) for word in words), words)


def read_line(text: str) -> Line:
    """One line. Words are divided by `:`; a `\\` makes the character behind it part of the word. The password is all that is left."""
    found = None if text.startswith("#") else _LINE.fullmatch(text)
    return Line(text) if found is None else Line(text, tuple(re.sub(r"\\(.)", r"\1", word) for word in found.groups()))


def login_of(url: str, environment: Mapping[str, str] = os.environ) -> Login:
    """Where this address leads, with libpq's own defaults. A socket is `localhost` to a password file, as its folder is."""
    given = {key: str(value) for key, value in conninfo_to_dict(url).items() if value is not None}
    hosts = (given.get("host") or given.get("hostaddr") or environment.get("PGHOST") or "localhost").split(",")
    user = given.get("user") or environment.get("PGUSER") or ""
    return Login(
        tuple(word for host in hosts for word in ((host, "localhost") if host.startswith(("/", "@")) else (host,))),
        tuple((given.get("port") or environment.get("PGPORT") or "5432").split(",")),
        given.get("dbname") or environment.get("PGDATABASE") or user,
        user,
    )


def password_file(url: str, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Which file libpq takes this login's password from; None when the address or the environment holds the password itself,
    or names a service."""
    given = conninfo_to_dict(url)
    if given.get("password") is not None or environment.get("PGPASSWORD") is not None:
        return None
    if given.get("service") or environment.get("PGSERVICE"):
        return None  # where it leads stands in a file of libpq's: it looks for the password, too
    named = given.get("passfile") or environment.get("PGPASSFILE")
    return Path(str(named)) if named else Path.home() / ".pgpass"


def lines_of(file: Path) -> list[Line]:
    """The lines of a file that only its owner can read; none when it is not there or open to others: libpq passes over it, too."""
    try:
        if file.stat().st_mode & OPEN_TO_OTHERS:
            return []
        return [read_line(text) for text in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return []


def passwords_of(url: str) -> list[str]:
    """The passwords that may let this login in, the likeliest first. None when there is no file, or no line of it."""
    file = password_file(url)
    if file is None:
        return []
    login = login_of(url)
    return list(dict.fromkeys(line.password for line in lines_of(file) if line.suits(login)))


class FileConnection(SpeakingConnection):
    """A connection whose password is looked up when it is made. `begun_at`: when its transaction began, by the database's clock; not
    known of one that speaks ahead."""

    begun_at: datetime | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **given: Any) -> Self:
        """As psycopg's own, with each password of the file until one lets it in. Raises what the last try raised."""
        tried: list[str] = []
        while (password := _untried(conninfo, tried)) is not None:
            try:
                return super().connect(conninfo, password=password, **given)
            except OperationalError as error:
                tried.append(password)
                if _untried(conninfo, tried) is None:  # the file is read again: it may have changed since it was read first
                    raise error
        return super().connect(conninfo, **given)


def password_now(url: str) -> str | None:
    """For a program that tries one password alone: the one of the file that lets this login in. Raises what connecting raises."""
    found = passwords_of(url)
    if len(found) < 2:
        return found[0] if found else None
    with FileConnection.connect(url) as conn:
        return conn.info.password


def _untried(conninfo: str, tried: Iterable[str]) -> str | None:
    return next((one for one in passwords_of(conninfo) if one not in tried), None)


class PasswordWatch:
    """Has the password that connections are made with changed?"""

    def __init__(self, url: str) -> None:
        """For the login of `url`; what its file holds now has not changed."""
        self._url = url
        self._file = password_file(url)
        self._stat = self._seen()
        self._first = passwords_of(url)[:1]

    @property
    def watches(self) -> bool:
        """Is there anything to look at: did the file hold a password of this login?"""
        return bool(self._first)

    def changed(self) -> bool:
        """True once for each change of the first password. One thread asks, about each second."""
        if (stat_now := self._seen()) == self._stat:
            return False
        first = passwords_of(self._url)[:1]
        was, self._stat = self._first, stat_now
        self._first = first or was
        return self._first != was

    def _seen(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat() if self._file else None
        except OSError:
            return None
        return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)


def write_lines(file: Path, lines: Iterable[Line]) -> None:
    """Put the file in place of the old one, whole and on the disk, readable by its owner alone and owned by whom it was."""
    beside = file.with_name(f".{file.name}.new")
    beside.unlink(missing_ok=True)
    before = file.stat()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.writelines(f"{line.text}\n" for line in lines)
            opened.flush()
            os.fsync(opened.fileno())
        if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(beside, before.st_uid, before.st_gid)  # the server may run as somebody else than who rotates
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def positions(lines: Iterable[Line], login: Login) -> Iterator[int]:
    """Which lines are of this login."""
    return (place for place, line in enumerate(lines) if line.suits(login))
