"""Passes by key: what has the same key belongs together; then amount, status and date are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from counterfoil.matching.engines.engine import Engine, literal
from counterfoil.matching.passes.open_items import BREAK, CONFIRMED, NOTHING, Board, mutual_best, pair_columns
from counterfoil.matching.rules.model import Compared, EmbeddedPass, KeyPass, Normal

CANDIDATES_PER_KEY_MAX: Final = 10_000  # pairs within one key; a key that holds more than that is no key


LOWER: Final = "abcdefghijklmnopqrstuvwxyzàáâãäåçèéêëìíîïñòóôõöøùúûüýšžčćđłńśźżąęőűěřůťďň"
UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŠŽČĆĐŁŃŚŹŻĄĘŐŰĚŘŮŤĎŇ"


def capitals(column: str) -> str:
    """Latin letters in capitals, as SQL. By a table, because engines differ in what `upper` makes of ß and its like."""
    return beyond_ascii(column, f"translate({column}, {literal(LOWER)}, {literal(UPPER)})", f"upper({column})")


def beyond_ascii(column: str, then: str, otherwise: str) -> str:
    """Choose by what a text holds, as SQL: DuckDB builds the table of a `translate` anew for each row, and most rows need none."""
    return f"case when regexp_matches({column}, '[^ -~]') then {then} else {otherwise} end"


def key_of(columns: Sequence[str], normalise: Sequence[Normal], extract: str | None, alias: str = "") -> str:
    """The key as SQL: null where a part is empty, so that nothing matches nothing."""
    prefix = f"{alias}." if alias else ""
    parts = [_normal(f"{prefix}{column}", normalise, extract) for column in columns]
    return parts[0] if len(parts) == 1 else " || chr(31) || ".join(parts)


def _normal(column: str, normalise: Sequence[Normal], extract: str | None) -> str:
    found = f"regexp_extract({column}, {literal(extract)}, 0)" if extract else column
    if "case" in normalise:
        found = capitals(found)
    if "punctuation" in normalise:
        found = f"regexp_replace({found}, '[^A-Za-z0-9]', '', 'g')"
    if "digits" in normalise:
        found = f"regexp_replace({found}, '[^0-9]', '', 'g')"
    if "zeros" in normalise:
        found = f"regexp_replace(regexp_replace({found}, '(^|[^0-9])0+([0-9])', '\\1\\2', 'g'), '^0+$', '0')"
    return f"nullif({found}, '')" if found != column else column


def in_window(step: KeyPass | EmbeddedPass, left: str = "l", right: str = "r") -> str:
    """Right lies in the window around left; a date that is not known is not compared."""
    return f"coalesce({right}.d - {left}.d between {-step.before_days} and {step.after_days}, true)"


def differs(step: KeyPass | EmbeddedPass, compare: Sequence[Compared]) -> str:
    """The kind of the first difference that counts, or null, as SQL over `l` and `r`: currency, amount, status, date."""
    tests = [("asset", "l.asset <> r.asset", "CURRENCY_MISMATCH")]
    if "amount" in compare:
        tests.append(("amount", f"abs(r.amount - l.amount) > {step.amount_tolerance}", "AMOUNT_MISMATCH"))
    if "status" in compare:
        tests.append(("status", "l.status is distinct from r.status", "STATUS_MISMATCH"))
    if "date" in compare:
        tests.append(("date", f"not {in_window(step)}", "DATE_MISMATCH"))
    if "counterparty" in compare:
        tests.append(
            (
                "counterparty",
                f"{capitals('l.counterparty')} is distinct from {capitals('r.counterparty')}",
                "COUNTERPARTY_MISMATCH",
            )
        )
    whens = " ".join(f"when {test} then {literal(kind)}" for _, test, kind in tests)
    return f"case {whens} else {NOTHING} end"


def match_by_key(board: Board, step: KeyPass, compare: Sequence[Compared]) -> None:
    """Bring open records of equal key together: singles at once, keys with several records by the nearest first."""
    engine = board.engine
    for side, columns in (("l", step.left), ("r", step.right)):
        key = key_of(columns, step.normalise, step.extract)
        engine.table(
            f"{side}_key", f"select u, key from (select u, {key} as key from {side}o) keyed where key is not null"
        )
    engine.table(
        "key_count",
        """select key, sum(l) as nl, sum(r) as nr from (
               select key, 1 as l, 0 as r from l_key union all select key, 0 as l, 1 as r from r_key) both_sides
           group by key having sum(l) > 0 and sum(r) > 0""",
    )
    singles = """key_count c join l_key lk on lk.key = c.key join r_key rk on rk.key = c.key
                 join lo l on l.u = lk.u join ro r on r.u = rk.u where c.nl = 1 and c.nr = 1"""
    engine.table("multi", "select key from key_count where nl + nr > 2")
    several = int(engine.rows("select count(*) from multi")[0][0])
    if several:
        _keep_several(engine)
    board.claim(step.name, f"select {judged(step, compare)} from {singles}")
    if several:
        _match_several(board, step, compare)
    engine.drop("l_key", "r_key", "key_count", "multi", "l_multi", "r_multi")


def judged(step: KeyPass | EmbeddedPass, compare: Sequence[Compared]) -> str:
    kind = differs(step, compare)
    reason = (
        "case when l.amount <> r.amount and l.asset = r.asset then 'key equal, amount off by ' || cast(r.amount - l.amount as varchar) "
        "when l.day is null or r.day is null or l.day = r.day then 'key equal' "
        "else 'key equal, ' || cast(r.day - l.day as varchar) || ' days apart' end"
    )
    return pair_columns(
        step=step.name,
        status=f"case when ({kind}) is null then '{CONFIRMED}' else '{BREAK}' end",
        kind=kind,
        reason=reason,
    )


def _keep_several(engine: Engine) -> None:
    """All records of the keys that hold several, as they stood before this pass: a duplicate is told by its sibling."""
    for side in ("l", "r"):
        engine.table(
            f"{side}_multi",
            f"""select k.key, o.u, o.asset, o.amount, o.status, o.d from {side}_key k
                join multi m on m.key = k.key join {side}o o on o.u = k.u""",
        )


def _match_several(board: Board, step: KeyPass, compare: Sequence[Compared]) -> None:
    same = ["key", "asset", "amount"]
    _by_rank(board, step, compare, [*same, "status", "d"])
    for within in ([*same, "status"], same):
        _nearest(board, step, compare, within, cost="0")
    if step.splits:
        _splits(board, step)
    _nearest(
        board, step, compare, ["key", "asset", "sign(amount)"], cost="least(abs(r.amount - l.amount), 1000000000000)"
    )
    _nearest(board, step, compare, ["key", "sign(amount)"], cost="least(abs(r.amount - l.amount), 1000000000000)")
    _doubles(board, step)


def _open(side: str) -> str:
    return f"(select m.* from {side}_multi m join {side}o o on o.u = m.u)"


def _by_rank(board: Board, step: KeyPass, compare: Sequence[Compared], same: Sequence[str]) -> None:
    """Records equal in everything that is compared are interchangeable: first with first, second with second."""
    columns = ", ".join(same)

    def ranked(side: str) -> str:
        return f"(select {columns}, u, row_number() over (partition by {columns} order by length(u), u) as n from {_open(side)} o)"

    equal = " and ".join(f"l.{column} is not distinct from r.{column}" for column in same)
    board.engine.table(
        "rank_pair",
        f"select l.u as l_u, r.u as r_u from {ranked('l')} l join {ranked('r')} r on {equal} and l.n = r.n",
    )
    _claim_pairs(board, step, compare, "rank_pair")


def _nearest(board: Board, step: KeyPass, compare: Sequence[Compared], same: Sequence[str], *, cost: str) -> None:
    """Within one key: the smallest difference first, then the nearest date."""
    engine = board.engine
    window = f"and {in_window(step)}" if "amount" in same else ""
    join = " and ".join(f"{_of('l', part)} is not distinct from {_of('r', part)}" for part in same)
    small = (
        f"select key from (select key, sum(l) as nl, sum(r) as nr from (select key, 1 as l, 0 as r from {_open('l')} a "
        f"union all select key, 0 as l, 1 as r from {_open('r')} b) n group by key) t where nl * nr between 1 and {CANDIDATES_PER_KEY_MAX}"
    )
    engine.table(
        "near_candidate",
        f"""select l.u as l_u, r.u as r_u, {cost} as cost, least(coalesce(abs(r.d - l.d), 0), 99999) as near
            from ({small}) s join {_open("l")} l on l.key = s.key join {_open("r")} r on r.key = s.key and {join} {window}""",
    )
    mutual_best(engine, "near_candidate", "near_pair")
    _claim_pairs(board, step, compare, "near_pair")
    engine.drop("near_candidate", "near_pair")


def _of(side: str, part: str) -> str:
    return f"sign({side}.amount)" if part == "sign(amount)" else f"{side}.{part}"


def _claim_pairs(board: Board, step: KeyPass, compare: Sequence[Compared], pairs: str) -> None:
    board.claim(
        step.name,
        f"select {judged(step, compare)} from {pairs} p join lo l on l.u = p.l_u join ro r on r.u = p.r_u",
    )


def _splits(board: Board, step: KeyPass) -> None:
    """One record here, several there, the same key, asset and sum."""
    engine = board.engine
    sides = {
        side: f"select key, asset, count(*) as n, {engine.wide_sum('amount')} as total, min(u) as first "
        f"from {_open(side)} o group by key, asset"
        for side in ("l", "r")
    }
    engine.table(
        "split",
        f"""select l.key, l.asset, l.first as l_first, r.first as r_first, l.n as nl, r.n as nr
            from ({sides["l"]}) l join ({sides["r"]}) r on l.key = r.key and l.asset = r.asset
            where l.total = r.total and (l.n = 1) <> (r.n = 1)""",
    )
    reason = "'key equal, sum of ' || cast(greatest(s.nl, s.nr) as varchar) || ' records equal'"
    board.claim(
        step.name,
        f"select {pair_columns(step=step.name, status=literal(CONFIRMED), reason=reason, grp='s.l_first')} "
        f"from split s join {_open('l')} l on l.key = s.key and l.asset = s.asset "
        f"join {_open('r')} r on r.key = s.key and r.asset = s.asset",
    )
    engine.drop("split")


def _doubles(board: Board, step: KeyPass) -> None:
    """What is left and equals a sibling that was paired: the same record twice on one side."""
    for side, kind in (("l", "DUPLICATE_LEFT"), ("r", "DUPLICATE_RIGHT")):
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
                group by m.u""",
        )
        board.claim(step.name, f"select {columns} from double d")
        board.engine.drop("double")
