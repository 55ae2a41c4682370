"""Runs benchmarks and keeps what they print for the documentation: `python -m benchmarks.record [NAME …] [--quick]`.

What a page of measurements shows is what a command printed, on a machine that is named, never a figure that somebody typed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "docs" / "measured"
BENCHMARKS = {
    "ledger": ["-m", "benchmarks.ledger"],
    "ledger_singles": ["-m", "benchmarks.ledger_singles"],
    "http_posts": ["-m", "benchmarks.http_posts"],
    "payouts": ["-m", "benchmarks.payouts"],
    "restarts": ["-m", "benchmarks.restarts"],
    "sentinel": ["-m", "benchmarks.sentinel"],
    "load": ["-m", "benchmarks.load"],
    "proofs": ["-m", "benchmarks.proofs"],
    "two_phase": ["-m", "benchmarks.two_phase"],
    "matching": ["-m", "benchmarks.matching"],
    "postgres_to_parquet": ["-m", "benchmarks.postgres_to_parquet"],
    "matching_quality": ["-m", "benchmarks.matching_quality"],
    "spark": ["-m", "benchmarks.spark"],
    "chaos": ["-m", "tests.chaos.run", "--cycles", "1000"],
    "cuts": ["-m", "tests.chaos.cuts", "--cuts", "300"],
}
ALWAYS_WHOLE = ("chaos", "cuts")


def machine() -> dict[str, str]:
    """What it was measured on; the load says how quiet it was."""
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": f"{os.getloadavg()[0]:.1f}",
    }


def record(name: str, *, quick: bool, old: Path | None = None) -> int:
    """Run one and keep its output; nothing is kept of one that failed. `old` is a checkout that `ledger` is measured against."""
    about = machine()
    options = [*(["--quick"] if quick and name not in ALWAYS_WHOLE else []), *(["--old", str(old)] if old and name == "ledger" else [])]
    command = [sys.executable, *BENCHMARKS[name], *options]
    print(f"== {name}", flush=True)
    kept: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=FOLDER.parent.parent) as running:
        for line in running.stdout or ():  # shown as it comes: some take an hour
            print(line, end="", flush=True)
            kept.append(line)
    if running.returncode == 0:
        told = ["FOLDER" if old and option == str(old) else option for option in options]  # no path of this machine is kept
        about["command"] = " ".join(["python", *BENCHMARKS[name], *told])
        (FOLDER / f"{name}.txt").write_text(json.dumps(about) + "\n" + "".join(kept), "utf-8")
    return running.returncode


def main() -> int:
    """Run all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.record")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="all when left out")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--old", type=Path, help="an older checkout, with its environment in .venv, that `ledger` is measured against")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    return max([record(name, quick=options.quick, old=options.old) for name in options.names or BENCHMARKS], default=0)


if __name__ == "__main__":
    sys.exit(main())
