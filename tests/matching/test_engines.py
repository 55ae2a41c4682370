"""The engine on this machine: it stays within its memory, and says so when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from counterfoil.matching.engines.engine import DuckEngine, MemoryTooSmall
from counterfoil.matching.findings.outcome import reconcile
from counterfoil.matching.reading.loading import read_side
from counterfoil.matching.rules.toml_file import load_rules
from tests.matching.builders import EXACT, row, rules_text, write_csv
from tests.matching.test_same_bytes import PASSES


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckEngine]:
    made = DuckEngine(tmp_path, memory=256 << 20, threads=2)
    yield made
    made.close()


class OnceFull:
    """A connection that has no memory for the first statement that makes a table."""

    def __init__(self, conn: duckdb.DuckDBPyConnection) -> None:
        self.conn, self.threads = conn, []

    def execute(self, sql: str) -> Any:
        if sql.startswith("create"):
            self.threads.append(self.conn.execute("select current_setting('threads')").fetchall()[0][0])
            if len(self.threads) == 1:
                raise duckdb.OutOfMemoryException("Out of Memory Error: full")
        return self.conn.execute(sql)


def test_a_step_that_does_not_fit_with_all_threads_runs_again_with_one(engine: DuckEngine):
    plain, full = engine.conn, OnceFull(engine.conn)
    engine.conn = full  # type: ignore[assignment]
    engine.table("made", "select 7 as seven")
    engine.conn = plain
    assert engine.rows("select seven, current_setting('threads') from made") == [(7, 2)]
    assert full.threads == [2, 1]


def test_what_does_not_fit_at_all_is_a_problem_that_names_the_memory(engine: DuckEngine):
    engine.conn.execute("set memory_limit = '20MiB'")
    with pytest.raises(MemoryTooSmall, match="memory"):
        engine.table("listed", "select list(range) as all_in_one from range(20000000)")
    assert engine.rows("select current_setting('threads')") == [(2,)]


class Counted:
    """A connection that counts its statements."""

    def __init__(self, conn: duckdb.DuckDBPyConnection) -> None:
        self.conn, self.statements = conn, 0

    def execute(self, sql: str, *given: Any) -> Any:
        self.statements += 1
        return self.conn.execute(sql, *given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.conn, name)


def statements_of(folder: Path, passes: str, ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> int:
    """How many statements it takes to match two small files and to say what came of it."""
    folder.mkdir()
    rules = load_rules(rules_text(passes))
    paths = {"left": write_csv(folder / "left.csv", ours), "right": write_csv(folder / "right.csv", theirs)}
    engine = DuckEngine(folder)
    engine.conn = counted = Counted(engine.conn)  # type: ignore[assignment]
    sides = [read_side(engine, [path], getattr(rules, side), side, folder) for side, path in paths.items()]
    _, outcome = reconcile(engine, *sides, rules)
    assert outcome.breaks_total == len(ours) + len(theirs)
    engine.close()
    return counted.statements


def test_a_pass_that_can_find_nothing_is_hardly_planned(tmp_path: Path):
    """Of small files most of a run is the planning of statements: to find nothing, these passes took 461 more than one alone."""
    ours, theirs = [row("p1", amount=3_000_001)], [row("s1", amount=7_000_003)]
    one = statements_of(tmp_path / "one", EXACT, ours, theirs)
    every = statements_of(tmp_path / "every", PASSES, ours, theirs)
    assert (one < 60, every - one < 25) == (True, True), (one, every)


def test_rows_are_counted_as_a_table_is_made_and_again_once_it_has_more(engine: DuckEngine):
    engine.table("made", "select range as n from range(5)")
    engine.table("made", "select n from made where n > 2")
    assert engine.count("made") == 2
    engine.arrow("made", engine.fetched("select 9 as n"))
    assert engine.count("made") == 3
    engine.load("made", {"n": "bigint"}, [(1,)])
    assert engine.count("made") == 1
    engine.drop("made", "made_never")
    with pytest.raises(duckdb.CatalogException):
        engine.count("made")


def test_what_a_cluster_does_in_one_job_is_the_same_on_this_machine(engine: DuckEngine):
    engine.hold("counted", "select k, count(*) as n from moved group by k", of="select n % 3 as k from range(7) t(n)", by="k", rows=7)
    assert engine.sift("often", "select k, n from counted", where="n > 2", keep="k", tell=("sum(n)", "count(*)")) == (7, 3)
    assert engine.rows("select k from often") == [(0,)]
    told = engine.answers({"one": "select 1, 2", "more": "select k from counted order by k"})
    assert told == {"one": [(1, 2)], "more": [(0,), (1,), (2,)]}
    engine.send(engine, {"sent": "select k from counted", "again": "select 1 as one"}, rows_most=9)
    assert (engine.count("sent"), engine.count("again")) == (3, 1)
