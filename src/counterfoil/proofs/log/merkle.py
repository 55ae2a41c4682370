"""The Merkle tree of RFC 9162 (section 2.1): roots, inclusion and consistency proofs. Pure: knows neither a database nor what leaves hold.

Everything is put together from the roots of complete subtrees. The subtree of height h and index i covers the 2^h leaves from i * 2^h on;
whoever asks gives a function that knows these roots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
Complete = Callable[[int, int], bytes]  # height, index -> root of that complete subtree


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf: SHA-256 over 0x00 and its bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: SHA-256 over 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(size: int, complete: Complete) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return _subtree(0, size, complete) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, complete: Complete) -> list[bytes]:
    """The hashes that lead from leaf `index` to the root of the first `size` leaves (section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError("a leaf lies within its tree")
    first, last, path = 0, size, list[bytes]()
    while last - first > 1:
        middle = first + _split(last - first)
        if index < middle:
            path.append(_subtree(middle, last, complete))
            last = middle
        else:
            path.append(_subtree(first, middle, complete))
            first = middle
    return path[::-1]


def consistency_proof(old: int, size: int, complete: Complete) -> list[bytes]:
    """The hashes that show that the first `old` leaves of `size` are those of the tree of before (section 2.1.4.1)."""
    if not 0 <= old <= size:
        raise ValueError("the older tree is not the larger one")
    if old in (0, size):
        return []
    first, last, whole, path = 0, size, True, list[bytes]()
    while last != old:
        middle = first + _split(last - first)
        if old <= middle:
            path.append(_subtree(middle, last, complete))
            last = middle
        else:
            path.append(_subtree(first, middle, complete))
            first, whole = middle, False
    if not whole:
        path.append(_subtree(first, last, complete))
    return path[::-1]


def subtrees(size: int, complete: Complete) -> list[bytes]:
    """The roots of the complete subtrees that the first `size` leaves consist of, the largest first: from them the tree grows on."""
    return [complete(height, index) for height, index in _pieces(0, size)]


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to from the hash of a leaf; None when the proof cannot be of this place (section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    place, last, found = index, size - 1, leaf
    for one in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node_hash(one, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, one)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def is_consistent(old: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Does the proof show that the tree of `old` leaves is the beginning of the tree of `size` leaves (section 2.1.4.2)?"""
    if old == 0:
        return old_root == EMPTY_ROOT and not proof and (size > 0 or root == EMPTY_ROOT)
    if old >= size:
        return old == size and old_root == root and not proof
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(one, before), node_hash(one, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, one)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == root


class Frontier:
    """A tree that only grows: its complete subtrees, the largest first. Memory does not grow with its leaves."""

    def __init__(self, size: int = 0, complete: Complete | None = None) -> None:
        """Empty, or as the first `size` leaves of a tree whose complete subtrees are known."""
        self.size = 0
        self._stack: list[tuple[int, bytes]] = []
        if size and complete is not None:
            self._stack = [(height, complete(height, index)) for height, index in _pieces(0, size)]
            self.size = size

    def add(self, leaf: bytes, made: Callable[[int, int, bytes], None] | None = None) -> None:
        """Append the hash of a leaf. `made` is told height, index and root of each subtree that is complete by it."""
        height, found = 0, leaf
        while self._stack and self._stack[-1][0] == height:
            found = node_hash(self._stack.pop()[1], found)
            height += 1
            if made is not None:
                made(height, self.size >> height, found)
        self._stack.append((height, found))
        self.size += 1

    def root(self) -> bytes:
        """The root of all leaves until now."""
        return _folded([found for _, found in self._stack]) if self._stack else EMPTY_ROOT


class Leaves:
    """The complete subtrees of a list of leaf hashes, all in memory: for tests and for small trees."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        """The hashes of the leaves, in their order."""
        self._levels: list[list[bytes]] = [list(hashes)]
        while len(self._levels[-1]) > 1:
            row = self._levels[-1]
            self._levels.append([node_hash(left, right) for left, right in list(pairwise(row))[::2]])

    def __call__(self, height: int, index: int) -> bytes:
        """The root of a complete subtree."""
        return self._levels[height][index]


def _split(count: int) -> int:
    """The largest power of two that is smaller than `count`."""
    return 1 << (count - 1).bit_length() - 1


def _pieces(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees that leaves `first` to `last` consist of, by height and index, the largest first."""
    for height in range((last - first).bit_length() - 1, -1, -1):
        if (last - first) >> height & 1:
            start = first + ((last - first) >> height + 1 << height + 1)
            yield height, start >> height


def _subtree(first: int, last: int, complete: Complete) -> bytes:
    return _folded([complete(height, index) for height, index in _pieces(first, last)])


def _folded(roots: Sequence[bytes]) -> bytes:
    """The root over complete subtrees that become smaller: from the right."""
    found = roots[-1]
    for one in reversed(roots[:-1]):
        found = node_hash(one, found)
    return found
