"""Rows of the database as the types that our code names: one by its id, some, the newest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, TypeVar

from psycopg import Connection, sql
from psycopg.abc import Params
from psycopg.rows import class_row

from counterfoil.base.problems import NotFound

Row = TypeVar("Row")
_LOCKED = " for update"


def row_by_id(conn: Connection[Any], kind: type[Row], what: str, query: str, id: object) -> Row:  # noqa: A002 - as problems name it
    """The row that the query finds by this id alone; its columns are the fields of `kind`. Raises NotFound of `what`."""
    with conn.cursor(row_factory=class_row(kind)) as cur:
        row = cur.execute(query, [id]).fetchone()
    if row is None:
        raise NotFound(what=what, id=str(id))
    return row


def insert_rows(
    conn: Connection[Any], table: LiteralString, columns: Mapping[LiteralString, LiteralString], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows in one statement, however many: `columns` are the names with their types, in the order of each row's values."""
    if not rows:
        return
    conn.execute(
        sql.SQL("insert into {table} ({names}) select * from unnest({values})").format(
            table=sql.Identifier(table),
            names=sql.SQL(", ").join(sql.Identifier(name) for name in columns),
            values=sql.SQL(", ").join(sql.SQL("%s::") + sql.SQL(kind) + sql.SQL("[]") for kind in columns.values()),
        ),
        [list(column) for column in zip(*rows, strict=True)],
    )


@dataclass(frozen=True, slots=True)
class Records(Generic[Row]):
    """The rows of a noun: what is selected of them, up to `where`. One, several and pages are then read in the same words.

    `what` is how problems name it, and `table` the alias of its table with a dot, where the selection has more than one table.
    """

    kind: type[Row]
    select: str
    what: str
    table: str = ""

    def read(self, conn: Connection[Any], ending: str, given: Params) -> list[Row]:
        """Those that `ending` leaves: it begins with `where` or `order by`."""
        with conn.cursor(row_factory=class_row(self.kind)) as cur:
            return cur.execute(f"{self.select} {ending}", given).fetchall()

    def show(self, conn: Connection[Any], subject_id: str, *, lock: bool = False) -> Row:
        """One by its id, `lock`ed if its next step is decided on it. Raises NotFound."""
        return row_by_id(conn, self.kind, self.what, f"{self.select} where {self.table}id = %s{_LOCKED if lock else ''}", subject_id)

    def by_id(self, conn: Connection[Any], ids: Sequence[str], *, lock: bool = False) -> list[Row]:
        """These, in id order; one that is not there is not in the answer."""
        return self.read(conn, f"where {self.table}id = any(%s) order by {self.table}id{_LOCKED if lock else ''}", [list(ids)])

    def newest(
        self, conn: Connection[Any], *, rows_max: int, after: str | None = None, state: str | None = None, program_id: str | None = None
    ) -> list[Row]:
        """The newest first, behind `after`; in one state or in any, of one program or of all."""
        of = self.table
        asked = {f"{of}id < %(after)s": after, f"{of}state = %(state)s": state, f"{of}program_id = %(program)s": program_id}
        narrowed = " and ".join(one for one, value in asked.items() if value is not None) or "true"
        given = {"after": after, "state": state, "program": program_id, "rows": rows_max}
        return self.read(conn, f"where {narrowed} order by {of}id desc limit %(rows)s", given)
