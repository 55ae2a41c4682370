"""The crash test: `python -m tests.chaos.run --cycles 200`. Real processes, killed or frozen for real at each point of a payment.

Two workers, a provider that is slow, silent, or refuses, a webhook that is parked, a person who tries again, a month-end in between.
Prints the faults by point, then `lost 0, doubled 0, differences 0`, counted by payout; exits 1 when it cannot.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from counterfoil.cli.local.drills.payments import KillMissed
from counterfoil.cli.local.drills.windows import SHORT, WINDOWS, Window
from counterfoil.cli.local.local_stack import ProcessDidNotStart
from tests.chaos.chaos import Chaos
from tests.chaos.others import those_here
from tests.chaos.paths import OTHERS, PATHS, SHORT_PATHS

MISSES_MAX = 0.05
MISSES_LEAST = 3  # of a short run on a busy machine

__all__ = ["Chaos", "KillMissed", "ProcessDidNotStart", "main"]


def too_often(misses: int, cycles: int) -> bool:
    """Were more kills without evidence than may be run again?"""
    return misses > max(MISSES_LEAST, cycles * MISSES_MAX)


def every_window(here: Sequence[str]) -> tuple[Window, ...]:
    """All of them, of the providers that are here; the paths by turns, so that a short run sees something of each."""
    found = (*WINDOWS, *PATHS, *(window for name, windows in OTHERS.items() if name in here for window in windows))
    turns: Counter[str] = Counter()
    numbered = []
    for window in found:
        numbered.append((turns[window.path], window))
        turns[window.path] += 1
    return tuple(window for _, window in sorted(numbered, key=lambda one: one[0]))


def main(arguments: list[str] | None = None) -> int:
    """Run the cycles and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cycles", type=int, help="one fault each; all windows once when left out")
    parser.add_argument("--short", action="store_true", help="one window of each kind only")
    parser.add_argument("--path", action="append", help="only of this path or provider, such as batch or chain; payment is a customer's")
    parser.add_argument("--folder", type=Path, help="keep everything here; a temporary folder when left out")
    options = parser.parse_args(arguments)
    others, lacking = those_here()
    windows = (
        (*SHORT, *(one for one in SHORT_PATHS if one.path not in lacking)) if options.short else every_window([one.name for one in others])
    )
    if options.path:
        windows = tuple(one for one in windows if (one.path or "payment") in options.path)
    options.cycles = options.cycles or len(windows)
    if not windows:
        parser.error(f"no windows of {', '.join(options.path)} here")
    left_out = [f"{name} is left out, and nothing is said of it: {why}" for name, why in lacking.items()]
    print(*left_out, sep="\n", flush=True) if left_out else None
    used = {one.path for one in windows}
    with tempfile.TemporaryDirectory(prefix="counterfoil-chaos-") as temporary:
        chaos = Chaos(options.folder or Path(temporary), [one for one in others if one.name in used])
        began = time.monotonic()
        with chaos.running():
            suffer(chaos, windows, options.cycles)
            verdict = chaos.verdict()
        print(f"\n{options.cycles} faults in {time.monotonic() - began:.0f} s, {chaos.invoices} invoices, {len(chaos.repaid)} refunds")
        if chaos.misses:
            print(f"and {chaos.misses.total()} that proved nothing and were run again: {dict(chaos.misses)}")
        for name, count in sorted(chaos.kills.items()):
            print(f"  {count:4}  {name}")
        print(*chaos.measured, *left_out, sep="\n")
        for line in (*verdict.lost, *verdict.doubled, *verdict.differences):
            print(f"  ! {line}")
        print(verdict)
    rounds = -(-options.cycles // len(windows))
    return 0 if verdict.clean() and sum(chaos.kills.values()) == options.cycles + 2 * rounds else 1


def suffer(chaos: Chaos, windows: Sequence[Window], cycles: int) -> None:
    """So many faults, each proved. Raises KillMissed when the evidence was gone too often."""
    for number in range(cycles):
        window, began = windows[number % len(windows)], time.monotonic()
        while not chaos.try_cycle(window):
            print(f"      {window.name:48} its evidence was gone, it is run again", flush=True)
            if too_often(chaos.misses.total(), cycles):
                raise KillMissed(f"the evidence was gone too often: {dict(chaos.misses)}")
        print(f"{number + 1:4}  {window.name:48} {time.monotonic() - began:5.1f} s  {window.says}", flush=True)
        if number % len(windows) == 0:
            chaos.refusal()
            chaos.parked()


if __name__ == "__main__":
    sys.exit(main())
