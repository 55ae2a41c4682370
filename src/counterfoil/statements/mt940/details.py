"""What an MT940 entry says in words: references, counterparty and memo out of :61:, :86: and :NS:."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

from counterfoil.statements.shape import StatementInfo

EMPTY: Final = frozenset({"", "NONREF", "NOTPROVIDED", "NOTPROVIDED.", "KREF+", "NOREF"})
WRAP: Final = 65  # SWIFT wraps here without regard to words, so a full line joins the next one without a space
_CODED: Final = re.compile(r"\s*[0-9]{3}\s*[?>]")
_SUBFIELD: Final = re.compile(r"[?>]([0-9]{2})")
_SEPA: Final = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|MTLG|ABWA|ABWE|IBAN|BIC|COAM|OAMT|PURP)[+:]\s?")
_SLASHED: Final = re.compile(
    r"/(TRTP|IBAN|BIC|NAME|REMI|EREF|ORDP|BENM|MARF|CSID|PREF|SVCL|ADDR|RTRN|ISDT|CNTP|USTD|STRD|PURP|ULTC|ULTD|ID)/"
)
_KIND_OF_TEXT: Final = re.compile(r"^(USTD|STRD)/+")
_NAMED: Final = re.compile(r"^([0-9]{2})(.*)$", re.MULTILINE)


class EntryWords(NamedTuple):
    """The words of one entry."""

    reference: str | None
    bank_reference: str | None
    counterparty: str | None
    memo: str | None


def told_by(rest: str, details: list[str], named: list[str]) -> EntryWords:
    """Read the tail of :61: and its text fields. The payer's end-to-end reference comes before the bank's own."""
    head, _, extra = rest.partition("\n")
    customer, _, bank = head.partition("//")
    customer, spaced = _cut_at_spaces(customer)
    text = _joined(details)
    counterparty, memo, end_to_end = _coded(details) if _CODED.match("\n".join(details[:1])) else _slashed(text)
    named_memo, named_party = _named(named)
    words = [part for part in (memo, named_memo, spaced, _joined([extra])) if part]
    return EntryWords(
        reference=_real(end_to_end) or _real(customer),
        bank_reference=_real(bank.strip()),
        counterparty=counterparty or named_party,
        memo=" ".join(words) or None,
    )


def info(
    account: str | None,
    reference: str | None,
    numbered: tuple[int | None, int | None],
    asset: str | None,
    opening: tuple[int, date] | None,
    closing: tuple[int, date] | None,
    counted: tuple[int, int],
    line: int,
) -> StatementInfo:
    """The statement in the common shape: `numbered` is (number, page), `counted` is (entries, total)."""
    return StatementInfo(
        account=account,
        statement_id=reference,
        sequence=numbered[0],
        asset=asset,
        opening=opening[0] if opening else None,
        closing=closing[0] if closing else None,
        opening_on=opening[1] if opening else None,
        closing_on=closing[1] if closing else None,
        entries=counted[0],
        total=counted[1],
        line=line,
        page=numbered[1],
    )


def _real(value: str | None) -> str | None:
    return value if value and value.strip().upper() not in EMPTY else None


def _cut_at_spaces(customer: str) -> tuple[str, str | None]:
    """Old Dutch files put the payee behind the reference, after a run of spaces."""
    parts = re.split(r"\s{2,}", customer.strip(), maxsplit=1)
    return parts[0].strip(), (parts[1].strip() if len(parts) > 1 else None)


def _joined(parts: list[str]) -> str:
    text, is_full = "", True
    for line in (line for part in parts for line in part.split("\n")):
        text += ("" if is_full else " ") + line
        is_full = len(line) >= WRAP
    return re.sub(r"\s+", " ", text).strip()


def _coded(details: list[str]) -> tuple[str | None, str | None, str | None]:
    """German and Polish banks: `166?00GUTSCHRIFT?20EREF+…?32NAME`. Subfields are wrapped anywhere, so lines join bare."""
    text = "".join(line for part in details for line in part.split("\n"))
    codes = _SUBFIELD.split(text)
    memo, party = "", ""
    for code, value in zip(codes[1::2], codes[2::2], strict=True):
        if "20" <= code <= "29" or "60" <= code <= "63":
            memo += value
        elif code in {"32", "33"}:
            party += value
    pieces = _SEPA.split(memo)
    sepa = dict(zip(pieces[1::2], (value.strip() for value in pieces[2::2]), strict=True))
    wording = sepa.get("SVWZ") or pieces[0].strip() or memo.strip()
    return re.sub(r"\s+", " ", party).strip() or None, wording or None, sepa.get("EREF")


def _slashed(text: str) -> tuple[str | None, str | None, str | None]:
    """Dutch banks: `/TRTP/…/NAME/…/REMI/…/EREF/…`; any other text is memo as it stands."""
    pieces = _SLASHED.split(text)
    if len(pieces) < 3:
        return None, text or None, None
    told: dict[str, str] = {}
    for name, value in zip(pieces[1::2], pieces[2::2], strict=True):
        told.setdefault(name, value.strip(" /"))
    remittance = _KIND_OF_TEXT.sub("", told.get("REMI", ""))
    memo = remittance or told.get("USTD") or told.get("STRD") or text
    return told.get("NAME") or _third(told.get("CNTP", "")) or None, memo, told.get("EREF")


def _third(party: str) -> str | None:
    """ING's counterparty, `/CNTP/account/BIC/name/city/`."""
    parts = party.split("/")
    return parts[2].strip() or None if len(parts) > 2 else None


def _named(named: list[str]) -> tuple[str | None, str | None]:
    """`:NS:` lines: 01 to 14 are the memo, 15 and 16 the counterparty."""
    lines = [(code, value.strip()) for part in named for code, value in _NAMED.findall(part)]
    memo = " ".join(value for code, value in lines if "01" <= code <= "14" and value)
    party = " ".join(value for code, value in lines if code in {"15", "16"} and value)
    return memo or None, party or None
