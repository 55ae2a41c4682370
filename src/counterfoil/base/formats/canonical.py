"""One JSON for one meaning: what is hashed, compared or signed is written in this form and no other."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any, *, ascii_only: bool = False) -> str:
    """JSON with sorted keys and no blanks. `ascii_only`: for digests that were kept in that form before. Raises ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=ascii_only, allow_nan=False)
