"""Precision and recall on noisy worlds with known truth, per kind of noise and for several seeds.

`python -m benchmarks.matching_quality [--quick] [--seeds N]`
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from benchmarks.matching_noise import World, key_world, text_world
from benchmarks.matching_texts import noisy_world, shop_world, strangers_world
from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files

MEMORY: Final = "512MB"
WANTED: Final[Mapping[str, Mapping[str, float]]] = {
    "keys": {"precision": 0.9999},
    "texts": {"precision": 0.995, "recall": 0.99},
    "noisy": {"precision": 0.995, "recall": 0.99, "text_s": 3, "peak_mb": 512},
    "half alone": {"precision": 0.995},
    "strangers": {"confirmed": 0, "linked": 0},
    "shop": {"confirmed": 0, "linked": 0},
    "small texts": {"precision": 0.99, "recall": 0.97},
    "small noisy": {"precision": 0.99, "recall": 0.98},
    "small half alone": {"precision": 0.99, "recall": 0.95},
    "small strangers": {"confirmed": 0, "linked": 0},
}
SMALL: Final = (300, 1_000)  # rows: what a person has in a spreadsheet


def worlds(rows: int, seed: int) -> dict[str, Callable[[], World]]:
    """Each world by its name, made when it is its turn."""
    small: dict[str, Callable[[int, int], World]] = {
        "texts": lambda few, seed: text_world(few, seed=seed),
        "noisy": lambda few, seed: noisy_world(few, seed=seed),
        "half alone": lambda few, seed: noisy_world(few, seed=seed, alone=0.5),
        "strangers": lambda few, seed: strangers_world(few, seed=seed),
    }
    return {
        "keys": lambda: key_world(rows, seed=seed),
        "texts": lambda: text_world(rows, seed=seed),
        "noisy": lambda: noisy_world(rows, seed=seed),
        "half alone": lambda: noisy_world(rows // 2, seed=seed, alone=0.5),
        "strangers": lambda: strangers_world(rows // 10, seed=seed),
        "shop": lambda: shop_world(rows // 45, seed=seed),
        **{f"small {name}, {few}": partial(make, few, seed) for few in SMALL for name, make in small.items()},
    }


def run_in(folder: Path) -> dict[str, Any]:
    """Guess the rules from the files, as a newcomer would, and run within the memory; in a process of its own, which is measured."""
    text, _ = guess_rules(folder / "left.csv", folder / "right.csv")
    marks: list[tuple[str, float]] = []
    began = time.monotonic()
    reconcile_files(
        folder / "left.csv",
        folder / "right.csv",
        load_rules(text),
        out=folder / "out",
        memory=MEMORY,
        progress=lambda said: marks.append((said, time.monotonic())),
    )
    ended = time.monotonic()
    after = [*(at for _, at in marks[1:]), ended]
    text_s = sum(end - at for (said, at), end in zip(marks, after, strict=True) if said.startswith("Pass text"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {"seconds": round(ended - began, 2), "text_s": round(text_s, 2), "peak_mb": peak}


def judge(world: World, folder: Path) -> dict[str, Any]:
    """Run, and hold the answer against the truth."""
    world.write(folder)
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks.matching_quality", "--run", str(folder)], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise RuntimeError(found.stderr[-2000:])
    report = json.loads((folder / "out" / "report.json").read_text("utf-8"))
    rows = pq.read_table(folder / "out" / "matches.parquet").to_pylist()
    pairs = {status: {(r["left_id"], r["right_id"]) for r in rows if r["status"] == status} for status in ("confirmed", "suggested")}
    truth = set(world.pairs)
    by_noise = Counter(world.pairs.values())
    with (folder / "out" / "breaks.csv").open(encoding="utf-8", newline="") as file:  # all of them; the report holds the first
        told = {(row["left_id"], row["right_id"]): row["kind"] for row in csv.DictReader(file)}
    linked = {pair for pair in told if all(pair)}  # a break with a known partner: found, and what differs is told
    both = pairs["confirmed"] | linked
    found_of = Counter(world.pairs[pair] for pair in both & truth)
    kinds = Counter(world.kinds.values())
    right_kind = Counter(kind for pair, kind in world.kinds.items() if told.get(pair) == kind)
    return {
        "pairs": len(truth),
        "confirmed": len(pairs["confirmed"]),
        "confirmed_precision": share(len(pairs["confirmed"] & truth), len(pairs["confirmed"])),
        "linked": len(linked),
        "linked_precision": share(len(linked & (truth | set(world.kinds))), len(linked)),
        "precision": share(len(both & (truth | set(world.kinds))), len(both)),
        "recall": share(found_of.total(), len(truth)),
        "unexplained": sum(abs(int(row["unexplained_minor"])) for row in report["control_totals"]),
        "suggested": len(pairs["suggested"]),
        "suggested_precision": share(len(pairs["suggested"] & truth), len(pairs["suggested"])),
        **json.loads(found.stdout.splitlines()[-1]),
        "learnt": report["learnt"],
        "recall_by_noise": {noise: share(found_of[noise], count) for noise, count in sorted(by_noise.items())},
        "break_recall_by_kind": {kind: share(right_kind[kind], count) for kind, count in sorted(kinds.items())},
    }


def share(part: int, whole: int) -> float:
    """A share to five places; 1 where there was nothing to find."""
    return round(part / whole, 5) if whole else 1.0


def meets(name: str, found: dict[str, Any]) -> bool:
    """Is all that is wanted of a world reached?"""
    least = {"precision", "recall"}
    return all(found[key] >= value if key in least else found[key] <= value for key, value in WANTED[name.split(",")[0]].items())


def main() -> None:
    """The table, and one JSON object as the last line."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--quick", action="store_true", help="a tenth of the rows")
    given.add_argument("--seeds", type=int, default=3, help="how many worlds of each kind")
    given.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.run:
        print(json.dumps(run_in(asked.run)))
        return
    rows = 4_500 if asked.quick else 45_000
    result: dict[str, Any] = {"benchmark": "matching_quality", "rows": rows, "memory": MEMORY, "wanted": WANTED, "seeds": {}}
    for seed in range(1, asked.seeds + 1):
        for name, make in worlds(rows, seed).items():
            with tempfile.TemporaryDirectory() as folder:
                found = judge(make(), Path(folder))
            result["seeds"].setdefault(str(seed), {})[name] = found
            print(
                f"{name:23} seed {seed}  precision {found['precision']:.5f}  recall {found['recall']:.5f}  of {found['pairs']:,} pairs:"
                f" {found['confirmed']:,} confirmed, {found['confirmed_precision']:.5f} right; {found['linked']:,} linked that differ,"
                f" {found['linked_precision']:.5f} right; {found['suggested']:,} suggested, {found['suggested_precision']:.5f} right;"
                f" text pass {found['text_s']} s of {found['seconds']} s, {found['peak_mb']} MB"
                f"{'' if meets(name, found) else '  BELOW WHAT IS WANTED'}"
            )
            for part in ("recall_by_noise", "break_recall_by_kind"):
                print("".join(f"           {kind:26} {share_found:.5f}\n" for kind, share_found in found[part].items()), end="")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
