"""A part of verify.py, which a package carries as one file: the keys that are trusted, and where those of the log lead."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from counterfoil.proofs.packages.verify_base import KEYS_FORMAT, LOG_KEY, STOLEN, Package, is_moment, need, signed_by

# --- Keys -------------------------------------------------------------------------------------------------------------------------------


def read_keys(keys: Any) -> None:
    """Raises KeyError, TypeError, ValueError for what is no file of keys."""
    if keys["format"] != KEYS_FORMAT:
        raise ValueError("it is of another format")
    if not isinstance(keys["origin"], str) or type(keys["quorum"]) is not int or keys["quorum"] < 1:
        raise ValueError("it names no log, or no number of people")
    for one in keys["log"]:
        bytes.fromhex(one["key"])
        if "ended" in one and (type(one["ended"]["size"]) is not int or not isinstance(one["ended"]["cause"], str)):
            raise ValueError("it does not say where a key of the log ended, and why")
    for one in keys["signers"]:
        bytes.fromhex(one["key"])
        for name in ("person", "person_id", "role"):
            if not isinstance(one[name], str):
                raise TypeError(f"{name} is a text")
        times = [one["valid_from"], one["valid_until"], *([] if one["revoked_at"] is None else [one["revoked_at"]])]
        if not all(map(is_moment, times)):
            raise ValueError("valid_from, valid_until and revoked_at are moments in UTC with six digits behind the second")


def key_mark(origin: str, public: bytes) -> bytes:
    """How a note names a key of the log: the first four bytes of a digest."""
    return hashlib.sha256(origin.encode() + b"\n\x01" + public).digest()[:4]


class LogKeys:
    """Keys of the log that are trusted: those that were given, and those to which they lead, each by a statement that it signed. `ends`:
    beyond which size of the log each signs nothing."""

    def __init__(self, package: Package, keys: Any) -> None:
        self.origin: str = keys["origin"]
        told = package.json_of("keys.json")["log"] if "keys.json" in package.places else []
        self.known = [bytes.fromhex(one["key"]) for one in keys["log"]]
        self.ends: dict[bytes, int] = {}
        self.stolen: set[bytes] = set()
        self.said: list[str] = []
        self._ended(keys["log"])
        closed = set(self.ends)
        self._ended(told)
        led = {bytes.fromhex(one["key"]): one["ended"] for one in told if "ended" in one and one["ended"]["cause"] == "planned"}
        for key in self.known:  # it grows on the way
            if key in led and key not in closed:
                self._follow(key, led[key])

    def _ended(self, listed: Any) -> None:
        for one in listed:
            if "ended" in one:
                key, end = bytes.fromhex(one["key"]), one["ended"]
                self.ends[key] = min(self.ends.get(key, end["size"]), end["size"])
                if end["cause"] == "stolen":
                    self.stolen.add(key)

    def _follow(self, key: bytes, end: Any) -> None:
        """To the key that this one has named. Raises Broken."""
        text, blank, signed = end["statement"].rpartition("\n\n")
        lines, signatures = text.split("\n"), signed.split("\n")
        right = bool(blank) and len(lines) == 8 and lines[:3] == [LOG_KEY, self.origin, key.hex()]
        right = right and lines[4:6] == ["planned", str(end["size"])]
        need(right, "keys.json tells of another change of the log's key than its statement.")
        after, message = bytes.fromhex(lines[3]), (text + "\n").encode()
        both = len(signatures) == 3 and not signatures[2] and self.is_by(signatures[0], after, message)
        both = both and self.is_by(signatures[1], key, message)
        need(both, "keys.json tells of a change of the log's key that its key of before did not sign.")
        if after not in self.known:
            self.known.append(after)
            self.said.append(
                f"The log has another key since entry {end['size']}, by the word of the one that you gave (counterfoil signers pin)."
            )

    def is_by(self, line: str, public: bytes, message: bytes) -> bool:
        """Is this line of a note the signature of this key?"""
        try:
            raw = base64.b64decode(line.rpartition(" ")[2], validate=True)
        except ValueError:
            return False
        written = line == f"\u2014 {self.origin} {base64.b64encode(raw).decode()}"
        return written and raw[:4] == key_mark(self.origin, public) and signed_by(public, raw[4:], message)

    def doubts(self, package: Package, names: Any) -> list[str]:
        """Checkpoints that a key has signed which was stolen later."""
        marks = {key_mark(self.origin, one) for one in self.stolen}
        notes = [(name, package.bytes_of(name).decode().rpartition(" ")[2]) for name in names]
        return [f"whether {name} {STOLEN}" for name, note in notes if base64.b64decode(note)[:4] in marks]
