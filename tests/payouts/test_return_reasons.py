"""What a bank or provider says of a refusal or a return: the code is found where it is one, and each says what comes first."""

from __future__ import annotations

import pytest

from counterfoil.payouts.return_reasons import REASONS, reason_in


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("the provider says returned: AC04", "AC04"),
        ("the provider says failed: AC04: Konto erloschen", "AC04"),
        ("RETOURE SVWZ+AC01 IBAN falsch", "AC01"),
        ("the provider says failed: account_closed", "account_closed"),
        ("the provider says failed: its payout po_1 failed (no_account)", "no_account"),
        ("the provider says returned: CUST", "CUST"),
        ("R02", "R02"),
        ("CUST: AC04 was not it", "CUST"),
        ("invoice R02 of CUST 4711", None),
        ("the bank declined nothing", None),
        ("XAC041 AC044 ac04", None),
        ("the provider says returned: reversed", None),
        ("", None),
        (None, None),
    ],
)
def test_a_code_is_found_where_it_is_one(said, code):
    found = reason_in(said)
    assert (found.code if found else None) == code


def test_each_code_stands_once_and_says_whole_sentences():
    assert len(REASONS) > 60
    for code, one in REASONS.items():
        assert one.code == code
        assert one.meaning[0].isupper(), code
        assert one.meaning.endswith("."), code
        assert (one.to_do == "") == (one.mend == "again"), code
    assert {REASONS[one].is_accounts for one in ("AC04", "AC06", "BE01")} == {True}
    assert {REASONS[one].is_accounts for one in ("AM05", "MD07", "AC02", "MS03")} == {False}
