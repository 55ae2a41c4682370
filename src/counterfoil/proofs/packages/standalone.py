"""verify.py as it lies in a package: one file, put together from those in which it is kept here."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Final

_BEGINS: Final = "# --- "
_MORE_IMPORTS: Final = (
    ("import base64\n", "import argparse\nimport base64\n"),
    ("import struct\n", "import struct\nimport sys\n"),
    ("import Iterator\n", "import Iterator\nfrom contextlib import contextmanager\n"),
)


def verifier_text() -> str:
    """The text of verify.py. The same version gives the same text."""
    folder = files(__package__)
    base = (folder / "verify_base.py").read_text("utf-8")
    for one, more in _MORE_IMPORTS:
        base = base.replace(one, more, 1)
    parts = [base]
    for name in ("verify_keys.py", "verify_log.py", "verify_disclosed.py", "verify_included.py", "verify.py"):
        head, begins, body = (folder / name).read_text("utf-8").partition(_BEGINS)
        if not begins or not re.search(r"^from counterfoil\.", head, re.MULTILINE) or "\nfrom counterfoil." in body:
            raise ValueError("verify.py is kept in parts")
        parts.append(begins + body)
    return "\n\n\n".join(part.rstrip() for part in parts) + "\n"
