"""A table for people, as wide as their terminal: where it does not fit, each row becomes a block of lines, one for each field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

PIPE_WIDTH: Final = 400  # a pipe has no width: nothing is folded away
WORD_MAX: Final = 64  # a hash; what is longer, as an address of a page, is broken
TEXT_MIN: Final = 16  # narrower than this a sentence is a column of single words
_EDGES, _BETWEEN = 2, 3  # blanks around a ruled table, and between two of its columns
_PLAIN: Final = 2  # blanks after each column of a table without a rule, and after a field's name


class TableColumn(NamedTuple):
    """Its name; whether it holds numbers, and so stands right."""

    name: str
    numbers: bool = False


def print_table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], *, ruled: bool = True) -> None:
    """A row for each of `rows`, whose cells are plain text: `:bank:` in a name is no picture, and `[red]` is no colour.

    On a terminal where a column would be narrower than its name, or an id or an amount would be broken over two lines and could not be
    copied, each row is shown as a block of lines instead: a field's name, and its value. A pipe always gets the table. `ruled`: with a
    line under the names.
    """
    console = console_for_people()
    cells = [[row[place] for row in rows] for place in range(len(columns))]
    full = [max(map(cell_len, (column.name, *of))) for column, of in zip(columns, cells, strict=True)]
    least = [_least(*one) for one in zip(columns, cells, full, strict=True)]
    if not console.is_terminal:
        console.width = max(console.width, _over_all(least, ruled=ruled))
    if _over_all(least, ruled=ruled) > console.width:
        shown = _fields([[(column.name, cell) for column, cell in zip(columns, row, strict=True)] for row in rows])
    else:
        shown = _table(columns, rows, _widths(full, least, console.width, ruled=ruled), ruled=ruled)
    console.print(shown, markup=False, highlight=False)


def print_fields(fields: Sequence[tuple[str, str]]) -> None:
    """One thing: a line for each field."""
    console_for_people().print(_fields([fields]), markup=False, highlight=False)


def console_for_people() -> Console:
    """The terminal, or a wide page where there is none."""
    console = Console(emoji=False)
    return console if console.is_terminal else Console(width=PIPE_WIDTH, emoji=False)


def _widths(full: Sequence[int], least: Sequence[int], room: int, *, ruled: bool) -> list[int]:
    """How wide each column is: the widest give way first, none beyond its least. A table of the least fits into the room."""
    for most in range(min(max(full, default=0), room), 0, -1):
        widths = [max(low, min(high, most)) for low, high in zip(least, full, strict=True)]
        if _over_all(widths, ruled=ruled) <= room:
            return widths
    return list(least)


def _least(column: TableColumn, cells: Sequence[str], full: int) -> int:
    """What a column needs to be read: its numbers, the words of its name, ids and other words, and some room for a sentence."""
    if column.numbers:
        return full
    words = (min(cell_len(word), WORD_MAX) for cell in cells for word in cell.split())
    return max(min(full, TEXT_MIN), *map(cell_len, column.name.split()), *words)


def _over_all(widths: Sequence[int], *, ruled: bool) -> int:
    return sum(widths) + (_EDGES + _BETWEEN * (len(widths) - 1) if ruled else _PLAIN * len(widths))


def _table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], widths: Sequence[int], *, ruled: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False) if ruled else Table(box=None, padding=(0, _PLAIN, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column.name, justify="right" if column.numbers else "left", overflow="fold", width=width)
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    return table


def _fields(things: Sequence[Sequence[tuple[str, str]]]) -> Table:
    grid = Table.grid(padding=(0, _PLAIN))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for number, fields in enumerate(things):
        if number:
            grid.add_row("", "")
        for name, value in fields:
            grid.add_row(Text(name), Text(value))
    return grid
