"""The tree against RFC 9162's own recursive definitions, and against the vectors that Certificate Transparency's implementations share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.proofs.log.merkle import (
    EMPTY_ROOT,
    Frontier,
    Leaves,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    root_from_inclusion,
    root_of,
)

ENTRIES = [
    bytes.fromhex(one) for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSIONS = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
CONSISTENCIES = {
    (2, 8): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


# RFC 9162, 2.1.1, 2.1.3.1 and 2.1.4.1, as they stand there.
def mth(entries: Sequence[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = split(len(entries))
    return hashlib.sha256(b"\1" + mth(entries[:k]) + mth(entries[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def subproof(m: int, entries: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def tree(entries: Sequence[bytes]) -> Leaves:
    return Leaves([leaf_hash(one) for one in entries])


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_that_are_published(size: int) -> None:
    assert root_of(size, tree(ENTRIES)).hex() == ROOTS[size]


@pytest.mark.parametrize(("place", "size"), INCLUSIONS)
def test_inclusion_proofs_are_those_that_are_published(place: int, size: int) -> None:
    assert tuple(one.hex() for one in inclusion_proof(place, size, tree(ENTRIES))) == INCLUSIONS[place, size]


@pytest.mark.parametrize(("old", "size"), CONSISTENCIES)
def test_consistency_proofs_are_those_that_are_published(old: int, size: int) -> None:
    assert tuple(one.hex() for one in consistency_proof(old, size, tree(ENTRIES))) == CONSISTENCIES[old, size]


def test_all_small_trees_are_as_the_definition_says() -> None:
    entries = numbered(40)
    made = tree(entries)
    for size in range(41):
        assert root_of(size, made) == mth(entries[:size])
        for place in range(size):
            assert inclusion_proof(place, size, made) == path(place, entries[:size])
        for old in range(1, size + 1):
            assert consistency_proof(old, size, made) == subproof(old, entries[:size], True)


@given(st.integers(1, 700), st.data())
def test_what_is_proven_is_believed_and_nothing_else(size: int, data: st.DataObject) -> None:
    entries = numbered(size)
    made = tree(entries)
    root = root_of(size, made)
    place, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    proof, hashed = inclusion_proof(place, size, made), leaf_hash(entries[place])
    assert root_from_inclusion(place, size, hashed, proof) == root
    assert root_from_inclusion(place, size, leaf_hash(b"another"), proof) != root
    assert root_from_inclusion(place, size, hashed, [*proof, hashed]) is None
    if proof:
        assert root_from_inclusion(place, size, hashed, proof[:-1]) != root
        assert root_from_inclusion(place, size, hashed, [b"\0" * 32, *proof[1:]]) != root
    shown = consistency_proof(old, size, made)
    assert is_consistent(old, root_of(old, made), size, root, shown)
    assert not is_consistent(old, leaf_hash(b"x"), size, root, shown)
    if old:
        assert not is_consistent(old, root_of(old, made), size, leaf_hash(b"x"), shown)
        assert not is_consistent(old, root_of(old, made), size, root, [*shown, root])


@given(st.integers(0, 600), st.integers(0, 200))
def test_a_tree_that_grows_is_the_tree_of_all_its_leaves(before: int, more: int) -> None:
    entries = numbered(before + more)
    made = tree(entries)
    grown = Frontier(before, made)
    told: list[tuple[int, int, bytes]] = []
    for one in entries[before:]:
        grown.add(leaf_hash(one), lambda *found: told.append(found))
    assert (grown.size, grown.root()) == (before + more, root_of(before + more, made))
    assert all(made(height, index) == root for height, index, root in told)


def test_a_proof_of_no_place_in_the_tree_is_none() -> None:
    assert root_from_inclusion(3, 3, b"x" * 32, []) is None
    assert root_from_inclusion(-1, 3, b"x" * 32, []) is None
    assert Frontier().root() == EMPTY_ROOT
    with pytest.raises(ValueError, match="lies within"):
        inclusion_proof(3, 3, tree(numbered(3)))
    with pytest.raises(ValueError, match="not the larger"):
        consistency_proof(4, 3, tree(numbered(3)))
