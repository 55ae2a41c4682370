"""Which backups the policy keeps. Pure: it takes what is kept, and says what may go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from counterfoil.backups.backups import Backup


class KeepPolicy(NamedTuple):
    """So many days, weeks and months of which the newest backup is kept; days without a backup do not count."""

    daily: int
    weekly: int
    monthly: int


_PERIODS: Final[tuple[Callable[[datetime], tuple[int, ...]], ...]] = (
    lambda at: (at.year, at.month, at.day),
    lambda at: tuple(at.isocalendar()[:2]),
    lambda at: (at.year, at.month),
)


def to_prune(kept: Sequence[Backup], policy: KeepPolicy, *, proven_id: str | None) -> list[Backup]:
    """Those that may go, oldest first. `proven_id`: the newest that a restore drill has passed on.

    The newest stays, whatever the policy says; so do the proven one and all that are younger: until one of them was restored, nobody
    knows that it can be. So none goes while nothing was ever proven.
    """
    ordered = sorted(kept, key=_snapshot, reverse=True)
    proven = next((one for one in ordered if one.id == proven_id), None)
    if not ordered or proven is None:
        return []
    staying = {ordered[0].id} | {one.id for one in ordered if _snapshot(one) >= _snapshot(proven)}
    for count, period in zip(policy, _PERIODS, strict=True):
        newest: dict[tuple[int, ...], str] = {}
        for one in ordered:
            newest.setdefault(period(_snapshot(one)), one.id)
        staying |= set(list(newest.values())[:count])
    return [one for one in reversed(ordered) if one.id not in staying]


def _snapshot(one: Backup) -> datetime:
    assert one.snapshot_at is not None  # a kept one has it; the database says so
    return one.snapshot_at
