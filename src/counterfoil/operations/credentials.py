"""Changing the password of the database's login while servers and workers run: nobody is refused, and every step can be stopped.

1. The new password is written into the password file as a second line. From then on whoever connects tries both.
2. `alter role … password` and the event that tells it are one transaction. A login may change its own password; no right is needed.
3. The file keeps the new line alone. Each process sees that and puts new connections in place of those it has, as they fall free.
4. The database says which connections of before are left. When none is, nobody works with the old password any more.

Killed between two of them, the next run goes on from there: both passwords are in the file until the database has taken the new one.
"""

from __future__ import annotations

import fcntl
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection, OperationalError, errors

from counterfoil.base.edge import entropy, set_up
from counterfoil.base.failpoints import reached
from counterfoil.base.invariant import Invariant
from counterfoil.base.postgres.passwords import (
    FileConnection,
    Line,
    lines_of,
    login_of,
    password_file,
    positions,
    write_lines,
)
from counterfoil.base.postgres.reach import address_of, is_refusal
from counterfoil.base.problems import Problem
from counterfoil.operations.events.events import NewEvent, declare, emit

SEEN: Final = "database_password_seen"
ROTATED: Final = "database_password_rotated"
ENTROPY_BYTES: Final = 32
ELSEWHERE: Final = "none: the address or PGPASSWORD holds it, or a service names the place"
POLL_S: Final = 0.25
EVENT_KINDS: Final = declare(
    debug={SEEN: "A process connected to the database with a password, for the first time as this login."},
    info={ROTATED: "The password of the database's login was changed; the old one lets nobody in."},
)


class PasswordNotInFile(Problem, kind="invalid"):
    """The password of this login does not lie in a password file, so no running process would see another one."""

    todo = (
        "Write `host:port:database:login:password` into a file that only the server's user can read (mode 0600), name it in the address "
        "(`postgresql://login@host/database?passfile=/path`), take the password out of the address, and start the processes once more."
    )


class PasswordNotAsked(Problem):
    """The database lets this login in without its password, so changing it would change nothing."""

    todo = "Let the line of pg_hba.conf that this login meets ask for scram-sha-256, then try again."


class PasswordFileRefused(Problem):
    """No password of the file lets this login in. What is in the file stays there."""


class NotTheServersLogin(Problem):
    """This login may not act as the application, so the change could not be written down; its password is as it was."""

    todo = "Set COUNTERFOIL_DATABASE_URL to the login that serves and works; the administrator changes others by hand."


class LoginSession(NamedTuple):
    """A connection of this login that was there before the password was changed."""

    pid: int
    application: str
    address: str
    since: datetime
    state: str


class PasswordRotation(NamedTuple):
    """What came of it. `left`: the connections of before that are still there; `resumed`: an earlier run had been stopped half way."""

    login: str
    file: str
    rotated_at: datetime | None
    resumed: bool
    left: Sequence[LoginSession]


def prepare(url: str) -> Path:
    """Write a new password beside the one in use, for other machines to get the file before the password is changed.

    Raises PasswordNotInFile. Twice is as good as once: a password that is already there is kept.
    """
    file, lines, places = _found(url)
    if len(places) == 1:
        new = lines[places[0]].with_password(_new_password())
        write_lines(file, [*lines[: places[0] + 1], new, *lines[places[0] + 1 :]])
    return file


def rotate(url: str, *, actor: str, wait_s: float, ends: bool = False) -> PasswordRotation:
    """Change the password of the login of `url`, then wait until no connection of before is left, at most `wait_s` seconds.

    `ends`: those that are left then are ended by the database; what they were doing is rolled back.
    Raises PasswordNotInFile, PasswordNotAsked, PasswordFileRefused, NotTheServersLogin; psycopg.Error when the database is away: nothing
    was changed then, or the next run goes on.
    """
    with _alone(url):
        file = prepare(url)
        reached("after_password_prepared")
        _, lines, (now_used, following, *_) = _found(url)
        old, new = lines[now_used], lines[following]
        resumed = not _lets_in(url, old)
        if resumed and not _lets_in(url, new):
            raise PasswordFileRefused(address=address_of(url), file=str(file))
        with _connection(url, new if resumed else old) as conn:
            _refuse_unless_asked(conn, url, old)
            login = _login(conn)
            if not resumed:
                _alter(conn, login, url, (old, new), actor=actor)
            at = _rotated_at(conn, login)
            # Who was let in with the old one while it was being changed is older than the change, too.
            bound = at if resumed else _moment(conn)
        if _lets_in(url, old):
            raise PasswordNotAsked(address=address_of(url))
        if not _lets_in(url, new):
            raise PasswordFileRefused(address=address_of(url), file=str(file))
        reached("before_password_kept_alone")
        others = [line for place, line in enumerate(lines) if place not in (now_used, following)]
        write_lines(file, [*others[:now_used], new, *others[now_used:]])
    with _connection(url, new) as conn:
        left = _wait(conn, bound, wait_s)
        if left and ends:
            conn.execute("select pg_terminate_backend(pid, 5000) from unnest(%s::int[]) as s (pid)", [[one.pid for one in left]])
            left = _sessions(conn, bound)
    return PasswordRotation(login, str(file), at, resumed, left)


def standing(url: str) -> PasswordRotation:
    """When the password was changed last, and which connections are of before. Raises what connecting raises."""
    with FileConnection.connect(url, autocommit=True) as conn:
        login = _login(conn)
        at = _rotated_at(conn, login)
        file = password_file(url)
        found = file is not None and bool(list(positions(lines_of(file), login_of(url))))
        return PasswordRotation(login, str(file) if found else "", at, False, _sessions(conn, at) if at else [])


def _new_password() -> str:
    return urlsafe_b64encode(entropy(ENTROPY_BYTES)).decode().rstrip("=")


def _found(url: str) -> tuple[Path, list[Line], list[int]]:
    file = password_file(url)
    lines = [] if file is None else lines_of(file)
    login = login_of(url)
    # A line of `*` is other logins' password, too: what we change stands in lines of this login alone, alike but for the password.
    own = [place for place in positions(lines, login) if lines[place].words[3] == login.user]
    places = [place for place in own if lines[place].words[:-1] == lines[own[0]].words[:-1]]
    if file is None or not places:
        raise PasswordNotInFile(address=address_of(url), file=str(file) if file else ELSEWHERE)
    return file.resolve(), lines, places


def _connection(url: str, line: Line) -> Connection[Any]:
    return Connection.connect(url, password=line.password, autocommit=True)


def _lets_in(url: str, line: Line) -> bool:
    """Does this password let the login in? Raises OperationalError when the database is away, which is no answer."""
    try:
        _connection(url, line).close()
    except OperationalError as error:
        if not is_refusal(error):
            raise
        return False
    return True


def _refuse_unless_asked(conn: Connection[Any], url: str, old: Line) -> None:
    """Some other password must be refused: a server that asks for none lets everything in, and shows nothing."""
    if not conn.pgconn.used_password or _lets_in(url, old.with_password(_new_password())):
        raise PasswordNotAsked(address=address_of(url))


def _alter(conn: Connection[Any], login: str, url: str, passwords: tuple[Line, Line], *, actor: str) -> None:
    """What the server stores of a password is computed here: its log, its statistics and its messages never see the password itself."""
    old, new = passwords
    verifier = conn.pgconn.encrypt_password(new.password.encode(), login.encode(), b"scram-sha-256").decode()
    with conn.transaction():
        # Another machine may be doing the same from its own file: whoever comes second must not change what the first one has written down.
        conn.execute("select pg_advisory_xact_lock(hashtextextended('counterfoil password ' || session_user, 0))")
        if not _lets_in(url, old):
            raise PasswordFileRefused(address=address_of(url), changed="meanwhile, from another machine")
        # `alter role` takes no parameters; the text is made by the server's own quoting.
        row = conn.execute("select format('alter role %%I password %%L', session_user, %s::text), clock_timestamp()", [verifier]).fetchone()
        assert row is not None
        conn.execute(row[0])
        _as_application(conn, login)
        emit(conn, [NewEvent(ROTATED, "", f"login:{login}", {"by": actor}, once=row[1].isoformat())], at=row[1])


@contextmanager
def _alone(url: str) -> Iterator[None]:
    """One run at a time on this machine: each would write another password into the file, and one would be lost."""
    file, _, _ = _found(url)
    with file.with_name(f".{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _moment(conn: Connection[Any]) -> datetime:
    row = conn.execute("select clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def _login(conn: Connection[Any]) -> str:
    row = conn.execute("select session_user").fetchone()
    assert row is not None
    return str(row[0])


def _as_application(conn: Connection[Any], login: str, *, read_only: bool = False) -> None:
    try:
        set_up(conn, "counterfoil_app", read_only=read_only)
    except errors.InsufficientPrivilege as error:
        raise NotTheServersLogin(login=login) from error


def _rotated_at(conn: Connection[Any], login: str) -> datetime | None:
    with conn.transaction():
        _as_application(conn, login, read_only=True)
        row = conn.execute(
            "select max(at) from event where subject_id = %s and name = %s",
            [f"login:{login}", ROTATED],
        ).fetchone()
    return None if row is None else row[0]


def _sessions(conn: Connection[Any], before: datetime | None) -> list[LoginSession]:
    """The connections of this login that are older; a login sees its own. Who connected a moment before with the new one counts, too."""
    rows = conn.execute(
        """select pid, application_name, coalesce(host(client_addr), 'local'), backend_start, coalesce(state, '')
           from pg_stat_activity where usename = session_user and pid <> pg_backend_pid() and backend_start < %s order by backend_start""",
        [before],
    ).fetchall()
    return [LoginSession(*row) for row in rows]


def _wait(conn: Connection[Any], before: datetime | None, wait_s: float) -> list[LoginSession]:
    until = time.monotonic() + wait_s
    while (left := _sessions(conn, before)) and time.monotonic() < until:
        time.sleep(POLL_S)
    return left


def note_login(conn: Connection[Any], *, now: datetime) -> None:
    """A server or worker has connected with a password: from here its age is counted, until it is changed for the first time."""
    if conn.pgconn.used_password:
        subject = f"login:{_login(conn)}"
        known = conn.execute("select from event where subject_id = %s and name = %s", [subject, SEEN]).fetchone()
        if known is None:
            with suppress(errors.UniqueViolation), conn.transaction():  # two that start at once
                emit(conn, [NewEvent(SEEN, "", subject, {})], at=now)


MONITORS: Final = (
    Invariant(
        "PASSWORD_OLD",
        "Was the password of the database's login changed within the last 92 days?",
        """select 'login:' || r.rolname, max(e.at) as since from pg_roles r
           join event e on e.subject_id = 'login:' || r.rolname and e.name in ('database_password_seen', 'database_password_rotated')
           where r.rolcanlogin group by r.rolname having max(e.at) < %(now)s - interval '92 days'""",
        "warning",
        "Whoever saw it since then, in a backup of a machine or on somebody's screen, can still open the books with it.",
        "P18",
        monitor=True,
    ),
)
