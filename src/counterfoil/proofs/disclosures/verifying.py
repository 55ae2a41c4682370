"""A disclosure verified by a second implementation of what `verify.py` does: both say the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from counterfoil.proofs.disclosures.concerning import (
    COPIED,
    DISCLOSED,
    DISCLOSURE,
    ENDS,
    FORMAT,
    INCLUSION,
    Payee,
    Source,
    begins_payout,
    source_of,
)
from counterfoil.proofs.log.merkle import leaf_hash, root_from_inclusion
from counterfoil.proofs.log.notes import Checkpoint, NoteRefused
from counterfoil.proofs.packages.layout import ENVELOPE
from counterfoil.proofs.verifying.reading import OpenPackage, ProofBroken, holds, is_moment, read_json
from counterfoil.proofs.verifying.signatures import TrustedKeys, checkpoint_of, signatures_of, statement_of
from counterfoil.proofs.verifying.stamps import UNSTAMPED, GivenStamp

ALL: Final = frozenset({*COPIED, ENVELOPE, DISCLOSURE, DISCLOSED, INCLUSION})
ALL_OF_IT: Final = "whether these are all entries that concern them: only the whole package holds every entry"
REST_OF_IT: Final = (
    "what else the proof says (balances, reconciliation, whether it is complete): that is in the package, not in a disclosure"
)
NO_PREVIOUS: Final = "the package of before: a disclosure does not rest on it"
Moved = dict[tuple[str, str], list[int]]  # account and asset: debits and credits


class DisclosureSeen(NamedTuple):
    """What came of it: what is signed by keys that nobody trusts here, or what is to be said, and what keeps it from being whole."""

    strange: list[str]
    said: list[str]
    left: list[str]


def verify_disclosure(package: OpenPackage, keys: TrustedKeys, *, previous: bool, stamp: GivenStamp | None) -> DisclosureSeen:
    """Verify what one payee was given out of a package. Raises ProofBroken."""
    names = set(package.names)
    holds(names >= ALL, f"The disclosure lacks {', '.join(sorted(ALL - names))}.")
    holds(names <= ALL, f"The disclosure holds {', '.join(sorted(names - ALL))}, which belongs to no disclosure.")
    payee, left_out = _whose(package.json(DISCLOSURE))
    proof = statement_of(package)["predicate"]
    signed = signatures_of(package, proof, keys)
    begins, until = proof["period"]["from"], proof["period"]["to"]
    ordered = is_moment(begins) and is_moment(until) and begins < until
    holds(ordered, "The signed statement does not say from when to when its period lasts.")
    ends, strange = list[Checkpoint](), [signed.strange] * bool(signed.strange)
    for name in ENDS:
        lines = package.whole(name).decode().split("\n")
        told = {"size": int(lines[1]), "root": lines[2]}
        try:
            ends.append(checkpoint_of(package, name, told, proof, keys))
        except NoteRefused:
            strange.append(f"{name} is signed by a key of the log that is not among those you gave.")
    if strange:
        return DisclosureSeen(strange, [], [])
    opening, closing = ends
    entries = _entries(package, opening, closing, until)
    moved = _concern(entries, payee, opening.size)
    count = sum(index >= opening.size for index in entries)
    whole = f"of the {closing.size - opening.size} entries of proof {proof['proof_id']}, {begins} to {until}"
    said = [f"Disclosure for {payee.id} in {payee.program}: {count} {whole}."]
    if count < len(entries):
        said.append(f"{len(entries) - count} of before the period: they show whose payouts ended in it.")
    for (name, asset), (debits, credit) in sorted(moved.items()):
        said.append(f"Moved by them on {name}: debits {debits}, credits {credit} ({asset}, minor units).")
    stamped = stamp.read(package) if stamp else None
    if stamped:
        stamped.refuse_before(signed.requested_at)
    doubts = signed.doubts(stamped.moment if stamped and stamped.file == ENVELOPE else "")
    doubts += keys.of_log(package).doubts(package, *ENDS)
    unchecked = [ALL_OF_IT, REST_OF_IT, *[NO_PREVIOUS] * previous, *doubts, *([] if stamped else [UNSTAMPED])]
    said += [f"Not checked here: {one}." for one in unchecked]
    said += [stamped.told()] if stamped else []
    left = [signed.lacking] * bool(signed.lacking)
    left += [f"INCOMPLETE: {left_out} entries concern others, too, and whoever made this left them out."] * bool(left_out)
    return DisclosureSeen([], said, left)


def _whose(told: Mapping[str, Any]) -> tuple[Payee, int]:
    """For whom it is, and how many entries its maker left out since they concern others, too. Raises ProofBroken."""
    payee, program, left_out = told["payee"], told["program"], told["left_out"]
    holds(told["format"] == FORMAT, "disclosure.json is of another format.")
    texts = all(isinstance(one, str) and one.isprintable() and one for one in (payee, program))
    holds(texts and type(left_out) is int and left_out >= 0 and len(told) == 4, "disclosure.json does not say whose entries these are.")
    return Payee(payee, program), left_out


def _entries(package: OpenPackage, opening: Checkpoint, closing: Checkpoint, until: str) -> dict[int, Mapping[str, Any]]:
    """The entries by their places, once each leads to the closing checkpoint. Raises ProofBroken."""
    found: dict[int, Mapping[str, Any]] = {}
    last, proofs = -1, package.lines(INCLUSION)
    for line in package.lines(DISCLOSED):
        told = read_json(next(proofs, b""), f"A line of {INCLUSION}")
        index, hashes = told["index"], [bytes.fromhex(one) for one in told["proof"]]
        holds(type(index) is int and last < index < closing.size, "The entries of the disclosure do not lie in the order of the log.")
        leads = root_from_inclusion(index, closing.size, leaf_hash(line), hashes) == closing.root
        holds(leads, f"Entry {index} does not lead to the closing checkpoint: it was altered, or is of another place or log.")
        entry = read_json(line, f"Entry {index}")
        holds(is_moment(entry["at"]), f"Entry {index} does not say when it was recorded.")
        holds(entry["at"] < until, f"Entry {index} was recorded after the period.")
        found[index], last = entry, index
    holds(next(proofs, None) is None, f"{INCLUSION} holds more than the entries.")
    holds(last >= opening.size, "The disclosure holds no entry of its period, so it shows nothing.")
    return found


def _concern(entries: Mapping[int, Mapping[str, Any]], payee: Payee, opening: int) -> Moved:
    """Each of them concerns the payee, by itself or by another that is here. What those of the period moved on each account of theirs.
    Raises ProofBroken."""
    moved: Moved = defaultdict(lambda: [0, 0])
    for index, entry in entries.items():
        if not payee.may_see(entry):
            raise ProofBroken(said=f"Entry {index} does not concern {payee.id}.")
    named = {index for index, entry in entries.items() if payee.named_in(entry)}
    payouts = {source_of(entries[index]) for index in named if begins_payout(entries[index])}
    beside: set[Source] = {source_of(entry) for index, entry in entries.items() if index not in named}
    for index, entry in entries.items():
        source = source_of(entry)
        holds(index in named or source in payouts, f"Entry {index} does not concern {payee.id}.")
        holds(index >= opening or source in beside, f"Entry {index} was in the log before the period, and shows nothing of it.")
        for line in entry["lines"] if index >= opening else ():
            for side, account in enumerate((line["debit"], line["credit"])):
                if payee.owns(account):
                    moved[account, entry["asset"]][side] += int(line["amount"])
    return moved
