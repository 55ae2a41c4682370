"""The entries of a package, read once from first to last."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from counterfoil.proofs.log.merkle import Frontier, is_consistent, leaf_hash
from counterfoil.proofs.log.notes import Checkpoint
from counterfoil.proofs.packages.layout import APPROVALS
from counterfoil.proofs.verifying.reading import OpenPackage, ProofBroken, holds, is_moment, read_json
from counterfoil.proofs.verifying.runbooks import RunbookRuns

Account = tuple[str, str, str]  # program, asset, name


class Entries:
    """All entries of a period, read once from first to last: the tree, the counts, and what was moved on each account."""

    def __init__(self, begins: str, ends: str) -> None:
        """The first moment of the period, and the first behind it, as manifests write them."""
        self._begins, self._ends = begins, ends
        self.counts: Counter[str] = Counter()
        self.late = 0
        self.moved: dict[Account, list[int]] = defaultdict(lambda: [0, 0])
        self.opened: dict[Account, str] = {}
        self.runs = RunbookRuns()

    def read(self, package: OpenPackage, opening: Checkpoint, closing: Checkpoint) -> None:
        """From one checkpoint to the other. Raises ProofBroken."""
        tree = _tree_of(package, opening, closing)
        subsets = {"action": package.lines("actions.jsonl")} | dict.fromkeys(APPROVALS, package.lines("approvals.jsonl"))
        files = {"action": "actions.jsonl"} | dict.fromkeys(APPROVALS, "approvals.jsonl")
        for line in package.lines("entries.jsonl"):
            tree.add(leaf_hash(line))
            kind = self._take(read_json(line, f"Entry {tree.size - 1}"), tree.size - 1)
            if kind in subsets:
                holds(next(subsets[kind], None) == line, f"{files[kind]} does not say what the entries say.")
        for kind in ("action", "approval_use"):
            holds(next(subsets[kind], None) is None, f"{files[kind]} holds more than the entries.")
        count = tree.size - opening.size
        holds(tree.size == closing.size, f"There are {count} entries, and the checkpoints want {closing.size - opening.size}.")
        holds(tree.root() == closing.root, "The entries do not lead to the closing checkpoint: one was altered, left out or moved.")

    def _take(self, entry: Mapping[str, Any], index: int) -> str:
        # Plain questions here: a sentence is only made where one is needed, which is once among millions.
        kind, at = entry["type"], entry["at"]
        if not is_moment(at):
            raise ProofBroken(said=f"Entry {index} does not say when it was recorded.")
        if at >= self._ends:
            raise ProofBroken(said=f"Entry {index} was recorded after the period.")
        self.counts[kind] += 1
        self.late += at < self._begins
        if kind == "journal":
            self._move(entry)
        elif kind == "action":
            self.runs.take(entry)
        elif kind == "account_guard":
            self.opened[entry["program"], entry["asset"], entry["account"]] = entry["normal"]
        return str(kind)

    def _move(self, journal: Mapping[str, Any]) -> None:
        """Each line debits one account and credits another with the same amount, so it balances."""
        program, asset, moved = journal["program"], journal["asset"], self.moved
        for line in journal["lines"]:
            debit, credit, amount = line["debit"], line["credit"], line["amount"]
            whole = isinstance(amount, str) and amount.isascii() and amount.isdigit() and amount[0] != "0"
            if not whole or debit == credit:
                raise ProofBroken(said=f"Journal {journal['id']} does not balance.")
            minor = int(amount)
            moved[program, asset, debit][0] += minor
            moved[program, asset, credit][1] += minor


def _tree_of(package: OpenPackage, opening: Checkpoint, closing: Checkpoint) -> Frontier:
    """The tree as it was at the opening, which is shown to be the beginning of the closing one. Raises ProofBroken."""
    told = package.json("consistency.json")
    holds([told["old"], told["new"]] == [opening.size, closing.size], "consistency.json is of other checkpoints.")
    holds(opening.size <= closing.size, "The log became shorter.")
    proof = [bytes.fromhex(one) for one in told["proof"]]
    consistent = is_consistent(opening.size, opening.root, closing.size, closing.root, proof)
    holds(consistent, "The opening checkpoint is not the beginning of the closing one.")
    given = [bytes.fromhex(one) for one in told["subtrees"]]
    holds(len(given) == opening.size.bit_count(), "consistency.json does not hold the subtrees of the opening checkpoint.")
    ahead = iter(given)
    tree = Frontier(opening.size, lambda _height, _index: next(ahead))
    holds(tree.root() == opening.root, "The subtrees in consistency.json do not lead to the opening checkpoint.")
    return tree
