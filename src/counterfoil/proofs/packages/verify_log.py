"""A part of verify.py, which a package carries as one file: the tree of the log, and the walk along its entries."""

from __future__ import annotations

import hashlib
from typing import Any

from counterfoil.proofs.packages.verify_base import APPROVALS, RUN_BEGINS, RUN_ENDS, RUN_KINDS, Package, is_moment, need, read_json

# --- The log ----------------------------------------------------------------------------------------------------------------------------


def node(left: bytes, right: bytes) -> bytes:
    """An inner node of the tree (RFC 9162)."""
    return hashlib.sha256(b"\1" + left + right).digest()


def folded(stack: list[tuple[int, bytes]]) -> bytes:
    """The root over complete subtrees, the largest first."""
    found = stack[-1][1] if stack else hashlib.sha256(b"").digest()
    for _, one in reversed(stack[:-1]):
        found = node(one, found)
    return found


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, proof: list[bytes]) -> bool:
    """Is the older tree the beginning of the newer one (RFC 9162, 2.1.4.2)?"""
    if old in (0, size):
        return not proof and (old == 0 or old_root == root)
    path = [old_root, *proof] if old & (old - 1) == 0 else proof
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0] if path else b""
    for one in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node(one, before), node(one, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node(after, one)
        place, last = place >> 1, last >> 1
    return bool(path) and last == 0 and before == old_root and after == root


def root_of_leaf(place: int, size: int, leaf: bytes, proof: list[bytes]) -> bytes:
    """The root that a proof leads to from the hash of a leaf (RFC 9162, 2.1.3.2); nothing when it cannot be of this place."""
    last, found = size - 1, leaf
    for one in proof:
        if last == 0:
            return b""
        if place & 1 or place == last:
            found = node(one, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node(found, one)
        place, last = place >> 1, last >> 1
    return found if last == 0 else b""


class Runs:
    """Runs of playbooks and checklists: those that the entries say were begun and ended, held against what the package names."""

    def __init__(self) -> None:
        self.begun: set[str] = set()
        self.ended: dict[str, list[str]] = {}

    def act(self, one: Any) -> None:
        """An act of somebody."""
        if one["verb"] == RUN_BEGINS:
            self.begun.add(one["subject"])
        elif one["verb"] in RUN_ENDS:
            self.ended[one["subject"]] = [RUN_ENDS[one["verb"]], one["actor"], one["at"]]

    def check(self, package: Package, manifest: Any) -> str:
        """What is to be said of them. Raises Broken."""
        told = manifest.get("runbooks")
        if told is None:
            return "Not checked here: playbooks and checklists: the package holds none of their runs."
        ended: dict[str, list[str]] = {}
        unfinished: list[str] = []
        for line in package.lines("runs.jsonl"):
            one = read_json(line, "A line of runs.jsonl")
            if one["kind"] not in RUN_KINDS:
                continue
            need(one["id"] not in ended and one["id"] not in unfinished, "runs.jsonl names a playbook or checklist twice.")
            if one["state"] == "running":
                unfinished.append(one["id"])
            else:
                ended[one["id"]] = [one["state"], one["ended_by"], one["ended_at"]]
        need(ended == self.ended, "runs.jsonl names other playbooks and checklists that ended than the entries.")
        need(self.begun <= {*ended, *unfinished}, "runs.jsonl lacks a playbook or checklist that was begun in the period.")
        count = {state: sum(one[0] == state for one in ended.values()) for state in RUN_ENDS.values()}
        need(told == {**count, "unfinished": unfinished}, "The manifest counts other playbooks and checklists than runs.jsonl names.")
        left = f"not finished: {len(unfinished)}{' (' if unfinished else ''}{', '.join(unfinished)}{')' if unfinished else ''}"
        return f"Playbooks and checklists of the period: signed: {count['signed']}; closed unpassed: {count['closed']}; {left}."


class Walk:
    """All entries of the period, one after another: the tree grows by each, and what it moves is added up."""

    def __init__(self, package: Package, manifest: Any) -> None:
        self.package, self.manifest = package, manifest
        self.moved: dict[tuple[str, str, str], list[int]] = {}
        self.opened: dict[tuple[str, str, str], str] = {}
        self.counts: dict[str, int] = {}
        self.late = self.size = 0
        self.runs = Runs()
        self.stack: list[tuple[int, bytes]] = []

    def go(self, size: int, root: bytes, end: int, end_root: bytes) -> None:
        """From the opening checkpoint to the closing one. Raises Broken."""
        told = self.package.json_of("consistency.json")
        need([told["old"], told["new"]] == [size, end], "consistency.json is of other checkpoints.")
        proof = [bytes.fromhex(one) for one in told["proof"]]
        need(size <= end, "The log became shorter.")
        need(is_consistent(size, root, end, end_root, proof), "The opening checkpoint is not the beginning of the closing one.")
        self.size, heights = size, [at for at in range(63, -1, -1) if size >> at & 1]
        hashes = [bytes.fromhex(one) for one in told["subtrees"]]
        need(len(hashes) == len(heights), "consistency.json does not hold the subtrees of the opening checkpoint.")
        self.stack = [(height, hashes[at]) for at, height in enumerate(heights)]
        need(folded(self.stack) == root, "The subtrees in consistency.json do not lead to the opening checkpoint.")
        acts, agreed = self.package.lines("actions.jsonl"), self.package.lines("approvals.jsonl")
        for line in self.package.lines("entries.jsonl"):
            kind = self.entry(line)
            if kind == "action":
                need(next(acts, None) == line, "actions.jsonl does not say what the entries say.")
            if kind in APPROVALS:
                need(next(agreed, None) == line, "approvals.jsonl does not say what the entries say.")
        need(next(acts, None) is None, "actions.jsonl holds more than the entries.")
        need(next(agreed, None) is None, "approvals.jsonl holds more than the entries.")
        need(self.size == end, f"There are {self.size - size} entries, and the checkpoints want {end - size}.")
        need(folded(self.stack) == end_root, "The entries do not lead to the closing checkpoint: one was altered, left out or moved.")

    def entry(self, line: bytes) -> str:
        """One entry: into the tree, and into the sums. Its type."""
        height, found = 0, hashlib.sha256(b"\0" + line).digest()
        while self.stack and self.stack[-1][0] == height:
            height, found = height + 1, node(self.stack.pop()[1], found)
        self.stack.append((height, found))
        self.size += 1
        one = read_json(line, f"Entry {self.size - 1}")
        kind = one["type"]
        need(is_moment(one["at"]), f"Entry {self.size - 1} does not say when it was recorded.")
        need(one["at"] < self.manifest["period"]["to"], f"Entry {self.size - 1} was recorded after the period.")
        self.late += one["at"] < self.manifest["period"]["from"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if kind == "journal":
            self.journal(one)
        if kind == "action":
            self.runs.act(one)
        if kind == "account_guard":
            self.opened[one["program"], one["asset"], one["account"]] = one["normal"]
        return str(kind)

    def journal(self, one: Any) -> None:
        """Each line debits one account and credits another with the same amount, so it balances."""
        for line in one["lines"]:
            amount = line["amount"]
            good = isinstance(amount, str) and amount.isascii() and amount.isdigit() and amount[0] != "0"
            need(good and line["debit"] != line["credit"], f"Journal {one['id']} does not balance.")
            for side, name in enumerate(("debit", "credit")):
                sums = self.moved.setdefault((one["program"], one["asset"], line[name]), [0, 0])
                sums[side] += int(amount)
