"""Keys of the log that a caller trusts: those that they gave, and those to which these lead, each by a statement that it signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from counterfoil.proofs.log.key_changes import FORMAT, PLANNED
from counterfoil.proofs.log.notes import Checkpoint, NoteKey, NoteRefused, open_note, read_checkpoint
from counterfoil.proofs.verifying.quantum import QuantumKeys, TrustedQuantumKey
from counterfoil.proofs.verifying.reading import PackageFiles, holds

KEYS: Final = "keys.json"
STOLEN: Final = "was signed before the log's key was stolen: a thief can sign a shorter log, too"


class EndedKey(NamedTuple):
    """A key of the log that signs nothing beyond a size of it, and why."""

    key: bytes
    size: int
    cause: str

    @staticmethod
    def every(told: Sequence[Mapping[str, Any]]) -> tuple[EndedKey, ...]:
        """Those of a file of keys that have ended. Raises ValueError, KeyError, TypeError."""
        found = tuple(EndedKey(bytes.fromhex(one["key"]), one["ended"]["size"], one["ended"]["cause"]) for one in told if "ended" in one)
        if not all(type(one.size) is int and isinstance(one.cause, str) for one in found):
            raise ValueError("it does not say where a key of the log ended, and why")
        return found


class KnownLogKeys(NamedTuple):
    """All of them, beyond which size each signs nothing, which were stolen, what is to be said of the way to them, and which of ML-DSA-44
    stand beside them."""

    keys: list[NoteKey]
    ends: dict[bytes, int]
    stolen: frozenset[bytes]
    said: list[str]
    quantum: QuantumKeys

    def refuse_ended(self, name: str, size: int, signers: Sequence[NoteKey]) -> None:
        """Raises ProofBroken when a key signed a larger log than it may."""
        right = all(size <= self.ends.get(one.public, size) for one in signers)
        holds(right, f"{name} is signed by a key of the log that had ended by then.")

    def doubts(self, package: PackageFiles, *names: str) -> list[str]:
        """Checkpoints that a key has signed which was stolen later, and what was not checked of their second signatures.
        Raises ProofBroken."""
        notes = {name: package.whole(name).decode() for name in names}
        signed = {name: open_note(note, self.keys)[1] for name, note in notes.items()}
        stolen = [f"whether {name} {STOLEN}" for name, by in signed.items() if any(one.public in self.stolen for one in by)]
        beside = [self.second(name, note, by[0].public) for (name, note), by in zip(notes.items(), signed.values(), strict=True)]
        return stolen + [one for one in beside if one]

    def second(self, name: str, note: str, signer: bytes) -> str | None:
        """What was not checked of a checkpoint's signature of ML-DSA-44. Raises ProofBroken."""
        told: Checkpoint = read_checkpoint(note.rpartition("\n\n")[0] + "\n")
        return self.quantum.doubt(name, told, note, signer)


def log_keys_of(
    package: PackageFiles, origin: str, given: Sequence[bytes], ended: Sequence[EndedKey], quantum: Mapping[bytes, TrustedQuantumKey]
) -> KnownLogKeys:
    """By what was given, and by what the package tells of changes since. A key that was given as ended names no other.
    Raises ProofBroken."""
    told = package.json(KEYS)["log"] if KEYS in package.names else []
    since = EndedKey.every(told)
    ends: dict[bytes, int] = {}
    for one in (*ended, *since):
        ends[one.key] = min(ends.get(one.key, one.size), one.size)
    statements = {bytes.fromhex(one["key"]): one["ended"] for one in told if "ended" in one and one["ended"]["cause"] == PLANNED}
    known, said, closed = list(given), list[str](), {one.key for one in ended}
    for key in known:  # it grows on the way
        if key not in statements or key in closed:
            continue
        after, size = _named_by(key, origin, statements[key]), statements[key]["size"]
        if after not in known:
            known.append(after)
            said.append(f"The log has another key since entry {size}, by the word of the one that you gave (counterfoil signers pin).")
    stolen = frozenset(one.key for one in (*ended, *since) if one.cause == "stolen")
    beside = QuantumKeys(quantum, TrustedQuantumKey.every(told))
    beside.refuse_others()
    return KnownLogKeys([NoteKey(origin, one) for one in known], ends, stolen, said, beside)


def _named_by(key: bytes, origin: str, end: Mapping[str, Any]) -> bytes:
    """The key that this one has named as the next. Raises ProofBroken."""
    note: str = end["statement"]
    lines = note.split("\n")[:9]
    right = [*lines[:3], *lines[4:6], *lines[8:]] == [FORMAT, origin, key.hex(), PLANNED, str(end["size"]), ""]
    holds(right, "keys.json tells of another change of the log's key than its statement.")
    after = bytes.fromhex(lines[3])
    both = [NoteKey(origin, after), NoteKey(origin, key)]
    try:
        _, signers = open_note(note, both)
    except NoteRefused:
        signers = []
    holds(signers == both and note.count("\n") == 11, "keys.json tells of a change of the log's key that its key of before did not sign.")
    return after
