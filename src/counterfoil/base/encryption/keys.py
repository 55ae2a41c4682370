"""The keys with which an installation encrypts what is confidential: the first encrypts, all of them open.

    envelope = id of the key (4 bytes) | nonce (12 bytes) | ciphertext and tag (AES-256-GCM)

Table, column and row are authenticated with it (its associated data): an envelope that was moved to another row does not open.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import Problem
from counterfoil.base.secret import EncryptionKey

ID_BYTES: Final = 4
NONCE_BYTES: Final = 12
SETTING: Final = "encryption_keys"
_NAMED: Final = b"counterfoil encryption key\0"
_CARRIED: Final = "counterfoil_encryption_keys"
Entropy = Callable[[int], bytes]


class EncryptionKeyMissing(Problem, kind="busy"):  # ours to mend: it opens as soon as its key is there
    """This is encrypted with a key that is not set here.

    Put the key with that id back into COUNTERFOIL_ENCRYPTION_KEYS, or into the data folder of a private database. Where it is lost
    for good, say so with COUNTERFOIL_ENCRYPTION_KEYS_LOST: what it encrypted stays unreadable, and everything else goes on.
    """


class EnvelopeDoesNotOpen(Problem):
    """This was changed past every rule, or moved here from another row: it does not open with the key that it names."""


class Place(NamedTuple):
    """Where an envelope lies: table, column and the row's primary key, as text."""

    relation: str
    column: str
    row: tuple[str, ...]

    def told(self) -> bytes:
        """As associated data. No text in PostgreSQL holds NUL, so two places never read the same."""
        return "\0".join([self.relation, self.column, *self.row]).encode()


class EncryptionKeys:
    """An installation's keys, never shown. `current` encrypts; `lost` are ids of keys that nobody has any more."""

    def __init__(self, keys: Sequence[EncryptionKey], entropy: Entropy, *, lost: Iterable[bytes] = ()) -> None:
        """The first of `keys` encrypts. `entropy` gives the random bytes of each nonce."""
        if not keys:
            raise ValueError("there is at least one key")
        self._keys = {id_of(one): one.key for one in keys}
        self._ciphers: dict[bytes, Any] = {}
        self._entropy = entropy
        self.current: Final = id_of(keys[0])
        self.lost: Final = frozenset(lost) - set(self._keys)

    @property
    def known(self) -> frozenset[bytes]:
        """The ids of the keys that are set."""
        return frozenset(self._keys)

    def encrypt(self, plain: bytes, place: Place) -> bytes:
        """An envelope for this place, under the current key."""
        nonce = self._entropy(NONCE_BYTES)
        sealed: bytes = self._cipher(self.current).encrypt(nonce, plain, place.told())
        return self.current + nonce + sealed

    def decrypt(self, envelope: bytes, place: Place) -> bytes:
        """What was encrypted. Raises EncryptionKeyMissing, EnvelopeDoesNotOpen; neither shows any of it."""
        from cryptography.exceptions import InvalidTag

        key, nonce = key_of(envelope), envelope[ID_BYTES : ID_BYTES + NONCE_BYTES]
        if key not in self._keys:
            raise EncryptionKeyMissing(key=key.hex(), relation=place.relation, row=" ".join(place.row))
        try:
            opened: bytes = self._cipher(key).decrypt(nonce, envelope[ID_BYTES + NONCE_BYTES :], place.told())
        except (InvalidTag, ValueError) as error:
            told = {"key": key.hex(), "relation": place.relation, "row": " ".join(place.row)}
            raise EnvelopeDoesNotOpen(**told) from error
        return opened

    def fingerprint(self, text: bytes, purpose: str) -> bytes:
        """The current key's id and HMAC-SHA256 under it: equal for equal texts, and nothing to guess by without the key."""
        return self._fingerprint(self.current, text, purpose)

    def fingerprints(self, text: bytes, purpose: str) -> list[bytes]:
        """As `fingerprint`, under each key that is set, the current one first: whoever used another key first is known again."""
        return [self._fingerprint(key, text, purpose) for key in (self.current, *sorted(self.known - {self.current}))]

    def is_fingerprint_of(self, text: bytes, purpose: str, given: bytes) -> bool | None:
        """Was this fingerprint made of this text? None when its key is not here, so that nobody can tell."""
        if key_of(given) not in self._keys:
            return None
        return hmac.compare_digest(self._fingerprint(key_of(given), text, purpose), given)

    def _fingerprint(self, key: bytes, text: bytes, purpose: str) -> bytes:
        own = hmac.digest(self._keys[key], b"fingerprint\0" + purpose.encode(), hashlib.sha256)
        return key + hmac.digest(own, text, hashlib.sha256)

    def __repr__(self) -> str:
        """Ids, never keys."""
        return f"EncryptionKeys({', '.join(sorted(key.hex() for key in self._keys))})"

    def _cipher(self, key: bytes) -> Any:
        found = self._ciphers.get(key)
        if found is None:
            # 70 ms that only those pay who encrypt: `--help` answers at once.
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            found = self._ciphers[key] = AESGCM(self._keys[key])
        return found


def id_of(key: EncryptionKey) -> bytes:
    """A key's id, which is no secret: the beginning of a hash of it. So nobody types it, and no two keys get the same by mistake."""
    return hashlib.sha256(_NAMED + key.key).digest()[:ID_BYTES]


def key_of(envelope: bytes) -> bytes:
    """The id of the key that an envelope names."""
    return envelope[:ID_BYTES]


def parse_keys(text: str, field: str = SETTING) -> list[EncryptionKey]:
    """Keys with commas or line breaks between them, the first encrypts. Raises WeakSecret for none, and for one that can be guessed."""
    told = [one for one in text.replace("\n", ",").split(",") if one.strip()]
    return [EncryptionKey(one.strip(), field) for one in told or [""]]


def carry(conn: Connection[Any], keys: EncryptionKeys | None) -> None:
    """Give a connection the keys: whoever reads a row on it can open it, and nothing else need pass them on."""
    setattr(conn, _CARRIED, keys)


def keys_of(conn: Connection[Any]) -> EncryptionKeys:
    """The keys that a connection carries. Raises EncryptionKeyMissing when it carries none."""
    return required(getattr(conn, _CARRIED, None))


def required(keys: EncryptionKeys | None) -> EncryptionKeys:
    """The keys. Raises EncryptionKeyMissing when there are none."""
    if keys is None:
        raise EncryptionKeyMissing(setting=SETTING)
    return keys
