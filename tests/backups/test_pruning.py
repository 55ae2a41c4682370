"""What the policy keeps: the newest of days, weeks and months; never the last good one, nor the proven one, nor a younger one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.backups.backups import Backup
from counterfoil.backups.pruning import KeepPolicy, to_prune

NOW = datetime(2026, 11, 20, 1, 30, tzinfo=UTC)


def backup(at: datetime) -> Backup:
    return Backup(f"bkp_{at:%Y%m%d%H%M}", "dump", "t", None, at, at, at, 1, "00", 1, 180_000, "k", 1, "00", None, "kept")


def nights(count: int) -> list[Backup]:
    """One each night, the newest first."""
    return [backup(NOW - timedelta(days=number)) for number in range(count)]


def left(kept: list[Backup], policy: KeepPolicy, proven: Backup | None) -> list[str]:
    going = {one.id for one in to_prune(kept, policy, proven_id=proven.id if proven else None)}
    return [f"{one.snapshot_at:%m-%d}" for one in kept if one.id not in going]


def test_days_weeks_and_months_are_kept_by_their_newest() -> None:
    kept = nights(70)
    assert left(kept, KeepPolicy(3, 0, 0), kept[0]) == ["11-20", "11-19", "11-18"]
    assert left(kept, KeepPolicy(1, 3, 0), kept[0]) == ["11-20", "11-15", "11-08"]
    assert left(kept, KeepPolicy(1, 0, 3), kept[0]) == ["11-20", "10-31", "09-30"]


def test_none_goes_before_one_was_proven_and_none_that_is_younger_than_the_proven_one() -> None:
    kept = nights(10)
    assert len(left(kept, KeepPolicy(1, 0, 0), None)) == 10
    assert left(kept, KeepPolicy(1, 0, 0), kept[4]) == ["11-20", "11-19", "11-18", "11-17", "11-16"]


def test_a_proven_backup_that_is_gone_proves_nothing() -> None:
    assert to_prune(nights(5), KeepPolicy(1, 0, 0), proven_id="bkp_gone") == []
    assert to_prune([], KeepPolicy(1, 0, 0), proven_id=None) == []


@given(
    hours=st.lists(st.integers(0, 24 * 400), min_size=1, max_size=60, unique=True),
    policy=st.builds(KeepPolicy, st.integers(1, 20), st.integers(0, 10), st.integers(0, 10)),
    proven=st.integers(0, 59),
)
def test_the_newest_the_proven_and_all_younger_stay_whatever_the_policy(hours: list[int], policy: KeepPolicy, proven: int) -> None:
    kept = [backup(NOW - timedelta(hours=one)) for one in hours]
    at = kept[proven % len(kept)]
    going = {one.id for one in to_prune(kept, policy, proven_id=at.id)}
    limit = at.snapshot_at
    assert limit is not None
    assert not going & {one.id for one in kept if one.snapshot_at is not None and one.snapshot_at >= limit}
    assert max(kept, key=lambda one: str(one.snapshot_at)).id not in going
    again = [one for one in kept if one.id not in going]
    assert to_prune(again, policy, proven_id=at.id) == [], "pruned once, there is nothing left to prune"


@pytest.mark.parametrize("count", [1, 2])
def test_the_last_one_is_never_pruned(count: int) -> None:
    kept = nights(count)
    assert left(kept, KeepPolicy(1, 0, 0), kept[-1]) == [f"{one.snapshot_at:%m-%d}" for one in kept]
