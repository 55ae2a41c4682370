"""The restore drill: the newest backup on a server of its own, from which nothing can be sent; every check is asked there, everything that
was signed is held against it, time and loss are measured."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import ClassVar, Final

from counterfoil.backups.measures import differences
from counterfoil.backups.restoring import find_stored, measured_at, restore
from counterfoil.backups.store import StoredBackup
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.drills.scratch import ScratchDrill, decoded
from counterfoil.proofs.log.tree import size_of

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


@dataclass
class RestoreDrill(ScratchDrill):
    """Of the backup `wanted`, or the newest."""

    wanted: str | None = None

    parts: ClassVar = PARTS

    def steps(self) -> None:
        """From the file to the checks."""
        stored = self._found()
        with self.server() as server:
            self._restored(stored, server)
            self._compared(stored, server)
            self.proven(server)
            self.asked(server)

    def _found(self) -> StoredBackup:
        stored = find_stored(self.backups.store, self.wanted)
        self.measures = self.measures._replace(backup_id=stored.id)
        stored.refuse_damaged()
        self.good("backup", f"{stored.id}, {stored.manifest['file']['bytes']} bytes, has the SHA-256 that was signed for")
        self.signed(stored, f"the key of {stored.manifest['origin']} has signed its manifest")
        self._aged(stored)
        return stored

    def _aged(self, stored: StoredBackup) -> None:
        at = datetime.fromisoformat(stored.manifest["snapshot_at"])
        lost = max(self.began - at, timedelta())
        with self.backups.database.transaction(read_only=True) as conn:
            entries = max(size_of(conn) - int(stored.manifest["log"]["size"]), 0)
        self.measures = self.measures._replace(lost_s=int(lost.total_seconds()), lost_entries=entries)
        told = f"it is of {at.isoformat()}: {int(lost.total_seconds())} s and {entries} entries of the log would have been lost"
        self.note("age", None if lost <= OLD_AFTER else f"older than {OLD_AFTER.days} days: {told}", told)

    def _restored(self, stored: StoredBackup, server: PrivatePostgres) -> None:
        start = monotonic()
        restore(stored, self.backups.keys(), server.url, programs=self.backups.programs)
        took = int((monotonic() - start) * 1000)
        self.measures = self.measures._replace(restore_ms=took)
        self.good("restore", f"it answered after {took} ms")
        self.closed(server)

    def _compared(self, stored: StoredBackup, server: PrivatePostgres) -> None:
        for what, differ in differences(stored.manifest, measured_at(server.url)).items():
            self.note(what, "; ".join(differ) or None, "as it was backed up")
        self.checkpoint(stored.manifest, server)
        self.live_log(int(stored.manifest["log"]["size"]), decoded(stored.manifest["log"]["root"]))
