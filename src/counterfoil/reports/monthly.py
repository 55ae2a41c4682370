"""The monthly report: one canonical form. What was not checked stands in it; the same rows give the same report, to the byte."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.reconciliation.period_report.report import report_of_period
from counterfoil.reconciliation.runs.pairings import Pairing
from counterfoil.reports.sections import SECTIONS, Month, ReportSection, accounts_off, daily, unbalanced
from counterfoil.treasury.carbon.model import CarbonMeans
from counterfoil.treasury.carbon.verify import CarbonDay, verify_day

FORMAT: Final = "counterfoil-monthly-report-1"
_MONTH: Final = re.compile(r"(20[0-9]{2})-(0[1-9]|1[0-2])", re.ASCII)


def month_of(text: str, program_id: str, *, now: datetime) -> Month:
    """A month such as 2025-12, that has begun. Raises InvalidInput."""
    found = _MONTH.fullmatch(text)
    if found is None:
        raise InvalidInput("month", "a month such as 2025-12", got=text[:20])
    year, number = int(found[1]), int(found[2])
    start = datetime(year, number, 1, tzinfo=UTC)
    if start > now:
        raise InvalidInput("month", "a month that has begun", got=text)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return Month(program_id, start, end)


def monthly_report(conn: Connection[Any], known: Sequence[Pairing], carbon: CarbonMeans, month: Month, *, now: datetime) -> dict[str, Any]:
    """What is known of a program's month. Raises NotFound."""
    name = conn.execute("select name from program where id = %s", [month.program_id]).fetchone()
    if name is None:
        raise NotFound(what="program", id=month.program_id)
    first, last = month.days[0], month.days[-1]
    over = now >= month.end
    found = [one.of(conn, month) for one in SECTIONS]
    reconciled = report_of_period(conn, known, month.program_id, first=first, last=last, today=now.astimezone(UTC).date())
    days = [verify_day(conn, carbon, day, now=now, program_id=month.program_id) for day in month.days if day <= now.date()]
    closed = conn.execute(
        "select 1 from period_close where program_id = %s and closed_until >= %s limit 1", [month.program_id, month.end]
    ).fetchone()
    notes = [
        *([] if over else ["The month is not over."]),
        *([] if closed or not over else ["The period is not closed: entries of this month may still come."]),
        *_books_notes(conn, month, {one.name: one for one in found}),
        *_reconciliation_notes(reconciled),
        *_carbon_notes(days),
    ]
    return {
        "format": FORMAT,
        "program": month.program_id,
        "program_name": name[0],
        "month": f"{month.start:%Y-%m}",
        "first_on": first.isoformat(),
        "last_on": last.isoformat(),
        "over": over,
        "period_closed": closed is not None,
        "reconciliation": reconciled["verdict"],
        "carbon_days": dict(sorted(Counter(one.verdict for one in days).items())),
        "verdict": "complete" if not notes else "not final",
        "notes": notes,
        "sections": {one.name: [_plain(row, one.columns) for row in one.rows] for one in found},
        "sources": [_source(one) for one in found],
        "charts": daily(conn, month),
    }


def _plain(row: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """Amounts are strings: a JSON number goes through a float somewhere."""
    return {name: str(row[name]) if name.endswith("_minor") else row[name] for name in columns}


def _source(one: ReportSection) -> dict[str, Any]:
    return {
        "section": one.name,
        "title": one.title,
        "source": one.source,
        "command": one.command,
        "columns": list(one.columns),
        "empty": one.empty,
    }


def _books_notes(conn: Connection[Any], month: Month, sections: Mapping[str, ReportSection]) -> list[str]:
    """The figures of the report against each other, and against what the accounts keep."""
    off = accounts_off(conn, month.program_id)
    return [
        *(f"The books do not add up in {row['asset']}." for row in unbalanced(sections["balances"])),
        *(f"Accounts that keep another balance than their postings give, in {asset}: {n}." for asset, n in off),
        *(f"The fees of the treasury do not add up in {row['asset']}." for row in sections["fees"].rows if row["adds_up"] != "yes"),
    ]


def _reconciliation_notes(reconciled: Mapping[str, Any]) -> list[str]:
    notes = [f"Not checked: {one['source']}: {one['why']}" for one in reconciled["not_checked"]]
    if reconciled["verdict"] not in ("reconciled", "reconciled with accepted items"):
        notes.insert(0, f"Reconciliation of these days: {reconciled['verdict']}.")
    return notes


def _carbon_notes(days: Sequence[CarbonDay]) -> list[str]:
    """Days that differ or lag; that agree with what the source may still change; and, where energy is recorded at all, days without any."""
    found = Counter("not final" if one.verdict == "AGREES" and not one.final else one.verdict for one in days)
    told = [f"Carbon: {verdict} on days: {found[verdict]}." for verdict in ("BREAK", "SYNC_LAG") if found[verdict]]
    if found["not final"]:
        told.append(f"Carbon: the source was not heard since its time for changes ended, on days: {found['not final']}.")
    if found["NOTHING"] and len(found) > 1:
        told.append(f"Carbon: no energy was recorded, and nothing compared, on days: {found['NOTHING']}.")
    return told
