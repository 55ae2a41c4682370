"""Pages: bounded, in order, and a cursor that is not ours is a problem, never another page."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.paging import CursorBroken, Keyset
from counterfoil.base.problems import InvariantBroken

PAYOUTS = Keyset("payouts", (datetime, str))
COUNTS = Keyset("counts", (int,))
AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)


@given(at=st.datetimes(timezones=st.just(UTC)), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_cursor_gives_back_its_values(at: datetime, text: str) -> None:
    assert PAYOUTS.after(PAYOUTS.cursor(at, text)) == (at, text)


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_of_any_size_pass(number: int) -> None:
    assert COUNTS.after(COUNTS.cursor(number)) == (number,)


def test_no_cursor_is_the_first_page() -> None:
    assert PAYOUTS.after(None) is None


def test_a_cursor_is_safe_in_an_address() -> None:
    cursor = PAYOUTS.cursor(AT, "é?&=/+ 日本")
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()


@pytest.mark.parametrize(
    "broken", ["", "x", "=", "é", "AAAA", "AAAAAA", "x" * 2_000, "eyJhIjoxfQ", PAYOUTS.cursor(AT, "po_1")[:-1], " " * 8]
)
def test_a_broken_cursor_is_a_problem(broken: str) -> None:
    with pytest.raises(CursorBroken):
        PAYOUTS.after(broken)


@given(st.binary(max_size=60))
def test_any_other_bytes_are_a_problem_and_nothing_else(noise: bytes) -> None:
    with pytest.raises(CursorBroken):
        PAYOUTS.after(base64.urlsafe_b64encode(noise).decode())


@given(place=st.integers(0, 60), other=st.sampled_from("ABCxyz019-_"))
def test_a_changed_character_is_noticed(place: int, other: str) -> None:
    cursor = PAYOUTS.cursor(AT, "po_1")
    changed = cursor[: place % len(cursor)] + other + cursor[place % len(cursor) + 1 :]
    if changed == cursor:
        assert PAYOUTS.after(changed) == (AT, "po_1")
        return
    with pytest.raises(CursorBroken):
        PAYOUTS.after(changed)


def test_a_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(CursorBroken):
        Keyset("invoices", (datetime, str)).after(PAYOUTS.cursor(AT, "po_1"))
    with pytest.raises(CursorBroken):
        Keyset("payouts", (str, str)).after(PAYOUTS.cursor(AT, "po_1")[:-4])
    with pytest.raises(CursorBroken):
        Keyset("payouts", (int, str)).after(PAYOUTS.cursor(AT, "po_1"))


def test_a_cursor_of_the_wrong_values_is_our_mistake() -> None:
    with pytest.raises(InvariantBroken):
        PAYOUTS.cursor("po_1", AT)


def test_one_row_too_many_tells_that_more_follow() -> None:
    full = COUNTS.page([1, 2, 3], 2, lambda row: (row,))
    assert (full.rows, full.next_cursor) == ([1, 2], COUNTS.cursor(2))
    assert COUNTS.page([3], 2, lambda row: (row,)) == ([3], None)
