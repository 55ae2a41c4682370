"""Passes by key: what has the same key belongs together; then amount, status and date are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from counterfoil.matching.engines.engine import Engine, identifier, literal
from counterfoil.matching.passes.gate import BREAK, NOTHING, in_window, limits_of
from counterfoil.matching.passes.open_items import Board, mutual_best, pair_columns
from counterfoil.matching.passes.words import capitals, told, unmarked
from counterfoil.matching.rules.model import KeyPass, Normal
from counterfoil.matching.rules.names import column_name

CANDIDATES_PER_KEY_MAX: Final = 10_000  # pairs within one key; what is over it is left open, and the report says so
KEY_EQUAL: Final = (
    "case when l.amount <> r.amount and l.asset = r.asset then 'key equal, amount off by ' || cast(r.amount - l.amount as varchar) "
    "when l.day is null or r.day is null or l.day = r.day then 'key equal' "
    "else 'key equal, ' || cast(r.day - l.day as varchar) || ' days apart' end"
)
SUM_OF: Final = (
    "sum of ' || cast(greatest(k.nl, k.nr) as varchar) || "
    "case when k.off = 0 then ' records equal' else ' records off by ' || cast(k.off as varchar) end"
)


def keyed(
    relation: str,
    columns: Sequence[str],
    step: KeyPass,
    carried: Mapping[str, str],
    *,
    where: str = "",
    name: str = "key",
) -> str:
    """`relation` as a sub-select: the columns of `carried` (name → SQL; `*` for all of its own) and the key, as `name`.

    The key is null where a part is empty or a placeholder, so that nothing matches nothing. Each part is computed once, in a layer of
    its own, under a name that no source uses.
    """
    names = "".join(f"{column}, " for column in carried)
    given = "".join(f"{sql}, " if column == "*" else f"{sql} as {column}, " for column, sql in carried.items())
    parts = [identifier(f"counterfoil key {n}") for n in range(len(columns))]
    raw = ", ".join(f"{column} as {part}" for column, part in zip(columns, parts, strict=True))
    layers = [f"select {given}{raw} from {relation}{where}"]
    plain = [identifier(f"counterfoil text {n}") for n in range(len(parts))]
    layers.append(f"select {names}{', '.join(f'{told(part)} as {text}' for part, text in zip(parts, plain, strict=True))} from ")
    key = " || chr(31) || ".join(plain)
    if step.normalise or step.extract:
        last = [identifier(f"counterfoil form {n}") for n in range(len(parts))]
        forms = ", ".join(f"{normal(text, step.normalise, step.extract)} as {form}" for text, form in zip(plain, last, strict=True))
        layers.append(f"select {names}{forms} from ")
        key = " || chr(31) || ".join(map(some, last))
    layers.append(f"select {names}{key} as {name} from ")
    found = layers[0]
    for layer in layers[1:]:
        found = f"{layer}({found}) k"
    return f"({found})"


def normal(column: str, normalise: Sequence[Normal], extract: str | None) -> str:
    """A part of a key in the form that a pass asks for, as SQL."""
    found = f"regexp_extract({column}, {literal(extract)}, 0)" if extract else column
    if "case" in normalise:
        found = capitals(found)
    if "punctuation" in normalise:
        found = unmarked(found)
    if "digits" in normalise:
        found = f"regexp_replace({found}, '[^0-9]', '', 'g')"
    if "zeros" in normalise:
        found = f"regexp_replace(regexp_replace({found}, '(^|[^0-9])0+([0-9])', '\\1\\2', 'g'), '^0+$', '0')"
    return found


def some(column: str) -> str:
    """Null where normalising left nothing, or only noughts: that tells no record from another."""
    return f"case when regexp_matches({column}, '^0*$') then null else {column} end"


def match_by_key(board: Board, step: KeyPass) -> None:
    """Bring open records of equal key together: singles at once, keys with several records by the nearest first."""
    engine = board.engine
    for side in ("l", "r"):
        engine.table(f"{side}_key", _keys(step, side))
    if engine.count("l_key") and engine.count("r_key"):
        _match_keys(board, step)
    engine.drop("l_key", "r_key", "key_count", "multi", "l_multi", "r_multi")


def _match_keys(board: Board, step: KeyPass) -> None:
    engine = board.engine
    engine.table(
        "key_count",
        """select key, sum(l) as nl, sum(r) as nr from (
               select key, 1 as l, 0 as r from l_key union all select key, 0 as l, 1 as r from r_key) both_sides
           group by key having sum(l) > 0 and sum(r) > 0""",
    )
    singles = """(select lk.u as l_u, rk.u as r_u from key_count c join l_key lk on lk.key = c.key join r_key rk on rk.key = c.key
                  where c.nl = 1 and c.nr = 1)"""
    keys = engine.count("key_count")
    if not keys:
        return
    engine.table("multi", "select key from key_count where nl + nr > 2")
    several = engine.count("multi")
    if several:
        _keep_several(engine)
    if keys > several:
        board.link(step, singles, reason=KEY_EQUAL)
    if several:
        _match_several(board, step)


def common_keys(step: KeyPass) -> str:
    """Keys that open records of both sides have, as SQL: without one, the pass finds nothing."""
    return f"select l.key from ({_keys(step, 'l')}) l join ({_keys(step, 'r')}) r on r.key = l.key"


def _keys(step: KeyPass, side: str) -> str:
    columns = step.left if side == "l" else step.right
    rows = keyed(f"{side}o", [column_name(name) for name in columns], step, {"u": "u"})
    return f"select u, key from {rows} k where key is not null"


def _keep_several(engine: Engine) -> None:
    """All records of the keys that hold several, as they stood before this pass: a duplicate is told by its sibling."""
    for side in ("l", "r"):
        engine.table(
            f"{side}_multi",
            f"""select k.key, o.u, o.asset, o.amount, o.status, o.d from {side}_key k
                join multi m on m.key = k.key join {side}o o on o.u = k.u""",
        )


def _match_several(board: Board, step: KeyPass) -> None:
    """What fits best first, for as long as both sides have open records of these keys."""
    engine, crowded = board.engine, 0
    still_open = {side: engine.count(f"{side}_multi") for side in ("l", "r")}
    counted = " union all ".join(f"select '{side}' as side, count(*) as n from {_open(side)} {side}" for side in ("l", "r"))
    for attempt in _attempts(step):
        if attempt(board, step):
            still_open = {side: int(n) for side, n in engine.rows_at_once(counted)}
        if not all(still_open.values()):
            break
    else:
        crowded = _too_many(board, step)
    _doubles(board, step, [side for side, n in still_open.items() if n], crowded=crowded)
    engine.drop("crowded")


_Attempt = Callable[[Board, KeyPass], int]


def _attempts(step: KeyPass) -> Iterator[_Attempt]:
    """In their order the ways in which records of one key are brought together; each gives how many pairs it laid down."""
    same = ["key", "asset", "amount"]
    yield partial(_by_rank, same=[*same, "status", "d"])
    for within in ([*same, "status"], same):
        yield partial(_nearest, same=within, cost="0")
    off = "least(abs(r.amount - l.amount), 1000000000000)"
    if step.splits:
        yield partial(_splits, tolerance=0)
    if step.amount_tolerance:
        near = f"and abs(r.amount - l.amount) <= {step.amount_tolerance}"
        yield partial(_nearest, same=["key", "asset", "sign(amount)"], cost=off, also=near)
        if step.splits:
            yield partial(_splits, tolerance=step.amount_tolerance)
    if step.splits:
        yield _splits_that_differ
    yield partial(_nearest, same=["key", "asset", "sign(amount)"], cost=off)
    yield partial(_nearest, same=["key", "sign(amount)"], cost=off)


def _open(side: str) -> str:
    return f"(select m.* from {side}_multi m join {side}o o on o.u = m.u)"


def _by_rank(board: Board, step: KeyPass, *, same: Sequence[str]) -> int:
    """Records equal in everything that is compared are interchangeable: first with first, second with second."""
    columns = ", ".join(same)

    def ranked(side: str) -> str:
        return f"(select {columns}, u, row_number() over (partition by {columns} order by length(u), u) as n from {_open(side)} o)"

    equal = " and ".join(f"l.{column} is not distinct from r.{column}" for column in same)
    board.engine.table(
        "rank_pair",
        f"select l.u as l_u, r.u as r_u from {ranked('l')} l join {ranked('r')} r on {equal} and l.n = r.n",
    )
    found = board.link(step, "rank_pair", reason=KEY_EQUAL) if board.engine.count("rank_pair") else 0
    board.engine.drop("rank_pair")
    return found


def _nearest(board: Board, step: KeyPass, *, same: Sequence[str], cost: str, also: str = "") -> int:
    """Within one key: the smallest difference first, then the nearest date."""
    engine = board.engine
    window = f"and {in_window(limits_of(step))}" if "amount" in same else ""
    columns = ", ".join(f"s{n}" for n in range(len(same)))
    join = {side: " and ".join(f"{_of(side, part)} is not distinct from s.s{n}" for n, part in enumerate(same)) for side in ("l", "r")}
    small = (
        f"select {columns} from (select {columns}, sum(n_l) as nl, sum(n_r) as nr from ({_counted(same)}) n group by {columns}) t "
        f"where nl * nr between 1 and {CANDIDATES_PER_KEY_MAX}"
    )
    engine.table(
        "near_candidate",
        f"""select l.u as l_u, r.u as r_u, {cost} as cost, least(coalesce(abs(r.d - l.d), 0), 99999) as near
            from ({small}) s join {_open("l")} l on {join["l"]} join {_open("r")} r on {join["r"]} {window} {also}""",
    )
    found = board.link(step, "near_pair", reason=KEY_EQUAL) if mutual_best(engine, "near_candidate", "near_pair") else 0
    engine.drop("near_candidate", "near_pair")
    return found


def _counted(same: Sequence[str]) -> str:
    """One row for each open record of several: what must be the same, and its side."""
    parts = [
        f"select {', '.join(f'{part} as s{n}' for n, part in enumerate(same))}, {here} as n_l, {1 - here} as n_r from {_open(side)} {side}"
        for side, here in (("l", 1), ("r", 0))
    ]
    return " union all ".join(parts)


def _of(side: str, part: str) -> str:
    return f"sign({side}.amount)" if part == "sign(amount)" else f"{side}.{part}"


def _too_many(board: Board, step: KeyPass) -> int:
    """Keys with so many open records on both sides that no pairs of them were formed: the limit is said, and nothing is doubled there.

    Makes `crowded`, and gives how many they are.
    """
    open_ones = _counted(["key", "sign(amount)"])
    board.engine.table(
        "crowded",
        f"""select key from (select s0 as key, s1, sum(n_l) as nl, sum(n_r) as nr from ({open_ones}) n group by s0, s1) t
            where nl * nr > {CANDIDATES_PER_KEY_MAX} group by key""",
    )
    records = " union all ".join(
        f"select o.key as cut_case, {'o.u' if side == 'l' else NOTHING} as l_u, {'o.u' if side == 'r' else NOTHING} as r_u "
        f"from {_open(side)} o join crowded c on c.key = o.key"
        for side in ("l", "r")
    )
    found = board.engine.count("crowded")
    if found:
        board.cut(step, "keys with pairs", CANDIDATES_PER_KEY_MAX, records)
    return found


def _splits(board: Board, step: KeyPass, *, tolerance: int) -> int:
    """One record here, several there, the same key, asset and sum."""
    engine = board.engine
    sides = {
        side: f"select key, asset, count(*) as n, {engine.wide_sum('amount')} as total, min(u) as first "
        f"from {_open(side)} o group by key, asset"
        for side in ("l", "r")
    }
    engine.table(
        "split",
        f"""select l.key, l.asset, l.first as l_first, l.n as nl, r.n as nr, r.total - l.total as off
            from ({sides["l"]}) l join ({sides["r"]}) r on l.key = r.key and l.asset = r.asset
            where abs(r.total - l.total) <= {tolerance} and (l.n = 1) <> (r.n = 1)""",
    )
    links = f"""(select l.u as l_u, r.u as r_u, s.l_first as grp, s.nl, s.nr, s.off from split s
                 join {_open("l")} l on l.key = s.key and l.asset = s.asset join {_open("r")} r on r.key = s.key and r.asset = s.asset)"""
    found = board.link_groups(step, links, reason=f"'key equal, {SUM_OF}") if engine.count("split") else 0
    engine.drop("split")
    return found


def _splits_that_differ(board: Board, step: KeyPass) -> int:
    """One record here, several there, and no sum of all: all but one where that one explains the difference alone; else, where the sum
    lies nearer than any single record, the sum is off, and the break names every record of it."""
    engine, found = board.engine, 0
    for one, many in (("l", "r"), ("r", "l")):
        engine.table(
            "split",
            f"""select m.u as many, o.u as one, m.amount, o.amount as told, m.key, m.asset,
                       {engine.wide_sum("m.amount")} over (partition by o.u) as total, count(*) over (partition by o.u) as n,
                       min(abs(m.amount - o.amount)) over (partition by o.u) as nearest
                from {_open(many)} m join {_open(one)} o on o.key = m.key and o.asset = m.asset
                where o.u in (select min(u) from {_open(one)} s group by key, asset having count(*) = 1)
                    and sign(m.amount) = sign(o.amount)""",
        )
        if not engine.count("split"):
            engine.drop("split")
            continue
        engine.table(
            "one_over", "select one, min(many) as u from split where n > 2 and amount = total - told group by one having count(*) = 1"
        )
        links = f"select s.many as {many}_u, s.one as {one}_u, s.one as grp, s.n from split s"
        without = f"({links} join one_over w on w.one = s.one where w.u <> s.many)"
        less = "'key equal, sum of ' || cast(k.n - 1 as varchar) || ' records equal, one left out'"
        found += board.link_groups(step, without, reason=less)
        off = f"""({links} where s.n > 1 and abs(s.total - s.told) > {step.amount_tolerance} and abs(s.total - s.told) < s.nearest
                   and not exists (select 1 from one_over w where w.one = s.one))"""
        found += board.link_groups(step, off, reason="'key equal, sum of ' || cast(k.n as varchar) || ' records differs'")
        engine.drop("split", "one_over")
    return found


def _doubles(board: Board, step: KeyPass, sides: Sequence[str], *, crowded: int) -> None:
    """What is left and equals a sibling that was paired: the same record twice on one side."""
    uncrowded = "where m.key not in (select key from crowded)" if crowded else ""
    for side in sides:
        kind = "DUPLICATE_LEFT" if side == "l" else "DUPLICATE_RIGHT"
        ours, theirs = ("l_u", "r_u") if side == "l" else ("r_u", "l_u")
        columns = pair_columns(
            l_u="d.u" if side == "l" else NOTHING,
            r_u="d.u" if side == "r" else NOTHING,
            other="d.sibling",
            step=step.name,
            status=literal(BREAK),
            kind=literal(kind),
            reason="'same key, asset and amount as a record of this side that has its partner'",
        )
        board.engine.table(
            "double",
            f"""select m.u, min(s.u) as sibling from {_open(side)} m
                join {side}_multi s on s.key = m.key and s.asset = m.asset and s.amount = m.amount and s.u <> m.u
                join ({board.all_pairs()}) p on p.{ours} = s.u and p.{theirs} is not null
                {uncrowded} group by m.u""",
        )
        if board.engine.count("double"):
            board.claim(step.name, f"select {columns} from double d")
        board.engine.drop("double")
