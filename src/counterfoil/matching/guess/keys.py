"""What two files share: the key, the batch, how far dates lie apart, which way the sign runs, which status means which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.matching.engines.engine import DuckEngine, identifier, literal
from counterfoil.matching.guess.amounts import (
    LEFT_ROWS,
    OTHER_FORMS,
    PLAIN,
    ROUNDING_MINOR,
    KeyForm,
    Trial,
    choose,
    first_tried,
    take,
    told,
    try_amounts,
    try_keys,
)
from counterfoil.matching.guess.columns import NO_CURRENCY, Looked
from counterfoil.matching.guess.days import choose_days
from counterfoil.matching.guess.fees import known_fee
from counterfoil.matching.guess.gathered import GatheredBy, batches, named_in_text, settle_sums
from counterfoil.matching.guess.overlap import nearest_first
from counterfoil.matching.guess.two_columns import two_columns
from counterfoil.matching.reading.column_sql import shaped
from counterfoil.matching.reading.totals import BALANCE, TOTAL
from counterfoil.matching.rules.model import Amount, Dates, Source

PART: Final = "part"  # what the proposed rule set calls the second column of a key
SAMPLE_ROWS: Final = 200_000
KEY_COLUMNS_MAX: Final = 12
NEAREST: Final = "the {} that share most values with the other side were"
KEY_SHARE_LEAST: Final = 20  # percent of the smaller side that must meet
KEY_SHARE_ENOUGH: Final = 90  # percent that meet as they are: nobody looks for another form then
FORM_GAIN_PERCENT: Final = 110  # of the agreement without it, before another form of the key is taken
ROUNDED_LEAST, ROUNDED_SHARE_LEAST = 5, 5  # pairs, and percent of pairs, off by hardly anything: then it is the way of the files
ROUNDED_SIDE_LEAST: Final = 20  # percent of those that lie to either side: what lies to one side is a fee, unless it is one unit, cut off
NOT_TAKEN: Final = " (not taken: nobody has agreed to it; --guess proposes it)"
CLEAR_TIMES: Final = 10  # up to so many times the rounding hardly any pair may be off: else it is no rounding
WINDOW_SHARE_LEAST: Final = 2  # percent of pairs that must lie that far apart before it counts as usual
WINDOW_MAX_DAYS: Final = 10
SENTENCE_SHARE_MAX: Final = 40  # percent of values of three words or more: more, and the column is a text
STATUS_SHARE_LEAST: Final = 80


@dataclass
class CommonKeys:
    """What both sides have in common."""

    is_proposal: bool = True  # a person reads it before it is used: only then may it let anything pass
    has_key: bool = False
    has_part: bool = False  # the key has a second column
    form: KeyForm = PLAIN
    tolerance: int = 0
    embedded: bool = False
    short_names: bool = False  # the references in texts have four or five characters
    batch: tuple[str, str] | None = None
    amounts_are_keys: bool = False
    before_days: int = 0
    after_days: int = 3
    compare: list[str] = field(default_factory=lambda: ["amount", "asset"])
    reasons: list[str] = field(default_factory=list)


def observe(engine: DuckEngine, sides: tuple[Looked, Looked], *, is_proposal: bool) -> CommonKeys:
    """Look at both sides together; sets their references, batches, signs and status words."""
    found = CommonKeys(is_proposal)
    for side in sides:
        _seen(engine, side)
    keys = [_said_key(side) or _columns(engine, side, other, unique=True) for side, other in both_ways(sides)]
    best = _best_key(engine, sides, keys, found)
    if not best and not any(side.said.get("reference") for side in sides):
        _take_two_columns(engine, sides, found)
    if best:
        for side, name in zip(sides, (best.left_key, best.right_key), strict=True):
            side.columns["reference"] = name
        columns = (f"c{list(sides[0].types).index(best.left_key)}", f"c{list(sides[1].types).index(best.right_key)}")
        _take_key(engine, sides, columns, best.form, found)
    _batches(engine, sides, keys, found)
    _embedded(engine, sides, keys, found)
    _compare(sides, found)
    if not found.has_key and not found.embedded and not found.batch:
        told = min(sum(role in side.columns for role in ("memo", "counterparty", "reference")) for side in sides)
        found.amounts_are_keys = told == 0
        found.reasons.append(
            "no column is shared as a key: records are matched by text, amount and date"
            if told
            else "nothing but amounts and dates is shared: equal amounts within the window count as matches"
        )
    return found


def _seen(engine: DuckEngine, side: Looked) -> None:
    """The table `{side}_seen`: a bounded sample with every column as text, and amount, day, asset and status as understood."""
    written = {
        **side.amounts,
        "unit": side.unit or "minor",
        "decimal": side.decimal or ".",
        "group": side.group,
        "negative": side.negative,
        "positive": side.positive,
        **side.known_fee,
    }
    amount = (
        Amount.model_validate({"column": "amount", "unit": "minor", **side.known_fee}) if side.statement else Amount.model_validate(written)
    )
    source = Source(
        columns=side.columns,
        amount=amount,
        asset=None if "asset" in side.columns else side.asset,
        dates=Dates(formats=tuple(side.date_formats)),
        scale={NO_CURRENCY: 2},
    )
    understood = shaped(source, side.types, side.side, trims=True)
    texts = ", ".join(f"nullif(trim(cast({identifier(name)} as varchar)), '') as c{at}" for at, name in enumerate(side.types))
    wanted = ", ".join(f"{understood.raw.columns[name]} as x_{name}" for name in ("amount", "day", "asset", "status"))
    limit = f" limit {SAMPLE_ROWS}" if side.side == "left" else f" limit {SAMPLE_ROWS * 60}"
    engine.table(
        f"{side.side}_seen",
        f"select {texts}, {wanted} from {understood.over(side.scan)} where ({understood.raw.bad}) is null{limit}",
    )
    feet = engine.rows(
        f"select count(*) from {understood.over(side.scan)} where ({understood.raw.bad}) in ({literal(TOTAL)}, {literal(BALANCE)})"
    )[0][0]
    if feet and not side.feet:
        lines = counted(feet, "line is a total or a balance and no record", "lines are totals or balances and no records")
        side.say(f"{lines}; the run refuses a total that is not the sum of its rows")
    side.feet = feet


def both_ways(sides: tuple[Looked, Looked]) -> tuple[tuple[Looked, Looked], tuple[Looked, Looked]]:
    """Each side with the other."""
    return (sides[0], sides[1]), (sides[1], sides[0])


def _columns(engine: DuckEngine, side: Looked, other: Looked, *, unique: bool) -> dict[str, str]:
    """Columns that could be a key (nearly unique) or a batch (repeated), by their name: the column of the sample."""
    taken = {
        *side.amounts.values(),
        *(side.columns.get(role) for role in ("asset", "booked_on", "value_on", "event_at", "status")),
    }
    names = [(name, f"c{at}") for at, name in enumerate(side.types) if name not in taken]
    found = {}
    for name, column in names:
        filled, distinct, spaced = engine.rows(
            f"""select count({column}), count(distinct {column}), count(*) filter (trim({column}) like '% % %')
                from (select {column} from {side.side}_seen limit {SAMPLE_ROWS}) s"""
        )[0]
        if spaced * 100 > filled * SENTENCE_SHARE_MAX:
            continue
        if filled and (distinct * 2 >= filled if unique else distinct > 1 and distinct * 3 <= filled * 2):
            found[name] = column
    nearest = nearest_first(engine, side, found, other) if len(found) > KEY_COLUMNS_MAX else list(found)
    tried = first_tried(side, nearest, KEY_COLUMNS_MAX, "be the key" if unique else "name a batch", NEAREST)
    return {name: found[name] for name in tried}


def _said_key(side: Looked) -> dict[str, str]:
    """The column that a person named as the key, as `_columns` gives it."""
    name = side.said.get("reference")
    return {name: f"c{list(side.types).index(name)}"} if name else {}


def _best_key(engine: DuckEngine, sides: tuple[Looked, Looked], keys: Sequence[dict[str, str]], found: CommonKeys) -> Trial | None:
    """The columns on which most records meet and agree in their amounts; counting numbers that only look alike do not agree. Takes the
    readings of the amounts under which they do."""
    smaller = min(engine.rows(f"select count(*) from {side}_seen")[0][0] for side in ("left", "right"))
    trials = try_amounts(engine, sides, keys)
    best = choose(trials, sides)
    for form in OTHER_FORMS:
        if best and best.met * 100 >= min(smaller, LEFT_ROWS) * KEY_SHARE_ENOUGH and best.near * 2 >= best.met:
            break
        tried = try_keys(engine, sides, keys, form)
        other = choose(tried, sides)
        if other and other.near * 2 >= other.met and other.near * 100 >= (best.near if best else 0) * FORM_GAIN_PERCENT:
            best, trials = other, tried
    if best is None or best.met * 100 < min(smaller, LEFT_ROWS) * KEY_SHARE_LEAST:
        return None
    meets = f"{best.left_key} on the left meets {best.right_key} on the right {best.met:,} times{best.form.told}"
    if best.near * 2 < best.met and (fee := known_fee(engine, sides, trials)):
        best = fee.trial
        sides[fee.side].less = (fee.ppm, fee.minor) if found.is_proposal else None
        found.reasons.append(fee.sentence(sides) + ("" if found.is_proposal else NOT_TAKEN))
    elif best.near * 2 < best.met:
        nearest = f"the nearest is {told(best, trials, sides)}. Name the columns yourself, or say which fee lies between them"
        found.reasons.append(f"no key: {meets}, but no two amounts agree there often enough; {nearest}")
        return None
    for side in take(sides, best):
        _seen(engine, side)
    agreed = "" if any(side.less for side in sides) else f", and {best.agreed:,} of those agree in the amount"
    found.reasons.append(f"key: {meets}{agreed}")
    if not any(side.less for side in sides) and max(len(side.readings) for side in sides) > 1:
        found.reasons.append(told(best, trials, sides))
    return best


def _take_two_columns(engine: DuckEngine, sides: tuple[Looked, Looked], found: CommonKeys) -> None:
    """No column is a key alone: two of each side together, the second as a key field of the rule set's own."""
    columns = [_columns(engine, *each, unique=False) | _columns(engine, *each, unique=True) for each in both_ways(sides)]
    smaller = min(engine.rows(f"select count(*) from {side}_seen")[0][0] for side in ("left", "right"))
    two = two_columns(engine, columns, least=max(smaller * KEY_SHARE_LEAST // 100, 2))
    if two is None:
        return
    found.has_part = True
    for side, first, second in zip(sides, two.first, two.second, strict=True):
        side.columns["reference"], side.columns[PART] = first, second
    found.reasons.append(two.sentence())
    _take_key(engine, sides, two.keys(columns), PLAIN, found)


def _take_key(engine: DuckEngine, sides: tuple[Looked, Looked], columns: tuple[str, str], form: KeyForm, found: CommonKeys) -> None:
    found.has_key, found.form = True, form
    if reason := choose_days(engine, sides, columns, form):
        found.reasons.append(reason)
        for side in sides:
            _seen(engine, side)
    engine.table(
        "met",
        f"""select any_value(l.x_amount) as la, any_value(r.x_amount) as ra, any_value(r.x_day) - any_value(l.x_day) as off,
                   any_value(l.x_status) as ls, any_value(r.x_status) as rs
            from (select *, {form.sql(columns[0])} as key from left_seen) l
            join (select *, {form.sql(columns[1])} as key from right_seen) r on r.key = l.key
            group by l.key having count(*) = 1""",
    )
    _units_and_sign(engine, sides, found)
    _rounding(engine, sides, found)
    _window(engine, found)
    _status(engine, sides, found)


def _units_and_sign(engine: DuckEngine, sides: tuple[Looked, Looked], found: CommonKeys) -> None:
    same, flipped, left_major, right_major = engine.rows(
        """select count(*) filter (la = ra), count(*) filter (la = -ra and la <> 0), count(*) filter (abs(la) * 100 = abs(ra) and la <> 0),
                  count(*) filter (abs(la) = abs(ra) * 100 and la <> 0) from met"""
    )[0]
    for side, count in ((sides[0], left_major), (sides[1], right_major)):
        if count > same + flipped and not side.has_decimals and not side.statement:
            side.unit = "major"
            found.reasons.append(f"{side.side}: whole figures are a hundredth of the other side's: major units")
    if flipped > same and flipped > max(left_major, right_major):
        sides[1].sign = -1
        found.reasons.append(f"right: {flipped:,} pairs have the opposite sign, {same:,} the same: the right side is turned around")


def _rounding(engine: DuckEngine, sides: tuple[Looked, Looked], found: CommonKeys) -> None:
    """A tolerance where many pairs are off by hardly anything, to both sides, and nothing lies between that and real differences."""
    right = f"(ra * {sides[1].sign})"
    rows = engine.rows(
        f"""select abs({right} - la), count(*), count(*) filter ({right} > la) from met
            where abs({right} - la) between 1 and {ROUNDING_MINOR * CLEAR_TIMES} group by 1 order by 1"""
    )
    total = int(engine.rows("select count(*) from met where la is not null and ra is not null")[0][0])
    small = [(int(off), int(count), int(more)) for off, count, more in rows if off <= ROUNDING_MINOR]
    pairs, more = sum(count for _, count, _ in small), sum(above for *_, above in small)
    beyond = sum(int(count) for off, count, _ in rows if off > ROUNDING_MINOR)
    if pairs < ROUNDED_LEAST or pairs * 100 < total * ROUNDED_SHARE_LEAST or beyond * CLEAR_TIMES > pairs:
        return
    most = max(off for off, *_ in small)
    if most > 1 and min(more, pairs - more) * 100 < pairs * ROUNDED_SIDE_LEAST:
        found.reasons.append(
            f"amounts: {pairs:,} of {total:,} pairs are off by up to {most} minor units, nearly all to one side: a fee or a rate, "
            "and no rounding; they are breaks"
        )
        return
    found.tolerance = most if found.is_proposal else 0
    units = counted(most, "minor unit")
    found.reasons.append(
        f"tolerance: {pairs:,} of {total:,} pairs are off by no more than {units} ({more:,} up, {pairs - more:,} down), as by rounding: "
        f"amount_tolerance = {most}; write 0 if each cent is a break{'' if found.is_proposal else NOT_TAKEN}"
    )


def _window(engine: DuckEngine, found: CommonKeys) -> None:
    rows = engine.rows("select off, count(*) from met where off is not null group by off order by off")
    total = sum(count for _, count in rows)
    usual = [int(off) for off, count in rows if count * 100 >= total * WINDOW_SHARE_LEAST and abs(off) <= WINDOW_MAX_DAYS]
    if not usual:
        return
    found.before_days, found.after_days = max(-min(usual), 0), max(max(usual), 0)
    found.reasons.append(f"dates: right lies from {-found.before_days} to {found.after_days} days after left in the pairs that share a key")


def _status(engine: DuckEngine, sides: tuple[Looked, Looked], found: CommonKeys) -> None:
    rows = engine.rows(
        "select ls, rs, count(*) from met where ls is not null and rs is not null group by ls, rs order by count(*) desc, ls, rs"
    )
    total, equal = sum(n for *_, n in rows), sum(n for here, there, n in rows if here == there)
    if not total or equal * 2 >= total:
        return
    by_theirs: dict[str, dict[str, int]] = defaultdict(dict)
    for here, there, count in rows:
        by_theirs[there][here] = count
    words: dict[str, list[str]] = defaultdict(list)
    for there, counts in sorted(by_theirs.items()):
        here, most = max(counts.items(), key=lambda each: (each[1], each[0]))
        if most * 100 >= sum(counts.values()) * STATUS_SHARE_LEAST:
            words[here].append(there)
    if sum(len(each) for each in words.values()) == len(by_theirs):
        sides[1].status = dict(words)
        found.reasons.append("status: " + "; ".join(f"{', '.join(theirs)} on the right means {ours}" for ours, theirs in words.items()))
    else:
        for side in sides:
            side.columns.pop("status", None)
        found.reasons.append("status is not compared: the words of the two sides do not correspond")


def _batches(engine: DuckEngine, sides: tuple[Looked, Looked], keys: Sequence[dict[str, str]], found: CommonKeys) -> None:
    """A repeated column of one side that meets a nearly unique column of the other, with equal sums, or sums less a fee."""
    repeated = [_columns(engine, *each, unique=False) for each in both_ways(sides)]
    batch = batches(engine, sides, repeated, keys)
    if batch is None:
        return
    many, one = sides[batch.many], sides[1 - batch.many]
    many.columns["batch"], one.columns["batch"] = batch.name, batch.other
    found.batch = ("batch", "batch")
    sums = f"({batch.agreed:,} of {batch.met:,} sums agree)" if batch.agreed else f"({batch.met:,} of them meet)"
    found.reasons.append(f"batches: {batch.name} on the {many.side} gathers what {batch.other} on the {one.side} pays in one sum {sums}")
    if not batch.agreed:
        _sums(engine, sides, batch, found)


def _sums(engine: DuckEngine, sides: tuple[Looked, Looked], gathering: GatheredBy, found: CommonKeys) -> None:
    """Read the amounts as the sums agree; take a fee off where that is what lies between them."""
    sums = settle_sums(engine, sides, gathering)
    engine.drop("gathered", "summed")
    if sums is None:
        return
    for side in sums.changed:
        _seen(engine, side)
    if sums.fee and found.is_proposal:
        sides[sums.fee.side].less = (sums.fee.ppm, sums.fee.minor)
    found.reasons.append(sums.sentence + (NOT_TAKEN if sums.fee and not found.is_proposal else ""))


def _embedded(engine: DuckEngine, sides: tuple[Looked, Looked], keys: Sequence[dict[str, str]], found: CommonKeys) -> None:
    """A nearly unique column of one side whose values stand as words in a text of the other."""
    named = named_in_text(engine, sides, keys, has_key=found.has_key)
    if named is None:
        return
    names, texts = sides[named.many], sides[1 - named.many]
    found.embedded, found.short_names = True, named.short
    if named.other in (texts.columns.get("memo"), texts.columns.get("reference") if found.has_key else None):
        pass  # the pass looks into both
    elif "memo" in texts.columns and not found.has_key:
        texts.columns["reference"] = named.other
    else:
        texts.columns["memo"] = named.other
    if not found.has_key:
        names.columns["reference"] = named.name
    found.reasons.append(f"{named.name} on the {names.side} stands in {named.other} on the {texts.side} {named.met:,} times")
    if not found.has_key:
        _sums(engine, sides, named, found)


def _compare(sides: tuple[Looked, Looked], found: CommonKeys) -> None:
    if all("status" in side.columns for side in sides):
        found.compare.append("status")
    if all({"booked_on", "value_on", "event_at"} & side.columns.keys() for side in sides):
        found.compare.append("date")


__all__ = ["CommonKeys", "literal", "observe"]
