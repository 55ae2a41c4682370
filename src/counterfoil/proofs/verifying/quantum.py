"""The second signature of a checkpoint, of ML-DSA-44: is it there where it must be, does it hold, and what could not be checked?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from counterfoil.proofs.log.notes import ID_BYTES, SIGNATURE_BYTES, Checkpoint, NoteKey, NoteRefused, signatures_in
from counterfoil.proofs.log.quantum import KEY_BYTES, STAMP_BYTES, KindMissing, is_cosigned
from counterfoil.proofs.log.quantum import SIGNATURE_BYTES as QUANTUM_BYTES
from counterfoil.proofs.verifying.reading import holds

UNREAD: Final = "which cannot be checked here (counterfoil proof verify can, with a library that has it)"
NOT_GIVEN: Final = "your file of keys has no such key of the log (counterfoil signers pin)"
BEYOND: Final = "was signed with anything but Ed25519"


class TrustedQuantumKey(NamedTuple):
    """A key of ML-DSA-44 beside a key of the log, and from which size of the log on each checkpoint of that key has its signature."""

    key: bytes
    size: int

    @staticmethod
    def every(told: Sequence[Mapping[str, Any]]) -> dict[bytes, TrustedQuantumKey]:
        """Those of a file of keys, by the key of the log. Raises ValueError, KeyError, TypeError."""
        found = {
            bytes.fromhex(one["key"]): TrustedQuantumKey(bytes.fromhex(one["quantum"]["key"]), one["quantum"]["size"])
            for one in told
            if "quantum" in one
        }
        if not all(type(one.size) is int and len(one.key) == KEY_BYTES for one in found.values()):
            raise ValueError("it does not say with which key of ML-DSA-44 the log signs, and from where on")
        return found


class QuantumKeys(NamedTuple):
    """By keys of the log: those that the caller gave, and those that the package tells of."""

    given: Mapping[bytes, TrustedQuantumKey]
    told: Mapping[bytes, TrustedQuantumKey]

    def refuse_others(self) -> None:
        """Raises ProofBroken when the package tells of another than was given."""
        same = all(self.told.get(one, key) == key for one, key in self.given.items())
        holds(same, "keys.json tells of another key of ML-DSA-44 of the log than you gave.")

    def doubt(self, name: str, told: Checkpoint, note: str, signer: bytes) -> str | None:
        """What of the second signature could not be checked. Raises ProofBroken."""
        [_, *second] = signatures_in(note)
        known = self.given.get(signer) or self.told.get(signer)
        if known is None:
            if second:
                return f"the signature of ML-DSA-44 of {name}: {NOT_GIVEN}"
            return f"whether {name} {BEYOND}: this key of the log signs with that alone" if self.given else None
        if not second:
            holds(told.size < known.size, f"{name} lacks the signature of ML-DSA-44 that the log's key gives from {known.size} entries on.")
            return f"whether {name} {BEYOND}: the log's key gives a signature of ML-DSA-44 from {known.size} entries on"
        [(_, raw)] = second
        right = raw[:ID_BYTES] == NoteKey(told.origin, known.key).id
        holds(right, f"{name} is signed by another key of ML-DSA-44 than the log's.")
        try:
            right = is_cosigned(known.key, raw[ID_BYTES:], told.origin, *told)
        except KindMissing:
            return f"the signature of ML-DSA-44 of {name}{f', {UNREAD}' if signer in self.given else f': {NOT_GIVEN}'}"
        holds(right, f"The signature of ML-DSA-44 of {name} is not of it.")
        return None if signer in self.given else f"the signature of ML-DSA-44 of {name}: {NOT_GIVEN}"


def is_signed_by_the_log(note: str, origin: str) -> bool:
    """Has it one signature of Ed25519, and behind it one of ML-DSA-44 or none, all in the log's name?"""
    try:
        lines = signatures_in(note)
    except NoteRefused:
        return False
    lengths = [len(raw) - ID_BYTES for _, raw in lines]
    named = all(name == origin for name, _ in lines)
    return named and lengths in ([SIGNATURE_BYTES], [SIGNATURE_BYTES, STAMP_BYTES + QUANTUM_BYTES])
