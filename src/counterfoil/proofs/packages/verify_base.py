"""Verify a proof package: python3 verify.py PACKAGE --keys KEYS [--previous PACKAGE]. Nothing but Python 3.9 or later is needed.

PACKAGE may be a disclosure, too: what one payee was given out of a package.

It ends with 0 when all is as it should be, 1 when something is broken, 2 when the package is whole and says itself that it is incomplete
(or too few have signed it yet), 3 when it is signed with keys that are not among KEYS, and 64 when nothing was verified: a file cannot
be read, or the call is not understood. KEYS is a file that you did not take from the package: whoever made the package could have put any
keys into it. VERIFY.md tells what each check shows, and what no check can show.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

OK, BROKEN, INCOMPLETE, UNKNOWN_KEYS, NOT_VERIFIED = 0, 1, 2, 3, 64
KEYS_FORMAT = "counterfoil-keys-1"
FILES = frozenset(
    [
        "VERIFY.md",
        "accounts.json",
        "actions.jsonl",
        "alerts.jsonl",
        "approvals.jsonl",
        "breaks.jsonl",
        "checkpoint.close",
        "checkpoint.open",
        "consistency.json",
        "entries.jsonl",
        "keys.json",
        "manifest.dsse.json",
        "manifest.json",
        "reconciliation_report.json",
        "runs.jsonl",
        "trial_balance_close.json",
        "trial_balance_open.json",
        "verify.py",
    ]
)
DISCLOSED = frozenset(
    [
        "VERIFY.md",
        "checkpoint.close",
        "checkpoint.open",
        "disclosed.jsonl",
        "disclosure.json",
        "inclusion.jsonl",
        "manifest.dsse.json",
        "verify.py",
    ]
)
UNLISTED = ("manifest.dsse.json", "manifest.json")
APPROVALS = ("approval_decision", "approval_proposal", "approval_use")
RUN_KINDS = ("checklist", "playbook")
RUN_BEGINS = "runbook_run.create"
RUN_ENDS = {"runbook_run.sign": "signed", "runbook_run.close": "closed"}
LINE_MAX = 1 << 28
ML_DSA_44 = [1312, 2420]  # how many bytes a key and a signature of it have; it is not in the standard library
LOG_KEY = "counterfoil-log-key-1"
STOLEN = "was signed before the log's key was stolen: a thief can sign a shorter log, too"
NOT_GIVEN = "your file of keys has no such key of the log (counterfoil signers pin)"
UNREAD_LINE = "which cannot be checked here (counterfoil proof verify can, with a library that has it)"
BEYOND = "was signed with anything but Ed25519"
UNREAD_KIND = "it is of ML-DSA-44, which cannot be checked here (counterfoil proof verify can, with a library that has it)"
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\.[0-9]{6}Z")
UNSTAMPED = "by a clock outside, when it was signed: no time stamp was read (counterfoil proof verify --stamp)"
ALL_OF_IT = "whether these are all entries that concern them: only the whole package holds every entry"
REST_OF_IT = "what else the proof says (balances, reconciliation, whether it is complete): that is in the package, not in a disclosure"
UNBUILT = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


class Broken(Exception):
    """Something is not as it must be."""


class UnknownKeys(Exception):
    """It is signed, and not with keys that were given."""


def need(holds: bool, said: str) -> None:
    """Raise Broken with this sentence unless it holds."""
    if not holds:
        raise Broken(said)


def unbuilt(error: Exception) -> str:
    """What is not as the form wants it, as far as Python says it."""
    return f"{error} is missing" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"


def is_moment(given: Any) -> bool:
    """Is it a moment in its one form: UTC, six digits behind the second, and of a day that there is?"""
    if not isinstance(given, str) or MOMENT.fullmatch(given) is None:
        return False
    try:
        dt.date.fromisoformat(given[:10])
    except ValueError:
        return False
    return True


def decoded(text: Any, what: str) -> bytes:
    """Base64 in its one form. Raises Broken."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    need(base64.b64encode(raw).decode() == text, f"{what} is not written in its one form.")
    return raw


# --- Ed25519, RFC 8032 ------------------------------------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
Point = Any


def x_of(y: int, odd: int) -> Any:
    """The x of a point of the curve, or None."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and odd):
        return None
    return P - x if x & 1 != odd else x


def added(a: Point, b: Point) -> Point:
    """The sum of two points, in extended coordinates."""
    one = (a[1] - a[0]) * (b[1] - b[0]) % P
    two = (a[1] + a[0]) * (b[1] + b[0]) % P
    three, four = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = two - one, four - three, four + three, two + one
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    """A point, so many times."""
    found = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = added(found, point)
        point, number = added(point, point), number >> 1
    return found


def point_of(raw: bytes) -> Point:
    """The point that 32 bytes say, or None."""
    number = int.from_bytes(raw, "little")
    y, odd = number & ((1 << 255) - 1), number >> 255
    x = x_of(y, odd)
    return None if x is None else (x, y, 1, x * y % P)


BASE = point_of(bytes([0x58]) + bytes([0x66]) * 31)


def signed_by(public: bytes, signature: bytes, message: bytes) -> bool:
    """Did the owner of this key sign this?"""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, first, second = point_of(public), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if key is None or first is None or second >= L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = times(second, BASE), added(first, times(challenge, key))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


# --- The container: a zip in one form only ----------------------------------------------------------------------------------------------


class Package:
    """The files of a package, each found where it must lie. Raises Broken for a byte that is not as the form wants it."""

    def __init__(self, path: str) -> None:
        self.file: BinaryIO = open(path, "rb")  # noqa: SIM115
        size = self.file.seek(0, 2)
        need(size >= 98, "The file is too short to be a package.")
        tail = self._at(size - 98, 98)
        count, listed, begin = struct.unpack("<QQQ", tail[32:56])
        need(count <= 100 and begin + listed + 98 == size, "The end of the container is not as it must be.")
        members = list(self._listed(self._at(begin, listed)))
        names = [name for name, _, _ in members]
        need(names == sorted(set(names)), "The files of the container do not lie in their order.")
        self.places, at = {}, 0  # type: dict[str, tuple[int, int]], int
        for name, length, crc in members:
            head = self._head(name, length, crc)
            need(self._at(at, len(head)) == head, f"What stands before {name} in the container was altered.")
            self.places[name] = (at + len(head), length)
            at += len(head) + length
        need(at == begin, "The container holds bytes that belong to no file.")
        need(self._at(begin, size - begin) == self._directory(members, at), "The list at the end of the container was altered.")
        self.digests = {}  # type: dict[str, str]
        for name, _, crc in members:
            need(self._read(name) == crc, f"{name} is not what the container says of it (CRC-32).")

    def holds_only(self, wanted: frozenset[str], what: str) -> None:
        """Raise Broken unless these are its files."""
        missing, more = sorted(wanted - set(self.places)), sorted(set(self.places) - wanted)
        need(not missing, f"The {what} lacks {', '.join(missing)}.")
        need(not more, f"The {what} holds {', '.join(more)}, which belongs to no {what}.")

    def _at(self, place: int, length: int) -> bytes:
        self.file.seek(place)
        return self.file.read(length)

    def _listed(self, raw: bytes) -> Iterator[tuple[str, int, int]]:
        at = 0
        while at < len(raw):
            need(len(raw) - at > 46, "The list at the end of the container is cut off.")
            crc, named = struct.unpack("<I8xH", raw[at + 16 : at + 30])
            name = raw[at + 46 : at + 46 + named]
            extra = raw[at + 46 + named : at + 74 + named]
            need(len(extra) == 28 and name.isascii(), "The list at the end of the container was altered.")
            yield name.decode(), struct.unpack("<Q", extra[4:12])[0], crc
            at += 74 + named

    @staticmethod
    def _head(name: str, size: int, crc: int) -> bytes:
        extra = struct.pack("<HHQQ", 1, 16, size, size)
        fixed = struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 45, 2048, 0, 0, 33, crc, 2**32 - 1, 2**32 - 1, len(name), 20)
        return fixed + name.encode() + extra

    def _directory(self, members: list[tuple[str, int, int]], begin: int) -> bytes:
        listed = b""
        for name, size, crc in members:
            place = self.places[name][0] - len(self._head(name, size, crc))
            listed += struct.pack("<4sHHHHHHIII", b"PK\1\2", 45, 45, 2048, 0, 0, 33, crc, 2**32 - 1, 2**32 - 1)
            listed += struct.pack("<HHHHHII", len(name), 28, 0, 0, 0, 0, 2**32 - 1) + name.encode()
            listed += struct.pack("<HHQQQ", 1, 24, size, size, place)
        count = len(members)
        end = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listed), begin)
        end += struct.pack("<4sIQI", b"PK\6\7", 0, begin + len(listed), 1)
        return listed + end + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)

    def parts(self, name: str) -> Iterator[bytes]:
        """The bytes of a file, piece by piece."""
        at, left = self.places[name]
        while left:
            part = self._at(at, min(left, 1 << 20))
            need(bool(part), f"{name} is cut off.")
            yield part
            at, left = at + len(part), left - len(part)

    def _read(self, name: str) -> int:
        """The CRC-32 of a file, which is read once for it and for its SHA-256."""
        crc, found = 0, hashlib.sha256()
        for part in self.parts(name):
            crc = zlib.crc32(part, crc)
            found.update(part)
        self.digests[name] = found.hexdigest()
        return crc

    def digest(self, name: str) -> str:
        """SHA-256 of a file."""
        return self.digests[name]

    def bytes_of(self, name: str) -> bytes:
        """A file that fits into memory."""
        return b"".join(self.parts(name))

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file, one at a time, each ended by a line break."""
        rest = b""
        for part in self.parts(name):
            whole = (rest + part).split(b"\n")
            rest = whole.pop()
            need(len(rest) <= LINE_MAX, f"A line of {name} is too long.")
            yield from whole
        need(not rest, f"The last line of {name} is cut off.")

    def json_of(self, name: str) -> Any:
        """A file of JSON in its one form."""
        return read_json(self.bytes_of(name), name)


written_as = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def read_json(raw: bytes, name: str) -> Any:
    """JSON with sorted keys and without blanks, as it was signed."""
    try:
        found = json.loads(raw.decode())
        written = written_as(found).encode()
    except (ValueError, RecursionError):
        raise Broken(f"{name} cannot be read as JSON.") from None
    need(written == raw, f"{name} is not written in its one form.")
    need(isinstance(found, dict), f"{name} is no object of JSON.")
    return found


def personal(manifest: Any) -> str:
    """Under which policy personal data is in a package. One of an older version names none. Raises Broken."""
    told = manifest["personal_data"]
    policy = told["policy"] if isinstance(told, dict) else None
    if policy is None:
        return "No policy of personal data was named for it."
    name, digest, since = policy["name"], policy["sha256"], policy["since"]
    whole = isinstance(name, str) and name.isprintable() and name and (digest is None or re.fullmatch("[0-9a-f]{64}", digest))
    in_time = is_moment(since) and since < manifest["period"]["to"]
    need(bool(whole) and in_time, "The manifest does not say under which policy personal data is in it.")
    return f"Personal data is in it under the policy {name}, in force since {since}{f' (SHA-256 {digest})' if digest else ''}."
