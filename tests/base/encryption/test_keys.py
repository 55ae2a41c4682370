"""Envelopes: opened by their key in their place, and by nothing else; keys that nobody can guess, kept for their owner alone."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.edge import entropy
from counterfoil.base.encryption.confidential import Confidential
from counterfoil.base.encryption.key_file import FILE, KeyFileOpen, kept_keys, new_key, put_first
from counterfoil.base.encryption.keys import (
    EncryptionKeyMissing,
    EncryptionKeys,
    EnvelopeDoesNotOpen,
    Place,
    id_of,
    key_of,
    parse_keys,
)
from counterfoil.base.secret import WeakSecret

ONE, OTHER = new_key(entropy), new_key(entropy)
HERE = Place("destination", "envelope", ("dst_1",))
TOKEN = b"DE89370400440532013000"


def keys(*texts: str, lost: tuple[bytes, ...] = ()) -> EncryptionKeys:
    return EncryptionKeys(parse_keys(",".join(texts)), entropy, lost=lost)


@given(st.binary(max_size=300), st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_what_was_encrypted_opens_where_it_was_written_for(plain: bytes, row: list[str]) -> None:
    place = Place("t", "envelope", tuple(row))
    envelope = keys(ONE).encrypt(plain, place)
    assert keys(OTHER, ONE).decrypt(envelope, place) == plain
    assert len(envelope) == 32 + len(plain)


@pytest.mark.parametrize(
    "place",
    [HERE._replace(row=("dst_2",)), HERE._replace(relation="webhook_in"), HERE._replace(column="token"), HERE._replace(row=("dst", "1"))],
)
def test_an_envelope_that_was_moved_is_refused(place: Place) -> None:
    with pytest.raises(EnvelopeDoesNotOpen):
        keys(ONE).decrypt(keys(ONE).encrypt(TOKEN, HERE), place)


def test_an_envelope_is_refused_when_a_single_bit_of_it_is_changed() -> None:
    ring = keys(ONE)
    envelope = ring.encrypt(TOKEN, HERE)
    for at in range(4, len(envelope)):
        changed = bytearray(envelope)
        changed[at] ^= 1
        with pytest.raises(EnvelopeDoesNotOpen):
            ring.decrypt(bytes(changed), HERE)
    for short in (b"", envelope[:4], envelope[:16], envelope[:31]):
        with pytest.raises((EnvelopeDoesNotOpen, EncryptionKeyMissing)):
            ring.decrypt(short, HERE)


def test_another_key_says_which_key_it_is_not_and_nothing_of_the_text() -> None:
    envelope = keys(ONE).encrypt(TOKEN, HERE)
    with pytest.raises(EncryptionKeyMissing) as caught:
        keys(OTHER).decrypt(envelope, HERE)
    (one,) = parse_keys(ONE)
    assert key_of(envelope) == id_of(one)
    assert caught.value.facts == {"key": id_of(one).hex(), "relation": "destination", "row": "dst_1"}
    assert TOKEN.decode() not in caught.value.sentence()
    assert ONE not in caught.value.sentence() + repr(keys(ONE))


def test_no_two_envelopes_of_one_text_are_alike_and_fingerprints_are() -> None:
    ring = keys(ONE)
    assert len({ring.encrypt(TOKEN, HERE) for _ in range(100)}) == 100
    assert ring.fingerprint(TOKEN, "a") == keys(ONE, OTHER).fingerprint(TOKEN, "a")
    others = {ring.fingerprint(TOKEN, "b"), ring.fingerprint(b"x", "a"), keys(OTHER).fingerprint(TOKEN, "a")}
    assert ring.fingerprint(TOKEN, "a") not in others
    assert len(others) == 3


@pytest.mark.parametrize("text", ["", " , ", "change-me", "A" * 44, "{},short", "{:.40}"])
def test_keys_that_are_none_or_can_be_guessed_are_refused(text: str) -> None:
    with pytest.raises(WeakSecret):
        parse_keys(text.format(ONE))


def test_a_lost_key_leaves_its_fields_empty_and_an_unset_one_does_not_pass_for_lost() -> None:
    what = Confidential("bank_line", ("id",), ("memo", "reference"), "lines")
    envelope = what.encrypted(keys(ONE), ["1"], ["m", None])
    assert what.opened(keys(ONE), ["1"], envelope, [None, None]) == ("m", None)
    lost = keys(OTHER, lost=(key_of(envelope),))
    assert what.opened_unless_lost(lost, ["1"], envelope, [None, None]) == (None, None)
    with pytest.raises(EncryptionKeyMissing):
        what.opened_unless_lost(keys(OTHER), ["1"], envelope, [None, None])


def test_a_private_installation_makes_one_key_whoever_comes_first_and_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as many:
        made = list(many.map(lambda _: kept_keys(folder, entropy)[0].reveal(), range(16)))
    assert len(set(made)) == 1
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert os.listdir(folder) == [FILE]


def test_a_new_key_comes_first_and_the_old_one_still_opens(tmp_path: Path) -> None:
    before = EncryptionKeys(kept_keys(tmp_path, entropy), entropy)
    envelope = before.encrypt(TOKEN, HERE)
    put_first(tmp_path, OTHER)
    after = EncryptionKeys(kept_keys(tmp_path, entropy), entropy)
    assert after.current == id_of(parse_keys(OTHER)[0]) != before.current
    assert after.decrypt(envelope, HERE) == TOKEN
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_keys_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    given = [new_key(entropy) for _ in range(16)]
    with ThreadPoolExecutor(8) as many:
        list(many.map(lambda one: put_first(tmp_path, one), given))
    assert {one.reveal() for one in kept_keys(tmp_path, entropy)} == set(given)


def test_keys_that_others_can_read_are_refused(tmp_path: Path) -> None:
    kept_keys(tmp_path, entropy)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(KeyFileOpen, match="chmod 600"):
        kept_keys(tmp_path, entropy)
