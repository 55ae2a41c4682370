"""The recovery drill: the books as they were at a chosen second, from a copy of the server and its log, on a server of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import ClassVar, Final

import psycopg
from psycopg import sql

from counterfoil.backups.recovery.bases import damaged_bases, reaches_in
from counterfoil.backups.recovery.reach import SecondNotReached
from counterfoil.backups.recovery.recovering import Recovery, plan_recovery, recovered, stopped_before
from counterfoil.backups.restoring import measured_at
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.drills.scratch import ScratchDrill, decoded
from counterfoil.proofs.log.tree import size_of

OLD_AFTER: Final = timedelta(minutes=15)  # the log is fetched each minute
PARTS: Final = ("store", "base", "signature", "age", "recovery", "sending", "moment", "log", "checkpoint", "live log", "proofs", "checks")


@dataclass
class RecoveryDrill(ScratchDrill):
    """To the moment `at`, or the last that can be reached."""

    at: datetime | None = None

    parts: ClassVar = PARTS

    def steps(self) -> None:
        """From the plan to the checks."""
        plan = self._planned()
        start = monotonic()
        with recovered(plan, self.backups.keys(), self.scratch, programs=self.backups.programs) as server:
            took = int((monotonic() - start) * 1000)
            self.measures = self.measures._replace(restore_ms=took)
            self.good("recovery", f"it answered after {took} ms, with {len(plan.segments)} segments of the log")
            self._nobody_logs_in(server)
            self.closed(server)
            self._of_its_moment(plan, server)
            self._compared(plan, server)
            self.proven(server)
            self.asked(server)

    def _planned(self) -> Recovery:
        damaged = damaged_bases(self.backups.store)
        named = "; ".join(f"{one.facts['id']}: {one.facts['because']}" for one in damaged)
        self.note("store", f"a base in it cannot be read: {named}" if named else None, "the manifest of each base in it can be read")
        reaches = [one for one in reaches_in(self.backups.store) if one.start < one.until]
        if not reaches and self.at is None:
            raise SecondNotReached(because="no base with a log behind it lies in the store", nearest_before="none", nearest_after="none")
        last = max((one.last for one in reaches), default=self.began)
        plan = plan_recovery(self.backups.store, self.at or last)
        self.measures = self.measures._replace(backup_id=plan.base.id)
        plan.base.refuse_damaged()
        self.good("base", f"{plan.base.id} of {plan.reach.start.isoformat()} has the SHA-256 that was signed for; to {plan.at.isoformat()}")
        self.signed(plan, f"the log's key has signed for it and for {len(plan.segments)} segments")
        lost = max(self.began - last, timedelta())
        told = f"the log in the store ends at {last.isoformat()}: {int(lost.total_seconds())} s would have been lost"
        self.measures = self.measures._replace(lost_s=int(lost.total_seconds()))
        self.note("age", None if lost <= OLD_AFTER else f"older than {int(OLD_AFTER.total_seconds()) // 60} minutes: {told}", told)
        return plan

    def _nobody_logs_in(self, server: PrivatePostgres) -> None:
        """A copy of the server has its logins; in the drill none of them serves."""
        with psycopg.connect(server.url, autocommit=True) as conn:
            for (name,) in conn.execute("select rolname from pg_roles where rolcanlogin and not rolsuper").fetchall():
                conn.execute(sql.SQL("alter role {} nologin").format(sql.Identifier(name)))

    def _of_its_moment(self, plan: Recovery, server: PrivatePostgres) -> None:
        """What is there was committed by the moment, and the next commit was left out: the server says so, and the mark in the books."""
        left_out = stopped_before(server)
        with psycopg.connect(server.url) as conn:
            row = conn.execute("select max(asked_at) from wal_archive").fetchone()
        mark = row[0] if row else None
        wrong = None
        if left_out is None:
            wrong = "the server did not say before which commit it stopped"
        elif mark is not None and mark > plan.at:
            wrong = f"the books hold a mark of {mark.isoformat()}, which is later"
        self.note("moment", wrong, f"the first commit that was left out is of {left_out}; the last mark in the books of {mark}")

    def _compared(self, plan: Recovery, server: PrivatePostgres) -> None:
        """The log has at least what it had when the base was begun, and is the beginning of the living one."""
        found, told = measured_at(server.url)["log"], plan.base.manifest["log"]
        short = f"{told['size']} entries were there when the base was begun, {found['size']} are"
        self.note("log", short if int(found["size"]) < int(told["size"]) else None, f"{found['size']} entries")
        self.checkpoint(plan.base.manifest, server)
        with self.backups.database.transaction(read_only=True) as conn:
            entries = max(size_of(conn) - int(found["size"]), 0)
        self.measures = self.measures._replace(lost_entries=entries)
        self.live_log(int(found["size"]), decoded(found["root"]))
