"""Beginning a silence."""

from __future__ import annotations

from typing import Final

from counterfoil.integrity.silences import silence_alerts
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.acts import Act, ActCall, ActDone
from counterfoil.operations.verbs import Field


def _begin(one: ActCall) -> ActDone:
    taken = one.taken
    how = {"until": taken["until"], "reason": one.reason, "actor": one.by.actor, "now": one.now}
    made = silence_alerts(one.conn, one.make_id("sil"), code=taken["code"], program_id=taken["program_id"], **how)
    of = f"of {made.code}" if made.code else "of any alert"
    where = f" in {made.program_id}" if made.program_id else ""
    return ActDone(made.id, f"Nobody is told {of}{where} on a channel until {made.until:%Y-%m-%d %H:%M} UTC.", made=made)


BEGIN_SILENCE: Final = Act(
    "silence.create",
    "create",
    "Silence notices for a time",
    "Alerts are opened, counted and escalated as ever. At most 90 days.",
    "/silences",
    _begin,
    (
        Field("code", "Of this check; of every one, if empty.", required=False, default="", example="QUEUE_DEPTH", length_max=80),
        Field("program_id", "In this program; in every one, if empty.", "program", required=False, default=""),
        Field("until", "When it ends by itself.", "moment", example="2026-12-01T08:00"),
    ),
    area="silences",
    permission=OPERATE,
    whole=False,
)
