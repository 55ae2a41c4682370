"""A first rule set out of two files: which column is what, which key both share, how far dates lie apart; and why, in sentences."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.guess.balances import prove_balances
from counterfoil.matching.guess.columns import NO_CURRENCY, Looked, look
from counterfoil.matching.guess.gathered import SHORT_LENGTH
from counterfoil.matching.guess.keys import PART, CommonKeys, observe
from counterfoil.matching.guess.page import ColumnTold, Said, columns_told
from counterfoil.matching.reading.scans import SourceUnreadable
from counterfoil.matching.rules.names import FIELDS

NAME_CHARS_MAX: Final = 80  # what a rule set takes
TEXT_ROLES: Final = ("reference", "counterparty", "memo")
WINDOW_WITHOUT_KEY_DAYS: Final = (10, 30)
NEAR_DAYS: Final = 5
REVERSAL_DAYS: Final = 31


class Guess(NamedTuple):
    """A TOML rule set, the reasons for each choice, and what each column is taken for."""

    text: str
    reasons: list[str]
    columns: list[ColumnTold]


def guess_rules(left: Path | Sequence[Path], right: Path | Sequence[Path]) -> tuple[str, list[str]]:
    """A TOML rule set for these two sides and the reasons for each choice, with nothing said beforehand; see `guess`."""
    found = guess(left, right)
    return found.text, found.reasons


def guess(left: Path | Sequence[Path], right: Path | Sequence[Path], said: Said | None = None, *, is_proposal: bool = True) -> Guess:
    """A rule set for these two sides. What was `said` of columns stands.

    As a proposal, which a person reads before it is used, it may have a tolerance and a known fee; else it lets nothing pass.

    Raises InvalidInput where a file shows no amount, SourceUnreadable and SourceBroken where one cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="counterfoil-guess-") as folder:
        engine = DuckEngine(Path(folder))
        try:
            told = said or {}
            sides = (
                look(engine, left, "left", Path(folder), told.get("left", {})),
                look(engine, right, "right", Path(folder), told.get("right", {})),
            )
            _settle_units(sides)
            _settle_assets(sides)
            found = observe(engine, sides, is_proposal=is_proposal)
            prove_balances(engine, sides, _written(sides, found, balances=False), Path(folder))
        except duckdb.Error as error:
            raise SourceUnreadable(reason=str(error).splitlines()[0][:300]) from error
        finally:
            engine.close()
    reasons = [*sides[0].reasons, *sides[1].reasons, *found.reasons]
    why = [f"# {_one_line(reason)}" for reason in ("Proposed from two files, because:", *reasons)]
    text = "\n".join([*why, _written(sides, found, balances=True)])
    return Guess(text, reasons, [*columns_told(sides[0]), *columns_told(sides[1])])


def _written(sides: tuple[Looked, Looked], found: CommonKeys, *, balances: bool) -> str:
    parts = [*_side(sides[0], balances=balances), *_side(sides[1], balances=balances), *_passes(sides, found)]
    return "\n".join(["version = 1", *_head(found), "", *parts])


def _one_line(reason: str) -> str:
    """As a comment of TOML may hold it: what a file calls its columns may hold anything."""
    return "".join(mark if mark.isprintable() else " " for mark in reason)


def _settle_units(sides: tuple[Looked, Looked]) -> None:
    """Whole figures on both sides are minor units; whole figures against decimals are told apart by the figures that pairs share."""
    for side in sides:
        if side.unit is not None or side.statement:
            continue
        side.unit = "major" if side.has_decimals else "minor"
        other = next(each for each in sides if each is not side)
        if side.has_decimals:
            side.say(f"amounts have decimals ({side.sample_amount}): major units")
        elif other.has_decimals or other.statement:
            side.say("amounts are whole figures; the other side has decimals, so the pairs decide below")
        else:
            side.say("amounts are whole figures on both sides: taken as minor units, such as cents; change `unit` if they are not")


def _settle_assets(sides: tuple[Looked, Looked]) -> None:
    for side, other in (sides, sides[::-1]):
        if "asset" in side.columns or side.asset:
            continue
        side.asset = other.asset or other.only_asset or NO_CURRENCY
        told = (
            "no currency is named on either side"
            if side.asset == NO_CURRENCY
            else f"no currency column: taken from the other side, {side.asset}"
        )
        side.say(told)


def _head(found: CommonKeys) -> list[str]:
    own = [f"key_fields = [{quoted(PART)}]"] if found.has_part else []
    return [f"compare = [{', '.join(quoted(each) for each in found.compare)}]", *own]


def quoted(text: str) -> str:
    """A string as TOML writes it; JSON's way of quoting is a part of TOML's, which also wants DEL written out."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _side(side: Looked, *, balances: bool) -> list[str]:
    lines = [f"[{side.side}]", f"name = {quoted(side.name[:NAME_CHARS_MAX])}"]
    if side.format:
        lines.append(f"format = {quoted(side.format)}")
    if side.asset and "asset" not in side.columns:
        lines.append(f"asset = {quoted(side.asset)}")
    if side.asset == NO_CURRENCY:
        lines.append(f"scale = {{ {NO_CURRENCY} = 2 }}")
    lines += ["", f"[{side.side}.columns]"]
    lines += [f"{role} = {quoted(side.columns[role])}" for role in (*FIELDS, PART) if role in side.columns]
    if side.amounts:
        lines += ["", f"[{side.side}.amount]", *(f"{name} = {quoted(column)}" for name, column in side.amounts.items())]
        lines.append(f"unit = {quoted(side.unit or 'minor')}")
        lines += [f"{name} = {quoted(mark)}" for name, mark in (("decimal", side.decimal), ("group", side.group)) if mark]
        for name, words in (("negative", side.negative), ("positive", side.positive)):
            lines += [f"{name} = [{', '.join(quoted(word) for word in words)}]"] if words else []
        lines += [f"{name} = {value}" for name, value in side.known_fee.items()]
        if side.sign == -1:
            lines.append("sign = -1")
        if balances and side.balance:
            lines.append(f"balance = {quoted(side.balance)}")
    if side.date_formats:
        lines += ["", f"[{side.side}.dates]", f"formats = [{', '.join(quoted(form) for form in side.date_formats)}]"]
    if side.status:
        lines += ["", f"[{side.side}.status]"]
        lines += [f"{quoted(ours)} = [{', '.join(quoted(word) for word in words)}]" for ours, words in sorted(side.status.items())]
    return [*lines, ""]


def _passes(sides: tuple[Looked, Looked], found: CommonKeys) -> list[str]:
    window = {"before_days": found.before_days, "after_days": found.after_days}
    lines: list[str] = []
    within: dict[str, int] = {"amount_tolerance": found.tolerance} if found.tolerance else {}
    if found.has_key:
        fields = {side: ["reference", PART] for side in ("left", "right")} if found.has_part else {}
        lines += _pass("key", name="exact", **fields, **window, **within)
        lines += _pass("key", name="normalised", **fields, normalise=["case", "punctuation", "zeros"], **window, **within)
        if found.form.extract:
            forms = list(found.form.normalise)
            lines += _pass("key", name=found.form.name, normalise=forms, extract=found.form.extract, **window, **within)
    if found.embedded:
        short = {"min_length": SHORT_LENGTH} if found.short_names else {}
        lines += _pass("embedded", **short, **window, **within)
    if found.batch:
        lines += _pass("group", left=found.batch[0], right=found.batch[1], **within)
    near = {name: max(days, NEAR_DAYS) for name, days in window.items()}
    lines += _pass("reversal", before_days=REVERSAL_DAYS, after_days=REVERSAL_DAYS)
    if all("counterparty" in side.columns for side in sides):
        lines += _pass("subset", **near)
    wide = near if found.has_key else dict(zip(("before_days", "after_days"), WINDOW_WITHOUT_KEY_DAYS, strict=True))
    texts = [sum(role in side.columns for role in TEXT_ROLES) for side in sides]
    if min(texts) > 0:
        lines += _pass("text", **wide)
    lines += _pass("amount", **({**window, "confirms": True} if found.amounts_are_keys else near))
    return lines


def _pass(kind: str, **options: str | int | bool | Sequence[str]) -> list[str]:
    lines = ["[[pass]]", f"kind = {quoted(kind)}"]
    if "name" not in options:
        lines.append(f"name = {quoted(kind)}")
    return [*lines, *(f"{name} = {json.dumps(value)}" for name, value in options.items()), ""]


__all__ = ["InvalidInput", "guess", "guess_rules", "quoted"]
