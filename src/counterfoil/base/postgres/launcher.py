"""A PostgreSQL of our own, in a folder, reachable through a socket only: for the demo, `up` and the tests."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from counterfoil.base.postgres.binaries import COPIES, Identity, find, identify, major_of
from counterfoil.base.postgres.settings import default_settings, environment, locale_options
from counterfoil.base.problems import Busy, Problem

DATABASE: Final = "counterfoil"
SOCKET_PATH_MAX: Final = 100  # bytes; the kernel's limit is 108 on Linux and 104 on macOS
LOG_BYTES_MAX: Final = 10_000_000
INIT_TIMEOUT_S: Final = 120
OWNER: Final = "owner.lock"  # held by the process that stops the server
LOCK_TIMEOUT_S: Final = 180
START_TIMEOUT_S: Final = 600  # recovery after a crash may have gigabytes of log to replay
ORPHANS_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 60
_POLL_S: Final = 0.02
_POLL_MAX_S: Final = 0.5
_ORPHANS: Final = ("pre-existing shared memory block", "is another postmaster")


class PostgresNotStarted(Problem):
    """The private PostgreSQL does not start."""


class PrivatePostgres:
    """A server whose data lives in `folder`. `start` it, use `url`, `stop` it; or use it as a context manager.

    A second process that starts it on the same folder uses the running server, and leaves it running when it stops. With
    `die_with_parent` the server shuts down when the thread that started it ends, however that happens; without, the next
    `start` finds it and takes it over. Survives a kill of initdb, of the server and of its parent at any moment.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        settings: Mapping[str, str] | None = None,
        die_with_parent: bool = True,
        binaries: str | None = None,
        database: str = DATABASE,
        superuser: str = "postgres",
        start_timeout_s: int = START_TIMEOUT_S,
    ) -> None:
        """`settings` go over ours (names and values as in postgresql.conf); `binaries` names the folder of programs to use. Data that
        came from elsewhere has its own `database` and `superuser`.

        Raises PostgresNotFound, PostgresNotStarted.
        """
        self.folder = Path(os.path.realpath(folder))
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(self.folder, os.W_OK | os.X_OK):
            raise PostgresNotStarted(folder=str(self.folder), detail="this user cannot write there")
        self.die_with_parent = die_with_parent
        self.database, self.superuser, self.start_timeout_s = database, superuser, start_timeout_s
        self.settings = {**default_settings(), **(settings or {})}
        self._asked_binaries = binaries
        self._owner: IO[bytes] | None = None  # held for as long as we are the one who stops it
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0  # where this start's lines begin
        self.binaries, self._identity, self._home = self._settle()
        self._data, self._log = self._home / "data", self._home / "postgres.log"
        self._socket = self._socket_folder()

    @property
    def url(self) -> str:
        """Where clients connect: the database of ours, as the superuser."""
        return self.url_of(self.database)

    @property
    def data(self) -> Path:
        """Where its data lies."""
        return self._data

    def url_of(self, database: str, *, login: str | None = None) -> str:
        """The same server, another database or login."""
        login = login or self.superuser
        return f"postgresql://{quote(login)}@/{quote(database)}?host={quote(str(self._socket), safe='')}"

    @property
    def pid(self) -> int | None:
        """The server's process, if it runs."""
        pid, running = self._recorded()
        return pid if running else None

    def start(self) -> PrivatePostgres:
        """Start the server, or use the one that runs; returns when it answers. Raises PostgresNotStarted, Busy."""
        deadline = time.monotonic() + self.start_timeout_s
        orphans_deadline = time.monotonic() + ORPHANS_TIMEOUT_S
        with self._locked("start.lock") as lock:
            self._own()
            while True:
                pid, running = self._recorded()
                if not running:
                    self._initialise(lock)
                    self._launch(stale=pid)
                if self._answers(deadline):
                    return self
                self._refuse_unless_orphaned(orphans_deadline)

    def stop(self) -> None:
        """Stop the server if it is ours to stop; sessions are ended and rolled back. Nothing happens if it is another's."""
        if self._owner is None:
            return
        with self._locked("start.lock"):
            self._signal_until_gone()
            self._owner.close()  # before anybody else may start it, who must then be able to own it
            self._owner = None

    def __enter__(self) -> PrivatePostgres:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def adopt(self) -> None:
        """Give data that was put there to the user whom the server runs as."""
        if self._identity.how == "user":
            for path in (self._data, *self._data.rglob("*")):
                os.chown(path, self._identity.uid, self._identity.gid, follow_symlinks=False)

    def said(self, what: re.Pattern[str]) -> str | None:
        """The first group of the last line of this start's log that this is found in."""
        with open(self._log, "rb") as log:
            log.seek(self._log_from)
            found = [match[1] for line in log if (match := what.search(line.decode(errors="replace")))]
        return found[-1].strip() if found else None

    # Where things lie.

    def _settle(self) -> tuple[Path, Identity, Path]:
        home = self.folder / "postgres"
        version = home / "data" / "PG_VERSION"
        try:
            data_major = int(version.read_text()) if version.exists() else None
        except (PermissionError, ValueError) as error:
            raise PostgresNotStarted(folder=str(self.folder), detail=f"{version} cannot be read") from error
        identity, binaries = identify(find(self._asked_binaries, data_major=data_major))
        if identity.how == "user":
            self._hand_over(home, identity)
        else:
            home.mkdir(mode=0o700, exist_ok=True)
        return binaries, identity, Path(os.path.realpath(home))

    def _hand_over(self, home: Path, identity: Identity) -> None:
        """Give the server's folder to its user; where that user cannot come, put it elsewhere and leave a link."""
        if home.exists():
            return
        self.folder.chmod(0o711)
        reached = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", self.folder],
            user=identity.uid,
            group=identity.gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        place = home
        if reached.returncode:
            COPIES.mkdir(mode=0o755, exist_ok=True)
            place = COPIES / _mark(self.folder)
            home.unlink(missing_ok=True)
            home.symlink_to(place)
        place.mkdir(mode=0o700, exist_ok=True)
        os.chown(place, identity.uid, identity.gid)

    def _socket_folder(self) -> Path:
        if len(os.fsencode(self._home / ".s.PGSQL.5432")) <= SOCKET_PATH_MAX:
            return self._home
        short = Path("/tmp") / f"counterfoil-{_mark(self.folder)}"  # noqa: S108  # checked below: ours, and closed to others
        short.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and self._identity.how == "user":
            os.chown(short, self._identity.uid, self._identity.gid)
        found = short.lstat()
        expected = self._identity.uid if self._identity.how == "user" else os.geteuid()
        if short.is_symlink() or found.st_uid != expected or found.st_mode & 0o077:
            raise PostgresNotStarted(folder=str(short), detail="this folder for the socket belongs to somebody else")
        return short

    # Locks: one for the moments of starting and stopping, one for as long as somebody is responsible for the server.

    @contextmanager
    def _locked(self, name: str) -> Iterator[IO[bytes]]:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        with open(self.folder / name, "ab") as file:
            while not _try_lock(file):
                if time.monotonic() > deadline:
                    raise Busy(what=str(self.folder), detail=f"another process starts or stops it for {LOCK_TIMEOUT_S} s")
                time.sleep(_POLL_S)
            yield file

    def _own(self) -> None:
        if self._owner is None:
            file = open(self.folder / OWNER, "ab")  # noqa: SIM115  # held until `stop`
            if _try_lock(file):
                self._owner = file
            else:
                file.close()

    # Starting.

    def _recorded(self) -> tuple[int | None, bool]:
        """The process that the server's pid file names, and whether it is this folder's server."""
        if self._process is not None:
            self._process.poll()  # a child that ended must not look alive
        try:
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None, False
        return pid, str(self._data) in _command_of(pid)

    def _initialise(self, lock: IO[bytes]) -> None:
        """Make the data folder under another name, then rename it: a half-made one is never used.

        initdb inherits our lock: if we are killed, nobody touches the folder until initdb is gone too.
        """
        if (self._data / "PG_VERSION").exists():
            return
        making = self._home / "data.making"
        shutil.rmtree(making, ignore_errors=True)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "-k", *locale_options(major_of(self.binaries))]
        if self.settings.get("fsync") == "off":
            options.append("--no-sync")
        command = self._identity.command(self.binaries / "initdb", "-D", making, *options, parent=os.getpid(), death_signal=signal.SIGKILL)
        made = subprocess.run(
            command,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=INIT_TIMEOUT_S,
            pass_fds=[lock.fileno()],
            check=False,
        )
        if made.returncode:
            raise PostgresNotStarted(folder=str(self.folder), detail=f"initdb: {(made.stderr or made.stdout)[-800:]}")
        making.rename(self._data)
        sync_folder(self._home)

    def _launch(self, *, stale: int | None) -> None:
        options = {**self.settings, "listen_addresses": "", "unix_socket_directories": str(self._socket)}
        command = self._identity.command(
            self.binaries / "postgres",
            "-D",
            self._data,
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            parent=os.getpid() if self.die_with_parent else 0,
            death_signal=signal.SIGINT,
        )
        variables = environment()
        if stale is not None:  # if that number is another program's by now, PostgreSQL must not take it for a server
            variables["PG_GRANDPARENT_PID"] = str(stale)
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES_MAX:
            self._log.rename(self._log.with_suffix(".log.1"))
        with open(self._log, "ab") as log:
            self._log_from = log.tell()
            self._process = subprocess.Popen(
                command, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _answers(self, deadline: float) -> bool:
        """Wait until it takes connections; False when the process that should is gone. Each try is a line in its log: they become rarer."""
        pause = _POLL_S
        while time.monotonic() < deadline:
            try:
                with psycopg.connect(self.url_of("postgres"), connect_timeout=5, autocommit=True) as conn:
                    _create_database(conn, self.database)
                return True
            except psycopg.OperationalError:
                launched = self._process is not None and self._process.poll() is None
                if not launched and not self._recorded()[1]:
                    return False
                time.sleep(pause)
                pause = min(pause * 1.1, _POLL_MAX_S)
        raise PostgresNotStarted(folder=str(self.folder), detail=f"no answer within {self.start_timeout_s} s", log=self._tail())

    def _refuse_unless_orphaned(self, deadline: float) -> None:
        """Workers of a killed server live on for a moment and keep its memory: wait for them. Anything else is an error."""
        said = self._tail()
        was_stopping = self._process is None  # another's server, which we met on its way out
        if was_stopping or (any(sign in said.lower() for sign in _ORPHANS) and time.monotonic() < deadline):
            self._process = None
            time.sleep(10 * _POLL_S)
            return
        raise PostgresNotStarted(folder=str(self.folder), detail="the server ended at once", log=said)

    def _tail(self) -> str:
        with open(self._log, "rb") as log:
            log.seek(max(self._log_from, log.seek(0, os.SEEK_END) - 2_000))
            return log.read().decode(errors="replace")

    # Stopping.

    def _signal_until_gone(self) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate: both are safe, the second needs recovery
            deadline = time.monotonic() + STOP_TIMEOUT_S
            pid, running = self._recorded()
            if pid is None or not running:
                break
            os.kill(pid, number)
            while self._recorded()[1] and time.monotonic() < deadline:
                time.sleep(_POLL_S)
        if self._process is not None:
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None


def running_url(folder: Path, *, login: str) -> str | None:
    """Where the private PostgreSQL of a folder answers just now, by what it wrote down itself; None when it does not run.

    Looks and leaves everything as it is, unlike `PrivatePostgres`, which makes what is not there.
    """
    data = Path(os.path.realpath(folder / "postgres")) / "data"
    try:
        pid, _, _, _, socket = (data / "postmaster.pid").read_text().splitlines()[:5]
    except (OSError, ValueError):
        return None
    if not pid.strip().isdigit() or str(data) not in _command_of(int(pid)):
        return None
    return f"postgresql://{quote(login)}@/{quote(DATABASE)}?host={quote(socket, safe='')}"


def _create_database(conn: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    if conn.execute("select from pg_database where datname = %s", [name]).fetchone() is None:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _mark(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]


def is_owned(folder: Path) -> bool:
    """Does a process that lives own the server in this folder?"""
    try:
        with open(folder / OWNER, "rb") as file:
            return not _try_lock(file)
    except FileNotFoundError:
        return False


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _command_of(pid: int) -> str:
    """The command line of a process; empty when there is none or it has ended."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    told = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout


def sync_folder(folder: Path) -> None:
    """Have the names of its files outlive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
