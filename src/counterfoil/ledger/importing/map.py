"""The map of an import: how a row of somebody's file becomes a journal of ours. A small TOML file; no bank's code in here.

    [file]                                  delimiter, encoding, format (csv, ndjson, parquet; by the file's name if left out)
    [journal]                               asset, kind, key, and if wanted narrative, source_type, source_id
    [amount]                                column, unit = "major" or "minor", decimal = "." or ","
    [effective]                             column, format (as strptime knows it, or "iso"), timezone
    [[move]]                                debit, credit, when = { column = "type", in = ["CREDIT"] } or { sign = "negative" }
    [[account]]                             name = "deposit:*", normal, no_overdraft: of accounts outside the chart
    [balance]                               column, account, rounding: the file's own balance after each row, to hold ours against

Texts may name columns in braces: `key = "bank:{id}"`. The first `move` whose condition holds is taken.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from counterfoil.base.formats.toml_text import parse_toml
from counterfoil.base.money import Asset, asset_code, parse_major
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.accounts import NewAccount
from counterfoil.ledger.journals.journal import NewJournal, NewPosting

_THOUSANDS: Final = re.compile(r"[+-]?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]*)?", re.ASCII)
_COLUMN: Final = re.compile(r"\{([^{}]+)\}")
_KEYS: Final[dict[str, dict[str, bool]]] = {  # by table: each key, and whether it must be there
    "file": {"format": False, "delimiter": False, "encoding": False},
    "journal": {"asset": True, "kind": True, "key": True, "narrative": False, "source_type": False, "source_id": False},
    "amount": {"column": True, "unit": True, "decimal": False},
    "effective": {"column": True, "format": False, "timezone": False},
    "move": {"debit": True, "credit": True, "when": False},
    "account": {"name": True, "normal": True, "no_overdraft": True},
    "balance": {"column": True, "account": True, "rounding": False},
}
_LISTS: Final = ("move", "account")
_NEEDED: Final = ("journal", "amount", "effective", "move")


@dataclass(frozen=True)
class ImportMap:
    """A map that was read and found whole."""

    file: Mapping[str, str]
    journal: Mapping[str, str]
    amount: Mapping[str, str]
    effective: Mapping[str, str]
    moves: Sequence[Mapping[str, Any]]
    accounts: Sequence[Mapping[str, Any]]
    balance: Mapping[str, str]
    sha256: bytes

    def columns(self) -> set[str]:
        """The columns that a file must have."""
        texts = [*self.journal.values(), self.balance.get("account", "")]
        texts += [move[side] for move in self.moves for side in ("debit", "credit")]
        named = {name for text in texts for name in _COLUMN.findall(text)}
        named |= {move["when"]["column"] for move in self.moves if "column" in move.get("when", {})}
        named |= {self.amount["column"], self.effective["column"]}
        return named | ({self.balance["column"]} if self.balance else set())

    def account(self, name: str) -> str | NewAccount:
        """How an account of this name is opened: by the first rule of the map that fits, or by the chart."""
        for rule in self.accounts:
            words, pattern = name.split(":"), rule["name"].split(":")
            if len(words) == len(pattern) and all(p in ("*", w) for p, w in zip(pattern, words, strict=True)):
                return NewAccount(name, rule["normal"], rule["no_overdraft"])
        return name


def load_map(text: str) -> ImportMap:
    """Read a map. Raises InvalidInput naming what is missing, unknown or of the wrong kind."""
    try:
        given = parse_toml(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput("map", "TOML", detail=str(error)) from error
    for name in [*given, *_NEEDED]:
        if name not in _KEYS:
            raise InvalidInput("map", f"the tables {', '.join(_KEYS)}", got=name)
        if name not in given:
            raise InvalidInput(f"map.{name}", "there must be one")
    for name, table in given.items():
        entries = table if name in _LISTS else [table]
        if not isinstance(entries, list):
            raise InvalidInput(f"map.{name}", f"tables, each under [[{name}]]")
        for entry in entries:
            _refuse_other_keys(name, entry)
    _refuse_values(given)
    return ImportMap(
        file=given.get("file", {}),
        journal=given["journal"],
        amount=given["amount"],
        effective=given["effective"],
        moves=given["move"],
        accounts=given.get("account", []),
        balance=given.get("balance", {}),
        sha256=hashlib.sha256(text.encode()).digest(),
    )


def journal_of(row: Mapping[str, str], mapped: ImportMap, scales: Mapping[str, int], *, actor: str, line: int) -> NewJournal:
    """The journal that a row asks for. Raises InvalidInput naming line and column."""
    try:
        asset = asset_code(fill(mapped.journal["asset"], row), "asset")
        if asset not in scales:
            raise InvalidInput("asset", f"one of {', '.join(scales)}", got=asset)
        minor = amount_of(row, mapped.amount, Asset(asset, scales[asset]))
        move = _move_of(row, mapped.moves, negative=minor < 0)
        names = mapped.journal
        source_id = fill(names.get("source_id", ""), row)
        return NewJournal(
            key=fill(names["key"], row),
            kind=fill(names["kind"], row),
            lines=[NewPosting(fill(move["debit"], row), fill(move["credit"], row), abs(minor))],
            asset=asset,
            actor=actor,
            effective_at=effective_of(row, mapped.effective),
            narrative=" ".join(fill(names.get("narrative", ""), row).split()) or None,
            source=(names.get("source_type", "import"), source_id) if source_id else None,
        )
    except InvalidInput as problem:
        problem.facts.setdefault("line", line)
        raise InvalidInput(**problem.facts) from problem  # type: ignore[arg-type]


def fill(text: str, row: Mapping[str, str]) -> str:
    """`text` with its columns put in. Raises InvalidInput for a column that the row does not have."""
    return _COLUMN.sub(lambda found: value_of(row, found[1]), text)


def value_of(row: Mapping[str, str], column: str) -> str:
    """What the row has in a column. Raises InvalidInput."""
    if column not in row:
        raise InvalidInput("column", "a column of this row", column=column)
    return row[column]


def amount_of(row: Mapping[str, str], rule: Mapping[str, str], asset: Asset, *, zero: bool = False) -> int:
    """Minor units out of a column; may be negative, and nothing where `zero` allows it. Raises InvalidInput."""
    text = value_of(row, rule["column"]).strip()
    if rule.get("decimal", ".") == ",":
        text = _with_a_point(text, rule["column"])
    try:
        minor = parse_major(text, Asset(asset.code, 0) if rule["unit"] == "minor" else asset, "amount")
    except InvalidInput as problem:
        problem.facts["column"] = rule["column"]
        raise
    if minor == 0 and not zero:
        raise InvalidInput("amount", "not nothing", column=rule["column"], got=text[:40])
    return minor


def _with_a_point(text: str, column: str) -> str:
    """A figure with a decimal comma; points may only part its thousands, or 12.50 would be 1250. Raises InvalidInput."""
    if "." in text and not _THOUSANDS.fullmatch(text):
        raise InvalidInput("amount", "a decimal comma, and points only between thousands", column=column, got=text[:40])
    return text.replace(".", "").replace(",", ".")


def effective_of(row: Mapping[str, str], rule: Mapping[str, str]) -> datetime:
    """The moment in a column. A date is the beginning of that day in the map's time zone. Raises InvalidInput."""
    text, form = value_of(row, rule["column"]).strip(), rule.get("format", "iso")
    try:
        found = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007  # zone follows
    except ValueError as error:
        raise InvalidInput("effective", f"a moment as {form}", column=rule["column"], got=text[:40]) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=zone(rule.get("timezone", "UTC")))


@lru_cache(maxsize=64)
def zone(name: str) -> tzinfo:
    """A time zone by its name. Raises InvalidInput."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput("map.effective.timezone", "a time zone such as Europe/Prague", got=name[:40]) from error


def _move_of(row: Mapping[str, str], moves: Sequence[Mapping[str, Any]], *, negative: bool) -> Mapping[str, Any]:
    for move in moves:
        when = move.get("when", {})
        if "sign" in when and (when["sign"] == "negative") != negative:
            continue
        if "column" in when and value_of(row, when["column"]) not in when["in"]:
            continue
        return move
    raise InvalidInput("move", "one of the map's moves must fit each row")


def _refuse_other_keys(name: str, entry: object) -> None:
    keys = _KEYS[name]
    if not isinstance(entry, dict):
        raise InvalidInput(f"map.{name}", "a table" if name not in _LISTS else f"tables, each headed [[{name}]]")
    for key in [*entry, *[key for key, needed in keys.items() if needed]]:
        if key not in keys:
            raise InvalidInput(f"map.{name}", f"the keys {', '.join(keys)}", got=str(key))
        if key not in entry:
            raise InvalidInput(f"map.{name}.{key}", "must be there")
        wanted = {"no_overdraft": bool, "when": dict}.get(key, str)
        if not isinstance(entry[key], wanted):
            raise InvalidInput(f"map.{name}.{key}", {bool: "true or false", dict: "a table", str: "a text"}[wanted])


def _refuse_values(given: Mapping[str, Any]) -> None:
    for name, value, allowed in (
        ("map.amount.unit", given["amount"]["unit"], ("major", "minor")),
        ("map.amount.decimal", given["amount"].get("decimal", "."), (".", ",")),
        ("map.file.format", given.get("file", {}).get("format", "csv"), ("csv", "ndjson", "parquet")),
        *(("map.account.normal", account["normal"], ("debit", "credit")) for account in given.get("account", [])),
        *(("map.move.when.sign", m.get("when", {}).get("sign", "negative"), ("negative", "positive")) for m in given["move"]),
    ):
        if value not in allowed:
            raise InvalidInput(name, " or ".join(allowed), got=str(value)[:40])
    for move in given["move"]:
        when = move.get("when", {})
        if set(when) - {"column", "in", "sign"} or ("column" in when) != ("in" in when):
            raise InvalidInput("map.move.when", "column and in, or sign, or both")
    zone(given["effective"].get("timezone", "UTC"))
