"""Amounts as banks and spreadsheets write them → whole minor units, exactly. Never through a binary fraction."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from counterfoil.base.formats.currencies import scale_of
from counterfoil.base.money import MINOR_MAX, format_major

SPACES: Final = "\u0020\u00a0\u2007\u2009\u202f\t"
APOSTROPHES: Final = "'\u2019\u02bc\u00b4"
MINUS_SIGNS: Final = "-\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d"
DEBIT_WORDS: Final = frozenset({"DR", "DB", "D", "DEBIT", "DBIT", "S", "SOLL", "AF", "DEBET"})
CREDIT_WORDS: Final = frozenset({"CR", "C", "CREDIT", "CRDT", "H", "HABEN", "BIJ"})

_BODY: Final = re.compile(r"[0-9][0-9.,\s'\u2019\u02bc\u00b4\u00a0\u2007\u2009\u202f]*|[.,][0-9]+", re.ASCII)
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:g[0-9]{3})+|[0-9]{1,2}(?:g[0-9]{2})+g[0-9]{3}", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z]+\.?")
_SYMBOL: Final = re.compile(r"[$€£¥₹₽₺₩₪฿₫₴₦]|kr\.?|zł|Kč|Fr\.?|R\$", re.IGNORECASE)


class Unreadable(ValueError):
    """A value that cannot be understood; its text is the reason given with the rejected row."""


def known_scale(asset: str, scales: Mapping[str, int] | None = None) -> int:
    """The scale of `asset`, from `scales` first. Raises Unreadable when it has none."""
    found = (scales or {}).get(asset)
    if found is None:
        found = scale_of(asset)
    if found is None:
        raise Unreadable(f"{asset} is no currency whose decimals are known")
    return found


def told(minor: int, asset: str | None) -> str:
    """An amount for people: `1,659.89 EUR`; minor units where the scale is unknown."""
    scale = scale_of(asset) if asset else None
    return f"{minor} minor units" if scale is None else f"{format_major(minor, scale)} {asset}"


def does_not_carry(opening: int, total: int, closing: int, asset: str | None) -> str:
    """The sentence that says by how much a balance is off."""
    reached = f"opening {told(opening, asset)} and entries of {told(total, asset)} make {told(opening + total, asset)}"
    return f"the balance does not carry: {reached}, but it closes with {told(closing, asset)}"


def does_not_make_net(gross: int | None, fee: int, net: int, asset: str | None) -> str:
    """The sentence of a row of a provider's report that contradicts itself."""
    if gross is None:
        return f"there is no gross amount beside a net of {told(net, asset)}"
    return f"gross {told(gross, asset)} less a fee of {told(fee, asset)} is not net {told(net, asset)}"


def parse_amount(text: str, scale: int, *, decimal: str | None = None) -> int:
    """Signed minor units out of `text`: `1'234.50`, `(12,00)`, `3.000,1-`, `EUR 5`, `7 DR`. Raises Unreadable.

    `decimal` is the decimal mark where it is known; without it a mark followed by exactly three digits is refused, because
    `1.234` is one and a bit in one country and more than a thousand in the next. More decimals than `scale` are refused
    unless they are zeros.
    """
    sign, body = _split_sign(text)
    whole, fraction = _split_marks(body, decimal, text)
    if fraction[scale:].strip("0"):
        raise Unreadable(f"{text.strip()[:40]!r} has more than {scale} decimals")
    if len(whole) > 19:
        raise Unreadable(f"{text.strip()[:40]!r} is too large")
    minor = int((whole or "0") + fraction[:scale].ljust(scale, "0"))
    if minor > MINOR_MAX:
        raise Unreadable(f"{text.strip()[:40]!r} is too large")
    return sign * minor


def parse_whole(text: str) -> int:
    """Signed minor units out of whole digits, such as BAI2 writes them (`+00125`). Raises Unreadable."""
    body = text.strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,24}", body, re.ASCII) or abs(int(body)) > MINOR_MAX:
        raise Unreadable(f"{body[:40]!r} is no whole number of minor units")
    return int(body)


def decimal_mark_of(values: list[str]) -> str | None:
    """The decimal mark that these values show beyond doubt, or None. Raises Unreadable when they contradict each other."""
    seen: dict[str, str] = {}
    for value in (found[0] for found in map(_BODY.search, values) if found):
        marks = [mark for mark in value if mark in ".,"]
        if not marks:
            continue
        last = marks[-1]
        after = len(re.findall(r"[0-9]", value[value.rindex(last) + 1 :]))
        spaced = any(mark in value.strip() for mark in APOSTROPHES + SPACES)
        if len(set(marks)) == 2 or (len(marks) == 1 and (after != 3 or spaced or value.strip().startswith(("0.", "0,")))):
            seen.setdefault(last, value.strip())
        elif len(marks) > 1:
            seen.setdefault("." if last == "," else ",", value.strip())
    if len(seen) > 1:
        comma, point = seen[","][:40], seen["."][:40]
        raise Unreadable(f"some amounts have a decimal comma ({comma!r}) and others a decimal point ({point!r})")
    return next(iter(seen), None)


def _split_sign(text: str) -> tuple[int, str]:
    """The sign, however it is written, and what is left: digits and marks. Two contradicting signs are refused."""
    body, signs = text.strip(SPACES + "\r\n"), []
    if body.startswith("(") and body.endswith(")"):
        signs, body = ["-"], body[1:-1].strip(SPACES)
    found = _BODY.search(body)
    if not found:
        raise Unreadable(f"{text.strip()[:40]!r} is no amount")
    digits = found[0]
    for around in (body[: found.start()], body[found.end() :]):
        signs += _signs_in(around, text)
    if len(signs) > 1:
        raise Unreadable(f"{text.strip()[:40]!r} carries two signs")
    return (-1 if signs == ["-"] else 1), digits.strip(SPACES)


def _signs_in(around: str, text: str) -> list[str]:
    """Signs among what surrounds the digits; currency codes and symbols are allowed there, anything else is refused."""
    signs, codes = [], 0
    left = _SYMBOL.sub("", around).strip(SPACES)
    while left:
        word = _WORD.match(left)
        if left[0] in MINUS_SIGNS or left[0] == "+":
            signs.append("+" if left[0] == "+" else "-")
            left = left[1:].strip(SPACES)
        elif word and word[0].rstrip(".").upper() in DEBIT_WORDS | CREDIT_WORDS:
            signs.append("-" if word[0].rstrip(".").upper() in DEBIT_WORDS else "+")
            left = left[word.end() :].strip(SPACES)
        elif word and len(word[0]) == 3 and word[0].isupper() and not codes:
            codes, left = 1, left[3:].strip(SPACES)
        else:
            raise Unreadable(f"{text.strip()[:40]!r} is no amount")
    return signs


def _split_marks(body: str, decimal: str | None, text: str) -> tuple[str, str]:
    """Whole digits and decimals, with the grouping checked and taken out."""
    shown = text.strip()[:40]
    if decimal is None:
        marks = [mark for mark in body if mark in ".,"]
        if len(marks) == 1 and not any(mark in body for mark in APOSTROPHES + SPACES):
            whole, after = re.split(r"[.,]", body)
            if len(after) == 3 and whole.strip("0") and len(whole) <= 3:
                raise Unreadable(f"{shown!r} can be read in two ways: say which mark is the decimal mark")
        decimal = decimal_mark_of([body]) or "."
    if body.count(decimal) > 1:
        raise Unreadable(f"{shown!r} has more than one decimal mark")
    whole, _, fraction = body.partition(decimal)
    if fraction and not re.fullmatch(r"[0-9]+", fraction, re.ASCII):
        raise Unreadable(f"{shown!r} has marks among its decimals")
    grouping = {"g" if not mark.isdigit() else "" for mark in whole} - {""}
    if grouping:
        kinds = {" " if mark in SPACES else "'" if mark in APOSTROPHES else mark for mark in whole if not mark.isdigit()}
        shape = re.sub(r"[^0-9]", "g", whole)
        if len(kinds) != 1 or not _GROUPED.fullmatch(shape):
            raise Unreadable(f"{shown!r} is not grouped in thousands (its decimal mark is {decimal!r})")
        whole = shape.replace("g", "")
    return whole, fraction
