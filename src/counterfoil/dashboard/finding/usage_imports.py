"""The page of usage that comes in: each file, how far it is, and when a part of it last came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.settlement.usage.files import SILENT_AFTER, USAGE_FILE_LIST, Standing, UsageFile

IMPORTS_SHOWN_MAX: Final = 50
COLUMNS: Final = ("id", "program_id", "file_name", "standing", "lines_done", "lines", "new", "rejected", "actor", "began_at", "heard_at")
GRADES: Final[Mapping[Standing, Grade]] = {"under_way": "plain", "silent": "attention", "done": "right"}


class UsageImportRow(NamedTuple):
    """A file as the page shows it."""

    id: str
    program_id: str
    file_name: str
    standing: Standing
    lines_done: int
    lines: int
    new: int
    rejected: int
    actor: str
    began_at: datetime
    heard_at: datetime

    @property
    def grade(self) -> Grade:
        """Is there something to do about it?"""
        return GRADES[self.standing]


class UsageImportsAnswer(NamedTuple):
    """What the page shows."""

    rows: tuple[UsageImportRow, ...]
    after: str | None
    asked: AskedPage
    standing: str  # to which it is narrowed
    silent_minutes: int
    measured_at: datetime


def usage_imports_answer(ask: SectionContext) -> UsageImportsAnswer:
    """Files, the newest first unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    page = plain_page(ask, USAGE_FILE_LIST, rows_max=IMPORTS_SHOWN_MAX, program_id=ask.program_id)
    rows = tuple(_rows(ask.conn, page.rows, ask.clock()))
    minutes = int(SILENT_AFTER.total_seconds()) // 60
    return UsageImportsAnswer(rows, page.after, page.asked, ask.params.get("standing", ""), minutes, ask.clock())


def usage_imports_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of it as rows of a file, sorted as the page is. Raises InvalidInput."""
    return plain_export(ask, USAGE_FILE_LIST, COLUMNS, _rows, asked=asked_here(ask, USAGE_FILE_LIST, ask.program_id))


def _rows(_: Connection[Any], files: Sequence[UsageFile], now: datetime) -> list[UsageImportRow]:
    told = (one._asdict() | {"standing": one.standing(now)} for one in files)
    return [UsageImportRow(**{name: one[name] for name in COLUMNS}) for one in told]
