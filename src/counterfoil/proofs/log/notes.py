"""Signed notes and checkpoints, as C2SP has them: https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint, https://c2sp.org/tlog-proof.

A note is a text, an empty line, and signatures. A checkpoint is a note of three lines: origin, size and root of a log. Signatures are of
Ed25519; over checkpoints also of ML-DSA-44 (https://c2sp.org/tlog-cosignature).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.base.problems import Problem
from counterfoil.proofs.log import quantum
from counterfoil.proofs.log.merkle import HASH_BYTES

ED25519: Final = 1  # the type of a key in a note
ID_BYTES: Final = 4
SIGNATURE_BYTES: Final = 64
PROOF_HEAD: Final = "c2sp.org/tlog-proof@v1"
_DASH: Final = "\u2014 "
SIZE_MAX: Final = 1 << 63
_KEY_BYTES: Final = {ED25519: HASH_BYTES, quantum.KEY_TYPE: quantum.KEY_BYTES}


class NoteRefused(Problem, kind="invalid"):
    """This is no note that a known key signed."""


class KeyEnd(NamedTuple):
    """That a key signs nothing more: why (`planned`, `stolen`, `lost`), and from when on."""

    cause: str
    at: datetime


class NoteKey(NamedTuple):
    """Who signs notes: a name without spaces and plus signs, and a public key: Ed25519 of 32 bytes, or ML-DSA-44 of 1,312, which signs
    checkpoints alone. `ended`: since when it signs no more."""

    name: str
    public: bytes
    ended: KeyEnd | None = None

    @property
    def is_quantum(self) -> bool:
        """Is it of ML-DSA-44?"""
        return len(self.public) == quantum.KEY_BYTES

    @property
    def typed(self) -> bytes:
        """Its type, and the key."""
        return bytes([quantum.KEY_TYPE if self.is_quantum else ED25519]) + self.public

    @property
    def id(self) -> bytes:
        """The first four bytes of SHA-256 over name and key."""
        return hashlib.sha256(self.name.encode() + b"\n" + self.typed).digest()[:ID_BYTES]

    def written(self) -> str:
        """As it is handed to whoever verifies: `name+id+key`."""
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(self.typed).decode()}"

    @staticmethod
    def read(text: str) -> NoteKey:
        """A key as it was written. Raises NoteRefused."""
        name, plus, rest = text.partition("+")
        told, _, key = rest.partition("+")
        raw = _decoded(key)
        if not plus or not is_name(name) or not raw or len(raw) - 1 != _KEY_BYTES.get(raw[0]):
            raise NoteRefused(why="a key reads name+id+base64 of its type and its bytes")
        found = NoteKey(name, raw[1:])
        if found.id.hex() != told:
            raise NoteRefused(why="the key has another id than it says")
        return found


class Checkpoint(NamedTuple):
    """How large a log was, and its root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def is_name(text: str) -> bool:
    """May this be the name of a key?"""
    return bool(text) and "+" not in text and not any(one.isspace() for one in text)


def sign_note(text: str, name: str, *seeds: bytes) -> str:
    """The text as a note, signed by each key with one of these seeds of 32 bytes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    lines = []
    for seed in seeds:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        key = NoteKey(name, private.public_key().public_bytes_raw())
        signed = base64.b64encode(key.id + private.sign(text.encode())).decode()
        lines.append(f"{_DASH}{name} {signed}\n")
    return f"{text}\n{''.join(lines)}"


def cosign_note(note: str, name: str, private: Any) -> str:
    """A signed checkpoint with one signature more, by this private key of ML-DSA-44. Raises NoteRefused, KindMissing."""
    told = _exact_checkpoint(_parts(note)[0])
    key = NoteKey(name, private.public_key().public_bytes_raw())
    signature = private.sign(quantum.cosigned(name, told.origin, told.size, told.root))
    return f"{note}{_DASH}{name} {base64.b64encode(key.id + bytes(quantum.STAMP_BYTES) + signature).decode()}\n"


def open_note(note: str, keys: Sequence[NoteKey]) -> tuple[str, list[NoteKey]]:
    """The text of a note, and which of `keys` signed it. Signatures of others are passed over, and those of ML-DSA-44 where the library has
    none. Raises NoteRefused without one of `keys`, for a signature of theirs that is wrong, and for what is not written as a note is."""
    text, lines = _parts(note)
    known = {(key.name, key.id): key for key in keys}
    found: list[NoteKey] = []
    for line in lines:
        name, raw = _signature(line)
        key = known.get((name, raw[:ID_BYTES]))
        if key is None or key in found:
            continue
        try:
            signed = _signed_by(key, raw[ID_BYTES:], text)
        except quantum.KindMissing:
            continue
        if not signed:
            raise NoteRefused(why="a signature is not of this text", key=key.written())
        found.append(key)
    if not found:
        raise NoteRefused(why="no known key signed it")
    return text, found


def _signed_by(key: NoteKey, signature: bytes, text: str) -> bool:
    """Raises KindMissing, NoteRefused."""
    if not key.is_quantum:
        return verifies(key.public, signature, text.encode())
    told = _exact_checkpoint(text)
    return quantum.is_cosigned(key.public, signature, key.name, *told)


def _exact_checkpoint(text: str) -> Checkpoint:
    """A checkpoint without further lines, which a signature of ML-DSA-44 would not cover. Raises NoteRefused."""
    told = read_checkpoint(text)
    if told.text() != text:
        raise NoteRefused(why="a signature of ML-DSA-44 covers three lines")
    return told


def signatures_in(note: str) -> list[tuple[str, bytes]]:
    """The name, and id and signature, of each line in which a note is signed. Raises NoteRefused."""
    return [_signature(line) for line in _parts(note)[1]]


def _parts(note: str) -> tuple[str, list[str]]:
    head, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteRefused(why="a note is a text, an empty line, and lines of signatures")
    return head + "\n", tail[:-1].split("\n")


def _signature(line: str) -> tuple[str, bytes]:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _decoded(encoded)
    if not line.startswith(_DASH) or not space or not is_name(name) or raw is None or len(raw) <= ID_BYTES:
        raise NoteRefused(why="a signature reads: a dash, a name, base64")
    return name, raw


def verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    """Did the owner of this Ed25519 key sign this?"""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note's text is; lines behind the third are passed over. Raises NoteRefused."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise NoteRefused(why="a checkpoint has an origin, a size and a root, each in a line")
    origin, size, root = lines[:3]
    raw = _decoded(root)
    if not (size.isascii() and size.isdigit()) or str(int(size)) != size or int(size) >= SIZE_MAX:
        raise NoteRefused(why="the size of a checkpoint is a number without leading zeros")
    if raw is None or len(raw) != HASH_BYTES:
        raise NoteRefused(why="the root of a checkpoint is base64 of 32 bytes")
    return Checkpoint(origin, int(size), raw)


def write_proof(index: int, hashes: Sequence[bytes], checkpoint: str) -> str:
    """An inclusion proof as a text that stands alone, with the signed checkpoint that it leads to."""
    lines = [PROOF_HEAD, f"index {index}", *(base64.b64encode(one).decode() for one in hashes), "", checkpoint]
    return "\n".join(lines)


def read_proof(text: str) -> tuple[int, list[bytes], str]:
    """Index, hashes and signed checkpoint of such a text. Raises NoteRefused."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if lines[1:2] and lines[1].startswith("extra "):
        del lines[1]
    if not blank or lines[0] != PROOF_HEAD or len(lines) < 2 or not lines[1].startswith("index "):
        raise NoteRefused(why="a proof begins with its format and the index of its leaf")
    number = lines[1].removeprefix("index ")
    hashes = [_decoded(one) for one in lines[2:]]
    if not (number.isascii() and number.isdigit()) or str(int(number)) != number:
        raise NoteRefused(why="an index is a number without leading zeros")
    if any(one is None or len(one) != HASH_BYTES for one in hashes):
        raise NoteRefused(why="each hash is base64 of 32 bytes")
    return int(number), [one for one in hashes if one is not None], checkpoint


def _decoded(text: str) -> bytes | None:
    """Base64 as RFC 4648 writes it, and in no other way."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if base64.b64encode(raw).decode() == text else None
