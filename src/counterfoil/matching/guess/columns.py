"""What one file shows of itself: its format, which column is what, how amounts and dates are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from counterfoil import statements as sources
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine, identifier
from counterfoil.matching.reading.loading import TABULAR
from counterfoil.matching.reading.scans import TABLES, scan_of, types_of, written
from counterfoil.matching.rules.model import Csv, Source
from counterfoil.statements.amounts import DEBIT_WORDS, Unreadable, decimal_mark_of
from counterfoil.statements.dates import choose_format, is_iso
from counterfoil.statements.tables import columns as roles

NO_CURRENCY: Final = "XXX"  # ISO 4217's code for none
FILES_LOOKED_AT_MAX: Final = 50
SAMPLE_ROWS: Final = 2_000
OUR_NAME: Final = {"external_id": "id"}
AMOUNTS: Final = ("amount", "amount_minor", "debit", "credit")


@dataclass
class Looked:
    """One side as it was seen. `columns` maps our names to the file's, `amounts` the parts of the amount."""

    side: str
    name: str
    paths: list[Path]
    format: str
    statement: bool
    scan: str = ""
    types: Mapping[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    amounts: dict[str, str] = field(default_factory=dict)
    unit: Literal["minor", "major"] | None = None
    has_decimals: bool = False
    sample_amount: str = ""
    decimal: str = ""
    group: str = ""
    negative: list[str] = field(default_factory=list)
    sign: int = 1
    asset: str | None = None
    only_asset: str | None = None
    date_formats: list[str] = field(default_factory=list)
    status: dict[str, list[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def say(self, sentence: str) -> None:
        """Keep a reason, with the side in front."""
        self.reasons.append(f"{self.side}: {sentence}")


def look(engine: DuckEngine, given: Path | Sequence[Path], side: str, folder: Path) -> Looked:
    """Look at one side. Raises InvalidInput where nothing is an amount."""
    paths = paths_of(given)
    if not paths or not paths[0].is_file():
        raise InvalidInput(side, "a file, or a folder with files", got=str(given)[:200])
    form = format_of(paths[0])
    found = Looked(
        side,
        paths[0].stem if len(paths) == 1 else paths[0].parent.name,
        paths,
        form,
        form not in TABLES,
    )
    if found.statement:
        _statement(engine, found, folder)
    else:
        _table(engine, found, folder)
    return found


def paths_of(given: Path | Sequence[Path]) -> list[Path]:
    """A file, several, or a folder's files in the order of their names; hidden ones are left out."""
    listed = [given] if isinstance(given, Path) else list(given)
    found = []
    for path in listed:
        inner = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")) if path.is_dir() else [path]
        found.extend(inner)
    return found


def format_of(path: Path) -> str:
    """By its content where that tells, so that a provider's report in CSV is read by its own reader."""
    if path.suffix.lower() == ".gz":
        return TABULAR.get(path.with_suffix("").suffix.lower(), "csv")
    return sources.detect(path)


def _statement(engine: DuckEngine, found: Looked, folder: Path) -> None:
    """Read by its own reader; the columns are those of the common shape."""
    kind = found.format
    import pyarrow as pa  # type: ignore[import-untyped]

    lines = pa.concat_tables([sources.read(path, format=kind).lines for path in found.paths[:FILES_LOOKED_AT_MAX]])
    engine.conn.register(f"{found.side}_statement", lines)
    path = folder / f"{found.side}-look.parquet"
    engine.conn.execute(f"copy (from {found.side}_statement) to '{path}' (format parquet)")
    engine.conn.unregister(f"{found.side}_statement")
    found.scan = f"read_parquet('{path}')"
    found.types = types_of(engine, found.scan)
    filled = engine.rows(
        "select "
        + ", ".join(
            f"count({name})"
            for name in (
                "external_id",
                "reference",
                "booked_on",
                "value_on",
                "event_at",
                "status",
                "counterparty",
                "memo",
                "batch",
            )
        )
        + f" from {found.scan}"
    )[0]
    names = ("id", "reference", "booked_on", "value_on", "event_at", "status", "counterparty", "memo", "batch")
    theirs = {"id": "external_id"}
    found.columns = {name: theirs.get(name, name) for name, count in zip(names, filled, strict=True) if count}
    found.columns["asset"] = "asset"
    found.unit = "minor"
    found.say(f"read as {kind}: its own reader knows amounts, dates and currencies")


def _table(engine: DuckEngine, found: Looked, folder: Path) -> None:
    how = written(found.paths[0], Csv()) if found.format == "csv" else Csv()
    found.scan = scan_of(engine, found.paths, Source(csv=how), found.format, f"{found.side}_look", folder)
    found.types = types_of(engine, found.scan)
    header = list(found.types)
    seen = roles.guess(header)
    sample = _sample(engine, found)
    parts = {role: name for role, name in seen.items() if role in AMOUNTS}
    if not parts:
        numbers = [name for name in header if _looks_like_amounts(sample[name])]
        if not numbers:
            raise InvalidInput(f"{found.side}.amount", f"a column with amounts among {', '.join(header)[:200]}", got="")
        parts = {"amount": numbers[-1]}
        found.say(f"no column is called an amount; {numbers[-1]} holds figures")
    found.columns = {OUR_NAME.get(role, role): name for role, name in seen.items() if role not in (*AMOUNTS, "direction", "fee", "balance")}
    if "amount" in parts or "amount_minor" in parts:
        found.amounts["column"] = parts.get("amount_minor") or parts["amount"]
    else:
        found.amounts |= {name: parts[name] for name in ("debit", "credit") if name in parts}
    found.unit = "minor" if "amount_minor" in parts else None
    _figures(found, sample)
    if "direction" in seen:
        _direction(found, seen["direction"], sample)
    named = next(iter(found.amounts.values()))
    if "asset" not in found.columns and (code := roles.currency_in(named)):
        found.asset = code
        found.say(f"the currency {code} is named in the column {named}")
    if "asset" in found.columns:
        codes = sorted({value.strip().upper() for value in sample[found.columns["asset"]] if value})
        found.only_asset = codes[0] if len(codes) == 1 else None
    _dates(found, sample)
    told = ", ".join(f"{ours} ← {theirs}" for ours, theirs in found.columns.items())
    found.say(f"amount ← {' / '.join(found.amounts.values())}{', ' if told else ''}{told}")


def _sample(engine: DuckEngine, found: Looked) -> dict[str, list[str]]:
    columns = ", ".join(f"cast({identifier(name)} as varchar)" for name in found.types)
    rows = [row for row in engine.rows(f"select {columns} from {found.scan} limit {SAMPLE_ROWS}") if not roles.is_total(row)]
    return {name: [str(row[at]) for row in rows if row[at] is not None] for at, name in enumerate(found.types)}


def _looks_like_amounts(values: Sequence[str]) -> bool:
    digits = [value for value in values if value.strip().lstrip("+-(").replace(",", "").replace(".", "").rstrip(")-").isdigit()]
    return bool(values) and len(digits) * 10 >= len(values) * 9


def _figures(found: Looked, sample: Mapping[str, Sequence[str]]) -> None:
    """Decimals or not, and by which mark."""
    columns = list(found.amounts.values())
    values = [value.strip() for name in columns for value in sample[name] if value.strip()]
    found.has_decimals = any("." in value or "," in value for value in values)
    found.sample_amount = next((value for value in values if "." in value or "," in value), values[0] if values else "")
    if not found.has_decimals or any(found.types[name] != "VARCHAR" for name in columns):
        return
    try:
        mark = decimal_mark_of(values)
    except Unreadable:
        mark = None
    found.decimal = mark or "."
    other = "." if found.decimal == "," else ","
    marks = [other, " ", "'"]
    found.group = next((each for each in marks if any(each in value for value in values)), "")
    found.say(f"decimal mark {found.decimal!r}" + (f", thousands by {found.group!r}" if found.group else ""))


def _direction(found: Looked, column: str, sample: Mapping[str, Sequence[str]]) -> None:
    words = sorted({value.strip() for value in sample[column] if value.strip()})
    signed = any(value.strip().startswith(("-", "(")) for name in found.amounts.values() for value in sample[name])
    negative = [word for word in words if word.upper().rstrip(".") in DEBIT_WORDS]
    if negative and not signed and len(words) <= 8 and "column" in found.amounts:
        found.amounts["direction"], found.negative = column, negative
        found.say(f"{column} says {', '.join(negative)} for money going out")


def _dates(found: Looked, sample: Mapping[str, Sequence[str]]) -> None:
    named = [name for role, name in found.columns.items() if role in ("booked_on", "value_on", "event_at")]
    forms = []
    for name in named:
        values = [value.strip() for value in sample[name] if value.strip()]
        if found.types[name] != "VARCHAR" or not values or all(is_iso(value) for value in values):
            continue
        form = choose_format(values)
        if form is None:
            found.columns = {role: theirs for role, theirs in found.columns.items() if theirs != name}
            found.say(f"{name} is not used: its dates can be read in more than one way, or in none ({values[0]!r})")
            continue
        forms.append(form)
        found.say(f"{name} is written as {form}")
    found.date_formats = list(dict.fromkeys(forms))
