"""A part of verify.py, which a package carries as one file: entries given to one payee, and whose they are."""

from __future__ import annotations

import hashlib
from typing import Any

from counterfoil.proofs.packages.verify_base import Package, is_moment, need, read_json
from counterfoil.proofs.packages.verify_log import root_of_leaf

# --- What one payee was given out of a package --------------------------------------------------------------------------------------------


def whose(entries: list[tuple[int, Any]], opening: int, payee: str, program: str) -> dict[tuple[str, str], list[int]]:
    """Every entry is a journal on an account of the payee, or of a payout that such a one began. What those of the period moved on each
    account of theirs. Raises Broken."""
    own = (f"payee:{payee}", f"affiliate:{payee}")
    moved = {}  # type: dict[tuple[str, str], list[int]]
    named, unnamed = set(), set()  # type: set[int], set[tuple[str, str]]
    payouts = set()  # type: set[tuple[str, str]]
    for index, one in entries:
        need(one["type"] == "journal" and one["program"] == program, f"Entry {index} does not concern {payee}.")
        for line in one["lines"]:
            for side, name in enumerate(("debit", "credit")):
                if line[name].partition(":")[2] in own:
                    named.add(index)
                    if index >= opening:
                        moved.setdefault((line[name], one["asset"]), [0, 0])[side] += int(line["amount"])
        source = (one["source_type"], one["source_id"])
        if index in named and one["source_type"] in ("payout", "provider_payout"):
            payouts.add(source)
        if index not in named:
            unnamed.add(source)
    for index, one in entries:
        source = (one["source_type"], one["source_id"])
        need(index in named or source in payouts, f"Entry {index} does not concern {payee}.")
        need(index >= opening or source in unnamed, f"Entry {index} was in the log before the period, and shows nothing of it.")
    return moved


def disclosed_entries(package: Package, ends: list[tuple[int, bytes]], until: str) -> list[tuple[int, Any]]:
    """The entries of a disclosure with their places, once each leads to the closing checkpoint. Raises Broken."""
    (size, root), last = ends[1], -1
    proofs, entries = package.lines("inclusion.jsonl"), []
    for line in package.lines("disclosed.jsonl"):
        told = read_json(next(proofs, b""), "A line of inclusion.jsonl")
        index, proof = told["index"], [bytes.fromhex(one) for one in told["proof"]]
        need(type(index) is int and last < index < size, "The entries of the disclosure do not lie in the order of the log.")
        leads = root_of_leaf(index, size, hashlib.sha256(b"\0" + line).digest(), proof) == root
        need(leads, f"Entry {index} does not lead to the closing checkpoint: it was altered, or is of another place or log.")
        one = read_json(line, f"Entry {index}")
        need(is_moment(one["at"]), f"Entry {index} does not say when it was recorded.")
        need(one["at"] < until, f"Entry {index} was recorded after the period.")
        entries.append((index, one))
        last = index
    need(next(proofs, None) is None, "inclusion.jsonl holds more than the entries.")
    need(last >= ends[0][0], "The disclosure holds no entry of its period, so it shows nothing.")
    return entries
