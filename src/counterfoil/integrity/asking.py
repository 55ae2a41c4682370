"""Asking one check: what it found, or why it could not be asked. A check that was not asked is never one that holds."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

import psycopg
from psycopg import Connection, sql

from counterfoil.base.invariant import Invariant, Severity, recent_query
from counterfoil.base.problems import Problem
from counterfoil.integrity.touched import Span

ROWS_MAX: Final = 200  # of one check and run, an alert each; the rest is a count
ROWS_OF_ONE_MAX: Final = 20
CELL_MAX: Final = 500
ERROR_MAX: Final = 500
CHECK_LIMIT: Final = timedelta(minutes=10)  # of everything: on a large database a check takes minutes
SPOKEN: Final = ("program_id", "period", "severity")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ID: Final = re.compile(r"([a-z]+)_[0-9A-HJKMNP-TV-Z]{26}")
_BOOK: Final = re.compile(r"book ([a-z0-9_-]+) \S+")


class Offence(NamedTuple):
    """One thing that breaks a check: its rows as the query showed them, as text."""

    subject: str
    program_id: str
    period: str
    severity: Severity
    rows: tuple[tuple[str, ...], ...]


class CheckReply(NamedTuple):
    """What a check answered. `total` counts rows, also those beyond the first 200; `columns` name what stands in them."""

    code: str
    outcome: Literal["holds", "broken", "failed"]
    took_ms: int
    columns: tuple[str, ...] = ()
    findings: tuple[Offence, ...] = ()
    total: int = 0
    query: str = ""
    error: str | None = None

    @property
    def whole(self) -> bool:
        """Does it show all that it found? Only then is something that it does not show not there."""
        return self.outcome == "holds" or (self.outcome == "broken" and self.total <= ROWS_MAX)


def ask(
    conn: Connection[Any],
    check: Invariant,
    *,
    now: datetime,
    tables: Mapping[str, str],
    span: Span | None = None,
    limit: timedelta = timedelta(seconds=60),
) -> CheckReply:
    """Ask `check` of everything, or of what was touched in `span`; of one that a recent run cannot ask, InvariantBroken is no answer.

    `tables`: where a thing is kept, by the prefix of its id, to know its program. A query that takes longer than `limit`, or cannot
    run, is a check that failed.
    """
    began = time.perf_counter()
    try:
        with conn.transaction():
            conn.execute("select set_config('statement_timeout', %s, true)", [str(int(limit.total_seconds() * 1000))])
            columns, rows, total, query = _rows(conn, check, now, span)
            findings = _findings(conn, check, columns, rows, tables)
    except (psycopg.Error, Problem) as error:
        return CheckReply(check.code, "failed", _since(began), error=_why(error, limit))
    outcome: Literal["holds", "broken"] = "broken" if rows else "holds"
    return CheckReply(check.code, outcome, _since(began), columns, findings, total, query)


def _rows(
    conn: Connection[Any], check: Invariant, now: datetime, span: Span | None
) -> tuple[tuple[str, ...], list[tuple[Any, ...]], int, str]:
    """Its columns, its first rows, how many there are, and the query."""
    if not isinstance(check.offenders, str):
        found = list(check.offenders(conn, now) if check.monitor else check.offenders(conn))
        first = next(iter(found), ())
        names = getattr(first, "_fields", tuple(f"column {number}" for number in range(1, len(first) + 1)))
        return names, [tuple(row) for row in found[:ROWS_MAX]], len(found), check.offenders.__name__
    given: dict[str, Any] | None = {"now": now} if check.monitor else None
    query = check.offenders
    if span is not None and not check.monitor:
        query, given = recent_query(check) or check.offenders, dict(span.ids)
    counted = f"with found as ({query}) select (select count(*) from found), found.* from found limit {ROWS_MAX}"
    cur = conn.execute(counted.encode(), given)
    rows = cur.fetchall()
    names = tuple("found" if one.name == "?column?" else one.name for one in cur.description or ())[1:]  # what the query gave no name
    return names, [row[1:] for row in rows], int(rows[0][0]) if rows else 0, query


def _findings(
    conn: Connection[Any], check: Invariant, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], tables: Mapping[str, str]
) -> tuple[Offence, ...]:
    """One for each thing that breaks it, in the order in which they were found."""
    if not rows:
        return ()
    programs = _programs(conn, [_text(row[0]) for row in rows], tables)
    books = dict(conn.execute("select id, program_id from book").fetchall()) if "book_id" in columns else {}
    found: dict[tuple[str, str, str], Offence] = {}
    for row in rows:
        told = dict(zip(columns, row, strict=False))
        subject = _text(row[0])
        program = told.get("program_id") or books.get(told.get("book_id")) or programs.get(subject, "")
        period, severity = _text(told.get("period") or ""), told.get("severity") or check.severity
        key = (subject, str(program), period)
        one = found.get(key) or Offence(subject, str(program), period, severity, ())
        if len(one.rows) < ROWS_OF_ONE_MAX:
            one = one._replace(rows=(*one.rows, tuple(_text(value) for value in row)))
        found[key] = one._replace(severity="critical") if severity == "critical" else one
    return tuple(found.values())


def _programs(conn: Connection[Any], subjects: Sequence[str], tables: Mapping[str, str]) -> dict[str, str]:
    """Of which program each thing is, as far as its name tells where it is kept."""
    found: dict[str, str] = {}
    for subject in dict.fromkeys(subjects):
        row = None
        if (book := _BOOK.fullmatch(subject)) is not None:
            row = conn.execute("select id from program where id = %s", [book[1]]).fetchone()
        elif (journal := _UUID.search(subject)) is not None:
            row = conn.execute(
                """select program_id from journal where id = %(id)s
                   union all
                   select b.program_id from posting p join book b on b.id = p.debit >> 40 where p.journal_id = %(id)s limit 1""",
                {"id": journal[0]},
            ).fetchone()
        elif (named := _ID.search(subject)) is not None and named[1] in tables:
            query = sql.SQL("select to_jsonb(t) ->> 'program_id' from {table} t where id = %s").format(
                table=sql.Identifier(tables[named[1]])
            )
            row = conn.execute(query, [named[0]]).fetchone()
        if row is not None and row[0]:
            found[subject] = str(row[0])
    return found


def _text(value: Any) -> str:
    return "" if value is None else str(value)[:CELL_MAX]


def _since(began: float) -> int:
    return int((time.perf_counter() - began) * 1000)


def _why(error: Exception, limit: timedelta) -> str:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"cut short: it did not answer within {limit.total_seconds():g} s"
    said = error.sentence() if isinstance(error, Problem) else (str(error).strip() or type(error).__name__)
    return said[:ERROR_MAX]
