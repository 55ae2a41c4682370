"""Passwords that leaked: whatever stands in the file is refused, wherever in it, and nothing else."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.leaked import LeakedPasswordsUnread, is_leaked, refuse_leaked


def the_file(
    folder: Path, passwords: list[str], *, end: str = "\r\n", counted: bool = True, last: bool = True, lower: bool = False
) -> Path:
    """As it is given out: hashes in order, each with how often it leaked."""
    hashes = sorted(hashlib.sha1(one.encode()).hexdigest().upper() for one in passwords)
    lines = [f"{one.lower() if lower else one}{f':{number * 37}' if counted else ''}" for number, one in enumerate(hashes)]
    made = folder / "leaked.txt"
    made.write_bytes(end.join(lines).encode() + (end.encode() if last and lines else b""))
    return made


@pytest.mark.parametrize("number", [0, 1, 2, 3, 100, 1_000])
@pytest.mark.parametrize(
    "how", [{}, {"counted": False}, {"end": "\n"}, {"last": False}, {"lower": True}], ids=["given out", "bare", "unix", "cut", "lower"]
)
def test_every_one_in_the_file_is_found_and_no_other(tmp_path: Path, number: int, how: dict[str, bool]) -> None:
    draw = random.Random(number)
    leaked = [f"leaked {draw.random()} {one}" for one in range(number)]
    file = the_file(tmp_path, leaked, **how)
    assert [one for one in leaked if not is_leaked(one, file)] == []
    assert [one for one in range(200) if is_leaked(f"another {one}", file)] == []


def test_the_first_and_the_last_are_refused_and_not_shown(tmp_path: Path) -> None:
    leaked = ["correct horse battery", "Ünïcödé 文字 ok", "tr0ub4dor & 3 more"]
    file = the_file(tmp_path, leaked)
    for one in leaked:
        with pytest.raises(InvalidInput, match="leaked") as refused:
            refuse_leaked(one, file)
        assert one not in str(refused.value)
    refuse_leaked("correct horse battery staple", file)


@pytest.mark.parametrize("body", [b"password123:7\n", b"\x00" * 4_000, b"5BAA61E4:3\n", b"A" * 200, None])
def test_a_file_that_is_something_else_lets_no_password_through(tmp_path: Path, body: bytes | None) -> None:
    file = tmp_path / "leaked.txt"
    if body is not None:
        file.write_bytes(body)
    with pytest.raises(LeakedPasswordsUnread):
        refuse_leaked("correct horse battery", file)
