"""The provider's statement of a day or a range: what it really booked (JSON), and what it says it booked (CSV, faults included)."""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final, NamedTuple

from counterfoil.simulator.http.views import iso, line_id, moment
from counterfoil.simulator.rules.faults import FaultRefused
from counterfoil.simulator.rules.state import SimulatorLine, State

COLUMNS: Final = ("id", "type", "reference", "gross", "fee", "net", "asset", "created_at", "available_on", "status", "source")
DAYS_MAX: Final = 366
_CHUNK_LINES: Final = 1_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Range(NamedTuple):
    """Days, both included, in UTC."""

    first: date
    last: date

    def start_us(self) -> int:
        """The first moment of it."""
        return _midnight_us(self.first)

    def end_us(self) -> int:
        """The first moment after it."""
        return _midnight_us(self.last + timedelta(days=1))


class SimulatorStatement(NamedTuple):
    """Lines of a range with the balances before and after: opening + the sum of net = closing, per asset."""

    days: Range
    opening: dict[str, int]
    lines: Sequence[SimulatorLine]
    closing: dict[str, int]


def parse_range(on: str | None, first: str | None, last: str | None) -> Range:
    """The range out of `date=` or `from=` and `to=`. Raises Refused naming the field."""
    if on is not None:
        first = last = on
    if first is None or last is None:
        raise FaultRefused(400, "invalid_request", "say which day", field="date", limit="date=, or from= and to=")
    days = Range(_day("from" if on is None else "date", first), _day("to" if on is None else "date", last))
    if not 0 <= (days.last - days.first).days < DAYS_MAX:
        raise FaultRefused(400, "invalid_request", "no such range", field="to", limit=f"0 to {DAYS_MAX - 1} days after from")
    return days


def make_statement(lines: Sequence[SimulatorLine], days: Range) -> SimulatorStatement:
    """The true statement of `days` out of all lines, which are in order of time."""
    start = bisect_left(lines, days.start_us(), key=lambda line: line.at_us)
    end = bisect_left(lines, days.end_us(), key=lambda line: line.at_us)
    opening: Counter[str] = Counter()
    for line in islice(lines, start):
        opening[line.asset] += line.net
    closing = Counter(opening)
    for line in lines[start:end]:
        closing[line.asset] += line.net
    return SimulatorStatement(days, {asset: opening[asset] for asset in sorted(closing)}, lines[start:end], dict(sorted(closing.items())))


def statement_json(state: State, statement: SimulatorStatement) -> dict[str, Any]:
    """The statement as it is true; statement faults do not touch it."""
    return {
        "object": "statement",
        "from": statement.days.first.isoformat(),
        "to": statement.days.last.isoformat(),
        "opening": [{"asset": asset, "amount": str(minor)} for asset, minor in statement.opening.items()],
        "lines": [dict(zip(COLUMNS, _row(state, line, 0), strict=True)) for line in statement.lines],
        "closing": [{"asset": asset, "amount": str(minor)} for asset, minor in statement.closing.items()],
    }


def statement_csv(state: State, statement: SimulatorStatement) -> Iterator[str]:
    """The statement as the client gets it, in chunks: lines may be lost, doubled or altered; balances are the true ones."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_balance_rows("opening_balance", statement.opening, statement.days.start_us()))
    for index, line in enumerate(statement.lines, start=1):
        writer.writerows(_told_rows(state, line))
        if index % _CHUNK_LINES == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    writer.writerows(_balance_rows("closing_balance", statement.closing, statement.days.end_us() - 1))
    yield text.getvalue()


def _told_rows(state: State, line: SimulatorLine) -> list[list[str]]:
    touch = state.touched.get(line.number)
    if touch is None:
        return [_row(state, line, 0)]
    if touch.fault == "line_lost":
        return []
    if touch.fault == "line_doubled":
        return [_row(state, line, 0)] * 2
    return [_row(state, line, touch.delta)]


def _row(state: State, line: SimulatorLine, delta: int) -> list[str]:
    return [
        line_id(state, line.number),
        line.type,
        line.reference,
        str(line.gross + delta),
        str(line.fee),
        str(line.net + delta),
        line.asset,
        iso(line.at_us),
        moment(line.at_us).date().isoformat(),
        _status(state, line),
        line.source,
    ]


def _status(state: State, line: SimulatorLine) -> str:
    match line.type:
        case "payout":
            return state.payouts[line.source].status
        case "payout_failure":
            return "failed"
        case "payout_return":
            return "returned"
        case _:
            return "succeeded"


def _balance_rows(type_: str, balances: dict[str, int], at_us: int) -> list[list[str]]:
    day = moment(at_us).date().isoformat()
    return [["", type_, "", "", "", str(minor), asset, iso(at_us), day, "", ""] for asset, minor in balances.items()]


def _day(field: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FaultRefused(400, "invalid_request", "not a day", field=field, limit="a day such as 2026-01-31") from error


def _midnight_us(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
