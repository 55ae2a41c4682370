"""Who signed a package: the quorum, by keys that the caller trusts, of different people in different roles."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from counterfoil.proofs.disclosures.concerning import DISCLOSURE
from counterfoil.proofs.log.notes import Checkpoint, NoteRefused, open_note, read_checkpoint
from counterfoil.proofs.log.quantum import KindMissing
from counterfoil.proofs.packages.layout import ALL, ENVELOPE, KEYS_FORMAT, MANIFEST
from counterfoil.proofs.signing.envelope import PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, key_id, to_sign
from counterfoil.proofs.signing.kinds import verifies
from counterfoil.proofs.verifying.log_keys import EndedKey, KnownLogKeys, log_keys_of
from counterfoil.proofs.verifying.quantum import TrustedQuantumKey, is_signed_by_the_log
from counterfoil.proofs.verifying.reading import OpenPackage, PackageFiles, ProofBroken, holds, is_moment, read_json

_TEXTS: Final = ("person", "person_id", "role")
DATED_BACK: Final = "who has a stolen key can date a request back"
UNREAD_KIND: Final = "it is of ML-DSA-44, which cannot be checked here (counterfoil proof verify can, with a library that has it)"


class TrustedSigner(NamedTuple):
    """A key that the caller trusts to sign proofs; moments as texts in UTC."""

    public_key: bytes
    person: str
    person_id: str
    role: str
    valid_from: str
    valid_until: str
    revoked_at: str | None


class TrustedKeys(NamedTuple):
    """What the caller trusts: the log by its name and keys, people by theirs, and how many of them it takes."""

    origin: str
    quorum: int
    log: tuple[bytes, ...]
    signers: tuple[TrustedSigner, ...]
    ended: tuple[EndedKey, ...] = ()  # of the log
    quantum: Mapping[bytes, TrustedQuantumKey] = MappingProxyType({})  # beside keys of the log

    @staticmethod
    def read(told: Mapping[str, Any]) -> TrustedKeys:
        """Out of a file of keys. Raises ValueError, KeyError, TypeError for what is none."""
        if told["format"] != KEYS_FORMAT:
            raise ValueError("it is of another format")
        if not isinstance(told["origin"], str) or type(told["quorum"]) is not int or told["quorum"] < 1:
            raise ValueError("it names no log, or no number of people")  # of none, a package that nobody signed would hold
        for one in told["signers"]:
            if not all(isinstance(one[name], str) for name in _TEXTS):
                raise TypeError(f"{', '.join(_TEXTS)} are texts")
            revoked = one["revoked_at"]
            if not (is_moment(one["valid_from"]) and is_moment(one["valid_until"]) and (revoked is None or is_moment(revoked))):
                raise ValueError("valid_from, valid_until and revoked_at are moments in UTC with six digits behind the second")
        signers = tuple(
            TrustedSigner(
                bytes.fromhex(one["key"]),
                one["person"],
                one["person_id"],
                one["role"],
                one["valid_from"],
                one["valid_until"],
                one["revoked_at"],
            )
            for one in told["signers"]
        )
        log = tuple(bytes.fromhex(one["key"]) for one in told["log"])
        ended, quantum = EndedKey.every(told["log"]), TrustedQuantumKey.every(told["log"])
        return TrustedKeys(told["origin"], told["quorum"], log, signers, ended, quantum)

    def of_log(self, package: PackageFiles) -> KnownLogKeys:
        """The keys of the log, with those to which they lead by what the package tells. Raises ProofBroken."""
        return log_keys_of(package, self.origin, self.log, self.ended, self.quantum)


class SignaturesSeen(NamedTuple):
    """What came of looking: what is lacking of the quorum, what is signed by keys that nobody trusts here, when signatures were asked for,
    whose keys have been revoked since, and whose signatures are of a kind that cannot be checked here."""

    lacking: str = ""
    strange: str = ""
    requested_at: str = ""
    revoked: tuple[TrustedSigner, ...] = ()
    unread: tuple[TrustedSigner, ...] = ()

    def doubts(self, stamped_at: str = "") -> list[str]:
        """What no signature shows: that it was there before its key was revoked, unless a time stamp shows it."""
        late = [one for one in self.revoked if not stamped_at or stamped_at >= (one.revoked_at or "")]
        doubts = [f"whether {one.person} signed before their key was revoked: {DATED_BACK}" for one in late]
        return [f"the signature of {one.person}: {UNREAD_KIND}" for one in self.unread] + doubts


def signatures_of(package: OpenPackage, manifest: Mapping[str, Any], keys: TrustedKeys) -> SignaturesSeen:
    """Is the package signed as it must be? Raises ProofBroken."""
    told = package.json(ENVELOPE)
    body = _decoded(told["payload"], "The signed statement")
    holds(told["payloadType"] == PAYLOAD_TYPE, "The envelope is of another type.")
    requested_at = _is_about(read_json(body, "The signed statement"), package, manifest)
    trusted = {key_id(one.public_key): one for one in keys.signers}
    counted, unread, strangers = list[TrustedSigner](), list[TrustedSigner](), 0
    for one in told["signatures"]:
        signer = trusted.get(one["keyid"])
        if signer is None:
            strangers += 1
            continue
        signature = _decoded(one["sig"], "A signature")
        try:
            holds(verifies(signer.public_key, signature, to_sign(body)), f"The signature of {signer.person} is not of this statement.")
        except KindMissing:
            unread.append(signer)
        _was_valid(signer, requested_at)
        counted.append(signer)
    _are_distinct(counted)
    read = len(counted) - len(unread)  # what nobody has looked at counts for nobody
    far = ", as far as can be checked here" if unread else ""
    return SignaturesSeen(
        f"It is signed by {read} of the {keys.quorum} people that it takes{far}." if read < keys.quorum else "",
        f"{strangers} of its signatures are by keys that are not among those you gave." if strangers else "",
        requested_at,
        tuple(one for one in counted if one.revoked_at is not None),
        tuple(unread),
    )


def refuse_another_request(body: bytes, proof_id: str, package: Path | None) -> None:
    """What somebody is asked to sign, read on their own machine before their key touches it: it must be about this proof and, where the
    package is at hand, about exactly its files. Raises ProofBroken, OSError."""
    statement = read_json(body, "The statement that you are asked to sign")
    about = statement.get("predicate") if isinstance(statement, dict) else None
    named = isinstance(about, dict) and statement.get("predicateType") == PREDICATE_TYPE
    holds(named, "The server asks you to sign something that is no proof.")
    assert about is not None
    holds(about.get("proof_id") == proof_id, f"The server asks you to sign another proof: {str(about.get('proof_id'))[:40]}.")
    if package is not None:
        opened = OpenPackage(package)
        try:
            _is_about(statement, opened, opened.json(MANIFEST))
        except (KeyError, TypeError, AttributeError):
            raise ProofBroken(said="The server asks you to sign something that is no proof.") from None
        finally:
            opened.close()


def _is_about(statement: Mapping[str, Any], package: OpenPackage, manifest: Mapping[str, Any]) -> str:
    """It is about these files and this proof. When its signatures were asked for."""
    holds(statement["_type"] == STATEMENT_TYPE, "The signed statement is of another type.")
    holds(statement["predicateType"] == PREDICATE_TYPE, "The signed statement is about something else.")
    subject = statement["subject"]
    listed = {one["name"]: one["digest"] for one in subject}
    same = len(listed) == len(subject) and _covers(listed, package)
    holds(same, "The signed statement is about other files than these.")
    about = statement["predicate"]
    for name in ("proof_id", "origin", "period"):
        holds(about.get(name) == manifest[name], "The signed statement is about another proof.")
    at = about["requested_at"]
    holds(is_moment(at), "The signed statement does not say when it was asked for.")
    return str(at)


def _covers(listed: Mapping[str, Any], package: OpenPackage) -> bool:
    """Is it about these files? A disclosure holds some files of a package, and others that lead to them."""
    files = {name: {"sha256": package.digest(name)} for name in package.names if name != ENVELOPE}
    if DISCLOSURE not in files:
        return listed == files
    return set(listed) == ALL - {ENVELOPE} and all(listed[name] == files[name] for name in files if name in ALL)


def statement_of(package: OpenPackage) -> Mapping[str, Any]:
    """What was signed, as it lies in the envelope. Raises ProofBroken."""
    found: Mapping[str, Any] = read_json(_decoded(package.json(ENVELOPE)["payload"], "The signed statement"), "The signed statement")
    return found


def _was_valid(signer: TrustedSigner, at: str) -> None:
    holds(signer.valid_from <= at < signer.valid_until, f"The key of {signer.person} was not valid when this was signed.")
    revoked = signer.revoked_at
    holds(revoked is None or at < revoked, f"The key of {signer.person} was revoked before this was signed.")


def _are_distinct(counted: Sequence[TrustedSigner]) -> None:
    for what, values in (
        ("key", [(one.public_key, one.person) for one in counted]),
        ("person", [(one.person_id, one.person) for one in counted]),
        ("role", [(one.role, one.role) for one in counted]),
    ):
        seen = set[Any]()
        for value, told in values:
            holds(value not in seen, f"Two signatures are of one {what} ({told}): each must be of another.")
            seen.add(value)


def _decoded(text: str, what: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    holds(base64.b64encode(raw).decode() == text, f"{what} is not written in its one form.")
    return raw


def checkpoint_of(package: PackageFiles, name: str, end: Mapping[str, Any], manifest: Mapping[str, Any], keys: TrustedKeys) -> Checkpoint:
    """A checkpoint of the package that a trusted key of its log signed, as the manifest tells it. Raises ProofBroken, NoteRefused when
    the key is not trusted."""
    note = package.whole(name).decode()
    text, blank, _ = note.rpartition("\n\n")
    try:
        told = read_checkpoint(f"{text}\n")
    except NoteRefused:
        told = Checkpoint("", 0, b"")
    holds(
        bool(blank) and told.text() == f"{text}\n" and is_signed_by_the_log(note, told.origin), f"{name} is not written as a checkpoint is."
    )
    holds(told.origin == manifest["origin"] == keys.origin, f"{name} is of another log.")
    same = (told.size, base64.b64encode(told.root).decode()) == (end["size"], end["root"])
    holds(same, f"{name} has another size or root than the manifest says.")
    log = keys.of_log(package)
    try:
        _, signers = open_note(note, log.keys)
    except NoteRefused as refused:
        holds(refused.facts["why"] == "no known key signed it", f"The signature of {name} is not of it.")
        raise
    log.refuse_ended(name, told.size, signers)
    log.second(name, note, signers[0].public)
    return told
