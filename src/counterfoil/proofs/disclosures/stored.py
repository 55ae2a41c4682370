"""A disclosure out of packages that lie in the store: what a server gives out, within its limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import Problem
from counterfoil.proofs.disclosures.making import Disclosed, disclosed_of
from counterfoil.proofs.packages.layout import ENVELOPE
from counterfoil.proofs.packages.store import StoredPackage, stored
from counterfoil.proofs.proofs import show_proof
from counterfoil.proofs.verifying.reading import PackageFiles

PREVIOUS_MAX: Final = 12  # packages of before, such as the months of a year
ENTRIES_MAX: Final = 2_000_000  # of all of them together: each is read three times
BYTES_MAX: Final = 64 << 20  # of what is given out


class ProofUnsigned(Problem):
    """This proof waits for its signatures: what is given out of it would show nothing yet."""

    todo = "Have it signed (`counterfoil proof show ID` says who is missing), then give it out."


class DisclosureTooLarge(Problem, kind="invalid"):
    """A server makes no disclosure as large as this one."""

    todo = "Fetch the packages (`counterfoil proof download`), and make it where they lie: `counterfoil proof disclose`."


class DisclosureAsked(NamedTuple):
    """Of which proof, for whom in which program; `previous`: proofs of the periods before, the oldest first."""

    proof_id: str
    payee_id: str
    program_id: str | None = None
    previous: Sequence[str] = ()
    with_others: bool = False


class _StoredFiles(PackageFiles):
    """The files of a package as they lie in the store."""

    def __init__(self, package: StoredPackage) -> None:
        self._package = package

    @property
    def names(self) -> list[str]:
        return sorted([*(one.name for one in self._package.files), ENVELOPE])

    def parts(self, name: str) -> Iterator[bytes]:
        return self._package.file(name)


def proofs_before(conn: Connection[Any], proof_id: str, periods: int) -> list[str]:
    """The proofs of so many periods before, the oldest first; fewer where there are no more. Raises NotFound."""
    found: list[str] = []
    one = show_proof(conn, proof_id)
    while len(found) < periods and one.previous_id is not None:
        one = show_proof(conn, one.previous_id)
        found.append(one.id)
    return found[::-1]


def packages_for(conn: Connection[Any], folder: Path | None, asked: DisclosureAsked) -> list[StoredPackage]:
    """The packages that it takes, the last the one that is disclosed of.

    Raises NotFound, ProofStoreUnset, ProofUnsigned, DisclosureTooLarge.
    """
    proofs = [show_proof(conn, one) for one in (*asked.previous, asked.proof_id)]
    for one in proofs:
        if one.state != "signed":
            raise ProofUnsigned(proof=one.id, state=one.state)
    entries = sum(one.entries for one in proofs)
    if entries > ENTRIES_MAX:
        raise DisclosureTooLarge(limit=f"{ENTRIES_MAX:,} entries of the packages", got=entries)
    return [stored(conn, folder, one.id) for one in proofs]


def disclose_stored(packages: Sequence[StoredPackage], asked: DisclosureAsked) -> tuple[Disclosed, bytes]:
    """What is given out, and how much it is.

    Raises ProofDamaged, NotFound, BesideOthers, ProofBroken, DisclosureTooLarge.
    """
    for one in packages:
        one.refuse_damaged()
    files = [_StoredFiles(one) for one in packages]
    near = Path(gettempdir())  # not in the store: a killed server leaves what it was at, and nothing there is taken away
    with disclosed_of(files, asked.payee_id, asked.program_id, near=near, with_others=asked.with_others) as (made, parts):
        found, size = [], 0
        for part in parts:
            size += len(part)
            if size > BYTES_MAX:
                raise DisclosureTooLarge(limit=f"{BYTES_MAX >> 20} MB", got=f"more, of {made.entries} entries")
            found.append(part)
    return made, b"".join(found)


def disclosure_name(asked: DisclosureAsked) -> str:
    """How the file is called: plain ASCII."""
    return f"{asked.proof_id}-{re.sub(r'[^A-Za-z0-9._-]', '_', asked.payee_id)}.zip"


def disclosure_told(asked: DisclosureAsked, made: Disclosed, given: bytes) -> dict[str, Any]:
    """What the action log keeps of it: of the file its SHA-256."""
    return {
        "payeeId": asked.payee_id,
        "programId": asked.program_id,
        "previous": list(asked.previous),
        "withOthers": asked.with_others,
        "entries": made.entries,
        "ofBefore": made.of_before,
        "leftOut": made.left_out,
        "sha256": sha256(given).hexdigest(),
    }
