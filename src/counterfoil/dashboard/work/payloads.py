"""A proposal's payload as a person reads it: each field under its name, amounts as money, ids as links."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.money import Asset, Money
from counterfoil.operations.verbs import AMOUNTS
from counterfoil.wiring import NOUNS

FACTS_SHOWN_MAX: Final = 60
ALSO_MONEY: Final = AMOUNTS | {"above", "by_rule_max"}  # what a payload calls money beside what rows do
PLURALS: Final = {noun.prefix: noun.plural for noun in NOUNS} | {"cm": "client-money"}
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])([A-Z])")
_ID: Final = re.compile(r"([a-z]{2,6})_[0-9A-HJKMNP-TV-Z]{26}")


class PayloadFact(NamedTuple):
    """One field: its name in words, and what it holds. `path`: the page of the thing that it names."""

    name: str
    value: Any
    path: str | None = None


def page_of(thing_id: str) -> str | None:
    """The page of the thing with this id, if things of its kind have one."""
    found = _ID.fullmatch(thing_id)
    plural = PLURALS.get(found[1]) if found else None
    return f"/admin/{plural}/{thing_id}" if plural else None


def readable(payload: Mapping[str, Any], asset: str | None, assets: Mapping[str, Asset]) -> tuple[tuple[PayloadFact, ...], bool]:
    """The fields in their order, those within others behind the names of those, the first 60; and whether there are more.

    `asset`: of what amounts are that do not say it themselves. Without one an amount is told in minor units, and so called.
    """
    known = str(payload.get("asset") or asset or "")
    facts = _facts("", payload, known if known in assets else None)
    return tuple(facts[:FACTS_SHOWN_MAX]), len(facts) > FACTS_SHOWN_MAX


def _facts(before: str, payload: Mapping[str, Any], asset: str | None) -> list[PayloadFact]:
    found: list[PayloadFact] = []
    for key, value in payload.items():
        plain = _CAMEL.sub(r"_\1", key).lower()
        name = f"{before}{plain.replace('_', ' ')}"
        if isinstance(value, Mapping):
            found += _facts(f"{name}: ", value, asset)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            found += _listed(name, value, asset)
        elif plain != "asset" or asset is None:
            found.append(_fact(name, plain, value, asset))
    return found


def _listed(name: str, values: Sequence[Any], asset: str | None) -> list[PayloadFact]:
    if not any(isinstance(one, Mapping) for one in values):
        return [PayloadFact(name, ", ".join(str(one) for one in values) or "none")]
    found: list[PayloadFact] = []
    for number, one in enumerate(values, 1):
        found += _facts(f"{name} {number}: ", one if isinstance(one, Mapping) else {"": one}, asset)
    return found


def _fact(name: str, plain: str, value: Any, asset: str | None) -> PayloadFact:
    if value is None or value == "":
        return PayloadFact(name, "none")
    if isinstance(value, bool):
        return PayloadFact(name, "yes" if value else "no")
    if plain in ALSO_MONEY and _WHOLE.fullmatch(str(value)):
        name = f"{name.removesuffix('minor')}amount" if plain == "minor" else name
        return PayloadFact(name, Money(int(value), asset)) if asset else PayloadFact(f"{name}, minor units", f"{int(value):,}")
    if isinstance(value, str):
        return PayloadFact(name, _moment(value) or value, page_of(value))
    return PayloadFact(name, str(value))


def _moment(text: str) -> datetime | None:
    """A moment with its zone; a day or a text is told as it stands."""
    try:
        found = datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
