"""The entries of a package, read once from first to last, block by block; where there are many, several processes look at the blocks.

What a block says does not depend on the blocks before it, so that it is looked at by itself (`look`); what was seen is put together in the
order of the entries, and the first fault is the one that is told, whoever found it.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Final

from counterfoil.proofs.log.merkle import HASH_BYTES, Frontier, is_consistent, leaf_hash
from counterfoil.proofs.log.notes import Checkpoint
from counterfoil.proofs.packages.layout import APPROVALS
from counterfoil.proofs.verifying.reading import UNBUILT, OpenPackage, ProofBroken, holds, is_moment, not_built, read_json
from counterfoil.proofs.verifying.runbooks import RunbookRuns

Account = tuple[str, str, str]  # program, asset, name
FILE: Final = "entries.jsonl"
BLOCK_BYTES: Final = 1 << 20  # about that much is looked at in one go: some 2,500 entries
APART_BYTES: Final = 48 << 20  # of less than that one process is done before another has begun
PROCESSES_MAX: Final = 8  # beyond them the one that puts all together is what takes the time
SUBSETS: Final = {"action": "actions.jsonl"} | dict.fromkeys(APPROVALS, "approvals.jsonl")


def processes_here() -> int:
    """How many processes can look at entries at once on this machine, or in this container."""
    return min(PROCESSES_MAX, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


class VerifierEnded(Exception):
    """A process that looked at entries was ended from outside: nothing was verified."""


@dataclass
class EntryFacts:
    """What some entries say: how many of which kind, what was moved on each account, which were opened, which runs began and ended."""

    counts: Counter[str] = field(default_factory=Counter)
    late: int = 0
    moved: dict[Account, tuple[int, int]] = field(default_factory=dict)  # debits and credits
    opened: dict[Account, str] = field(default_factory=dict)
    runs: RunbookRuns = field(default_factory=RunbookRuns)

    def add(self, more: EntryFacts) -> None:
        """What later entries say."""
        self.counts.update(more.counts)
        self.late += more.late
        self.opened |= more.opened
        self.runs.add(more.runs)
        for account, both in more.moved.items():
            before = self.moved.get(account, (0, 0))
            self.moved[account] = (before[0] + both[0], before[1] + both[1])


@dataclass
class BlockFacts(EntryFacts):
    """What a block says, up to its first fault."""

    leaves: bytes = b""  # the hashes of its entries
    listed: list[tuple[int, str]] = field(default_factory=list)  # which of them are listed in files of their own, too, and their kinds
    fault: str | None = None


class Look:
    """How each block of a period is looked at; it is given to other processes."""

    def __init__(self, begins: str, ends: str) -> None:
        """The first moment of the period, and the first behind it, as manifests write them."""
        self._begins, self._ends = begins, ends

    def __call__(self, lines: Sequence[bytes], first: int) -> BlockFacts:
        """Lines of the file, the first of which is this entry of the log."""
        seen, moved = BlockFacts(), defaultdict[Account, list[int]](lambda: [0, 0])
        try:
            for place, line in enumerate(lines):
                kind = self._take(seen, moved, line, first + place)
                if kind in SUBSETS:
                    seen.listed.append((place, kind))
        except ProofBroken as error:  # told as a sentence: a Problem does not come over from another process
            seen.fault = error.headline()
        except UNBUILT as error:
            seen.fault = not_built(error)
        seen.leaves = b"".join(map(leaf_hash, lines))
        seen.moved = {account: (both[0], both[1]) for account, both in moved.items()}
        return seen

    def _take(self, seen: EntryFacts, moved: dict[Account, list[int]], line: bytes, index: int) -> str:
        entry = read_json(line, f"Entry {index}")
        # Plain questions here: a sentence is only made where one is needed, which is once among millions.
        kind, at = entry["type"], entry["at"]
        if not is_moment(at):
            raise ProofBroken(said=f"Entry {index} does not say when it was recorded.")
        if at >= self._ends:
            raise ProofBroken(said=f"Entry {index} was recorded after the period.")
        seen.counts[kind] += 1
        seen.late += at < self._begins
        if kind == "journal":
            _move(moved, entry)
        elif kind == "action":
            seen.runs.take(entry)
        elif kind == "account_guard":
            seen.opened[entry["program"], entry["asset"], entry["account"]] = entry["normal"]
        return str(kind)


def _move(moved: dict[Account, list[int]], journal: dict[str, Any]) -> None:
    """Each line debits one account and credits another with the same amount, so it balances."""
    program, asset = journal["program"], journal["asset"]
    for line in journal["lines"]:
        debit, credit, amount = line["debit"], line["credit"], line["amount"]
        whole = isinstance(amount, str) and amount.isascii() and amount.isdigit() and amount[0] != "0"
        if not whole or debit == credit:
            raise ProofBroken(said=f"Journal {journal['id']} does not balance.")
        minor = int(amount)
        moved[program, asset, debit][0] += minor
        moved[program, asset, credit][1] += minor


class Entries(EntryFacts):
    """All entries of a period."""

    def read(self, package: OpenPackage, look: Look, opening: Checkpoint, closing: Checkpoint, *, processes: int = 1) -> None:
        """From one checkpoint to the other; by so many processes where there are many entries. Raises ProofBroken, VerifierEnded."""
        tree = _tree_of(package, opening, closing)
        subsets = {"action": package.lines("actions.jsonl")} | dict.fromkeys(APPROVALS, package.lines("approvals.jsonl"))
        with _looking(look, processes if package.size(FILE) >= APART_BYTES else 1) as looked:
            for lines, seen in looked(_blocks(package), opening.size):
                for place, kind in seen.listed:
                    holds(next(subsets[kind], None) == lines[place], f"{SUBSETS[kind]} does not say what the entries say.")
                if seen.fault is not None:
                    raise ProofBroken(said=seen.fault)
                for begin in range(0, len(seen.leaves), HASH_BYTES):
                    tree.add(seen.leaves[begin : begin + HASH_BYTES])
                self.add(seen)
        for kind in ("action", "approval_use"):
            holds(next(subsets[kind], None) is None, f"{SUBSETS[kind]} holds more than the entries.")
        there = tree.size - opening.size
        holds(tree.size == closing.size, f"There are {there} entries, and the checkpoints want {closing.size - opening.size}.")
        holds(tree.root() == closing.root, "The entries do not lead to the closing checkpoint: one was altered, left out or moved.")


def _blocks(package: OpenPackage) -> Iterator[list[bytes] | ProofBroken]:
    """The lines of the file in blocks; a fault of the file itself stands behind those that could be read."""
    block, held, fault = list[bytes](), 0, None
    try:
        for line in package.lines(FILE):
            block.append(line)
            held += len(line)
            if held >= BLOCK_BYTES:
                yield block
                block, held = [], 0
    except ProofBroken as error:
        fault = error
    if block:
        yield block
    if fault is not None:
        yield fault


_Looked = Iterator[tuple[list[bytes], BlockFacts]]
_Blocks = Iterator[list[bytes] | ProofBroken]


@contextmanager
def _looking(look: Look, processes: int) -> Iterator[Callable[[_Blocks, int], _Looked]]:
    """What looks at blocks, and gives each with what was seen, in their order. Raises VerifierEnded."""
    if processes < 2:
        yield lambda blocks, first: _one_by_one(look, blocks, first)
        return
    # Begun anew, not forked: a fork takes along whatever locks the threads of this process hold at that moment.
    # The terminal interrupts them all at once; this process ends the others.
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=signal, initargs=(SIGINT, SIG_IGN))
    try:
        yield lambda blocks, first: _by_several(look, pool, 2 * processes, blocks, first)
    except BrokenProcessPool as error:
        raise VerifierEnded from error
    finally:
        pool.shutdown(cancel_futures=True)


def _one_by_one(look: Look, blocks: _Blocks, first: int) -> _Looked:
    for block in blocks:
        if isinstance(block, ProofBroken):
            raise block
        yield block, look(block, first)
        first += len(block)


def _by_several(look: Look, pool: ProcessPoolExecutor, ahead: int, blocks: _Blocks, first: int) -> _Looked:
    """At most so many blocks are `ahead`, so that memory does not grow with the package."""
    waiting: deque[tuple[list[bytes], Future[BlockFacts]]] = deque()
    fault: ProofBroken | None = None
    for block in blocks:
        if isinstance(block, ProofBroken):
            fault = block
            break
        waiting.append((block, pool.submit(look, block, first)))
        first += len(block)
        if len(waiting) > ahead:
            done, seen = waiting.popleft()
            yield done, seen.result()
    for done, seen in waiting:
        yield done, seen.result()
    if fault is not None:
        raise fault


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
