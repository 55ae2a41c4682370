"""A bank account as a destination tells it. Checked by a library that knows each country's form and the banks."""

from __future__ import annotations

from typing import NamedTuple

from schwifty import BIC, IBAN

NAME_MAX = 70  # characters of a name in a SEPA order


class BankAccount(NamedTuple):
    """Whose account, and where; `bic` is None where the IBAN says it all."""

    iban: str
    bic: str | None
    name: str


def bank_account_of(token: str) -> BankAccount:
    """`IBAN;name` or `IBAN;BIC;name`. Raises ValueError with what is wrong, without the account's number."""
    parts = [part.strip() for part in token.split(";")]
    if len(parts) not in (2, 3) or not all(parts):
        raise ValueError("a destination at the bank is IBAN;name or IBAN;BIC;name")
    try:
        iban = IBAN(parts[0]).compact
    except ValueError as error:
        raise ValueError(f"no IBAN: {error}"[:100]) from error
    try:
        bic = BIC(parts[1]).compact if len(parts) == 3 else None
    except ValueError as error:
        raise ValueError(f"no BIC: {error}"[:100]) from error
    if len(parts[-1]) > NAME_MAX:
        raise ValueError(f"a name of more than {NAME_MAX} characters")
    return BankAccount(iban, bic, parts[-1])
