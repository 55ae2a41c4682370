"""How a source's own columns become ours: SQL expressions for amounts, dates and words, and the reason where one cannot be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from iso4217 import Currency

from counterfoil.base.money import MINOR_MAX
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import identifier, literal
from counterfoil.matching.reading.date_sql import dates_of
from counterfoil.matching.reading.expressions import Keep, SqlValue, keeper
from counterfoil.matching.reading.totals import no_record_of
from counterfoil.matching.rules.model import Amount, Source
from counterfoil.matching.rules.names import FIELDS, column_name, own_fields
from counterfoil.statements.amounts import DEBIT_WORDS

ISO_SCALE_MOST_COMMON: Final = 2
DEBITS: Final = sorted(word.lower() for word in DEBIT_WORDS if len(word) > 1)  # no rule set means money in by them; a letter may mean any
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
        return f"coalesce({self.bad_row}, case when {self.bad_asset} then 'asset' end)" if self.bad_asset else self.bad_row


Debits = Literal["out", "signed", "refused"]
"""How a negative debit is read where other debits are positive: as money out all the same, as money that came back, or not at all."""


class Shaped(NamedTuple):
    """A source as ours: `raw` over the source (with `reads` beside its columns), `kept` over a copy that holds `typed`."""

    reads: Mapping[str, str]  # figures and dates as read, each computed once a row however often it is named
    raw: Layer
    texts: Mapping[str, str]  # for a copy, read beside `reads`: each text, since the id of a record without one is made of all of them
    typed: Mapping[str, str]  # the columns of a copy: words trimmed, figures and dates read, asset and status as they are written
    kept: Layer
    debits: str  # the figure of a row that a word or a column calls a debit, as it is signed; empty where nothing says so

    def over(self, scan: str) -> str:
        """The relation under `raw`."""
        return f"(select *, {_listed(self.reads)} from {scan})" if self.reads else scan

    def copied(self, scan: str, row: str = "") -> str:
        """The query that makes the copy; `row` adds a column of the source."""
        return f"select {row}{_listed(self.typed)} from {self._replace(reads={**self.reads, **self.texts}).over(scan)}"


def _listed(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{sql} as {name}" for name, sql in columns.items())


def shaped(source: Source, types: Mapping[str, str], side: str, *, trims: bool, totals: bool = True, debits: Debits = "out") -> Shaped:
    """The projection of a source whose columns have `types` (DuckDB's names). Raises InvalidInput where a column is not there.

    `trims` takes blanks off texts: files written by people have them, and a billion clean rows should not pay for it. `totals`
    looks for lines under a table that are no records: its own sum, a balance, a blank line.
    """
    own = own_fields(source.columns)
    named = [*(name for name in FIELDS if name in source.columns), *own]
    known = {name: _column(source.columns[name], types, f"{side}.columns.{name}") for name in named}
    reads: dict[str, str] = {}
    texts: dict[str, str] = {name: _text(known[name], trims=trims) for name in TEXTS if name in known}
    asset, asset_bad = _asset(source, known, side)
    no_record = no_record_of(source, known, types, reads) if totals else []
    figure, amount_bad, debit = _amount(source, types, asset, side, reads, debits)
    amount = _less_known_fee(figure, source)
    dates = dates_of(source, known, types, reads)
    tests = [
        *no_record,
        ("direction", _no_direction(source, types, side)),
        ("amount", amount_bad),
        *((name, part.bad) for name, part in dates.items()),
    ]
    bad_row = f"case {' '.join(f'when {test} then {literal(name)}' for name, test in tests if test)} end"
    texts |= {column_name(name): _text(known[name], trims=trims) for name in own}
    beside: dict[str, str] = {}
    read = {name: keeper(beside, f"text_{name}")(sql) for name, sql in texts.items()}
    understood = [amount, asset, *(part.value for part in dates.values())]
    for each in (texts, read):
        each["id"] = _id(known, [*understood, *each.values()], trims=trims)
    as_they_are = ("asset", *(() if source.status else ("status",)))
    plain = {name: known[name] for name in as_they_are if name in known and types[source.columns[name]] == "VARCHAR"}
    figures: dict[str, str] = {"amount": amount, **{name: part.value for name, part in dates.items()}}
    words: dict[str, str] = {"asset": asset, "status": _status(source, known)}
    columns = {**texts, **words, **figures}
    raw = Layer(_whole(source, columns, dates), plain, bad_row, asset_bad)
    typed = {**columns, **read, **plain, "bad": bad_row}
    if source.amount and source.amount.balance:
        typed["balance"] = _balance(source, types, asset, side, reads)
        raw = raw._replace(columns={**raw.columns, "balance": typed["balance"]})
    if source.amount and source.amount.has_known_fee:
        typed["figure"] = figure  # what totals and balances of the file go by
        raw = raw._replace(columns={**raw.columns, "figure": figure})
    return Shaped(reads, raw, beside, typed, _kept(source, typed, plain, dates, side), debit)


def _kept(source: Source, typed: Mapping[str, str], plain: Mapping[str, str], dates: Mapping[str, SqlValue], side: str) -> Layer:
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
    whole = _whole(source, columns, {name: SqlValue(name, "") for name in dates})
    whole |= {name: name for name in ("balance", "figure") if name in typed}
    return Layer(whole, named, "bad", bad_asset)


def _whole(source: Source, columns: Mapping[str, str], dates: Mapping[str, SqlValue]) -> dict[str, str]:
    """Every column of the common shape, in its order: dates as texts beside the day that is compared, null for what is not given."""
    read = {name: part.value for name, part in dates.items()}
    found = {**columns, "day": _day(source, read), **{name: f"cast({sql} as varchar)" for name, sql in read.items()}}
    shape = (*SHAPE, *map(column_name, own_fields(source.columns)))
    return {name: found.get(name, "cast(null as varchar)") for name in shape}


def column_of(source: Source, ours: str) -> str:
    """The file's own name of our column, for messages."""
    if ours == "amount" and source.amount:
        return source.amount.column or " / ".join(filter(None, (source.amount.debit, source.amount.credit)))
    if ours == "direction" and source.amount:
        return source.amount.direction or ours
    return source.columns.get(ours, ours)


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


def _id(known: Mapping[str, str], understood: Sequence[str], *, trims: bool) -> str:
    """The record's own id; without one its reference, else what was understood of it: the same table has the same ids in every
    notation, and a line number would change when lines are sorted."""
    words = [f"coalesce(cast({sql} as varchar), '')" for sql in understood]
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


def _amount(source: Source, types: Mapping[str, str], asset: str, side: str, reads: dict[str, str], debits: Debits) -> tuple[str, str, str]:
    """The amount, the condition under which it cannot be read, and the figure of a debit as it is signed, if any.

    One rule for signs: a debit is money out whether or not it carries a minus; a credit is taken as it is signed. Where debits come
    with both signs the minus may mean a reversal, and `debits` says which (see `Debits`).
    """
    amount = source.amount
    if amount is None:
        raise InvalidInput(f"{side}.amount", "where the amount stands and in which unit", got="")
    given = {name: getattr(amount, name) for name in ("column", "debit", "credit", "fee", "direction")}
    parts = {name: _column(column, types, f"{side}.amount.{name}") for name, column in given.items() if column}
    read = {
        name: _figure(parts[name], types[given[name]], amount, source, asset, keeper(reads, f"amount_{name}"))
        for name in ("column", "debit", "credit", "fee")
        if name in parts
    }
    bad = [f"({part.bad})" if name == "column" else f"({_present(parts[name])} and ({part.bad}))" for name, part in read.items()]
    fee = f" + coalesce({read['fee'].value}, 0)" if "fee" in read else ""
    debit = ""
    if "column" in read:
        value = read["column"].value + fee
        if "direction" in parts:
            is_debit = f"{_word(parts['direction'])} in ({_words(amount.negative)})"
            debit = f"case when {is_debit} then {value} end"
            value = f"case when {is_debit} then {_out(value, debits)} else {value} end"
    else:
        debit = read["debit"].value if "debit" in read else ""
        shown = [f"coalesce({read['credit'].value}, 0)"] if "credit" in read else []
        shown += [f"coalesce({_out(debit, debits)}, 0)"] if debit else []
        value = " + ".join(shown) + fee
        bad.append(" and ".join(f"not ({_present(parts[n])})" for n in ("debit", "credit") if n in parts))
        if len(shown) == 2:  # one row is one movement
            bad.append(f"({read['debit'].value} <> 0 and {read['credit'].value} <> 0)")
    if debit and debits == "refused":
        bad.append(f"coalesce({debit} < 0, false)")
    return (f"-({value})" if amount.sign == -1 else value), " or ".join(bad), debit


def _word(column: str) -> str:
    return f"lower(trim(coalesce(cast({column} as varchar), '')))"


def _words(words: Iterable[str]) -> str:
    return ", ".join(literal(word) for word in dict.fromkeys(word.strip().lower() for word in words))


def _no_direction(source: Source, types: Mapping[str, str], side: str) -> str:
    """The condition under which nobody knows whether a figure is money in or out: a sign that is guessed may be the wrong one."""
    amount = source.amount
    if amount is None or amount.direction is None:
        return ""
    word = _word(_column(amount.direction, types, f"{side}.amount.direction"))
    if amount.positive:
        return f"{word} not in ({_words((*amount.negative, *amount.positive))})"
    return f"rtrim({word}, '.') in ({_words(DEBITS)}) and {word} not in ({_words(amount.negative)})"


def _less_known_fee(figure: str, source: Source) -> str:
    """The figure without the fee that the rule set knows, rounded half up away from nought; wide, so that no product overflows."""
    amount = source.amount
    if amount is None or not amount.has_known_fee:
        return figure
    share = f"(abs(cast({figure} as hugeint)) * {amount.less_ppm} + 500000) // 1000000"
    return f"cast({figure} - sign({figure}) * ({share} + {amount.less_minor}) as bigint)"


def _out(value: str, debits: Debits) -> str:
    return f"-({value})" if debits == "signed" else f"-abs({value})"


def _balance(source: Source, types: Mapping[str, str], asset: str, side: str, reads: dict[str, str]) -> str:
    """The file's own balance after a row; null where none is given."""
    amount = source.amount
    if amount is None or amount.balance is None:
        return "cast(null as bigint)"
    column = _column(amount.balance, types, f"{side}.amount.balance")
    return _figure(column, types[amount.balance], amount, source, asset, keeper(reads, "balance")).value


def _present(column: str) -> str:
    return f"{column} is not null and cast({column} as varchar) <> ''"


def _figure(column: str, kind: str, amount: Amount, source: Source, asset: str, keep: Keep) -> SqlValue:
    """One figure in minor units. Whole-number columns are taken as they are; all else goes through its decimal text, exactly."""
    whole = kind in ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT")
    if whole and amount.unit == "minor":
        value = f"cast({column} as bigint)"
        return SqlValue(value, f"{column} is null or {column} not between -{MINOR_MAX} and {MINOR_MAX}")
    text = cleaned(column if kind == "VARCHAR" else f"cast({column} as varchar)", kind, amount)
    if amount.unit == "minor":
        value = f"case when regexp_full_match({text}, '[+-]?[0-9]{{1,19}}') then try_cast({text} as bigint) end"
        if kind == "VARCHAR":  # a number that is written back as it stood needs no pattern, which costs twice as much
            value = f"case when cast(try_cast({column} as bigint) as varchar) = {column} then try_cast({column} as bigint) else {value} end"
        value = keep(value)
        return SqlValue(value, f"coalesce({value} not between -{MINOR_MAX} and {MINOR_MAX}, true)")
    scale = _scale(source, asset)
    fraction = f"split_part({text}, '.', 2)"
    digits = f"ltrim(split_part({text}, '.', 1), '+') || rpad(substr({fraction}, 1, {scale}), {scale}, '0')"
    fits = f"regexp_full_match({text}, '[+-]?[0-9]{{1,18}}([.][0-9]*)?') and rtrim(substr({fraction}, {scale} + 1), '0') = ''"
    value = keep(f"case when {fits} then try_cast({digits} as bigint) end")
    return SqlValue(value, f"coalesce({value} not between -{MINOR_MAX} and {MINOR_MAX}, true)")


def cleaned(text: str, kind: str, amount: Amount) -> str:
    """A figure as people write it, down to sign, digits and a point: (12.50), 12.50-, € 12.50, 1.234,56."""
    if kind == "DOUBLE":  # by the 15 digits that programs show and count with, so that 0.1 + 0.2 is 0.3
        return f"printf('%.15g', cast({text} as double))"
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


def _day(source: Source, dates: Mapping[str, str]) -> str:
    """Days since 1970-01-01 of the date that is compared; where it is not given, the next best of the three."""
    if not dates:
        return "cast(null as integer)"
    there = {name: f"cast({sql} as date)" if name == "event_at" else sql for name, sql in dates.items()}
    order = [there[name] for name in (source.dates.compare, "booked_on", "value_on", "event_at") if name in there]
    best = order[0] if len(dict.fromkeys(order)) == 1 else f"coalesce({', '.join(dict.fromkeys(order))})"
    return f"cast({best} - date '1970-01-01' as integer)"
