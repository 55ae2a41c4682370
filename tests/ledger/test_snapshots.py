"""What is read for one answer is of one moment: a statement foots, and so do two pages of a trial balance, whoever posts meanwhile."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.base.edge import Database, now
from counterfoil.ledger.reads import statements
from counterfoil.ledger.reads.balances import trial_balance, trial_totals
from counterfoil.ledger.reads.statements import statement
from tests.ledger.builders import CASH, ESCROW, PROGRAM, a_program, posted


@pytest.fixture
def books(database: Database) -> Database:
    with database.transaction() as conn:
        a_program(conn)
        posted(conn, (CASH, ESCROW, 10_00), now=now())
    return database


def post_meanwhile(database: Database, minor: int) -> None:
    with database.transaction() as conn:
        posted(conn, (CASH, ESCROW, minor), now=now())


def test_a_statement_foots_although_somebody_posts_while_it_is_read(books: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    read, calls = statements.balance, []

    def balance(*args: object, **more: object) -> object:
        found = read(*args, **more)  # type: ignore[arg-type]
        calls.append(found)
        post_meanwhile(books, 77)
        return found

    monkeypatch.setattr(statements, "balance", balance)
    with books.transaction(read_only=True) as conn:
        start, end = now() - timedelta(days=1), now() + timedelta(hours=1)
        found = statement(conn, PROGRAM, ESCROW, asset="EUR", start=start, end=end)
    assert len(calls) == 2, "the posts fell between the readings"
    assert found.opening + sum(line.credit_minor - line.debit_minor for line in found.lines) == found.closing == 10_00


def test_the_pages_of_a_trial_balance_and_its_totals_are_of_one_moment(books: Database) -> None:
    with books.transaction(read_only=True) as conn:
        first = trial_balance(conn, PROGRAM, asset="EUR", rows_max=1)
        post_meanwhile(books, 5_00)
        rest = trial_balance(conn, PROGRAM, asset="EUR", after=first[0].account, rows_max=10)
        assert sum(line.debit_minor - line.credit_minor for line in [*first, *rest]) == 0
        assert trial_totals(conn, PROGRAM, asset="EUR") == (10_00, 10_00)
