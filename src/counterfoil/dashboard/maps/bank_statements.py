"""The page of bank statements: which files came in, what of them could not be read and why, and where an account's do not follow on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.reconciliation.bank_statements import BANK_FILE_LIST, BankFile, gaps_of, has_bank_file
from counterfoil.reconciliation.runs.pairings import BANK, CASH_ACCOUNTS

BANK_FILES_SHOWN_MAX: Final = 50
UNREAD_SHOWN_MAX: Final = 5
BANK_GAPS_SHOWN_MAX: Final = 20
COLUMNS: Final = ("id", "program_id", "account", "file_name", "format", "records", "new", "known", "rejected", "actor", "at")


class BankFileRow(NamedTuple):
    """A file as the page shows it. `rejected`: how many of its lines could not be read; `reasons`: where each of the first of them stands,
    and why; `notes`: what else there was to say of it."""

    id: str
    program_id: str
    account: str
    file_name: str
    format: str
    records: int
    new: int
    known: int
    rejected: int
    actor: str
    at: datetime
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def grade(self) -> Grade:
        """Is something of it not in the books of the outside world?"""
        return "attention" if self.rejected else "right"


class StatementGapRow(NamedTuple):
    """Where the statements of one of our accounts do not follow on. `proven`: the balances show it; otherwise a calendar alone says so."""

    ours: str
    kind: str
    account: str | None
    file: str
    line: int
    reason: str
    proven: bool


class BankStatementsAnswer(NamedTuple):
    """What the page shows. `gaps_more`: how many stand behind those that are shown."""

    program_id: str
    rows: tuple[BankFileRow, ...]
    after: str | None
    asked: AskedPage
    gaps: tuple[StatementGapRow, ...]
    gaps_more: int
    measured_at: datetime


def bank_statements_answer(ask: SectionContext) -> BankStatementsAnswer:
    """Files of a program, newest first unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    program = ask.program_id or ask.extra.wiring.program_id
    page = plain_page(ask, BANK_FILE_LIST, rows_max=BANK_FILES_SHOWN_MAX, program_id=program)
    gaps = _gaps(ask.conn, program)
    rows = tuple(_rows(ask.conn, page.rows, ask.clock()))
    more = max(0, len(gaps) - BANK_GAPS_SHOWN_MAX)
    return BankStatementsAnswer(program, rows, page.after, page.asked, gaps[:BANK_GAPS_SHOWN_MAX], more, ask.clock())


def bank_statements_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of it as rows of a file, sorted as the page is. Raises InvalidInput."""
    program = ask.program_id or ask.extra.wiring.program_id
    return plain_export(ask, BANK_FILE_LIST, COLUMNS, _rows, asked=asked_here(ask, BANK_FILE_LIST, program))


def _rows(_: Connection[Any], found: Sequence[BankFile], now: datetime) -> list[BankFileRow]:  # noqa: ARG001 - as every list is told
    return [_row(one) for one in found]


def _row(one: BankFile) -> BankFileRow:
    reasons = tuple(_reason(row) for row in one.rejected[:UNREAD_SHOWN_MAX])
    told = {**one._asdict(), "rejected": len(one.rejected), "reasons": reasons, "notes": tuple(one.notes)}
    return BankFileRow(**{name: told[name] for name in BankFileRow._fields})


def _reason(row: dict[str, Any]) -> str:
    place = f"line {row['line']}" if row.get("line") else ""
    column = f" ({row['column']})" if row.get("column") else ""
    return f"{place}{column}: {row['reason']}" if place else str(row["reason"])


def _gaps(conn: Connection[Any], program_id: str) -> tuple[StatementGapRow, ...]:
    ours = [f"cash:{BANK}:{which}" for which in CASH_ACCOUNTS]
    return tuple(
        StatementGapRow(account, gap.kind, gap.account, gap.file, gap.line, gap.reason, gap.proven)
        for account in ours
        if has_bank_file(conn, program_id, account)
        for gap in gaps_of(conn, program_id, account)
    )
