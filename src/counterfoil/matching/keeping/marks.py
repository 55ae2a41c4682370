"""Phase one out of marks that were kept: by buckets of keys, so that only buckets in which the sides differ are read from the files again.

A bucket holds keys whose hashes begin alike, a few rows of each side. Its seal is an xor over its rows of the key's hash and the
fingerprint together, so two equal seals are two equal sets; what a bucket does not seal, the days, it lists in the order of the keys,
and two equal sets have one order. A bucket is clean where each key stands once on each side, the seals are equal and the days lie
within the window: then phase one would have cleared all of its keys. All other buckets go through phase one as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from counterfoil.matching.engines.engine import DuckEngine, identifier, literal
from counterfoil.matching.keeping.shelf import Shelf, What
from counterfoil.matching.passes.clearing import fingerprint, keyed_side
from counterfoil.matching.reading.sides import Side
from counterfoil.matching.rules.model import Compared, KeyPass, Source

BUCKET_ROWS: Final = 8  # about so many rows of a side share a bucket
SLICE_ROWS: Final = 1 << 20  # marks are gathered by so many rows at a time, to keep within the memory
HASH_BITS: Final = 64
DAY_BITS: Final = 23  # of a day from the year 1 to 9999
KEY: Final = identifier("counterfoil key")
PLACE: Final = identifier("counterfoil place")  # a row's number, which a copy of some rows would forget


class KeptSides:
    """Both sides of a run with what is kept of them. Parquet and delimited files, workbooks and records; statements have readers."""

    def __init__(self, engine: DuckEngine, shelf: Shelf, sources: Mapping[str, Source]) -> None:
        self._engine, self._shelf, self._sources = engine, shelf, sources

    def narrowed(self, left: Side, right: Side, first: KeyPass, compare: Sequence[Compared]) -> tuple[Side, Side]:
        """The sides with the rows alone that phase one has to look at. The sides themselves where most rows are such."""
        sides = ((left, first.left), (right, first.right))
        if not all(self._shelf.holds(side.reading.paths) for side, _ in sides):
            return left, right
        engine = self._engine
        bits = max((max(left.rows, right.rows) // BUCKET_ROWS).bit_length(), 1)
        for side, names in sides:
            self._marks(side, names, first, compare, bits)
        engine.table("differing", _differing(first, dated="date" in compare))
        rows, all_rows = engine.rows(
            """select coalesce(sum(case when d.b is not null then n end), 0), coalesce(sum(n), 0)
               from (select b, n from left_marks union all select b, n from right_marks) m left join differing d on d.b = m.b"""
        )[0]
        found = (left, right)
        if rows * 2 <= all_rows:
            near = [self._near(side, names, first, bits) for side, names in sides]
            found = (near[0], near[1])
        for side, _ in sides:
            engine.conn.execute(f"drop view {side.key}_marks")
        engine.drop("differing", "left_gathered", "right_gathered")
        return found

    def forget(self) -> None:
        """Once the suspects are fetched, nothing reads the narrowed sides."""
        self._engine.drop("left_near", "right_near")

    def records(self, side: Side, sql: str) -> str:
        """Rows of a side as SQL, out of a file that holds them where one was kept."""
        if not self._shelf.holds(side.reading.paths):
            return sql
        name = self._named("texts", side, sql)
        if kept := self._shelf.find(side.key, "texts", name):
            return _rows_in(str(kept.rows))
        table = f"{side.key}_texts"
        self._engine.table(table, sql)
        self._shelf.put(side.key, "texts", name, None, lambda path: _write(self._engine, table, str(path)))
        return f"select * from {table}"

    def _named(self, what: What, side: Side, sql: str, *parts: int) -> str:
        at_rest = sql.replace(side.reading.scan, "")
        return self._shelf.name(what, side.reading.paths, self._sources[side.key], side.key, at_rest, *parts)

    def _marks(self, side: Side, names: Sequence[str], first: KeyPass, compare: Sequence[Compared], bits: int) -> None:
        """The view `{side}_marks` (b, n, single, seal, days), out of the folder or gathered and kept."""
        engine, view = self._engine, f"{side.key}_marks"
        carried = {"x": fingerprint(engine, side, compare)}
        if "date" in compare:
            carried["d"] = f"coalesce({side.columns['day']}, 0)"
        rows = keyed_side(side, names, first, carried)
        sql = f"select {engine.hash('key')} as k, {', '.join(carried)} from {rows} n where key is not null"
        name = self._named("marks", side, sql, bits)
        if kept := self._shelf.find(side.key, "marks", name):
            engine.view(view, _rows_in(str(kept.rows)))
            return
        table = f"{side.key}_gathered"
        _gather(engine, table, sql, bits, side.rows, dated="date" in compare)
        engine.view(view, f"select * from {table}")
        self._shelf.put(side.key, "marks", name, None, lambda path: _write(engine, table, str(path)))

    def _near(self, side: Side, names: Sequence[str], first: KeyPass, bits: int) -> Side:
        """The rows of a side without a key, or whose bucket differs, with all columns of its file."""
        engine, table = self._engine, f"{side.key}_near"
        columns = [identifier(row[0]) for row in engine.rows(f"describe select * from {side.relation}")]
        rows = keyed_side(side, names, first, {"*": "*", PLACE: side.columns["row"]}, name=KEY)
        bucket = f"({engine.hash(KEY)} >> {HASH_BITS - bits}) in (select b from differing)"
        engine.table(table, f"select {', '.join((*columns, PLACE))} from {rows} n where {KEY} is null or {bucket}")
        return replace(side, relation=table, good="", columns={**side.columns, "row": PLACE})


def _gather(engine: DuckEngine, table: str, sql: str, bits: int, rows: int, *, dated: bool) -> None:
    """Make `table`: by bucket how many rows, whether each key stands once, the seal, and the days in the order of the keys.

    Key and day are sorted as one number, which costs a third of sorting days by a key beside them. Its first 41 bits are the key's: two
    keys that have them in common count as one that stands twice, which costs work.
    """
    engine.table("marked_row", sql)
    slices, shift = min(1 << bits, max(rows // SLICE_ROWS, 1)), HASH_BITS - bits
    day = f"d + {1 << DAY_BITS - 1}" if dated else "0"
    parts = []
    for number in range(slices):
        low, high = (number << bits) // slices, ((number + 1) << bits) // slices - 1
        parts.append(f"{table}_{number}")
        engine.table(
            parts[-1],
            f"""select b, n, seal, list_sort(keyed) as keyed from (
                    select cast(k >> {shift} as bigint) as b, count(*) as n, bit_xor(hash(hash(k, x))) as seal,
                           list(((k >> {DAY_BITS}) << {DAY_BITS}) | cast({day} as ubigint)) as keyed
                    from marked_row where (k >> {shift}) between {low} and {high} group by 1) gathered""",
        )
    engine.drop("marked_row")
    every = f"({' union all '.join(f'select * from {part}' for part in parts)})"
    engine.table(
        "twice",
        f"""select distinct b from (select b, unnest(keyed) as one, unnest(keyed[2:]) as next from {every} g) k
            where one >> {DAY_BITS} = next >> {DAY_BITS}""",
    )
    days = f"list_transform(g.keyed, lambda each: cast(each & {(1 << DAY_BITS) - 1} as integer))" if dated else "cast(null as integer[])"
    engine.table(table, f"select g.b, g.n, t.b is null as single, g.seal, {days} as days from {every} g left join twice t on t.b = g.b")
    engine.drop("twice", *parts)


def _differing(first: KeyPass, *, dated: bool) -> str:
    """The buckets in which the sides do not agree, as SQL."""
    same = "l.n = r.n and l.seal = r.seal and l.single and r.single"
    found = f"select coalesce(l.b, r.b) as b from left_marks l full join right_marks r on r.b = l.b where not coalesce({same}, false)"
    if dated:
        lists = f"""select l.b, unnest(l.days) as l_day, unnest(r.days) as r_day
                    from left_marks l join right_marks r on r.b = l.b where {same}"""
        found += (
            f" union all select distinct b from ({lists}) p where r_day - l_day not between {-first.before_days} and {first.after_days}"
        )
    return found


def _rows_in(path: str) -> str:
    return f"select * from read_parquet({literal(path)})"


def _write(engine: DuckEngine, table: str, path: str) -> None:
    engine.conn.execute(f"copy {table} to {literal(path)} (format parquet, compression zstd)")
