"""Bills of the source of carbon figures, held against the books by region and day: lag first, then a break. Nothing of a bill is posted;
of what no bill speaks it is said that it is not billed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.base.rows import Records, insert_rows
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.noun_pages import PlainList, SortKey
from counterfoil.treasury.carbon.figures import booked_of
from counterfoil.treasury.carbon.model import CarbonMeans, open_unit
from counterfoil.treasury.carbon.rules import WORST_FIRST, BilledFigure, DayVerdict, Verdict, bill_cause, judge, window_ends

BILL_LINES_MAX: Final = 10_000
PERIOD_MAX: Final = timedelta(days=366)


class BillLine(NamedTuple):
    """What the source counted of a region's day: Wh, and grams. Below nothing it takes back what an earlier bill counted."""

    region: str
    day: date
    watt_hours: int
    grams: int


class NewBill(NamedTuple):
    """A bill: it speaks of every day from the first to the last, also of those that no line names."""

    source: str
    reference: str
    first_day: date
    last_day: date
    lines: Sequence[BillLine]


class CarbonBill(NamedTuple):
    """A bill as it was imported. `final_at`: until then the source may still change its figures of the last day."""

    id: str
    program_id: str
    source: str
    reference: str
    first_day: date
    last_day: date
    lines: int
    watt_hours: int
    grams: int
    digest: str
    final_at: datetime
    actor: str
    at: datetime


class BilledDay(NamedTuple):
    """A region's day that a bill speaks of. `bills`: source and reference of those that name it. Wh and grams as `billed`, and as recorded
    and booked here."""

    program_id: str
    region: str
    day: date
    asset: str
    bills: tuple[str, ...]
    billed_wh: int
    recorded_wh: int
    billed: int
    ledger: int
    difference: int
    verdict: Verdict
    why: str
    next_step: str
    command: str | None


class CheckedBill(NamedTuple):
    """A bill held against the books: `compared` days of regions, of which `agree` are the same; `days` are the others, the oldest first.
    `billed` and `ledger` are grams of all that was compared: where another bill names the same day, it is counted with it."""

    id: str
    program_id: str
    source: str
    reference: str
    first_day: date
    last_day: date
    lines: int
    watt_hours: int
    grams: int
    final_at: datetime
    actor: str
    at: datetime
    verdict: DayVerdict
    compared: int
    agree: int
    asset: str
    billed: int
    ledger: int
    difference: int
    days: list[BilledDay]


def import_bill(
    conn: Connection[Any], means: CarbonMeans, bill_id: str, program_id: str, new: NewBill, *, actor: str, now: datetime
) -> CarbonBill:
    """Keep a bill. The same reference again, with the same lines, is the bill that is known. Raises InvalidInput, naming the line and the
    field: then nothing of it is kept."""
    _refuse(new, now)
    open_unit(conn, program_id, now=now)
    lines = sorted(new.lines)
    digest = sha256(repr([new.first_day, new.last_day, *(tuple(one) for one in lines)]).encode()).hexdigest()
    # Of the same bill twice at once the later finds the earlier.
    conn.execute("select pg_advisory_xact_lock(hashtextextended('carbon bill:' || %s || ':' || %s, 0))", [program_id, new.reference])
    known = BILLS.read(conn, "where (program_id, source, reference) = (%s, %s, %s)", [program_id, new.source, new.reference])
    if known and known[0].digest != digest:
        raise InvalidInput("reference", f"one that is not known, or what is known under it: {known[0].id} says something else")
    if known:
        return known[0]
    types = {"bill_id": "text", "program_id": "text", "region": "text", "day": "date", "watt_hours": "bigint", "grams": "bigint"}
    insert_rows(conn, "carbon_bill_line", types, [(bill_id, program_id, *one) for one in lines])
    sums = (len(lines), sum(one.watt_hours for one in lines), sum(one.grams for one in lines))
    final_at = window_ends(new.last_day, means.window)
    made = CarbonBill(bill_id, program_id, *new[:4], *sums, digest, final_at, actor, now)
    conn.execute(
        """insert into carbon_bill (id, program_id, source, reference, first_day, last_day, lines, watt_hours, grams, digest, final_at,
                                    actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        made,
    )
    told = {"source": new.source, "reference": new.reference, "first": str(new.first_day), "last": str(new.last_day)}
    emit(conn, [NewEvent("carbon_billed", program_id, bill_id, {**told, "lines": sums[0], "grams": str(sums[2]), "by": actor})], at=now)
    return made


def _refuse(new: NewBill, now: datetime) -> None:
    if new.last_day < new.first_day or new.last_day - new.first_day > PERIOD_MAX:
        raise InvalidInput("last_day", f"{new.first_day} or later, and at most {PERIOD_MAX.days} days later", got=str(new.last_day))
    if new.last_day > now.date():
        raise InvalidInput("last_day", "today or a day that is past", got=str(new.last_day))
    for number, one in enumerate(new.lines, 1):
        if not new.first_day <= one.day <= new.last_day:
            raise InvalidInput(f"lines[{number}].day", f"a day of the bill, {new.first_day} to {new.last_day}", got=str(one.day))
    twice = [key for key, times in Counter((one.region, one.day) for one in new.lines).items() if times > 1]
    if twice:
        raise InvalidInput("lines", "each day of a region once", got=f"{twice[0][0]} on {twice[0][1]}")


BILLS: Final = Records(CarbonBill, f"select {', '.join(CarbonBill._fields)} from carbon_bill", "carbon bill")


def billed_days(
    conn: Connection[Any], means: CarbonMeans, first: date, last: date, *, now: datetime, program_id: str | None = None
) -> list[BilledDay]:
    """Every region's day of which a bill speaks and that a bill names or that has energy or grams here; by program, day and region."""
    given = {"first": first, "last": last, "program": program_id}
    covering = _covering(conn, given)
    if not covering:
        return []
    found: defaultdict[tuple[str, date, str], BilledFigure] = defaultdict(BilledFigure)
    for program, day, region, watt_hours in conn.execute(
        """select program_id, day, region, sum(watt_hours)::bigint from carbon_energy
           where day between %(first)s and %(last)s and (%(program)s::text is null or program_id = %(program)s) group by 1, 2, 3""",
        given,
    ):
        found[program, day, region] = BilledFigure(recorded_wh=watt_hours)
    for day, booked in booked_of(conn, first, last, program_id=program_id).items():
        for key, grams in booked.items():
            place = (key.program_id, day, key.region)
            found[place] = found[place]._replace(ledger=found[place].ledger + grams)
    for program, day, region, watt_hours, grams, references in conn.execute(
        """select l.program_id, l.day, l.region, sum(l.watt_hours)::bigint, sum(l.grams)::bigint,
                  array_agg(b.source || ' ' || b.reference order by b.at, b.id)
           from carbon_bill_line l join carbon_bill b on b.id = l.bill_id
           where l.day between %(first)s and %(last)s and (%(program)s::text is null or l.program_id = %(program)s) group by 1, 2, 3""",
        given,
    ):
        place = (program, day, region)
        found[place] = found[place]._replace(billed_wh=watt_hours, billed=grams, bills=tuple(references))
    return [
        _compared(key, one._replace(covering=covering[key[:2]]), means, now) for key, one in sorted(found.items()) if key[:2] in covering
    ]


def _covering(conn: Connection[Any], given: dict[str, Any]) -> dict[tuple[str, date], tuple[str, ...]]:
    """The bills that speak of a program's day."""
    rows = conn.execute(
        """select b.program_id, d.day::date, array_agg(b.source || ' ' || b.reference order by b.at, b.id)
           from carbon_bill b, generate_series(greatest(b.first_day, %(first)s::date), least(b.last_day, %(last)s::date), '1 day') d (day)
           where b.first_day <= %(last)s and b.last_day >= %(first)s and (%(program)s::text is null or b.program_id = %(program)s)
           group by 1, 2""",
        given,
    ).fetchall()
    return {(program, day): tuple(references) for program, day, references in rows}


def _compared(key: tuple[str, date, str], one: BilledFigure, means: CarbonMeans, now: datetime) -> BilledDay:
    program, day, region = key
    difference = one.ledger - one.billed
    verdict = judge(difference, abs(one.recorded_wh - one.billed_wh), day=day, window=means.window, now=now)
    cause = bill_cause(one)
    wait = f"Wait: it becomes a break at {window_ends(day, means.window):%Y-%m-%d %H:%M} UTC."
    command = f"counterfoil carbon sync --force --date {day} --reason …" if cause.forced and verdict == "BREAK" else None
    figures = (one.bills, one.billed_wh, one.recorded_wh, one.billed, one.ledger, difference)
    step = wait if verdict == "SYNC_LAG" else cause.next_step
    return BilledDay(program, region, day, "CO2E", *figures, verdict, cause.why, step, command)


def check_bill(conn: Connection[Any], means: CarbonMeans, bill_id: str, *, now: datetime) -> CheckedBill:
    """Hold a bill against the books, every day that it speaks of. Raises NotFound."""
    return check_bills(conn, means, [BILLS.show(conn, bill_id)], now=now)[0]


def check_bills(conn: Connection[Any], means: CarbonMeans, bills: Sequence[CarbonBill], *, now: datetime) -> list[CheckedBill]:
    """Each of these, with one reading of a program's days for all of them."""
    by_program: defaultdict[str, list[CarbonBill]] = defaultdict(list)
    for one in bills:
        by_program[one.program_id].append(one)
    days = {
        program: billed_days(conn, means, min(one.first_day for one in own), max(one.last_day for one in own), now=now, program_id=program)
        for program, own in by_program.items()
    }
    return [_checked(one, [day for day in days[one.program_id] if one.first_day <= day.day <= one.last_day]) for one in bills]


def _checked(bill: CarbonBill, days: Sequence[BilledDay]) -> CheckedBill:
    others = [one for one in days if one.verdict != "AGREES"]
    billed, ledger = sum(one.billed for one in days), sum(one.ledger for one in days)
    kept = {name: value for name, value in bill._asdict().items() if name != "digest"}
    return CheckedBill(
        **kept,
        verdict=billing_verdict(days),
        compared=len(days),
        agree=len(days) - len(others),
        asset="CO2E",
        billed=billed,
        ledger=ledger,
        difference=ledger - billed,
        days=others,
    )


def billing_verdict(days: Sequence[BilledDay]) -> DayVerdict:
    """The worst of them; NOTHING where nothing was compared."""
    found: set[DayVerdict] = {one.verdict for one in days}
    return min(found, key=WORST_FIRST.index, default="NOTHING")


def list_bills(
    conn: Connection[Any], means: CarbonMeans, *, now: datetime, rows_max: int, after: str | None = None, program_id: str | None = None
) -> list[CheckedBill]:
    """The newest first, each held against the books."""
    return check_bills(conn, means, BILLS.newest(conn, rows_max=rows_max, after=after, program_id=program_id), now=now)


BILL_LIST: Final = PlainList(
    "carbon bills",
    "cbill",
    "carbon_bill",
    BILLS.by_id,
    (SortKey("first_day", date), SortKey("last_day", date), SortKey("at", datetime), SortKey("grams", int)),
)


def bills_of(conn: Connection[Any], program_id: str) -> list[CarbonBill]:
    """All of a program's, the oldest first."""
    return BILLS.read(conn, "where program_id = %s order by first_day, id", [program_id])
