"""The store of packages: a folder whose files are not written again. What is read back is held against what was written."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.proofs.log.checkpoints import write_read_only
from counterfoil.proofs.packages import layout
from counterfoil.proofs.packages.exporting import PACKAGES
from counterfoil.proofs.packages.writing import WrittenFile, container_parts, digest_of, parts_of
from counterfoil.proofs.proofs import request_of, show_proof, signatures_of
from counterfoil.proofs.signing.envelope import envelope


class ProofDamaged(Problem):
    """A file of this proof is not in the store any more as it was written."""

    todo = (
        "Fetch its copy, where there is a store of copies (`counterfoil copies fetch proofs/packages/prf_…`), take the package from where "
        "it was sent to, or export the period again: the same facts are the same proof. The damaged is kept."
    )


class ProofStoreUnset(Problem, kind="invalid"):
    """No folder is set for proofs, so none can be made or read."""


class StoredPackage(NamedTuple):
    """A package as it lies in the store, with the signatures that it has by now."""

    proof_id: str
    folder: Path
    files: list[WrittenFile]
    envelope: bytes

    def parts(self) -> Iterator[bytes]:
        """The container, piece by piece."""
        signed = WrittenFile(layout.ENVELOPE, hashlib.sha256(self.envelope).hexdigest(), len(self.envelope), zlib.crc32(self.envelope))
        return container_parts(self.folder, self.files, signed, self.envelope)

    def file(self, name: str) -> Iterator[bytes]:
        """One file, piece by piece. Raises InvalidInput with the names that there are."""
        if name == layout.ENVELOPE:
            return iter([self.envelope])
        if name not in {one.name for one in self.files}:
            names = sorted([*(one.name for one in self.files), layout.ENVELOPE])
            raise InvalidInput("name", f"one of {', '.join(names)}", got=name[:80])
        return parts_of(self.folder / name)

    def refuse_damaged(self, *names: str) -> None:
        """Raises ProofDamaged unless these files, or all, are as they were written. Reads all of them."""
        for one in self.files:
            if names and one.name not in names:
                continue
            if digest_of(self.folder / one.name) != one.sha256:
                raise ProofDamaged(proof=self.proof_id, file=one.name)


def stored(conn: Connection[Any], folder: Path | None, proof_id: str) -> StoredPackage:
    """A package with the signatures of the request that counts. Raises NotFound, ProofStoreUnset."""
    if folder is None:
        raise ProofStoreUnset(setting="proof_folder")
    show_proof(conn, proof_id)
    rows = conn.execute("select name, encode(sha256, 'hex'), bytes, crc32 from proof_file where proof_id = %s order by name", [proof_id])
    request = request_of(conn, proof_id)
    signed = envelope(bytes(request.statement), signatures_of(conn, request))
    return StoredPackage(proof_id, folder / PACKAGES / proof_id, [WrittenFile(*row) for row in rows.fetchall()], signed)


def keep_signed(package: StoredPackage) -> Path:
    """Put the container beside the folder, once it is signed; signed anew it gets another name.

    It was looked at before the last signature was taken: from then on nobody is told that theirs does not count.
    """
    digest = hashlib.sha256(package.envelope).hexdigest()[:16]
    path = package.folder.with_name(f"{package.proof_id}-{digest}.zip")
    if not path.exists():
        write_read_only(path, package.parts())
    return path
