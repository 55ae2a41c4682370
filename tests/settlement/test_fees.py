"""Fees: fixed, minimum and maximum, each from its day on; and recomputed by what was in force, where a difference is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.edge import Database
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.payouts.refunds.rules import refund_parts
from counterfoil.settlement.fees.fees import NoRates, list_rates, rates_in_force, set_rates, version_now
from counterfoil.settlement.fees.recomputing import fee_totals, recompute_fees
from counterfoil.settlement.fees.rules import FeeLimit, FeesExceedGross, Rates, check_limit, cut
from tests.builders import NOW, PROGRAM, Desk, a_program, issue
from tests.simulators import spawn_simulator

BPS: dict[str, Any] = {"platform_bps": 500, "validator_bps": 100, "holdback_bps": 0, "actor": "test"}


@pytest.mark.parametrize(
    ("gross", "rates", "fee"),
    [
        (10_000, Rates(1, 500, 100, 0, fixed=30), 530),
        (9_999, Rates(1, 500, 100, 0, fixed=30), 529),  # the fixed part comes after the floor
        (100, Rates(1, 500, 100, 0, minimum=50), 50),
        (100, Rates(1, 500, 100, 0, fixed=46, minimum=50), 51),
        (10**9, Rates(1, 500, 100, 0, maximum=1_000), 1_000),
        (100, Rates(1, 0, 0, 0, maximum=0), 0),
    ],
)
def test_fixed_minimum_and_maximum_apply_after_the_floor(gross: int, rates: Rates, fee: int) -> None:
    assert cut(gross, rates, "EUR").platform_fee == fee


def test_a_settlement_whose_fees_are_more_than_it_brings_is_refused_with_its_figures() -> None:
    with pytest.raises(FeesExceedGross) as refused:
        cut(49, Rates(1, 0, 100, 0, minimum=50), "EUR")
    assert refused.value.facts == {"gross": "49", "platform_fee": "50", "validator_fee": "0", "holdback": "0", "asset": "EUR"}
    assert cut(50, Rates(1, 0, 100, 0, minimum=50), "EUR").net == 0


@pytest.mark.parametrize(
    ("limit", "field"),
    [(FeeLimit("EUR", fixed=-1), "fixed"), (FeeLimit("EUR", minimum=2, maximum=1), "maximum"), (FeeLimit("EUR", minimum=2**63), "minimum")],
)
def test_limits_that_exclude_each_other_are_refused(limit: FeeLimit, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_limit(limit, Asset("EUR", 2))
    assert refused.value.facts["field"] == field


@given(
    gross=st.integers(1, 10_000),
    parts=st.lists(st.integers(1, 3_000), max_size=8),
    limits=st.tuples(st.integers(0, 90), st.integers(0, 90), st.one_of(st.none(), st.integers(90, 400))),
)
def test_refunds_of_everything_give_every_fee_back_whatever_its_limits(gross: int, parts: list[int], limits: Any) -> None:
    rates = Rates(1, 500, 100, 300, 30, *limits)
    gone, back = 0, [0, 0, 0, 0]
    for amount in [*parts, gross]:
        amount = min(amount, gross - gone)
        if amount:
            one = refund_parts(gross, gone, amount, rates)
            assert one.platform_fee + one.validator_fee + one.holdback + one.due == amount
            back = [sum(pair) for pair in zip(back, one[1:], strict=True)]
            gone += amount
    assert sum(back) == gross
    assert back[1:3] == [gross * 100 // 10_000, gross * 300 // 10_000]


@pytest.fixture
def books(conn: Any) -> Any:
    open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2), Asset("JPY", 0)], now=NOW)
    return conn


def test_a_version_is_in_force_from_its_day_on(books: Any) -> None:
    with pytest.raises(NoRates):
        version_now(books, PROGRAM, now=NOW)
    set_rates(books, PROGRAM, **BPS, now=NOW)
    day = NOW + timedelta(days=3)
    set_rates(books, PROGRAM, **BPS | {"platform_bps": 700}, effective_at=day, limits=[FeeLimit("EUR", 5, 10, 20)], now=NOW)

    def at(moment: Any, asset: str) -> Any:
        return rates_in_force(books, [(PROGRAM, asset)], now=moment)[PROGRAM, asset]

    assert at(day - timedelta(microseconds=1), "EUR") == Rates(1, 500, 100, 0)
    assert at(day, "EUR") == Rates(2, 700, 100, 0, 30, 5, 10, 20)
    assert at(day, "JPY") == Rates(2, 700, 100, 0, 30, 0, 0, None)
    assert [one.version for one in list_rates(books, PROGRAM, rows_max=9)] == [2, 1]
    set_rates(books, PROGRAM, **BPS, now=NOW + timedelta(days=1))
    assert version_now(books, PROGRAM, now=day).version == 2, "the one that began last, not the one that was written last"


def test_rates_are_not_dated_back(books: Any) -> None:
    with pytest.raises(InvalidInput, match="not in the past"):
        set_rates(books, PROGRAM, **BPS, effective_at=NOW - timedelta(seconds=1), now=NOW)
    set_rates(books, PROGRAM, **BPS, now=NOW)
    books.execute("insert into fee_rate values ('main', 2, 1, 1, 1, 't', %s)", [NOW])
    with pytest.raises(psycopg.DatabaseError, match="from when they are recorded"), books.transaction():
        books.execute("insert into fee_term values ('main', 2, %s)", [NOW - timedelta(seconds=1)])
    with pytest.raises(InvalidInput, match="one of EUR, JPY"):
        set_rates(books, PROGRAM, **BPS, limits=[FeeLimit("USD")], now=NOW)


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database)
        yield Desk(database, simulator)


def settled(desk: Desk, price: str, prefix: str) -> str:
    (invoice,) = issue(desk.database, price, prefix=prefix)
    desk.pay(invoice, int(price.replace(".", "")), fee=0)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events")
    return invoice


def test_each_settlement_is_recomputed_by_what_was_in_force_and_a_difference_is_named(desk: Desk):
    settled(desk, "100.00", "a")
    desk.clock.advance(days=1)
    with desk.database.transaction() as conn:
        set_rates(conn, PROGRAM, **BPS, limits=[FeeLimit("EUR", fixed=30, minimum=1_00)], now=desk.clock.now)
    settled(desk, "50.00", "b")
    too_small = settled(desk, "0.90", "c")
    ((state, why),) = desk.rows("select state, last_error from intent where invoice_id = %s", too_small)
    assert state == "failed"
    assert "more than what is settled. (gross 0.90 EUR, platform_fee 1.00 EUR," in why
    span: dict[str, Any] = {"start": NOW, "end": desk.clock.now + timedelta(days=1), "program_id": PROGRAM}
    with desk.database.transaction() as conn:
        rows = recompute_fees(conn, rows_max=9, **span)
        assert [(one.version_in_force, one.platform_fee, one.due_platform_fee, one.differs) for one in rows] == [
            (1, 5_00, 5_00, False),
            (2, 2_80, 2_80, False),
        ]
    desk.still_true()
    with psycopg.connect(desk.database.url) as conn, conn.transaction(force_rollback=True):
        conn.execute("alter table settlement disable trigger all")  # as a superuser could
        conn.execute("update settlement set platform_fee = platform_fee - 1, net = net + 1 where gross = 5000")
        conn.execute("update settlement set rate_version = 2 where gross = 10000")
        found = recompute_fees(conn, rows_max=9, differing_only=True, **span)
        assert [(one.gross, one.rate_version, one.version_in_force, one.platform_fee, one.due_platform_fee) for one in found] == [
            (100_00, 2, 1, 5_00, 5_00),
            (50_00, 2, 2, 2_79, 2_80),
        ]
        (total,) = fee_totals(conn, **span)
        assert (total.settlements, total.differing, total.platform_fee, total.due_platform_fee) == (2, 2, 7_79, 7_80)


MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


def test_at_the_midnight_of_a_month_end_the_last_moment_pays_the_old_rates_and_the_first_the_new(desk: Desk):
    with desk.database.transaction() as conn:
        set_rates(conn, PROGRAM, **BPS | {"platform_bps": 900}, effective_at=MIDNIGHT, now=NOW)
        set_rates(conn, PROGRAM, **BPS | {"platform_bps": 700}, effective_at=MIDNIGHT, now=NOW)
        set_rates(conn, PROGRAM, **BPS | {"platform_bps": 600}, effective_at=MIDNIGHT - timedelta(hours=1), now=NOW)
    for at, prefix in ((MIDNIGHT - INSTANT, "a"), (MIDNIGHT, "b")):
        desk.clock.now = at
        settled(desk, "100.00", prefix)
    found = desk.rows("select at, rate_version, platform_fee from settlement order by at")
    assert found == [(MIDNIGHT - INSTANT, 4, 6_00), (MIDNIGHT, 3, 7_00)], "of two that begin at once, the one that was written later"
    span: dict[str, Any] = {"start": NOW, "program_id": PROGRAM}
    with desk.database.transaction() as conn:
        assert [one.differs for one in recompute_fees(conn, rows_max=9, end=MIDNIGHT + INSTANT, **span)] == [False, False]
        (month,) = fee_totals(conn, end=MIDNIGHT, **span)
        assert (month.settlements, month.platform_fee, month.differing) == (1, 6_00, 0), "the month ends before its midnight"
    desk.still_true()


def test_rates_begin_after_what_was_settled_also_by_a_worker_whose_clock_is_ahead(desk: Desk):
    desk.clock.advance(seconds=5)
    settled(desk, "100.00", "a")
    with desk.database.transaction() as conn:
        with pytest.raises(InvalidInput, match="after 2026-11-20T12:00:05"), conn.transaction():
            set_rates(conn, PROGRAM, **BPS, effective_at=NOW + timedelta(seconds=5), now=NOW + timedelta(seconds=1))
        made = set_rates(conn, PROGRAM, **BPS | {"platform_bps": 700}, now=NOW + timedelta(seconds=1))
        assert [one.effective_at for one in list_rates(conn, PROGRAM, rows_max=1)] == [desk.clock.now + INSTANT]
        assert [one.differs for one in recompute_fees(conn, start=NOW, end=MIDNIGHT, program_id=PROGRAM, rows_max=9)] == [False]
        assert version_now(conn, PROGRAM, now=desk.clock.now + INSTANT).version == made.version


def test_nobody_sets_rates_while_something_is_settled_by_those_of_before(database: Database):
    a_program(database)
    with database.transaction() as conn:
        rates_in_force(conn, [(PROGRAM, "EUR")], now=NOW)
        with database.transaction() as other:
            other.execute("set local lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
                set_rates(other, PROGRAM, **BPS, now=NOW)
        with database.transaction() as other:
            rates_in_force(other, [(PROGRAM, "EUR")], now=NOW)  # two workers settle side by side
    with database.transaction() as conn:
        set_rates(conn, PROGRAM, **BPS, now=NOW)
