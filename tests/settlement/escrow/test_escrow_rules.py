"""What a release takes: never more than the one large release would, whatever the parts; and conditions that say what they must."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.settlement.escrow.rules import Condition, checked_conditions, micro_of, micro_text, release_split, terms_of
from counterfoil.settlement.fees.rules import Rates

AT = datetime(2026, 12, 1, tzinfo=UTC)
RATES = Rates(1, 500, 100, 0)


def test_one_release_of_all_takes_the_rates_rounded_down() -> None:
    assert release_split(99_99, RATES, released=0, platform_taken=0, validator_taken=0) == (9999, 499, 99, 9401)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.integers(0, 5000), st.integers(0, 5000))
def test_many_small_releases_take_what_one_large_one_takes(parts: list[int], platform_bps: int, validator_bps: int) -> None:
    rates = Rates(1, platform_bps, validator_bps, 0)
    released = platform = validator = net = 0
    for amount in parts:
        one = release_split(amount, rates, released=released, platform_taken=platform, validator_taken=validator)
        assert min(one.platform_fee, one.validator_fee, one.net) >= 0
        assert one.platform_fee + one.validator_fee + one.net == amount
        released, platform, validator, net = released + amount, platform + one.platform_fee, validator + one.validator_fee, net + one.net
    whole = sum(parts)
    assert platform + validator + net == whole
    assert platform == whole * platform_bps // 10_000
    assert 0 <= whole * validator_bps // 10_000 - validator <= 1, "a last release too small for both leaves one unit of the validators'"


GOOD = [
    Condition("time", not_before=AT),
    Condition("signature", signers=("person:anna",)),
    Condition("m_of_n", signers=("person:anna", "key:portal"), needed=2),
    Condition("usage", least_micro=1),
    Condition("score", least_micro=0),
]
BAD = [
    (Condition("time"), "not_before"),
    (Condition("time", not_before=AT, least_micro=1), "nothing else"),
    (Condition("usage", least_micro=0), "above nothing"),
    (Condition("score", least_micro=-1), "not negative"),
    (Condition("signature", signers=("anna",)), "person:anna"),
    (Condition("signature", signers=("person:a", "person:b")), "one signer"),
    (Condition("m_of_n", signers=("person:a", "person:a"), needed=1), "each signer once"),
    (Condition("m_of_n", signers=("person:a", "person:b"), needed=3), "1 to all"),
    (Condition("m_of_n", signers=("person:a", "person:b"), needed=0), "1 to all"),
    (Condition("m_of_n", signers=("person:a", "person:b"), needed=1, not_before=AT), "nothing else"),
]


def test_each_kind_of_condition_is_taken_and_said_in_words() -> None:
    taken = checked_conditions(GOOD)
    assert [terms_of(one) for one in taken] == [
        "not before 2026-12-01T00:00:00+00:00",
        "signed by person:anna",
        "signed by 2 of person:anna, key:portal",
        "at least 0.000001 used since the escrow began",
        "at least 0 scored at last",
    ]


@pytest.mark.parametrize(("wrong", "why"), BAD)
def test_a_condition_that_says_too_little_or_too_much_is_refused_by_its_number(wrong: Condition, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_conditions([GOOD[0], wrong])
    assert refused.value.facts["field"] == "conditions[2]"
    assert why in str(refused.value.facts["limit"])


@given(st.integers(0, 10**15))
def test_millionths_are_written_and_read_alike(micro: int) -> None:
    assert micro_of(micro_text(micro), "x") == micro


@pytest.mark.parametrize("given_", ["", "-1", "1.1234567", "1e3", "4,5", "١"])
def test_what_is_no_plain_number_is_refused(given_: str) -> None:
    with pytest.raises(InvalidInput):
        micro_of(given_, "score")
