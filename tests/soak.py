"""How many examples a property test tries: few in every run, SOAK times as many in `make soak`."""

from __future__ import annotations

import os

SOAK = int(os.environ.get("SOAK", "1"))


def examples(few: int) -> int:
    """So many in every run; more where time does not count."""
    return few * SOAK
