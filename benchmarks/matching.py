"""Matching against the bare join and datacompy, each in its own process, in one run: `python -m benchmarks.matching [--quick]`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks import harness
from benchmarks.matching_data import expected, make
from counterfoil.matching.engines.engine import PROCESS_BYTES, DuckEngine, memory_bytes
from counterfoil.matching.keeping.marks import KeptSides
from counterfoil.matching.keeping.shelf import Shelf
from counterfoil.matching.passes.pipeline import match
from counterfoil.matching.reading.loading import digests_of, read_side
from counterfoil.matching.rules.model import RuleSet
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files

MEMORY: Final = "512MB"  # of the command with all its outputs
MATCHING_MEMORY: Final = "430MB"  # of the matching alone, which is wanted within 350 MB
LARGE: Final = 30_000_000
COLUMNS: Final = """
[{side}]
name = "{side}"
[{side}.columns]
id = "id"
reference = "reference"
asset = "currency"
booked_on = "date"
status = "status"
[{side}.amount]
column = "amount"
unit = "minor"
[{side}.csv]
delimiter = ","
encoding = "utf-8"
"""
PASSES: Final = """
[[pass]]
kind = "key"
name = "exact"
after_days = 2
[[pass]]
kind = "key"
name = "normalised"
normalise = ["case", "punctuation", "zeros"]
after_days = 2
[[pass]]
kind = "reversal"
after_days = 5
[[pass]]
kind = "group"
[[pass]]
kind = "text"
after_days = 5
[[pass]]
kind = "amount"
after_days = 5
"""


def rules() -> RuleSet:
    """All passes on."""
    return load_rules(COLUMNS.format(side="left") + COLUMNS.format(side="right") + PASSES)


def ours(folder: Path, form: str, keep: Path | None = None) -> dict[str, Any]:
    """Read, match, classify, foot; breaks and totals stay in the engine, matched pairs are not written."""
    with tempfile.TemporaryDirectory(dir=folder) as spill:
        engine = DuckEngine(Path(spill), memory=memory_bytes(MATCHING_MEMORY))
        given, files = rules(), {name: folder / f"{name}.{form}" for name in ("left", "right")}
        shelf = Shelf(keep, digests_of(files.values())) if keep else None
        sides = [read_side(engine, [path], getattr(given, name), name, Path(spill), shelf) for name, path in files.items()]
        kept = KeptSides(engine, shelf, {"left": given.left, "right": given.right}) if shelf else None
        matched = match(engine, sides[0], sides[1], given, kept=kept)
        if shelf:
            shelf.settle()
        kinds: dict[str, int] = dict(engine.rows("select kind, count(*) from pair where status = 'break' group by kind"))
        missing = {"MISSING_RIGHT": "l_left", "MISSING_LEFT": "r_left"}
        kinds |= {kind: engine.rows(f"select count(*) from {table}")[0][0] for kind, table in missing.items()}
        engine.close()
    return {
        "found": kinds,
        "read": [sum(f.source.rows for f in matched.footing if f.side == side) for side in ("left", "right")],
        **({"told": shelf.told()} if shelf else {}),
    }


def kept_before(folder: Path, form: str) -> dict[str, Any]:
    """The same where an earlier run kept what it found of these bytes; the digest of both files is part of it."""
    return ours(folder, form, folder / f"kept-{form}")


def whole(folder: Path, form: str) -> dict[str, Any]:
    """The command itself: every output, all matched pairs as sorted Parquet, explanations, page and workbook."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        outcome = reconcile_files(folder / f"left.{form}", folder / f"right.{form}", rules(), out=Path(out), memory=MEMORY)
        found: dict[str, int] = {}
        for kind, _, count, _ in outcome.kinds:
            found[kind] = found.get(kind, 0) + count
    return {"found": found}


def bare(folder: Path, form: str) -> dict[str, Any]:
    """DuckDB's full join of the same files, with all the memory it wants."""
    conn = duckdb.connect()
    conn.execute(f"set temp_directory = '{folder / 'spill'}'")
    files = [f"'{folder / name}.{form}'" for name in ("left", "right")]
    row = conn.execute(
        f"""select count(*) filter (l.id is null), count(*) filter (r.id is null), count(*) filter (l.amount <> r.amount),
                   count(*) filter (l.currency <> r.currency or l.status <> r.status)
            from {files[0]} l full join {files[1]} r on l.reference = r.reference"""
    ).fetchone()
    assert row is not None
    return {"found": {"MISSING_LEFT": row[0], "MISSING_RIGHT": row[1], "AMOUNT_MISMATCH": row[2]}}


NAIVE: Final = """
select count(*) filter (l.reference is null), count(*) filter (r.reference is null),
       count(*) filter (l.amount <> r.amount or l.currency <> r.currency or l.status <> r.status or not r.date - l.date between 0 and 2)
from (select *, row_number() over (partition by reference order by amount, date) as n from l) l
full join (select *, row_number() over (partition by reference order by amount, date) as n from r) r
     on l.reference = r.reference and l.n = r.n"""


def within(folder: Path, form: str) -> dict[str, Any]:
    """The query one would write by hand in what the engine's DuckDB is given of the same memory; with one thread where two need more."""
    memory = memory_bytes(MATCHING_MEMORY) - PROCESS_BYTES
    for threads in (os.cpu_count() or 1, 1):
        with suppress(duckdb.OutOfMemoryException):
            return naive(folder, form, memory, threads)
    return {"found": {}, "did_not_fit": True}


def naive(folder: Path, form: str, memory: int | None = None, threads: int | None = None) -> dict[str, Any]:
    """What one would write by hand: DuckDB's own reading into tables, rows numbered by reference, a full join; all the memory it wants."""
    conn = duckdb.connect()
    if memory:
        conn.execute(f"set memory_limit = '{memory >> 20}MiB'")
    if threads:
        conn.execute(f"set threads = {threads}")
    conn.execute(f"set temp_directory = '{folder / 'spill'}'")
    for name in ("left", "right"):
        conn.execute(f"create temp table {name[0]} as from '{folder / name}.{form}'")
    row = conn.execute(NAIVE).fetchone()
    assert row is not None
    return {"found": {"MISSING_LEFT": row[0], "MISSING_RIGHT": row[1], "DIFFERENT": row[2]}}


def datacompy(folder: Path, form: str) -> dict[str, Any]:
    """datacompy on Polars, the faster of its two engines on one machine."""
    import datacompy as library  # type: ignore[import-not-found, unused-ignore]
    import polars as pl  # type: ignore[import-not-found, unused-ignore]

    read = pl.read_parquet if form == "parquet" else pl.read_csv
    sides = [read(folder / f"{name}.{form}").drop("id") for name in ("left", "right")]
    compared = library.PolarsCompare(sides[0], sides[1], join_columns=["reference"])
    return {"found": {"MISSING_LEFT": compared.df2_unq_rows.height, "MISSING_RIGHT": compared.df1_unq_rows.height}}


WAYS: Final[dict[str, Callable[[Path, str], dict[str, Any]]]] = {
    "ours": ours,
    "kept": kept_before,
    "command": whole,
    "bare": bare,
    "naive": naive,
    "within": within,
    "datacompy": datacompy,
}


def alone(way: str, folder: Path, form: str) -> dict[str, Any]:
    """One way in a process of its own: seconds by the clock and by the processors, and the most memory it held."""
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.matching", "--one", way, "--folder", str(folder), "--form", form],
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise RuntimeError(f"{way} on {folder.name}: {found.stderr[-2000:]}")
    return dict(json.loads(found.stdout.splitlines()[-1]))


def measure(way: str, folder: Path, form: str) -> dict[str, Any]:
    """Called in the process that is measured."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    told = WAYS[way](folder, form)
    after = resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "seconds": round(time.monotonic() - began, 2),
        "processor_seconds": round(processor, 2),
        "memory_mb": harness.memory_mb(),
        **told,
    }


def run(folder: Path, sizes: list[int], large: int | None, *, with_datacompy: bool, repeats: int) -> dict[str, Any]:
    """Every way at every size, medians of `repeats`; `large` by the bare join and the engine alone; and every row a break."""
    result: dict[str, Any] = {"memory_limit": MEMORY, "matching_memory_limit": MATCHING_MEMORY, "cases": []}
    for rows in sizes:
        for form in ("parquet", "csv"):
            ways = ["bare", "ours", "kept", "command"]
            ways += ["naive", "within"] if form == "csv" else ["datacompy"] if with_datacompy else []
            result["cases"] += compared(folder, rows, form, ways, repeats=repeats)
    if large:
        result["cases"] += compared(folder, large, "parquet", ["bare", "ours"], repeats=1)
    broken = folder / f"{min(sizes)}-broken"
    make(broken, min(sizes), all_broken=True)
    for way in ("bare", "ours", "command"):
        case = {"rows": min(sizes), "form": "parquet, every row a break", "way": way, **alone(way, broken, "parquet")}
        result["cases"].append(case)
        show(case, None)
    return {**result, "ratios": ratios(result["cases"], max(sizes), large)}


def compared(folder: Path, rows: int, form: str, ways: list[str], *, repeats: int) -> list[dict[str, Any]]:
    """The ways in turn, `repeats` times, so that a slow minute of the machine falls on all of them; the median of each."""
    here = folder / f"{rows}"
    make(here, rows)
    truth = expected(here)
    measured: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    first = [{"rows": rows, "form": form, "way": "keeping", **alone("kept", here, form)}] if "kept" in ways else []
    for _ in range(repeats):
        for way, runs in measured.items():
            runs.append(alone(way, here, form))
    cases = []
    for way, runs in measured.items():
        runs.sort(key=lambda each: each["seconds"])
        case = {"rows": rows, "form": form, "way": way, **runs[len(runs) // 2]}
        case["memory_mb"] = max(each["memory_mb"] for each in runs)
        if way in ("ours", "kept", "command"):
            refuse_wrong(way, case["found"], truth)
        cases.append(case)
        show(case, cases[0]["seconds"])
    for case in first:
        show(case, cases[0]["seconds"])
    return cases + first


def refuse_wrong(way: str, found: dict[str, int], truth: dict[str, int]) -> None:
    """A fast wrong answer is no measurement."""
    wrong = {kind: (found.get(kind, 0), count) for kind, count in truth.items() if found.get(kind, 0) != count}
    if wrong:
        raise SystemExit(f"{way} found another number of breaks than there are: {wrong}")


def ratios(cases: list[dict[str, Any]], rows: int, large: int | None) -> dict[str, float]:
    """The figures that are wanted, of one run."""
    by = {(case["rows"], case["form"], case["way"]): case for case in cases}
    ours, csv = by[rows, "parquet", "ours"], by[rows, "csv", "ours"]
    told = {
        "ours_to_bare": ours["seconds"] / by[rows, "parquet", "bare"]["seconds"],
        "kept_to_bare": by[rows, "parquet", "kept"]["seconds"] / by[rows, "parquet", "bare"]["seconds"],
        "csv_to_naive": csv["seconds"] / by[rows, "csv", "naive"]["seconds"],
    }
    if not by[rows, "csv", "within"].get("did_not_fit"):
        told["csv_to_naive_within_our_memory"] = csv["seconds"] / by[rows, "csv", "within"]["seconds"]
    if other := by.get((rows, "parquet", "datacompy")):
        told["datacompy_to_ours"] = other["seconds"] / ours["seconds"]
        told["memory_to_datacompy"] = ours["memory_mb"] / other["memory_mb"]
    if large:
        told["rows_per_s_of_the_largest"] = (large / by[large, "parquet", "ours"]["seconds"]) / (rows / ours["seconds"])
    return {name: round(value, 3) for name, value in told.items()}


def show(case: dict[str, Any], bare_seconds: float | None) -> None:
    """One line of the table."""
    ratio = "did not fit" if case.get("did_not_fit") else f"{case['seconds'] / bare_seconds:5.2f}×" if bare_seconds else ""
    print(
        f"{case['rows']:>11,}  {case['form']:<28} {case['way']:<10} {case['seconds']:8.2f} s  {case['processor_seconds']:8.2f} s cpu"
        f"  {case['memory_mb']:7,.0f} MB  {ratio}",
        flush=True,
    )


def main() -> None:
    """The table, and one JSON object as the last line."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--quick", action="store_true", help="a million rows a side, once")
    given.add_argument("--rows", type=int, nargs="*", help="rows a side")
    given.add_argument("--folder", type=Path, help="where the data is kept between runs")
    given.add_argument("--one", choices=sorted(WAYS), help=argparse.SUPPRESS)
    given.add_argument("--form", default="parquet", help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.one:
        print(json.dumps(measure(asked.one, asked.folder, asked.form)))
        return
    sizes = asked.rows or ([1_000_000] if asked.quick else [1_000_000, 10_000_000])
    large = None if asked.quick or asked.rows else LARGE
    with_datacompy = importlib.util.find_spec("datacompy") is not None
    with tempfile.TemporaryDirectory() as temporary:
        result = run(
            asked.folder or Path(temporary),
            sizes,
            large,
            with_datacompy=with_datacompy,
            repeats=1 if asked.quick else 3,
        )
    for name, value in result["ratios"].items():
        print(f"{name.replace('_', ' '):<32} {value:7.3f}")
    print(json.dumps({"benchmark": "matching", "datacompy": with_datacompy, **result}))


if __name__ == "__main__":
    main()
