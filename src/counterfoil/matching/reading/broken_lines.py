"""Lines of a delimited file that are no rows: which they are, where they stand, and whether the file was cut short within one."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.reading.provenance import one_mark, opened
from counterfoil.matching.reading.scans import BLOCK, REJECTED_KEPT_MAX, SourceUnreadable, copy_of
from counterfoil.matching.reading.sides import UnreadableRow
from counterfoil.matching.reading.telling import RAW_SHOWN_MAX
from counterfoil.matching.rules.model import Csv

UNCLOSED: Final = "unterminated quote"  # in DuckDB's words
LINE_ENDS: Final = b"\r\n"


class BrokenLine(NamedTuple):
    """A record that is no row: the number of its file, its own number in it, the 1-based byte where DuckDB saw it begin, and why."""

    file: int
    record: int
    byte: int
    column: str
    reason: str
    raw: str | None


def broken_lines(engine: DuckEngine, side: str, paths: Sequence[Path], folder: Path) -> list[BrokenLine]:
    """Lines with too few or too many columns or a broken quote, once each."""
    numbers = {str(copy_of(path, n, side, folder)): n for n, path in enumerate(paths)}
    rows = engine.rows(
        f"""select min(s.file_path), e.line, coalesce(min(e.line_byte_position), 0), coalesce(min(e.column_name), ''),
                   min(e.error_message), min(e.csv_line)
            from {side}_errors e join {side}_scans s on s.scan_id = e.scan_id and s.file_id = e.file_id
            group by e.file_id, e.line order by e.file_id, e.line limit {REJECTED_KEPT_MAX}"""
    )
    return [BrokenLine(numbers.get(file, 0), *rest) for file, *rest in rows]


def rejected_of(path: Path, broken: BrokenLine, read: Path) -> UnreadableRow:
    """As a row that could not be read, at its line; `read` is the file itself or its copy in UTF-8, whose bytes were counted."""
    reason = " ".join(broken.reason.split())[:200]
    return UnreadableRow(path.name, line_of(broken, read), broken.column, reason, (broken.raw or "").lstrip("\r\n")[:RAW_SHOWN_MAX])


def line_of(broken: BrokenLine, read: Path) -> int:
    """The 1-based line on which a broken record begins. DuckDB counts from within the line end where that is two marks."""
    if not broken.byte:
        return broken.record
    line, at = 1, broken.byte
    with opened(read) as file:
        while at > 1 and (block := file.read(min(BLOCK, at - 1))):
            line += block.count(b"\n")
            at -= len(block)
        ends = file.read(BLOCK)
    return line + ends[: len(ends) - len(ends.lstrip(LINE_ENDS))].count(b"\n")


def refuse_cut(paths: Sequence[Path], how: Csv, side: str, folder: Path, broken: Sequence[BrokenLine] | None = None) -> None:
    """A file that ends within its last row or within a quote is refused, as the readers of statements do, by their own rule: what is not
    there would be missing on the other side. Without `broken` nothing could be read at all. Raises SourceUnreadable."""
    from counterfoil.statements import Dialect, cut_short  # the readers are loaded when a file asks for them

    for number, path in enumerate(paths):
        here = [each for each in broken or () if each.file == number]
        if broken is not None and not here:
            continue
        plain, mark = _plain(path, how, folder)
        known = Dialect(
            encoding=how.encoding or "utf-8",
            delimiter=mark,
            quote=how.quote if how.quote is not None else '"',
            decimal=None,
            thousands=None,
            header=how.header,
            skip_rows=how.skip,
            date_format=None,
            columns=(),
        )
        unclosed = broken is None or any(UNCLOSED in each.reason for each in here)
        if fault := cut_short(plain, known, within_quotes=unclosed):
            raise SourceUnreadable(source=side, file=path.name, line=fault.line, reason=fault.reason)


def _plain(path: Path, how: Csv, folder: Path) -> tuple[Path, str]:
    """The file as Python's reader can take it, unpacked and with a separator of one mark, and that mark."""
    mark, into = how.delimiter or ",", folder / "plain.csv"
    if len(mark) > 1:
        encoding = how.encoding or "utf-8"
        with opened(path) as raw, into.open("w", encoding=encoding, newline="") as plain:
            mark, lines = one_mark(io.TextIOWrapper(raw, encoding=encoding, errors="replace", newline=""), how)
            plain.writelines(lines)
        return into, mark
    if path.suffix != ".gz":
        return path, mark
    with opened(path) as packed, into.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    return into, mark
