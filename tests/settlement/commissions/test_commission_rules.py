"""What a sale's commissions are, by the rules, by the database and by fractions: three opinions, one figure."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.settlement.commissions.rules import BASES, CommissionTerms, base_of, check_terms, commissions_of, shares_of

GOOD = CommissionTerms("gross", "rates", (1000, 200), 2000, 30, 1000)
LEVELS = st.lists(st.integers(1, 1000), min_size=1, max_size=10)


def test_the_worked_example_by_rates_and_as_a_pool() -> None:
    assert shares_of(9999, "rates", (1000, 200)) == [999, 199]
    assert shares_of(9999, "pool", (1000, 200)) == [999, 200]


def test_the_base_is_the_gross_or_what_the_platform_leaves_or_takes() -> None:
    assert [base_of(kind, gross=10_000, platform_fee=500) for kind in BASES] == [10_000, 9_500, 500]


def test_whoever_earns_nothing_leaves_its_level_to_the_platform_and_nobody_else() -> None:
    assert commissions_of(9999, "pool", (1000, 200, 100), (True, False)) == [shares_of(9999, "pool", (1000, 200, 100))[0], 0]


@given(base=st.integers(0, 10**15), levels=LEVELS)
def test_no_more_is_given_than_the_rates_together_allow(base: int, levels: list[int]) -> None:
    exact = [Fraction(base * bps, 10_000) for bps in levels]
    by_rates, pooled = shares_of(base, "rates", levels), shares_of(base, "pool", levels)
    assert all(0 <= part - got < 1 for got, part in zip(by_rates, exact, strict=True))
    assert sum(pooled) == int(sum(exact))
    pot = int(sum(exact))
    assert all(abs(got - Fraction(pot * bps, sum(levels))) < 1 for got, bps in zip(pooled, levels, strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(base=st.integers(0, 10**15), levels=LEVELS, mode=st.sampled_from(["rates", "pool"]))
def test_the_database_works_out_the_same(conn: Any, base: int, levels: list[int], mode: Any) -> None:
    row = conn.execute("select commission_shares(%s, %s::integer[], %s)", [base, levels, mode]).fetchone()
    assert row == (shares_of(base, mode, levels),)


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"levels": ()}, "levels"),
        ({"levels": (1,) * 11}, "levels"),
        ({"levels": (0,)}, "levels"),
        ({"levels": (1500, 501)}, "at most 2000"),
        ({"cap_bps": 10_001}, "cap_bps"),
        ({"mature_days": -1}, "mature_days"),
        ({"minimum": -1}, "minimum"),
        ({"base": "net"}, "base"),
        ({"mode": "half"}, "mode"),
    ],
)
def test_terms_that_could_pay_more_than_their_cap_are_refused_by_name(wrong: dict[str, Any], names: str) -> None:
    check_terms(GOOD)
    with pytest.raises(InvalidInput, match=names):
        check_terms(GOOD._replace(**wrong))
