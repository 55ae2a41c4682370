"""Every reader, and the whole way of two files, with nothing but the declared dependencies, and without a PostgreSQL driver."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from counterfoil import statements as sources
from counterfoil.matching.reading.scans import SourceUnreadable
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from counterfoil.statements import SourceBroken
from tests.declared import ONLY_DECLARED, ROOT, undeclared_modules
from tests.statements.samples import DATA, a_statement, written

PROGRAM = """
from pathlib import Path

files, folder = sys.argv[2], Path(sys.argv[3])

import datetime

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

from counterfoil import statements
from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files

read = []
for path in sorted(Path(files).iterdir()):
    found = statements.read(path, strict=False, asset=None if path.suffix != ".qif" else "EUR")
    found.lines.to_pylist()
    read.append(found.format)
moment = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=-3)))
pq.write_table(
    pa.table({"Reference": ["A-1", "B-2", "C-3"], "Amount": ["1.00", "2.00", "3.00"], "Currency": ["EUR"] * 3, "When": [moment] * 3,
              "Created at": [moment] * 3}),
    folder / "zoned.parquet",
)
book = openpyxl.Workbook()
rows = [["Reference", "Amount", "Currency", "Date"], ["A-1", 1, "EUR", moment.date()], ["X-9", 2, "EUR", moment.date()]]
for row in (*rows, ["C-3", "much", "EUR", None]):
    book.active.append(row)
book.save(folder / "book.xlsx")
statements.read(folder / "zoned.parquet")
statements.read(folder / "book.xlsx")
pairs = [("zoned.parquet", "book.xlsx"), ("book.xlsx", "zoned.parquet"), ("book.xlsx", "bank.ofx"), ("bank.ofx", "payouts.stripe.csv")]
for left, right in pairs:
    paths = [folder / name if (folder / name).exists() else Path(files) / name for name in (left, right)]
    rules, _ = guess_rules(*paths)
    reconcile_files(*paths, load_rules(rules), out=folder / "out")
drivers = sorted(name for name in sys.modules if name.partition(".")[0] in ("psycopg", "psycopg_pool", "adbc_driver_postgresql"))
print(json.dumps({"read": read, "drivers": drivers}))
"""


def test_every_reader_works_with_the_declared_dependencies_alone_and_without_a_database_driver(tmp_path: Path) -> None:
    refused = undeclared_modules()
    assert {"pytz", "pytest"} <= set(refused)
    done = subprocess.run(
        [sys.executable, "-c", ONLY_DECLARED + PROGRAM, json.dumps(refused), str(DATA), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["drivers"] == []
    assert set(sources.FORMATS) - {"xlsx", "parquet"} <= set(told["read"])


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    entries = "".join(f":61:2403010301C1,00NTRFREF{at}\n:86:text\n" for at in range(20_000))
    path = written(tmp_path, a_statement(entries=entries, closing="C240301EUR20100,00"), "a.sta")
    is_done = threading.Event()

    def goes_on() -> None:
        while not is_done.wait(0.005):
            with path.open("a") as file:
                file.write("\n")

    somebody = threading.Thread(target=goes_on)
    somebody.start()
    try:
        with pytest.raises(SourceBroken, match="changed while it was read"):
            sources.read(path)
    finally:
        is_done.set()
        somebody.join()


def test_a_run_over_files_that_change_concludes_nothing(tmp_path: Path) -> None:
    text = "Reference,Amount,Currency\nA-1,100,EUR\n"
    left, right = written(tmp_path, text, "l.csv"), written(tmp_path, text, "r.csv")
    side = '[{0}.columns]\nreference = "Reference"\nasset = "Currency"\n[{0}.amount]\ncolumn = "Amount"\nunit = "minor"\n'
    rules = load_rules("version = 1\n" + side.format("left") + side.format("right") + '[[pass]]\nkind = "key"\nname = "k"\n')

    def meanwhile(what: str) -> None:
        if what.startswith("Writing"):
            right.write_text(text + "B-2,5,EUR\n")

    with pytest.raises(SourceUnreadable, match="changed while it was read"):
        reconcile_files(left, right, rules, out=tmp_path / "out", progress=meanwhile)
    assert not (tmp_path / "out" / "report.json").exists()
