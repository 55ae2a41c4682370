"""The second signature of a checkpoint, of ML-DSA-44, in the exact form of C2SP's cosignatures: computed here by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from counterfoil.proofs.log.notes import Checkpoint, NoteKey, NoteRefused, cosign_note, open_note, sign_note
from counterfoil.proofs.log.quantum import KindMissing, has_ml_dsa, key_beside

ORIGIN, SIZE, ROOT, SEED = "example.com/log", 0x0102030405060708, bytes(range(32)), bytes(range(1, 33))
TEXT = Checkpoint(ORIGIN, SIZE, ROOT).text()
# A label of 12 bytes; length and name of who signs; a moment (none); length and name of the log; from which leaf to which; the root.
SIGNED = (
    b"subtree/v1\n\x00\x0fexample.com/log\x00\x00\x00\x00\x00\x00\x00\x00\x0fexample.com/log"
    b"\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08" + ROOT
)


def by_hand() -> Any:
    """The private key that follows from the seed: HKDF-SHA256 as RFC 5869 writes it, with no salt, one block."""
    extracted = hmac.new(bytes(32), SEED, hashlib.sha256).digest()
    return mldsa.MLDSA44PrivateKey.from_seed_bytes(hmac.new(extracted, b"counterfoil log key ML-DSA-44\x01", hashlib.sha256).digest())


KEY = by_hand()
PUBLIC = KEY.public_key().public_bytes_raw()
ID = hashlib.sha256(b"example.com/log\n\x06" + PUBLIC).digest()[:4]


def line(signed: bytes, moment: int = 0) -> str:
    return f"\u2014 {ORIGIN} {base64.b64encode(ID + struct.pack('>Q', moment) + KEY.sign(signed)).decode()}\n"


@pytest.fixture(scope="module")
def keys() -> list[NoteKey]:
    return [NoteKey(ORIGIN, Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()), NoteKey(ORIGIN, PUBLIC)]


def test_what_is_signed_here_is_what_the_format_says_and_the_other_way_round(keys: list[NoteKey]) -> None:
    note = cosign_note(sign_note(TEXT, ORIGIN, SEED), ORIGIN, key_beside(SEED))
    first, second = note.rpartition("\n\n")[2].splitlines()
    raw = base64.b64decode(second.removeprefix(f"\u2014 {ORIGIN} "))
    assert (first.startswith("\u2014 "), len(raw), raw[:12]) == (True, 4 + 8 + 2420, ID + bytes(8))
    KEY.public_key().verify(raw[12:], SIGNED)
    assert open_note(note, keys) == (TEXT, keys)
    plain = sign_note(TEXT, ORIGIN, SEED)
    assert open_note(plain + line(SIGNED), keys)[1] == keys
    dated = SIGNED[:28] + struct.pack(">Q", 1_800_000_000) + SIGNED[36:]
    assert open_note(plain + line(dated, 1_800_000_000), keys)[1] == keys, "others say when, too"
    assert keys[1].written() == f"{ORIGIN}+{ID.hex()}+{base64.b64encode(bytes([6]) + PUBLIC).decode()}"
    assert NoteKey.read(keys[1].written()) == keys[1]
    for wrong in (bytes([1]) + PUBLIC, bytes([6]) + PUBLIC[:-1], bytes([6]) + keys[0].public, b""):
        with pytest.raises(NoteRefused):
            NoteKey.read(f"{ORIGIN}+{ID.hex()}+{base64.b64encode(wrong).decode()}")


def test_no_flipped_byte_of_the_line_leaves_it_a_signature(keys: list[NoteKey]) -> None:
    plain = sign_note(TEXT, ORIGIN, SEED)
    good, passed_over = line(SIGNED).encode(), 0
    for place in range(len(good)):
        flipped = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
        try:
            _, signers = open_note(plain + flipped.decode(), keys)
        except (NoteRefused, UnicodeDecodeError):
            continue
        assert signers == keys[:1], place
        passed_over += 1
    assert len(ORIGIN) <= passed_over <= len(ORIGIN) + 6, "with another name or id it is somebody else's; all else is refused"


def test_a_signature_of_something_else_is_refused(keys: list[NoteKey]) -> None:
    plain = sign_note(TEXT, ORIGIN, SEED)
    for signed, moment in (
        (SIGNED[:-1] + b"x", 0),  # another root
        (SIGNED.replace(b"\x01\x02\x03", b"\x01\x02\x04"), 0),  # another size
        (SIGNED[:52] + b"\x00" * 7 + b"\x01" + SIGNED[60:], 0),  # a subtree that does not begin at the first leaf
        (SIGNED, 7),  # another moment
        (TEXT.encode(), 0),  # the text, as Ed25519 signs it
        (SIGNED[:28] + struct.pack(">Q", 1 << 63) + SIGNED[36:], 1 << 63),  # a moment that none is
    ):
        with pytest.raises(NoteRefused, match="not of this text"):
            open_note(plain + line(signed, moment), keys)
    longer = sign_note(f"{TEXT}a line more\n", ORIGIN, SEED)
    assert open_note(longer, keys)[1] == keys[:1]
    with pytest.raises(NoteRefused, match="covers three lines"):
        open_note(longer + line(SIGNED), keys)
    with pytest.raises(NoteRefused):
        cosign_note(sign_note("no checkpoint\n", ORIGIN, SEED), ORIGIN, KEY)


def test_where_the_library_has_none_the_line_is_passed_over_and_never_taken_for_checked(
    keys: list[NoteKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    note = sign_note(TEXT, ORIGIN, SEED) + line(SIGNED)
    monkeypatch.delattr(mldsa, "MLDSA44PublicKey")
    assert not has_ml_dsa()
    assert open_note(note, keys)[1] == keys[:1]
    with pytest.raises(NoteRefused, match="no known key"):
        open_note(note, keys[1:])
    with pytest.raises(KindMissing):
        key_beside(SEED)
