"""A Spark cluster: executors read, shuffle and write; the driver plans, and takes to itself only what few rows are left to work on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Final

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.dialect import in_spark
from counterfoil.matching.engines.engine import DuckEngine, Engine, Row
from counterfoil.matching.engines.jvm import is_empty, kept_rows

LOCAL: Final = "local[2]"
LOOPBACK: Final = "127.0.0.1"
DRIVER_ROWS_MAX: Final = 1_000_000  # of both sides; what is more than the driver works on stays on the cluster
SLICE_ROWS: Final = 250_000  # of what the driver takes at once
BROADCAST_ROWS_MAX: Final = 5_000_000  # keys of 8 bytes that every executor may hold
PART_ROWS: Final = 500_000  # of what one task sorts: as much as fits the memory that it has, so that it is not written down meanwhile
SHUFFLE_PARTS: Final = "spark.sql.shuffle.partitions"
PART: Final = "counterfoil part"  # of which statement a row of several together is the answer
ONE_JOB: Final = {"spark.sql.adaptive.enabled": "false", "spark.sql.autoBroadcastJoinThreshold": "-1"}
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_KINDS: Final = {"varchar": "string", "bigint": "bigint", "integer": "int"}


@dataclass(frozen=True)
class ClusterSettings:
    """Where Spark runs and how. `conf` are Spark's own settings by their names; they go before ours."""

    master: str = LOCAL
    driver_host: str | None = None  # the address at which executors reach the driver; Spark finds it out where it is left out
    conf: Mapping[str, str] = field(default_factory=dict)
    driver_rows_max: int = DRIVER_ROWS_MAX
    one_file: bool = False  # matches.parquet as one sorted file, written by the driver, instead of a folder of parts
    matches: str | None = None  # where the parts go instead: s3a://bucket/run, hdfs://…
    shared_out: bool = False  # executors of other machines see the folder of the output, as the driver does

    @property
    def sees_out(self) -> bool:
        """May executors write into the folder of the output? Those that are reached through this machine's loopback are on it."""
        master = self.conf.get("spark.master", self.master)
        scheme, _, rest = master.partition("://")
        is_near = scheme == "spark" and all((host.rpartition(":")[0] or host) in (LOOPBACK, "localhost") for host in rest.split(","))
        return self.shared_out or is_near or master.startswith("local")

    @property
    def matches_in_a_store(self) -> bool:
        """Do the matches go where all executors can write whichever machine they are on?"""
        return bool(self.matches) and not addressed(self.matches or "").startswith("file:")


class SparkEngine:
    """A Spark session. Tables are kept by the executors, in memory and on their disks; none of them is written to a shared folder."""

    name = "spark"
    all_ones = "-1"  # Spark's bigint is signed
    is_cluster = True

    def __init__(self, folder: Path, settings: ClusterSettings | None = None, *, memory: int | None = None) -> None:
        """Start a session, or use the one that is there. Raises InvalidInput when pyspark is not installed: it is the extra `spark`."""
        try:
            from pyspark.sql import SparkSession  # half a gigabyte: loaded by those who ask for it
        except ImportError as error:
            raise InvalidInput("engine", "duckdb, or spark with the extra counterfoil[spark] installed", got="spark") from error
        self.settings = settings or ClusterSettings()
        running = SparkSession.getActiveSession()
        self._is_ours = running is None
        self.session = running or started(self.settings, folder, memory)
        parts = "spark.sql.files.minPartitionNum"  # where files are split must not change when an executor comes: rows are numbered by it
        if self.session.conf.get(parts, None) is None:
            self.session.conf.set(parts, str(max(1, self.session.sparkContext.defaultParallelism)))
        self.folder = folder
        self._memory = memory
        self._machine: DuckEngine | None = None
        self._held: dict[str, Any] = {}  # what executors keep of a table
        self._large: list[Any] = []
        self._counts: dict[str, int] = {}

    def frame(self, sql: str) -> Any:
        """A statement of ours as Spark's lazy answer."""
        return self.session.sql(in_spark(sql))

    def table(self, name: str, sql: str) -> None:
        """Kept by the executors and counted as it is made. What cannot hold a row costs no job."""
        self._keep(name, self.frame(sql), is_asked=True)

    def _keep(self, name: str, frame: Any, *, is_asked: bool = False) -> int:
        """Kept and counted; how many rows it has. Whether it can hold any `is_asked` of the plan that then runs, so it is planned once."""
        from pyspark.sql import Observation
        from pyspark.sql import functions as f

        seen = Observation()
        watched = frame.observe(seen, f.count(f.lit(1)).alias("rows"))
        if is_asked and is_empty(watched):
            self._put(name, frame.limit(0), None, 0)
            return 0
        kept = watched.localCheckpoint(eager=True)
        rows = int(seen.get["rows"])
        held = kept_rows(kept)
        if rows == 0:
            held.unpersist(False)
            self._put(name, kept.limit(0), None, 0)  # known to be empty from here on, so what is joined with it costs no job
        else:
            self._put(name, kept, held, rows)
        return rows

    def sift(self, name: str, sql: str, *, where: str, keep: str, tell: Sequence[str]) -> Row:
        """In one job: what it tells is added up as rows pass by."""
        from pyspark.sql import Observation
        from pyspark.sql import functions as f

        told = Observation()
        sums = [f.expr(in_spark(each)).alias(f"told_{n}") for n, each in enumerate(tell)]
        seen = self.frame(sql).observe(told, *sums)
        self._keep(name, seen.where(in_spark(where)).selectExpr(*(part.strip() for part in keep.split(","))))
        return tuple(told.get[f"told_{n}"] for n in range(len(tell)))

    def hold(self, name: str, sql: str, *, of: str, by: str, rows: int) -> None:
        """Kept by the executors on their disks, in columns, as it is first read: for what is as large as the sides.

        Rows are moved as they are: added up before, where nearly all are alone, they were sorted twice and larger. Spark does not join
        small parts of what it keeps, so they are as many as the rows want, and not the 200 that it takes otherwise.
        """
        from pyspark import StorageLevel

        parts = self.settings.conf.get(SHUFFLE_PARTS) or max(self.session.sparkContext.defaultParallelism, -(-rows // PART_ROWS))
        self.frame(of).repartition(int(parts), by).createOrReplaceTempView("moved")
        frame = self.frame(sql).persist(StorageLevel.DISK_ONLY)
        self._put(name, frame, None, None)
        self._large.append(frame)

    def _put(self, name: str, frame: Any, held: Any, rows: int | None) -> None:
        before = self._held.pop(name, None)
        small = rows is not None and rows <= BROADCAST_ROWS_MAX and len(frame.columns) <= 2
        (frame.hint("broadcast") if small else frame).createOrReplaceTempView(name)
        self._counts.pop(name, None)
        if rows is not None:
            self._counts[name] = rows
        if held is not None:
            self._held[name] = held
        if before is not None:
            before.unpersist(False)

    def view(self, name: str, sql: str) -> None:
        """A temporary view."""
        self.frame(sql).createOrReplaceTempView(name)

    def rows(self, sql: str) -> list[Row]:
        """Collected to the driver."""
        return [tuple(row) for row in self.frame(sql).collect()]

    def rows_at_once(self, sql: str) -> list[Row]:
        """Shuffled by one plan: each table that is broadcast would be a job, and each shuffle of a plan that adapts itself."""
        with self._settings(ONE_JOB):
            return self.rows(sql)

    def answers(self, questions: Mapping[str, str]) -> dict[str, list[Row]]:
        """As one union by one plan. Groups are few, so one task adds them up: a shuffle more for each sum and order of them costs more."""
        from pyspark.sql import functions as f

        found: dict[str, list[Row]] = {name: [] for name in questions}
        with self._settings({**ONE_JOB, SHUFFLE_PARTS: "1"}):
            frames = [self.frame(sql) for sql in questions.values()]
            width = [len(frame.columns) for frame in frames]
            named = [frame.toDF(*map(str, range(len(frame.columns)))).withColumn(PART, f.lit(n)) for n, frame in enumerate(frames)]
            together = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), named)
            columns = [PART, *map(str, range(max(width)))]
            names = list(questions)
            for part, *values in together.select(*columns).collect():
                found[names[part]].append(tuple(values[: width[part]]))
        return found

    @contextmanager
    def _settings(self, settings: Mapping[str, str]) -> Iterator[None]:
        before = {name: str(self.session.conf.get(name)) for name in settings}
        try:
            for name, value in settings.items():
                self.session.conf.set(name, value)
            yield
        finally:
            for name, value in before.items():
                self.session.conf.set(name, value)

    def count(self, name: str) -> int:
        """Counted when the table was made."""
        if name not in self._counts:
            self._counts[name] = self.session.table(name).count()
        return self._counts[name]

    def load(self, name: str, columns: Mapping[str, str], rows: Sequence[Row]) -> None:
        """From the driver."""
        shape = ", ".join(f"{column} {_KINDS[kind]}" for column, kind in columns.items())
        self._put(name, self.session.createDataFrame(list(rows), shape), None, len(rows))

    def drop(self, *names: str) -> None:
        """The view, and what executors keep of it."""
        for name in names:
            self.session.catalog.dropTempView(name)
            self._counts.pop(name, None)
            if held := self._held.pop(name, None):
                held.unpersist(False)

    def machine_for(self, rows: int) -> Engine:
        """The driver's own DuckDB, unless there are too many: then the passes run on the cluster."""
        if rows > self.settings.driver_rows_max:
            return self
        self._machine = DuckEngine(self.folder, memory=self._memory)
        return self._machine

    def send(self, machine: Engine, tables: Mapping[str, str], *, rows_most: int | None = None) -> None:
        """Through Arrow, all of them together, a slice at a time."""
        if isinstance(machine, DuckEngine):
            self._to_driver(machine, tables, rows_most)
        else:
            for name, sql in tables.items():
                machine.table(name, sql)

    def _to_driver(self, machine: DuckEngine, tables: Mapping[str, str], rows_most: int | None = None) -> None:
        import pyarrow.compute as pc
        from pyspark.sql import functions as f

        frames = {name: self.frame(sql) for name, sql in tables.items()}
        parts = [frame.withColumn(PART, f.lit(n)) for n, frame in enumerate(frames.values())]
        sent = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)
        if rows_most is None or rows_most > SLICE_ROWS:  # else it is worth no job to keep and count them
            rows_most = self._keep("sent", sent)
            sent = self.session.table("sent")
        machine.drop(*tables)
        for number in range(slices := max(1, -(-rows_most // SLICE_ROWS))):
            arrived = (sent.where(f"pmod(xxhash64(*), {slices}) = {number}") if slices > 1 else sent).toArrow()
            for n, (name, frame) in enumerate(frames.items()):
                machine.arrow(name, arrived.filter(pc.equal(arrived[PART], n)).select(frame.columns))
        if "sent" in self._counts:
            self.drop("sent")

    def lend(self, tables: Mapping[str, str]) -> DuckEngine:
        """A DuckDB beside the driver."""
        machine = DuckEngine(self.folder, memory=self._memory)
        self._to_driver(machine, tables)
        return machine

    def take_back(self, machine: DuckEngine, *names: str) -> None:
        """From the driver's memory."""
        try:
            for name in names:
                self._put(name, self.session.createDataFrame(machine.fetched(f"select * from {name}")), None, machine.count(name))
        finally:
            machine.close()

    def hash(self, *columns: str) -> str:
        """Spark's 64-bit hash; its plain `hash` has 32 bits."""
        return f"xxhash64({', '.join(columns)})"

    def wide_sum(self, column: str) -> str:
        """Spark's bigint sums overflow: 38 digits do not."""
        return f"sum(cast({column} as decimal(38, 0)))"

    def write_parts(self, frame: Any, address: str) -> int:
        """Rows as a folder of Parquet parts, written by executors; how many they are."""
        from pyspark.sql import Observation
        from pyspark.sql import functions as f

        seen = Observation()
        frame.observe(seen, f.count(f.lit(1)).alias("rows")).write.option("compression", "zstd").parquet(address)
        return int(seen.get["rows"])

    def close(self) -> None:
        """Let executors forget what they keep, and end the session if it is ours."""
        if self._machine is not None:
            self._machine.close()
        if self._is_ours:
            self.session.stop()
        else:
            for held in (*self._large, *self._held.values()):
                held.unpersist(False)


def local_address(path: Path | str) -> str:
    """A path of this machine as Hadoop names it, whose usual store may be another. It decodes nothing: `%20` stays what it is."""
    return f"file://{Path(path).absolute()}"


def addressed(path: str) -> str:
    """An address of a store as it is; what has no scheme is a path of this machine."""
    return path if _SCHEME.match(path) else local_address(path)


def started(settings: ClusterSettings, folder: Path, memory: int | None = None) -> Any:
    """A session. Spark's own settings as they are given go before ours; `memory` in bytes is the driver's."""
    from pyspark.sql import SparkSession

    is_local = settings.master.startswith("local")
    host = settings.driver_host or (LOOPBACK if is_local else None)
    ours = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": local_address(folder / "warehouse"),
        "spark.log.level": "ERROR",
        **({"spark.driver.host": host} if host else {}),
        **({"spark.driver.bindAddress": LOOPBACK} if host == LOOPBACK else {}),
        **({"spark.driver.memory": f"{memory >> 20}m"} if memory else {}),
        **({SHUFFLE_PARTS: "8"} if is_local else {}),
        **settings.conf,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
    }
    builder = SparkSession.builder.master(settings.master).appName("counterfoil reconciliation")
    for name, value in ours.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
