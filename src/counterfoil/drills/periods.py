"""A restored database held against the proofs of periods: what people signed for, and what lies outside of the database that was backed up.

Of every proof whose period had ended by the backup's moment: both roots, how many entries there are of each kind, what they moved,
and the closing trial balance. Of a proof whose period the backup's moment lies in: the opening root, and each entry from
there on, byte by byte, to the restored log's end.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.proofs.log.merkle import root_of
from counterfoil.proofs.log.tree import StoredTree, size_of
from counterfoil.proofs.packages import contents, layout
from counterfoil.proofs.packages.store import StoredPackage, stored

CLOSING: Final = "trial_balance_close.json"
ENTRIES: Final = "entries.jsonl"
ROWS_AT_ONCE: Final = 2_000
SHOWN_MAX: Final = 12  # of what was compared, or differs: all of it was looked at, and how much is not shown is said
NONE_THERE: Final = "there is no proof of a period to hold it against: make one (`counterfoil proof export FROM TO`), and run it again"


class PeriodProof(NamedTuple):
    """A proof, as the living database knows it."""

    id: str
    open_size: int
    close_size: int
    state: str


class PeriodsFound(NamedTuple):
    """What came of it: `outcome` as of a check of a drill, and what is told of it."""

    outcome: str
    told: str


def held_against_proofs(live: Connection[Any], restored: Connection[Any], folder: Path | None) -> PeriodsFound:
    """Hold the restored log and books against every proof that says something of them. Raises ProofDamaged, ProofStoreUnset."""
    size, tree = size_of(restored), StoredTree(restored)
    wrong, said = list[str](), list[str]()
    for proof in _proofs(live):
        if proof.open_size > size:
            continue
        package = stored(live, folder, proof.id)
        ended = proof.close_size <= size
        package.refuse_damaged(layout.MANIFEST, CLOSING if ended else ENTRIES)
        manifest = json.loads((package.folder / layout.MANIFEST).read_text("utf-8"))
        differ = [
            *_roots(manifest, size, tree),
            *(_ended(restored, package, manifest) if ended else _begun(restored, package, proof, size)),
        ]
        wrong += [f"{proof.id}: {one}" for one in differ]
        said.append(f"{proof.id} ({proof.state}): {_what(proof, size, ended)}")
    if wrong:
        return PeriodsFound("failed", _shown(wrong))
    return PeriodsFound("passed", _shown(said)) if said else PeriodsFound("not_checked", NONE_THERE)


def _shown(said: Sequence[str]) -> str:
    more = f"; and {len(said) - SHOWN_MAX} more of the kind" if len(said) > SHOWN_MAX else ""
    return "; ".join(said[:SHOWN_MAX]) + more


def _proofs(live: Connection[Any]) -> list[PeriodProof]:
    """All, the newest first: a proof is a few hundred reads of the tree, and seven years of months are 84 of them."""
    rows = live.execute("select id, open_size, close_size, state from proof order by close_size desc, created_at desc, id").fetchall()
    return [PeriodProof(*row) for row in rows]


def _what(proof: PeriodProof, size: int, ended: bool) -> str:
    if ended:
        return f"roots, counts, totals and trial balance of entries {proof.open_size} to {proof.close_size}"
    return f"the opening root and {size - proof.open_size} of its {proof.close_size - proof.open_size} entries, byte by byte"


def _roots(manifest: Mapping[str, Any], size: int, tree: StoredTree) -> Iterator[str]:
    for when in ("open", "close"):
        told = manifest["log"][when]
        if told["size"] <= size and root_of(told["size"], tree) != base64.b64decode(told["root"]):
            yield f"the restored log has another root at {told['size']} entries than at its {when}"


def _ended(restored: Connection[Any], package: StoredPackage, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Counts and totals from the restored entries, the trial balance from the restored books."""
    counts, totals = Counter[str](), defaultdict[str, int](int)
    first, last = (manifest["log"][when]["size"] for when in ("open", "close"))
    with restored.cursor(name="drill_entries") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute("select relation, record from log_entry where index >= %s and index < %s order by index", [first, last])
        for relation, record in cursor:
            counts[relation] += 1
            if relation == "journal":
                journal = json.loads(record)
                totals[journal["asset"]] += sum(int(line["amount"]) for line in journal["lines"])
    yield from _differ("entries of", manifest["counts"], counts)
    yield from _differ("moved of", {one["asset"]: int(one["debits"]) for one in manifest["totals"]}, totals)
    told = json.loads((package.folder / CLOSING).read_text("utf-8"))
    yield from _differ("account", _by_account(told), _by_account(contents.trial_balance(restored, last)))


def _begun(restored: Connection[Any], package: StoredPackage, proof: PeriodProof, size: int) -> Iterator[str]:
    """Each entry that is in both, to the byte."""
    with (package.folder / ENTRIES).open("rb") as lines, restored.cursor(name="drill_entries") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute("select index, record from log_entry where index >= %s and index < %s order by index", [proof.open_size, size])
        for (index, record), line in zip(cursor, lines, strict=False):
            if record.encode() + b"\n" != line:
                yield f"entry {index} of the restored log is another"
                return


def _differ(what: str, told: Mapping[str, object], found: Mapping[str, object]) -> Iterator[str]:
    for name in sorted({*told, *found}):
        if told.get(name) != found.get(name):
            yield f"{what} {name}: {told.get(name, 'none')} in the proof, {found.get(name, 'none')} restored"


def _by_account(sheet: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{one['program']} {one['asset']} {one['account']}": f"debits {one['debits']}, credits {one['credits']}, normal {one['normal']}"
        for one in sheet["accounts"]
    }
