"""What a run of the tests left out, in one closing line that says how to bring it in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any


def closing_line(skipped: Iterable[Any]) -> str:
    """The reasons of skipped tests or modules, each once with its count; empty when nothing was left out."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in skipped
        if isinstance(report.longrepr, tuple)  # (file, line, reason); an expected failure has none
    )
    told = [f"{count} × {reason}" if count > 1 else reason for reason, count in sorted(reasons.items())]
    return f"left out: {'; '.join(told)}" if told else ""
