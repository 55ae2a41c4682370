"""pg_basebackup and pg_receivewal: a copy of a whole server, and the log of all that it writes afterwards.

Both come over a replication connection, which a login with REPLICATION may open where pg_hba.conf lets it. Hosted databases mostly do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import Connection, errors

from counterfoil.base.postgres.binaries import candidates, major_of
from counterfoil.base.postgres.dumping import MAJOR, Command, client_command
from counterfoil.base.problems import Problem

PROGRAMS: Final = ("pg_basebackup", "pg_receivewal")
SLOT: Final = "counterfoil_wal"


class WalProgramsMissing(Problem, kind="invalid"):
    """No pg_basebackup and pg_receivewal that suit the server are on this machine, so the log of its writes cannot be kept here."""

    todo = "Install the client programs of the server's version, or let COUNTERFOIL_POSTGRES_BIN name their folder."


class ReplicationRefused(Problem):
    """The server does not let this login copy it or follow its log of writes."""

    todo = (
        "Give the login of COUNTERFOIL_REPLICATION_URL the attribute REPLICATION, and a line `replication` in pg_hba.conf. A hosted "
        "database that gives neither has a recovery of its own: use that."
    )


class WalSlot(NamedTuple):
    """What the server keeps of its log for us: whether it has to begin anew, and the server's own name."""

    fresh: bool
    system: str
    segment_bytes: int


def replication_programs(setting: str | None, *, server_version: int) -> Path:
    """The folder of the oldest programs that are not older than the server. Raises WalProgramsMissing."""
    wanted = server_version // MAJOR
    found = {major_of(folder, PROGRAMS[0]): folder for folder in reversed(list(candidates(setting, programs=PROGRAMS)))}
    suits = [major for major in found if major >= wanted]
    if not suits:
        raise WalProgramsMissing(wanted=f"PostgreSQL {wanted} or later", found=[str(major) for major in sorted(found)])
    return found[min(suits)]


def copying(folder: Path, url: str) -> Command:
    """pg_basebackup of the whole server as one tar, to its standard output, with the SHA-256 of each file in its manifest."""
    words = [
        "--pgdata=-",
        "--format=tar",
        "--gzip",
        "--wal-method=none",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--label=counterfoil",
    ]
    return client_command(folder / "pg_basebackup", url, *words, "--no-password")


def receiving(folder: Path, url: str, spool: Path, *, until: int) -> Command:
    """pg_receivewal that goes on in `spool` where it stopped, and ends once everything before `until` is on the disk there."""
    # It stops when it is past the place that it is told, so it is told the byte before.
    words = [f"--directory={spool}", f"--slot={SLOT}", f"--endpos={lsn_text(until - 1)}", "--no-loop", "--synchronous", "--no-password"]
    return client_command(folder / "pg_receivewal", url, *words)


def have_slot(url: str) -> WalSlot:
    """Have the server keep its log until we have it; one that was lost begins anew. Raises ReplicationRefused."""
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            row = conn.execute("select wal_status from pg_replication_slots where slot_name = %s", [SLOT]).fetchone()
            fresh = row is None or row[0] == "lost"
            if row is not None and fresh:
                conn.execute("select pg_drop_replication_slot(%s)", [SLOT])
            if fresh:
                conn.execute("select pg_create_physical_replication_slot(%s, true)", [SLOT])
            return WalSlot(fresh, system_of(conn), segment_bytes_of(conn))
    except (errors.InsufficientPrivilege, errors.ObjectNotInPrerequisiteState) as error:
        raise ReplicationRefused(detail=str(error).strip()[:300]) from error


def drop_slot(url: str) -> bool:
    """The server keeps nothing for us any more; whether it did."""
    with psycopg.connect(url, autocommit=True) as conn:
        found = conn.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", [SLOT])
        return found.fetchone() is not None


def system_of(conn: Connection[Any]) -> str:
    """The name that initdb gave this server: its log fits no other."""
    row = conn.execute("select system_identifier::text from pg_control_system()").fetchone()
    assert row is not None
    return str(row[0])


def segment_bytes_of(conn: Connection[Any]) -> int:
    """How large a file of the log is."""
    row = conn.execute("select setting::bigint from pg_settings where name = 'wal_segment_size'").fetchone()
    assert row is not None
    return int(row[0])


def lsn_text(place: int) -> str:
    """A place in the log as PostgreSQL writes it."""
    return f"{place >> 32:X}/{place & 0xFFFFFFFF:X}"


def lsn_of(text: str) -> int:
    """The place that PostgreSQL has written so."""
    high, _, low = text.partition("/")
    return int(high, 16) << 32 | int(low, 16)
