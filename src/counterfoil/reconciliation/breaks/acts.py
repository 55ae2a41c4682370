"""Setting up to what a break may be written off."""

from __future__ import annotations

from typing import Final

from counterfoil.operations.access.access import APPROVE
from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo, paired_of
from counterfoil.operations.verbs import Field
from counterfoil.reconciliation.breaks.limits import set_write_off_limit


def _set_limit(one: ActCall) -> ActDone:
    taken = one.taken
    limit = {"minor": taken["minor"], "reason": one.reason, "actor": one.by.actor, "now": one.now}
    set_write_off_limit(one.conn, taken["program_id"], taken["asset"], **limit)
    told = f"The limit holds for what is proposed from now on in {taken['program_id']}, {taken['asset']}."
    return ActDone(taken["program_id"], told if taken["minor"] else f"{told} Nothing is written off any more.")


SET_WRITE_OFF_LIMIT: Final = Act(
    "break.limit",
    "write-off-limit",
    "Set how much may be written off",
    "Of a break: ten units of the asset, until somebody sets another. What is above it is corrected by a journal.",
    "/breaks/limits",
    _set_limit,
    (
        Field("program_id", "Of this program.", "program"),
        Field("asset", "In this asset.", "asset"),
        Field("minor", "Up to so much; 0 forbids it.", "amount", example="25.00", least=0),
    ),
    two=ByTwo("write_off_limit", "set", "{program_id}:{asset}", APPROVE, lambda one: {"minor": str(one.taken["minor"])}),
    area="breaks",
    whole=False,
)
PAIRED: Final = paired_of((SET_WRITE_OFF_LIMIT,))
