"""Make a disclosure out of a package: a payee's entries, and for each the hashes that lead from it to the closing checkpoint.

It is made where the package lies, without a server. The same package gives the same payee the same bytes. Memory grows with what is
disclosed, not with the package.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from counterfoil.base.problems import NotFound, Problem
from counterfoil.proofs.disclosures.concerning import (
    COPIED,
    DISCLOSED,
    DISCLOSURE,
    FORMAT,
    INCLUSION,
    Payee,
    Source,
    begins_payout,
    source_of,
)
from counterfoil.proofs.log.merkle import HASH_BYTES, Frontier, inclusion_proof, leaf_hash
from counterfoil.proofs.packages.layout import ALL, ENVELOPE, MANIFEST
from counterfoil.proofs.packages.writing import PackageFolder, WrittenFile, container_parts
from counterfoil.proofs.verifying.reading import OpenPackage, PackageFiles, holds, read_json

JOURNAL: Final = b'"type":"journal"'
Subtree = tuple[int, int]  # height and index
Hashes = dict[Subtree, bytes]


class BesideOthers(Problem):
    """Each entry of this payee names other payees, too, so all of them would be left out."""

    todo = "Disclose them with --with-others, if the payee may see what is theirs."


class Disclosed(NamedTuple):
    """What was made: entries of the period that are in, of before that show whose those are, and that were left out."""

    entries: int
    of_before: int
    left_out: int


class _Picked(NamedTuple):
    """The places of what is disclosed, and how many were left out."""

    places: list[int]
    left_out: int


class _Chain:
    """Packages one after the other, the last the one that is disclosed of."""

    def __init__(self, packages: Sequence[PackageFiles]) -> None:
        """Raises ProofBroken unless each begins where the one before ended."""
        self._packages = packages
        manifests = [_manifest(one) for one in packages]
        for before, after in pairwise(manifests):
            holds(before["origin"] == after["origin"], "The package of before is of another log.")
            same = before["log"]["close"] == after["log"]["open"]
            holds(same, "The package of before ends at another root than this one begins with.")
        self.begin: int = manifests[0]["log"]["open"]["size"]
        self.opening: int = manifests[-1]["log"]["open"]["size"]
        self.size: int = manifests[-1]["log"]["close"]["size"]
        self.programs: list[str] = manifests[-1]["programs"]

    @property
    def last(self) -> PackageFiles:
        """The one that is disclosed of."""
        return self._packages[-1]

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Every entry with its place in the log."""
        place = self.begin
        for package in self._packages:
            for line in package.lines("entries.jsonl"):
                yield place, line
                place += 1

    def journals(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Every journal with its place."""
        for place, line in self.lines():
            if JOURNAL in line:
                entry = read_json(line, f"Entry {place}")
                if entry["type"] == "journal":
                    yield place, entry

    def hashes(self, wanted: set[Subtree], chosen: Mapping[int, Any], out: Any) -> Hashes:
        """The wanted hashes, once the entries lead to the closing checkpoint; the lines that are chosen go out. Raises ProofBroken."""
        found: Hashes = {}

        def keep(height: int, index: int, one: bytes) -> None:
            if (height, index) in wanted:
                found[height, index] = one

        ahead = iter(bytes.fromhex(one) for one in self._packages[0].json("consistency.json")["subtrees"])

        def complete(height: int, index: int) -> bytes:
            one = next(ahead, b"")
            keep(height, index, one)
            return one

        tree = Frontier(self.begin, complete)
        for place, line in self.lines():
            leaf = leaf_hash(line)
            keep(0, place, leaf)
            tree.add(leaf, keep)
            if place in chosen:
                out.write(line + b"\n")
        root = self.last.whole("checkpoint.close").decode().split("\n")[2]
        same = tree.size == self.size and b64encode(tree.root()).decode() == root
        holds(same, "The entries do not lead to the closing checkpoint: one was altered, left out or moved.")
        return found


def disclose(paths: Sequence[Path], payee_id: str, program: str | None, out: Path, *, with_others: bool = False) -> Disclosed:
    """Out of the last of these packages, which follow each other, what concerns a payee. Entries that name other payees, too, are left out
    unless wanted. Raises NotFound, BesideOthers, ProofBroken, OSError."""
    with ExitStack() as opened:
        packages = []
        for path in paths:
            packages.append(OpenPackage(path))
            opened.callback(packages[-1].close)
        with (
            disclosed_of(packages, payee_id, program, near=out.parent, with_others=with_others) as (made, parts),
            out.open("xb") as file,
        ):
            for part in parts:
                file.write(part)
    return made


@contextmanager
def disclosed_of(
    packages: Sequence[PackageFiles], payee_id: str, program: str | None, *, near: Path, with_others: bool
) -> Iterator[tuple[Disclosed, Iterator[bytes]]]:
    """As `disclose`, of packages that are open; what is made is in a folder `near` until the block ends."""
    chain = _Chain(packages)
    payee = Payee(payee_id, _program(chain.programs, program))
    chosen = _chosen(chain, payee, with_others=with_others)
    with TemporaryDirectory(dir=near, prefix=".disclosing-") as folder:
        made = PackageFolder(Path(folder) / "made")
        _write(made, chain, payee, chosen)
        body = chain.last.whole(ENVELOPE)
        envelope = WrittenFile(ENVELOPE, sha256(body).hexdigest(), len(body), zlib.crc32(body))
        of_before = sum(place < chain.opening for place in chosen.places)
        told = Disclosed(len(chosen.places) - of_before, of_before, chosen.left_out)
        yield told, container_parts(made.folder, list(made.files.values()), envelope, body)


def _manifest(package: PackageFiles) -> Mapping[str, Any]:
    names = set(package.names)
    holds(names == ALL, "This is no package of a proof, so nothing of it can be disclosed.")
    found: Mapping[str, Any] = package.json(MANIFEST)
    return found


def _program(programs: Sequence[str], wanted: str | None) -> str:
    """The one that is wanted, or the only one."""
    if wanted is None and len(programs) == 1:
        return programs[0]
    if wanted not in programs:
        raise NotFound(what=f"program: this package is of {', '.join(programs)}", id=wanted)
    assert wanted is not None
    return wanted


def _chosen(chain: _Chain, payee: Payee, *, with_others: bool) -> _Picked:
    """What concerns the payee, by the rules of `concerning`; of before the period only what shows whose a payout is that ended in it."""
    named: dict[int, Source] = {}
    begun: dict[Source, int] = {}  # payouts of the payee, and the place that shows it
    left_out = 0
    for place, journal in chain.journals():
        if not payee.named_in(journal):
            continue
        if not with_others and payee.is_beside_others(journal):
            left_out += place >= chain.opening
            continue
        named[place] = source_of(journal)
        if begins_payout(journal):
            begun.setdefault(source_of(journal), place)
    places = {place for place in named if place >= chain.opening}
    for place, journal in chain.journals() if begun else ():
        if place < chain.opening or place in places or not payee.may_see(journal) or source_of(journal) not in begun:
            continue
        if not with_others and payee.is_beside_others(journal):
            left_out += place not in named
            continue
        places |= {place, begun[source_of(journal)]}
    if not places and left_out:
        raise BesideOthers(payee=payee.id, entries=left_out)
    if not places:
        raise NotFound(what="entry of the period that concerns", id=payee.id)
    return _Picked(sorted(places), left_out)


def _write(made: PackageFolder, chain: _Chain, payee: Payee, chosen: _Picked) -> None:
    wanted: set[Subtree] = set()

    def want(height: int, index: int) -> bytes:
        wanted.add((height, index))
        return bytes(HASH_BYTES)

    for place in chosen.places:
        inclusion_proof(place, chain.size, want)
    with made.file(DISCLOSED) as out:
        hashes = chain.hashes(wanted, dict.fromkeys(chosen.places), out)
    made.add_lines(
        INCLUSION,
        (
            {"index": place, "proof": [one.hex() for one in inclusion_proof(place, chain.size, lambda *at: hashes[at])]}
            for place in chosen.places
        ),
    )
    for name in COPIED:
        with made.file(name) as out:
            for part in chain.last.parts(name):
                out.write(part)
    told = {"format": FORMAT, "payee": payee.id, "program": payee.program, "left_out": chosen.left_out}
    made.add_json(DISCLOSURE, told)
