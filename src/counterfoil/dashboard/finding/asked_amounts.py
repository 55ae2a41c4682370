"""The amounts in what somebody looks for: as people write them, and in minor units, as logs and the API tell them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final, NamedTuple

from counterfoil.base.money import MINOR_MAX, Asset, parse_major, parse_minor
from counterfoil.base.problems import InvalidInput

_AMOUNT: Final = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]{1,18})?|-?[0-9]{1,16}(?:\.[0-9]{1,18})?")
_COMMA: Final = re.compile(r"-?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]{1,16}),[0-9]{1,2}")  # 1.808,77, as most of Europe writes it
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_SPACED: Final = re.compile(r"(?<![0-9.,:-])[0-9]{1,3}(?:[\u00a0\u2009\u202f'’][0-9]{3})+(?![0-9])")  # 1’808.77
_SPACED_ALONE: Final = re.compile(r"(?:[A-Za-z]{3,} )?-?[0-9]{1,3}(?: [0-9]{3})+(?:[.,][0-9]{1,2})?(?: [A-Za-z]{3,})?")  # nothing beside it
_SIGNS: Final[Mapping[str, str]] = {"€": " EUR ", "£": " GBP ", "$": " USD "}
_TOKEN: Final = re.compile(r"[^\s\"'=<>{}\[\]|;]+")
_NAME: Final = re.compile(r"[A-Za-z_]+")  # of a field, between an amount and its asset: `"amount":"180877","asset":"EUR"`


class AskedAmount(NamedTuple):
    """An amount that may be meant. `as_minor`: the figure was read as minor units, so it is told what it is."""

    asset: Asset
    minor: int
    as_minor: bool


def asked_amounts(asked: str, assets: Mapping[str, Asset]) -> Iterator[AskedAmount]:
    """Of the asset that is named beside a figure, or, where nothing else is asked, of every one; a whole figure as both that it
    can be, as people write it first.

    A figure in the middle of a line, such as a part of a time, is no amount.
    """
    tokens = _tokens(asked)
    found: list[AskedAmount] = []
    for at, token in enumerate(tokens):
        figure = _figure(token)
        if figure is None:
            continue
        asset = _beside(tokens, at, assets)
        for one in [asset] if asset else assets.values() if len(tokens) == 1 else ():
            found += _readings(figure, one)
    yield from sorted(found, key=lambda one: one.as_minor)


def _tokens(asked: str) -> list[str]:
    text = _SPACED.sub(lambda found: re.sub("[^0-9]", "", found[0]), asked)
    for sign, code in _SIGNS.items():
        text = text.replace(sign, code)
    text = text.strip()
    if _SPACED_ALONE.fullmatch(text):
        text = re.sub(r"(?<=[0-9]) (?=[0-9])", "", text)
    return [token for one in _TOKEN.findall(text) if (token := one.strip(",:()"))]


def _figure(token: str) -> str | None:
    """An amount as it is parsed; None where the word is none."""
    if _AMOUNT.fullmatch(token):
        return token.replace(",", "")
    return token.replace(".", "").replace(",", ".") if _COMMA.fullmatch(token) else None


def _beside(tokens: list[str], at: int, assets: Mapping[str, Asset]) -> Asset | None:
    """The asset behind the figure or before it, or with the name of one field between."""
    for step in (1, -1, 2, -2):
        place = at + step
        between = tokens[at + step // 2] if abs(step) == 2 and 0 <= place < len(tokens) else "between"
        if 0 <= place < len(tokens) and _NAME.fullmatch(between):
            found = assets.get(tokens[place].strip(".").upper())
            if found is not None:
                return found
    return None


def _readings(figure: str, asset: Asset) -> Iterator[AskedAmount]:
    with suppress(InvalidInput):  # there is no such amount of it
        yield AskedAmount(asset, parse_major(figure, asset, "q"), as_minor=False)
    if asset.scale and _WHOLE.fullmatch(figure):
        with suppress(InvalidInput):
            yield AskedAmount(asset, parse_minor(figure, "q", least=-MINOR_MAX), as_minor=True)
