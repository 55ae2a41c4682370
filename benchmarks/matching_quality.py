"""Precision and recall on a noisy world with known truth, per kind of noise: `python -m benchmarks.matching_quality [--quick]`."""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from benchmarks.matching_noise import World, key_world, text_world
from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files

WANTED: Final = {"keys": {"precision": 0.9999}, "texts": {"precision": 0.99, "recall": 0.98}}


def judge(world: World, folder: Path) -> dict[str, Any]:
    """Guess the rules from the files, as a newcomer would, run, and hold the answer against the truth."""
    left, right = world.write(folder)
    text, _ = guess_rules(left, right)
    outcome = reconcile_files(left, right, load_rules(text), out=folder / "out")
    rows = pq.read_table(outcome.paths["matches.parquet"]).to_pylist()
    pairs = {status: {(r["left_id"], r["right_id"]) for r in rows if r["status"] == status} for status in ("confirmed", "suggested")}
    truth = set(world.pairs)
    by_noise = Counter(world.pairs.values())
    with outcome.paths["breaks.csv"].open(encoding="utf-8", newline="") as file:  # all of them; the outcome holds the first
        told = {(row["left_id"], row["right_id"]): row["kind"] for row in csv.DictReader(file)}
    linked = {pair for pair in told if all(pair)}  # a break with a known partner: found, and what differs is told
    found = Counter(world.pairs[pair] for pair in (pairs["confirmed"] | linked) & truth)
    kinds = Counter(world.kinds.values())
    right_kind = Counter(kind for pair, kind in world.kinds.items() if told.get(pair) == kind)
    return {
        "pairs": len(truth),
        "confirmed": len(pairs["confirmed"]),
        "precision": share(len(pairs["confirmed"] & truth), len(pairs["confirmed"])),
        "linked": len(linked),
        "linked_precision": share(len(linked & (truth | set(world.kinds))), len(linked)),
        "recall": share(found.total(), len(truth)),
        "unexplained": sum(abs(row.unexplained) for row in outcome.control),
        "suggested": len(pairs["suggested"]),
        "suggested_precision": share(len(pairs["suggested"] & truth), len(pairs["suggested"])),
        "recall_by_noise": {noise: share(found[noise], count) for noise, count in sorted(by_noise.items())},
        "break_recall_by_kind": {kind: share(right_kind[kind], count) for kind, count in sorted(kinds.items())},
    }


def share(part: int, whole: int) -> float:
    """A share to five places; 1 where there was nothing to find."""
    return round(part / whole, 5) if whole else 1.0


def main() -> None:
    """The table, and one JSON object as the last line."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--quick", action="store_true", help="a tenth of the rows")
    given.add_argument("--seed", type=int, default=1)
    asked = given.parse_args()
    rows = 4_000 if asked.quick else 40_000
    worlds = {"keys": key_world(rows, seed=asked.seed), "texts": text_world(rows, seed=asked.seed)}
    result: dict[str, Any] = {"benchmark": "matching_quality", "rows": rows, "seed": asked.seed, "wanted": WANTED}
    for name, world in worlds.items():
        with tempfile.TemporaryDirectory() as folder:
            result[name] = judge(world, Path(folder))
        print(
            f"{name:6} precision {result[name]['precision']:.5f}  recall {result[name]['recall']:.5f}  of {result[name]['pairs']:,} pairs;"
            f"  breaks with a known partner {result[name]['linked']:,}, right {result[name]['linked_precision']:.5f}"
        )
        for part in ("recall_by_noise", "break_recall_by_kind"):
            for kind, found in result[name][part].items():
                print(f"         {kind:20} {found:.5f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
