"""Where the passes run. One vocabulary of plain SQL in DuckDB's dialect; an engine keeps named tables and answers small questions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from counterfoil.base.problems import InvalidInput, Problem

if TYPE_CHECKING:
    import duckdb

Row = tuple[Any, ...]


class MemoryTooSmall(Problem, kind="too_large"):
    """This run does not fit into the memory that it was given, even with one thread; give it more."""


class Ordered(NamedTuple):
    """A query to be written in one order: its rows, the order over their columns, and the columns of the file over the ordered rows."""

    rows: str
    order: str
    shown: str = "*"


MEMORY_LEAST_BYTES: Final = 256 << 20
PROCESS_BYTES: Final = 264 << 20  # Python, Arrow and DuckDB's own buffers, which DuckDB's limit does not count
WRITER_BYTES: Final = 32 << 20  # what a Parquet file that is being written holds beside
_SIZE: Final = re.compile(r"([0-9]{1,9})\s*(MB|MIB|GB|GIB)", re.IGNORECASE)
_UNIT: Final = {"MB": 1 << 20, "MIB": 1 << 20, "GB": 1 << 30, "GIB": 1 << 30}


class Engine(Protocol):
    """What the passes need of a machine or a cluster. Names are ours; values never stand in the SQL unless they are numbers."""

    name: str
    all_ones: str  # what `bit_xor` gives for a fingerprint and its complement
    is_cluster: bool  # rows lie on several machines: they are moved once, with all that a later step asks of them

    def table(self, name: str, sql: str) -> None:
        """Compute `sql` now and keep it as `name`; an older table of that name goes."""

    def view(self, name: str, sql: str) -> None:
        """Give `sql` a name; it is computed wherever it is used."""

    def rows(self, sql: str) -> list[Row]:
        """The answer of `sql`, for answers that fit in memory."""

    def rows_at_once(self, sql: str) -> list[Row]:
        """The same of many small questions in one statement, and in one job where statements are jobs."""

    def answers(self, questions: Mapping[str, str]) -> dict[str, list[Row]]:
        """By name the answers of questions of the same kinds of columns, each of few groups; in one job where statements are jobs."""

    def sift(self, name: str, sql: str, *, where: str, keep: str, tell: Sequence[str]) -> Row:
        """Keep as the table `name`, of the rows of `sql` that meet a condition, some columns; of all its rows the sums that it tells."""

    def count(self, name: str) -> int:
        """How many rows a table has."""

    def load(self, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Keep `rows` as the table `name`; `columns` maps names to SQL types."""

    def hold(self, name: str, sql: str, *, of: str, by: str, rows: int) -> None:
        """Keep as `name` an answer as large as the sides: `sql` over `moved`, the rows of `of` (so many) brought together by a column."""

    def drop(self, *names: str) -> None:
        """Forget tables that no later step reads."""

    def machine_for(self, rows: int) -> Engine:
        """Where so many rows that are left are worked on: here, or on one machine where they fit it."""

    def send(self, machine: Engine, tables: Mapping[str, str], *, rows_most: int | None = None) -> None:
        """Compute statements here and keep their answers as tables of `machine`; `rows_most` is how many they have at most, if known."""

    def lend(self, tables: Mapping[str, str]) -> DuckEngine:
        """A DuckDB on this machine that holds these answers as tables: where a step counts in fractions, which engines may round apart."""

    def take_back(self, machine: DuckEngine, *names: str) -> None:
        """Keep tables of the DuckDB that was lent out, and end the loan."""

    def hash(self, *columns: str) -> str:
        """A 64-bit fingerprint of columns, as SQL."""

    def wide_sum(self, column: str) -> str:
        """A sum of bigints that cannot overflow, as SQL."""

    def close(self) -> None:
        """Let go of memory and files."""


def memory_bytes(text: str) -> int:
    """`512MB` or `4GB` as bytes. Raises InvalidInput."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise InvalidInput("memory", "a size such as 512MB or 4GB", got=text[:40])
    size = int(found[1]) * _UNIT[found[2].upper()]
    if size < MEMORY_LEAST_BYTES:
        raise InvalidInput("memory", "at least 256MB", got=text[:40])
    return size


class DuckEngine:
    """DuckDB in this process. `memory` bounds the whole process; what does not fit is spilled to `folder`."""

    name = "duckdb"
    all_ones = "18446744073709551615"
    is_cluster = False

    def __init__(self, folder: Path, *, memory: int | None = None, threads: int | None = None) -> None:
        """`folder` holds what is spilled and goes with the run; `memory` in bytes; None leaves both to DuckDB."""
        import duckdb  # not before the first run: the server and the worker start without it

        self.conn = duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false"})
        self.conn.execute("set temp_directory = $folder", {"folder": str(folder / "spill")})
        self.conn.execute("set preserve_insertion_order = false")
        self.conn.execute("set enable_progress_bar = false")
        # a checkpoint of tables in memory recompresses all of them, again and again: it took two thirds of a run over CSV
        self.conn.execute("set checkpoint_threshold = '1TB'")
        self.conn.execute("set timezone = 'UTC'")
        self._lent: tuple[str, ...] = ()
        self._rows: dict[str, int | None] = {}  # by table how many rows it has, where it is known
        self.held = max(memory - PROCESS_BYTES, MEMORY_LEAST_BYTES // 3) if memory is not None else None
        self._limit()
        if threads is not None:
            self.conn.execute(f"set threads = {int(threads)}")

    def table(self, name: str, sql: str) -> None:
        """A temporary table; it is counted as it is made."""
        made = self._run(f"create or replace temp table {name} as {sql}").fetchone()
        self._rows[name] = int(made[0]) if made else None

    def hold(self, name: str, sql: str, *, of: str, by: str, rows: int) -> None:  # noqa: ARG002 - they lie together
        """A table as any other: it is spilled where it must be."""
        self.view("moved", of)
        self.table(name, sql)

    def _run(self, sql: str) -> duckdb.DuckDBPyConnection:
        """Execute; where the memory does not do for all threads at once, again with one. Raises MemoryTooSmall."""
        import duckdb

        try:
            return self.conn.execute(sql)
        except duckdb.OutOfMemoryException:
            threads = self.conn.execute("select current_setting('threads')").fetchall()[0][0]
            self.conn.execute("set threads = 1")
            try:
                return self.conn.execute(sql)
            except duckdb.OutOfMemoryException as error:
                raise MemoryTooSmall(field="memory", reason=str(error).splitlines()[0][:200]) from error
            finally:
                self.conn.execute(f"set threads = {int(threads)}")

    def _limit(self, beside: int = 0) -> None:
        """Let DuckDB hold what it may, less `beside` bytes."""
        if self.held is not None:
            self.conn.execute("set memory_limit = $held", {"held": f"{(self.held - beside) >> 20}MiB"})

    def view(self, name: str, sql: str) -> None:
        """A temporary view."""
        self.conn.execute(f"create or replace temp view {name} as {sql}")

    def rows(self, sql: str) -> list[Row]:
        """Fetched whole: a result is finished before the next statement begins."""
        return self._run(sql).fetchall()

    def rows_at_once(self, sql: str) -> list[Row]:
        """As any other."""
        return self.rows(sql)

    def answers(self, questions: Mapping[str, str]) -> dict[str, list[Row]]:
        """One after the other."""
        return {name: self.rows(sql) for name, sql in questions.items()}

    def sift(self, name: str, sql: str, *, where: str, keep: str, tell: Sequence[str]) -> Row:
        """From the rows, which are kept for it."""
        self.table("to_sift", sql)
        self.table(name, f"select {keep} from to_sift where {where}")
        told = self.rows(f"select {', '.join(tell)} from to_sift")[0]
        self.drop("to_sift")
        return told

    def count(self, name: str) -> int:
        """Counted when the table was made: to plan a question takes longer than to answer it."""
        known = self._rows.get(name)
        return int(self.rows(f"select count(*) from {name}")[0][0]) if known is None else known

    def load(self, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """Through Arrow, by column."""
        import pyarrow as pa  # an Arrow import costs 0.2 s, and most runs load nothing

        shape = pa.schema([(column, _ARROW[kind](pa)) for column, kind in columns.items()])
        arrays = [[row[at] for row in rows] for at in range(len(columns))]
        table = pa.Table.from_arrays([pa.array(a, shape.field(n).type) for n, a in enumerate(arrays)], schema=shape)
        self.conn.register("loaded", table)
        self.table(name, "select * from loaded")
        self.conn.unregister("loaded")

    def write(self, query: Ordered, path: Path) -> int:
        """Rows are kept first and sorted then: a join and a sort at once do not fit into the memory that either is content with. How many.

        Ordered rows stay ordered while the file is written; what DuckDB infers about nulls does not get into it.
        """
        self.table("to_write", query.rows)
        rows = self.count("to_write")
        self.conn.execute("set preserve_insertion_order = true")
        self.conn.execute("set disabled_optimizers = 'statistics_propagation'")
        self._limit(beside=WRITER_BYTES)
        try:
            self._run(
                f"""copy (select {query.shown} from to_write order by {query.order}) to {literal(str(path))}
                    (format parquet, compression zstd)"""
            )
        finally:
            self._limit()
            self.conn.execute("reset disabled_optimizers")
            self.conn.execute("set preserve_insertion_order = false")
            self.drop("to_write")
        return rows

    def drop(self, *names: str) -> None:
        """Tables only, those that are there; views cost nothing."""
        for name in names:
            if name in self._rows:
                del self._rows[name]
                self.conn.execute(f"drop table {name}")

    def arrow(self, name: str, table: Any) -> None:
        """Add an Arrow table's rows to the table `name`, which is made where it is not there yet."""
        self.conn.register("arrived", table)
        self.conn.execute(f"create temp table if not exists {name} as select * from arrived where false")
        self.conn.execute(f"insert into {name} select * from arrived")
        self.conn.unregister("arrived")
        self._rows[name] = None

    def fetched(self, sql: str) -> Any:
        """The answer as an Arrow table."""
        return self.conn.sql(sql).to_arrow_table()

    def machine_for(self, rows: int) -> Engine:  # noqa: ARG002 - there is no other
        """This one."""
        return self

    def send(self, machine: Engine, tables: Mapping[str, str], *, rows_most: int | None = None) -> None:  # noqa: ARG002 - nothing moves
        """They stay here."""
        for name, sql in tables.items():
            machine.table(name, sql)

    def lend(self, tables: Mapping[str, str]) -> DuckEngine:
        """This one."""
        for name, sql in tables.items():
            self.table(name, sql)
        self._lent = tuple(tables)
        return self

    def take_back(self, machine: DuckEngine, *names: str) -> None:  # noqa: ARG002 - they are here already
        """Only what was lent goes."""
        self.drop(*self._lent)

    def hash(self, *columns: str) -> str:
        """DuckDB's own, unsigned."""
        return f"hash({', '.join(columns)})"

    def wide_sum(self, column: str) -> str:
        """DuckDB sums bigints in 128 bits."""
        return f"sum({column})"

    def close(self) -> None:
        """Closes the connection; spilled files go with it."""
        self.conn.close()


_ARROW: Final[Mapping[str, Any]] = {
    "varchar": lambda pa: pa.string(),
    "bigint": lambda pa: pa.int64(),
    "integer": lambda pa: pa.int32(),
}


def literal(text: str) -> str:
    """A string as an SQL literal; for words of a rule set and paths, where a dialect takes no parameters."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A column's name, quoted."""
    return '"' + name.replace('"', '""') + '"'
