"""What a copy of a database gives away: the whole of it as `pg_dump` writes it."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from counterfoil.base.postgres.binaries import candidates


def dumped(url: str) -> str:
    """The database in full; bytes in hexadecimal, as PostgreSQL writes them."""
    beside = [folder / "pg_dump" for folder in candidates() if (folder / "pg_dump").exists()]
    program = beside[0] if beside else shutil.which("pg_dump")
    if program is None:
        pytest.skip("no pg_dump on this machine; it comes with PostgreSQL's client programs")
    ended = subprocess.run([Path(program), "--dbname", url], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def in_clear(dump: str, *words: str) -> list[str]:
    """Those that the dump gives away, whatever they are wrapped in."""
    folded = dump.lower()
    return [word for word in words if any(form.lower() in folded for form in _forms(word))]


def _forms(word: str) -> list[str]:
    """As it is, as PostgreSQL writes bytes, and as base64 at each of three places."""
    text = word.encode()
    return [word, text.hex(), *(base64.b64encode(b"." * shift + text)[4:-4].decode() for shift in range(3))]
