"""A part of verify.py, which a package carries as one file: the keys that are trusted, and where those of the log lead."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from counterfoil.proofs.packages.verify_base import (
    BEYOND,
    KEYS_FORMAT,
    LOG_KEY,
    ML_DSA_44,
    NOT_GIVEN,
    STOLEN,
    UNREAD_LINE,
    Package,
    is_moment,
    need,
    signed_by,
)

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
    quantum_keys(keys["log"])
    for one in keys["signers"]:
        bytes.fromhex(one["key"])
        for name in ("person", "person_id", "role"):
            if not isinstance(one[name], str):
                raise TypeError(f"{name} is a text")
        times = [one["valid_from"], one["valid_until"], *([] if one["revoked_at"] is None else [one["revoked_at"]])]
        if not all(map(is_moment, times)):
            raise ValueError("valid_from, valid_until and revoked_at are moments in UTC with six digits behind the second")


def quantum_keys(listed: Any) -> dict[bytes, tuple[bytes, int]]:
    """Keys of ML-DSA-44, each by the key of the log beside which it stands, and from which size of the log on it signs each checkpoint.
    Raises KeyError, TypeError, ValueError."""
    found = {
        bytes.fromhex(one["key"]): (bytes.fromhex(one["quantum"]["key"]), one["quantum"]["size"]) for one in listed if "quantum" in one
    }
    if not all(type(size) is int and len(key) == ML_DSA_44[0] for key, size in found.values()):
        raise ValueError("it does not say with which key of ML-DSA-44 the log signs, and from where on")
    return found


def key_mark(origin: str, public: bytes) -> bytes:
    """How a note names a key of the log: the first four bytes of a digest over its name, its type and itself."""
    kind = b"\x06" if len(public) == ML_DSA_44[0] else b"\x01"
    return hashlib.sha256(origin.encode() + b"\n" + kind + public).digest()[:4]


def note_lines(note: str, origin: str) -> list[bytes]:
    """Id and signature of each line in which a checkpoint is signed: one of Ed25519, and behind it one of ML-DSA-44 or none; or nothing
    for what is not written so."""
    found = []
    for line in note.rpartition("\n\n")[2].split("\n")[:-1]:
        try:
            raw = base64.b64decode(line.rpartition(" ")[2], validate=True)
        except ValueError:
            return []
        if line != f"\u2014 {origin} {base64.b64encode(raw).decode()}":
            return []
        found.append(raw)
    whole = note.endswith("\n") and [len(one) for one in found] in ([68], [68, 4 + 8 + ML_DSA_44[1]])
    return found if whole else []


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
        self.beside, self.beside_told = quantum_keys(keys["log"]), quantum_keys(told)
        same = all(self.beside_told.get(one, key) == key for one, key in self.beside.items())
        need(same, "keys.json tells of another key of ML-DSA-44 of the log than you gave.")
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
        notes = [(name, package.bytes_of(name).decode()) for name in names]
        first = {name: note_lines(note, self.origin)[0][:4] for name, note in notes}
        found = [f"whether {name} {STOLEN}" for name, mark in first.items() if mark in marks]
        by = {key_mark(self.origin, one): one for one in self.known}
        return found + [said for name, note in notes for said in self.second(name, note, by[first[name]])]

    def second(self, name: str, note: str, signer: bytes) -> list[str]:
        """What is not checked of a checkpoint's second signature, of ML-DSA-44. That it is there, where it must be, is. Raises Broken."""
        known, lines, size = (
            self.beside.get(signer) or self.beside_told.get(signer),
            note_lines(note, self.origin),
            int(note.split("\n")[1]),
        )
        if known is None and len(lines) == 1:
            return [f"whether {name} {BEYOND}: this key of the log signs with that alone"] * bool(self.beside)
        if known is not None and len(lines) == 1:
            need(size < known[1], f"{name} lacks the signature of ML-DSA-44 that the log's key gives from {known[1]} entries on.")
            return [f"whether {name} {BEYOND}: the log's key gives a signature of ML-DSA-44 from {known[1]} entries on"]
        if known is not None:
            right = lines[1][:4] == key_mark(self.origin, known[0])
            need(right, f"{name} is signed by another key of ML-DSA-44 than the log's.")
        unread = f", {UNREAD_LINE}" if signer in self.beside else f": {NOT_GIVEN}"
        return [f"the signature of ML-DSA-44 of {name}{unread}"]
