"""Accounts as people enter them: checked by a library, refused by the field that is wrong, and never repeated in what is said."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.base.settings import load_settings
from counterfoil.cli.local.providers import providers_of
from counterfoil.operations.providers.accounts import bank_account_of
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.payouts.destinations.entry import BankAccountGiven, entered
from counterfoil.payouts.destinations.tokens import hint
from tests.operations.providers.how import NEEDS_BANK_FILES

pytest.importorskip("schwifty", reason=NEEDS_BANK_FILES)

BANK, BOTH, OWN = (Capabilities(pays_to=one) for one in (("bank_account",), ("provider_account", "bank_account"), ("provider_account",)))
FORMED = OWN._replace(token_form="acct_[a-z0-9]+")
IBAN = "DE89370400440532013000"
BRITISH = {"country": "GB", "bank_code": "NWBK", "branch_code": "60-16-13", "account_code": "31926819"}


def enter(can: Capabilities = BANK, token: str | None = None, **bank: Any) -> str:
    given = BankAccountGiven(**{"holder": "Bolt GmbH", **bank}) if bank else None
    return entered(token=token, bank=given, provider="x", capabilities=can)


@pytest.mark.parametrize(
    ("bank", "told"),
    [
        ({"iban": "de89 3704 0044 0532 0130 00"}, f"{IBAN};Bolt GmbH"),
        ({"iban": IBAN, "bic": "cobadeffxxx"}, f"{IBAN};COBADEFFXXX;Bolt GmbH"),
        ({"iban": IBAN, "holder": "  Frida   Kahlo "}, f"{IBAN};Frida Kahlo"),
        (BRITISH, "GB29NWBK60161331926819;Bolt GmbH"),
        ({"country": "de", "bank_code": "37040044", "account_code": "0532013000"}, f"{IBAN};Bolt GmbH"),
    ],
)
def test_an_account_becomes_what_its_provider_is_told(bank: dict[str, str], told: str) -> None:
    assert enter(**bank) == told
    assert bank_account_of(told).told() == told
    assert enter(token=told) == told, "as one text, where the provider pays to bank accounts alone"
    assert hint(told) == told.partition(";")[0][-4:]


@pytest.mark.parametrize(
    ("bank", "field"),
    [
        ({"iban": "DE89370400440532013001"}, "iban"),
        ({"iban": "DE8937040044053201300"}, "iban"),
        ({"iban": "XX89370400440532013000"}, "iban"),
        ({"iban": ""}, "iban"),
        ({"iban": IBAN, "bic": "COBADEFFXX"}, "bic"),
        ({"iban": IBAN, "bic": "COBAZZFFXXX"}, "bic"),
        ({"iban": IBAN, "bic": "BNPAFRPP"}, "bic"),
        ({"iban": IBAN, "holder": " "}, "holder"),
        ({"iban": IBAN, "holder": "x" * 71}, "holder"),
        ({"iban": IBAN, "holder": "Bolt;Evil"}, "holder"),
        ({"iban": IBAN, "country": "DE"}, "country"),
        ({"bic": "COBADEFF"}, "iban"),
        ({**BRITISH, "country": "US"}, "country"),
        ({**BRITISH, "country": "Great Britain"}, "country"),
        ({**BRITISH, "branch_code": "60161"}, "branch_code"),
        ({**BRITISH, "bank_code": ""}, "bank_code"),
        ({**BRITISH, "account_code": "3192681"}, "account_code"),
        ({"country": "DE", "bank_code": "37040044", "account_code": "532013000"}, "account_code"),
        ({"country": "DE", "bank_code": "37040044", "branch_code": "1", "account_code": "0532013000"}, "branch_code"),
    ],
)
def test_the_field_that_is_wrong_is_named_and_the_account_is_not(bank: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        enter(**bank)
    assert caught.value.facts["field"] == field
    said = caught.value.sentence()
    assert not [name for name in ("iban", "account_code") if len(bank.get(name, "")) > 6 and bank[name] in said]


def test_a_provider_is_told_no_kind_of_account_that_it_does_not_pay_to() -> None:
    assert enter(OWN, token="acct_1") == enter(BOTH, token="acct_1") == enter(FORMED, token="acct_1") == "acct_1"
    wrong: list[tuple[Capabilities, dict[str, str], str]] = [
        (OWN, {"iban": IBAN}, "bank_account"),
        (BANK, {"token": "acct_1"}, "token"),
        (OWN, {"token": f"{IBAN};Bolt"}, "token"),
        (BOTH, {"token": "acct_1", "iban": IBAN}, "token"),
        (BOTH, {}, "token"),
        (FORMED, {"token": "acct-1"}, "token"),
    ]
    for can, given, field in wrong:
        with pytest.raises(InvalidInput) as caught:
            enter(can, **given)
        assert caught.value.facts["field"] == field, given


CHAIN = Capabilities(pays_to=("chain_address",))
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # this and the next three: examples of EIP-55 itself


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
    ],
)
def test_an_address_on_a_chain_is_taken_with_its_checksum(address: str) -> None:
    pytest.importorskip("eth_utils")
    assert entered(token=None, bank=None, chain=address, provider="x", capabilities=CHAIN) == address
    assert entered(token=address, bank=None, provider="x", capabilities=CHAIN) == address


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (ADDRESS.replace("aAeb", "aaeb"), "a character was changed"),
        (ADDRESS[:-1] + "c", "a character was changed"),
        (ADDRESS.lower(), "written without one"),
        ("0x" + ADDRESS[2:].upper(), "written without one"),
        (ADDRESS[:-1], "41 characters"),
        (ADDRESS[2:], "40 characters"),
        ("0X" + ADDRESS[2:], "40 hexadecimal"),
        ("0x" + "0" * 40, "is lost"),
        ("", "0 characters"),
    ],
)
def test_a_wrong_address_on_a_chain_is_refused_by_its_field_and_not_repeated(address: str, said: str) -> None:
    pytest.importorskip("eth_utils")
    for field, given in (("chain_address", {"chain": address, "token": None}), ("token", {"token": address})):
        with pytest.raises(InvalidInput, match=said) as caught:
            entered(bank=None, provider="x", capabilities=CHAIN, **given)
        assert caught.value.facts["field"] == field
        assert len(address) < 10 or address not in caught.value.sentence()


def test_an_address_is_given_to_no_provider_that_pays_to_none() -> None:
    for can, more in ((OWN, {}), (BOTH, {}), (CHAIN, {"token": "acct_1"})):
        with pytest.raises(InvalidInput) as caught:
            entered(**{"token": None, **more}, bank=None, chain=ADDRESS, provider="x", capabilities=can)
        assert caught.value.facts["field"] == ("token" if more else "chain_address")


@pytest.mark.parametrize(
    ("token", "part"),
    [
        ("DE89370400440532013001;Bolt GmbH", "its IBAN: "),
        (f"{IBAN};COBADEFFXX;Bolt GmbH", "its BIC: "),
        (f"{IBAN};{'x' * 71}", "its holder: "),
        (IBAN, "IBAN;holder or"),
    ],
)
def test_of_an_account_that_was_sent_as_one_token_the_token_is_named_and_its_part(token: str, part: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        enter(token=token)
    assert (caught.value.facts["field"], part in str(caught.value.facts["limit"])) == ("token", True)
    assert token.partition(";")[0] not in caught.value.sentence()


@pytest.mark.parametrize(
    ("setting", "value"), [("sepa_debtor_iban", "DE89370400440532013001"), ("sepa_debtor_bic", "COBADEFFXX"), ("sepa_debtor_name", " ; ")]
)
def test_our_own_account_is_refused_by_the_setting_that_is_wrong(setting: str, value: str) -> None:
    right = {"sepa_debtor_iban": IBAN, "sepa_debtor_name": "House GmbH", "sepa_debtor_bic": "COBADEFFXXX"}
    assert list(providers_of(load_settings({}, **right))) == ["sepa"]
    with pytest.raises(InvalidInput) as caught:
        providers_of(load_settings({}, **{**right, setting: value}))
    assert caught.value.facts["field"] == setting
