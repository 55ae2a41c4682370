"""Spark gives the same bytes as DuckDB, pass by pass."""

from __future__ import annotations

import os
import random
import shutil

import pytest

from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import row, rules_text, write_csv
from tests.matching.test_same_bytes import PASSES, SAME

HOW = "Spark's tests: `make spark` installs pyspark and runs them; they need Java 17 (apt-get install openjdk-17-jre-headless)"
pytest.importorskip("pyspark", reason=HOW)
if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
    pytest.skip(HOW, allow_module_level=True)

NORMALISED = '[[pass]]\nkind = "key"\nname = "normalised"\nnormalise = ["case", "punctuation", "zeros"]\n[[pass]]\nkind = "reversal"'


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
    ours += [row(f"c{n}", reference="CROWD", amount=1_000 + n * 10) for n in range(101)]  # more pairs than are formed
    theirs += [row(f"d{n}", reference="CROWD", amount=1_001 + n * 10) for n in range(101)]
    return ours, [*theirs, row("sb", reference="batch", batch="K1", amount=15)]


def test_spark_on_a_local_cluster_gives_the_same_bytes_as_duckdb(tmp_path, monkeypatch):
    # Hundreds of small jobs: a Java that compiles once and simply takes half the processor time of one that goes on compiling.
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    ours, theirs = world(3)
    here, there = write_csv(tmp_path / "left.csv", ours), write_csv(tmp_path / "right.csv", theirs)
    rules = load_rules(rules_text(PASSES.replace('[[pass]]\nkind = "reversal"', NORMALISED, 1)))
    duck = reconcile_files(here, there, rules, out=tmp_path / "duck")
    spark = reconcile_files(here, there, rules, out=tmp_path / "spark", engine="spark", master="local-cluster[2,1,1024]")
    assert {name for name, counts in duck.passes.items() if any(counts.values())} >= {
        "exact",
        "normalised",
        "reversal",
        "group",
        "embedded",
        "text",
    }
    assert (duck.verdict, [cut.cases for cut in duck.cuts if cut.what == "keys with pairs"]) == ("incomplete", [1, 1])
    assert {"n0", "n1", "n2", "n3", "n4", "n5"} <= {record.id for found in duck.breaks for record in found.left}
    for name in SAME:
        assert spark.paths[name].read_bytes() == duck.paths[name].read_bytes(), name
