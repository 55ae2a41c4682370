"""Identifiers say what they name, sort by time, and are not confused with each other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.ids import new_id, valid_id
from counterfoil.base.problems import InvalidInput, InvariantBroken

NOW = datetime(2026, 11, 20, tzinfo=UTC)


@given(later=st.integers(1, 10**12), first=st.binary(min_size=10, max_size=10), second=st.binary(min_size=10, max_size=10))
def test_an_id_made_later_sorts_after_one_made_earlier(later, first, second):
    early = new_id("po", now=NOW, entropy=first)
    late = new_id("po", now=NOW + timedelta(milliseconds=later), entropy=second)
    assert early < late
    assert valid_id(early, "po", "payout_id") == early


def test_an_id_of_another_thing_is_refused():
    invoice = new_id("inv", now=NOW, entropy=bytes(10))
    with pytest.raises(InvalidInput, match="settlement_id"):
        valid_id(invoice, "set", "settlement_id")


def test_an_id_without_its_eighty_random_bits_is_never_made():
    with pytest.raises(InvariantBroken):
        new_id("po", now=NOW, entropy=b"short")
