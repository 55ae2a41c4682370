"""The library that signs, without what its import does to the process."""

from __future__ import annotations

import importlib
import sys
from typing import Any

# It brings py_ecc, which lets Python recurse 100,000 deep, far beyond its stack: what a stranger sends, `[[[[…`, would end the process.
_depth = sys.getrecursionlimit()
Account: Any = importlib.import_module("eth_account").Account
sys.setrecursionlimit(_depth)
