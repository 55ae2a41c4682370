"""What moved an account, a row for each journal, against sums by hand: one line or several, both sides, any asset, the edges of days."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest

from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.reconciliation.movements import account_movements

NOW = datetime.now(UTC)  # of the books; what is on the clock is posted at the moment of its test, however late that comes
LONG_AGO = datetime(2026, 5, 4, 14, tzinfo=UTC)  # recorded now, so all of it is off the clock
OTHERS = ["cash:bank:own", "cash:bank:client", "suspense"]
CLEARING = "clearing:simulator"


def books(conn) -> None:
    open_program(conn, "main", name="Main", assets=[Asset("EUR", 2), Asset("USD", 2)], now=NOW)
    for asset in ("EUR", "USD"):
        open_accounts(conn, "main", [CLEARING, *OTHERS], asset=asset, actor="test", now=NOW)


def rows_of(conn, first: date, account: str = CLEARING):
    return conn.execute(account_movements(conn, "main", account, first=first, last=first + timedelta(days=1))).fetchall()


@pytest.mark.parametrize("long_ago", [True, False])
def test_every_journal_of_these_days_is_one_row_with_what_its_lines_come_to(conn, long_ago):
    books(conn)
    middle = LONG_AGO if long_ago else datetime.now(UTC)
    begin = datetime.combine(middle.date() - timedelta(days=1), datetime.min.time(), UTC)
    end = begin + timedelta(days=2)
    moments = [begin - timedelta(microseconds=1), begin, middle, middle, end - timedelta(microseconds=1), end]
    random = Random(20260504)
    wanted: Counter[tuple[str, int, str, date]] = Counter()
    shapes = Counter()
    for number in range(160):
        asset, moment = random.choice(["EUR", "USD"]), random.choice(moments)
        lines = []
        for _ in range(random.choice([1, 1, 2, 3])):
            debit, credit = random.sample([CLEARING, CLEARING, *OTHERS], 2)
            if debit == credit:
                debit = OTHERS[0]
            lines.append((debit, credit, random.choice([1, 7, 7, 300])))
        post(conn, "main", key=f"k{number}", kind="test", lines=lines, asset=asset, actor="test", now=NOW, effective_at=moment)
        touching = [amount if debit == CLEARING else -amount for debit, credit, amount in lines if CLEARING in (debit, credit)]
        if touching and begin <= moment < end:
            wanted[(f"test:k{number}", sum(touching), asset, moment.date())] += 1
            shapes[len(lines) > 1, len(touching) > 1, sum(touching) == 0] += 1
    assert len(shapes) >= 4, "journals of one line, of several, and some that come to nothing"
    on_clock = conn.execute("select count(*) filter (where not off_clock) from posting").fetchone()[0]
    assert bool(on_clock) != long_ago
    found = Counter((row[0], row[2], row[3], row[4]) for row in rows_of(conn, begin.date()))
    assert found == wanted


def test_an_account_that_nobody_opened_has_no_rows(conn):
    books(conn)
    post(conn, "main", key="k", kind="test", lines=[(CLEARING, "suspense", 5)], asset="EUR", actor="test", now=NOW, effective_at=NOW)
    assert rows_of(conn, NOW.date(), "clearing:nobody") == []
    assert len(rows_of(conn, NOW.date())) == 1
