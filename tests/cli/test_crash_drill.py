"""Who stops at an armed point: one, and never somebody who comes by when the drill has gone on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from counterfoil.base import failpoints
from counterfoil.cli.local import crash_drill
from counterfoil.cli.local.crash_drill import ARMED, REACHED, take_part_in_drills
from tests.cli.test_processes import within


@pytest.fixture
def drill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(failpoints, "_hooks", [])
    take_part_in_drills(tmp_path, 4711)
    return tmp_path


def test_one_of_many_stops_and_the_others_pass(drill: Path):
    (drill / ARMED).write_text("send.before_call")
    with ThreadPoolExecutor(8) as pool:
        passing = [pool.submit(failpoints.reached, "send.before_call") for _ in range(8)]
        assert within(20, lambda: sum(one.done() for one in passing) == 7)
        assert (drill / REACHED).exists()
        assert not (drill / ARMED).exists()
        (drill / REACHED).unlink()
        assert within(20, lambda: all(one.done() for one in passing))
    assert list(drill.iterdir()) == []


def test_a_point_of_one_provider_stops_nobody_who_is_there_for_another(drill: Path):
    (drill / ARMED).write_text("send.after_call:stripe")
    failpoints.reached("send.after_call", "simulator")
    failpoints.reached("send.after_call", None)
    assert not (drill / REACHED).exists()
    with ThreadPoolExecutor(1) as pool:
        passing = pool.submit(failpoints.reached, "send.after_call", "stripe")
        assert within(20, (drill / REACHED).exists)
        (drill / REACHED).unlink()
        passing.result(20)
    assert list(drill.iterdir()) == []


def test_who_saw_it_armed_and_comes_late_passes(drill: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(crash_drill, "_armed", lambda folder: "send.before_call")
    failpoints.reached("send.before_call")
    assert list(drill.iterdir()) == []
    (drill / ARMED).write_text("send.after_call")
    failpoints.reached("send.before_call")
    assert [(one.name, one.read_text()) for one in drill.iterdir()] == [(ARMED, "send.after_call")]
