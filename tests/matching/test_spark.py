"""Spark says what DuckDB says: on a standalone master with two workers in processes of their own, which read the files themselves."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.spark_cluster import standalone
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.spark import ClusterSettings, started
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.reading.scans import SourceUnreadable
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import EXACT, parquet_parts, places_told, row, rules_text, told, write_csv
from tests.matching.test_same_bytes import PASSES, SAME

HOW = "Spark's tests: `make spark` installs pyspark and runs them; they need Java 17 (apt-get install openjdk-17-jre-headless)"
SparkSession = pytest.importorskip("pyspark.sql", reason=HOW).SparkSession
if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
    pytest.skip(HOW, allow_module_level=True)

pytestmark = pytest.mark.timeout(1_800)  # three Javas on two cores that others use, too
NORMALISED = '[[pass]]\nkind = "key"\nname = "normalised"\nnormalise = ["case", "punctuation", "zeros"]\n[[pass]]\nkind = "reversal"'
RULES = PASSES.replace('[[pass]]\nkind = "reversal"', NORMALISED, 1)
OWN_KEY = 'left = ["invoice"]\nright = ["invoice"]\nnormalise ='
# Each pass is some 60 statements there, so that one pass by keys stands for both: normalised, of a key field of the rule set's own.
ON_CLUSTER = PASSES.replace('name = "exact"', f'name = "exact"\n{OWN_KEY} ["case", "punctuation", "zeros"]')
# Many small jobs: a Java that compiles once and simply takes half the processor time of one that goes on compiling.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# And a plan that is interpreted: of so few rows, to write Java for each and to compile it takes longer than to run it. With the passes on
# the driver there are few plans, and they run as those of a user do.
COMPILED = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK", "spark.sql.adaptive.enabled": "true"}
PLAIN = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN", "spark.sql.adaptive.enabled": "false"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterSettings]:
    """A master and two workers in processes of their own; one session of the driver for all tests, with its event log and its page."""
    folder = tmp_path_factory.mktemp("spark")
    store = tmp_path_factory.getbasetemp().as_uri()
    events = folder / "events"
    events.mkdir()
    with standalone(folder, java=JAVA) as master:
        conf = {
            "spark.executor.memory": "512m",
            "spark.driver.extraJavaOptions": JAVA,
            "spark.executor.extraJavaOptions": JAVA,
            "spark.sql.shuffle.partitions": "2",
            **PLAIN,  # adaptive, each shuffle would be a job of its own
            "spark.hadoop.fs.viewfs.mounttable.default.link./store": store,
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": events.as_uri(),
            "spark.ui.enabled": "true",
            "spark.ui.port": "0",
            "spark.ui.retainedJobs": "100000",  # so that all can be counted
        }
        settings = ClusterSettings(master, driver_host="127.0.0.1", conf=conf, one_file=True)
        session = started(settings, folder)
        assert session.sparkContext.uiWebUrl
        yield settings
        session.stop()
    assert any(events.iterdir()), "the event log is kept"


def world(seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Some of everything: each pass has something to find, and something to leave alone."""
    rng = random.Random(seed)
    ours, theirs = [], []
    for n in range(150):
        here = row(
            f"p{n}",
            reference=f"REF{n:05}",
            amount=rng.randint(100, 10**6),
            counterparty=rng.choice(["Acme", "Straße", "Łódź"]),
        )
        there = {**here, "id": f"s{n}", "date": rng.choice(["2026-03-02", "2026-03-03"])}
        fate = rng.randrange(14)
        changes = {
            1: {"amount": "77"},
            2: {"asset": "USD"},
            3: {"status": "returned"},
            4: {"reference": f"ref-{n}"},
            5: {"reference": f"T{n}", "memo": f"for REF{n:05}"},
            6: {"reference": f"RFE{n:05}", "date": "2026-03-04"},
            7: {"reference": "", "memo": "Überweisung Müller"},
            8: {"date": "2026-03-20"},
            9: {"amount": str(10**18)},
        }
        there |= changes.get(fate, {})
        if fate != 10:
            ours.append(here)
        if fate != 11:
            theirs.append(there)
        if fate == 12:
            theirs.append({**there, "id": f"d{n}"})
        if fate == 13:
            ours.append({**here, "id": f"r{n}", "amount": str(-int(here["amount"]))})
    ours += [row("v1", reference="V", amount=500), row("v2", reference="V", amount=-500)]
    ours += [row(f"b{n}", reference=f"B{n}", batch="K1", amount=n) for n in range(1, 6)]
    placeholders = ("NOTPROVIDED", "N/A", "0", "1.23E+15", "—", "00000000-0000-0000-0000-000000000000")
    for n, text in enumerate(placeholders):  # strangers of equal amounts, and a batch that is none
        ours.append(row(f"n{n}", reference=text, batch=text, amount=n + 1))
        theirs.append(row(f"m{n}", reference=text, batch=text, amount=n + 1, memo=text))
    ours += [row(f"f{n}", batch="K2", amount=n, status="failed") for n in (30, 12)]  # a sum that the gate refuses
    ours += [
        row("e1", reference="EMB0001", amount=30),
        row("e2", reference="EMB0002", amount=70),
    ]  # named in one text, off by one
    theirs += [
        row("se", reference="tx", memo="EMB0001 EMB0002", amount=99),
        row("sf", reference="k2", batch="K2", amount=42),
    ]
    scripts = [("СЧ-00101", "сч 101"), ("請求-0102", "請求、102"), ("ΤΙΜ-103", "τιμ.0103"), ("СЧ-104", "АКТ-104")]
    for n, (here, there) in enumerate([*scripts, ("INV-20105", "付款INV-20105謝")]):  # letters that count, and no blanks around a word
        ours.append(row(f"w{n}", reference=here, amount=2_000 + n))
        theirs.append(row(f"x{n}", reference=there, amount=2_000 + n, memo=there))
    ours += [row(f"c{n}", reference="CROWD", amount=1_000 + n * 10) for n in range(101)]  # more pairs than are formed
    theirs += [row(f"d{n}", reference="CROWD", amount=1_001 + n * 10) for n in range(101)]
    return ours, [*theirs, row("sb", reference="batch", batch="K1", amount=15)]


def files_of(folder: Path, form: str) -> tuple[Path, Path]:
    """The world as two files; as Parquet in two parts, with whole numbers and days as such."""
    found = []
    for name, rows in zip(("left", "right"), world(3), strict=True):
        path = write_csv(folder / f"{name}.csv", rows)
        if form == "parquet":
            parts = folder / name
            parts.mkdir()
            source = f"(select * replace (amount::bigint as amount, date::date as date) from read_csv('{path}', all_varchar = true))"
            for n, half in enumerate(("hash(id) % 2 = 0", "hash(id) % 2 = 1")):
                duckdb.execute(f"copy (from {source} where {half}) to '{parts / f'{n}.parquet'}' (format parquet)")
            path = parts
        found.append(path)
    return found[0], found[1]


def own_key_field(text: str) -> str:
    """The same rule set with a key field of a name of its own."""
    return 'key_fields = ["invoice"]\n' + text.replace('reference = "reference"\n', 'reference = "reference"\ninvoice = "reference"\n')


@contextmanager
def planned(how: Mapping[str, str]) -> Iterator[None]:
    """Spark plans and runs in this way."""
    conf = SparkSession.getActiveSession().conf
    for name, value in how.items():
        conf.set(name, value)
    try:
        yield
    finally:
        for name, value in PLAIN.items():
            conf.set(name, value)


def circumstances(outcome: MatchingResult) -> Any:
    return json.loads(outcome.paths["run.json"].read_text())


@pytest.mark.parametrize(("form", "driver_rows_max", "where"), [("csv", 0, "the cluster"), ("parquet", 1_000_000, "the driver")])
def test_executors_that_read_the_files_themselves_give_the_same_bytes_as_duckdb(
    cluster: ClusterSettings, tmp_path: Path, form: str, driver_rows_max: int, where: str
) -> None:
    here, there = files_of(tmp_path, form)
    rules = load_rules(own_key_field(rules_text(ON_CLUSTER if where == "the cluster" else RULES.replace("normalise =", OWN_KEY))))
    duck = reconcile_files(here, there, rules, out=tmp_path / "duck")
    settings = replace(cluster, driver_rows_max=driver_rows_max)
    with planned(COMPILED if where == "the driver" else PLAIN):
        spark = reconcile_files(here, there, rules, out=tmp_path / "spark", engine="spark", cluster=settings)
    found = {name for name, counts in duck.passes.items() if any(counts.values())}
    assert found >= {"exact", "reversal", "group", "embedded", "text", *({"normalised"} & duck.passes.keys())}
    by_key = [step for step in rules.passes if step.kind == "key"]
    assert (duck.verdict, [cut.cases for cut in duck.cuts if cut.what == "keys with pairs"]) == ("incomplete", [1] * len(by_key))
    assert {"n0", "n1", "n2", "n3", "n4", "n5"} <= {record.id for found in duck.breaks for record in found.left}
    for name in SAME:
        assert spark.paths[name].read_bytes() == duck.paths[name].read_bytes(), name
    told = circumstances(spark)
    assert told["passes_ran_on"] == where
    assert {file["read_by"] for file in told["files"]} == {"executors"}


def test_files_of_another_store_are_read_by_executors_and_each_record_has_its_place_there(
    cluster: ClusterSettings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The driver hands addresses on as they are: no local path leads to `viewfs:///store`, which Hadoop's settings alone know."""
    here, there, places = parquet_parts(tmp_path)
    rules = load_rules(rules_text())
    duck = reconcile_files(here, there, rules, out=tmp_path / "duck")
    store = f"viewfs:///store/{tmp_path.relative_to(tmp_path_factory.getbasetemp())}"
    left, right = [f"{store}/{path.name}" for path in here], f"{store}/{there.name}"
    settings = replace(cluster, one_file=False, matches=f"{store}/pairs")
    spark = reconcile_files(left, right, rules, out=tmp_path / "spark", engine="spark", cluster=settings)
    assert {(file["read_by"], file["file"].partition(":")[0]) for file in circumstances(spark)["files"]} == {("executors", "viewfs")}
    assert duckdb.execute(f"select count(*) from '{tmp_path}/pairs/*.parquet'").fetchall() == [(24,)]
    assert places_told(spark) == places_told(duck) == places
    for name in ("report.json", "breaks.csv", "places.csv", "rejected.csv"):
        assert spark.paths[name].read_bytes() == duck.paths[name].read_bytes(), name


def test_matches_go_where_the_executors_write_them_and_idle_passes_cost_no_job(cluster: ClusterSettings, tmp_path: Path) -> None:
    """A record of each side stays open to the end, so that every pass has something to look at."""
    rows = [row(f"p{n}", amount=n) for n in range(40)]
    ours, theirs = [*rows, row("left", amount=3_000_001)], [*rows[1:], row("p0", amount=7), row("right", amount=7_000_003)]
    here, there = write_csv(tmp_path / "left.csv", ours), write_csv(tmp_path / "right.csv", theirs)
    tracker = SparkSession.getActiveSession().sparkContext.statusTracker()
    every = RULES.replace('[[pass]]\nkind = "text"\nafter_days = 3', "")
    jobs, before = [], len(tracker.getJobIdsForGroup())
    for name, passes, most, where in (
        ("one", EXACT, 1_000_000, "the driver"),
        ("all", every, 1_000_000, "the driver"),
        ("far-one", EXACT, 0, "the cluster"),
        ("far-all", every, 0, "the cluster"),
    ):
        settings = replace(cluster, one_file=False, driver_rows_max=most, matches=(tmp_path / f"{name}-pairs").as_uri())
        found = reconcile_files(here, there, load_rules(rules_text(passes)), out=tmp_path / name, engine="spark", cluster=settings)
        jobs.append((after := len(tracker.getJobIdsForGroup())) - before)
        before = after
        assert told(found) == [("AMOUNT_MISMATCH", "p0", "p0"), ("MISSING_LEFT", "", "right"), ("MISSING_RIGHT", "left", "")]
        assert circumstances(found)["passes_ran_on"] == where
        assert "matches.parquet" not in found.paths
        parts = duckdb.execute(f"select count(*) from '{tmp_path}/{name}-pairs/*.parquet'").fetchall()
        assert parts == [(39,)]
    assert jobs[0] == jobs[1], "five passes more, and not a job"
    # one job asks all of them, and one more when the first pass took the key that the second could have looked at; they were 131
    assert jobs[3] - jobs[2] <= 2


def test_local_paths_are_local_where_hadoop_s_usual_store_is_another(cluster: ClusterSettings, tmp_path: Path) -> None:
    """On a cluster with HDFS a path without a scheme is one of HDFS: parts of the output were looked for there."""
    ours = [row(f"p{n}", amount=n) for n in range(6)]
    broken = [*ours[:5], row("p5", amount=5, memo="two\nlines")]
    here, there = write_csv(tmp_path / "left.csv", ours), write_csv(tmp_path / "right.csv", broken)
    out = tmp_path / "out [1] 100%"
    SparkSession.getActiveSession().conf.set("fs.defaultFS", "viewfs:///")
    try:
        for one_file in (True, False):
            settings = replace(cluster, one_file=one_file)
            found = reconcile_files(str(here), str(there), load_rules(rules_text()), out=out, engine="spark", cluster=settings)
            assert found.verdict == "reconciled"
            parts = str(found.paths["matches.parquet"]).replace("[", "[[]") + ("" if one_file else "/*.parquet")
            assert duckdb.execute(f"select count(*) from '{parts}'").fetchall() == [(6,)]
    finally:
        SparkSession.getActiveSession().conf.unset("fs.defaultFS")


@pytest.mark.parametrize("given", [{}, {"matches": "hdfs:///pairs", "one_file": True}], ids=["nothing said", "one file"])
def test_executors_of_other_machines_write_into_no_folder_that_they_may_not_see(tmp_path: Path, given: dict[str, Any]) -> None:
    """Each wrote its part onto a disk of its own, and the folder of matches was as empty as that of a run without any."""
    here = write_csv(tmp_path / "left.csv", [row("p1")])
    for master, conf in (("spark://10.1.2.3:7077", {}), ("yarn", {}), ("local[2]", {"spark.master": "k8s://https://10.1.2.3"})):
        settings = ClusterSettings(master, conf=conf, **given)
        with pytest.raises(InvalidInput, match="--shared-out"):
            reconcile_files(here, here, load_rules(rules_text()), out=tmp_path / "out", engine="spark", cluster=settings)
        assert replace(settings, shared_out=True).sees_out
    assert replace(ClusterSettings("spark://10.1.2.3:7077"), matches="s3a://bucket/run").sees_out is False
    assert all(
        ClusterSettings(near).sees_out for near in ("local[2]", "local-cluster[2,1,512]", "spark://127.0.0.1:7077", "spark://localhost")
    )


def test_what_executors_would_read_otherwise_is_read_by_the_driver_and_a_bad_cell_has_its_line(
    cluster: ClusterSettings, tmp_path: Path
) -> None:
    odd = {
        "date": ["2026/03/02", " 2026-3-2 ", "2026-03-02T10:00:00", "20260302", "2026-03", "2026-03-02x", "2026-02-30"],
        "amount": ["+5", "-0", " 7 ", "1e3", "4.5", "9223372036854775807", "0007", "7-"],
        "reference": ["Re\u0301f", "a\u00a0b", " x", "y ", "\u200b", "NOTPROVIDED", "1.2E+15"],
        "memo": ['a "quoted", word', '"', "\\", "'"],
        "asset": ["eur", "E", "EURO ", ""],
    }
    rows = [row(f"o{n}", **{name: value}) for n, (name, value) in enumerate((name, value) for name in odd for value in odd[name])]
    broken = row("p2", memo="two\nlines")
    here, there = (
        write_csv(tmp_path / "left.csv", [row("p1"), broken, row("p4", amount="4.5")]),
        write_csv(tmp_path / "right [1].csv", rows),
    )
    rules = load_rules(rules_text())
    duck = reconcile_files(here, there, rules, out=tmp_path / "duck")
    spark = reconcile_files(here, there, rules, out=tmp_path / "spark", engine="spark", cluster=cluster)
    assert len(duck.rejected) > 9
    assert ("left.csv", 5) in [(each.file, each.line) for each in duck.rejected]
    for name in (*SAME, "places.csv", "rejected.csv"):
        assert spark.paths[name].read_bytes() == duck.paths[name].read_bytes(), name
    reads = {file["side"]: file["read_by"] for file in circumstances(spark)["files"]}
    assert reads["right"] == "executors"
    assert reads["left"].startswith("the driver: executors do not read lines that are broken")


def test_a_store_that_is_not_there_is_a_source_that_cannot_be_read(cluster: ClusterSettings, tmp_path: Path) -> None:
    here, there = "nowhere://bucket/a.parquet", "nowhere://bucket/b.parquet"
    with pytest.raises(SourceUnreadable):
        reconcile_files(here, there, load_rules(rules_text()), out=tmp_path, engine="spark", cluster=cluster)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".work")] == []
