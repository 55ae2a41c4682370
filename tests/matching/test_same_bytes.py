"""Any order of the rows and any number of threads give the same bytes; a second, simple model agrees on what can be said simply."""

from __future__ import annotations

import random
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from counterfoil.matching.findings.outcome import MatchingResult
from tests.matching.builders import EXACT, row, rules_text, run
from tests.soak import examples

SAME = ("report.json", "breaks.csv", "matches.parquet")
PASSES = (
    EXACT.replace('name = "exact"', 'name = "exact"\nafter_days = 1')
    + """
[[pass]]
kind = "reversal"
[[pass]]
kind = "group"
[[pass]]
kind = "subset"
[[pass]]
kind = "embedded"
[[pass]]
kind = "text"
after_days = 3
[[pass]]
kind = "amount"
after_days = 2
"""
)

records = st.lists(
    st.fixed_dictionaries(
        {
            "reference": st.sampled_from(["A1", "B2", "C3", "D4", "INV0001", ""]),
            "amount": st.sampled_from([100, 200, 300, -100, 10**18]),
            "asset": st.sampled_from(["EUR", "USD"]),
            "date": st.sampled_from(["2026-03-02", "2026-03-03", "2026-03-05"]),
            "status": st.sampled_from(["paid", "failed"]),
            "counterparty": st.sampled_from(["", "Acme", "Bolt"]),
            "memo": st.sampled_from(["", "for INV0001", "monthly supplies", "monthly suppl"]),
            "batch": st.sampled_from(["", "K1"]),
        }
    ),
    max_size=9,
)


def files_of(outcome: MatchingResult) -> dict[str, bytes]:
    return {name: outcome.paths[name].read_bytes() for name in SAME}


def sides(left: list[dict[str, object]], right: list[dict[str, object]]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    return [row(f"p{n}", **each) for n, each in enumerate(left)], [row(f"s{n}", **each) for n, each in enumerate(right)]


@settings(max_examples=examples(8), deadline=None)
@given(left=records, right=records, seed=st.integers(0, 10**6))
def test_shuffled_rows_and_other_thread_counts_give_the_same_bytes(left, right, seed):
    ours, theirs = sides(left, right)
    with tempfile.TemporaryDirectory() as folder:
        first = files_of(run(Path(folder), ours, theirs, rules_text(PASSES), threads=1))
        shuffled = random.Random(seed)
        shuffled.shuffle(ours)
        shuffled.shuffle(theirs)
        assert files_of(run(Path(folder), ours, theirs, rules_text(PASSES), threads=4)) == first


@settings(max_examples=examples(8), deadline=None)
@given(left=records, right=records)
def test_every_record_is_used_once_and_keys_that_stand_alone_agree_with_a_simple_model(left, right):
    ours, theirs = sides(left, right)
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder), ours, theirs, rules_text(EXACT))
    told = {(";".join(r.id for r in b.left), ";".join(r.id for r in b.right)): b.kind for b in outcome.breaks}
    used = Counter(r.id for b in outcome.breaks for r in (*b.left, *b.right))
    assert max(used.values(), default=1) == 1
    assert all(f.foots() for f in outcome.footing)
    for key, expected in simple_model(ours, theirs).items():
        assert told.get(key) == expected, (key, expected)


def simple_model(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> dict[tuple[str, str], str | None]:
    """What a person would say of keys with at most one record a side; keys with more are left to the other tests."""
    by_key: dict[str, tuple[list[dict[str, str]], list[dict[str, str]]]] = defaultdict(lambda: ([], []))
    for side, rows in ((0, ours), (1, theirs)):
        for each in rows:
            by_key[each["reference"]][side].append(each)
    answers: dict[tuple[str, str], str | None] = {}
    for reference, (here, there) in by_key.items():
        if reference == "" or not there:
            answers.update({(each["id"], ""): "MISSING_RIGHT" for each in here})
        if reference == "" or not here:
            answers.update({("", each["id"]): "MISSING_LEFT" for each in there})
        if reference and len(here) == len(there) == 1:
            answers[here[0]["id"], there[0]["id"]] = verdict(here[0], there[0])
    return answers


def verdict(here: dict[str, str], there: dict[str, str]) -> str | None:
    names = (("asset", "CURRENCY"), ("amount", "AMOUNT"), ("status", "STATUS"), ("date", "DATE"))
    return next((f"{kind}_MISMATCH" for name, kind in names if here[name] != there[name]), None)


def test_matches_are_the_same_bytes_at_a_size_that_uses_every_thread(tmp_path):
    numbers = list(range(30_000))
    ours = [row(f"p{n}", reference=f"R{n}", amount=n, memo="x") for n in numbers]
    theirs = [row(f"s{n}", reference=f"R{n}", amount=n + (n % 997 == 0)) for n in numbers if n % 1009]
    first = files_of(run(tmp_path, ours, theirs, threads=1))
    random.Random(7).shuffle(ours)
    assert files_of(run(tmp_path, ours, theirs, threads=4)) == first
