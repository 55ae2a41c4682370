"""Two files in, one verdict out: no server, no database. What `counterfoil reconcile files` does."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import duckdb

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine, Row, identifier, literal, memory_bytes
from counterfoil.matching.engines.spark import ClusterSettings, addressed
from counterfoil.matching.findings.outcome import MatchingResult, matches_of, reconcile
from counterfoil.matching.guess.columns import paths_of
from counterfoil.matching.keeping.marks import KeptSides
from counterfoil.matching.keeping.shelf import Shelf
from counterfoil.matching.output.files import canonical, write_every_break, write_places, write_rejected, write_report
from counterfoil.matching.output.report_page import write_page
from counterfoil.matching.output.workbook import PAIR_COLUMNS, PAIRS_ORDER, PAIRS_SHOWN_MAX, write_workbook
from counterfoil.matching.passes.pipeline import Progress
from counterfoil.matching.reading.loading import digests_of, read_side
from counterfoil.matching.reading.provenance import RecordPlace, places_of
from counterfoil.matching.reading.scans import SourceUnreadable, files_of
from counterfoil.matching.reading.sides import Side
from counterfoil.matching.rules.model import RuleSet

ENGINES: Final = ("duckdb", "spark")
NAMES: Final = (
    "report.json",
    "breaks.csv",
    "places.csv",
    "matches.parquet",
    "rejected.csv",
    "report.html",
    "breaks.xlsx",
    "run.json",
)
PLACES_MAX: Final = 20_000


def reconcile_files(
    left: Path | str | Sequence[Path],
    right: Path | str | Sequence[Path],
    rules: RuleSet,
    *,
    out: Path,
    engine: str = "duckdb",
    memory: str | None = None,
    cluster: ClusterSettings | None = None,
    threads: int | None = None,
    keep: Path | None = None,
    progress: Progress = lambda _: None,
) -> MatchingResult:
    """Reconcile files and write the outputs into `out`. Texts are paths or, for Spark, addresses of a store (s3a://, hdfs://).

    `keep` is a folder for what a later run over the same bytes need not compute again; the outputs are the same.

    Raises InvalidInput (rules that do not fit), SourceUnreadable (a broken file), DoesNotFoot. What was half written is not left behind.
    """
    if engine not in ENGINES:
        raise InvalidInput("engine", f"one of {', '.join(ENGINES)}", got=engine[:40])
    _have_folder(out)
    most = memory_bytes(memory) if memory else None
    if engine == "spark":
        if keep is not None:
            raise InvalidInput("keep", "no folder: on Spark nothing is kept between runs", got=str(keep)[:200])
        return _on_spark(left, right, rules, out, cluster, most, progress)
    here, there = (Path(given) if isinstance(given, str) else given for given in (left, right))
    folder = Path(tempfile.mkdtemp(prefix=".work-", dir=out))
    reader = DuckEngine(folder, memory=most, threads=threads)
    shelf: Shelf | None = None
    try:
        _check_patterns(reader, rules)
        files = digests_of(path for path in (*paths_of(here), *paths_of(there)) if path.is_file())
        shelf = Shelf(keep, files) if keep else None
        progress("Reading the left side")
        ours = read_side(reader, paths_of(here), rules.left, "left", folder, shelf)
        progress("Reading the right side")
        theirs = read_side(reader, paths_of(there), rules.right, "right", folder, shelf)
        kept = KeptSides(reader, shelf, {"left": rules.left, "right": rules.right}) if shelf else None
        matched, outcome = reconcile(reader, ours, theirs, rules, progress=progress, is_one_off=True, kept=kept)
        outcome = replace(outcome, kept=shelf.told() if shelf else ())
        progress("Writing the matches and the report")
        pairs = reader.write(matches_of(reader, matched, ours, theirs), folder / "matches.parquet")
        write_every_break(reader, matched, outcome, folder / "breaks.csv")
        _write(reader, outcome, pairs, {"left": ours, "right": theirs}, folder, {"engine": engine, "memory": memory}, files)
        paths = {name: out / name for name in NAMES}
        for name, path in paths.items():
            if path.is_dir():
                shutil.rmtree(path)  # the parts of a run on Spark
            (folder / name).replace(path)
        if shelf:
            shelf.settle()
        return replace(outcome, paths=paths)
    finally:
        reader.close()
        if shelf:
            shelf.close()
        shutil.rmtree(folder, ignore_errors=True)


def _have_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput("out", "a folder that can be written to", got=str(out)[:200], reason=error.strerror or "") from error


def _on_spark(
    left: Path | str | Sequence[Path],
    right: Path | str | Sequence[Path],
    rules: RuleSet,
    out: Path,
    settings: ClusterSettings | None,
    memory: int | None,
    progress: Progress,
) -> MatchingResult:
    from counterfoil.matching.cluster_files import reconcile_on_cluster  # an extra, loaded by those who ask for it

    checker = DuckEngine(out)
    try:
        _check_patterns(checker, rules)
    finally:
        checker.close()
    sides = [[addressed(str(each)) for each in ([given] if isinstance(given, Path | str) else given)] for given in (left, right)]
    return reconcile_on_cluster(
        sides[0], sides[1], rules, out=out, names=NAMES, settings=settings or ClusterSettings(), memory=memory, progress=progress
    )


def _check_patterns(engine: DuckEngine, rules: RuleSet) -> None:
    """Python and the engine read most expressions alike, and not all: look-ahead is unknown there. Raises InvalidInput."""
    for number, step in enumerate(rules.passes):
        pattern = getattr(step, "extract", None)
        if pattern is None:
            continue
        try:
            engine.rows(f"select regexp_extract('', {literal(pattern)})")
        except duckdb.Error as error:
            told = str(error).splitlines()[0][:200]
            raise InvalidInput(
                f"pass.{number}.extract", f"a regular expression that the engine knows ({told})", got=pattern[:60]
            ) from error


def _write(
    reader: DuckEngine,
    outcome: MatchingResult,
    pairs: int,
    sides: Mapping[str, Side],
    folder: Path,
    circumstances: Mapping[str, str | None],
    digests: Mapping[Path, str],
) -> None:
    """Everything that is told from the outcome alone, and the circumstances of the run beside it. Raises SourceUnreadable where a file is
    no longer the one that was read."""
    now = digests_of(path for path in digests if path.is_file())
    for path, digest in digests.items():
        if now.get(path) != digest:
            raise SourceUnreadable(file=path.name, reason="the file changed while it was read")
    write_report(outcome, folder / "report.json")
    write_rejected(outcome.rejected, folder / "rejected.csv")
    places = _places(reader, outcome, sides)
    write_places(outcome, places, folder / "places.csv")
    write_page(outcome, places, folder / "report.html")
    write_workbook(outcome, places, folder / "breaks.xlsx", _pairs(reader, folder / "matches.parquet") if pairs else [], pairs)
    files = [
        {"side": side.key, "file": path.name, "format": side.format, "sha256": digests[path]}
        for side in sides.values()
        for path in side.files
    ]
    told = {**circumstances, "rules_sha256": outcome.rules_sha256, "files": files, "kept": outcome.kept}
    (folder / "run.json").write_text(canonical(told), "utf-8")


def _pairs(engine: DuckEngine, matches: Path) -> list[Row]:
    """The pairs that the workbook lists, suggested ones first."""
    source = f"read_parquet({files_of([matches])})"
    columns = ", ".join(identifier(name) for name in PAIR_COLUMNS)
    order = ", ".join(f"{part} desc" if way == "desc" else f"{identifier(part)} nulls last" for part, way in PAIRS_ORDER)
    return engine.rows(f"select {columns} from {source} order by {order} limit {PAIRS_SHOWN_MAX}")


def _places(engine: DuckEngine, outcome: MatchingResult, sides: Mapping[str, Side]) -> Mapping[tuple[str, int], RecordPlace]:
    """Where the records of the breaks stand in their files."""
    rows: dict[str, list[int]] = {"left": [], "right": []}
    for each in outcome.breaks:
        for record in (*each.left, *each.right):
            if record.line is not None and len(rows[record.side]) < PLACES_MAX:
                rows[record.side].append(record.line)
    return {(key, row): place for key, side in sides.items() for row, place in places_of(engine, side.reading, rows[key]).items()}
