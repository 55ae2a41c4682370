"""Before the passes: phase one clears keys whose two sides cancel, and the rows of all other keys are fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import Engine, identifier
from counterfoil.matching.passes.keys import keyed
from counterfoil.matching.passes.words import capitals
from counterfoil.matching.reading.sides import COLUMNS, Side
from counterfoil.matching.rules.model import Compared, KeyPass
from counterfoil.matching.rules.names import column_name

ROW: Final = 1 << 31  # added to each day number: one sum tells that two rows met and how far apart they lie, exactly below 2⁵³
CONTENT: Final = ("amount", "day", "status", "reference", "counterparty", "memo", "batch")
RAW: Final = "raw"
TAUGHT: Final = ("id", "counterparty", "memo", "reference")  # what is asked of records that teach how rare words are
FOUND, TEACHES = identifier("counterfoil found"), identifier("counterfoil teaches")


class Clearing(NamedTuple):
    """What phase one found on the sides' own engine. Suspect are keys whose two rows do not cancel, or that have not two."""

    first: KeyPass | None
    suspicious: str = ""  # of a row of `marked_key`, on a cluster
    keyed: int = 0  # there: how many records have a key
    suspects: int = 0  # and how many of them a suspect one


def clear(engine: Engine, left: Side, right: Side, first: KeyPass | None, compare: Sequence[Compared]) -> Clearing:
    """Phase one: a key is clean when exactly two rows carry it whose fingerprints cancel, within the date window. Makes `suspect`.

    Fingerprints hold asset, amount and status; the right side's is complemented, so one row of each side gives all ones and two rows
    of one side give nought. Only equal amounts are clean: a use of tolerance is a suspect, so no sum can overflow here. A collision of
    two hashes costs work; to hide a break it would need two broken keys that collide and agree in asset, amount and status.
    """
    if first is None:
        return Clearing(None)
    dated = "date" in compare
    parts = [
        _marked(engine, side, names, first, compare, is_left=is_left)
        for names, side, is_left in ((first.left, left, True), (first.right, right, False))
    ]
    pair = f"{{}} not between {2 * ROW - first.before_days} and {2 * ROW + first.after_days}" if dated else "count(*) <> 2"
    both = " union all ".join(parts)
    if not engine.is_cluster:
        unlike = f"bit_xor(x) <> {engine.all_ones} or {pair.format('sum(d)')}"
        engine.table("suspect", f"select k from ({both}) marked group by k having {unlike}")
        return Clearing(first)
    days = {name: f"max(case when is_left = {here} then day end)" for name, here in (("l", 1), ("r", 0))}
    engine.hold(
        "marked_key",
        f"""select k, bit_xor(x) as x, count(*) as n{", sum(d) as d" if dated else ""},
                   max(case when is_left = 1 then id end) as l_id, max(case when is_left = 0 then id end) as r_id,
                   coalesce({days["r"]} - {days["l"]}, 0) as days
            from moved group by k""",
        of=both,
        by="k",
        rows=left.rows + right.rows,
    )
    suspicious = f"(x <> {engine.all_ones} or {pair.format('d').replace('count(*)', 'n')})"
    sums = ("sum(n)", f"sum(case when {suspicious} then n else 0 end)")
    of = f"select k, n, x{', d' if dated else ''} from marked_key"
    keyed, suspects = engine.sift("suspect", of, where=suspicious, keep="k", tell=sums)
    return Clearing(first, suspicious, int(keyed or 0), int(suspects or 0))


def _marked(engine: Engine, side: Side, names: Sequence[str], first: KeyPass, compare: Sequence[Compared], *, is_left: bool) -> str:
    """The rows of a side with the hash of their key, a fingerprint of what is compared and the day; on a cluster what a pair says, too."""
    carried = {"x": f"{'' if is_left else '~'}{fingerprint(engine, side, compare)}"}
    if "date" in compare:
        carried["d"] = f"cast({ROW} {'-' if is_left else '+'} coalesce({side.columns['day']}, 0) as double)"
    if engine.is_cluster:
        carried |= {"id": side.columns["id"], "day": side.columns["day"], "is_left": str(int(is_left))}
    rows = keyed_side(side, names, first, carried)
    return f"select {engine.hash('key')} as k, {', '.join(carried)} from {rows} n where key is not null"


def fingerprint(engine: Engine, side: Side, compare: Sequence[Compared]) -> str:
    """A hash of what must be equal on both sides, as SQL."""
    marks = [side.columns[name] for name in ("asset", "amount", *(["status"] if "status" in compare else []))]
    if "counterparty" in compare:
        marks.append(capitals(side.columns["counterparty"]))
    return engine.hash(*marks)


def keyed_side(side: Side, names: Sequence[str], step: KeyPass, carried: Mapping[str, str], *, name: str = "key") -> str:
    """The good records of a side with the key of a pass and the columns of `carried`, as SQL."""
    columns = [side.columns[column_name(column)] for column in names]
    return keyed(side.relation, columns, step, carried, where=side.where(), name=name)


def clean_pairs(engine: Engine, cleared: Clearing, left: Side, right: Side) -> str | None:
    """Of every key that cancelled the two ids (l_id, r_id) and the days between, as SQL over the sides' own engine, if it was asked."""
    first = cleared.first
    if first is None:
        return None
    if cleared.suspicious:
        return f"select l_id, r_id, days from marked_key where not {cleared.suspicious}"
    sides = []
    for names, side in ((first.left, left), (first.right, right)):
        rows = keyed_side(side, names, first, {"id": side.columns["id"], "day": side.columns["day"]})
        clean = f"key is not null and {engine.hash('key')} not in (select k from suspect)"
        sides.append(f"(select id, day, {engine.hash('key')} as k from {rows} n where {clean})")
    return f"select l.id as l_id, r.id as r_id, coalesce(r.day - l.day, 0) as days from {sides[0]} l join {sides[1]} r on l.k = r.k"


def left_open(cleared: Clearing, left: Side, right: Side) -> int:
    """How many records are to be fetched from a cluster: those of suspect keys, and those that have none."""
    return left.rows + right.rows - cleared.keyed + cleared.suspects


def machine_of(engine: Engine, cleared: Clearing, left: Side, right: Side) -> Engine:
    """Where the passes work: where the sides are, or, where little is left of what a cluster holds, on one machine."""
    return engine.machine_for(left_open(cleared, left, right)) if engine.is_cluster else engine


def fetch(
    engine: Engine,
    machine: Engine,
    sides: Mapping[str, Side],
    cleared: Clearing,
    *,
    calendar: bool,
    own: Sequence[str] = (),
    teaches: Mapping[str, str] | None = None,
) -> None:
    """Phase two works on the suspects alone: their rows, each with a name of its own, as `l_base`, `r_base`, `lo` and `ro` of `machine`.

    `own` are key fields that the rule set declares: each side has a column for each, empty where its file has none. `teaches` is, by side,
    a condition over its columns: what meets it comes along in the same reading, with its texts, as `l_records` and `r_records`.
    """
    columns = [column_name(name) for name in own]
    kept = "".join(f", {name}" for name in columns)
    number = "left join business_day b on b.day = s.day" if calendar else ""
    d = "b.number" if number else "s.day"
    most = left_open(cleared, sides["l"], sides["r"]) if engine.is_cluster and not teaches else None
    along = teaches or dict.fromkeys(sides, "")
    found = {f"{side}_found": _found(engine, read, cleared.first, side, columns, along[side]) for side, read in sides.items()}
    engine.send(machine, found, rows_most=most)
    for side in sides:
        if teaches:
            machine.table(f"{side}_records", f"select {', '.join(TAUGHT)} from {side}_found where {TEACHES}")
            machine.table(f"{side}_found", f"select * exclude ({TEACHES}, {FOUND}) from {side}_found where {FOUND}")
        several = machine.count(f"{side}_found") > 1
        doubled = several and machine.rows(f"select count(*) - count(distinct id) from {side}_found")[0][0]
        order = ", ".join(f"{name} nulls first" for name in (*CONTENT, *columns, "row"))
        nth = f"row_number() over (partition by id order by {order})" if doubled else "1"
        machine.table(
            f"{side}_base",
            f"""select case when s.nth = 1 then s.id else s.id || chr(31) || cast(s.nth as varchar) end as u, s.*, cast({d} as integer) as d
                from (select *, {nth} as nth from {side}_found) s {number}""",
        )
        machine.drop(f"{side}_found")
        machine.table(
            f"{side}o",
            f"select u, id, reference, amount, asset, d, status, counterparty, memo, batch, day{kept} from {side}_base",
        )


def _found(engine: Engine, read: Side, first: KeyPass | None, side: str, own: Sequence[str], teaches: str) -> str:
    read = replace(read, columns=dict.fromkeys(own, "cast(null as varchar)") | dict(read.columns))
    wanted = [name for name in (*COLUMNS, *own, RAW) if name in read.columns]
    if first is None:
        return read.select(wanted)
    key, row = identifier("counterfoil key"), identifier("counterfoil row")  # a table's row id is none of its columns
    names = first.left if side == "l" else first.right
    rows = keyed_side(read, names, first, {"*": "*", row: read.columns["row"]}, name=key)
    given = {name: row if name == "row" else read.columns[name] for name in wanted}
    if not teaches:
        columns = ", ".join(f"{sql} as {name}" for name, sql in given.items())
        return f"select {columns} from {rows} n where {key} is null or {engine.hash(key)} in (select k from suspect)"
    if RAW in given:
        given[RAW] = f"case when {FOUND} then {given[RAW]} end"
    columns = ", ".join(f"{sql} as {name}" for name, sql in given.items())
    suspect = identifier("counterfoil suspect")
    return f"""select {columns}, {FOUND}, {TEACHES} from (
                   select n.*, {key} is null or {suspect} is not null as {FOUND}, {teaches} as {TEACHES}
                   from {rows} n left join (select k as {suspect} from suspect) s on {suspect} = {engine.hash(key)}) f
               where {FOUND} or {TEACHES}"""
