"""The library that signs, loaded when something is signed: it is an extra, takes half a second, and must do nothing to the process."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from typing import Any


@cache
def signer() -> Any:
    """What signs. Raises ModuleNotFoundError without the extra `evm`.

    It brings py_ecc, which lets Python recurse 100,000 deep, far beyond its stack: what a stranger sends, `[[[[…`, would end the process.
    """
    depth = sys.getrecursionlimit()
    try:
        return importlib.import_module("eth_account").Account
    finally:
        sys.setrecursionlimit(depth)
