"""The way of a payout in one order: steps and their proof, events, journals, proposals, and what people did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

COLUMNS: Final = ("at", "what", "said", "by", "id")
ORDER: Final = (
    *("proposal", "approval", "action", "call", "answer", "look-up", "webhook", "statement", "step", "journal"),
    *("conflict", "break", "event"),
)
Row = dict[str, Any]


def timeline_of(payout: Mapping[str, Any], events: Sequence[Mapping[str, Any]], proposals: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Every fact with its moment, the earliest first; of one moment in the order of cause: proof, step, journal, event."""
    rows = [one for one in _facts(payout, events, proposals) if one["at"]]
    return sorted(rows, key=lambda one: (datetime.fromisoformat(one["at"]), ORDER.index(one["what"])))


def _facts(payout: Mapping[str, Any], events: Sequence[Mapping[str, Any]], proposals: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    yield from _steps(payout["id"], payout["steps"])
    for one in payout["providerPayouts"]:
        yield from _steps(one["id"], one["steps"])
    for one in payout["proof"]:
        yield _row(one["at"], one["what"], one["said"], None, one["id"])
    for one in payout["conflicts"]:
        yield _row(one["at"], "conflict", f"the provider says {one['said']}, we expected {one['expected']}", None, one["id"])
    for one in payout["journals"]:
        yield _row(one["recordedAt"], "journal", f"{one['kind']} {one['narrative'] or ''}".strip(), one["actor"], one["id"])
    for one in payout["actions"]:
        yield _row(one["at"], "action", _because(one["verb"], one["reason"]), one["actor"], one["id"])
    for one in events:
        yield _row(one["at"], "event", one["name"], None, one["subjectId"])
    for one in proposals:
        yield _row(one["madeAt"], "proposal", _because(one["verb"], one["reason"]), one["maker"], one["id"])
        decided = _because(f"{one['verb']} {one['state']}", one["decisionReason"])
        yield _row(one["decidedAt"], "approval", decided, one["checker"], one["id"])


def _steps(subject_id: str, steps: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    for one in steps:
        moved = f"{one['fromState']} → {one['toState']}" if one["fromState"] else one["toState"]
        yield _row(
            one["at"],
            "step",
            _because(f"{one['verb']}: {moved}", one["reason"] or one["cause"]),
            one["actor"],
            subject_id,
        )


def _because(said: str, reason: str | None) -> str:
    return f"{said} ({reason})" if reason else said


def _row(at: str | None, what: str, said: str, by: str | None, subject_id: str) -> Row:
    return {"at": at, "what": what, "said": said, "by": by, "id": subject_id}
