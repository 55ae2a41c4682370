"""Closed books are opened again by two people, for exactly what they agreed on, once; the database says so too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import Connection, errors

from counterfoil.base.invariant import run_invariants
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.periods import PAIRED, PeriodNotEarlier, close_period, closed_until, propose_reopening
from counterfoil.ledger.problems import PeriodClosed
from counterfoil.operations.access.access import Caller
from counterfoil.operations.approvals import Proposal, SamePerson, approve_and_do, by_verb
from tests.ledger.builders import CASH, ESCROW, NOW, PROGRAM, a_program, posted
from tests.people import log_in_as

DECEMBER = datetime(2026, 11, 20, 11, tzinfo=UTC)
NOVEMBER = DECEMBER - timedelta(days=20)


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    a_program(conn)
    close_period(conn, PROGRAM, until=DECEMBER, reason="month end", actor="ann", now=NOW)
    return conn


def person(conn: Connection[Any], name: str) -> Caller:
    return log_in_as(conn, name, "approver", at=NOW - timedelta(days=1))[0]


def proposed(conn: Connection[Any], until: datetime = NOVEMBER, number: int = 1) -> Proposal:
    by = person(conn, "mira")
    return propose_reopening(conn, PROGRAM, f"prop_{number}", until=until, reason="an invoice was forgotten", by=by, now=NOW)


def approve(conn: Connection[Any], one: Proposal, name: str) -> Proposal:
    how: dict[str, Any] = {"payload_sha256": one.payload_sha256, "reason": "I saw it", "now": NOW}
    return approve_and_do(conn, one.id, by_verb(*PAIRED), by=person(conn, name), **how)


def test_two_people_open_closed_books_and_what_was_forgotten_is_posted(books: Connection[Any]):
    early = NOVEMBER + timedelta(days=1)
    one = proposed(books)
    with pytest.raises(PeriodClosed), books.transaction():
        posted(books, (CASH, ESCROW, 1), effective_at=early)
    assert approve(books, one, "noah").state(NOW) == "done"
    assert closed_until(books, PROGRAM) == NOVEMBER
    posted(books, (CASH, ESCROW, 1), effective_at=early)
    with pytest.raises(PeriodClosed), books.transaction():
        posted(books, (CASH, ESCROW, 1), effective_at=NOVEMBER - timedelta(days=1))
    row = books.execute("select actor, approved_by, reason from period_close where verb = 'reopen'").fetchone()
    assert row is not None
    assert row[:2] == (one.maker, "person:noah")
    assert "an invoice was forgotten" in row[2]
    assert run_invariants(books, INVARIANTS) == []


def test_the_one_who_proposed_it_does_not_approve_it(books: Connection[Any]):
    one = proposed(books)
    with pytest.raises(SamePerson), books.transaction():
        approve(books, one, "mira")
    assert closed_until(books, PROGRAM) == DECEMBER


def test_reopening_moves_the_limit_back_and_not_on(books: Connection[Any]):
    with pytest.raises(PeriodNotEarlier):
        proposed(books, DECEMBER)


def test_what_was_closed_further_back_meanwhile_is_looked_at_again_when_it_is_done(books: Connection[Any]):
    first, second = proposed(books), proposed(books, NOVEMBER - timedelta(days=30), 2)
    approve(books, second, "noah")
    with pytest.raises(PeriodNotEarlier), books.transaction():
        approve(books, first, "noah")


@pytest.mark.parametrize("change", [{"until": NOVEMBER - timedelta(days=1)}, {"id": "prop_other"}, {"by": "person:mira"}])
def test_the_database_refuses_what_the_two_did_not_agree_on(books: Connection[Any], change: dict[str, Any]):
    one = proposed(books)
    asked = {"until": NOVEMBER, "id": one.id, "by": "person:noah"} | change
    with pytest.raises(errors.DatabaseError), books.transaction():
        books.execute(
            """insert into period_close (program_id, step, verb, closed_until, actor, approved_by, approval_id, reason, at)
               values (%s, 2, 'reopen', %s, %s, %s, %s, 'x', now())""",
            [PROGRAM, asked["until"], one.maker, asked["by"], asked["id"]],
        )
