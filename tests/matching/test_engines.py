"""The engine on this machine: it stays within its memory, and says so when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from counterfoil.matching.engines.engine import DuckEngine, MemoryTooSmall


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


def test_what_a_cluster_does_in_one_job_is_the_same_on_this_machine(engine: DuckEngine):
    engine.hold("counted", "select k, count(*) as n from moved group by k", of="select n % 3 as k from range(7) t(n)", by="k", rows=7)
    assert engine.sift("often", "select k, n from counted", where="n > 2", keep="k", tell=("sum(n)", "count(*)")) == (7, 3)
    assert engine.rows("select k from often") == [(0,)]
    told = engine.answers({"one": "select 1, 2", "more": "select k from counted order by k"})
    assert told == {"one": [(1, 2)], "more": [(0,), (1,), (2,)]}
    engine.send(engine, {"sent": "select k from counted", "again": "select 1 as one"}, rows_most=9)
    assert (engine.count("sent"), engine.count("again")) == (3, 1)
