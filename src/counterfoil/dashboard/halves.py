"""Our half against the provider's: what the last reconciliation run found when it held our books against a statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.dashboard.asking import Ask, Told


class BreaksOfKind(NamedTuple):
    """Breaks of one kind: how many, and the money at stake in them."""

    kind: str
    number: int
    at_stake: Money


class RunSeen(NamedTuple):
    """The last run over one provider and asset: both halves as they were read, and what did not match."""

    run_id: str
    provider: str
    day: date
    finished_at: datetime
    verdict: str
    ours: Money
    theirs: Money
    difference: Money
    breaks: tuple[BreaksOfKind, ...]


class Halves(NamedTuple):
    """What was found for every provider; `missing` names those whose statement nobody has held against our books."""

    runs: tuple[RunSeen, ...]
    missing: tuple[str, ...]


Runs = Callable[[Connection[Any], date, str | None], Sequence[RunSeen]]
"""The last run of each provider and asset that ended with or before the day (`conn`, day, program id or None for all)."""


def provider_halves(ask: Ask) -> Told:
    """Do the provider's statements say what our clearing accounts say?"""
    runs: Runs | None = ask.extra.runs
    providers = sorted(ask.extra.wiring.providers)
    if runs is None:
        return Told("Nothing here reads reconciliation runs", "unknown", state="not_checked")
    seen = tuple(runs(ask.conn, ask.day.on, ask.program_id))
    missing = tuple(name for name in providers if name not in {run.provider for run in seen})
    if not seen:
        return Told("No statement was reconciled", "unknown", Halves((), missing), "not_checked")
    found, oldest = Halves(seen, missing), min(run.finished_at for run in seen)
    number = sum(part.number for run in seen for part in run.breaks)
    if number or any(run.difference.minor for run in seen):
        return Told(_breaks(number), "wrong", found, as_of=oldest)
    if any(run.day < ask.day.on for run in seen):
        return Told(
            f"Last held against a statement of {min(run.day for run in seen)}", "unknown", found, "stale", oldest
        )
    if missing:
        return Told(f"No statement of {', '.join(missing)}", "unknown", found, as_of=oldest)
    return Told("Both halves agree", "right", found, as_of=oldest)


def _breaks(number: int) -> str:
    if number == 0:
        return "The balances differ"
    return "1 break" if number == 1 else f"{number} breaks"
