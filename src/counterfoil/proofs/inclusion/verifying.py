"""Verify an inclusion file: each entry leads to one checkpoint that the log signed, and is of the thing that the file is of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.proofs.inclusion.stating import (
    BYTES_MAX,
    ENTRY_NAMES,
    FORMAT,
    JOURNAL,
    KINDS,
    LINES_SAID,
    NAMES,
    PAYOUT,
    attempts_in,
    is_of,
)
from counterfoil.proofs.log.merkle import leaf_hash, root_from_inclusion
from counterfoil.proofs.log.notes import Checkpoint, NoteRefused, read_checkpoint, read_proof, write_proof
from counterfoil.proofs.verifying.log_keys import KEYS
from counterfoil.proofs.verifying.reading import PackageFiles, holds, is_moment, read_json
from counterfoil.proofs.verifying.signatures import TrustedKeys, checkpoint_of
from counterfoil.proofs.verifying.stamps import UNSTAMPED

NOTE: Final = "checkpoint"
SIGNERS: Final = "that people vouch for it: they sign packages of periods, and this rests on the log's own key"
ALL_OF_IT: Final = "whether these are all entries of it: only the whole package holds every entry"
ATTEMPTS: Final = "that {attempts} are attempts at {id}: the entries name the attempts alone"
RESERVED: Final = "{attempt} is an attempt at {id}: the entry that reserves for it says so."
NO_PREVIOUS: Final = "the package of before: an inclusion file does not rest on it"
NO_STAMP: Final = "the time stamp: it is of a package, and this is none"


class InclusionSeen(NamedTuple):
    """What came of it: that a key signed it that nobody trusts here, or what is to be said."""

    strange: list[str]
    said: list[str]


class _Files(PackageFiles):
    """What the file says of the log's keys, and the checkpoint, under the names by which they are looked for in a package."""

    def __init__(self, log: Any, note: str) -> None:
        self._files = {KEYS: canonical_json({"log": log}).encode(), NOTE: note.encode()}

    @property
    def names(self) -> list[str]:
        return list(self._files)

    def parts(self, name: str) -> Iterator[bytes]:
        yield self._files[name]


def is_inclusion_file(path: Path) -> bool:
    """Is it one, and no container? Raises OSError."""
    with path.open("rb") as file:
        return file.read(1) == b"{"


def verify_inclusion(path: Path, keys: TrustedKeys, *, previous: bool, stamp: bool) -> InclusionSeen:
    """Raises ProofBroken, OSError."""
    with path.open("rb") as file:
        body = file.read(BYTES_MAX + 1)
    holds(len(body) <= BYTES_MAX, "The file is too long to be an inclusion file.")
    given = read_json(body, "The file")
    kind, subject_id = _whose(given)
    note, leaves = _proofs(given["entries"])
    files = _Files(given["log"], note)
    first = note.split("\n")
    try:
        checkpoint = checkpoint_of(files, NOTE, {"size": int(first[1]), "root": first[2]}, {"origin": first[0]}, keys)
    except NoteRefused:
        return InclusionSeen([f"{NOTE} is signed by a key of the log that is not among those you gave."], [])
    journals = _journals(given["entries"], leaves, checkpoint)
    if kind == JOURNAL:
        holds(len(journals) == 1, "The file is of one journal, and holds more.")
    said: list[str] = []
    for place, journal in zip(leaves, journals, strict=True):
        holds(is_of(kind, subject_id, journal), f"Entry {place} is not of {subject_id}.")
        said += _told(place, journal)
    log = keys.of_log(files)
    told, untold = attempts_in(journals) if kind == PAYOUT else ([], [])
    said += [RESERVED.format(attempt=one, id=subject_id) for one in told]
    unchecked = [SIGNERS, *[ALL_OF_IT] * (kind == PAYOUT)]
    unchecked += [ATTEMPTS.format(attempts=", ".join(untold), id=subject_id)] * bool(untold)
    unchecked += [NO_PREVIOUS] * previous + log.doubts(files, NOTE) + [NO_STAMP if stamp else UNSTAMPED]
    head = f"Inclusion of {kind} {subject_id}: {len(leaves)} of the {checkpoint.size} entries of the log {checkpoint.origin}."
    return InclusionSeen([], [head, *said, *log.said, *(f"Not checked here: {one}." for one in unchecked)])


def _whose(told: Any) -> tuple[str, str]:
    """Of what it is. Raises ProofBroken."""
    holds(isinstance(told, dict) and told.get("format") == FORMAT, "The file is of another format.")
    kind, subject_id, entries = told.get("kind"), told.get("id"), told.get("entries")
    whole = kind in KINDS and isinstance(subject_id, str) and subject_id.isprintable() and bool(subject_id)
    holds(whole and told.keys() == NAMES, "The file does not say of what it is.")
    named = isinstance(entries, list) and bool(entries) and all(isinstance(one, dict) and one.keys() == ENTRY_NAMES for one in entries)
    holds(named, "The file holds no entries, so it shows nothing.")
    return kind, subject_id


def _proofs(entries: list[dict[str, Any]]) -> tuple[str, dict[int, list[bytes]]]:
    """The checkpoint to which all of them lead, and the hashes of each by its place. Raises ProofBroken."""
    note, leaves, last = "", dict[int, list[bytes]](), -1
    for one in entries:
        try:
            place, hashes, each = read_proof(one["proof"])
        except NoteRefused:
            place, hashes, each = -1, [], ""
        holds(write_proof(place, hashes, each) == one["proof"], "A proof is not written as one is (c2sp.org/tlog-proof).")
        holds(type(one["place"]) is int and one["place"] == place, "An entry names another place than its proof.")
        holds(last < place, "The entries do not lie in the order of the log.")
        holds(not note or note == each, "The proofs lead to different checkpoints.")
        note, last, leaves[place] = each, place, hashes
    head = note.rpartition("\n\n")[0]
    try:
        read_checkpoint(f"{head}\n")
    except NoteRefused:
        holds(False, f"{NOTE} is not written as a checkpoint is.")
    return note, leaves


def _journals(entries: list[dict[str, Any]], leaves: Mapping[int, list[bytes]], checkpoint: Checkpoint) -> list[Mapping[str, Any]]:
    """Each entry, once it leads to the checkpoint. Raises ProofBroken."""
    found: list[Mapping[str, Any]] = []
    for one, (place, hashes) in zip(entries, leaves.items(), strict=True):
        raw = one["record"].encode()
        leads = root_from_inclusion(place, checkpoint.size, leaf_hash(raw), hashes) == checkpoint.root
        holds(leads, f"Entry {place} does not lead to the checkpoint: it was altered, or is of another place or log.")
        record = read_json(raw, f"Entry {place}")
        holds(record["type"] == "journal", f"Entry {place} is no journal.")
        holds(is_moment(record["at"]), f"Entry {place} does not say when it was recorded.")
        found.append(record)
    return found


def _told(place: int, journal: Mapping[str, Any]) -> Iterator[str]:
    """What a journal says, in words."""
    yield f"Entry {place}: journal {journal['id']} ({journal['kind']}) of {journal['program']}, recorded {journal['at']}."
    lines = journal["lines"]
    for line in lines[:LINES_SAID]:
        yield f"  debit {line['debit']}, credit {line['credit']}: {line['amount']} ({journal['asset']}, minor units)."
    if len(lines) > LINES_SAID:
        yield f"  and {len(lines) - LINES_SAID} lines more, in the file."
