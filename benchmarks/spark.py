"""Matching on a Spark cluster against a plain full join of the same files in the same session: `python -m benchmarks.spark [--quick]`.

A standalone master and two workers of one core each, in processes of their own. The plain join is what one would write by hand: both
sides numbered within their reference, joined in full, and the joined rows written as Parquet. Ours reads, matches with every pass,
explains, and writes pairs, breaks and reports. The memory is the most that Python and the driver's own Java held.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from benchmarks import harness
from benchmarks.matching import rules
from benchmarks.matching_data import make
from benchmarks.spark_cluster import standalone
from counterfoil.matching.engines.spark import ClusterSettings, started
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.two_files import reconcile_files

NUMBERED: Final = "select *, row_number() over (partition by reference order by amount, date) as n from {side}_file"
PLAIN: Final = f"""
select l.id as left_id, r.id as right_id, coalesce(l.reference, r.reference) as reference, l.amount as left_amount,
       r.amount as right_amount, r.id is null as missing_right, l.id is null as missing_left,
       (l.amount, l.currency, l.status) <> (r.amount, r.currency, r.status) as different
from ({NUMBERED.format(side="left")}) l full join ({NUMBERED.format(side="right")}) r on l.reference = r.reference and l.n = r.n"""
DRIVER_MEMORY_MB: Final = 1_024
WARM_ROWS: Final = 1_000


def run(folder: Path, rows: int, form: str) -> dict[str, Any]:
    """One size: DuckDB for the digest, then on one cluster a small run of each way that starts the executors, the plain join and ours."""
    here, small = folder / str(rows), folder / str(WARM_ROWS)
    for data, many in ((here, rows), (small, WARM_ROWS)):
        made = multiprocessing.get_context("spawn").Process(target=make, args=(data, many))  # its memory is not the driver's
        made.start()
        made.join()
        if made.exitcode:
            raise RuntimeError(f"the data of {many:,} rows could not be made")
    work = Path(tempfile.mkdtemp(dir=folder))
    try:
        with standalone(work) as master:
            settings = ClusterSettings(master, driver_host="127.0.0.1", conf={"spark.executor.memory": "1g"})
            session_s, session = timed(lambda: started(settings, work, DRIVER_MEMORY_MB << 20))
            plain(session, small, work / "warm-plain", form)  # executors come with the first work
            reconciled(small, work / "warm", form, settings)
            plain_join_s, _ = timed(lambda: plain(session, here, work / "plain", form))
            ours_s, ours = timed(lambda: reconciled(here, work / "told", form, settings))
            driver_memory_mb = harness.memory_mb() + java_memory_mb()
            jobs = len(session.sparkContext.statusTracker().getJobIdsForGroup())
            session.stop()
        duck = reconcile_files(here / f"left.{form}", here / f"right.{form}", rules(), out=work / "duck", memory="1GB")
        return {
            "rows": rows,
            "form": form,
            "ours_s": round(ours_s, 2),
            "plain_join_s": round(plain_join_s, 2),
            "ratio": round(ours_s / plain_join_s, 3),
            "driver_memory_mb": round(driver_memory_mb),
            "same_digest": digest(ours) == digest(duck),
            "breaks": ours.breaks_total,
            "jobs_of_two_runs_and_joins": jobs,
            "session_s": round(session_s, 2),
        }
    finally:
        shutil.rmtree(work, ignore_errors=True)


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds by the clock, and what came of it."""
    began = time.monotonic()
    done = act()
    return time.monotonic() - began, done


def plain(session: Any, data: Path, into: Path, form: str) -> None:
    """The join by hand."""
    for side in ("left", "right"):
        reader = session.read.option("header", "true").option("inferSchema", "false")
        frame = reader.parquet(str(data / f"{side}.parquet")) if form == "parquet" else reader.csv(str(data / f"{side}.csv"))
        frame.createOrReplaceTempView(f"{side}_file")
    session.sql(PLAIN).write.option("compression", "zstd").parquet(str(into))


def reconciled(data: Path, out: Path, form: str, settings: ClusterSettings) -> MatchingResult:
    """Ours, whole."""
    return reconcile_files(data / f"left.{form}", data / f"right.{form}", rules(), out=out, engine="spark", memory="1GB", cluster=settings)


def digest(outcome: MatchingResult) -> str:
    """Of every break, and of the totals of both sides."""
    totals = json.loads(outcome.paths["report.json"].read_text())
    told = hashlib.sha256(outcome.paths["breaks.csv"].read_bytes())
    told.update(json.dumps([totals[name] for name in ("footing", "control_totals", "kinds")], sort_keys=True).encode())
    return told.hexdigest()


def java_memory_mb() -> float:
    """The most memory that the driver's Java has had: the child of this process that is no worker and no master."""
    most = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes()
            marks = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue  # it ended while it was looked at
        if b"org.apache.spark.deploy.SparkSubmit" in command and b"pyspark-shell" in command:
            most = max(most, int(marks["VmHWM"].split()[0]) / 1024)
    return most


def main() -> None:
    """The figures, and one JSON object as the last line."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--quick", action="store_true", help="a million rows a side")
    given.add_argument("--rows", type=int, help="rows a side; ten million otherwise")
    given.add_argument("--form", choices=("parquet", "csv"), default="parquet")
    given.add_argument("--folder", type=Path, help="where the data is kept between runs")
    asked = given.parse_args()
    if find_spec("pyspark") is None or not shutil.which("java"):
        print("pyspark or Java is not there: make .venv/.spark; apt-get install openjdk-17-jre-headless", file=sys.stderr)
        harness.last_line({"benchmark": "spark", "left_out": "pyspark or Java is not there"})
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        result = run(folder, asked.rows or (1_000_000 if asked.quick else 10_000_000), asked.form)
    for name, value in result.items():
        print(f"{name.replace('_', ' '):<20} {value}")
    harness.last_line({"benchmark": "spark", **result})


if __name__ == "__main__":
    main()
