"""The two sides of a run as Parquet: the lines of its days, their partners from the days around, and what is under way apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from counterfoil.reconciliation.books import COLUMNS
from counterfoil.reconciliation.engines import DuckEngine, Ordered, literal
from counterfoil.reconciliation.matching import Footing
from counterfoil.reconciliation.reading import read_side
from counterfoil.reconciliation.rules import Amount, Dates, Source
from counterfoil.reconciliation.sides import Side, Total

LISTED_MAX: Final = 1_000
TYPES: Final = {"amount": "bigint", "booked_on": "date"}
# The reader gives a line's fee as a record of its own right behind it; our books have one journal for both.
FOLDED: Final = """
    select {columns} from (
        select first(concat_ws(':', memo, batch) order by row) as external_id, first(reference order by row) as ours,
               {amount} as amount, first(asset order by row) as asset,
               first(booked_on order by row) as booked_on, first(status order by row) as status,
               first(memo order by row) as memo, first(batch order by row) as batch, min(row) as row
        from (select *, case when external_id like '%/fee' then row - 1 else row end as movement from statement_lines)
        group by movement) folded"""


class Partner(NamedTuple):
    """A record that is under way: we know it, and it need not be on the other side yet."""

    side: str
    id: str
    reference: str | None
    amount: int
    asset: str
    day: date
    why: str


class UnderWay(NamedTuple):
    """What was taken out before matching because it is under way: totals by side and asset, and the first of the records.

    `ahead`: by side and asset, what that side had moved by the end of the days and the other side, as far as it says, moved later:
    it stands between two balances of that evening, although all of it matches or is under way.
    """

    totals: dict[tuple[str, str], Total]
    records: list[Partner]
    ahead: dict[tuple[str, str], int]


def fold_statement(engine: DuckEngine, lines: Any, which: str, path: Path) -> None:
    """A provider's statement lines (Arrow, common shape) as one record for each movement: all of them net of their fee, or only the
    charges or payouts, gross, as our own records of them are."""
    ids, counterparty, kept = {
        "all": ("external_id, batch as reference", "cast(null as varchar)", ""),
        "charges": ("batch as external_id, batch as reference", "ours", "where memo = 'charge'"),
        "payouts": ("ours as external_id, ours as reference", "cast(null as varchar)", "where memo = 'payout'"),
    }[which]
    amount = "cast(sum(amount) as bigint)" if which == "all" else "first(amount order by row)"
    status = "status" if which == "payouts" else "cast(null as varchar)"
    columns = (
        f"{ids}, amount, asset, booked_on, {status} as status, {counterparty} as counterparty, memo, ours as batch"
    )
    engine.conn.register("statement_lines", lines)
    engine.conn.execute(
        f"copy ({FOLDED.format(columns=columns, amount=amount)} {kept}) to {literal(str(path))} (format parquet)"
    )
    engine.conn.unregister("statement_lines")


def bounded(
    engine: DuckEngine, raw: dict[str, Path], first: date, last: date, flying: Sequence[str], folder: Path
) -> tuple[dict[str, Path], UnderWay]:
    """Both sides (`left`, `right`) with what belongs to the days `first` to `last`, in one order, as `left.parquet`, `right.parquet`.

    A line of a day outside stays when a line of the days needs it: the other side has its id on one of them, or its own side has
    its opposite there and the other side does not know it. So what was accepted one day and paid on the next is one match in the
    run of either day, and no line is counted twice in one run. Of `flying` references every line is taken out: they are under way.
    """
    engine.load("flying", {"reference": "varchar"}, [(one,) for one in flying])
    for side, path in raw.items():
        columns = ", ".join(f"cast({name} as {TYPES.get(name, 'varchar')}) as {name}" for name in COLUMNS)
        engine.view(
            f"{side}_raw",
            f"""select {columns}, booked_on between date '{first}' and date '{last}' as inside,
                coalesce(reference in (select reference from flying), false)
                or coalesce(batch in (select reference from flying), false) as flies from read_parquet({literal(str(path))})""",
        )
    paths = {}
    for side, other in (("left", "right"), ("right", "left")):
        paths[side] = folder / f"{side}.parquet"
        engine.write(
            Ordered(
                f"""select {", ".join(COLUMNS)} from {side}_raw r where not flies and (inside
                    or external_id in (select external_id from {other}_raw where inside and not flies)
                    or (exists (select 1 from {side}_raw o where o.inside and o.reference = r.reference and o.asset = r.asset
                                and o.amount = -r.amount)
                        and external_id not in (select external_id from {other}_raw where external_id is not null)))""",
                ", ".join(f"{name} nulls first" for name in COLUMNS),
            ),
            paths[side],
        )
    return paths, _under_way(engine, last)


def _under_way(engine: DuckEngine, last: date) -> UnderWay:
    totals: dict[tuple[str, str], Total] = {}
    ahead: dict[tuple[str, str], int] = {}
    records: list[Partner] = []
    why = "it was sent, and nobody has told us yet that it arrived or failed"
    for side, other in (("left", "right"), ("right", "left")):
        for asset, minor in engine.rows(
            f"""select asset, sum(amount) from {side}_raw where booked_on <= date '{last}' and ((flies and not inside) or (not flies
                and external_id in (select external_id from {other}_raw where booked_on > date '{last}' and not flies)))
                group by asset order by asset"""
        ):
            ahead[side, asset] = int(minor)
        for asset, rows, minor in engine.rows(
            f"select asset, count(*), sum(amount) from {side}_raw where flies and inside group by 1 order by 1"
        ):
            totals[side, asset] = Total(int(rows), int(minor))
        rows = engine.rows(
            f"""select external_id, reference, amount, asset, booked_on from {side}_raw where flies and inside
                order by booked_on, external_id limit {LISTED_MAX}"""
        )
        records += [_partner(side, row, why) for row in rows]
    return UnderWay(totals, records, ahead)


def read_sides(
    engine: DuckEngine, paths: dict[str, Path], sources: dict[str, Source], folder: Path
) -> tuple[Side, Side]:
    """Both sides ready to be matched."""
    names = {"id": "external_id", **{name: name for name in COLUMNS if name not in ("external_id", "amount")}}
    left, right = (
        read_side(
            engine,
            [paths[side]],
            sources[side].model_copy(
                update={
                    "format": "parquet",
                    "columns": names,
                    "amount": Amount(column="amount", unit="minor"),
                    "dates": Dates(),
                }
            ),
            side,
            folder,
        )
        for side in ("left", "right")
    )
    return left, right


def with_under_way(footing: Sequence[Footing], under_way: UnderWay) -> tuple[Footing, ...]:
    """The footing with what was under way counted where it belongs: in the source, and as expected later."""
    found = {(row.side, row.asset): row for row in footing}
    for (side, asset), more in under_way.totals.items():
        nought = Total(0, 0)
        row = found.get((side, asset), Footing(side, asset, nought, nought, nought, nought))
        found[side, asset] = Footing(
            side, asset, _plus(row.source, more), row.matched, row.breaks, _plus(row.expected, more)
        )
    return tuple(found[key] for key in sorted(found))


def expected_records(engine: DuckEngine) -> list[Partner]:
    """What matching left open although it is not late: the first of them, in order."""
    found: list[Partner] = []
    for side, key in (("left", "l"), ("right", "r")):
        rows = engine.rows(
            f"""select b.id, b.reference, b.amount, b.asset, date '1970-01-01' + b.day from {key}_left x join {key}_base b on b.u = x.u
                where x.expected order by b.day, b.id limit {LISTED_MAX}"""
        )
        found += [_partner(side, row, "it may still come on the other side") for row in rows]
    return found


def _partner(side: str, row: tuple[Any, ...], why: str) -> Partner:
    record_id, reference, amount, asset, day = row
    return Partner(side, record_id, reference, int(amount), asset, day, why)


def _plus(one: Total, other: Total) -> Total:
    return Total(one.rows + other.rows, one.minor + other.minor)
