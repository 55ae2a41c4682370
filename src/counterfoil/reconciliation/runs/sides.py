"""The two sides of a run as Parquet: the lines of its days, their partners from the days around, and what is under way apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

from counterfoil.base.problems import Tell
from counterfoil.matching.engines.engine import DuckEngine, Ordered, literal
from counterfoil.matching.passes.footing import Footing
from counterfoil.matching.reading.loading import read_side
from counterfoil.matching.reading.scans import files_of
from counterfoil.matching.reading.sides import Side, Total
from counterfoil.matching.rules.model import Amount, Dates, Source
from counterfoil.reconciliation.runs.books import COLUMNS, InFlight

LISTED_MAX: Final = 1_000
MORE: Final = "more than are listed here"
TYPES: Final = {"amount": "bigint", "booked_on": "date"}
# The reader gives a line's fee as a record of its own right behind it; our books have one journal for both.
FOLDED: Final = """
    select {columns} from (
        select first(concat_ws(':', memo, batch) order by row) as external_id, first(reference order by row) as ours,
               {amount} as amount, first(amount order by row) as gross, first(asset order by row) as asset,
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


class LateRecord(NamedTuple):
    """A record that both sides have and that our books could only take later: its period was closed. `amount` in minor units."""

    id: str
    reference: str | None
    amount: int
    asset: str
    happened_on: date
    booked_on: date


class UnderWay(NamedTuple):
    """What was taken out before matching because it is under way: totals by side and asset, and the first of the records.

    `ahead`: by side and asset, what that side had moved by the end of the days and the other side, as far as it says, moved later:
    it stands between two balances of that evening, although all of it matches or is under way. `outside`: by side and asset, what
    of the lines in the run no balance of these days holds. `sent`: by asset, what the other side had paid out and our books have
    still to say. `contradicted`: what was not taken out because the other side says something else of it.
    """

    totals: dict[tuple[str, str], Total]
    records: list[Partner]
    ahead: dict[tuple[str, str], int]
    outside: dict[tuple[str, str], int]
    sent: dict[str, int]
    contradicted: list[str]


def fold_statement(engine: DuckEngine, lines: Any, which: str, path: Path) -> None:
    """A provider's statement lines (Arrow, common shape) as one record for each movement: all of them net of their fee, or only the
    charges or payouts, gross, as our own records of them are."""
    ids, counterparty, kept = {
        "all": ("external_id, batch as reference", "cast(null as varchar)", ""),
        "charges": ("batch as external_id, batch as reference", "ours", "where memo = 'charge'"),
        "payouts": ("ours as external_id, ours as reference", "cast(null as varchar)", "where memo = 'payout'"),
    }[which]
    amount = "cast(sum(amount) as bigint)" if which == "all" else "first(amount order by row)"
    theirs = "batch" if which == "payouts" else "ours"  # the provider's own id of what is matched by ours
    status = "status" if which == "payouts" else "cast(null as varchar)"
    columns = (
        f"{ids}, amount, asset, booked_on, {status} as status, {counterparty} as counterparty, memo, {theirs} as batch, gross, "
        "status as said"
    )
    engine.conn.register("statement_lines", lines)
    engine.conn.execute(f"copy ({FOLDED.format(columns=columns, amount=amount)} {kept}) to {literal(str(path))} (format parquet)")
    engine.conn.unregister("statement_lines")


def bounded(
    engine: DuckEngine,
    raw: dict[str, Path],
    days: tuple[date, date],
    flying: Sequence[InFlight],
    folder: Path,
    *,
    on_time: date,
    tell: Tell,
) -> tuple[dict[str, Path], UnderWay]:
    """Both sides (`left`, `right`) with what belongs to the `days`, in one order, as `left.parquet`, `right.parquet`.

    A line of a day outside stays when a line of the days needs it: the other side has its id on one of them, or its own side has
    its opposite there and the other side does not know it. So what was accepted one day and paid on the next is one match in the
    run of either day, and no line is counted twice in one run.

    An attempt of `flying` is taken out, with what the other side says of it, only when that is the very amount and asset, once, and
    the other side calls it pending or said more no earlier than `on_time`. What contradicts it stays and is compared; where our
    books have no line for it yet, the attempt itself stands for ours.
    """
    _load(engine, raw, days)
    _judge_flying(engine, flying, on_time)
    for side in raw:
        engine.view(
            f"{side}_line",
            f"""select *, coalesce(reference in (select reference from under_way), false)
                or coalesce(batch in (select reference from under_way), false) as flies from {side}_raw""",
        )
    _stand_in(engine)
    paths = {}
    for side, other in (("left", "right"), ("right", "left")):
        paths[side] = folder / f"{side}.parquet"
        engine.view(
            f"{side}_taken",
            f"""select * from {side}_all r where not flies and (inside
                or external_id in (select external_id from {other}_all where inside and not flies)
                or (exists (select 1 from {side}_all o where o.inside and o.reference = r.reference and o.asset = r.asset
                            and o.amount = -r.amount)
                    and external_id not in (select external_id from {other}_all where external_id is not null)))""",
        )
        order = ", ".join(f"{name} nulls first" for name in COLUMNS)
        engine.write(Ordered(f"select {', '.join(COLUMNS)} from {side}_taken", order), paths[side])
    return paths, _under_way(engine, days[1], tell)


def _load(engine: DuckEngine, raw: dict[str, Path], days: tuple[date, date]) -> None:
    """`left_raw` and `right_raw`: the lines as they came, and whether each is of these days."""
    import pyarrow.parquet as pq

    for side, path in raw.items():
        columns = ", ".join(f"cast({name} as {TYPES.get(name, 'varchar')}) as {name}" for name in COLUMNS)
        there = pq.read_schema(path).names
        told = "gross, said" if "gross" in there else "amount as gross, cast(null as varchar) as said"
        told += ", occurred_on" if "occurred_on" in there else ", cast(null as date) as occurred_on"
        engine.view(
            f"{side}_raw",
            f"""select {columns}, {told}, booked_on between date '{days[0]}' and date '{days[1]}' as inside
                from read_parquet({files_of([path])})""",
        )


def _judge_flying(engine: DuckEngine, flying: Sequence[InFlight], on_time: date) -> None:
    """`under_way`: attempts that nothing contradicts; `contradicted`: those of which the other side says something else."""
    columns = {"reference": "varchar", "amount": "bigint", "asset": "varchar", "state": "varchar"}
    engine.load("in_flight", columns, [tuple(one) for one in flying])
    engine.table(
        "told_of_flying",
        """select f.reference, f.amount as ours, f.asset as our_asset, f.state, r.reference as provider_ref, r.* exclude (reference)
           from right_raw r join in_flight f
             on f.reference = case when r.batch in (select reference from in_flight) then r.batch else r.reference end""",
    )
    engine.table(
        "contradicted",
        f"""select reference, count(*) filter (where not same) > 0 or count(*) filter (where memo = 'payout') <> 1 as amounts_differ
            from (select *, memo <> 'payout' or (gross = -ours and asset = our_asset) as same from told_of_flying)
            group by reference
            having amounts_differ or not (coalesce(bool_and(said = 'pending'), false) or max(booked_on) >= date '{on_time}')""",
    )
    engine.table("under_way", "select reference from in_flight where reference not in (select reference from contradicted)")


def _stand_in(engine: DuckEngine) -> None:
    """`left_all`, `right_all`: all lines, and on our side an attempt whose amount is contradicted and that our books do not have yet.

    Without it the other side's line would have nothing to be compared with, and would only be late.
    """
    engine.table(
        "stand_in",
        """select min(t.external_id) as external_id, min_by(t.provider_ref, t.external_id) as reference, -t.ours as amount,
                  t.our_asset as asset, min(t.booked_on) as booked_on, t.reference as batch, bool_or(t.inside) as inside,
                  'a payout of ours, ' || t.state as memo
           from told_of_flying t join contradicted c on c.reference = t.reference and c.amounts_differ
           where t.memo = 'payout' and t.reference not in (select batch from left_raw where batch is not null)
             and t.reference not in (select reference from left_raw where reference is not null)
           group by t.reference, t.ours, t.our_asset, t.state""",
    )
    named = {"status": "cast(null as varchar)", "counterparty": "cast(null as varchar)"}
    columns = ", ".join(f"{named.get(name, name)} as {name}" for name in COLUMNS)
    engine.view(
        "left_all",
        f"""select l.* replace (l.amount + coalesce(s.amount, 0) as amount), coalesce(s.amount, 0) as not_booked
            from left_line l left join stand_in s on s.external_id = l.external_id
            union all by name
            select {columns}, amount as gross, cast(null as varchar) as said, cast(null as date) as occurred_on, inside,
                   false as flies, amount as not_booked
            from stand_in where external_id not in (select external_id from left_raw where external_id is not null)""",
    )
    engine.view("right_all", "select *, cast(0 as bigint) as not_booked from right_line")


def _under_way(engine: DuckEngine, last: date, tell: Tell) -> UnderWay:
    totals: dict[tuple[str, str], Total] = {}
    ahead: dict[tuple[str, str], int] = {}
    outside: dict[tuple[str, str], int] = {}
    records: list[Partner] = []
    why = "it was sent, and nobody has told us yet that it arrived or failed"
    for side, other in (("left", "right"), ("right", "left")):
        for asset, minor in engine.rows(
            f"""select asset, sum(amount) from {side}_all where booked_on <= date '{last}' and ((flies and not inside) or (not flies
                and external_id in (select external_id from {other}_all where booked_on > date '{last}' and not flies)))
                group by asset order by asset"""
        ):
            ahead[side, asset] = int(minor)
        for asset, minor in engine.rows(
            f"""select asset, sum(case when inside then not_booked else amount end) from {side}_taken
                group by asset having sum(case when inside then not_booked else amount end) <> 0 order by asset"""
        ):
            outside[side, asset] = int(minor)
        if not engine.count("under_way"):
            continue
        for asset, rows, minor in engine.rows(
            f"select asset, count(*), sum(amount) from {side}_all where flies and inside group by 1 order by 1"
        ):
            totals[side, asset] = Total(int(rows), int(minor))
        rows = engine.rows(
            f"""select external_id, reference, amount, asset, booked_on from {side}_all where flies and inside
                order by booked_on, external_id limit {LISTED_MAX}"""
        )
        records += [_partner(side, row, why) for row in rows]
    return UnderWay(totals, records, ahead, outside, _sent(engine, last), _contradicted(engine, last, tell))


def booked_later(engine: DuckEngine, days: tuple[date, date]) -> list[LateRecord]:
    """What happened before it could be booked, and has its partner in this run: one of its two days is of these days, one is not."""
    first, last = days
    rows = engine.rows(
        f"""select external_id, reference, amount, asset, occurred_on, booked_on from left_taken
            where occurred_on < booked_on and external_id in (select external_id from right_taken)
              and (occurred_on between date '{first}' and date '{last}') <> (booked_on between date '{first}' and date '{last}')
            order by booked_on, external_id"""
    )
    return [LateRecord(name, ref, int(minor), asset, happened, booked) for name, ref, minor, asset, happened, booked in rows]


def _sent(engine: DuckEngine, last: date) -> dict[str, int]:
    """By asset, below nothing: what the other side had paid out by the end of the days and our books have still to say.

    Never more than we ordered, nor than it says: what went out beyond the order is gone, not under way, and its fee is a cost.
    """
    rows = engine.rows(
        f"""select asset, sum(minor) from (
                select our_asset as asset, -least(any_value(ours), -sum(gross)) as minor from told_of_flying
                where booked_on <= date '{last}' and asset = our_asset group by reference, our_asset
                having count(*) filter (where memo <> 'payout') = 0 and sum(gross) < 0
                union all
                select r.asset, -least(-l.amount, -r.gross) from right_all r join left_all l on l.external_id = r.external_id
                    and l.asset = r.asset
                where r.booked_on <= date '{last}' and l.booked_on > date '{last}' and not r.flies and not l.flies
                  and l.amount < 0 and r.gross < 0) sent
            group by asset order by asset"""
    )
    return {str(asset): int(minor) for asset, minor in rows}


def _contradicted(engine: DuckEngine, last: date, tell: Tell) -> list[str]:
    """What the other side had said by the end of the days of payouts that we take to be under way, and that does not fit: the first."""
    if not engine.count("contradicted"):
        return []
    rows = engine.rows(
        f"""select t.reference, any_value(t.state), any_value(t.ours), any_value(t.our_asset),
                   list([coalesce(said, memo), cast(gross as varchar), asset] order by t.row_at)
            from (select *, row_number() over (order by booked_on, external_id, gross) as row_at from told_of_flying) t
            join contradicted c on c.reference = t.reference where t.booked_on <= date '{last}'
            group by t.reference order by t.reference limit {LISTED_MAX + 1}"""
    )
    told = []
    for ref, state, ours, asset, said in rows[:LISTED_MAX]:
        theirs = ", ".join(f"{word} {tell(int(gross), code)}" for word, gross, code in said)
        told.append(f"{ref}: with us {state}, {tell(ours, asset)}; the other side says {theirs}")
    return [*told, MORE] if len(rows) > LISTED_MAX else told


def read_sides(engine: DuckEngine, paths: dict[str, Path], sources: dict[str, Source], folder: Path) -> tuple[Side, Side]:
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
        found[side, asset] = Footing(side, asset, _plus(row.source, more), row.matched, row.breaks, _plus(row.expected, more))
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
