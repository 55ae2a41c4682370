"""What importing the chain's libraries does to the process: nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("eth_account", reason="payouts on a chain need the extra `evm`")

ASKED = """
import json, sys
before = sys.getrecursionlimit()
import counterfoil.operations.providers.chain.provider
assert sys.getrecursionlimit() == before, sys.getrecursionlimit()
try:
    json.loads("[" * 100_000)
except RecursionError:
    print("refused")
"""


def test_json_of_any_depth_is_refused_and_ends_no_process():
    ran = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "refused\n"), ran.stderr
