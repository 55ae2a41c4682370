"""What restoring and recovering have in common: books on a server of their own, from which nothing can be sent, held against what was
signed; every check is asked there."""

from __future__ import annotations

import base64
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

import psycopg
from psycopg import Connection, errors, sql

from counterfoil.backups.making import Backups
from counterfoil.base.edge import set_up
from counterfoil.base.encryption.keys import carry
from counterfoil.base.invariant import Invariant, run_invariants
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import InvariantBroken, Problem
from counterfoil.drills.drills import DrillMeasures
from counterfoil.drills.periods import held_against_proofs
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.job import origin_name
from counterfoil.proofs.log.merkle import root_of
from counterfoil.proofs.log.notes import NoteKey, open_note, read_checkpoint
from counterfoil.proofs.log.sequencing import sequence
from counterfoil.proofs.log.tree import StoredTree, size_of

WRITING: Final = "-c default_transaction_read_only=off"
TOLD_MAX: Final = 3_900  # characters; what a check tells ends with how much was left out
Looked = tuple[str, str, str]  # what, outcome, told
Progress = Callable[[str], None]


class SignedBackup(Protocol):
    """What the log's key has signed for."""

    def refuse_foreign(self, keys: Sequence[NoteKey]) -> None:
        """Raises BackupForeign, BackupDamaged."""

    def doubt(self, keys: Sequence[NoteKey], conn: Connection[Any] | None) -> str | None:
        """Why its signature alone shows little."""


@dataclass
class ScratchDrill(ABC):
    """One run of it. `looked` fills as it goes; what it does not come to is not checked, and a part that is missing fails it. `scratch`: a
    folder of this drill alone, which is gone with it. `progress` is told what it is at."""

    backups: Backups
    invariants: Sequence[Invariant]
    scratch: Path
    began: datetime
    progress: Progress

    parts: ClassVar[Sequence[str]] = ()

    def __post_init__(self) -> None:
        self.looked: list[Looked] = []
        self.measures = DrillMeasures()

    @abstractmethod
    def steps(self) -> None:
        """All of it, in the order of `parts`."""

    def run(self) -> None:
        """Whatever goes wrong is a check that failed."""
        self.progress(self._next())
        try:
            self.steps()
        except Problem as problem:
            self.note(self._next(), problem.sentence())
        except (OSError, psycopg.Error, InvariantBroken) as error:
            self.note(self._next(), f"{type(error).__name__}: {error}")
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
        done = {what for what, _, _ in self.looked}
        self.looked += [(part, "not_checked", "the drill did not come to it") for part in self.parts if part not in done]

    @contextmanager
    def server(self) -> Iterator[PrivatePostgres]:
        """A server of its own: on no network, its socket in a folder that is closed to others, gone with the drill."""
        self.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        with PrivatePostgres(self.scratch, binaries=self.backups.programs) as server:
            yield server

    def closed(self, server: PrivatePostgres) -> None:
        """From now on nothing can be sent from there."""
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(sql.Identifier(server.database)))
        self.note("sending", self._can_send(server), "no network, no login that serves, no provider, and no transaction that writes begins")

    def _can_send(self, server: PrivatePostgres) -> str | None:
        """Tried as a worker begins every piece of work: whatever it would send, it must claim first, and that is a write."""
        with psycopg.connect(server.url) as conn:
            row = conn.execute(
                "select current_setting('listen_addresses'), (select count(*) from pg_roles where rolcanlogin and not rolsuper)"
            ).fetchone()
            if row != ("", 0):
                return f"the scratch server listens or lets somebody log in: {row}"
        try:
            with psycopg.connect(server.url) as conn:
                set_up(conn, "counterfoil_app")
                conn.execute("update worker set stopped_at = stopped_at")
        except (errors.ReadOnlySqlTransaction, errors.ActiveSqlTransaction):
            return None
        return "a transaction that writes was let in"

    def proven(self, server: PrivatePostgres) -> None:
        """Against the proofs of periods: what was signed for and has left the database since."""
        with (
            psycopg.connect(server.url, autocommit=True) as restored,
            restored.transaction(),
            self.backups.database.transaction(snapshot=True) as live,
        ):
            found = held_against_proofs(live, restored, self.backups.proof_folder)
        self.looked.append(("proofs", found.outcome, shortened(found.told)))

    def checkpoint(self, manifest: Mapping[str, Any], server: PrivatePostgres) -> None:
        """The checkpoint that was signed before the backup is the beginning of the restored log."""
        with psycopg.connect(server.url, autocommit=True) as conn, conn.transaction():
            self.note("checkpoint", self._checkpoint_differs(manifest, conn), "the signed checkpoint is the beginning of the restored log")

    def live_log(self, size: int, root: bytes) -> None:
        """The living log goes on from what was restored."""
        with self.backups.database.transaction(read_only=True) as conn:
            same = size <= size_of(conn) and root_of(size, StoredTree(conn)) == root
        self.note(
            "live log",
            None if same else f"the live log does not begin with the {size} entries of the backup",
            "it goes on from the backup's",
        )
        failed = {what for what, outcome, _ in self.looked if outcome != "passed"}
        self.measures = self.measures._replace(root_matches=not failed & {"log", "checkpoint", "live log"})

    def _checkpoint_differs(self, manifest: Mapping[str, Any], conn: Connection[Any]) -> str | None:
        note = manifest["checkpoint"]
        if note is None or manifest["forked"]:
            return str(manifest["forked"] or "no checkpoint was signed by then")
        text, _ = open_note(note, self.keys())
        signed = read_checkpoint(text)
        if signed.size > size_of(conn) or root_of(signed.size, StoredTree(conn)) != signed.root:
            return f"of {signed.size} entries: the restored log has another root there"
        return None

    def asked(self, server: PrivatePostgres) -> None:
        """The log goes on first, as it would after a real restore; then every check is asked, in a transaction that cannot write."""
        with psycopg.connect(server.url, autocommit=True, options=WRITING) as conn:
            while True:
                with conn.transaction():
                    set_up(conn, "counterfoil_app")
                    turn = sequence(conn, make_origin=origin_name(self.backups.make_id), now=self.backups.clock(), waits=True)
                if turn.drained:
                    break
        failed = [said for one in self.invariants if (said := self._broken(server, one))]
        told = f"{len(self.invariants)} were asked and found nothing: {', '.join(one.code for one in self.invariants)}"
        self.note("checks", "; ".join(failed) or None, told)

    def _broken(self, server: PrivatePostgres, one: Invariant) -> str | None:
        try:
            with psycopg.connect(server.url) as conn:
                carry(conn, self.backups.database.keys)
                set_up(conn, "counterfoil_app", read_only=True)
                conn.execute("select set_config('statement_timeout', '0', true)")
                found = run_invariants(conn, [one])
        except (psycopg.Error, Problem, InvariantBroken) as error:
            return f"{one.code} could not be asked: {type(error).__name__}"
        return f"{one.code}: {found[0].count} found ({'; '.join(found[0].shown[:3])})" if found else None

    def keys(self) -> list[NoteKey]:
        """Who may have signed."""
        with self.backups.database.transaction(read_only=True) as conn:
            return note_keys(conn)

    def signed(self, stored: SignedBackup, told: str) -> None:
        """The log's key has signed for it, and no thief of that key could have. Raises BackupForeign, BackupDamaged."""
        known = self.keys()
        stored.refuse_foreign(known)
        with self.backups.database.transaction(read_only=True) as conn:
            self.note("signature", stored.doubt(known, conn), told)

    def _next(self) -> str:
        """The part that it was at."""
        done = {what for what, _, _ in self.looked}
        return next((part for part in self.parts if part not in done), "drill")

    def good(self, what: str, told: str) -> None:
        """This part is as it must be."""
        self.note(what, None, told)

    def note(self, what: str, wrong: str | None, told: str = "") -> None:
        """What was looked at: it failed when something is wrong."""
        self.looked.append((what, "failed" if wrong else "passed", shortened(wrong or told)))
        self.progress(self._next())


def shortened(told: str) -> str:
    """As much of it as is kept, and how much that is not."""
    return told if len(told) <= TOLD_MAX else f"{told[:TOLD_MAX]} … and {len(told) - TOLD_MAX} characters more"


def decoded(root: str) -> bytes:
    """A root as a manifest tells it."""
    return base64.b64decode(root)
