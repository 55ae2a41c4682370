"""Records that one of the other side gathers: named in its text one by one, or by a batch. Their sums decide between readings and fees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine, identifier, literal
from counterfoil.matching.guess.amounts import PLAIN, Trial, choose, first_tried, take, told
from counterfoil.matching.guess.columns import Looked
from counterfoil.matching.guess.fees import SumsFee, fee_of_sums
from counterfoil.matching.passes.embedded import INNER_MARKS, LIST_MARKS
from counterfoil.matching.passes.words import capitals, unmarked

PER_THOUSAND_LEAST: Final = 5  # of the records that must be named
LEAST: Final = 3  # records, or batches
LENGTH: Final = 6  # of a reference; a shorter one stands in a text by chance
SHORT_LENGTH: Final = 4  # the shortest that a pass takes
LISTED_PERCENT: Final = 80  # of a column's words with a digit that are names of the other side: it is a list of them, however short
TEXTS_TRIED_MAX: Final = 12
BATCH_PERCENT: Final = 30  # of the sums that agree make a batch
MET_PERCENT: Final = 80  # of the batches that meet, with sums of about the size, are batches though no sum agrees


class GatheredBy(NamedTuple):
    """Which column of one side (`many`, 0 or 1) names what which column of the other gathers, and how often it does."""

    many: int
    name: str
    other: str
    met: int
    short: bool = False
    agreed: int = 0


def named_in_text(
    engine: DuckEngine, sides: tuple[Looked, Looked], keys: Sequence[Mapping[str, str]], *, has_key: bool
) -> GatheredBy | None:
    """The nearly unique column of one side whose values stand most often as words in a text of the other, and that text."""
    best: GatheredBy | None = None
    for many, one in ((0, 1), (1, 0)):
        for text in _texts(sides[one], has_key=has_key):
            _words_of(engine, sides[one], text, within=has_key and text == sides[one].columns.get("reference"))
            for name, column in keys[many].items():
                plain = PLAIN.sql(column)
                rows, long, short, words = engine.rows(
                    f"""select count(*), count(distinct k) filter (length(k) >= {LENGTH} and k in (select word from word_seen)),
                               count(distinct k) filter (length(k) >= {SHORT_LENGTH} and k in (select word from word_seen)),
                               (select count(distinct word) from word_seen where fine)
                        from (select {plain} as k from {sides[many].side}_seen where {column} is not null) n"""
                )[0]
                listed = short > long and short * 100 >= words * LISTED_PERCENT
                found = GatheredBy(many, name, text, short if listed else long, listed)
                if rows and found.met >= LEAST and found.met * 1000 >= rows * PER_THOUSAND_LEAST and (best is None or found.met > best.met):
                    best = found
        engine.drop("word_seen")
    if best:
        _words_of(engine, sides[1 - best.many], best.other, numbered=True)
        name = f"nullif(trim(cast({identifier(best.name)} as varchar)), '')"
        engine.table(
            "gathered",
            f"""select many, any_value(one) as one from (
                    select a.n as many, w.n as one from (
                        select counterfoil_n as n, {PLAIN.sql(name)} as k from {sides[best.many].side}_numbered) a
                    join word_seen w on w.word = a.k where length(a.k) >= {SHORT_LENGTH if best.short else LENGTH}) x
                group by many having count(*) = 1""",
        )
        engine.drop("word_seen")
    return best


def _texts(side: Looked, *, has_key: bool) -> list[str]:
    """Columns in which references may stand, the memo first; beside a key the memo, and the key's own column, which may hold lists."""
    first = [side.columns[role] for role in ("memo", "reference") if role in side.columns]
    if has_key:
        return first
    taken = {*side.amounts.values(), *side.days, *(side.columns.get(role) for role in ("asset", "status", "id", "batch"))}
    others = [name for name, kind in side.types.items() if kind == "VARCHAR" and name not in taken and name not in first]
    return first_tried(side, [*first, *others], TEXTS_TRIED_MAX, "name records of the other side in their text")


def _words_of(engine: DuckEngine, side: Looked, text: str, *, numbered: bool = False, within: bool = False) -> None:
    """`word_seen`: words with a digit of a text, taken apart in both ways in which the pass does, the `fine` one last.

    `within`: not those that are all of the text, which a key finds.
    """
    column = f"cast({identifier(text)} as varchar)" if numbered else f"c{list(side.types).index(text)}"
    table, row = (f"{side.side}_numbered", "counterfoil_n as n") if numbered else (f"{side.side}_seen", "0 as n")
    apart = "unnest(string_split(regexp_replace({column}, {marks}, ' ', 'g'), ' '))"
    ways = " union all ".join(
        f"""select {row}, {column} as said, {fine} as fine, {apart.format(column=column, marks=literal(f"[{marks}]+"))} as word
            from {table} where {column} is not null"""
        for fine, marks in ((False, LIST_MARKS), (True, LIST_MARKS + INNER_MARKS))
    )
    whole = f" and word <> {unmarked(capitals('said'))}" if within else ""
    engine.table(
        "word_seen",
        f"""select n, word, bool_or(fine) as fine from (select n, said, fine, {unmarked(capitals("word"))} as word from ({ways}) w) x
            where length(word) >= {SHORT_LENGTH} and regexp_matches(word, '[0-9]'){whole} group by n, word""",
    )


def batches(
    engine: DuckEngine, sides: tuple[Looked, Looked], repeated: Sequence[Mapping[str, str]], single: Sequence[Mapping[str, str]]
) -> GatheredBy | None:
    """A repeated column of one side that meets a nearly unique column of the other, with equal sums; else with sums of about the size,
    where nearly all of them meet: less a fee, they may be equal."""
    found = [
        each
        for many, one in ((0, 1), (1, 0))
        for m_name, m_column in repeated[many].items()
        for o_name, o_column in single[one].items()
        if (each := _batch(engine, sides, many, (m_name, m_column), (o_name, o_column)))
    ]
    best = max(found, key=lambda each: (each.agreed > 0, each.agreed or each.met), default=None)
    if best:
        many, one = sides[best.many].side, sides[1 - best.many].side
        keys = [PLAIN.sql(f"nullif(trim(cast({identifier(name)} as varchar)), '')") for name in (best.name, best.other)]
        engine.table(
            "gathered",
            f"""select a.n as many, b.n as one from (select counterfoil_n as n, {keys[0]} as k from {many}_numbered) a
                join (select any_value(counterfoil_n) as n, {keys[1]} as k from {one}_numbered
                      group by 2 having count(*) = 1) b using (k)""",
        )
    return best


def _batch(engine: DuckEngine, sides: tuple[Looked, Looked], many: int, batch: tuple[str, str], one: tuple[str, str]) -> GatheredBy | None:
    m, o = PLAIN.sql(batch[1]), PLAIN.sql(one[1])
    gathers, met, agreed, alike = engine.rows(
        f"""with m as (select {m} as k, sum(x_amount) as total, list(x_amount) as each from {sides[many].side}_seen
                       where {batch[1]} is not null group by 1 having count(*) > 1),
                 o as (select {o} as k, x_amount from {sides[1 - many].side}_seen where {one[1]} is not null)
            select (select count(*) from m), count(*), count(*) filter (m.total = o.x_amount),
                   count(*) filter (not list_contains(m.each, o.x_amount)
                                    and abs(o.x_amount) between abs(m.total) / 2 and abs(m.total) * 3 / 2
                                    and (length(m.k) > {SHORT_LENGTH} or regexp_matches(m.k, '[A-Z]')))
            from m join o using (k)"""
    )[0]
    sums = agreed > 1 and agreed * 100 >= met * BATCH_PERCENT
    if sums or (alike >= LEAST and alike * 100 >= max(gathers, met) * MET_PERCENT):
        return GatheredBy(many, batch[0], one[0], int(met), agreed=int(agreed) if sums else 0)
    return None


class Sums(NamedTuple):
    """How the sums of what is gathered do: the trial that was taken, a fee between them, and which sides are read anew."""

    met: int
    agreed: int
    changed: list[Looked]
    fee: SumsFee | None
    sentence: str


def settle_sums(engine: DuckEngine, sides: tuple[Looked, Looked], found: GatheredBy) -> Sums | None:
    """Try every reading of both amounts on the sums of `gathered` (many, one), and take the one that agrees; else look for a fee."""
    many, one = found.many, 1 - found.many
    m_sums = [f"sum(m{i}.amount) as m{i}" for i in range(len(sides[many].readings))]
    o_ones = [f"any_value(o{j}.amount) as o{j}" for j in range(len(sides[one].readings))]
    joins = [f"left join {sides[many].side}_amount_{i} m{i} on m{i}.n = g.many" for i in range(len(m_sums))]
    joins += [f"left join {sides[one].side}_amount_{j} o{j} on o{j}.n = g.one" for j in range(len(o_ones))]
    engine.table("summed", f"select g.one, count(*) as n, {', '.join(m_sums + o_ones)} from gathered g {' '.join(joins)} group by g.one")
    pairs = list(product(range(len(m_sums)), range(len(o_ones))))
    agree = ", ".join(f"count(*) filter ({_equal(f'abs(m{i})', f'abs(o{j})')})" for i, j in pairs)
    counts = engine.rows(f"select count(*), {agree} from summed")[0]
    met = int(counts[0])
    names = (found.name, found.other) if many == 0 else (found.other, found.name)
    trials = []
    for (i, j), agreed in zip(pairs, counts[1:], strict=True):
        left, right = (i, j) if many == 0 else (j, i)
        trials.append(Trial(*names, left, right, met, int(agreed), int(agreed)))
    best = choose(trials, sides)
    if best is None or not met:
        return None
    if best.agreed * 2 >= met:
        changed = take(sides, best)
        sentence = told(best, trials, sides) if len(trials) > 1 else f"sums: {best.agreed:,} of {met:,} agree"
        return Sums(met, best.agreed, changed, None, sentence)
    fee = _fee(engine, sides, found, trials)
    return Sums(met, best.agreed, [], fee, fee.sentence(sides) if fee else f"sums: {best.agreed:,} of {met:,} agree; the others are breaks")


def _equal(here: str, there: str) -> str:
    return f"{here} <> 0 and ({here} = {there} or {here} * 100 = {there} or {here} = {there} * 100)"


def _fee(engine: DuckEngine, sides: tuple[Looked, Looked], found: GatheredBy, trials: Sequence[Trial]) -> SumsFee | None:
    """Between the amounts as the header names them: others are tried only where they agree."""
    first = next((each for each in trials if each.left == each.right == 0), None)
    if first is None or any(side.statement for side in sides[found.many : found.many + 1]):
        return None
    rows = engine.rows("select abs(m0), n, abs(o0) from summed where m0 is not null and o0 is not null order by 1, 2, 3")
    return fee_of_sums([(int(gross), int(n), int(net)) for gross, n, net in rows], many=found.many)
