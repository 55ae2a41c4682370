"""What one file shows of itself: its format, which column is what, how amounts and dates are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from counterfoil import statements as sources
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine, identifier
from counterfoil.matching.guess.directions import column_of_signs, take_direction
from counterfoil.matching.reading.loading import TABULAR
from counterfoil.matching.reading.scans import TABLES, scan_of, types_of, written
from counterfoil.matching.rules.model import ASSET, Csv, Source
from counterfoil.matching.rules.names import FIELDS
from counterfoil.statements.amounts import Unreadable, decimal_mark_of
from counterfoil.statements.dates import choose_format, is_iso
from counterfoil.statements.tables import columns as roles

NO_CURRENCY: Final = "XXX"  # ISO 4217's code for none
OF_TWO_DECIMALS: Final = "EUR"  # by which a statement that names no currency is read, until the other side tells it
FILES_LOOKED_AT_MAX: Final = 50
SAMPLE_ROWS: Final = 2_000
OUR_NAME: Final = {"external_id": "id"}
AMOUNTS: Final = ("amount", "amount_minor", "debit", "credit")
AMOUNT_ROLES: Final = ("amount", "debit", "credit", "fee", "balance")  # what a person may say of an amount
VALUES_SHOWN: Final = 3
AMOUNT_PARTS: Final = ("column", "debit", "credit")
READINGS_MAX: Final = 12  # of a side; all pairs of them are tried
ID_ROWS: Final = 200_000  # that are asked whether an id repeats
ID_SHARE_LEAST: Final = 50  # percent of rows with an id of their own: fewer, and the column is something else
ID_ENDINGS: Final = ("id", "uuid", "guid", "number", "nummer", "no", "nr")
DATES: Final = ("booked_on", "value_on", "event_at")
NEVER_AMOUNTS: Final = ("external_id", "reference", "batch", "balance", "asset", *DATES)


@dataclass(frozen=True)
class AmountReading:
    """One way to read the amount of a side: from which columns, and how its figures are written. `named`: by the names of the columns."""

    amounts: Mapping[str, str]
    unit: Literal["minor", "major"] | None = None
    decimal: str = ""
    group: str = ""
    has_decimals: bool = False
    sample_amount: str = ""
    negative: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    named: bool = True

    def __str__(self) -> str:
        """The columns, as a sentence names them."""
        if not self.amounts:
            return "the amount"
        fee = f" + {self.amounts['fee']}" if "fee" in self.amounts else ""
        return " / ".join(name for part, name in self.amounts.items() if part in AMOUNT_PARTS) + fee


@dataclass
class Looked:
    """One side as it was seen. `columns` maps our names to the file's, `amounts` the parts of the amount; `readings`: each way in which
    the amount could be read, the one that is taken first."""

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
    positive: list[str] = field(default_factory=list)
    sign: int = 1
    balance: str = ""  # the column that may be the file's own running balance
    feet: int = 0
    less: tuple[int, int] | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    shown: dict[str, tuple[str, ...]] = field(default_factory=dict)
    days: dict[str, str] = field(default_factory=dict)  # each column of days, with its format where it is not ISO's
    asset: str | None = None
    only_asset: str | None = None
    date_formats: list[str] = field(default_factory=list)
    status: dict[str, list[str]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    readings: list[AmountReading] = field(default_factory=list)

    def take(self, reading: AmountReading) -> None:
        """Read the amount in this way from now on."""
        self.amounts, self.unit, self.decimal, self.group = dict(reading.amounts), reading.unit, reading.decimal, reading.group
        self.has_decimals, self.sample_amount, self.negative = reading.has_decimals, reading.sample_amount, list(reading.negative)
        self.positive = list(reading.positive)

    @property
    def known_fee(self) -> dict[str, int]:
        """What is taken off each figure, as a rule set writes it: millionths, and minor units."""
        return {name: value for name, value in zip(("less_ppm", "less_minor"), self.less or (), strict=False) if value}

    def say(self, sentence: str) -> None:
        """Keep a reason, with the side in front."""
        self.reasons.append(f"{self.side}: {sentence}")


def look(engine: DuckEngine, given: Path | Sequence[Path], side: str, folder: Path, said: Mapping[str, str]) -> Looked:
    """Look at one side. `said`: our names and the file's columns that a person named, which stand; nothing for a name that no column has.

    Raises InvalidInput where nothing is an amount, and where a column that was named is not there.
    """
    paths = paths_of(given)
    if not paths or not paths[0].is_file():
        raise InvalidInput(side, "a file, or a folder with files", got=str(given)[:200])
    form = format_of(paths[0])
    name = paths[0].stem if len(paths) == 1 else paths[0].parent.name
    found = Looked(side, name, paths, form, form not in TABLES, said=said)
    if found.statement:
        _statement(engine, found, folder)
    else:
        _table(engine, found, folder)
    return found


def paths_of(given: Path | Sequence[Path]) -> list[Path]:
    """A file, several, or a folder's files in the order of their names; hidden ones are left out. Raises InvalidInput for a path that is
    no text: engines cannot open it, and no rule set or report can name it."""
    listed = [given] if isinstance(given, Path) else list(given)
    found = []
    for path in listed:
        inner = sorted(p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")) if path.is_dir() else [path]
        found.extend(inner)
    for path in found:
        if any("\ud800" <= mark <= "\udfff" for mark in str(path)):
            raise InvalidInput("file", "a file whose path is UTF-8; rename it", got=ascii(path.name)[:80])
    return found


def format_of(path: Path) -> str:
    """By its content where that tells, so that a provider's report in CSV is read by its own reader."""
    if path.suffix.lower() == ".gz":
        return TABULAR.get(path.with_suffix("").suffix.lower(), "csv")
    return sources.detect(path)


def _statement(engine: DuckEngine, found: Looked, folder: Path) -> None:
    """Read by its own reader; the columns are those of the common shape."""
    kind = found.format
    import pyarrow as pa

    paths = found.paths[:FILES_LOOKED_AT_MAX]
    try:
        lines = pa.concat_tables([sources.read(path, format=kind).lines for path in paths])
        names_currency = True
    except sources.SourceBroken as problem:
        if not problem.wants_asset:
            raise
        read = [sources.read(path, format=kind, asset=OF_TWO_DECIMALS) for path in paths]
        lines, names_currency = pa.concat_tables([each.lines for each in read]), False
    engine.conn.register(f"{found.side}_statement", lines)
    path = folder / f"{found.side}-look.parquet"
    engine.conn.execute(f"copy (from {found.side}_statement) to '{path}' (format parquet)")
    engine.conn.unregister(f"{found.side}_statement")
    found.scan = f"(select * from read_parquet('{path}') where status is distinct from 'fee')"  # a fee bears the reference of what it is of
    found.types = types_of(engine, found.scan)
    names = ("id", *(name for name in FIELDS if name not in ("id", "asset")))
    theirs = {"id": "external_id"}
    filled = engine.rows(f"select {', '.join(f'count({theirs.get(name, name)})' for name in names)} from {found.scan}")[0]
    found.columns = {name: theirs.get(name, name) for name, count in zip(names, filled, strict=True) if count}
    if names_currency:
        found.columns["asset"] = "asset"
    _sample(engine, found)
    _refuse_unknown(found)
    if amounts := [role for role in found.said if role in AMOUNT_ROLES]:
        raise InvalidInput(
            f"column.{found.side}.{amounts[0]}", f"no column: {kind} is read by its own reader, which knows the amounts", got=""
        )
    found.columns = _as_said(found.columns, found.said)
    found.unit = "minor"
    found.readings = [AmountReading({}, unit="minor")]
    found.say(
        f"read as {kind}: its own reader knows amounts{', dates and currencies' if names_currency else ' and dates; it names no currency'}"
    )


def _table(engine: DuckEngine, found: Looked, folder: Path) -> None:
    how = written(found.paths[0], Csv()) if found.format == "csv" else Csv()
    found.scan = scan_of(engine, found.paths, Source(csv=how), found.format, f"{found.side}_look", folder)
    found.types = types_of(engine, found.scan)
    header = list(found.types)
    sample = _sample(engine, found)
    _refuse_unknown(found)
    theirs = {ours: name for name, ours in OUR_NAME.items()}
    said = {theirs.get(role, role): column for role, column in found.said.items()}
    if any(column for role, column in said.items() if role in AMOUNTS):
        said = {**dict.fromkeys(AMOUNTS, ""), **said}
    seen = _as_said(roles.guess(header), said)
    found.columns = {OUR_NAME.get(role, role): name for role, name in seen.items() if role not in (*AMOUNTS, "direction", "fee", "balance")}
    found.balance = seen.get("balance", "") if len(sample.get(seen.get("balance", ""), ())) > 1 else ""
    found.readings = _readings(found, seen, sample)
    if not found.readings:
        raise InvalidInput(f"{found.side}.amount", f"a column with amounts among {', '.join(header)[:200]}", got="")
    found.take(found.readings[0])
    if not found.readings[0].named:
        found.say(f"no column is called an amount; {found.readings[0]} holds figures")
    if found.has_decimals and found.decimal:
        found.say(f"decimal mark {found.decimal!r}" + (f", thousands by {found.group!r}" if found.group else ""))
    if direction := seen.get("direction") or column_of_signs(found, sample):
        take_direction(found, direction, sample)
    named = next(iter(found.amounts.values()))
    if "asset" not in found.columns and (code := roles.currency_in(named)):
        found.asset = code
        found.say(f"the currency {code} is named in the column {named}")
    if "asset" in found.columns:
        codes = sorted({value.strip().upper() for value in sample[found.columns["asset"]] if value})
        found.only_asset = codes[0] if len(codes) == 1 and re.fullmatch(ASSET, codes[0]) else None
    _day_that_nobody_named(found, sample)
    _dates(found, sample)
    found.days = _columns_of_days(found, sample)
    _own_id(engine, found)
    told = ", ".join(f"{ours} ← {theirs}" for ours, theirs in found.columns.items())
    found.say(f"amount ← {' / '.join(found.amounts.values())}{', ' if told else ''}{told}")


def _sample(engine: DuckEngine, found: Looked) -> dict[str, list[str]]:
    columns = ", ".join(f"cast({identifier(name)} as varchar)" for name in found.types)
    rows = [row for row in engine.rows(f"select {columns} from {found.scan} limit {SAMPLE_ROWS}") if not roles.is_total(row)]
    values = {name: [str(row[at]) for row in rows if row[at] is not None] for at, name in enumerate(found.types)}
    found.shown = {name: tuple(dict.fromkeys(value for value in values[name] if value.strip()))[:VALUES_SHOWN] for name in values}
    return values


def _refuse_unknown(found: Looked) -> None:
    for role, column in found.said.items():
        if column and column not in found.types:
            raise InvalidInput(
                f"column.{found.side}.{role}", f"one of the file's columns: {', '.join(list(found.types)[:30])}", got=column[:60]
            )


def _as_said(columns: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """What a person said of columns goes before what their names say; a column that was named for something is nothing else."""
    taken = {column for column in said.values() if column}
    kept = {role: column for role, column in columns.items() if role not in said and column not in taken}
    return {**kept, **{role: column for role, column in said.items() if column}}


def _looks_like_amounts(values: Sequence[str]) -> bool:
    digits = [value for value in values if value.strip().lstrip("+-(").replace(",", "").replace(".", "").rstrip(")-").isdigit()]
    return bool(values) and len(digits) * 10 >= len(values) * 9


def _readings(found: Looked, seen: Mapping[str, str], sample: Mapping[str, Sequence[str]]) -> list[AmountReading]:
    """Every way to read the amount: as the header names it, that with the fee added, then each column of figures, alone and with it."""
    ways: list[tuple[dict[str, str], bool]] = []
    if "amount" in seen or "amount_minor" in seen:
        ways.append(({"column": seen.get("amount_minor") or seen["amount"]}, True))
    elif "debit" in seen or "credit" in seen:
        ways.append(({name: seen[name] for name in ("debit", "credit") if name in seen}, True))
    if any(found.said.get(role) for role in ("amount", "debit", "credit")):
        return [
            _reading(found, {**way, **({"fee": seen["fee"]} if found.said.get("fee") else {})}, named, seen, sample) for way, named in ways
        ]
    taken = {*(seen[role] for role in NEVER_AMOUNTS if role in seen), *(name for way, _ in ways for name in way.values())}
    figures = [name for name in found.types if name not in taken and _could_be_money(sample[name])]
    # Of columns that nobody named, the last is the one that tables end with; a fee alone is an amount only where nothing else is.
    figures.sort(key=lambda name: (name == seen.get("fee"), -list(found.types).index(name)))
    others = [({"column": name}, False) for name in figures]
    ways = [*ways, *_with_fee(ways, seen), *others, *_with_fee(others, seen)]
    if len(ways) > READINGS_MAX:
        found.say(f"its amount could be read in {len(ways)} ways: the first {READINGS_MAX} were tried")
    return [_reading(found, way, named, seen, sample) for way, named in ways[:READINGS_MAX]]


def _with_fee(ways: Sequence[tuple[dict[str, str], bool]], seen: Mapping[str, str]) -> list[tuple[dict[str, str], bool]]:
    fee = seen.get("fee")
    return [({**way, "fee": fee}, False) for way, _ in ways if fee is not None and way.get("column") != fee]


def _could_be_money(values: Sequence[str]) -> bool:
    """Figures that are no days, no codes, and do not count the rows."""
    if not _looks_like_amounts(values) or _are_days([value.strip() for value in values if value.strip()]):
        return False
    whole = [value.strip() for value in values if value.strip().isdigit()]
    if len(whole) < len(values):
        return True
    if any(value.startswith("0") and len(value) > 1 for value in whole):
        return False  # a code: nobody writes money with a nought in front
    numbers = {int(value) for value in whole}
    return len(numbers) < len(whole) or max(numbers) - min(numbers) + 1 > len(whole)


def _reading(
    found: Looked, way: Mapping[str, str], named: bool, seen: Mapping[str, str], sample: Mapping[str, Sequence[str]]
) -> AmountReading:
    """Decimals or not, and by which mark."""
    columns = list(way.values())
    values = [value.strip() for name in columns for value in sample[name] if value.strip()]
    decimals = [value for value in values if "." in value or "," in value]
    decimal = group = ""
    if decimals and all(found.types[name] == "VARCHAR" for name in columns):
        try:
            decimal = decimal_mark_of(values) or "."
        except Unreadable:
            decimal = "."
        marks = ["." if decimal == "," else ",", " ", "'"]
        group = next((each for each in marks if any(each in value for value in values)), "")
    return AmountReading(
        way,
        unit="minor" if way.get("column") == seen.get("amount_minor", "") else None,
        decimal=decimal,
        group=group,
        has_decimals=bool(decimals),
        sample_amount=decimals[0] if decimals else values[0] if values else "",
        named=named,
    )


def _are_days(values: list[str]) -> bool:
    return all(is_iso(value) for value in values) or choose_format(values) is not None


def _day_that_nobody_named(found: Looked, sample: Mapping[str, Sequence[str]]) -> None:
    """A column that holds days, where the header calls none a date: the first of them."""
    if any(role in found.columns or role in found.said for role in DATES):
        return
    used = {*found.columns.values(), *(name for reading in found.readings for name in reading.amounts.values())}
    for name, kind in found.types.items():
        values = [value.strip() for value in sample[name] if value.strip()]
        if name in used or not values:
            continue
        if kind in ("DATE", "TIMESTAMP") or _are_days(values):
            found.columns["booked_on"] = name
            found.say(f"no column is called a date; {name} holds days")
            return


def _columns_of_days(found: Looked, sample: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Every column that holds days, whatever it is called: which of them is compared, the pairs decide."""
    figures = {name for reading in found.readings for name in reading.amounts.values()}
    days = {}
    for name, kind in found.types.items():
        values = [value.strip() for value in sample[name] if value.strip()]
        if name in figures or not values:
            continue
        if kind == "DATE" or kind.startswith("TIMESTAMP") or all(is_iso(value) for value in values):
            days[name] = ""
        elif form := choose_format(values):
            days[name] = form
    return days


def _own_id(engine: DuckEngine, found: Looked) -> None:
    """The id is a column that every row fills and that hardly ever says the same twice, whatever it is called; one that repeats is none."""
    if "id" in found.said:
        return
    used = {*found.columns.values(), *(name for reading in found.readings for name in reading.amounts.values())} - {found.columns.get("id")}
    named = found.columns.pop("id", None)
    others = [name for name in found.types if name not in used and name != named and roles.plain(name).endswith(ID_ENDINGS)]
    for name in filter(None, (named, *others)):
        column = f"nullif(trim(cast({identifier(name)} as varchar)), '')"
        rows, filled, distinct = engine.rows(
            f"select count(*), count({column}), count(distinct {column}) from (select * from {found.scan} limit {ID_ROWS}) s"
        )[0]
        if distinct * 100 >= rows * (ID_SHARE_LEAST if name == named else 100) and filled:
            found.columns["id"] = name
            if name != named:
                found.say(f"{name} is the record's own id: in {filled:,} rows it never stands twice")
            return
        if name == named:
            found.say(f"{name} is not used as an id: {filled:,} of {rows:,} rows fill it, with {distinct:,} different values")


def _dates(found: Looked, sample: Mapping[str, Sequence[str]]) -> None:
    named = [name for role, name in found.columns.items() if role in DATES]
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
