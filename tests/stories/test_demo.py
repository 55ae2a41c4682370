"""What a newcomer sees first: one command, a day with trouble in it, and exactly the planted breaks."""

from __future__ import annotations

import os
import re
import subprocess
import sys


def test_the_demo_finds_exactly_what_was_planted_and_ends_with_0(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "counterfoil", "demo", "--folder", str(tmp_path / "demo"), "--port", "0"],
        env={**os.environ, "DEMO_ONCE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Exactly the planted breaks were found, and every invariant holds." in done.stdout
    left = " ".join(done.stdout.partition("Left to people:")[2].partition("Reconciliation")[0].split())
    assert re.findall(r"(dsp|ref|bat|po)_\w{26}: a", left) == ["dsp", "ref", "bat", "po"]
    assert "a batch of 3 payouts in USD that waits for a second person" in left
    assert re.findall(r"(AMOUNT_MISMATCH|DUPLICATE_RIGHT|MISSING_RIGHT|MISSING_LEFT)", done.stdout) == [
        "AMOUNT_MISMATCH",
        "DUPLICATE_RIGHT",
        "MISSING_RIGHT",
    ]
