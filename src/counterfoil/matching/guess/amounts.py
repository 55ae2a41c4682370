"""Which columns hold the amount, and which the key: every pair of readings is tried under every pair of columns, and what agrees is taken.

Names of columns only say where to begin. A column that nobody would call an amount and that agrees is one; a column that is called one
and agrees nowhere is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine, identifier
from counterfoil.matching.guess.columns import NO_CURRENCY, AmountReading, Looked
from counterfoil.matching.passes.keys import normal, some
from counterfoil.matching.passes.words import capitals, unmarked
from counterfoil.matching.reading.column_sql import shaped
from counterfoil.matching.rules.model import Amount, Normal, Source
from counterfoil.statements.tables.columns import currency_in

LEFT_ROWS: Final = 20_000  # that are tried
RIGHT_ROWS: Final = 1_200_000  # among which their partners are looked for: files rarely begin with the same records
ROUNDING_MINOR: Final = 5  # amounts of one record that two programs rounded lie no further apart than this
LEFT_OUT_SHOWN: Final = 5  # columns that were not tried, by name
NAMED_STAYS_PERCENT: Final = 90  # of the best: a copy of our own figures on their side agrees always, and would hide what differs


class KeyForm(NamedTuple):
    """What of a column is taken for the key: how a key pass writes it, and in which words a person is told."""

    name: str
    normalise: tuple[Normal, ...] = ("case", "punctuation")
    extract: str | None = None
    told: str = ""

    def sql(self, column: str) -> str:
        """The key that a pass of this form makes of a column, as SQL."""
        return some(normal(column, self.normalise, self.extract))


PLAIN: Final = KeyForm("normalised")
# Tried in this order where the columns do not meet as they are: what is plainer first.
OTHER_FORMS: Final = (
    KeyForm("without-noughts", ("case", "punctuation", "zeros"), told=" without the noughts before its numbers"),
    KeyForm("numbers", ("zeros",), "[0-9]{4,}", " by its first number of four digits or more, whatever stands around it"),
    KeyForm("last-number", ("digits", "zeros"), "[0-9]{4,}[^0-9]*$", " by its last number, whatever stands around it"),
)


class Trial(NamedTuple):
    """Two columns taken for the key and two readings of the amount: how often the keys met, and the amounts agreed.

    `near`: how often they agreed or lay no further apart than rounding does.
    """

    left_key: str
    right_key: str
    left: int
    right: int
    met: int
    agreed: int
    near: int
    form: KeyForm = PLAIN


def try_amounts(engine: DuckEngine, sides: tuple[Looked, Looked], keys: Sequence[Mapping[str, str]]) -> list[Trial]:
    """Each pair of readings under each pair of columns that could be a key. `keys` are the columns of the samples, by their names."""
    for side, rows, columns in zip(sides, (LEFT_ROWS, RIGHT_ROWS), keys, strict=True):
        _tried(engine, side, rows, columns.values())
    return try_keys(engine, sides, keys, PLAIN)


def try_keys(engine: DuckEngine, sides: tuple[Looked, Looked], keys: Sequence[Mapping[str, str]], form: KeyForm) -> list[Trial]:
    """The same of what `try_amounts` has read, with the keys in this form."""
    for side, columns in zip(sides, keys, strict=True):
        forms = "".join(f", {form.sql(column)} as plain_{column}" for column in columns.values())
        engine.table(f"{side.side}_formed", f"select *{forms} from {side.side}_tried")
    pairs = list(product(range(len(sides[0].readings)), range(len(sides[1].readings))))
    agree = ", ".join(f"count(*) filter ({test(f'abs(l.a{i})', f'abs(r.a{j})')})" for test in (_equal, _near) for i, j in pairs)
    found = []
    for (l_name, l_column), (r_name, r_column) in _meeting(engine, keys):
        met, *counts = engine.rows(
            f"""select count(*), {agree} from (
                    select any_value(x.n) as ln, any_value(y.n) as rn from left_formed x
                    join right_formed y on y.plain_{r_column} = x.plain_{l_column}
                    group by x.plain_{l_column} having count(*) = 1) p
                join left_tried l on l.n = p.ln join right_tried r on r.n = p.rn"""
        )[0]
        for (i, j), agreed, near in zip(pairs, counts[: len(pairs)], counts[len(pairs) :], strict=True):
            # A key says nothing by equalling itself.
            if met and l_name not in sides[0].readings[i].amounts.values() and r_name not in sides[1].readings[j].amounts.values():
                found.append(Trial(l_name, r_name, i, j, met, agreed, near, form))
    return found


def _meeting(engine: DuckEngine, keys: Sequence[Mapping[str, str]]) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """The pairs of columns, each as (name, column of the sample), that have a key in common: found in one pass, as most have none."""
    long = {
        side: " union all ".join(f"select '{column}' as c, plain_{column} as k from {side}_formed" for column in columns.values())
        for side, columns in zip(("left", "right"), keys, strict=True)
    }
    if not all(keys):
        return []
    seen = set(
        engine.rows(
            f"""select distinct l.c, r.c from (select distinct c, k from ({long["left"]}) x where k is not null) l
                join ({long["right"]}) r on r.k = l.k"""
        )
    )
    return [(here, there) for here, there in product(keys[0].items(), keys[1].items()) if (here[1], there[1]) in seen]


def choose(trials: Sequence[Trial], sides: tuple[Looked, Looked]) -> Trial | None:
    """The trial in which most agree; names decide between equals, and stay where they agree nearly as often."""
    if not trials:
        return None

    def plainness(one: Trial) -> tuple[int, int, int, int, int]:
        readings = (sides[0].readings[one.left], sides[1].readings[one.right])
        return sum(each.named for each in readings), -sum(len(each.amounts) for each in readings), one.met, -one.left, -one.right

    exact = max(one.agreed * 2 - one.met for one in trials) >= 0

    def count(one: Trial) -> int:
        return one.agreed if exact else one.near  # where nothing agrees to the unit: as far as rounding goes

    best = max(trials, key=lambda one: (count(one), plainness(one), one.left_key, one.right_key))
    near = [one for one in trials if count(one) and count(one) * 100 >= count(best) * NAMED_STAYS_PERCENT]
    return max(near, key=lambda one: (plainness(one)[0], count(one), plainness(one), one.left_key, one.right_key), default=best)


def told(chosen: Trial, trials: Sequence[Trial], sides: tuple[Looked, Looked]) -> str:
    """The choice in figures, beside what else was tried under the same key."""
    here = [one for one in trials if (one.left_key, one.right_key) == (chosen.left_key, chosen.right_key) and one != chosen]
    others = sorted(here, key=lambda one: (-one.agreed, one.left, one.right))[:3]
    tried = "".join(f"; {_pair(one, sides)} in {one.agreed:,}" for one in others)
    return f"amount: {_pair(chosen, sides)} agree in {chosen.agreed:,} of {chosen.met:,}{tried}"


def _pair(one: Trial, sides: tuple[Looked, Looked]) -> str:
    return f"{sides[0].readings[one.left]} on the left and {sides[1].readings[one.right]} on the right"


def plain(column: str) -> str:
    """A key without case and punctuation, as SQL."""
    return unmarked(capitals(column))


def _equal(here: str, there: str) -> str:
    """Equal and not nothing, as SQL; whole units of one side may be hundredths of the other."""
    return f"{here} <> 0 and ({here} = {there} or {here} * 100 = {there} or {here} = {there} * 100)"


def _near(here: str, there: str) -> str:
    """Equal, or as far apart as rounding goes, as SQL; small amounts say nothing, being near to each other anyway."""
    return f"({_equal(here, there)}) or (abs({here} - {there}) <= {ROUNDING_MINOR} and {here} >= {ROUNDING_MINOR * 100})"


def take(sides: tuple[Looked, Looked], chosen: Trial) -> list[Looked]:
    """Read the amounts as they agree from now on. The sides of which this is another reading than was said before."""
    changed = [side for side, at in zip(sides, (chosen.left, chosen.right), strict=True) if at]
    for side, at in zip(sides, (chosen.left, chosen.right), strict=True):
        if not at:
            continue
        side.take(side.readings[at])
        side.unit = side.unit or ("major" if side.has_decimals else "minor")
        side.say(f"the amount is {side.readings[at]}, not {side.readings[0]}: so both sides agree")
        if "asset" not in side.columns and (code := currency_in(next(iter(side.amounts.values())))):
            side.asset = code
    for side, other in (sides, sides[::-1]):
        if other in changed and other.asset and "asset" not in side.columns and not currency_in(next(iter(side.amounts.values()), "")):
            side.asset = other.asset
    return changed


def _tried(engine: DuckEngine, side: Looked, tried_rows: int, keys: Iterable[str]) -> None:
    """The table `{side}_tried`: the first rows with a number each, what could be a key without case and punctuation, and every reading of
    the amount. The file is read once: read twice, in parts at a time, its rows come in another order."""
    numbered = f"{side.side}_numbered"
    engine.table(numbered, f"select row_number() over () as counterfoil_n, * from (select * from {side.scan} limit {tried_rows})")
    names = list(side.types)
    texts = "".join(
        f", {text} as {key}" for key in keys for text in (f"nullif(trim(cast({identifier(names[int(key[1:])])} as varchar)), '')",)
    )
    engine.table(f"{side.side}_texts", f"select counterfoil_n as n{texts} from {numbered}")
    columns, joins = "", ""
    for at, reading in enumerate(side.readings):
        understood = shaped(source_of(side, reading), side.types, side.side, trims=True, totals=False)
        engine.table(
            f"{side.side}_amount_{at}",
            f"select counterfoil_n as n, {understood.raw.columns['amount']} as amount from {understood.over(numbered)}",
        )
        columns += f", amount_{at}.amount as a{at}"
        joins += f" join {side.side}_amount_{at} amount_{at} using (n)"
    engine.table(f"{side.side}_tried", f"select t.*{columns} from {side.side}_texts t{joins}")


def source_of(side: Looked, reading: AmountReading) -> Source:
    """A side whose amount is read in this way, and nothing else of it."""
    scale = {NO_CURRENCY: 2}
    asset = {"asset": side.columns["asset"]} if "asset" in side.columns else {}
    if side.statement:
        own = None if asset else side.asset or NO_CURRENCY
        return Source(columns=asset, amount=Amount(column="amount", unit="minor"), asset=own, scale=scale)
    written = {
        **reading.amounts,
        "unit": reading.unit or ("major" if reading.has_decimals else "minor"),
        "decimal": reading.decimal or ".",
        "group": reading.group,
        "negative": reading.negative,
        "positive": reading.positive,
    }
    return Source(columns=asset, amount=Amount.model_validate(written), asset=None if asset else side.asset or NO_CURRENCY, scale=scale)


def first_tried(side: Looked, names: Sequence[str], most: int, could: str, which: str = "the first {} were") -> list[str]:
    """The first columns, as many as are tried; where there are more, that is said once."""
    if len(names) > most:
        more = f"{len(names)} columns could {could}: {which.format(most)} tried; not tried, and to be named if it is one of them:"
        sentence = f"{more} {', '.join(names[most : most + LEFT_OUT_SHOWN])}{' …' if len(names) > most + LEFT_OUT_SHOWN else ''}"
        if not any(reason.endswith(sentence) for reason in side.reasons):
            side.say(sentence)
    return list(names[:most])
