"""Breaks as a noun: the steps that one person may take, declared once. Routes, commands, who may, and the words of forms follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterfoil.operations.access.access import ACCEPT_BREAK, APPROVE, OPERATE, WORK_BREAKS
from counterfoil.operations.verbs import Do, Field, Noun, Verb, VerbCall, VerbResult
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.queries import show_break
from counterfoil.reconciliation.breaks.work import STEPS


def _step(name: str) -> Do:
    def do(one: VerbCall) -> VerbResult:
        how: dict[str, Any] = {"actor": one.actor, "now": one.now, "reason": one.reason}
        return VerbResult(STEPS[name](one.conn, one.subject_id, **how, **one.taken))

    return do


VERBS: Final = (
    Verb("investigate", OPERATE, "Investigate", "It is yours, if it was unassigned. No money moves.", do=_step("investigate")),
    Verb(
        "wait", OPERATE, "Mark as timing difference", "A run matches it, or opens it again on its due date. No money moves.",
        do=_step("wait"),
    ),
    Verb("mature", OPERATE, "Reopen", "It is a break again, and not only late. No money moves.", do=_step("mature")),
    Verb("reopen", OPERATE, "Unassign", "It is open again for somebody else. No money moves.", do=_step("reopen")),
    Verb("accept", ACCEPT_BREAK, "Accept", "Closed for this amount: both records stand, and nothing is booked.", do=_step("accept")),
    Verb(
        "mark_duplicate", OPERATE, "Mark as duplicate",
        "Closed: it is shown through the break that it is a copy of. Nothing is booked.", do=_step("mark_duplicate"), takes=(
            Field(
                "duplicate_of", "The break that it is a copy of; absent: the only one for the same thing.", required=False,
                example="break_01K…",
            ),
        ),
    ),
)  # fmt: skip
BREAK_NOUN: Final = Noun("break", "breaks", "break", BREAK, VERBS, show_break)
# The permission of everything that is said of a break: of the verbs above, and of what has a form of its own.
NEEDS: Final[Mapping[str, str]] = {one.name: one.permission for one in VERBS} | {
    "assign": WORK_BREAKS,
    "comment": WORK_BREAKS,
    "propose": OPERATE,
    "propose_write_off": OPERATE,
    "approve": APPROVE,
    "withdraw": WORK_BREAKS,
}
