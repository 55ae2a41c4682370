"""The proof of the month before, made on the first of each month by a worker: once, whole, and asked to be signed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.proofs.monthly import month_before
from counterfoil.proofs.packages.store import ProofStoreUnset
from counterfoil.wiring import JOBS
from tests.api.office import wiring_for
from tests.builders import Desk, issue
from tests.dashboard import quiet
from tests.points import at_points

JOB = next(job for job in JOBS if job.name == "audit-export")
desk = quiet.desk_of_main


class Killed(Exception):
    """In place of a kill: what would have been done next is not."""


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        ("2026-12-01T00:00:00+00:00", "2026-11-01", "2026-12-01"),
        ("2027-01-01T00:00:00+00:00", "2026-12-01", "2027-01-01"),
        ("2028-03-31T23:59:59+00:00", "2028-02-01", "2028-03-01"),
        ("2026-12-01T00:30:00+02:00", "2026-10-01", "2026-11-01"),
    ],
)
def test_the_month_before_is_that_of_utc(at: str, start: str, end: str) -> None:
    found = month_before(datetime.fromisoformat(at))
    assert [f"{one:%Y-%m-%d}" for one in found] == [start, end]
    assert {one.tzinfo for one in found} == {UTC}


@pytest.fixture
def context(desk: Desk, tmp_path: Path) -> Callable[[datetime], Any]:
    [invoice] = issue(desk.database, "100.00")
    desk.pay(invoice, 100_00)
    desk.deliver()
    desk.work()
    return lambda at: replace(wiring_for(desk.database), proof_folder=tmp_path / "proofs", clock=lambda: at).context("w")


def next_month() -> datetime:
    return (now().replace(day=28) + timedelta(days=5)).replace(day=1, hour=6, minute=1)


def made(desk: Desk) -> tuple[list[Any], list[Any]]:
    proofs = desk.rows("select state, from_at, to_at, made_by from proof")
    return proofs, desk.rows("select payload ->> 'title' from event where name = 'audit_exported'")


def test_it_is_made_on_the_first_once_and_by_hand_at_any_time(desk: Desk, context: Callable[[datetime], Any]) -> None:
    assert JOB.tick(context(now()), None).handled == 0, "a schedule that is new begins from here"
    assert made(desk) == ([], [])
    first = next_month()
    assert [JOB.tick(context(first + timedelta(minutes=n)), None).handled for n in range(3)] == [1, 0, 0]
    ((state, start, end, by),), told = made(desk)
    assert (start, end, by) == (*month_before(first), "system:audit-export")
    assert state != "complete", "people sign it"
    assert told == [(f"Proof of {start:%B %Y}",)]
    assert JOB.run(context(first + timedelta(hours=1))).handled == 1
    assert made(desk)[1] == told, "the same facts are the same proof"


def test_a_worker_that_ends_before_it_is_recorded_leaves_the_month_to_the_next(desk: Desk, context: Callable[[datetime], Any]) -> None:
    JOB.tick(context(now()), None)
    reached = []

    def hook(at: str) -> None:
        if at == "audit_export.before_record":
            reached.append(at)
            raise Killed

    with at_points(hook), pytest.raises(Killed):
        JOB.tick(context(next_month()), None)
    assert reached
    assert JOB.tick(context(next_month()), None).handled == 1
    assert len(made(desk)[0]) == 1


def test_without_a_folder_for_proofs_it_is_said(desk: Desk) -> None:
    bare = replace(wiring_for(desk.database), proof_folder=None, clock=next_month).context("w")
    with pytest.raises(ProofStoreUnset):
        JOB.run(bare)
