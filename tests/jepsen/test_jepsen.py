"""The short form: one fault of each kind, and afterwards nothing is half applied and every answer is true; and the checker itself fails
where it must."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.jepsen.run import KINDS, Checker, Teller, Verdict, _true, check, half_applied
from tests.jepsen.world import FaultMissed, Line, Side, within


def test_one_fault_of_each_kind_leaves_every_transaction_whole(make_database_url: Any, tmp_path: Path) -> None:
    found = check((make_database_url(), make_database_url()), tmp_path, faults=len(KINDS), seed=7)
    assert set(found.faults) == set(KINDS)
    assert found.batches > 0
    assert (found.half_applied, found.lost, found.untrue, found.wrong) == ([], [], [], [])
    assert found.begun > 0
    assert found.states["committed"] > 0, "it moved something"


def test_a_line_that_nobody_used_was_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.jepsen.run.CUT_S", 0.1)
    line = Line(9)
    with pytest.raises(FaultMissed):
        Checker._cut(object.__new__(Checker), line, "refuse")
    line.close()
    assert not within(0.05, lambda: False)


def test_a_clock_that_is_right_was_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.jepsen.world.within", lambda _, found: found())
    side = object.__new__(Side)
    side.folder, side.port = tmp_path, 9
    with pytest.raises(FaultMissed, match="not wrong by 60 s"):
        side.skew(60, 0)


def test_what_was_told_is_true_or_it_is_not() -> None:
    committed = ("committed", "commit")
    assert all(_true(said, committed) for said in ("preparing", "committed", "decided commit", "decided None"))
    assert not any(_true(said, committed) for said in ("aborted", "decided abort", "not there"))
    assert not _true("preparing", None)
    assert not Verdict(Counter(), 1, 1, Counter(), ["txn_1"], [], [], []).clean


def test_a_half_that_was_planted_is_found() -> None:
    good = [("txn_1", "applied"), ("txn_1", "applied"), ("txn_2", "released"), ("txn_2", "released")]
    assert half_applied(good) == []
    assert half_applied([*good, ("txn_1", "nothing"), ("txn_2", "applied")]) == ["txn_1", "txn_2"]


def test_a_client_that_broke_says_so() -> None:
    one = Teller((None, None), 7)  # type: ignore[arg-type]
    one.thread.start()
    one.thread.join(20)
    assert one.broken.startswith("AttributeError")
