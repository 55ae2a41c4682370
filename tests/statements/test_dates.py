"""Days: proven by the file, or not chosen at all."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.statements.amounts import Unreadable
from counterfoil.statements.continuity.banking_days import easter, is_euro_day
from counterfoil.statements.dates import (
    DATE_FORMATS,
    beside,
    choose_format,
    parse_date,
    parse_instant,
    parse_ofx,
    parse_yymmdd,
)


def test_a_day_above_twelve_decides_the_order() -> None:
    assert choose_format(["03/04/2024", "25/04/2024"]) == "%d/%m/%Y"
    assert choose_format(["03/04/2024", "04/25/2024"]) == "%m/%d/%Y"


def test_the_order_of_the_days_decides_where_no_day_is_above_twelve() -> None:
    assert choose_format(["01/02/2024", "02/02/2024", "01/03/2024"]) == "%d/%m/%Y"
    assert choose_format(["01/02/2024", "01/03/2024", "02/02/2024"]) == "%m/%d/%Y"


def test_dates_that_can_be_read_in_two_ways_choose_nothing() -> None:
    assert choose_format(["03/04/2024", "01/02/2024", "05/06/2024"]) is None
    assert choose_format(["03/04/2024", "01/02/2024", "05/06/2024"], day_first=True) == "%d/%m/%Y"


def test_one_bad_day_does_not_hide_the_format_of_the_others() -> None:
    assert choose_format(["01.02.2024", "31.02.2024", "05.02.2024"]) == "%d.%m.%Y"


def test_words_are_no_dates() -> None:
    assert choose_format(["soon", "later"]) is None


@given(st.dates(date(1990, 1, 1), date(2060, 12, 31)), st.sampled_from([each for each in DATE_FORMATS if "%y" not in each]))
def test_a_day_written_in_any_format_comes_back(day: date, date_format: str) -> None:
    assert parse_date(day.strftime(date_format), date_format) == day


def test_a_value_date_of_30_february_is_the_last_of_february() -> None:
    assert parse_yymmdd("240230") == date(2024, 2, 29)
    assert parse_yymmdd("230230") == date(2023, 2, 28)
    assert parse_yymmdd("990228") == date(1999, 2, 28)
    with pytest.raises(Unreadable):
        parse_yymmdd("240431")


def test_an_entry_date_without_a_year_lies_beside_the_value_date() -> None:
    assert beside("0105", date(2014, 12, 31)) == date(2015, 1, 5)
    assert beside("1231", date(2015, 1, 2)) == date(2014, 12, 31)
    with pytest.raises(Unreadable):
        beside("1331", date(2015, 1, 2))


def test_an_instant_without_an_offset_is_unknown_and_one_with_it_is_in_utc() -> None:
    assert parse_instant("2024-03-01T22:30:00") is None
    assert parse_instant("2024-03-01T22:30:00-05:00") == datetime(2024, 3, 2, 3, 30, tzinfo=UTC)


def test_ofx_dates_keep_their_day_and_give_an_instant_with_an_offset() -> None:
    assert parse_ofx("20240131") == (date(2024, 1, 31), None)
    assert parse_ofx("20240131230000.000[-5:EST]") == (date(2024, 1, 31), datetime(2024, 2, 1, 4, 0, tzinfo=UTC))
    assert parse_ofx("20240131120000[+5.30:IST]")[1] == datetime(2024, 1, 31, 6, 42, tzinfo=UTC)
    for text in ("20240230", "soon", "20240131250000[0:GMT]"):
        with pytest.raises(Unreadable):
            parse_ofx(text)


def test_euro_statements_are_not_due_on_targets_closing_days() -> None:
    assert [easter(year) for year in (2024, 2025, 2038)] == [date(2024, 3, 31), date(2025, 4, 20), date(2038, 4, 25)]
    closed = [date(2024, 3, 29), date(2024, 4, 1), date(2024, 5, 1), date(2024, 12, 26), date(2024, 3, 30)]
    assert not any(map(is_euro_day, closed))
    assert is_euro_day(date(2024, 5, 9))
