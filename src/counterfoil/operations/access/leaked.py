"""Passwords that leaked somewhere: a file of their hashes, as Have I Been Pwned gives it out, read where it lies.

It has forty gigabytes and its lines are in order, so a password is looked up by halving: some forty short reads, and nothing of it is
kept in memory. Nobody outside is asked.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO, Final

from counterfoil.base.problems import InvalidInput, Problem

DIGITS: Final = 40  # of a SHA-1 in hexadecimal
LINE_MAX: Final = 100  # bytes of a line: the hash, and how often it leaked
_LINE: Final = re.compile(rb"[0-9A-Fa-f]{40}(:[0-9]+)?\s*")


class LeakedPasswordsUnread(Problem, kind="busy"):
    """The file of passwords that leaked cannot be read, so no password can be chosen."""

    todo = "Whoever runs this installation looks at `leaked_passwords` and its file. Passwords that were chosen before still open logins."


def refuse_leaked(password: str, file: Path) -> None:
    """Raises InvalidInput for a password that is in the file, LeakedPasswordsUnread."""
    try:
        leaked = is_leaked(password, file)
    except (OSError, ValueError) as error:
        raise LeakedPasswordsUnread(setting="leaked_passwords", detail=str(error)[:200]) from None
    if leaked:
        raise InvalidInput("password", "none that leaked somewhere and is known to thieves")


def is_leaked(password: str, file: Path) -> bool:
    """Is its hash at the beginning of a line? Raises OSError; ValueError for a file that holds something else."""
    wanted = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper().encode()
    with file.open("rb") as lines:
        first, end = 0, lines.seek(0, 2)  # the line that is sought begins at `first` or after it, and no later than the first at `end`
        while first < end:
            middle = (first + end) // 2
            if _hash_from(lines, middle) >= wanted:
                end = middle
            else:
                first = lines.tell()
        lines.seek(first)
        return _hash_of(lines.readline()) == wanted


def _hash_from(lines: BinaryIO, place: int) -> bytes:
    """That of the first line which begins at this place or after it; behind the last one, what is greater than every hash."""
    if place:
        lines.seek(place - 1)
        lines.readline(LINE_MAX)
    else:
        lines.seek(0)
    return _hash_of(lines.readline(LINE_MAX)) or b"g"


def _hash_of(line: bytes) -> bytes:
    """In upper case; empty at the end of the file. Raises ValueError."""
    if not line.strip():
        return b""
    found = line[:DIGITS].upper()
    if not _LINE.fullmatch(line) or len(line) == LINE_MAX:
        raise ValueError("a line does not begin with a SHA-1 in hexadecimal")
    return found
