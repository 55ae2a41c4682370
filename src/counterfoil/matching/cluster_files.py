"""Two sides in files on a cluster: what `counterfoil reconcile files --engine spark` does."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine, Row, identifier, literal
from counterfoil.matching.engines.spark import ClusterSettings, SparkEngine, addressed, local_address
from counterfoil.matching.findings.outcome import ORDER, REASON, MatchingResult, clean_of, pairs_of, reconcile
from counterfoil.matching.output.files import canonical, write_every_break, write_places, write_rejected, write_report
from counterfoil.matching.output.report_page import write_page
from counterfoil.matching.output.workbook import PAIRS_ORDER, PAIRS_SHOWN_MAX, write_workbook
from counterfoil.matching.passes.clearing import RAW
from counterfoil.matching.passes.pipeline import Matched, Progress
from counterfoil.matching.reading.cluster_lines import by_name, lines_of, name_told, record_of, source_is_text
from counterfoil.matching.reading.loading import read_side
from counterfoil.matching.reading.on_cluster import FileSeen, NotForExecutors, SideAsked, ask_side, files_seen, read_on_cluster, totals_of
from counterfoil.matching.reading.provenance import RAW_CHARS_MAX, RecordPlace, line_of_row, places_of
from counterfoil.matching.reading.scans import SourceUnreadable, files_of
from counterfoil.matching.reading.sides import COLUMNS, Side
from counterfoil.matching.rules.model import RuleSet, Source

PLACES_MAX: Final = 20_000
MATCHES: Final = "matches.parquet"
LOCAL_STORE: Final = "file:"


class ReadSide(NamedTuple):
    """A side with its files, and who read them: the executors, or the driver and why."""

    side: Side
    files: Sequence[FileSeen]
    by_driver: str


def reconcile_on_cluster(
    left: Sequence[str],
    right: Sequence[str],
    rules: RuleSet,
    *,
    out: Path,
    names: Sequence[str],
    settings: ClusterSettings,
    memory: int | None = None,
    progress: Progress = lambda _: None,
) -> MatchingResult:
    """Reconcile files that executors read, and write the outputs into `out`. Raises as `reconcile_files`. What was half written goes."""
    if not settings.sees_out and (settings.one_file or not settings.matches_in_a_store):
        limit = "--shared-out where all executors see the folder of --out, or --matches in a store that they share, without --one-file"
        raise InvalidInput("out", limit, got=str(out)[:200])
    folder = Path(tempfile.mkdtemp(prefix=".work-", dir=out))
    reader = DuckEngine(folder, memory=memory)
    cluster = None
    try:
        progress("Starting Spark")
        cluster = SparkEngine(folder, settings, memory=memory)
        progress("Reading both sides")
        sides = _read(cluster, reader, {"left": (left, rules.left), "right": (right, rules.right)}, folder)
        matched, outcome = reconcile(cluster, sides["left"].side, sides["right"].side, rules, progress=progress, is_one_off=True)
        progress("Writing the matches and the report")
        pairs = _write_matches(cluster, reader, matched, sides, folder)
        write_every_break(matched.machine, matched, outcome, folder / "breaks.csv")
        _write(cluster, reader, matched, outcome, sides, folder, pairs)
        made = [name for name in names if name != MATCHES or not settings.matches]
        for name in made:
            if (out / name).is_dir():
                shutil.rmtree(out / name)
            elif (folder / name).is_dir():
                (out / name).unlink(missing_ok=True)  # the one file of an earlier run, where now are parts
            (folder / name).replace(out / name)
        return replace(outcome, paths={name: out / name for name in made})
    finally:
        if cluster is not None:
            cluster.close()
        reader.close()
        shutil.rmtree(folder, ignore_errors=True)


def _read(cluster: SparkEngine, reader: DuckEngine, given: Mapping[str, tuple[Sequence[str], Source]], folder: Path) -> dict[str, ReadSide]:
    """By the executors; what they would read otherwise than DuckDB by the driver, from a local file. Raises SourceUnreadable."""
    files = {key: files_seen(cluster, paths) for key, (paths, _) in given.items()}
    asked: dict[str, SideAsked] = {}
    sides: dict[str, ReadSide] = {}
    odd: dict[str, NotForExecutors] = {}
    for key, (_, source) in given.items():
        try:
            asked[key] = ask_side(cluster, files[key], source, key, folder)
        except NotForExecutors as reason:
            odd[key] = reason
    totals = totals_of(cluster, list(asked.values())) if asked else {}
    for key, side in asked.items():
        try:
            sides[key] = ReadSide(read_on_cluster(cluster, side, totals[key]), files[key], "")
        except NotForExecutors as reason:
            odd[key] = reason
    for key, why in odd.items():
        sides[key] = _read_by_driver(cluster, reader, files[key], given[key][1], key, folder, why)
    return sides


def _read_by_driver(
    cluster: SparkEngine, reader: DuckEngine, files: Sequence[FileSeen], source: Source, key: str, folder: Path, reason: NotForExecutors
) -> ReadSide:
    """What executors would read otherwise than DuckDB, for the reason that is given. Raises SourceUnreadable."""
    if any(not file.path.startswith(LOCAL_STORE) for file in files):
        raise SourceUnreadable(source=key, reason=f"executors do not read {reason}; a local file is read by the driver") from reason
    if not cluster.settings.sees_out:
        told = f"executors do not read {reason}, and take it from the driver only where they see the folder of --out (--shared-out)"
        raise SourceUnreadable(source=key, reason=told) from reason
    local = [Path(file.path.removeprefix(LOCAL_STORE)) for file in files]
    side = read_side(reader, local, source, key, folder)
    return ReadSide(_moved(side, cluster, reader, folder), files, f"executors do not read {reason}")


def _moved(side: Side, cluster: SparkEngine, reader: DuckEngine, folder: Path) -> Side:
    """A side that the driver read, in the common shape, as Parquet in the output folder, which every executor must see then."""
    path = folder / f"{side.key}-common.parquet"
    reader.conn.execute(f"copy ({side.select((*COLUMNS, *side.own))}) to {literal(str(path))} (format parquet)")
    cluster.session.read.parquet(*by_name([local_address(path)])).createOrReplaceTempView(f"{side.key}_common")
    return replace(side, relation=f"{side.key}_common", columns={name: name for name in (*COLUMNS, *side.own)}, good="")


def _write_matches(
    cluster: SparkEngine, reader: DuckEngine, matched: Matched, sides: Mapping[str, ReadSide], folder: Path
) -> tuple[list[Row], int]:
    """Every pair, written by the executors in parts; and those that the workbook lists, with how many there are."""
    shown = f'left_id, right_id, pass, status, {REASON} as reason, score, "group"'
    one_file = cluster.settings.one_file
    kept = "*" if one_file else shown  # what is sorted still needs the days apart
    near = folder / ("parts" if one_file else MATCHES)
    parts = local_address(near) if one_file else addressed(cluster.settings.matches or str(near))
    laid = f"select {kept} from ({pairs_of()}) p"
    if isinstance(matched.machine, DuckEngine):
        found = cluster.session.createDataFrame(matched.machine.fetched(laid))
    else:
        found = cluster.frame(laid)
    if clean := clean_of(cluster, matched, sides["left"].side, sides["right"].side):
        found = cluster.frame(f"select {kept} from ({clean}) p").unionByName(found)
    count = cluster.write_parts(found, parts)
    cluster.session.read.schema(found.schema).parquet(*by_name([parts])).createOrReplaceTempView("written_pair")
    listed = cluster.frame(f"select {shown} from written_pair" if one_file else "select * from written_pair")
    rows = [tuple(row) for row in listed.orderBy(*_in_spark_order()).limit(PAIRS_SHOWN_MAX).collect()]
    if one_file:
        reader.view("part", f"select * from read_parquet({files_of(sorted(near.glob('*.parquet')))})")
        reader.write(ORDER._replace(rows="select * from part", shown=shown), folder / MATCHES)
    return rows, count


def _in_spark_order() -> list[Any]:
    from pyspark.sql import functions as f

    return [f.col(part).desc() if way == "desc" else f.col(part).asc_nulls_last() for part, way in PAIRS_ORDER]


def _write(
    cluster: SparkEngine,
    reader: DuckEngine,
    matched: Matched,
    outcome: MatchingResult,
    sides: Mapping[str, ReadSide],
    folder: Path,
    pairs: tuple[list[Row], int],
) -> None:
    """What is told from the outcome, and the circumstances. Raises SourceUnreadable where a file is no longer the one that was read."""
    for read in sides.values():
        if files_seen(cluster, [file.path for file in read.files]) != list(read.files):
            raise SourceUnreadable(source=read.side.key, reason="a file changed while it was read")
    write_report(outcome, folder / "report.json")
    write_rejected(outcome.rejected, folder / "rejected.csv")
    places = {
        place: told
        for side, read in (("l", sides["left"]), ("r", sides["right"]))
        for place, told in _places(cluster, reader, matched, outcome, side, read)
    }
    write_places(outcome, places, folder / "places.csv")
    write_page(outcome, places, folder / "report.html")
    write_workbook(outcome, places, folder / "breaks.xlsx", *pairs)
    settings = cluster.settings
    told = {
        "engine": "spark",
        "master": cluster.session.sparkContext.master,
        "passes_ran_on": "the cluster" if matched.machine is cluster else "the driver",
        "matches": settings.matches or MATCHES,
        "rules_sha256": outcome.rules_sha256,
        "files": [
            {
                "side": key,
                "file": file.path,
                "format": read.side.format,
                "bytes": file.bytes,
                "modified_ms": file.modified_ms,
                "read_by": f"the driver: {read.by_driver}" if read.by_driver else "executors",
            }
            for key, read in sides.items()
            for file in read.files
        ],
    }
    (folder / "run.json").write_text(canonical(told), "utf-8")


def _places(
    cluster: SparkEngine, reader: DuckEngine, matched: Matched, outcome: MatchingResult, side: str, read: ReadSide
) -> list[tuple[tuple[str, int], RecordPlace]]:
    """Where the records of the breaks stand, out of what was fetched with them."""
    key = read.side.key
    wanted: list[int] = []
    for each in outcome.breaks:
        for record in (*each.left, *each.right):
            if record.side == key and record.line is not None and len(wanted) < PLACES_MAX:
                wanted.append(record.line)
    if RAW not in read.side.columns:
        return [((key, at), place) for at, place in places_of(reader, read.side.reading, wanted).items()]
    if not wanted:
        return []
    machine = matched.machine
    machine.load("wanted_row", {"row": "bigint"}, [(row,) for row in dict.fromkeys(wanted)])
    row = identifier("row")
    rows = machine.rows(
        f"select b.{row}, b.file, b.{RAW} from {side}_base b join wanted_row w on w.{row} = b.{row} order by b.file, b.{row}"
    )
    paths = [file.path for file in read.files]
    lines = lines_of(cluster, paths, [int(at) for at, _, _ in rows]) if source_is_text(paths) else {}
    return [
        ((key, at), RecordPlace(name_told(file), lines.get(at) or line_of_row(at), _as_text(raw)[:RAW_CHARS_MAX])) for at, file, raw in rows
    ]


def _as_text(raw: str | None) -> str:
    """A record as JSON in the order of its columns."""
    return json.dumps(record_of(raw), ensure_ascii=False, default=str)
