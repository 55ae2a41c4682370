"""Run a drill and keep what came of it: each check, the measures, and the evidence, signed by the log's key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from counterfoil.backups.making import Backups
from counterfoil.base.invariant import Invariant
from counterfoil.drills.drills import RESTORE, Drill, DrillCheck, ask_for_drill, bury_drills, end_drill, note_check, start_next
from counterfoil.drills.restore import Looked, RestoreDrill
from counterfoil.proofs.log.checkpoints import keys_of_log, make_log_key, origin_of, seed_of
from counterfoil.proofs.log.job import origin_name
from counterfoil.proofs.log.notes import sign_note
from counterfoil.proofs.log.sequencing import begin_log

FORMAT = "counterfoil-drill/1"


def run_restore_drill(backups: Backups, invariants: Sequence[Invariant], scratch: Path, *, wanted: str | None, actor: str) -> Drill:
    """The drill, from its beginning to its signed end. Raises DrillWaits while another runs."""
    with backups.database.transaction() as conn:
        bury_drills(conn, now=backups.clock())
    with backups.database.transaction() as conn:
        ask_for_drill(conn, backups.make_id("drl"), RESTORE, backup_id=None, actor=actor, now=backups.clock())
        started = start_next(conn, [RESTORE], now=backups.clock())
    assert started is not None
    drill = RestoreDrill(backups, invariants, scratch, backups.clock())
    drill.run(wanted)
    return _ended(backups, started, drill)


def _ended(backups: Backups, started: Drill, drill: RestoreDrill) -> Drill:
    now = backups.clock()
    error = "; ".join(f"{what}: {told}" for what, outcome, told in drill.looked if outcome == "failed")[:500] or None
    if error is None and any(outcome != "passed" for _, outcome, _ in drill.looked):
        error = "not everything was looked at: " + "; ".join(
            f"{what}: {told}" for what, outcome, told in drill.looked if outcome != "passed"
        )
        error = error[:500]
    with backups.database.transaction() as conn:
        for place, (what, outcome, told) in enumerate(drill.looked, start=1):
            note_check(conn, started.id, DrillCheck(place, what, outcome, told, now))
        text = _evidence(started, drill.looked, drill, error, now.isoformat())
        begin_log(conn, origin_name(backups.make_id), now)  # before the first entry was written, too
        origin = origin_of(conn)
        known = keys_of_log(conn)
        key = known[0] if known else make_log_key(conn, backups.make_id("lgk"), now=now)
        note = sign_note(text, origin, seed_of(conn, key.id))
        return end_drill(conn, started.id, measures=drill.measures, evidence=note, error=error, now=now)


def _evidence(started: Drill, looked: Sequence[Looked], drill: RestoreDrill, error: str | None, ended: str) -> str:
    told = {
        "format": FORMAT,
        "id": started.id,
        "drill": started.name,
        "by": started.actor,
        "began": drill.began.isoformat(),
        "ended": ended,
        "outcome": "failed" if error else "passed",
        **drill.measures._asdict(),
        "checks": [{"what": what, "outcome": outcome, "told": told} for what, outcome, told in looked],
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"
