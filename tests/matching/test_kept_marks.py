"""What is kept of a file's bytes between runs changes nothing of what a run says, is never stale, and is checked before it is used."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.keeping import shelf as shelves
from counterfoil.matching.keeping.marks import KeptSides
from counterfoil.matching.keeping.shelf import Shelf
from counterfoil.matching.reading.loading import file_digest, read_side
from counterfoil.matching.reading.scans import SourceUnreadable
from counterfoil.matching.rules.model import KeyPass
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import EXACT, parquet_parts, row, rules_text, run, told, write_csv
from tests.matching.test_same_bytes import PASSES, files_of, records, sides
from tests.soak import examples

USED = "kept by an earlier run over the same bytes and rules, and used"
MADE = "kept for a later run over the same bytes and rules"
KEYS = EXACT.replace('name = "exact"', 'name = "exact"\nafter_days = 2')
WINDOW = KEYS + '[[pass]]\nkind = "text"\nafter_days = 5\n'


def year(rows: int, seed: int, *, wrong: float) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Two sides whose dates lie 0 to 2 days apart; of so many rows something is wrong."""
    chance = random.Random(seed)
    left, right = [], []
    for n in range(rows):
        day = 1 + chance.randrange(20)
        ours = row(f"p{n}", reference=f"R{n * 7919 % 100_003:06}", amount=chance.randrange(1, 400), date=f"2026-03-{day:02}")
        theirs = {**ours, "id": f"s{n}", "date": f"2026-03-{day + chance.randrange(3):02}"}
        left.append(ours)
        right.append(theirs)
        if chance.random() < wrong:
            match chance.randrange(7):
                case 0:
                    left.pop()
                case 1:
                    right.pop()
                case 2:
                    right[-1] = {**theirs, "amount": "401"}
                case 3:
                    right[-1] = {**theirs, "date": f"2026-03-{day + 4:02}"}
                case 4:
                    right.append({**theirs, "id": f"t{n}"})
                case 5:
                    left.append({**ours, "id": f"q{n}"})
                    right.append({**theirs, "id": f"t{n}"})
                case _:
                    right[-1] = {**theirs, "reference": ""}
    return left, right


@settings(max_examples=examples(8), deadline=None)
@given(left=records, right=records, seed=st.integers(0, 10**6), others=st.sampled_from([0, 300]))
def test_a_run_says_the_same_bytes_with_nothing_kept_and_with_what_it_or_an_earlier_run_kept(left, right, seed, others):
    ours, theirs = sides(left, right)
    more = year(others, seed, wrong=0.02)
    ours, theirs = [*ours, *more[0]], [*theirs, *more[1]]
    with tempfile.TemporaryDirectory() as folder:
        here, keep = Path(folder), Path(folder) / "keep"
        plain = files_of(run(here, ours, theirs, rules_text(PASSES)))
        assert files_of(run(here, ours, theirs, rules_text(PASSES), keep=keep)) == plain
        again = run(here, ours, theirs, rules_text(PASSES), keep=keep)
        assert files_of(again) == plain
        assert not [each for each in again.kept if MADE in each]
        assert any("totals and marks" in each and USED in each for each in again.kept)


def test_amounts_that_two_keys_of_one_bucket_exchanged_are_seen(tmp_path):
    """Of few rows there are two buckets: an xor over keys and fingerprints apart would be the same after the exchange."""
    left, right = year(14, 1, wrong=0)
    buckets: dict[int, list[int]] = {}
    for n, each in enumerate(right):
        buckets.setdefault(duckdb.execute("select hash($1) >> 63", [each["reference"]]).fetchall()[0][0], []).append(n)
    one, other = max(buckets.values(), key=len)[:2]
    right[one]["amount"], right[other]["amount"] = left[other]["amount"], left[one]["amount"]
    plain = run(tmp_path, left, right, rules_text(KEYS))
    assert [each.kind for each in plain.breaks] == ["AMOUNT_MISMATCH"] * 2
    for _ in range(2):
        assert told(run(tmp_path, left, right, rules_text(KEYS), keep=tmp_path / "keep")) == told(plain)


def test_amounts_that_neighbours_exchanged_keys_that_stand_twice_and_late_days_are_seen_by_what_is_kept(tmp_path):
    left, right = year(2_000, 1, wrong=0)
    for one, other in ((10, 11), (500, 1_500)):
        right[one]["amount"], right[other]["amount"] = "1000", "1001"
        left[one]["amount"], left[other]["amount"] = "1001", "1000"
    for side, letter in ((left, "q"), (right, "t")):
        side.append({**side[40], "id": f"{letter}40", "status": "failed" if letter == "t" else "paid"})
    right[70]["date"] = "2026-02-01"
    plain = run(tmp_path, left, right, rules_text(KEYS))
    assert len(told(plain)) == 6
    for _ in range(2):
        kept = run(tmp_path, left, right, rules_text(KEYS), keep=tmp_path / "keep")
        assert (told(kept), files_of(kept)) == (told(plain), files_of(plain))
    assert kept.kept == (f"left side, totals and marks: {USED}", f"right side, totals and marks: {USED}")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_only_buckets_that_differ_are_read_from_the_files_again(tmp_path, form):
    left, right = year(3_000, 2, wrong=0.004)
    rules = load_rules(rules_text(WINDOW))
    engine = DuckEngine(tmp_path)
    paths = {"left": write_csv(tmp_path / "left.csv", left), "right": write_csv(tmp_path / "right.csv", right)}
    for side, path in paths.items() if form == "parquet" else ():
        paths[side] = path.with_suffix(".parquet")
        engine.conn.execute(f"copy (from read_csv('{path}', all_varchar = true)) to '{paths[side]}' (format parquet)")
    shelf = Shelf(tmp_path / "keep", {path: file_digest(path) for path in paths.values()})
    read = [read_side(engine, [paths[side]], getattr(rules, side), side, tmp_path, shelf) for side in ("left", "right")]
    first = rules.passes[0]
    assert isinstance(first, KeyPass)
    kept = KeptSides(engine, shelf, {"left": rules.left, "right": rules.right})
    near = kept.narrowed(read[0], read[1], first, ("amount", "asset", "status", "date"))
    rows = [engine.rows(f"select count(*) from {side.relation}")[0][0] for side in near]
    assert all(12 < count < 600 for count in rows), rows
    engine.close()


def test_another_content_and_other_rules_find_nothing_that_was_kept_of_the_former(tmp_path):
    left, right = year(200, 3, wrong=0.05)
    keep = tmp_path / "keep"

    def again(text: str = rules_text(WINDOW)) -> list[str]:
        return [each.split(": ")[0] for each in run(tmp_path, left, right, text, keep=keep).kept if MADE in each]

    assert again() == ["left side, totals and marks and texts", "right side, totals and marks and texts"]
    assert again() == []
    left[5]["amount"] = "999"
    assert again() == ["left side, totals and marks and texts"]
    assert again(rules_text(WINDOW).replace("after_days = 2", "after_days = 1")) == []  # days are kept as they are
    assert again(rules_text(WINDOW, head='compare = ["amount", "asset"]\n')) == ["left side, marks", "right side, marks"]
    assert again(rules_text(WINDOW.replace('name = "exact"', 'name = "exact"\nnormalise = ["case"]'))) == [
        "left side, marks",
        "right side, marks",
    ]
    shown = rules_text(WINDOW).replace('unit = "minor"', 'unit = "minor"\nsign = -1', 1)
    assert again(shown) == ["left side, totals and marks"], "of other signs no two can be one, so no texts are read"


@pytest.mark.parametrize("harm", ["rows", "cut", "facts", "other_name", "empty", "gone"])
def test_what_is_damaged_or_lies_under_anothers_name_is_made_anew_and_said(tmp_path, harm):
    left, right = year(400, 4, wrong=0.05)
    keep = tmp_path / "keep"
    plain = files_of(run(tmp_path, left, right, rules_text(KEYS)))
    run(tmp_path, left, right, rules_text(KEYS), keep=keep)
    described = {path: json.loads(path.read_text()) for path in keep.glob("*.json")}
    marks = [path for path, each in described.items() if each["what"] == "marks"]
    rows = [keep / f"{described[path]['rows']}.parquet" for path in marks]
    for path, file in zip(marks, rows, strict=True):
        content = file.read_bytes()
        match harm:
            case "rows":
                file.write_bytes(content[:200] + bytes([content[200] ^ 1]) + content[201:])
            case "cut":
                file.write_bytes(content[:-9])
            case "facts":
                path.write_text(path.read_text().replace('"what":"marks"', '"what":"texts"'))
            case "empty":
                path.write_text("")
            case "gone":
                file.unlink()
    if harm == "other_name":
        contents = [path.read_text() for path in marks]
        marks[0].write_text(contents[1])
        marks[1].write_text(contents[0])
    mended = run(tmp_path, left, right, rules_text(KEYS), keep=keep)
    assert [each for each in mended.kept if "damaged" in each] == [
        f"{side} side, marks: what an earlier run kept was damaged; made and kept anew" for side in ("left", "right")
    ]
    assert files_of(mended) == plain
    assert not [each for each in run(tmp_path, left, right, rules_text(KEYS), keep=keep).kept if USED not in each]


def test_totals_that_somebody_changed_are_counted_anew(tmp_path):
    left, right = year(50, 5, wrong=0)
    keep = tmp_path / "keep"
    run(tmp_path, left, right, rules_text(KEYS), keep=keep)
    for path in keep.glob("*.json"):
        path.write_text(path.read_text().replace('"EUR"', '"USD"'))
    assert run(tmp_path, left, right, rules_text(KEYS), keep=keep).footing[0].asset == "EUR"


def test_the_folder_stays_within_its_size_and_nothing_else_in_it_is_touched(tmp_path, monkeypatch):
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "notes.json").write_text("ours")
    sizes = []
    for number in range(4):
        left, right = year(300, 10 + number, wrong=0.02)
        run(tmp_path, left, right, rules_text(KEYS), keep=keep)
        sizes.append(sum(path.stat().st_size for path in keep.iterdir()))
        if number == 0:
            monkeypatch.setattr(shelves, "KEPT_BYTES_MAX", sizes[0] * 5 // 2)
    assert sizes[1] < sizes[3] <= sizes[0] * 5 // 2 + 4
    assert all(USED in each for each in run(tmp_path, left, right, rules_text(KEYS), keep=keep).kept)
    assert (keep / "notes.json").read_text() == "ours"
    described = {json.loads(path.read_text())["rows"] for path in keep.glob("*.json") if path.name != "notes.json"}
    assert {path.stem for path in keep.glob("*.parquet")} == described - {None}


def test_of_a_file_that_changes_while_it_is_read_nothing_is_kept(tmp_path):
    left, right = year(50, 6, wrong=0)

    def changes(said: str) -> None:
        if said.startswith("Writing"):
            with (tmp_path / "left.csv").open("a") as file:
                file.write("\n")

    with pytest.raises(SourceUnreadable):
        run(tmp_path, left, right, rules_text(WINDOW), keep=tmp_path / "keep", progress=changes)
    assert list((tmp_path / "keep").iterdir()) == []


def test_rows_that_cannot_be_read_and_several_files_of_parquet_are_the_same_with_what_is_kept(tmp_path):
    parts, there, _ = parquet_parts(tmp_path)
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in parts:
        part.replace(folder / part.name)

    def again(**options: Path) -> MatchingResult:
        return reconcile_files(folder, there, load_rules(rules_text(WINDOW)), out=tmp_path / "out", **options)

    plain = again()
    told_of = (files_of(plain), plain.rejected, plain.paths["places.csv"].read_bytes())
    assert plain.rejected
    for _ in range(2):
        kept = again(keep=tmp_path / "keep")
        assert (files_of(kept), kept.rejected, kept.paths["places.csv"].read_bytes()) == told_of
    assert all(USED in each for each in kept.kept)
    assert json.loads(kept.paths["run.json"].read_text())["kept"] == list(kept.kept)
    assert kept.kept[0] in kept.paths["report.html"].read_text().replace("Left", "left")


def test_a_folder_that_cannot_be_one_and_a_run_on_spark_are_refused(tmp_path):
    left, right = year(5, 7, wrong=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="keep"):
        run(tmp_path, left, right, rules_text(WINDOW), keep=tmp_path / "file")
    with pytest.raises(InvalidInput, match="keep"):
        run(tmp_path, left, right, rules_text(WINDOW), keep=tmp_path / "keep", engine="spark")
