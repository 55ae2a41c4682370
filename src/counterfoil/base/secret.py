"""Secrets: text that nobody can guess. What is empty, short, uniform or a placeholder proves nothing and is refused."""

from __future__ import annotations

import base64
import math
import re
from collections import Counter
from itertools import pairwise
from typing import Final

from counterfoil.base.problems import Problem

LENGTH_MIN: Final = 20  # characters
LENGTH_MAX: Final = 512
BITS_MIN: Final = 64  # by the frequency of its characters: a lower bound that a human word does not reach
SIGNING_BYTES_MIN: Final = 24  # Standard Webhooks: 24 to 64 bytes
SIGNING_BYTES_MAX: Final = 64
SIGNING_PREFIX: Final = "whsec_"
ENCRYPTION_BYTES: Final = 32
# Of six letters or with marks: four letters alone stand in one random secret of 30,000, which nobody may refuse.
_PLACEHOLDERS: Final = (
    "change",
    "placeholder",
    "example",
    "secret",
    "password",
    "your-",
    "your_",
    "replace",
    "insert",
    "dummy",
    "default",
    "xxxxxx",
    "<",
    ">",
    "${",
    "{{",
)
_NOTE_TO_SELF: Final = re.compile(r"(?<![a-z0-9])todo(?![a-z0-9])")


class WeakSecret(Problem, kind="busy"):  # ours to mend: whoever sent something sends it again later
    """A secret of this installation can be guessed, so whatever it proves is not believed."""

    todo = "Set a longer random secret, then start again."


class Secret:
    """A secret's text. There is none without text, and none that can be guessed; it never shows itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str, field: str) -> None:
        """`field` names the setting in the refusal. Raises WeakSecret."""
        why = weakness(text)
        if why is not None:
            raise WeakSecret(field=field, limit=why)
        self._text = text

    def reveal(self) -> str:
        """The text, for the one call that needs it."""
        return self._text

    def __repr__(self) -> str:
        """Never the text."""
        return "Secret(…)"


class SigningSecret(Secret):
    """`whsec_` and base64 of 24 to 64 random bytes, with which webhooks are signed."""

    __slots__ = ("key",)

    def __init__(self, text: str, field: str) -> None:
        """As `Secret`; and its bytes are looked at, not only how they are written."""
        super().__init__(text, field)
        self.key = _bytes_of(text.removeprefix(SIGNING_PREFIX), field, SIGNING_BYTES_MIN, SIGNING_BYTES_MAX)


class EncryptionKey(Secret):
    """base64 of exactly 32 random bytes, with which what is confidential is encrypted."""

    __slots__ = ("key",)

    def __init__(self, text: str, field: str) -> None:
        """As `Secret`; and its bytes are looked at, not only how they are written."""
        super().__init__(text, field)
        self.key = _bytes_of(text, field, ENCRYPTION_BYTES, ENCRYPTION_BYTES)


def weakness(text: str) -> str | None:
    """What is wrong with this text as a secret, as a limit that it breaks; None when nothing is."""
    if not text.strip():
        return "not empty"
    if text != text.strip() or not text.isascii() or not text.isprintable() or " " in text:
        return "printable ASCII without spaces"
    low = text.lower().removeprefix(SIGNING_PREFIX)
    if any(word in low for word in _PLACEHOLDERS) or _NOTE_TO_SELF.search(low):
        return "no placeholder"
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX:
        return f"{LENGTH_MIN} to {LENGTH_MAX} characters"
    if _bits(text.encode()) < BITS_MIN:
        return f"at least {BITS_MIN} bits of randomness"
    return None


def _bytes_of(text: str, field: str, least: int, most: int) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise WeakSecret(field=field, limit="base64") from error
    if not least <= len(found) <= most:
        told = f"base64 of {least} to {most} random bytes" if least != most else f"base64 of {least} random bytes"
        raise WeakSecret(field=field, limit=told, got=f"{len(found)} bytes")
    if _bits(found) < BITS_MIN:
        raise WeakSecret(field=field, limit=f"at least {BITS_MIN} bits of randomness")
    return found


def _bits(text: bytes) -> int:
    """What its characters and its steps from one to the next carry at least; what repeats or counts up carries little."""
    steps = bytes((after - before) % 256 for before, after in pairwise(text))
    unit = next(length for length in range(1, len(text) + 1) if text == (text[:length] * len(text))[: len(text)])
    return int(min(_carried(text[:unit]), _carried(steps)))


def _carried(text: bytes) -> float:  # bits, a measure and no money
    counts = Counter(text)
    return -sum(count * math.log2(count / len(text)) for count in counts.values()) if text else 0
