"""One JSON for one meaning."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.formats.canonical import canonical_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_what_is_written_is_read_again_and_written_the_same(value: object) -> None:
    for ascii_only in (True, False):
        text = canonical_json(value, ascii_only=ascii_only)
        assert json.loads(text) == value
        assert canonical_json(json.loads(text), ascii_only=ascii_only) == text


def test_order_and_blanks_do_not_count_and_letters_stay_unless_ascii_is_asked_for() -> None:
    assert canonical_json({"b": [1, 2], "a": "é"}) == '{"a":"é","b":[1,2]}'
    assert canonical_json({"a": "é"}, ascii_only=True) == '{"a":"\\u00e9"}'


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        canonical_json({"a": float("nan")})
