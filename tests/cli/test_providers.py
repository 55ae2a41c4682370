"""`counterfoil providers check`: the suite as a command, for whoever writes an adapter."""

from __future__ import annotations

import json
import sys

import pytest
from pydantic import ValidationError

from counterfoil.base.problems import InvalidInput
from counterfoil.base.settings import SecretMissing, Settings
from counterfoil.cli.core.exit_codes import EXIT, NOT_GREEN
from counterfoil.cli.local.providers import ExtraMissing, providers_of
from counterfoil.cli.main import run
from counterfoil.operations.providers.conformance.checks import CHECKS
from counterfoil.operations.providers.conformance.sandbox import CannotCheck, Sandbox
from counterfoil.operations.providers.simulator import SimulatorProvider
from tests.builders import SECRET
from tests.operations.providers.how import NEEDS_BANK_FILES, NEEDS_EVM

NOBODY = "http://127.0.0.1:9"


def nobody() -> Sandbox:
    """A sandbox at which nobody answers: no check of it can pass but the one for that."""
    return Sandbox("nobody", NOBODY, lambda url, s: SimulatorProvider(url, "sk", SECRET, timeout_s=s), "EUR", "acct_1")


def test_an_adapter_that_does_all_it_must_ends_the_command_with_0(capsys):
    assert run(["providers", "check", "simulator", "--output", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in told] == ["passed"] * len(CHECKS)
    assert all(one["says"] for one in told)


def test_a_sandbox_of_somebody_elses_is_named_by_its_function_and_what_fails_is_told(capsys):
    assert run(["providers", "check", f"{__name__}:nobody"]) == NOT_GREEN
    told = capsys.readouterr().out
    assert "failed          send: " in told
    assert "passed          no connection" in told
    assert "not checked     definite refusal: the sandbox names no destination" in told


def test_a_provider_that_there_is_not_is_refused_with_the_names_that_there_are(capsys):
    assert run(["providers", "check", "nope"]) == EXIT["missing"]
    assert "stripe" in capsys.readouterr().err
    assert run(["providers", "check", "tests.cli.test_providers:nope"]) == EXIT["missing"]


def nothing_to_check_with() -> Sandbox:
    """A sandbox that there is not."""
    raise CannotCheck("the node does not mine")


def test_a_sandbox_that_cannot_be_had_and_a_library_that_is_not_there_are_told_in_plain_words(capsys, monkeypatch):
    assert run(["providers", "check", f"{__name__}:nothing_to_check_with"]) == NOT_GREEN
    assert capsys.readouterr().err == "Nothing was checked: the node does not mine.\n"
    for name in [one for one in sys.modules if one.startswith("counterfoil.operations.providers.stripe")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "stripe", None)
    assert run(["providers", "check", "stripe"]) == EXIT["invalid"]
    assert "pip install 'counterfoil[stripe]'" in capsys.readouterr().err


BANK = {"sepa_debtor_iban": "DE89370400440532013000", "sepa_debtor_name": "House GmbH"}
STRIPE_KEY = "sk_test_" + "Zk3vQ9wLr7Tn5Bx2Jc8Hd4Mg"


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)


def test_a_provider_whose_library_is_not_installed_starts_nothing_and_says_what_to_install(monkeypatch):
    for name in ("provider", "pain001", "accounts"):
        monkeypatch.delitem(sys.modules, f"counterfoil.operations.providers.sepa.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "schwifty", None)
    with pytest.raises(ExtraMissing) as refused:
        providers_of(settings(**BANK))
    assert refused.value.facts == {"provider": "sepa", "do": "pip install 'counterfoil[bank-files]'"}


def test_an_account_at_the_bank_that_is_none_or_nobodys_is_refused_by_its_setting():
    pytest.importorskip("schwifty", reason=NEEDS_BANK_FILES)
    with pytest.raises(InvalidInput) as wrong:
        providers_of(settings(**BANK | {"sepa_debtor_iban": "DE89370400440532013001"}))
    assert wrong.value.facts["field"] == "sepa_debtor_iban"
    with pytest.raises(InvalidInput) as nameless:
        providers_of(settings(sepa_debtor_iban=BANK["sepa_debtor_iban"]))
    assert nameless.value.facts["field"] == "sepa_debtor_name"


def test_stripe_is_not_set_up_by_half():
    with pytest.raises(SecretMissing) as lacking:
        providers_of(settings(stripe_api_key=STRIPE_KEY))
    assert lacking.value.facts["variables"] == ["COUNTERFOIL_STRIPE_WEBHOOK_SECRET"]
    assert providers_of(settings()) == {}


CHAIN = {
    "chain_url": "http://127.0.0.1:9/v3/very-private-path",
    "chain_private_key": "0x" + "9f3b2c7d1e8a4650" * 4,
    "chain_number": 1,
    "chain_assets": "USDC=0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48,ETH=coin",
}


def test_a_chain_is_set_up_whole_and_shows_no_secret():
    pytest.importorskip("eth_account", reason=NEEDS_EVM)
    whole = settings(**CHAIN)
    assert list(providers_of(whole)) == ["chain"]
    for secret in ("very-private-path", "9f3b2c7d1e8a4650"):
        assert secret not in repr(whole) + repr(providers_of(whole)) + repr(vars(providers_of(whole)["chain"]))


@pytest.mark.parametrize(
    ("lacks", "field"),
    [
        ({"chain_number": None}, "chain_number"),
        ({"chain_assets": ""}, "chain_assets"),
        ({"chain_assets": "USDC=0xa0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"}, "chain_assets"),  # no checksum
        ({"chain_gas_asset": "POL"}, "chain_gas_asset"),  # and the coin is called otherwise
        ({"chain_private_key": "0x" + "9f3b2c7d1e8a4650" * 3 + "not hexadecimal!"}, "chain_private_key"),
    ],
)
def test_a_chain_that_is_set_up_wrongly_is_refused_by_its_setting(lacks, field):
    pytest.importorskip("eth_account", reason=NEEDS_EVM)
    with pytest.raises((InvalidInput, ValidationError)) as wrong:
        providers_of(settings(**CHAIN | lacks))
    assert field in str(wrong.value)
    assert "9f3b2c7d" not in str(wrong.value)


def test_a_chain_without_its_key_does_not_start():
    with pytest.raises(SecretMissing) as lacking:
        providers_of(settings(**CHAIN | {"chain_private_key": None}))
    assert lacking.value.facts["variables"] == ["COUNTERFOIL_CHAIN_PRIVATE_KEY"]
