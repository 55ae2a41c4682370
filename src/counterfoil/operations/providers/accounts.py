"""Accounts that payees are paid at, checked by a library where they are entered; a fault names the field that is wrong.

A provider is told an account as one text, its destination: its own name of an account, a bank account as `IBAN;BIC;holder` (the BIC
where it is given), or an address on a chain with its checksum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

from counterfoil.base.problems import InvalidInput, Problem

AccountKind = Literal["provider_account", "bank_account", "chain_address"]
WORDS: Final[Mapping[AccountKind, str]] = {
    "provider_account": "accounts of its own (token)",
    "bank_account": "bank accounts (bankAccount)",
    "chain_address": "addresses on a chain (chainAddress)",
}
HOLDER_MAX: Final = 70  # characters of a name in a SEPA order
SEPARATOR: Final = ";"
BANK_EXTRA: Final = ("bank-files", "schwifty")
CHAIN_EXTRA: Final = ("chain", "eth_utils", "eth_hash", "Crypto")


class AccountLibraryMissing(Problem, kind="busy"):  # ours to mend
    """Accounts of this kind cannot be checked here: the library for them is not installed. Install it where the server runs, as told."""


class BankAccount(NamedTuple):
    """Whose account, and where; `bic` is None where the IBAN says it all."""

    iban: str
    bic: str | None
    holder: str

    def told(self) -> str:
        """As a provider is told it, and as it is kept."""
        return SEPARATOR.join(filter(None, (self.iban, self.bic, self.holder)))


def bank_account(*, iban: str, holder: str, bic: str | None = None) -> BankAccount:
    """An account by its IBAN. Raises InvalidInput, which names the field and never shows the account; AccountLibraryMissing."""
    with _library(*BANK_EXTRA):
        from schwifty import BIC, IBAN
        from schwifty.exceptions import SchwiftyException
    try:
        number = IBAN(iban)
    except SchwiftyException as error:
        raise InvalidInput("iban", "an IBAN", reason=_reason(error)) from None
    code = None
    if bic is not None:
        try:
            code = BIC(bic)
        except SchwiftyException as error:
            raise InvalidInput("bic", "a BIC of 8 or 11 characters", reason=_reason(error)) from None
        if code.country_code != number.country_code and {code.country_code, number.country_code} not in _SHARED:
            raise InvalidInput("bic", f"a bank in {number.country_code}, as the IBAN says", got=code.country_code)
    return BankAccount(number.compact, code.compact if code else None, _holder(holder))


# One country's banks, the other's account numbers: dependencies with a code of their own (Jersey, Guernsey, Man: GB; French lands: FR).
_SHARED: Final = (
    *({"GB", one} for one in ("GG", "IM", "JE")),
    *({"FR", one} for one in ("BL", "GF", "GP", "MC", "MF", "MQ", "NC", "PF", "PM", "RE", "WF", "YT")),
)


def local_bank_account(
    *, country: str, account_code: str, holder: str, bank_code: str = "", branch_code: str = "", bic: str | None = None
) -> BankAccount:
    """An account in its country's own form: bank, branch (such as a sort code) and number. Raises as `bank_account`."""
    with _library(*BANK_EXTRA):
        from schwifty import IBAN
        from schwifty.exceptions import SchwiftyException
    land = country.upper()
    given = {"bank_code": _plain(bank_code), "branch_code": _plain(branch_code), "account_code": _plain(account_code)}
    _refuse_lengths(land, given)
    try:
        made = IBAN.generate(land, **given)
        made.validate(validate_bban=True)  # the country's own check digits: nothing else shows a slip of the pen
    except SchwiftyException as error:
        field = next((name for kind, name in _FIELDS.items() if type(error).__name__ == kind), "account_code")
        raise InvalidInput(field, f"as banks in {land} have it", reason=_reason(error)) from None
    return bank_account(iban=made.compact, holder=holder, bic=bic)


def bank_account_of(told: str) -> BankAccount:
    """The account that a destination tells: `IBAN;holder` or `IBAN;BIC;holder`.

    Raises InvalidInput, which names `token`, the field that was sent, and which part of it is wrong; AccountLibraryMissing.
    """
    parts = [part.strip() for part in told.split(SEPARATOR)]
    if len(parts) not in (2, 3) or not all(parts):
        raise InvalidInput("token", _TOLD)
    try:
        return bank_account(iban=parts[0], bic=parts[1] if len(parts) == 3 else None, holder=parts[-1])
    except InvalidInput as error:
        part, limit = _PARTS[str(error.facts["field"])], error.facts["limit"]
        facts = {name: said for name, said in error.facts.items() if name not in ("field", "limit")}
        raise InvalidInput("token", f"{_TOLD}; its {part}: {limit}", **facts) from None


_TOLD: Final = "a bank account as IBAN;holder or IBAN;BIC;holder"
_PARTS: Final = {"iban": "IBAN", "bic": "BIC", "holder": "holder"}


def chain_address(address: str, *, field: str = "chain_address") -> str:
    """An address of 20 bytes with its checksum (EIP-55: capitals by the Keccak-256 of the small letters), which shows a slip of the pen.

    Without the checksum it is refused: an address has no owner to ask, and what is sent to a wrong one is lost. Raises InvalidInput, which
    names the `field` and never shows the address; AccountLibraryMissing.
    """
    with _library(*CHAIN_EXTRA):
        from eth_hash.backends import pycryptodome as _keccak  # noqa: F401 - what the checksum is made with, looked for before it is needed
        from eth_utils.address import is_checksum_address, is_hex_address
    if not address.startswith("0x") or not is_hex_address(address):
        raise InvalidInput(field, "0x and 40 hexadecimal digits", got=f"{len(address)} characters")
    if not int(address, 16):
        raise InvalidInput(field, "an address that somebody has; what goes to 0x0 is lost")
    if not is_checksum_address(address):
        plain = address[2:] in (address[2:].lower(), address[2:].upper())
        why = "it is written without one" if plain else "it is wrong: a character was changed"
        raise InvalidInput(field, "an address with its checksum (EIP-55: small and capital letters, as wallets show it)", reason=why)
    return address


_FIELDS: Final = {
    "InvalidCountryCode": "country",
    "InvalidBankCode": "bank_code",
    "InvalidBranchCode": "branch_code",
    "InvalidAccountCode": "account_code",
}


def _refuse_lengths(country: str, given: Mapping[str, str]) -> None:
    """Each part as long as its country has it: a library would fill a short one up with zeros, and pay somebody else."""
    from schwifty.exceptions import InvalidCountryCode
    from schwifty.registry import get_iban_spec

    try:
        spec = get_iban_spec(country)
    except InvalidCountryCode:
        raise InvalidInput("country", "a country with IBANs, by its code of two letters", got=country[:10]) from None
    lengths = {part.value: place.end - place.start for part, place in spec.positions.items()}
    for name, text in given.items():
        wanted = lengths.get(name, 0)
        if wanted != len(text):
            limit = f"{wanted} characters in {country}, with leading zeros" if wanted else f"left out: accounts in {country} have none"
            raise InvalidInput(name, limit, got=f"{len(text)} characters")


def _plain(code: str) -> str:
    """Without the spaces and hyphens that people group it by."""
    return code.replace(" ", "").replace("-", "").upper()


def _holder(holder: str) -> str:
    name = " ".join(holder.split())
    if not 0 < len(name) <= HOLDER_MAX or not name.isprintable() or SEPARATOR in name:
        limit = f"the holder's name, 1 to {HOLDER_MAX} printable characters without a semicolon"
        raise InvalidInput("holder", limit, got=f"{len(name)} characters")
    return name


def _reason(error: Exception) -> str:
    """Why, without what was given: some messages of the library repeat the account."""
    name = type(error).__name__
    return _REASONS.get(name, "it is not in the form of its country")


_REASONS: Final = {
    "InvalidChecksumDigits": "its check digits are wrong: a character was changed",
    "InvalidBBANChecksum": "its country's check digits are wrong: a character was changed",
    "InvalidLength": "it is too long or too short",
    "InvalidCountryCode": "there is no such country",
    "InvalidStructure": "a character stands where it cannot",
}


@contextmanager
def _library(extra: str, *modules: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in modules:
            raise
        raise AccountLibraryMissing(do=f"pip install 'counterfoil[{extra}]'") from error
