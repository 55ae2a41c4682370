"""The shape that every source is read into: lines, rejected rows, statements; and the limits a file must keep."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from counterfoil.base.problems import Problem, TooLarge
from counterfoil.base.text import cleaned

if TYPE_CHECKING:
    import pyarrow as pa

TEXT_BYTES_MAX: Final = 2 * 1024**3  # MT940, camt, BAI2, the simulator's statement: read as a stream
TABLE_BYTES_MAX: Final = 512 * 1024**2  # CSV, NDJSON, JSON, OFX through this door; larger tables go to the engine itself
WORKBOOK_BYTES_MAX: Final = 64 * 1024**2  # as it lies on disk
WORKBOOK_UNPACKED_BYTES_MAX: Final = 1024**3  # whatever it packs to; workbook_limits counts what is inside
LINE_CHARS_MAX: Final = 1024**2  # one line of text, or one cell
ROWS_MAX: Final = 20_000_000
BATCH_ROWS: Final = 65_536
TABLES: Final = ("csv", "xlsx", "ndjson", "json")  # anybody's: ours too, where a state says what became of an order
NOT_BOOKED: Final = frozenset({"pending", "expected", "information", "future"})  # what is told of money that has not moved


@cache
def schema() -> pa.Schema:
    """The columns of every source, as they are read."""
    import pyarrow as pa  # 0.2 s with what it brings: not before a file is read

    return pa.schema(
        [
            ("row", pa.int64()),
            ("external_id", pa.string()),
            ("reference", pa.string()),
            ("amount", pa.int64()),
            ("asset", pa.string()),
            ("booked_on", pa.date32()),
            ("value_on", pa.date32()),
            ("event_at", pa.timestamp("us", tz="UTC")),
            ("status", pa.string()),
            ("counterparty", pa.string()),
            ("memo", pa.string()),
            ("batch", pa.string()),
            ("entry", pa.string()),
            ("balance", pa.int64()),
            ("file", pa.string()),
            ("line", pa.int32()),
            ("raw", pa.string()),
        ]
    )


class SourceBroken(Problem, kind="invalid"):
    """A source file is cut short, or does not add up, so nothing of it is used."""

    todo = (
        "Nothing of the file was kept. Where the reason asks for something (its currency, its format, how dates are written), say it; "
        "else fetch the file once more from the bank or provider, whole and as it was given out, and do not mend it by hand."
    )
    wants_asset = False  # the format cannot name one, and whoever reads the file did not either

    def __init__(self, file: str, line: int | None, column: str | None, reason: str) -> None:
        """Name the `file`, the 1-based `line` and the `column` or field where the reader stopped, and the `reason`."""
        self.file, self.line, self.column, self.reason = file, line, column, reason
        super().__init__(file=file, line=line, column=column, reason=reason)


class RejectedRow(NamedTuple):
    """One line that could not be understood: kept and counted, never dropped."""

    file: str
    line: int
    column: str | None
    reason: str
    raw: str


class StatementInfo(NamedTuple):
    """What one statement says of itself. Amounts are signed minor units of `asset`; `total` is the sum of its booked entries."""

    account: str | None
    statement_id: str | None
    sequence: int | None
    asset: str | None
    opening: int | None
    closing: int | None
    opening_on: date | None
    closing_on: date | None
    entries: int
    total: int
    line: int
    page: int | None = None

    @property
    def carries(self) -> bool | None:
        """Does opening + entries give closing? None when the statement does not give both balances."""
        if self.opening is None or self.closing is None:
            return None
        return self.opening + self.total == self.closing


class ParsedLine(NamedTuple):
    """One movement as a reader understood it, before it becomes a row of the table."""

    amount: int
    asset: str
    line: int
    raw: Mapping[str, Any]
    external_id: str | None = None
    reference: str | None = None
    booked_on: date | None = None
    value_on: date | None = None
    event_at: datetime | None = None
    status: str | None = None
    counterparty: str | None = None
    memo: str | None = None
    batch: str | None = None
    entry: str | None = None  # the bank's reference of the booking that this is, or is a part of
    balance: int | None = None  # of the account after this line, where the file says so


@dataclass(frozen=True)
class SourceRead:
    """One file, read: `lines` in the common shape, what was rejected, what its statements say, and remarks for a person."""

    format: str
    lines: pa.Table
    rejected: list[RejectedRow]
    statements: list[StatementInfo]
    sha256: str
    file: str = ""
    notes: list[str] = field(default_factory=list)
    aside: list[tuple[str | None, ParsedLine]] = field(default_factory=list)  # no money: account and lines
    left_out: int = 0  # lines and rows that are no record: those aside, and what is too little, or of another currency, to be a line


class Gathering:
    """Collects what a reader finds in one file; lines become Arrow batches as they come, so a long file stays small."""

    def __init__(self, file: str, *, strict: bool = True) -> None:
        """With `strict` off, a balance or control total that does not carry becomes a remark: for looking, not for a run."""
        self.file, self.strict = file, strict
        self.rejected: list[RejectedRow] = []
        self.statements: list[StatementInfo] = []
        self.notes: list[str] = []
        self.aside: list[tuple[str | None, ParsedLine]] = []
        self.rows, self.left_out = 0, 0
        self._unmoved: Counter[str] = Counter()
        self._batches: list[pa.RecordBatch] = []
        self._columns: list[list[Any]] = [[] for _ in schema()]

    def add(self, line: ParsedLine) -> None:
        """Take one line; its row number is its place in the file. Raises TooLarge past ROWS_MAX."""
        self.rows += 1
        if self.rows > ROWS_MAX:
            raise TooLarge(file=self.file, rows_max=ROWS_MAX)
        values = (
            self.rows,
            _told(line.external_id),
            _told(line.reference),
            line.amount,
            line.asset,
            line.booked_on,
            line.value_on,
            line.event_at,
            _told(line.status),
            _told(line.counterparty),
            _told(line.memo),
            _told(line.batch),
            _told(line.entry),
            line.balance,
            self.file,
            line.line,
            as_json(line.raw),
        )
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        if len(self._columns[0]) >= BATCH_ROWS:
            self._flush()

    def set_aside(self, account: str | None, line: ParsedLine) -> None:
        """Keep a line that is no money, for those who have to take an earlier one back. Raises TooLarge past ROWS_MAX."""
        if len(self.aside) >= ROWS_MAX:
            raise TooLarge(file=self.file, rows_max=ROWS_MAX)
        self.left_out += 1
        self.aside.append((account, line))

    def take(self, line: ParsedLine) -> None:
        """Take one line of a statement as its state says: aside where no money has moved, or not yet."""
        if has_moved(line.status):
            self.add(line)
        else:
            self.set_aside(None, line)
            self._unmoved[line.status or ""] += 1

    def leave_out(self, state: str) -> None:
        """Count a row that moved no money and says too little to be a line."""
        self.left_out += 1
        self._unmoved[state] += 1

    def reject(self, line: int, column: str | None, reason: str, raw: str) -> None:
        """Keep a line that could not be understood."""
        if len(self.rejected) >= ROWS_MAX:
            raise TooLarge(file=self.file, rows_max=ROWS_MAX)
        self.rejected.append(RejectedRow(self.file, line, column, cleaned(reason), cleaned(raw)))

    def broken(self, line: int | None, column: str | None, reason: str) -> NoReturn:
        """Stop: the file as a whole cannot be trusted. Raises SourceBroken."""
        raise SourceBroken(self.file, line, column, reason)

    def unbalanced(self, line: int | None, column: str | None, reason: str) -> None:
        """A balance or control total does not carry. Raises SourceBroken, unless the reader only looks."""
        if self.strict:
            self.broken(line, column, reason)
        self.notes.append(f"line {line}: {reason}")

    def read(self, format: str, sha256: str) -> SourceRead:  # noqa: A002 - the field's public name
        """All of it, as one table."""
        import pyarrow as pa

        self._flush()
        table = pa.Table.from_batches(self._batches, schema())
        statements = [StatementInfo(*map(_harmless, one)) for one in self.statements]
        notes = [cleaned(one) for one in (*self.notes, *self._told_unmoved())]
        return SourceRead(format, table, self.rejected, statements, sha256, self.file, notes, self.aside, self.left_out)

    def _told_unmoved(self) -> list[str]:
        told = ", ".join(f"{count} {state}" for state, count in sorted(self._unmoved.items()))
        return [f"rows that moved no money, or not yet, are left out: {told}"] if told else []

    def _flush(self) -> None:
        if self._columns[0]:
            import pyarrow as pa

            arrays = [pa.array(column, kind.type) for column, kind in zip(self._columns, schema(), strict=True)]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=schema()))
            self._columns = [[] for _ in schema()]


def has_moved(status: str | None) -> bool:
    """Does this state of a line say that its money has moved? The one rule of every reader of statements, and of a bank's tables."""
    return status not in NOT_BOOKED


def as_json(record: Mapping[str, Any]) -> str:
    """The record as it came, in one line of JSON; what JSON does not know (dates, decimals) as text."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str)
    if "\\u00" not in text and text.isprintable():
        return text
    return json.dumps(_harmless(json.loads(text)), ensure_ascii=False, separators=(",", ":"))


def _told(text: str | None) -> str | None:
    """A text of the file, without what could harm whoever stores or reads it; None for an empty one."""
    return cleaned(text) if text else None


def _harmless(given: Any) -> Any:
    if isinstance(given, str):
        return cleaned(given)
    if isinstance(given, dict):
        return {cleaned(name): _harmless(value) for name, value in given.items()}
    return [_harmless(one) for one in given] if isinstance(given, list) else given


def within(path: Path, bytes_max: int) -> None:
    """Refuse a file that is larger than its reader's limit. Raises TooLarge."""
    size = path.stat().st_size
    if size > bytes_max:
        raise TooLarge(file=path.name, bytes=size, bytes_max=bytes_max)
