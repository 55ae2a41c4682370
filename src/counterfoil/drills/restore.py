"""The restore drill: the newest backup on a server of its own, from which nothing can be sent; every check is asked there, everything that
was signed is held against it, time and loss are measured."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg import Connection, errors, sql

from counterfoil.backups.making import Backups
from counterfoil.backups.measures import differences
from counterfoil.backups.restoring import find_stored, measured_at, restore
from counterfoil.backups.store import StoredBackup
from counterfoil.base.edge import set_up
from counterfoil.base.encryption.keys import carry
from counterfoil.base.invariant import Invariant, run_invariants
from counterfoil.base.postgres.launcher import DATABASE, PrivatePostgres
from counterfoil.base.problems import InvariantBroken, Problem
from counterfoil.drills.drills import DrillMeasures
from counterfoil.drills.periods import held_against_proofs
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.job import origin_name
from counterfoil.proofs.log.merkle import root_of
from counterfoil.proofs.log.notes import NoteKey, open_note, read_checkpoint
from counterfoil.proofs.log.sequencing import sequence
from counterfoil.proofs.log.tree import StoredTree, size_of

OLD_AFTER: Final = timedelta(days=2)
PARTS: Final = (
    "backup",
    "signature",
    "age",
    "restore",
    "sending",
    "rows",
    "trial balance",
    "log",
    "schema",
    "checkpoint",
    "live log",
    "proofs",
    "checks",
)
WRITING: Final = "-c default_transaction_read_only=off"
Looked = tuple[str, str, str]  # what, outcome, told


@dataclass
class RestoreDrill:
    """One run of it. `looked` fills as it goes; what it does not come to is not checked, and a part that is missing fails it."""

    backups: Backups
    invariants: Sequence[Invariant]
    scratch: Path
    began: datetime

    def __post_init__(self) -> None:
        self.looked: list[Looked] = []
        self.measures = DrillMeasures()

    def run(self, wanted: str | None) -> None:
        """All of it; whatever goes wrong is a check that failed."""
        try:
            stored = self._found(wanted)
            with self._server() as server:
                self._restored(stored, server)
                self._compared(stored, server)
                self._proven(server)
                self._asked(server)
        except Problem as problem:
            self._note(self._next(), problem.sentence())
        except (OSError, psycopg.Error, InvariantBroken) as error:
            self._note(self._next(), f"{type(error).__name__}: {error}")
        done = {what for what, _, _ in self.looked}
        self.looked += [(part, "not_checked", "the drill did not come to it") for part in PARTS if part not in done]

    def _found(self, wanted: str | None) -> StoredBackup:
        stored = find_stored(self.backups.store, wanted)
        self.measures = self.measures._replace(backup_id=stored.id)
        stored.refuse_damaged()
        self._good("backup", f"{stored.id}, {stored.manifest['file']['bytes']} bytes, has the SHA-256 that was signed for")
        stored.refuse_foreign(self._keys())
        self._good("signature", f"the key of {stored.manifest['origin']} has signed its manifest")
        self._aged(stored)
        return stored

    def _aged(self, stored: StoredBackup) -> None:
        at = datetime.fromisoformat(stored.manifest["snapshot_at"])
        lost = max(self.began - at, timedelta())
        with self.backups.database.transaction(read_only=True) as conn:
            entries = max(size_of(conn) - int(stored.manifest["log"]["size"]), 0)
        self.measures = self.measures._replace(lost_s=int(lost.total_seconds()), lost_entries=entries)
        told = f"it is of {at.isoformat()}: {int(lost.total_seconds())} s and {entries} entries of the log would have been lost"
        self._note("age", None if lost <= OLD_AFTER else f"older than {OLD_AFTER.days} days: {told}", told)

    @contextmanager
    def _server(self) -> Iterator[PrivatePostgres]:
        """A server of its own: on no network, its socket in a folder that is closed to others, gone with the drill."""
        self.scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Path(tempfile.mkdtemp(prefix="drill-", dir=self.scratch))
        try:
            with PrivatePostgres(folder, binaries=self.backups.programs) as server:
                yield server
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _restored(self, stored: StoredBackup, server: PrivatePostgres) -> None:
        start = monotonic()
        restore(stored, self.backups.keys(), server.url, programs=self.backups.programs)
        took = int((monotonic() - start) * 1000)
        self.measures = self.measures._replace(restore_ms=took)
        self._good("restore", f"it answered after {took} ms")
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute(sql.SQL("alter database {} set default_transaction_read_only = on").format(sql.Identifier(DATABASE)))
        self._note(
            "sending", self._can_send(server), "no network, no login that serves, no provider, and no transaction that writes begins"
        )

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

    def _compared(self, stored: StoredBackup, server: PrivatePostgres) -> None:
        for what, differ in differences(stored.manifest, measured_at(server.url)).items():
            self._note(what, "; ".join(differ)[:3_000] or None, "as it was backed up")
        with psycopg.connect(server.url, autocommit=True) as conn, conn.transaction():
            self._note("checkpoint", self._checkpoint_differs(stored, conn), "the signed checkpoint is the beginning of the restored log")
        with self.backups.database.transaction(read_only=True) as conn:
            size, told = int(stored.manifest["log"]["size"]), base64.b64decode(stored.manifest["log"]["root"])
            same = size <= size_of(conn) and root_of(size, StoredTree(conn)) == told
        self._note(
            "live log",
            None if same else f"the live log does not begin with the {size} entries of the backup",
            "it goes on from the backup's",
        )
        failed = {what for what, outcome, _ in self.looked if outcome != "passed"}
        self.measures = self.measures._replace(root_matches=not failed & {"log", "checkpoint", "live log"})

    def _proven(self, server: PrivatePostgres) -> None:
        """Against the proofs of periods: what was signed for and has left the database since."""
        with (
            psycopg.connect(server.url, autocommit=True) as restored,
            restored.transaction(),
            self.backups.database.transaction(snapshot=True) as live,
        ):
            found = held_against_proofs(live, restored, self.backups.proof_folder)
        self.looked.append(("proofs", found.outcome, found.told))

    def _checkpoint_differs(self, stored: StoredBackup, conn: Connection[Any]) -> str | None:
        note = stored.manifest["checkpoint"]
        if note is None or stored.manifest["forked"]:
            return str(stored.manifest["forked"] or "no checkpoint was signed by then")
        text, _ = open_note(note, self._keys())
        signed = read_checkpoint(text)
        if signed.size > size_of(conn) or root_of(signed.size, StoredTree(conn)) != signed.root:
            return f"of {signed.size} entries: the restored log has another root there"
        return None

    def _asked(self, server: PrivatePostgres) -> None:
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
        self._note("checks", "; ".join(failed)[:3_000] or None, told[:3_900])

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

    def _keys(self) -> list[NoteKey]:
        with self.backups.database.transaction(read_only=True) as conn:
            return note_keys(conn)

    def _next(self) -> str:
        """The part that it was at."""
        done = {what for what, _, _ in self.looked}
        return next((part for part in PARTS if part not in done), "drill")

    def _good(self, what: str, told: str) -> None:
        self.looked.append((what, "passed", told))

    def _note(self, what: str, wrong: str | None, told: str = "") -> None:
        self.looked.append((what, "failed", wrong[:4_000]) if wrong else (what, "passed", told))
