"""Who on the other side came near a record without a partner, and what is known of the whole run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import Tell
from counterfoil.matching.engines.engine import Engine, Row
from counterfoil.matching.findings.differences import Record
from counterfoil.matching.findings.explain import fee_bps
from counterfoil.matching.findings.figures import money
from counterfoil.matching.findings.hypotheses import TAKEN, Candidate, Context
from counterfoil.matching.passes.gate import NOTHING
from counterfoil.matching.passes.pipeline import EPOCH, Matched
from counterfoil.matching.passes.words import told
from counterfoil.matching.reading.sides import Side
from counterfoil.matching.rules.names import column_name

EXPLAINED_MAX: Final = 20_000  # breaks with candidates looked up, the largest first; the others are classified and listed
RATE_PAIRS_MAX: Final = 200_000  # pairs out of which a fee's rate is read
DAYS_COUNTED_MAX: Final = 40_000
COUNTERPARTIES_MAX: Final = 100_000  # with more of them, who is unknown is not asked
CANDIDATES_MAX: Final = 5
OWN_RANK: Final = 9  # of the first key field of the rule set's own, after the reference
CANDIDATE_DAYS: Final = 31
FACTORS: Final = ((1, 1), (-1, 1), (100, 1), (1, 100), (10, 1), (1, 10), (1000, 1), (1, 1000))  # each with its place as its rank
FACTORED_MAX: Final = 10**15  # of larger amounts no multiple is looked for: it may be too large for a bigint
COMMON_AMOUNT_MAX: Final = 200  # an amount that many open records share points to none of them


def candidates_of(engine: Engine, key_fields: Sequence[str] = ()) -> None:
    """Make the table `candidate`: for the largest breaks without a partner, who on the other side came near, and how."""
    sides = [f"select '' as side, {NOTHING} as u, {NOTHING} as c_u, 0 as rank, cast(0 as bigint) as near where 1 = 0"]
    columns = [column_name(name) for name in key_fields]
    own = "".join(f", b.{name}" for name in columns)
    for side, other in (("l", "r"), ("r", "l")):
        engine.table(f"{side}_crowded", f"select {NOTHING} as u, cast(0 as bigint) as n where 1 = 0")
        if engine.count("break_list"):
            engine.table(
                f"{side}_asked",
                f"""select b.u, b.asset, b.amount, b.reference, b.d{own} from break_list x join {side}_base b on b.u = x.{side}_u
                    where x.{other}_u is null and x.by_size <= {EXPLAINED_MAX} and x.pass = 'unmatched'""",
            )
            if engine.count(f"{side}_asked") and engine.count(f"{other}_base"):
                sides += _came_near(engine, side, other, columns)
        if engine.count("ambiguity"):
            sides.append(f"select '{side}', {side}_u, {other}_u, -2, cast(0 as bigint) from ambiguity")
        if engine.count("suggestion"):
            sides.append(f"select '{side}', {side}_u, {other}_u, -1, cast(100 - score as bigint) from suggestion")
    every = " union all ".join(sides)
    ranked = f"""select side, u, c_u, min(rank) as rank, min(near) as near,
                        row_number() over (partition by side, u order by min(rank), min(near), c_u) as nth
                 from ({every}) c group by side, u, c_u"""
    engine.table(
        "candidate",
        f"select side, u, c_u, rank, near from ({ranked}) ranked where nth <= {CANDIDATES_MAX}" if len(sides) > 1 else every,
    )
    engine.drop("l_asked", "r_asked", "l_rare", "r_rare")


def _came_near(engine: Engine, side: str, other: str, columns: Sequence[str]) -> list[str]:
    """Records of the other side of a like amount, or that say the same, as SQL; makes `x_crowded`, whose amount too many have."""
    sides, asked, open_table = [], f"{side}_asked", f"{other}o"
    if engine.count(open_table) > COMMON_AMOUNT_MAX:
        engine.table(
            f"{side}_crowded",
            f"""select q.u, c.n from {asked} q join (select asset, amount, count(*) as n from {open_table} group by asset, amount
                having count(*) > {COMMON_AMOUNT_MAX}) c on c.asset = q.asset and c.amount = q.amount""",
        )
    if engine.count(open_table):
        engine.table(
            f"{other}_rare",
            f"""select o.u, o.asset, o.amount, o.d from {open_table} o join (select asset, amount from {open_table} group by asset, amount
                having count(*) <= {COMMON_AMOUNT_MAX}) c on c.asset = o.asset and c.amount = o.amount""",
        )
        sides.append(
            f"""select '{side}', q.u, o.u, q.rank, cast(coalesce(abs(o.d - q.d), 9999) as bigint)
                from ({_like_amounts(asked)}) q join {other}_rare o on o.asset = q.asset and o.amount = q.amount
                where coalesce(abs(o.d - q.d), 0) <= {CANDIDATE_DAYS}"""
        )
    sides.append(
        f"""select '{side}', q.u, o.u, 8, cast(0 as bigint)
            from (select u, {told("reference")} as reference from {asked}) q join {other}_base o on o.reference = q.reference"""
    )
    return sides + [_of_same(engine, side, other, column, OWN_RANK + n) for n, column in enumerate(columns)]


def _like_amounts(asked: str) -> str:
    """Of each record that asks the amounts that its partner may have, each with its rank, as SQL."""
    whens, fits = [], []
    for rank, (top, bottom) in enumerate(FACTORS):
        whens.append(f"when {rank} then {f'cast(q.amount / {bottom} as bigint)' if bottom > 1 else f'q.amount * {top}'}")
        fits.append(f"when {rank} then {f'q.amount % {bottom} = 0' if bottom > 1 else f'abs(q.amount) < {FACTORED_MAX}'}")
    ranks = " union all ".join(f"select {rank} as rank" for rank in range(len(FACTORS)))
    within = f"case f.rank {' '.join(fits)} end"
    return f"""select q.u, q.asset, q.d, f.rank, case when {within} then case f.rank {" ".join(whens)} end end as amount
               from {asked} q cross join ({ranks}) f"""


def _of_same(engine: Engine, side: str, other: str, column: str, rank: int) -> str:
    """Records that say the same in a key field of the rule set's own; what many say, such as a shop, points to none of them."""
    engine.table(
        f"{other}_{column}",
        f"""select o.u, o.same from (select u, {told(column)} as same from {other}_base) o
            join (select {column} as same from {other}_base group by {column} having count(*) <= {COMMON_AMOUNT_MAX}) c
            on c.same = o.same""",
    )
    return f"""select '{side}', q.u, o.u, {rank}, cast(0 as bigint) from {side}_asked q join {other}_{column} o on o.same = q.{column}"""


class Near(NamedTuple):
    """By side and record: who came near; and where too many open records of the other side have its amount to look at each, how many."""

    candidates: Mapping[tuple[str, str], list[tuple[Any, ...]]]
    crowded: Mapping[tuple[str, str], int]


def near_of(engine: Engine) -> Near:
    """The candidates of every break that has any: for the largest breaks alone, so that they fit in memory."""
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    crowded: dict[tuple[str, str], int] = {}
    for side, other in (("l", "r"), ("r", "l")):
        if engine.count(f"{side}_crowded"):
            crowded |= {(side, u): int(n) for u, n in engine.rows(f"select u, n from {side}_crowded order by u")}
        if not engine.count("candidate"):
            continue
        for row in engine.rows(
            f"""select c.u, c.rank, c.near, o.id, o.reference, o.amount, o.day, case when p.c_u is null then 0 else 1 end
                from candidate c join break_list b on b.{side}_u = c.u and b.{other}_u is null and c.side = '{side}'
                join {other}_base o on o.u = c.c_u
                left join (select distinct {other}_u as c_u from pair where {other}_u is not null) p on p.c_u = c.c_u
                order by c.u, c.rank, c.near, c.c_u"""
        ):
            found[side, row[0]].append(row[1:])
    return Near(found, crowded)


_REFUSED: Final[Mapping[int, str]] = {
    -2: "fits as well as another",
    -1: "suggested, but the evidence does not confirm it",
    0: "equal amount, {days}, but no common key or text",
    1: "the opposite amount",
    2: "a hundred times the amount",
    3: "a hundredth of the amount",
    4: "ten times the amount",
    5: "a tenth of the amount",
    6: "a thousand times the amount",
    7: "a thousandth of the amount",
    8: "same reference, other amount or asset",
}


def candidate(row: tuple[Any, ...], key_fields: Sequence[str]) -> Candidate:
    rank, near, name, reference, amount, day, taken = row
    days = "date unknown" if near >= 9999 else "same day" if near == 0 else f"{counted(near, 'day')} apart"
    refused = f"same {key_fields[rank - OWN_RANK]}, other amount or asset" if rank >= OWN_RANK else _REFUSED[rank].format(days=days)
    why = TAKEN if taken else refused
    return Candidate(name, reference, int(amount), EPOCH + timedelta(days=day) if day is not None else None, why)


def _nothing(_: str) -> list[Row]:
    return []


def context_of(engine: Engine, matched: Matched, sides: Mapping[str, Side], tell: Tell | None = None, *, are_some: bool = True) -> Context:
    """What the tests need to know about the whole run: a few small questions, asked once, where there are breaks to test. `engine` holds
    the sides."""
    if not are_some:
        return Context(told=tell or (lambda minor, asset: money(minor, asset, matched.rules)))
    by_day = "select day, count(*) from ({}) s where day is not null group by day order by day limit {}"
    counted = engine.answers({key: by_day.format(side.select(["day"]), DAYS_COUNTED_MAX) for key, side in sides.items()})
    days = {(key, EPOCH + timedelta(days=int(day))): int(count) for key, rows in counted.items() for day, count in rows}
    whole = len(days) < DAYS_COUNTED_MAX
    of_pairs = matched.machine.rows if matched.machine.count("pair") else _nothing
    rates: dict[int, int] = defaultdict(int)
    for here, there, asset in of_pairs(
        f"""select l.amount, r.amount, l.asset from pair p join l_base l on l.u = p.l_u join r_base r on r.u = p.r_u
           where p.kind = 'AMOUNT_MISMATCH' and p.grp is null order by l.u limit {RATE_PAIRS_MAX}"""
    ):
        blank = Record("left", "", None, int(here), asset, None, None, None, None, None)
        if rate := fee_bps(blank, blank._replace(amount=int(there))):
            rates[rate] += 1
    doubled: dict[str, int] = {
        kind: int(count) for kind, count in of_pairs("select kind, count(*) from pair where kind like 'DUPLICATE%' group by kind")
    }
    known = of_pairs(
        f"""select distinct l.counterparty as name from pair p join l_base l on l.u = p.l_u
           where p.status = 'confirmed' and l.counterparty is not null order by name limit {COUNTERPARTIES_MAX}"""
    )
    names = frozenset(name.upper() for (name,) in known) if len(known) < COUNTERPARTIES_MAX else frozenset[str]()
    rows = {side: sum(f.source.rows for f in matched.footing if f.side == side) for side in ("left", "right")}
    return Context(
        matched.as_of,
        {"left": matched.rules.left.expected_within_days, "right": matched.rules.right.expected_within_days},
        days if whole else None,
        dict(rates),
        {"left": doubled.get("DUPLICATE_LEFT", 0), "right": doubled.get("DUPLICATE_RIGHT", 0)},
        rows,
        names,
        told=tell or (lambda minor, asset: money(minor, asset, matched.rules)),
    )
