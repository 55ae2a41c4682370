"""How a source's own columns become ours: SQL expressions for amounts, dates and words, and the reason where one cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from iso4217 import Currency

from counterfoil.base.money import MINOR_MAX
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import identifier, literal
from counterfoil.matching.rules.model import FIELDS, Amount, Source

ISO_SCALE_MOST_COMMON: Final = 2
TEXTS: Final = ("reference", "counterparty", "memo", "batch")
SHAPE: Final = (
    "id",
    "reference",
    "amount",
    "asset",
    "day",
    "status",
    "counterparty",
    "memo",
    "batch",
    "booked_on",
    "value_on",
    "event_at",
)


class Layer(NamedTuple):
    """Our columns as SQL over a relation; `bad` names the first column that cannot be read, or is null."""

    columns: Mapping[str, str]
    plain: Mapping[str, str]  # the relation's own column where normalising may prove to change nothing
    bad_row: str  # what is bad, all but the asset
    bad_asset: str  # a condition over the asset's own column, which has few values and is tested once for each

    @property
    def bad(self) -> str:
        """The first column of a row that cannot be read, or null, as SQL."""
        return (
            f"coalesce({self.bad_row}, case when {self.bad_asset} then 'asset' end)" if self.bad_asset else self.bad_row
        )


class Shaped(NamedTuple):
    """A source as ours: `raw` over the source (with `reads` beside its columns), `kept` over a copy that holds `typed`."""

    reads: Mapping[str, str]  # figures and dates as read, each computed once a row however often it is named
    raw: Layer
    typed: Mapping[
        str, str
    ]  # the columns of a copy: words trimmed, figures and dates read, asset and status as they are written
    kept: Layer

    def over(self, scan: str) -> str:
        """The relation under `raw`."""
        return f"(select *, {_listed(self.reads)} from {scan})" if self.reads else scan

    def copied(self, scan: str, row: str = "") -> str:
        """The query that makes the copy; `row` adds a column of the source."""
        return f"select {row}{_listed(self.typed)} from {self.over(scan)}"


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{sql} as {name}" for name, sql in columns.items())


def shaped(source: Source, types: Mapping[str, str], side: str, *, trims: bool) -> Shaped:
    """The projection of a source whose columns have `types` (DuckDB's names). Raises InvalidInput where a column is not there.

    `trims` takes blanks off texts: files written by people have them, and a billion clean rows should not pay for it.
    """
    known = {
        name: _column(source.columns[name], types, f"{side}.columns.{name}")
        for name in FIELDS
        if name in source.columns
    }
    reads: dict[str, str] = {}
    texts: dict[str, str] = {name: _text(known[name], trims=trims) for name in TEXTS if name in known}
    texts["id"] = _id(known, types, trims=trims)
    asset, asset_bad = _asset(source, known, side)
    amount, amount_bad = _amount(source, types, asset, side, reads)
    dates = _dates(source, known, types, reads)
    tests = [("amount", amount_bad), *((name, part.bad) for name, part in dates.items())]
    bad_row = f"case {' '.join(f'when {test} then {literal(name)}' for name, test in tests if test)} end"
    as_they_are = ("asset", *(() if source.status else ("status",)))
    plain = {name: known[name] for name in as_they_are if name in known and types[source.columns[name]] == "VARCHAR"}
    figures: dict[str, str] = {"amount": amount, **{name: part.value for name, part in dates.items()}}
    words: dict[str, str] = {"asset": asset, "status": _status(source, known)}
    columns = {**texts, **words, **figures}
    raw = Layer(_whole(source, columns, dates), plain, bad_row, asset_bad)
    typed = {**columns, **plain, "bad": bad_row}
    return Shaped(reads, raw, typed, _kept(source, typed, plain, dates, side))


def _kept(
    source: Source, typed: Mapping[str, str], plain: Mapping[str, str], dates: Mapping[str, _Read], side: str
) -> Layer:
    """The copy's columns as ours: they have our names, and only words that were kept as they are written are normalised."""
    columns = {name: name for name in typed}
    named = {name: name for name in plain}
    bad_asset = ""
    if "asset" in plain:
        columns["asset"], bad_asset = _asset(source, named, side)
    elif source.asset is None:
        bad_asset = _asset(source, {"asset": "asset"}, side)[1]
    if "status" in plain:
        columns["status"] = _status(source, named)
    return Layer(_whole(source, columns, {name: _Read(name, "") for name in dates}), named, "bad", bad_asset)


def _whole(source: Source, columns: Mapping[str, str], dates: Mapping[str, _Read]) -> dict[str, str]:
    """Every column of the common shape, in its order: dates as texts beside the day that is compared, null for what is not given."""
    read = {name: part.value for name, part in dates.items()}
    found = {**columns, "day": _day(source, read), **{name: f"cast({sql} as varchar)" for name, sql in read.items()}}
    return {name: found.get(name, "cast(null as varchar)") for name in SHAPE}


def column_of(source: Source, ours: str) -> str:
    """The file's own name of our column, for messages."""
    if ours == "amount" and source.amount:
        return source.amount.column or " / ".join(filter(None, (source.amount.debit, source.amount.credit)))
    return source.columns.get(ours, ours)


class _Read(NamedTuple):
    value: str
    bad: str


def _column(name: str, types: Mapping[str, str], field: str) -> str:
    if name not in types:
        raise InvalidInput(field, f"one of the file's columns: {', '.join(list(types)[:30])}", got=name[:60])
    return identifier(name)


def _text(column: str, *, trims: bool) -> str:
    plain = f"cast({column} as varchar)"
    if not trims:
        return f"case when strlen({plain}) = length({plain}) then nullif({plain}, '') else {_one_form(plain)} end"
    # nearly every text is ASCII without blanks at its ends, and that is seen at a sixth of what a trim costs
    clean = f"{plain} between '!' and '~' and not ends_with({plain}, ' ') and strlen({plain}) = length({plain})"
    return f"case when {clean} then {plain} else {_one_form(plain)} end"


def _one_form(plain: str) -> str:
    """Texts beyond ASCII in one form: letters composed (é is one character, not two), every blank a blank, what has no width dropped."""
    blanks = f"regexp_replace(nfc_normalize({plain}), '[\\x{{00a0}}\\x{{2000}}-\\x{{200a}}\\x{{202f}}\\x{{3000}}]', ' ', 'g')"
    seen = f"regexp_replace({blanks}, '[\\x{{00ad}}\\x{{200b}}-\\x{{200d}}\\x{{2060}}\\x{{feff}}]', '', 'g')"
    return f"nullif(trim({seen}), '')"


def _id(known: Mapping[str, str], types: Mapping[str, str], *, trims: bool) -> str:
    """The record's own id; without one its reference, else its content: a line number would change when lines are sorted."""
    words = [f"coalesce(cast({identifier(name)} as varchar), '')" for name in sorted(types)]
    content = f"substr(md5({' || chr(31) || '.join(words)}), 1, 12)"
    named = known.get("id") or known.get("reference")
    return f"coalesce({_text(named, trims=trims)}, {content})" if named else content


def _asset(source: Source, known: Mapping[str, str], side: str) -> tuple[str, str]:
    if "asset" in known:
        found = f"upper(trim({known['asset']}))"
        return found, f"{known['asset']} is null or not regexp_full_match({found}, '[A-Z][A-Z0-9]{{1,11}}')"
    if source.asset is None:
        raise InvalidInput(f"{side}.asset", "a column (columns.asset) or one asset for every row", got="")
    return literal(source.asset), ""


def _status(source: Source, known: Mapping[str, str]) -> str:
    if "status" not in known:
        return "cast(null as varchar)"
    word = f"lower(trim(cast({known['status']} as varchar)))"
    whens = " ".join(
        f"when {word} in ({', '.join(literal(w.strip().lower()) for w in words)}) then {literal(ours)}"
        for ours, words in source.status.items()
    )
    return f"case {whens} else {word} end" if whens else word


def _amount(source: Source, types: Mapping[str, str], asset: str, side: str, reads: dict[str, str]) -> tuple[str, str]:
    amount = source.amount
    if amount is None:
        raise InvalidInput(f"{side}.amount", "where the amount stands and in which unit", got="")
    given = {name: getattr(amount, name) for name in ("column", "debit", "credit", "fee", "direction")}
    parts = {name: _column(column, types, f"{side}.amount.{name}") for name, column in given.items() if column}
    read = {
        name: _figure(parts[name], types[given[name]], amount, source, asset, _keeper(reads, f"amount_{name}"))
        for name in ("column", "debit", "credit", "fee")
        if name in parts
    }
    bad = [
        f"({part.bad})" if name == "column" else f"({_present(parts[name])} and ({part.bad}))"
        for name, part in read.items()
    ]
    if "column" in read:
        value = read["column"].value
    else:
        value = " + ".join(
            f"coalesce({s}{m}({read[n].value}), 0)"
            for n, s, m in (("credit", "", ""), ("debit", "-", "abs"))
            if n in read
        )
        bad.append(" and ".join(f"not ({_present(parts[n])})" for n in ("debit", "credit") if n in parts))
    if "fee" in read:
        value = f"{value} + coalesce({read['fee'].value}, 0)"
    if "direction" in parts:
        words = ", ".join(literal(word.strip().lower()) for word in amount.negative)
        value = f"case when lower(trim(cast({parts['direction']} as varchar))) in ({words}) then -abs({value}) else abs({value}) end"
    return (f"-({value})" if amount.sign == -1 else value), " or ".join(bad)


def _present(column: str) -> str:
    return f"{column} is not null and cast({column} as varchar) <> ''"


Keep = Callable[[str], str]


def _keeper(reads: dict[str, str], name: str) -> Keep:
    """Keeps an expression under a name that no source uses, and gives the name: a condition may then ask for it again for nothing."""

    def keep(sql: str) -> str:
        reads[identifier(f"counterfoil {name}")] = sql
        return identifier(f"counterfoil {name}")

    return keep


def _figure(column: str, kind: str, amount: Amount, source: Source, asset: str, keep: Keep) -> _Read:
    """One figure in minor units. Whole-number columns are taken as they are; all else goes through its decimal text, exactly."""
    whole = kind in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT")
    if whole and amount.unit == "minor":
        value = f"cast({column} as bigint)"
        return _Read(value, f"{column} is null or {column} not between -{MINOR_MAX} and {MINOR_MAX}")
    text = _cleaned(column if kind == "VARCHAR" else f"cast({column} as varchar)", kind, amount)
    if amount.unit == "minor":
        value = f"case when regexp_full_match({text}, '[+-]?[0-9]{{1,19}}') then try_cast({text} as bigint) end"
        if kind == "VARCHAR":  # a number that is written back as it stood needs no pattern, which costs twice as much
            value = f"case when cast(try_cast({column} as bigint) as varchar) = {column} then try_cast({column} as bigint) else {value} end"
        value = keep(value)
        return _Read(value, f"coalesce({value} not between -{MINOR_MAX} and {MINOR_MAX}, true)")
    scale = _scale(source, asset)
    fraction = f"split_part({text}, '.', 2)"
    digits = f"ltrim(split_part({text}, '.', 1), '+') || rpad(substr({fraction}, 1, {scale}), {scale}, '0')"
    fits = f"regexp_full_match({text}, '[+-]?[0-9]{{1,18}}([.][0-9]*)?') and rtrim(substr({fraction}, {scale} + 1), '0') = ''"
    value = keep(f"case when {fits} then try_cast({digits} as bigint) end")
    return _Read(value, f"coalesce({value} not between -{MINOR_MAX} and {MINOR_MAX}, true)")


def _cleaned(text: str, kind: str, amount: Amount) -> str:
    """A figure as people write it, down to sign, digits and a point: (12.50), 12.50-, € 12.50, 1.234,56."""
    if kind != "VARCHAR":
        return text
    if amount.unit == "minor" and not amount.group:
        return f"trim({text})"
    plain = f"replace(replace(trim({text}), '−', '-'), chr(160), ' ')"
    unit = "([A-Z]{3}|[€$£¥])"
    bare = f"regexp_replace({plain}, '^([-+]?)\\s*{unit}\\s*|\\s*{unit}$', '\\1', 'g')"
    if amount.group:
        mark, point = _escaped(amount.group), _escaped(amount.decimal)
        shape = f"[(]?[+-]?[0-9]{{1,3}}({mark}[0-9]{{3}})+({point}[0-9]*)?[)-]?"
        bare = f"case when regexp_full_match({bare}, {literal(shape)}) then replace({bare}, {literal(amount.group)}, '') else {bare} end"
    if amount.decimal == ",":
        bare = f"case when contains({bare}, '.') then 'x' else replace({bare}, ',', '.') end"
    return f"regexp_replace(regexp_replace({bare}, '^[(]([0-9.]+)[)]$', '-\\1'), '^([0-9.]+)-$', '-\\1')"


def _escaped(mark: str) -> str:
    return {".": "[.]", " ": "[ ]"}.get(mark, mark)


@lru_cache(maxsize=1)
def iso_scales() -> Mapping[str, int]:
    """Decimals of every ISO 4217 currency, by code. Source: the table of the library iso4217."""
    return {each.code: each.exponent for each in Currency if each.exponent is not None}


def scale_of(source: Source, asset: str) -> int | None:
    """Decimals of an asset: the rule set's word first, then ISO 4217; None where nobody knows."""
    return source.scale.get(asset, iso_scales().get(asset))


def _scale(source: Source, asset: str) -> str:
    if source.asset and "asset" not in source.columns:
        scale = scale_of(source, source.asset)
        if scale is None:
            raise InvalidInput("scale", f"the number of decimals of {source.asset}", got="")
        return str(scale)
    odd = {code: scale for code, scale in {**iso_scales(), **source.scale}.items() if scale != ISO_SCALE_MOST_COMMON}
    whens = " ".join(f"when {literal(code)} then {scale}" for code, scale in sorted(odd.items()))
    return f"case {asset} {whens} else {ISO_SCALE_MOST_COMMON} end"


def _dates(
    source: Source, known: Mapping[str, str], types: Mapping[str, str], reads: dict[str, str]
) -> dict[str, _Read]:
    """The dates that a source gives, as dates, and the moment as a timestamp."""
    found = {}
    for name in ("booked_on", "value_on", "event_at"):
        if name in known:
            read = _moment if name == "event_at" else _date
            found[name] = read(source, known[name], types[source.columns[name]], _keeper(reads, name))
    return found


def _date(source: Source, column: str, kind: str, keep: Keep) -> _Read:
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        return _Read(f"cast({column} as date)", "")
    plain = f"cast({column} as varchar)"
    text = f"trim({plain})"
    tries = [f"cast(try_strptime({text}, {literal(form)}) as date)" for form in source.dates.formats]
    # ten characters are a day and nothing else; of what is longer the rest must not count, or 20226-01-05 would be a year
    iso = f"case when strlen({plain}) = 10 then try_cast({plain} as date) else try_cast(substr({text}, 1, 10) as date) end"
    value = keep(f"coalesce({', '.join(tries)})" if tries else iso)
    return _Read(value, f"{value} is null and {column} is not null and {text} <> ''")


def _moment(source: Source, column: str, kind: str, keep: Keep) -> _Read:
    if kind.startswith("TIMESTAMP") or kind == "DATE":
        return _Read(f"cast({column} as timestamp)", "")
    text = f"trim(cast({column} as varchar))"
    tries = [f"try_strptime({text}, {literal(form)})" for form in source.dates.formats]
    read = f"coalesce({', '.join(tries)})" if tries else f"cast(try_cast({text} as timestamptz) as timestamp)"
    value = keep(read)
    return _Read(value, f"{value} is null and {column} is not null and {text} <> ''")


def _day(source: Source, dates: Mapping[str, str]) -> str:
    """Days since 1970-01-01 of the date that is compared; where it is not given, the next best of the three."""
    if not dates:
        return "cast(null as integer)"
    there = {name: f"cast({sql} as date)" if name == "event_at" else sql for name, sql in dates.items()}
    order = [there[name] for name in (source.dates.compare, "booked_on", "value_on", "event_at") if name in there]
    best = order[0] if len(dict.fromkeys(order)) == 1 else f"coalesce({', '.join(dict.fromkeys(order))})"
    return f"cast({best} - date '1970-01-01' as integer)"
