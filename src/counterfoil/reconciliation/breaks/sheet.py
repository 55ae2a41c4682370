"""Breaks as a spreadsheet: out with ids and the state in which each was seen, in again with what people decided, all or nothing."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.formats.amounts import figure_in, told_problem
from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, Problem, TooLarge
from counterfoil.base.text import refuse_unclean
from counterfoil.operations.verbs import VerbCall, VerbResult, callers_of, say
from counterfoil.reconciliation.breaks.noun import ACTIONS, BREAK_NOUN
from counterfoil.reconciliation.breaks.work import Break
from counterfoil.statements.tables.opening import BAD_BOOK, open_workbook

ROWS_MAX: Final = 10_000
BYTES_MAX: Final = 20_000_000
UNPACKED_BYTES_MAX: Final = 200_000_000
FACTS: Final = (
    "id",
    "expected_state",
    "kind",
    "cause",
    "severity",
    "amount",
    "asset",
    "at_stake_minor",
    "difference_minor",
    "program",
    "source",
    "reference",
    "first_on",
    "last_on",
    "opened_at",
    "due_on",
    "owner",
)
ASKED: Final = ("action", "reason", "assign_to", "comment")  # what a person fills in
COLUMNS: Final = (*FACTS, *ASKED)
NEEDED: Final = ("id", "expected_state")
NOBODY: Final = "nobody"
WIDE: Final = {"id": 33, "reason": 36, "comment": 36, "reference": 28}
_ZIP: Final = b"PK\x03\x04"


class SheetRefused(Problem):
    """Lines of this spreadsheet cannot be carried out, so none was; correct them, or fetch it anew, and send it again."""


class SheetLine(NamedTuple):
    """A line of a spreadsheet with something to do; `line` as the spreadsheet counts, the header being the first."""

    line: int
    id: str
    expected_state: str
    action: str
    reason: str
    assign_to: str
    comment: str


class SheetDone(NamedTuple):
    """What a spreadsheet did: lines read, lines with something to do, and each break with its state after."""

    rows: int
    done: int
    states: tuple[tuple[str, str], ...]


def sheet_rows(cases: Iterable[Break], assets: Mapping[str, Asset]) -> Iterable[list[str]]:
    """The cells of each break, in the order of `COLUMNS`; what people fill in is empty."""
    for one in cases:
        facts = [
            one.id,
            one.state,
            one.kind,
            one.cause,
            one.severity,
            figure_in(assets, one.at_stake, one.asset),
            one.asset,
            str(one.at_stake),
            "" if one.difference is None else str(one.difference),
            one.program_id,
            one.source,
            one.reference,
            one.first_on.isoformat(),
            one.last_on.isoformat(),
            one.opened_at.isoformat(timespec="seconds"),
            one.due_on.isoformat(),
            one.owner or "",
        ]
        yield [*facts, *("" for _ in ASKED)]


def as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """CSV in UTF-8. No cell is one that a spreadsheet would run."""
    return csv_text(COLUMNS, rows).encode()


def as_xlsx(rows: Iterable[Sequence[str]]) -> bytes:
    """A workbook with one sheet; every cell is text, the columns to fill in are shaded, and the action offers its choices."""
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    book = xlsxwriter.Workbook(out, options)
    head = book.add_format({"bold": True, "bottom": 1, "bg_color": "#E9EEF3"})
    ask = book.add_format({"bold": True, "bottom": 1, "bg_color": "#FBEFD9"})
    sheet = book.add_worksheet("Breaks")
    for at, name in enumerate(COLUMNS):
        sheet.write_string(0, at, name, ask if name in ASKED else head)
        sheet.set_column(at, at, WIDE.get(name, 15))
    last = 0
    for last, row in enumerate(rows, start=1):
        for at, cell in enumerate(row):
            sheet.write_string(last, at, cell[:32_000])
    action = COLUMNS.index("action")
    sheet.data_validation(1, action, max(last, 1), action, {"validate": "list", "source": list(ACTIONS)})
    sheet.autofilter(0, 0, max(last, 1), len(COLUMNS) - 1)
    sheet.freeze_panes(1, 1)
    book.close()
    return out.getvalue()


def read_sheet(body: bytes) -> tuple[int, list[SheetLine]]:
    """How many lines a CSV or XLSX has, and those with something to do. Raises InvalidInput naming line and column, TooLarge."""
    if len(body) > BYTES_MAX:
        raise TooLarge(field="body", limit=f"{BYTES_MAX} bytes", got=len(body))
    rows = _of_xlsx(body) if body.startswith(_ZIP) else _of_csv(body)
    header = [str(cell).strip().lower() for cell in rows[0]] if rows else []
    if missing := [name for name in NEEDED if name not in header]:
        raise InvalidInput("header", f"the columns {', '.join(NEEDED)}", got=", ".join(header)[:80], missing=missing)
    if len(rows) > ROWS_MAX + 1:
        raise TooLarge(field="rows", limit=f"{ROWS_MAX} lines", got=len(rows) - 1)
    found = []
    for number, row in enumerate(rows[1:], start=2):
        cells = dict(zip(header, (cell.strip().removeprefix("'") for cell in row), strict=False))
        for column, cell in enumerate(row, start=1):
            refuse_unclean(cell, header[column - 1] if column <= len(header) else "body", lines=True, line=number, column=column)
        line = SheetLine(number, *(cells.get(name, "") for name in SheetLine._fields[1:]))
        if any((line.action, line.assign_to, line.comment)):
            found.append(line)
    return sum(any(cell.strip() for cell in row) for row in rows[1:]), found


def ids_in(body: bytes) -> list[str]:
    """The breaks with which something is to be done. Raises what `read_sheet` raises."""
    return [one.id for one in read_sheet(body)[1]]


def carry_out(saying: VerbCall, rows: int, lines: Sequence[SheetLine]) -> SheetDone:
    """Do what the lines ask for, all of it or nothing; in each line the owner first, then the action, then the comment. Only what is
    unassigned by its action gets its new owner after it.

    `saying`: who says it, and when. Raises SheetRefused, which names every line that stands in the way.
    """
    conn = saying.conn
    ids = [one.id for one in lines]
    conn.execute("select 1 from break where id = any(%s) order by id for update", [ids])
    who = callers_of(BREAK_NOUN, saying, ids)
    refused, states, seen = [], [], set[str]()
    with conn.transaction():
        for line in lines:
            try:
                with conn.transaction():
                    if line.id in seen:
                        raise InvalidInput("id", "each break in one line")
                    states.append((line.id, _do(saying._replace(by=who.get(line.id, saying.by)), line)))
            except Problem as problem:
                refused.append(f"line {line.line}: {told_problem(conn, problem)}")
            seen.add(line.id)
        if refused:
            raise SheetRefused(lines=refused[:100], refused=len(refused), of=len(lines))
    return SheetDone(rows, len(lines), tuple(states))


def _do(saying: VerbCall, line: SheetLine) -> str:
    state = line.expected_state
    given = {"owner": "" if line.assign_to == NOBODY else line.assign_to, "reason": "", "text": line.comment}
    assign = ["assign"] if line.assign_to else []
    owned = [line.action, *assign] if line.action == "reopen" else [*assign, line.action]
    for name in (*owned, *(["comment"] if line.comment else [])):
        if not name:
            continue
        if name not in (*ACTIONS, "assign", "comment"):
            raise InvalidInput("action", f"one of {', '.join(ACTIONS)}", got=name[:40])
        verb = BREAK_NOUN.verb(name)
        if not saying.by.may(verb.permission, BREAK_NOUN.area):
            raise InvalidInput("action", "one that your role and your key allow", got=name)
        taken = {one.name: given.get(one.name) for one in verb.takes}
        said = say(BREAK_NOUN, verb, saying._replace(subject_id=line.id, reason=line.reason, taken=taken, expected=state))
        state = said.state if isinstance(said, VerbResult) else state
    return state


def _of_csv(body: bytes) -> list[list[str]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise InvalidInput("body", "UTF-8 text, or an XLSX workbook", line=line) from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InvalidInput("body", "CSV whose quotes are closed", got=str(error)[:80]) from error


def _of_xlsx(body: bytes) -> list[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            if sum(part.file_size for part in packed.infolist()) > UNPACKED_BYTES_MAX:
                raise TooLarge(field="body", limit=f"{UNPACKED_BYTES_MAX} bytes unpacked")
        book = open_workbook(io.BytesIO(body))
        rows = book.worksheets[0].iter_rows(values_only=True, max_row=ROWS_MAX + 2)
        return [["" if cell is None else str(cell) for cell in row] for row in rows]
    except BAD_BOOK as error:
        raise InvalidInput("body", "an XLSX workbook that opens, or CSV", got=type(error).__name__) from error
