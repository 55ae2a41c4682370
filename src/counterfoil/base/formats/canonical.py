"""One JSON for one meaning: what is hashed, compared or signed is written in this form and no other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final


def _writer(*, ascii_only: bool) -> Callable[[Any], str]:
    """Made once: `json.dumps` makes one for each call that wants something else than its defaults."""
    return json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only, allow_nan=False).encode


_WRITTEN: Final = _writer(ascii_only=False)
_ASCII: Final = _writer(ascii_only=True)


def canonical_json(value: Any, *, ascii_only: bool = False) -> str:
    """JSON with sorted keys and no blanks. `ascii_only`: for digests that were kept in that form before. Raises ValueError for NaN."""
    return _ASCII(value) if ascii_only else _WRITTEN(value)
