"""TOML as people write it: whatever cannot be read is refused as one kind of error, also what Python itself gives up on."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any


def parse_toml(text: str, parse_float: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """The tables of a text. Raises tomllib.TOMLDecodeError, also for lists within lists without end and for a number of 5,000 digits."""
    try:
        return tomllib.loads(text) if parse_float is None else tomllib.loads(text, parse_float=parse_float)
    except tomllib.TOMLDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise tomllib.TOMLDecodeError("Levels within levels, or a number of too many digits") from error
