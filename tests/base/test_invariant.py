"""Invariants: nothing found means that it holds; a question that cannot be asked is never an answer."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.invariant import SHOWN_MAX, Invariant, run_invariants

HOLDS = Invariant("HOLDS", "Is one one?", "select 1 where 1 <> 1", "critical", "Arithmetic is broken.", "P1")
BROKEN = Invariant("BROKEN", "Is there nothing?", "select 'row', n from generate_series(1, 50) n", "warning", "There is something.", "P1")
UNASKED = Invariant("UNASKED", "Is it there?", "select from nowhere", "critical", "It is gone.", "P1")


def test_what_holds_is_not_told(conn: Connection[Any]) -> None:
    assert run_invariants(conn, [HOLDS]) == []


def test_what_does_not_hold_is_told_with_its_count_and_first_rows(conn: Connection[Any]) -> None:
    (found,) = run_invariants(conn, [HOLDS, BROKEN])
    assert (found.code, found.severity, found.shown[:2]) == ("BROKEN", "warning", ["row 1", "row 2"])
    assert len(found.shown) == SHOWN_MAX
    assert found.count == 50


def test_a_question_that_cannot_be_asked_raises(conn: Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        run_invariants(conn, [UNASKED])
