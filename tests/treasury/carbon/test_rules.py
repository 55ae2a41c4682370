"""Energy and intensities to grams: exact, whole, and the same however the energy is cut."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from counterfoil.treasury.carbon.rules import GRAMS_IN_A_POUND, EnergyUse, IntensityPoint, emitted, judge

START = datetime(2026, 11, 20, tzinfo=UTC)
PERIOD = timedelta(minutes=5)
VALUES = st.decimals(min_value=0, max_value=2_000, places=6)


def points(*values: Decimal | int) -> list[IntensityPoint]:
    return [IntensityPoint(START + PERIOD * n, PERIOD, Decimal(value)) for n, value in enumerate(values)]


def use(watt_hours: int, begin: int = 0, end: int = 60) -> EnergyUse:
    """From one minute to another."""
    return EnergyUse(START + timedelta(minutes=begin), START + timedelta(minutes=end), watt_hours)


def test_a_megawatt_hour_at_a_thousand_pounds_is_453_592_grams() -> None:
    assert emitted([use(1_000_000)], points(*[1_000] * 12)) == (453_592, 1_000_000, 0)


def test_energy_is_weighed_by_the_time_it_lies_in_each_point() -> None:
    found = emitted([use(1_000_000, 3, 8)], points(100, 300))  # two minutes at 100, three at 300
    assert found.grams == round(Fraction(2 * 100 + 3 * 300, 5) * GRAMS_IN_A_POUND)


def test_a_moment_without_a_figure_leaves_the_whole_use_without_one() -> None:
    gap = [one for one in points(*[800] * 12) if one.at != START + 3 * PERIOD]
    assert emitted([use(500), use(7, 20, 30)], gap) == (3, 7, 500)
    assert emitted([use(500, 0, 61)], points(*[800] * 12)).uncovered == 500
    assert emitted([use(500)], []) == (0, 0, 500)


@given(st.lists(VALUES, min_size=12, max_size=12), st.integers(1, 10**9), st.integers(1, 59))
def test_an_interval_cut_in_two_emits_what_it_emits_whole_when_it_is_used_evenly(values: list[Decimal], watts: int, cut: int) -> None:
    whole = emitted([use(watts * 60)], points(*values))
    parts = emitted([use(watts * cut, 0, cut), use(watts * (60 - cut), cut, 60)], points(*values))
    assert parts == whole, "one rounding, at the end"


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=50), st.lists(VALUES, min_size=12, max_size=12))
def test_what_many_small_uses_emit_is_within_half_a_gram_of_the_exact_sum(watt_hours: list[int], values: list[Decimal]) -> None:
    found = emitted([use(one) for one in watt_hours], points(*values))
    mean = sum(map(Fraction, values), Fraction()) / 12
    assert abs(found.grams - mean * sum(watt_hours) / 1_000_000 * GRAMS_IN_A_POUND) <= Fraction(1, 2)


def test_a_difference_is_lag_within_the_window_and_a_break_after_it() -> None:
    day, window = date(2026, 11, 20), timedelta(hours=48)
    before, after = datetime(2026, 11, 22, 23, 59, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)
    assert judge(1, 0, day=day, window=window, now=before) == "SYNC_LAG"
    assert judge(0, 1, day=day, window=window, now=before) == "SYNC_LAG"
    assert judge(1, 0, day=day, window=window, now=after) == "BREAK"
    assert judge(0, 1, day=day, window=window, now=after) == "BREAK"
    assert judge(0, 0, day=day, window=window, now=after) == "AGREES"
