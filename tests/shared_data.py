"""Data of others that lies beside the repository: named by COUNTERFOIL_SHARED, or the folder `shared` next to this one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def shared(*parts: str) -> Path:
    """The path of a shared file or folder; skips the test, with the reason, where it is not there."""
    base = Path(os.environ.get("COUNTERFOIL_SHARED", ROOT.parent / "shared"))
    path = base.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not here: set COUNTERFOIL_SHARED to run this test")
    return path
