"""The same passes on Spark: the vetted SQL goes through sqlglot, tables are Parquet folders, and the answers are the same to the byte."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import sqlglot
from sqlglot import expressions as exp

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine, Ordered, Row, literal
from counterfoil.matching.reading.sides import COLUMNS, Side

LOCAL: Final = "local[2]"
_BACK_REFERENCE: Final = re.compile(r"\\([0-9])")


class SparkEngine:
    """A Spark session, on this machine or a cluster. `folder` must be one that every worker reads and writes."""

    name = "spark"
    all_ones = "-1"  # Spark's bigint is signed

    def __init__(self, folder: Path, *, master: str = LOCAL, memory: int | None = None) -> None:
        """Start a session. Raises InvalidInput when pyspark is not installed: it is the extra `spark`."""
        try:
            from pyspark.sql import SparkSession  # half a gigabyte: loaded by those who ask for it
        except ImportError as error:
            raise InvalidInput("engine", "duckdb, or spark with the extra counterfoil[spark] installed", got="spark") from error
        builder = SparkSession.builder.master(master).appName("counterfoil reconciliation")
        settings = {
            "spark.ui.enabled": "false",
            "spark.sql.shuffle.partitions": "8",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.ansi.enabled": "true",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            "spark.log.level": "ERROR",
            **({"spark.driver.memory": f"{memory >> 20}m"} if memory else {}),
        }
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.folder = folder / "spark"
        self._memory = memory
        self._kept: dict[str, Path] = {}
        self._number = 0

    def table(self, name: str, sql: str) -> None:
        """Parquet in a folder of its own: a lazy plan would compute every step again."""
        self._keep(name, self.session.sql(in_spark(sql)))

    def _keep(self, name: str, frame: Any) -> None:
        self._number += 1
        path = self.folder / f"{name}-{self._number}"
        frame.write.parquet(str(path))
        self.session.read.schema(frame.schema).parquet(str(path)).createOrReplaceTempView(name)
        if before := self._kept.get(name):
            shutil.rmtree(before, ignore_errors=True)
        self._kept[name] = path

    def view(self, name: str, sql: str) -> None:
        """A temporary view."""
        self.session.sql(in_spark(sql)).createOrReplaceTempView(name)

    def rows(self, sql: str) -> list[Row]:
        """Collected to the driver."""
        return [tuple(row) for row in self.session.sql(in_spark(sql)).collect()]

    def load(self, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """From the driver."""
        kinds = {"varchar": "string", "bigint": "bigint", "integer": "int"}
        shape = ", ".join(f"{column} {kinds[kind]}" for column, kind in columns.items())
        self._keep(name, self.session.createDataFrame(list(rows), shape))

    def parquet(self, name: str, paths: Sequence[Path]) -> None:
        """A view over Parquet files."""
        self.session.read.parquet(*(str(path) for path in paths)).createOrReplaceTempView(name)

    def write(self, query: Ordered, path: Path) -> None:
        """One Parquet file: sorted and written by DuckDB, so that the bytes are those of the other engine."""
        parts = self.folder / f"out-{path.stem}"
        self.session.sql(in_spark(query.rows)).write.mode("overwrite").parquet(str(parts))
        sorter = DuckEngine(self.folder)
        try:
            sorter.write(query._replace(rows=f"select * from read_parquet({literal(str(parts / '*.parquet'))})"), path)
        finally:
            sorter.close()

    def drop(self, *names: str) -> None:
        """The view and its files."""
        for name in names:
            self.session.catalog.dropTempView(name)
            if path := self._kept.pop(name, None):
                shutil.rmtree(path, ignore_errors=True)

    def lend(self, tables: Mapping[str, str]) -> DuckEngine:
        """A DuckDB beside the driver, over Parquet that the cluster writes."""
        machine = DuckEngine(self.folder, memory=self._memory)
        for name, sql in tables.items():
            parts = self.folder / f"lent-{name}"
            self.session.sql(in_spark(sql)).write.mode("overwrite").parquet(str(parts))
            machine.table(name, f"select * from read_parquet({literal(str(parts / '*.parquet'))})")
            shutil.rmtree(parts, ignore_errors=True)
        return machine

    def take_back(self, machine: DuckEngine, *names: str) -> None:
        """As Parquet, too."""
        try:
            for name in names:
                self._number += 1
                path = self.folder / f"{name}-{self._number}"
                path.mkdir(parents=True)
                machine.conn.execute(f"copy {name} to {literal(str(path / 'part.parquet'))} (format parquet)")
                self.session.read.parquet(str(path)).createOrReplaceTempView(name)
                if before := self._kept.get(name):
                    shutil.rmtree(before, ignore_errors=True)
                self._kept[name] = path
        finally:
            machine.close()

    def hash(self, *columns: str) -> str:
        """Spark's 64-bit hash; its plain `hash` has 32 bits."""
        return f"xxhash64({', '.join(columns)})"

    def wide_sum(self, column: str) -> str:
        """Spark's bigint sums overflow: 38 digits do not."""
        return f"sum(cast({column} as decimal(38, 0)))"

    def close(self) -> None:
        """End the session."""
        self.session.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@lru_cache(maxsize=1_000)
def in_spark(sql: str) -> str:
    """DuckDB's dialect as Spark's. Back references in replacements are written `$1` there."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    for call in tree.find_all(exp.RegexpReplace):
        replacement = call.args.get("replacement")
        if isinstance(replacement, exp.Literal):
            replacement.set("this", _BACK_REFERENCE.sub(r"$\1", replacement.this))
    return tree.sql(dialect="spark")


def moved(side: Side, engine: SparkEngine, reader: DuckEngine, folder: Path) -> Side:
    """A side that was read, as Parquet in the common shape that every worker sees."""
    path = folder / f"{side.key}-common.parquet"
    reader.conn.execute(f"copy ({side.select()}) to {literal(str(path))} (format parquet)")
    engine.parquet(f"{side.key}_common", [path])
    return replace(side, relation=f"{side.key}_common", columns={name: name for name in COLUMNS}, good="")
