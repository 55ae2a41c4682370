"""An account as somebody enters it, made into what its provider is told; what is wrong is refused by its field."""

from __future__ import annotations

import re
from typing import NamedTuple

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.providers.accounts import (
    SEPARATOR,
    WORDS,
    AccountKind,
    BankAccount,
    bank_account,
    bank_account_of,
    chain_address,
    local_bank_account,
)
from counterfoil.operations.providers.capabilities import Capabilities


class BankAccountGiven(NamedTuple):
    """By its IBAN, or in its country's own form: bank, branch and number."""

    holder: str
    iban: str | None = None
    bic: str | None = None
    country: str | None = None
    bank_code: str | None = None
    branch_code: str | None = None
    account_code: str | None = None


def entered(
    *, token: str | None, bank: BankAccountGiven | None, provider: str, capabilities: Capabilities, chain: str | None = None
) -> str:
    """What the provider is told of this account: one of the ways to give it, which the provider must pay to.

    Raises InvalidInput, which names the field and shows nothing of the account; AccountLibraryMissing.
    """
    given = sum(one is not None for one in (token, bank, chain))
    if given != 1:
        raise InvalidInput("token", "this, bankAccount or chainAddress, one of the three", got=str(given) if given else "none")
    pays_to = capabilities.pays_to
    if bank is not None:
        _refuse_kind("bank_account", provider, pays_to)
        return _bank_account(bank).told()
    if chain is not None:
        _refuse_kind("chain_address", provider, pays_to)
        return chain_address(chain)
    assert token is not None
    return _named(token, provider, capabilities)


def _named(token: str, provider: str, capabilities: Capabilities) -> str:
    """An account given as one text: in the form of the only kind that the provider pays to, or its own name of it."""
    pays_to = capabilities.pays_to
    if "provider_account" not in pays_to:
        return bank_account_of(token).told() if "bank_account" in pays_to else chain_address(token, field="token")
    if capabilities.token_form and not re.fullmatch(capabilities.token_form, token):
        raise InvalidInput("token", f"an account's name as {provider} gives it", form=capabilities.token_form)
    if SEPARATOR in token and "bank_account" not in pays_to:
        raise InvalidInput("token", f"one account's name; {provider} pays to no bank accounts")
    return token


def _refuse_kind(kind: AccountKind, provider: str, pays_to: tuple[AccountKind, ...]) -> None:
    if kind not in pays_to:
        raise InvalidInput(kind, f"not for {provider}, which pays to {' and '.join(WORDS[one] for one in pays_to)}")


def _bank_account(given: BankAccountGiven) -> BankAccount:
    local = {
        "country": given.country,
        "bank_code": given.bank_code,
        "branch_code": given.branch_code,
        "account_code": given.account_code,
    }
    named = [name for name, said in local.items() if said]
    if given.iban is not None:
        if named:
            raise InvalidInput(named[0], "left out: the IBAN says it")
        return bank_account(iban=given.iban, bic=given.bic, holder=given.holder)
    if given.country is None or given.account_code is None:
        raise InvalidInput("iban", "the IBAN, or country and accountCode with what banks there need beside it", got="neither")
    return local_bank_account(
        country=given.country,
        bank_code=given.bank_code or "",
        branch_code=given.branch_code or "",
        account_code=given.account_code,
        bic=given.bic,
        holder=given.holder,
    )
