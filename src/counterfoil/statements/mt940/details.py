"""What an MT940 entry says in words: references, counterparty and memo out of :61:, :86: and :NS:."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, NamedTuple

from counterfoil.statements.shape import StatementInfo

EMPTY: Final = frozenset({"", "NONREF", "NOTPROVIDED", "NOTPROVIDED.", "KREF+", "NOREF"})
WRAP: Final = 65  # SWIFT wraps here without regard to words, so a full line joins the next one without a space
_CODED: Final = re.compile(r"\s*[0-9]{3}\s*(?:([?>])|([~^<])(?=[0-9]{2}))")  # a bank parts its subfields by one mark, in all of them
_SUBFIELD: Final = {mark: re.compile(rf"{re.escape(mark)}([0-9]{{2}})") for mark in "?>~^<"}
_SEPA: Final = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|MTLG|ABWA|ABWE|IBAN|BIC|COAM|OAMT|PURP)([+:])\s?")
_SLASHED: Final = re.compile(
    r"/(TRTP|IBAN|BIC|NAME|REMI|EREF|ORDP|BENM|MARF|CSID|PREF|SVCL|ADDR|RTRN|ISDT|CNTP|USTD|STRD|PURP|ULTC|ULTD|ID)/"
)
_COLUMNS: Final = re.compile(r"(?:^|\s)(IBAN|BIC|NAAM|OMSCHRIJVING|KENMERK|MACHTIGING|INCASSANT|VOOR): ?")  # ABN AMRO, in columns of 32
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
    """German and Polish banks: `166?00GUTSCHRIFT?20EREF+…?32NAME`, or another mark. Subfields are wrapped anywhere: lines join bare."""
    text = "".join(line for part in details for line in part.split("\n"))
    begun = _CODED.match(text)
    codes = _SUBFIELD[(begun[1] or begun[2]) if begun else "?"].split(text)
    memo, party, begins = "", "", set[int]()
    for code, value in zip(codes[1::2], codes[2::2], strict=True):
        if "20" <= code <= "29" or "60" <= code <= "63":
            begins.add(len(memo))
            memo += value
        elif code in {"32", "33"}:
            party += value
    sepa = _named_parts(memo, _sepa_names(memo, begins))
    wording = sepa.get("SVWZ") or sepa[""] or memo.strip()
    return re.sub(r"\s+", " ", party).strip() or None, wording or None, sepa.get("EREF")


def _sepa_names(memo: str, begins: set[int]) -> list[re.Match[str]]:
    """The names that tell what a text is: `EREF+` (behind `SVWZ+` only where a subfield begins); without any, the running `EREF: `.

    Within what the payer wrote the same letters are words of a person: they name nothing, and end nothing.
    """
    found = [each for each in _SEPA.finditer(memo) if each.start() in begins or memo[each.start() - 1].isspace()]
    at = next((each.start() for each in found if each[0].startswith("SVWZ+")), len(memo))  # behind it stands what a person wrote
    names = [each for each in found if each[2] == "+" and (each.start() <= at or each.start() in begins)]
    names += [each for each in found if names and each[0].startswith("MTLG:") and each.start() in begins]
    if names:
        return sorted(names, key=re.Match.start)
    first = next((each for each in found if each[1] not in {"IBAN", "BIC"}), None)  # those two stand in sentences as well
    return [each for each in found if first and each.start() >= first.start()]


def _named_parts(text: str, names: list[re.Match[str]]) -> dict[str, str]:
    """What stands behind each name, and before all of them (the empty name). A name that comes again is a word of the part before it."""
    firsts = sorted({each[1]: each for each in reversed(names)}.values(), key=re.Match.start)
    ends = [*(each.start() for each in firsts), len(text)]
    told = {each[1]: text[each.end() : end].strip() for each, end in zip(firsts, ends[1:], strict=True)}
    return {"": text[: ends[0]].strip(), **told}


def _slashed(text: str) -> tuple[str | None, str | None, str | None]:
    """Dutch banks: `/TRTP/…/NAME/…/REMI/…/EREF/…`. Others write the party behind `/ORDP/` or `/BENM/`. Any other text is memo."""
    names = list(_SLASHED.finditer(text))
    if not names:
        return _in_columns(text)
    told = {name: value.strip(" /") for name, value in _named_parts(text, names).items()}
    remittance = _KIND_OF_TEXT.sub("", told.get("REMI", "")) or told.get("USTD") or told.get("STRD")
    memo = f"{text[: names[0].start()]} {remittance}".strip() if remittance else text
    plain = (told.get("ORDP") or told.get("BENM", "")).split("/")[0]
    party = told.get("NAME") or _third(told.get("CNTP", "")) or plain
    return party or None, memo, told.get("EREF")


def _in_columns(text: str) -> tuple[str | None, str | None, str | None]:
    """`SEPA OVERBOEKING  IBAN: …  BIC: …  NAAM: …  OMSCHRIJVING: …  KENMERK: …`; any other text is memo as it stands."""
    names = list(_COLUMNS.finditer(text))
    if not text.startswith("SEPA ") or not {"IBAN", "NAAM"} <= {each[1] for each in names}:
        return None, text or None, None
    told = _named_parts(text, names)
    return told["NAAM"] or None, told.get("OMSCHRIJVING") or text, told.get("KENMERK")


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
